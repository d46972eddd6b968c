"""AccountReads, ContactProbe: the lines of `shared/ports.py`, over the fakes and over HTTP to the simulated Syncro."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
import structlog

from sandbox.syncro.tokens import DETAIL, EDIT, LIST
from sandbox.world import World
from shared.adapters.http import open_http
from shared.adapters.syncro.account import SyncroAccount
from shared.adapters.syncro.probe import SyncroContactProbe
from shared.domain.contact import Contact
from shared.domain.errors import StopTheLine
from shared.ports import AccountReads, ContactProbe, FieldDefinition
from tests.support.fake_onboarding import FakeAccountReads
from tests.support.fake_probe import FakeContactProbe
from tests.support.vendor_stub import FreeAllowance, TellTalePace

ID, NOBODY = 4711, 1


class Harness(Protocol):
    """One account with the field "Level" (a drop-down) and one contact that has "Badge No." and "VIP"."""

    account: AccountReads
    probe: ContactProbe
    contact: int

    def allow(self, *permissions: str) -> None: ...
    def stored(self) -> object: ...


class FakeHarness:
    contact = ID

    def __init__(self) -> None:
        fields = [FieldDefinition("Reg No.", "text_field"), FieldDefinition("Service Level", "select_box", ("Gold",))]
        standing = Contact(ID, 7, "Ann", properties={"Badge No.": "12", "VIP": "1"})
        self._reads = FakeAccountReads(fields=fields, contacts=[standing])
        self._probe = FakeContactProbe({ID: standing}, {"Badge No.", "VIP"})
        self.account: AccountReads = self._reads
        self.probe: ContactProbe = self._probe

    def allow(self, *permissions: str) -> None:
        self._reads.edit = EDIT in permissions

    def stored(self) -> object:
        return dict(self._probe.contacts)


@dataclass
class SandboxHarness:
    world: World
    account: AccountReads
    probe: ContactProbe
    contact: int

    def allow(self, *permissions: str) -> None:
        self.world.syncro.token.permissions = frozenset(permissions)

    def stored(self) -> object:
        every = self.world.syncro.account.contacts.values()
        return {one.id: (dict(one.values), dict(one.properties), one.updated_at) for one in every}


@pytest.fixture(params=["fake", "syncro"])
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    if request.param == "fake":
        yield FakeHarness()
        return
    async with World.open(tmp_path) as world, open_http("entra-syncro/test") as http:
        syncro = world.syncro
        syncro.limiter.per_minute = None
        customer = next(iter(world.customer_ids.values()))
        made = syncro.add_contact(customer, "Ann", {"Badge No.": "12", "VIP": "1"})
        where = (http, syncro.url, syncro.token.secret, TellTalePace())
        yield SandboxHarness(world, SyncroAccount(*where), SyncroContactProbe(*where), made.id)


async def test_never_keep_the_answer_s_body_it_holds_a_secret(harness: Harness) -> None:
    """must: never keep the answer's body (it holds a secret)"""
    with structlog.testing.capture_logs() as logs:
        owner = await harness.account.owner(FreeAllowance())
    assert owner.user_name
    assert owner.is_admin
    assert "token" not in f"{owner} {logs} {vars(harness.account)}".replace("TokenOwner", "").replace("_token", "")


async def test_a_drop_down_comes_with_its_answers_and_others_without(harness: Harness) -> None:
    fields = {field.name: field for field in await harness.account.customer_fields(FreeAllowance())}
    assert "Gold" in fields["Service Level"].answers
    assert fields["Reg No."] == FieldDefinition("Reg No.", "text_field")


async def test_one_page_of_contacts_of_any_customer(harness: Harness) -> None:
    """One page of contacts of any customer."""
    allowance = FreeAllowance()
    found = await harness.account.some_contacts(allowance)
    assert harness.contact in {contact.id for contact in found}
    assert allowance.spent == 1


@pytest.mark.parametrize(("permissions", "may"), [((LIST, DETAIL, EDIT), True), ((LIST, DETAIL), False)])
async def test_change_nothing(harness: Harness, permissions: tuple[str, ...], may: bool) -> None:
    """must: change nothing; give None when the answer does not tell"""
    harness.allow(*permissions)
    before = harness.stored()
    assert await harness.account.may_edit(FreeAllowance()) is may
    assert harness.stored() == before


async def test_give_none_only_for_a_404(harness: Harness) -> None:
    """must: give None only for a 404"""
    assert await harness.probe.get(FreeAllowance(), NOBODY) is None
    found = await harness.probe.get(FreeAllowance(), harness.contact)
    assert found is not None
    assert found.properties["Badge No."] == "12"


async def test_send_exactly_these_plain_fields_and_these_custom_fields(harness: Harness) -> None:
    """must: send exactly these plain fields and these custom fields

    Both replace what is not sent, so a field that was added on the way would still be there.
    """
    await harness.probe.put(FreeAllowance(), harness.contact, {"name": "Ann Lee"}, {"VIP": "0"})
    found = await harness.probe.get(FreeAllowance(), harness.contact)
    assert found is not None
    assert (found.name, found.properties) == ("Ann Lee", {"VIP": "0"})


class TestOverHttp:
    """What only the vendor can answer."""

    @pytest.fixture
    async def there(self, tmp_path: Path) -> AsyncIterator[SandboxHarness]:
        async with World.open(tmp_path) as world, open_http("entra-syncro/test") as http:
            syncro = world.syncro
            where = (http, syncro.url, syncro.token.secret, TellTalePace())
            yield SandboxHarness(world, SyncroAccount(*where), SyncroContactProbe(*where), 0)

    async def test_whether_it_may_edit_is_not_told_by_a_404_alone(self, there: SandboxHarness) -> None:
        """A token that may read tickets as well cannot show that rights are asked before records."""
        assert await there.account.may_edit(FreeAllowance()) is None

    @pytest.mark.parametrize("permissions", [(LIST, DETAIL, EDIT), (LIST, DETAIL)])
    async def test_nor_where_the_record_is_looked_for_first(
        self, there: SandboxHarness, permissions: tuple[str, ...]
    ) -> None:
        there.world.syncro.switches.move({"auth_order": "existence_first"})
        there.allow(*permissions)
        assert await there.account.may_edit(FreeAllowance()) is None

    async def test_a_token_that_opens_nothing_is_no_missing_right(self, there: SandboxHarness) -> None:
        there.world.syncro.token.valid = False
        for call in (there.account.owner, there.account.may_edit, there.account.customer_fields):
            with pytest.raises(StopTheLine) as caught:
                await call(FreeAllowance())
            assert caught.value.code == "token"

    async def test_a_missing_right_to_read_is_named_as_one(self, there: SandboxHarness) -> None:
        there.allow(LIST, EDIT)
        with pytest.raises(StopTheLine) as caught:
            await there.account.some_contacts(FreeAllowance())
        assert caught.value.code == "permission"
