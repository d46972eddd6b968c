"""Contacts: the lines of `shared/ports.py`, over the fake and over HTTP to the simulated Syncro."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import pytest

from sandbox.syncro.account import Holding
from sandbox.syncro.faults import Fault
from sandbox.syncro.tokens import ALL_PERMISSIONS, ASSETS_LIST, GLOBAL_ADMIN, TICKETS_LIST
from sandbox.world import World
from shared.adapters.http import open_http
from shared.adapters.syncro.contacts import SyncroContacts
from shared.domain.changes import FieldChange, Kind
from shared.domain.contact import Contact
from shared.domain.errors import Ambiguous, Permanent, Scope, StopTheLine, Transient
from shared.ports import Contacts
from tests.support.clock import FixedClock
from tests.support.fake_vendors import FakeContacts
from tests.support.vendor_stub import FreeAllowance, TellTalePace

NOBODY = 1
SIZES = (0, 1, 120)  # contacts: none, a few, more than a page
RIGHTS = {"ticket": TICKETS_LIST, "asset": ASSETS_LIST, "portal login": GLOBAL_ADMIN}


def a_change(name: str, after: str) -> FieldChange:
    return FieldChange(name, "", after, Kind.PROFILE, "because")


class Harness(Protocol):
    """One account with a customer that has no contact yet, seen from behind."""

    @property
    def contacts(self) -> Contacts: ...
    @property
    def customer(self) -> int: ...
    def put(self, name: str, properties: Mapping[str, str] | None = None, customer_id: int | None = None) -> int: ...
    def meddle(self, contact_id: int, properties: Mapping[str, str]) -> None: ...
    def remove(self, contact_id: int) -> None: ...
    def hang(self, contact_id: int, what: str) -> None: ...
    def forbid(self, what: str) -> None: ...
    def lose(self, verb: str) -> None: ...
    def drift(self, times: int | None) -> None: ...
    def ids(self) -> set[int]: ...


@dataclass
class FakeHarness:
    fake: FakeContacts = field(default_factory=lambda: FakeContacts(FixedClock()))
    customer: int = 7

    @property
    def contacts(self) -> Contacts:
        return self.fake

    def put(self, name: str, properties: Mapping[str, str] | None = None, customer_id: int | None = None) -> int:
        number = 100 + len(self.fake.held)
        return self.fake.put(Contact(number, customer_id or self.customer, name, properties=properties or {})).id

    def meddle(self, contact_id: int, properties: Mapping[str, str]) -> None:
        known = self.fake.held[contact_id]
        self.fake.put(replace(known, properties={**known.properties, **properties}))

    def remove(self, contact_id: int) -> None:
        del self.fake.held[contact_id]

    def hang(self, contact_id: int, what: str) -> None:
        self.fake.hangs[contact_id] = self.fake.hangs.get(contact_id, frozenset()) | {what}

    def forbid(self, what: str) -> None:
        self.fake.failures["attached"] = [StopTheLine("syncro", "permission", scope=Scope.ACCOUNT)]

    def lose(self, verb: str) -> None:
        families = {"get": Transient("syncro", "server_error"), "list": Transient("syncro", "server_error")}
        self.fake.failures[verb] = [families.get(verb, Ambiguous("syncro", "no_answer"))]

    def drift(self, times: int | None) -> None:
        if times is None:
            self.fake.failures["list"] = [Transient("syncro", "listing_unstable")]
        else:
            self.fake.on_call["list"] = self._come

    def _come(self) -> None:
        del self.fake.on_call["list"]
        self.put("Somebody new")

    def ids(self) -> set[int]:
        return {each.id for each in self.fake.of(self.customer)}


@dataclass
class SandboxHarness:
    world: World
    contacts: Contacts
    customer: int

    def put(self, name: str, properties: Mapping[str, str] | None = None, customer_id: int | None = None) -> int:
        return self.world.syncro.add_contact(customer_id or self.customer, name, properties).id

    def meddle(self, contact_id: int, properties: Mapping[str, str]) -> None:
        self.world.syncro.account.contacts[contact_id].properties.update(properties)

    def remove(self, contact_id: int) -> None:
        del self.world.syncro.account.contacts[contact_id]

    def hang(self, contact_id: int, what: str) -> None:
        syncro = self.world.syncro
        if what == "ticket":
            syncro.add_ticket(contact_id)
            return
        held = syncro.account.assets if what == "asset" else syncro.account.portal_users
        number = 1 + len(held)
        held[number] = Holding(number, self.customer, contact_id, "somebody@else.example", syncro.account.now())

    def forbid(self, what: str) -> None:
        self.world.syncro.token.permissions = ALL_PERMISSIONS - {RIGHTS[what]}

    def lose(self, verb: str) -> None:
        method = {"create": "POST", "update": "PUT", "delete": "DELETE"}.get(verb, "GET")
        self.world.syncro.faults.arm(Fault("504_html", method=method, position="after"))

    def drift(self, times: int | None) -> None:
        self.world.syncro.faults.arm(Fault("drift_insert", method="GET", times=times))

    def ids(self) -> set[int]:
        every = self.world.syncro.account.contacts.values()
        return {each.id for each in every if each.customer_id == self.customer}


@pytest.fixture(params=["fake", "syncro"])
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    if request.param == "fake":
        yield FakeHarness()
        return
    async with World.open(tmp_path) as world, open_http("entra-syncro/test") as http:
        syncro = world.syncro
        syncro.limiter.per_minute = None
        contacts = SyncroContacts(http, syncro.url, syncro.token.secret, TellTalePace())
        yield SandboxHarness(world, contacts, syncro.add_customer("Fresh Ltd").id)


async def read(harness: Harness, contact_id: int) -> Contact:
    found = await harness.contacts.get(FreeAllowance(), contact_id)
    assert found is not None
    return found


async def listed(harness: Harness) -> Sequence[Contact]:
    return await harness.contacts.listing(FreeAllowance(), harness.customer)


async def test_must_collect_by_id_and_read_again_until_the_unique_ids_equal_total_entries(harness: Harness) -> None:
    """must: collect by id and read again until the unique ids equal total_entries, else raise Transient

    Those of this customer alone, and also of one that has none; with one that comes while pages are read.
    """
    harness.put("Somebody else's", customer_id=harness.customer + 1)
    for size in SIZES:
        while len(harness.ids()) < size:
            harness.put(f"Person {len(harness.ids())}")
        found = [each.id for each in await listed(harness)]
        assert (len(found), set(found)) == (size, harness.ids())
    harness.drift(1)
    found = [each.id for each in await listed(harness)]
    assert (len(found), set(found)) == (SIZES[-1] + 1, harness.ids())
    harness.drift(None)
    with pytest.raises(Transient):
        await listed(harness)


async def test_must_give_none_only_for_a_404(harness: Harness) -> None:
    """must: give None only for a 404"""
    ann = harness.put("Ann Lee", {"Badge No.": "12"})
    assert (await read(harness, ann)).properties["Badge No."] == "12"
    assert await harness.contacts.get(FreeAllowance(), NOBODY) is None
    harness.lose("get")
    with pytest.raises(Transient):
        await harness.contacts.get(FreeAllowance(), NOBODY)


async def test_create_must_raise_ambiguous_when_no_readable_answer_came_back(harness: Harness) -> None:
    """must: raise Ambiguous when the request went out and no readable answer came back

    With an answer it is the contact as Syncro has it now. Without one nobody says that there is none.
    """
    wanted = [a_change("name", "Ann Lee"), a_change("title", "CFO"), a_change("azure_license", "Basic")]
    written = await harness.contacts.create(FreeAllowance(), harness.customer, wanted)
    assert written.unstuck == ()
    made = await read(harness, written.contact.id)
    assert [made.value(each.field) for each in wanted] == ["Ann Lee", "CFO", "Basic"]
    harness.lose("create")
    with pytest.raises(Ambiguous):
        await harness.contacts.create(FreeAllowance(), harness.customer, [a_change("name", "Ben Orr")])
    assert {each.name for each in await listed(harness)} == {"Ann Lee", "Ben Orr"}


async def test_must_send_the_name_and_the_whole_properties_of_fresh_with_the_changes_laid_over(
    harness: Harness,
) -> None:
    """must: send the name and the whole properties of `fresh` with the changes laid over

    So a value that came in between is gone with an account that replaces what is not sent.
    """
    ann = harness.put("Ann Lee", {"Badge No.": "12", "VIP": "1"})
    fresh = await read(harness, ann)
    harness.meddle(ann, {"Site": "Branch"})
    changes = [a_change("mobile", "+41 79 555 01 11"), a_change("azure_license", "Basic")]
    written = await harness.contacts.update(FreeAllowance(), fresh, changes)
    assert written.unstuck == ()
    now = await read(harness, ann)
    assert (now.name, now.mobile) == ("Ann Lee", "+41 79 555 01 11")
    kept = {name: value for name, value in now.properties.items() if value}
    assert kept == {"Badge No.": "12", "VIP": "1", "azure_license": "Basic"}


async def test_contact_id_and_what_hangs_on_it_of_a_few_contacts_or_of_many_at_once(harness: Harness) -> None:
    """Contact id -> what hangs on it: "ticket", "asset", "portal login"; of a few contacts or of many at once."""
    people = [await read(harness, harness.put(name)) for name in ("Ann Lee", "Ben Orr", "Cy Poe")]
    ann, ben, _ = people
    for what in RIGHTS:
        harness.hang(ann.id, what)
    harness.hang(ben.id, "asset")
    everything = frozenset(RIGHTS)
    both = {ann.id: everything, ben.id: frozenset({"asset"})}
    assert await harness.contacts.attached(FreeAllowance(), harness.customer, people) == both
    assert await harness.contacts.attached(FreeAllowance(), harness.customer, [ann]) == {ann.id: everything}


@pytest.mark.parametrize("what", RIGHTS)
async def test_must_raise_stop_the_line_permission_rather_than_leave_out_what_the_token_may_not_see(
    harness: Harness, what: str
) -> None:
    """must: raise StopTheLine "permission" rather than leave out what the token may not see"""
    ann = await read(harness, harness.put("Ann Lee"))
    harness.forbid(what)
    with pytest.raises(StopTheLine) as failure:
        await harness.contacts.attached(FreeAllowance(), harness.customer, [ann])
    assert failure.value.code == "permission"


async def test_must_be_content_when_it_is_gone_already(harness: Harness) -> None:
    """must: be content when it is gone already"""
    ann, ben = harness.put("Ann Lee"), harness.put("Ben Orr")
    for _ in range(2):
        await harness.contacts.delete(FreeAllowance(), ann)
    assert harness.ids() == {ben}


async def test_delete_must_raise_ambiguous_when_no_readable_answer_came_back(harness: Harness) -> None:
    """must: raise Ambiguous when the request went out and no readable answer came back"""
    ann = harness.put("Ann Lee")
    harness.lose("delete")
    with pytest.raises(Ambiguous):
        await harness.contacts.delete(FreeAllowance(), ann)
    await harness.contacts.delete(FreeAllowance(), ann)  # so asking again is the way to be sure
    assert harness.ids() == set()


async def test_update_of_a_contact_that_is_gone_writes_nothing(harness: Harness) -> None:
    ann = await read(harness, harness.put("Ann Lee"))
    harness.remove(ann.id)
    with pytest.raises(Permanent) as failure:
        await harness.contacts.update(FreeAllowance(), ann, [a_change("mobile", "1")])
    assert failure.value.code == "not_found"
    assert harness.ids() == set()
