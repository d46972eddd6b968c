"""Yesterday's backup: what happened since is found again in Entra and in Syncro, and nobody gets a second contact.

Saved while everything runs; restored in its own place, where the links of now are carried over, or exactly as it was,
with the short-lived state kept or lost, or on the other engine. Where nothing but the name tells whose contact it is, a
person is asked.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from console import operations
from console.cli.demo.arrival import value_of
from console.cli.demo.people import open_administrator
from console.cli.demo.stage import Engine, demo_settings
from console.cli.run import Role, operator_ports
from console.operations import OperationError, OperatorPorts
from sandbox.servers import PostgresServer
from sandbox.syncro.account import Contact
from sandbox.world import World
from shared.domain.records import ConnectionStatus
from shared.runtime.settings import Settings
from shared.runtime.wiring import open_adapters
from tests.integration.engines.test_moving import WITHIN, Company, placed, running, set_up

HOW = {"in-place": "created", "by-mail": "mail"}


async def hired(company: Company, ports: OperatorPorts) -> str:
    """Somebody new, who has a contact in the end, and the ledger knows of it. Gives the user's id."""
    async with open_administrator(company.world.info()) as admin:
        user_id = await admin.hire(company.shape.tenant_id, company.shape.domain, "Nadia", "Okafor", "Purser")
    async with asyncio.timeout(WITHIN):
        while await ports.links.of_user(company.customer_id, user_id) is None:  # noqa: ASYNC110 - the ledger rings no bell
            await asyncio.sleep(0.1)
    return user_id


def contacts_of(company: Company, user_id: str) -> list[Contact]:
    every = company.world.syncro.account.contacts.values()
    return [contact for contact in every if value_of(contact, "azure_object_id") == user_id]


async def restored(settings: Settings, backup: Path, *, replace: bool, as_it_was: bool) -> None:
    """By an operator, with no service running."""
    async with open_adapters(settings) as adapters:
        ports = operator_ports(settings, adapters)
        done = await operations.restore(ports, backup, replace=replace, as_it_was=as_it_was, by="test")
    assert done.full_syncs == 1
    assert (done.before is not None) == replace


async def caught_up(company: Company, ports: OperatorPorts) -> None:
    """The full sync that the restore owed is over."""
    async with asyncio.timeout(WITHIN):
        while True:
            runs = [run for run in await ports.runs.recent(company.customer_id) if run.full and run.finished_at]
            if not await ports.owed.owed() and len(runs) > 1:
                return
            await asyncio.sleep(0.2)


async def lose_state(settings: Settings) -> None:
    path = Path(settings.state.url.partition(":")[2])
    for ending in ("", "-wal", "-shm"):
        await asyncio.to_thread(path.with_name(path.name + ending).unlink, missing_ok=True)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "case", ["in-place", pytest.param("state-lost", marks=pytest.mark.every_run), "by-mail", "by-name", "on-postgresql"]
)
async def test_restored_backup_makes_no_second_contact(
    case: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    backup = tmp_path / "yesterday.db"
    async with World.open(tmp_path / "sandbox") as world:
        company = Company(world)
        base = demo_settings(world, tmp_path / "data", Engine())
        first = second = placed(base, Engine())
        async with running(first, Role.ALL) as ports:
            await set_up(company, ports)
            await operations.backup(ports, backup, by="test")
            user_id = await hired(company, ports)
            (contact,) = contacts_of(company, user_id)
            with pytest.raises(OperationError, match="Stop every entra-syncro process"):
                await operations.restore(ports, backup, by="test")
        contacts = company.contacts
        if case == "state-lost":
            await lose_state(first)
        if case in ("in-place", "by-mail", "by-name"):  # an account without that field
            contact.properties["azure_object_id"] = ""
        if case in ("in-place", "by-name"):  # and with an address of its own
            contact.values["email"] = "nadia@private.test"
        if case == "on-postgresql":
            server: PostgresServer = request.getfixturevalue("postgres_server")
            second = placed(base, Engine(ledger=server.fresh_url()))
        await restored(second, backup, replace=second is first, as_it_was=case != "in-place")
        async with running(second, Role.ALL) as ports:
            await caught_up(company, ports)
            assert company.contacts == contacts
            link = await ports.links.of_user(company.customer_id, user_id)
            if case == "by-name":
                (asked,) = await ports.conflicts.list(company.customer_id)
                assert (link, asked.user_id) == (None, user_id)
                assert [each.contact_id for each in asked.candidates] == [contact.id]
                return
            assert link is not None
            assert (link.contact_id, link.how) == (contact.id, HOW.get(case, "object-id"))
            company.titles[user_id] = "Chief Purser"
            async with open_administrator(world.info()) as admin:
                await admin.patch(company.shape.tenant_id, user_id, jobTitle="Chief Purser")
            await company.arrived()
            since = await ports.journal.entries(customer_id=company.customer_id, user_id=user_id)
            assert {entry.action for entry in since} == {"update"}
            (tied,) = await ports.connections.list()
            assert tied.status is ConnectionStatus.APPROVED
        assert company.contacts == contacts
