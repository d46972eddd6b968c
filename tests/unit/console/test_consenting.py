"""One sign-in that consents for many: what the partner does is proved, and one customer's trouble is its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from console.operations import OperationError, consent_by_partner, invite
from console.operations.consenting import ConsentResult, PartnerConsent
from shared.domain.errors import Permanent, Scope, StopTheLine, Transient
from shared.domain.onboarding import Invite, InviteState, Organization, PartnerCustomer
from shared.domain.permissions import ASKED
from shared.domain.records import ConnectionStatus
from tests.support.desk import CUSTOMER, Desk
from tests.support.fake_onboarding import FakePartner
from tests.support.fake_vendors import FakeDirectory
from tests.support.receiver import OTHER, TENANT

NORTH = 8


@dataclass
class Granted(FakeDirectory):
    """A tenant's token carries what the partner granted there, without what its policy `withholds`."""

    partner: FakePartner = field(default_factory=FakePartner)
    withheld: dict[str, frozenset[str]] = field(default_factory=dict)

    async def prove(self, tenant_id: str) -> frozenset[str]:
        await self.answer()
        if tenant_id not in self.partner.granted:
            raise StopTheLine("login", "consent_missing", scope=Scope.TENANT)
        return self.partner.granted[tenant_id] - self.withheld.get(tenant_id, frozenset())


@pytest.fixture
async def directory(desk: Desk) -> Granted:
    """Two customers that wait; both tenants under a relationship."""
    desk.partner.related = [PartnerCustomer(TENANT, "Contoso", ""), PartnerCustomer(OTHER, "North", "")]
    desk.organizations.known = {
        TENANT: Organization(TENANT, "Contoso International", ("contoso.example",)),
        OTHER: Organization(OTHER, "North", ("north.example",)),
    }
    found = Granted(desk.world.clock, partner=desk.partner)
    desk.ports = replace(desk.ports, directory=found)
    await invite(desk.ports, CUSTOMER, TENANT)
    await invite(desk.ports, NORTH, OTHER)
    return found


async def consented(desk: Desk, *customers: int, told: list[tuple[str, str]] | None = None) -> list[PartnerConsent]:
    """What is replicating is not waited for here: tests/unit/runtime/test_proof.py does."""
    seen = told if told is not None else []
    done = await consent_by_partner(
        desk.ports, customers, tell=lambda address, code: seen.append((address, code)), pauses=()
    )
    return list(done)


def newest(desk: Desk, customer: int = CUSTOMER) -> Invite:
    standing = [each for each in desk.world.ledger.invites.held.values() if each.state is not InviteState.REPLACED]
    return max((each for each in standing if each.customer_id == customer), key=lambda each: each.invited_at)


@pytest.mark.usefixtures("directory")
async def test_one_sign_in_connects_everybody_that_waits(desk: Desk) -> None:
    told: list[tuple[str, str]] = []
    done = await consented(desk, told=told)
    assert told == [("https://login.example/device", "ABCD-EFGH")]
    assert [(each.customer_id, each.result) for each in done] == [
        (CUSTOMER, ConsentResult.CONNECTED),
        (NORTH, ConsentResult.CONNECTED),
    ]
    assert done[0].tenant_name == "Contoso International"
    assert {desk.status_of(CUSTOMER), desk.status_of(NORTH)} == {ConnectionStatus.PREVIEW}
    assert newest(desk).state is InviteState.CONNECTED
    assert desk.partner.granted == {TENANT: frozenset(ASKED), OTHER: frozenset(ASKED)}


@pytest.mark.usefixtures("directory")
async def test_the_second_run_finds_nobody_and_asks_for_no_sign_in(desk: Desk) -> None:
    await consented(desk)
    told: list[tuple[str, str]] = []
    assert await consented(desk, told=told) == []
    assert told == []


@pytest.mark.usefixtures("directory")
async def test_customers_may_be_named(desk: Desk) -> None:
    (only,) = await consented(desk, NORTH, NORTH)
    assert only.customer_id == NORTH
    assert CUSTOMER not in desk.world.ledger.connections.held


@pytest.mark.usefixtures("directory")
async def test_a_customer_without_a_named_tenant_is_refused_before_anybody_signs_in(desk: Desk) -> None:
    told: list[tuple[str, str]] = []
    with pytest.raises(OperationError, match="99") as caught:
        await consented(desk, 99, told=told)
    assert caught.value.exit_code == 2
    assert told == []


@pytest.mark.usefixtures("directory")
async def test_an_invite_that_any_tenant_may_answer_is_never_guessed(desk: Desk) -> None:
    await invite(desk.ports, NORTH)
    done = await consented(desk)
    assert [each.customer_id for each in done] == [CUSTOMER]


