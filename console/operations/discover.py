"""Finding out which tenant each Syncro customer may belong to, without writing anything anywhere.

Customers come from one listing of Syncro (with the contacts that it embeds), tenants from Microsoft's public answer to
"who holds this domain", each domain asked once; with a person of the partner's signed in, also from the relationships.
What speaks for what is decided in `shared/domain/discovery.py`. Next: `console/operations/import_file.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from console.operations.ports import OperatorPorts
from shared.domain import discovery
from shared.domain.contact import Customer
from shared.domain.discovery import Discovery, Found
from shared.domain.errors import Permanent, Transient
from shared.domain.linking import is_living
from shared.domain.onboarding import PartnerCustomer

AT_ONCE = 8  # questions to Microsoft's sign-in service at the same time


async def discover(
    ports: OperatorPorts,
    *,
    related: Sequence[PartnerCustomer] = (),
    expect: Callable[[int], None] = lambda _: None,
    told: Callable[[], None] = lambda: None,
) -> Discovery:
    """Proposals for every customer that is neither connected nor said to be without Entra.

    `related`: the partner's customers, where a person signed in. `expect` learns how many domains are asked for,
    `told` that one more was answered.
    """
    everyone = await syncro_customers(ports)
    connections = [each for each in await ports.connections.list() if is_living(each)]
    settled = {each.customer_id for each in connections} | {each.customer_id for each in await ports.apart.all()}
    open_ones = [each for each in everyone if each.id not in settled and not each.disabled]
    known = {each.domain: each.tenant_id for each in related if each.domain}
    domains = {each.domain for customer in open_ones for each in discovery.evidence(customer)}
    asked = await tenants_of(ports, domains - known.keys(), expect=expect, told=told)
    taken = {
        tenant: f"customer {each.customer_id} ({each.customer_name})" for each in connections for tenant in each.tenants
    }
    found = Found({**asked, **known}, related, taken)
    return discovery.discover(open_ones, found, settled=len(everyone) - len(open_ones))


async def syncro_customers(ports: OperatorPorts) -> Sequence[Customer]:
    """All of them, by one listing: two calls for 140."""
    async with ports.pace.reserve(1) as allowance:
        return await ports.syncro_customers.listing(allowance)


async def tenants_of(
    ports: OperatorPorts,
    domains: Collection[str],
    *,
    expect: Callable[[int], None] = lambda _: None,
    told: Callable[[], None] = lambda: None,
) -> Mapping[str, str | None]:
    """Domain -> tenant, None: nobody holds it. A domain that could not be asked about is left out."""
    expect(len(domains))
    turn = asyncio.Semaphore(AT_ONCE)
    found: dict[str, str | None] = {}

    async def ask(domain: str) -> None:
        async with turn:
            with suppress(Transient, Permanent):  # this domain's own trouble: the customer is shown as not asked
                found[domain] = await ports.finder.tenant_of(domain)
        told()

    async with asyncio.TaskGroup() as group:
        for domain in sorted(domains):
            group.create_task(ask(domain), name=f"tenant of {domain}")
    return found
