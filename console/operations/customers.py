"""Connecting a Syncro customer to an Entra tenant, and listing what is connected.

A connection starts in preview: nothing is written for it until a person approves (`console/operations/previews.py`).
The tenant's consent is proved by a token and its roles, never believed.
"""

from __future__ import annotations

from collections.abc import Sequence

from console.operations.errors import OperationError, guid, wrong_use
from console.operations.ports import OperatorPorts
from shared.domain.contact import Customer
from shared.domain.errors import StopTheLine
from shared.domain.records import Connection, ConnectionStatus

# What each application role is for, in the words a technician needs when it is missing.
REQUIRED_ROLES = {"User.Read.All": "to read users and to be notified of their changes"}


async def connections(ports: OperatorPorts) -> Sequence[Connection]:
    return await ports.connections.list()


async def connection(ports: OperatorPorts, customer_id: int) -> Connection:
    found = await ports.connections.get(customer_id)
    if found is None or found.status is ConnectionStatus.DISCONNECTED:
        raise wrong_use(
            f"Customer {customer_id} is not connected. Connect it first: "
            f"entra-syncro customers connect {customer_id} --tenant TENANT-ID"
        )
    return found


async def connect(ports: OperatorPorts, customer_id: int, tenant_id: str, *, shared_tenant: bool = False) -> Connection:
    """Tie a customer to a tenant, in preview. `shared_tenant` allows one tenant for several customers."""
    tenant = guid(
        tenant_id,
        "The tenant must be given by its id (a GUID such as 84bd8158-6d4d-4958-8b9f-9d6445542f95); "
        "find it in the Entra admin center under Overview.",
    )
    await _refuse_other_ties(ports, customer_id, tenant, shared_tenant=shared_tenant)
    customer = await _syncro_customer(ports, customer_id)
    await _prove_named(ports, tenant)
    now = ports.clock.now()
    made = Connection(
        customer_id=customer_id,
        customer_name=customer.name,
        tenant_id=tenant,
        status=ConnectionStatus.PREVIEW,
        connected_at=now,
        changed_at=now,
    )
    await ports.connections.save(made)
    return made


async def _refuse_other_ties(ports: OperatorPorts, customer_id: int, tenant: str, *, shared_tenant: bool) -> None:
    known = await ports.connections.get(customer_id)
    if known is not None and known.status is not ConnectionStatus.DISCONNECTED:
        if known.tenant_id == tenant:
            raise wrong_use(
                f"Customer {customer_id} is connected to this tenant already. "
                f"Look at its plan: entra-syncro preview --customer {customer_id}"
            )
        raise wrong_use(
            f"Customer {customer_id} is connected to another tenant ({known.tenant_id}). "
            "Check the numbers: entra-syncro customers list"
        )
    others = [c for c in await ports.connections.of_tenant(tenant) if c.status is not ConnectionStatus.DISCONNECTED]
    if others and not shared_tenant:
        raise wrong_use(
            f"This tenant belongs to customer {others[0].customer_id} ({others[0].customer_name}) already. "
            "If both customers really share it, repeat with --shared-tenant."
        )


async def _syncro_customer(ports: OperatorPorts, customer_id: int) -> Customer:
    async with ports.pace.reserve(1) as allowance:
        customer = await ports.syncro_customers.get(allowance, customer_id)
    if customer is None:
        raise wrong_use(f"Syncro knows no customer {customer_id}. The number stands in the address of its page.")
    return customer


async def _prove_named(ports: OperatorPorts, tenant: str) -> None:
    """`prove_consent`; a tenant that does not exist was mistyped."""
    try:
        await prove_consent(ports, tenant)
    except StopTheLine as error:
        if error.code != "tenant_unknown":
            raise
        raise wrong_use(
            f"Microsoft knows no tenant {tenant}. Check the id: it stands in the Entra admin center under Overview."
        ) from None


async def prove_consent(ports: OperatorPorts, tenant: str) -> None:
    """Raises StopTheLine(tenant) without consent, OperationError when a role that we need is missing."""
    roles = await ports.directory.prove(tenant)
    missing = [f"{role} ({use})" for role, use in REQUIRED_ROLES.items() if role not in roles]
    if missing:
        raise OperationError(
            f"The app is known to this tenant but lacks {', '.join(missing)}. "
            "An administrator of the customer must grant consent again."
        )