@pytest.mark.usefixtures("directory")
async def test_without_a_relationship_the_link_stays_good(desk: Desk) -> None:
    desk.partner.related = desk.partner.related[:1]
    first, second = await consented(desk)
    assert first.result is ConsentResult.CONNECTED
    assert second.result is ConsentResult.FAILED
    assert (second.error.code if second.error else "") == "no_relationship"
    assert second.link.startswith("https://hooks.example.net/connect/start?invite=")
    assert newest(desk, NORTH).state is InviteState.OPEN


@pytest.mark.parametrize(
    "error",
    [
        Permanent("partner", "lacks_role"),
        Transient("partner", "partner_busy"),
        StopTheLine("login", "blocked_by_policy", scope=Scope.TENANT),
    ],
)
@pytest.mark.usefixtures("directory")
async def test_one_customers_trouble_is_its_own(desk: Desk, error: Permanent | Transient | StopTheLine) -> None:
    desk.partner.failures = {TENANT: error}
    first, second = await consented(desk)
    assert (first.result, first.error) == (ConsentResult.FAILED, error)
    assert first.link
    assert newest(desk).state is InviteState.OPEN
    assert second.result is ConsentResult.CONNECTED


async def test_what_a_policy_withholds_is_named_and_nothing_is_linked(desk: Desk, directory: Granted) -> None:
    directory.withheld = {TENANT: frozenset({"User.Read.All"})}
    first, _ = await consented(desk)
    assert first.result is ConsentResult.FAILED
    assert "User.Read.All (to read users" in first.why
    assert CUSTOMER not in desk.world.ledger.connections.held
    assert newest(desk).state is InviteState.FAILED
    directory.withheld = {}
    (again,) = await consented(desk)
    assert again.result is ConsentResult.CONNECTED
    assert outcomes(desk, CUSTOMER) == ["failed", "connected"]


async def test_what_was_granted_is_noted_whatever_becomes_of_its_proof(desk: Desk, directory: Granted) -> None:
    directory.failures = [Transient("graph", "timeout")]
    first, second = await consented(desk)
    results = {each.customer_id: each.result for each in (first, second)}
    late = next(number for number, result in results.items() if result is ConsentResult.FAILED)
    assert outcomes(desk, late) == ["granted"]
    desk.partner.failures = {TENANT: Permanent("partner", "lacks_role"), OTHER: Permanent("partner", "lacks_role")}
    assert {each.result for each in await consented(desk)} == {ConsentResult.FAILED}
    assert outcomes(desk, late) == ["granted"]


def outcomes(desk: Desk, customer: int) -> list[object]:
    noted = [each for each in desk.world.ledger.deeds.noted if each.what == "consent" and each.customer_id == customer]
    return [each.facts["outcome"] for each in noted]


async def test_optional_permissions_that_are_missing_are_told_but_no_failure(desk: Desk, directory: Granted) -> None:
    directory.withheld = {TENANT: frozenset({"Reports.Read.All"})}
    first, _ = await consented(desk)
    assert first.result is ConsentResult.CONNECTED
    assert "Reports.Read.All" in first.lacks


async def test_what_the_partner_claims_is_not_believed(desk: Desk) -> None:
    class Boasting(FakePartner):
        async def consent(self, tenant_id: str, roles: Sequence[str]) -> frozenset[str]:
            return frozenset(roles)

    related = [PartnerCustomer(TENANT, "Contoso", "")]
    desk.ports = replace(
        desk.ports, partner=Boasting(related=related), directory=Granted(desk.world.clock, partner=FakePartner())
    )
    await invite(desk.ports, CUSTOMER, TENANT)
    (only,) = await consented(desk)
    assert only.result is ConsentResult.FAILED
    assert CUSTOMER not in desk.world.ledger.connections.held


@pytest.mark.usefixtures("directory")
async def test_a_tenant_that_belongs_to_another_customer_by_now_is_left_to_a_person(desk: Desk) -> None:
    desk.tie(30, TENANT)
    first, second = await consented(desk)
    assert first.result is ConsentResult.FAILED
    assert "30" in first.why
    assert second.result is ConsentResult.CONNECTED


@pytest.mark.usefixtures("directory")
async def test_a_link_that_ran_out_is_replaced(desk: Desk) -> None:
    old = newest(desk)
    desk.world.clock.ahead += timedelta(days=30)
    first, _ = await consented(desk)
    assert first.result is ConsentResult.CONNECTED
    assert newest(desk).nonce != old.nonce


@pytest.mark.usefixtures("directory")
async def test_a_sign_in_that_is_declined_changes_nothing(desk: Desk) -> None:
    class Declining(FakePartner):
        async def sign_in(self, tell: object) -> str:
            raise Permanent("partner", "sign_in_declined")

    desk.ports = replace(desk.ports, partner=Declining())
    with pytest.raises(Permanent, match="sign_in_declined"):
        await consented(desk)
    assert newest(desk).state is InviteState.OPEN
