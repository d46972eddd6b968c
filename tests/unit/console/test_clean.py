"""Approving many at once: what counts as clean, and that all the rest is left as it was, with its reason."""

from __future__ import annotations

import pytest

from console.operations import ApprovedClean, approve_clean
from shared.domain.changes import (
    Conflict,
    ConflictReason,
    Excluded,
    ExclusionReason,
    FieldChange,
    Kind,
    NoChange,
    Pinned,
    Plan,
    UpdateContact,
)
from shared.domain.errors import Scope, StopTheLine, Transient
from shared.domain.records import ConnectionStatus
from tests.support.desk import CUSTOMER, Desk, a_creation, an_update


def overwriting(before: str = "Cook", after: str = "Chief", kind: Kind = Kind.PROFILE) -> UpdateContact:
    return UpdateContact("u8", CUSTOMER, 108, (FieldChange("title", before, after, kind, "Differs."),), "mail")


CONFLICT = Conflict("u9", CUSTOMER, ConflictReason.ALIAS_ONLY, ())


async def approved(desk: Desk) -> ApprovedClean:
    return await approve_clean(desk.ports, by="ada")


@pytest.mark.parametrize(
    "plans",
    [
        [],
        [an_update(), a_creation()],
        [overwriting(before=" ")],
        [overwriting(kind=Kind.REPORTED)],
        [Excluded("u4", CUSTOMER, ExclusionReason.GUEST), Pinned("u5", CUSTOMER, 9), NoChange("u7", CUSTOMER, 10)],
    ],
)
async def test_a_clean_plan_is_approved_and_its_first_sync_begins(desk: Desk, plans: list[Plan]) -> None:
    desk.tie()
    desk.passes.plans = plans
    done = await approved(desk)
    assert [run.customer_id for run in done.runs] == [CUSTOMER]
    assert desk.status_of() is ConnectionStatus.APPROVED
    assert desk.world.ledger.approvals.proposals[CUSTOMER].approved_by == "ada"


@pytest.mark.parametrize(
    ("plans", "why"),
    [
        ([overwriting()], "values of 1 contact would be overwritten"),
        ([overwriting(after="")], "values of 1 contact would be overwritten"),
        ([overwriting(kind=Kind.OWNED)], "values of 1 contact would be overwritten"),
        ([a_creation(), CONFLICT], "1 user for a person to choose"),
        ([overwriting(), CONFLICT], "values of 1 contact would be overwritten, 1 user for a person to choose"),
    ],
)
async def test_an_unclean_plan_is_left_with_its_reason(desk: Desk, plans: list[Plan], why: str) -> None:
    desk.tie()
    desk.passes.plans = plans
    done = await approved(desk)
    assert [(rest.customer_id, rest.why) for rest in done.rest] == [(CUSTOMER, why)]
    assert desk.status_of() is ConnectionStatus.PREVIEW
    assert not desk.passes.begun


async def test_only_those_that_wait_are_previewed(desk: Desk) -> None:
    for number, status in enumerate(ConnectionStatus):
        desk.tie(number, status=status)
    decided: list[None] = []
    expected: list[int] = []
    done = await approve_clean(desk.ports, by="ada", expect=expected.append, told=lambda: decided.append(None))
    assert [desk.status_of(run.customer_id) for run in done.runs] == [ConnectionStatus.APPROVED]
    assert (len(done.runs), expected, len(decided)) == (1, [1], 1)


async def test_one_customer_that_cannot_be_read_does_not_stop_the_others(desk: Desk) -> None:
    for number in range(3):
        desk.tie(number)
    lost = StopTheLine("login", "consent", scope=Scope.TENANT)
    desk.passes.broken, desk.passes.broken_for = lost, frozenset({1})
    done = await approved(desk)
    assert [run.customer_id for run in done.runs] == [0, 2]
    assert [(each.customer_id, each.error) for each in done.failed] == [(1, lost)]
    assert desk.status_of(1) is ConnectionStatus.PREVIEW


async def test_an_approval_whose_first_sync_cannot_start_is_named_and_the_customer_owed(desk: Desk) -> None:
    desk.tie()
    desk.passes.broken = Transient("syncro", "unreachable")
    done = await approved(desk)
    assert [each.error for each in done.failed] == [desk.passes.broken]
    assert CUSTOMER in desk.world.ledger.owed.held


async def test_what_stops_the_whole_account_stops_this_too(desk: Desk) -> None:
    desk.tie()
    desk.passes.broken = StopTheLine("syncro", "token", scope=Scope.ACCOUNT)
    desk.passes.broken_for = frozenset({CUSTOMER})
    with pytest.raises(ExceptionGroup) as caught:
        await approved(desk)
    assert caught.value.exceptions == (desk.passes.broken,)
