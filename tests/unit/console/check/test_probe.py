"""The one look that writes: what it learns, and that the contact is as before whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from console.operations.check.learning import PHONE, UNDEFINED
from console.operations.check.patient import Patient
from console.operations.check.probe import ProbeWish, probe
from console.operations.check.put_back import before, keep, kept, unfinished
from console.operations.check.wanted import contact_fields
from shared.domain.contact import Contact
from shared.domain.desk import Pin
from shared.domain.errors import Ambiguous, Permanent, SyncError, Transient
from shared.domain.findings import Finding, Level
from shared.domain.policy import SyncPolicy
from shared.domain.records import ConnectionStatus, Link
from shared.ports import Allowance
from tests.support.clock import START
from tests.support.desk import CUSTOMER, Desk
from tests.support.fake_probe import FakeContactProbe

ID = 4711
OWN = Contact(ID, 99, "Probe Contact", phone="555 0100", properties={"title": "Tester", "Badge No.": "12"})
SAMPLES = {field.name: field.sample for field in contact_fields([SyncPolicy()])}
FIELDS = {field.name for field in contact_fields([SyncPolicy()])}
WISH = ProbeWish(ID)


class Bench:
    def __init__(self, folder: Path, standing: Contact = OWN) -> None:
        self.desk = Desk(folder)
        self.syncro = self.desk.contact_probe
        self.syncro.contacts[ID] = standing
        self.syncro.defined = FIELDS | {"title", "Badge No."}

    async def probed(self, wish: ProbeWish = WISH) -> Sequence[Finding]:
        return await probe(self.desk.ports, Patient(), wish)

    @property
    def is_as_before(self) -> bool:
        now = self.syncro.contacts[ID]
        filled = {name: value for name, value in now.properties.items() if value}
        return replace(now, properties=filled) == OWN and not unfinished(self.desk.ports.data_dir)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def behaviour(found: Sequence[Finding]) -> Finding:
    return next(finding for finding in found if "undefined" in finding.details)


def levels(found: Sequence[Finding]) -> list[Level]:
    return [finding.level for finding in found]


@pytest.mark.parametrize("merges", [True, False])
@pytest.mark.parametrize("undefined", ["dropped", "stored", "422"])
@pytest.mark.parametrize("digits", [True, False])
def test_it_learns_the_account_and_puts_the_contact_back(
    folder: Path, merges: bool, undefined: str, digits: bool
) -> None:
    async def main() -> None:
        bench = Bench(folder)
        bench.syncro.merges, bench.syncro.undefined = merges, undefined
        bench.syncro.digits = digits
        found = await bench.probed()
        learnt = behaviour(found).details
        assert learnt["properties"] == ("merge" if merges else "replace")
        assert learnt["undefined"] == {"422": "refused"}.get(undefined, undefined)
        assert learnt["phone"] == ("digits" if digits else "kept")
        assert Level.RED not in levels(found)
        if not digits:
            assert bench.is_as_before
        assert bench.syncro.contacts[ID].value(UNDEFINED) == ""

    asyncio.run(main())


@pytest.mark.parametrize("undefined", ["dropped", "422"])
def test_a_missing_contact_field_is_named_with_its_type_and_answers(folder: Path, undefined: str) -> None:
    async def main() -> None:
        bench = Bench(folder)
        bench.syncro.defined -= {"azure_license", "azure_sync_off"}
        bench.syncro.undefined = undefined
        found = await bench.probed()
        red = next(finding for finding in found if finding.level is Level.RED)
        assert "azure_license, azure_sync_off" in red.what
        assert "Microsoft 365 Business Basic; Microsoft 365 Apps for Business" in red.cure
        assert "azure_mfa_status" not in red.cure
        assert bench.is_as_before

    asyncio.run(main())


def test_a_drop_down_that_answers_with_ids_is_named(folder: Path) -> None:
    async def main() -> None:
        bench = Bench(folder)
        bench.syncro.answers = {"enabled": "1021"}
        found = await bench.probed()
        assert behaviour(found).details["dropdowns"] == "id"
        assert any(finding.level is Level.RED and "azure_mfa_status" in finding.what for finding in found)
        assert bench.is_as_before

    asyncio.run(main())


def test_where_everything_is_stored_a_missing_field_cannot_be_told(folder: Path) -> None:
    async def main() -> None:
        bench = Bench(folder)
        bench.syncro.defined, bench.syncro.undefined = {"title", "Badge No."}, "stored"
        found = await bench.probed()
        assert Level.YELLOW in levels(found)
        assert not any("All keep" in finding.what for finding in found)

    asyncio.run(main())


LOST = Ambiguous("syncro", "connection_lost", "PUT got no usable answer")


@pytest.mark.parametrize("broken", range(2))
def test_a_write_that_fails_is_told_and_the_contact_is_put_back(folder: Path, broken: int) -> None:
    async def main() -> None:
        bench = Bench(folder)
        bench.syncro.failures = [*[None] * broken, LOST]
        found = await bench.probed()
        assert levels(found) == [Level.RED, Level.GREEN]
        assert bench.is_as_before

    asyncio.run(main())


class Interrupted(FakeContactProbe):
    """A person presses Ctrl-C while the n-th call is under way; the write has come through."""

    at = 0
    task: asyncio.Task[Sequence[Finding]]

    async def get(self, allowance: Allowance, contact_id: int) -> Contact | None:
        found = await super().get(allowance, contact_id)
        await self._count()
        return found

    async def put(
        self, allowance: Allowance, contact_id: int, plain: Mapping[str, str], properties: Mapping[str, str]
    ) -> None:
        await super().put(allowance, contact_id, plain, properties)
        await self._count()

    async def _count(self) -> None:
        self.at -= 1
        if self.at == 0:
            self.task.cancel()
            await asyncio.sleep(1)


@pytest.mark.parametrize("at", range(1, 6))
def test_ctrl_c_at_any_call_puts_the_contact_back(folder: Path, at: int) -> None:
    """Calls 1 to 5: the first read, and writes and reads of the learning."""

    async def main() -> None:
        bench = Bench(folder)
        syncro = Interrupted(bench.syncro.contacts, bench.syncro.defined)
        bench.syncro, bench.desk.ports = syncro, replace(bench.desk.ports, contact_probe=syncro)
        syncro.at = at
        syncro.task = asyncio.create_task(bench.probed())
        with pytest.raises(asyncio.CancelledError):
            await syncro.task
        assert bench.is_as_before

    asyncio.run(main())


def test_what_a_kill_left_behind_is_put_back_by_the_same_command(folder: Path) -> None:
    async def main() -> None:
        spoilt = replace(OWN, phone=PHONE, properties={**OWN.properties, **SAMPLES, UNDEFINED: "x"})
        bench = Bench(folder, spoilt)
        keep(folder, ID, before(OWN))
        assert unfinished(folder) == [ID]
        found = await bench.probed(ProbeWish(ID, yes=True))
        assert levels(found) == [Level.GREEN]
        assert len(bench.syncro.puts) == 1
        assert bench.is_as_before

    asyncio.run(main())


def test_what_somebody_wrote_since_the_kill_is_his(folder: Path) -> None:
    """The contact was given to a real person meanwhile, and locked: a look of weeks ago must not come back."""

    async def main() -> None:
        anna = replace(OWN, name="Anna Huber", phone="555 0199", properties={**SAMPLES, "azure_license": "Premium"})
        bench = Bench(folder, anna)
        keep(folder, ID, before(OWN))
        found = await bench.probed(ProbeWish(ID, yes=True))
        assert levels(found) == [Level.GREEN, Level.YELLOW]
        now = bench.syncro.contacts[ID]
        assert (now.name, now.phone, now.properties["azure_license"]) == ("Anna Huber", "555 0199", "Premium")
        assert not now.properties["azure_mfa_status"]
        assert "azure_license" in found[1].what

    asyncio.run(main())


@pytest.mark.parametrize("wish", [WISH, ProbeWish(ID, yes=True)])
def test_what_a_kill_left_behind_is_no_way_round_a_lock(folder: Path, wish: ProbeWish) -> None:
    async def main() -> None:
        locked = replace(OWN, properties={"azure_sync_off": "Ben looks after this one", "azure_license": "Premium"})
        bench = Bench(folder, locked)
        keep(folder, ID, before(OWN))
        assert levels(await bench.probed(wish)) == [Level.RED]
        assert not bench.syncro.puts

    asyncio.run(main())


class Forgetful(FakeContactProbe):
    """Somebody else changes the contact right after every write."""

    async def put(
        self, allowance: Allowance, contact_id: int, plain: Mapping[str, str], properties: Mapping[str, str]
    ) -> None:
        await super().put(allowance, contact_id, plain, properties)
        self.contacts[contact_id] = replace(self.contacts[contact_id], phone="1")


@pytest.mark.parametrize("away", [None, Transient("syncro", "unreachable", "no connection")])
def test_what_cannot_be_put_back_is_printed_and_kept(folder: Path, away: SyncError | None) -> None:
    async def main() -> None:
        bench = Bench(folder)
        syncro = Forgetful(bench.syncro.contacts, bench.syncro.defined)
        syncro.failures = [None, None, away] if away else []
        bench.desk.ports = replace(bench.desk.ports, contact_probe=syncro)
        red = [finding for finding in await bench.probed() if finding.level is Level.RED][-1]
        assert "phone: 555 0100" in red.cure
        assert "Badge No.: 12" in red.cure
        assert kept(folder, ID) == before(OWN)

    asyncio.run(main())


class TestRefusals:
    """Nothing is written to a contact that matters unless somebody says so."""

    def refused(
        self,
        folder: Path,
        standing: Contact,
        wish: ProbeWish = WISH,
        *,
        link: bool = False,
        lock: Pin | None = None,
        status: ConnectionStatus = ConnectionStatus.PREVIEW,
    ) -> str:
        async def main() -> str:
            bench = Bench(folder, standing)
            bench.desk.tie(status=status)
            if link:
                await bench.desk.ports.links.link(Link(standing.customer_id, "u1", ID, "mail", START))
            if lock is not None:
                await bench.desk.ports.pins.pin(lock)
            found = await bench.probed(wish)
            if bench.syncro.puts:
                return ""
            assert levels(found) == [Level.RED]
            return found[0].what

        return asyncio.run(main())

    def test_a_contact_of_a_connected_customer(self, folder: Path) -> None:
        assert "is connected" in self.refused(folder, replace(OWN, customer_id=CUSTOMER))

    def test_a_contact_that_belongs_to_a_user(self, folder: Path) -> None:
        assert "Entra user" in self.refused(folder, OWN, link=True)

    @pytest.mark.parametrize("yes", [True, False])
    def test_a_locked_contact_whatever_is_said(self, folder: Path, yes: bool) -> None:
        locked = replace(OWN, properties={"azure_sync_off": "Ben looks after this one"})
        assert "locked" in self.refused(folder, locked, ProbeWish(ID, yes=yes))

    @pytest.mark.parametrize("yes", [True, False])
    def test_a_contact_that_a_person_locked_here(self, folder: Path, yes: bool) -> None:
        lock = Pin(OWN.customer_id, ID, "legal hold", "ada", START)
        assert "ada locked it" in self.refused(folder, OWN, ProbeWish(ID, yes=yes), lock=lock)

    def test_a_contact_that_is_not_there(self, folder: Path) -> None:
        async def main() -> None:
            bench = Bench(folder)
            bench.syncro.contacts.clear()
            assert levels(await bench.probed()) == [Level.RED]

        asyncio.run(main())

    @pytest.mark.parametrize("yes", [True, False])
    def test_a_contact_of_a_customer_that_workers_write_all_the_time(self, folder: Path, yes: bool) -> None:
        mine = replace(OWN, customer_id=CUSTOMER)
        why = self.refused(folder, mine, ProbeWish(ID, yes=yes), status=ConnectionStatus.APPROVED)
        assert "kept in step" in why

    def test_said_so_it_is_probed(self, folder: Path) -> None:
        assert not self.refused(folder, replace(OWN, customer_id=CUSTOMER), ProbeWish(ID, yes=True))


def test_a_refusal_of_syncro_before_any_write_is_raised_as_it_is(folder: Path) -> None:
    class Away(FakeContactProbe):
        async def get(self, allowance: Allowance, contact_id: int) -> Contact | None:
            raise Permanent("syncro", "bad_request")

    async def main() -> None:
        desk = Desk(folder)
        with pytest.raises(Permanent):
            await probe(replace(desk.ports, contact_probe=Away()), Patient(), WISH)
        assert not unfinished(folder)

    asyncio.run(main())
