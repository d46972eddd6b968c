"""One contact as Syncro has it now: one call, within the pace that all processes share. Reads only."""

from __future__ import annotations

from console.operations.errors import wrong_use
from console.operations.ports import OperatorPorts
from shared.domain.contact import Contact


async def contact_now(ports: OperatorPorts, contact_id: int) -> Contact:
    """Wrong use for a number that Syncro does not know."""
    async with ports.pace.reserve(1) as allowance:
        found = await ports.contact_probe.get(allowance, contact_id)
    if found is None:
        raise wrong_use(
            f"Syncro has no contact {contact_id}. The number stands in the address of the contact's page in Syncro."
        )
    return found
