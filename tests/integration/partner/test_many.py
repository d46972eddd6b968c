"""140 customers imported, consented for and previewed by one operation each; the three planted failures are named."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import aiohttp

from console import operations
from console.cli.explain import explain
from console.operations.consenting import ConsentResult
from console.operations.import_wishes import RowResult
from shared.domain.records import ConnectionStatus
from tests.integration.partner.conftest import Provider


async def the_list(provider: Provider) -> bytes:
    """As the technician has it: most tenants by id, some by a domain, blank for those without Entra."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{provider.world.info()['control']}/customers.csv") as answer,
    ):
        return await answer.read()


async def test_a_provider_is_onboarded_by_three_operations(provider: Provider) -> None:
    ports = replace(provider.ports, partner=provider.partner)
    content = await the_list(provider)

    rows = await operations.import_customers(ports, content)
    assert Counter(row.result for row in rows) == {
        RowResult.WAITING: 133,
        RowResult.WITHOUT_ENTRA: 6,
        RowResult.FAILED: 1,
    }
    (mistyped,) = [row for row in rows if row.result is RowResult.FAILED]
    assert "Microsoft knows no tenant" in mistyped.why
    assert "Entra admin center" in mistyped.why

    done = await operations.consent_by_partner(ports, (), tell=provider.tell, pauses=(0.05,))
    assert Counter(each.result for each in done) == {ConsentResult.CONNECTED: 131, ConsentResult.FAILED: 2}
    assert len(provider.told) == 1
    declines, withheld = [each for each in done if each.result is ConsentResult.FAILED]
    assert declines.error is not None
    assert "no partner relationship (GDAP)" in explain(declines.error)
    assert "administrator" in explain(declines.error)
    assert declines.link
    assert "User.Read.All (to read users" in withheld.why

    again = await operations.import_customers(ports, content)
    assert Counter(row.result for row in again) == {
        RowResult.ALREADY: 131,
        RowResult.WITHOUT_ENTRA: 6,
        RowResult.WAITING: 1,
        RowResult.FAILED: 2,
    }
    links = {row.customer_id: row.link for row in rows if row.link}
    assert [row.link for row in again if row.result is RowResult.WAITING] == [links[declines.customer_id]]

    found = await operations.preview_all(ports)
    assert (len(found.previews), found.failed) == (131, ())
    assert len({each.shown.preview.code for each in found.previews}) > 100
    assert await ports.apart.all() != []
    every = await ports.connections.list()
    assert {each.status for each in every} == {ConnectionStatus.PREVIEW}
    contacts = provider.world.syncro.account.contacts.values()
    assert not any(each.properties.get("azure_object_id") for each in contacts)


async def test_an_import_that_is_cut_off_goes_on_where_it_was(provider: Provider) -> None:
    content = await the_list(provider)
    links: dict[int, str] = {}
    for _ in range(3):
        done = asyncio.Event()
        seen = 0

        def told(done: asyncio.Event = done) -> None:
            nonlocal seen
            seen += 1
            if seen == 40:
                done.set()

        task = asyncio.create_task(operations.import_customers(provider.ports, content, told=told))
        await done.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for number, each in (await provider.ports.invites.newest()).items():
            assert links.setdefault(number, each.nonce) == each.nonce
    assert links
    rows = await operations.import_customers(provider.ports, content)
    assert Counter(row.result for row in rows)[RowResult.WAITING] == 133
    newest = await provider.ports.invites.newest()
    assert len(newest) == 133
    assert {number: newest[number].nonce for number in links} == links


async def test_the_tenants_are_found_without_any_consent(provider: Provider) -> None:
    found = await operations.discover(provider.ports)
    expected = {customer: tenant for tenant, customer in provider.world.customer_ids.items()}
    assert {each.customer_id: each.tenant_id for each in found.proposals} == expected
    assert all(each.is_plain for each in found.proposals)
    assert all(each.was_asked for each in found.unplaced)
    assert len(found.unplaced) >= 6
