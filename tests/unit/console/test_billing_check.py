"""Which customers may be billed: fresh, nothing held, consent there. And clearing by the code of the report alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from console.operations import BillingCheck, OperationError, Trust, billing_check, billing_report, clear_unlicensed
from console.operations.billing import moment_of
from shared.domain.billing import BillingReport, WithoutLicence
from shared.domain.errors import Permanent, Scope, StopTheLine, SyncError, Transient
from shared.domain.messages import Reason
from shared.domain.records import ConnectionStatus, HoldState, Run, RunState
from tests.support.clock import START
from tests.support.desk import CUSTOMER, Desk, a_hold
from tests.support.receiver import OTHER

REPORT = BillingReport(CUSTOMER, (WithoutLicence(5, "Ben", "Basic", "", "", "No user.", True),), (), (), "0b9a8ac4")


async def synced(desk: Desk, hours_ago: float, state: RunState = RunState.DONE, *, full: bool = True) -> None:
    began = START - timedelta(hours=hours_ago)
    run_id = f"run-{hours_ago}-{state.value}"
    await desk.ports.runs.start(Run(run_id, CUSTOMER, Reason.RECONCILE, 0, began, state=state, full=full))


async def trust_of(desk: Desk, before: str | None = None) -> Trust:
    (state,) = (await billing_check(desk.ports, before=before)).customers
    return state.trust


@pytest.mark.parametrize(
    ("hours_ago", "trust"), [(0.5, Trust.FRESH), (26.0, Trust.FRESH), (26.01, Trust.STALE), (400.0, Trust.STALE)]
)
async def test_a_full_sync_is_fresh_for_26_hours(desk: Desk, hours_ago: float, trust: Trust) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    await synced(desk, hours_ago)
    assert await trust_of(desk, "2026-11-24T09:00Z") is trust


@pytest.mark.parametrize("state", [RunState.READING, RunState.WORKING, RunState.HALTED, RunState.FAILED])
async def test_only_a_complete_full_sync_counts(desk: Desk, state: RunState) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    await synced(desk, 1, state)
    await synced(desk, 1, full=False)
    assert await trust_of(desk) is Trust.NEVER
    await synced(desk, 40)
    assert await trust_of(desk) is Trust.STALE


async def test_a_day_of_invoices_in_the_future_asks_for_a_later_sync(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    await synced(desk, 1)
    assert await trust_of(desk, "2026-11-25T09:00Z") is Trust.FRESH
    assert await trust_of(desk, "2026-11-26T09:00Z") is Trust.STALE


async def test_before_its_time_no_sync_now_is_advised(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    await synced(desk, 40)
    (early,) = (await billing_check(desk.ports, before="2026-12-01T08:00Z")).customers
    (late,) = (await billing_check(desk.ports, before="2026-11-25T08:00Z")).customers
    assert ("from 2026-11-30 06:00 UTC on" in early.next, "reconcile" in early.next) == (True, False)
    assert late.next == f"entra-syncro reconcile --customer {CUSTOMER}"


@pytest.mark.parametrize(("before", "is_refused"), [("2020-01-01", True), ("2026-11-23", True), ("2026-11-24", False)])
async def test_a_day_that_is_over_is_refused(desk: Desk, before: str, is_refused: bool) -> None:
    if not is_refused:
        assert (await billing_check(desk.ports, before=before)).is_fine
        return
    with pytest.raises(OperationError, match="is over") as caught:
        await billing_check(desk.ports, before=before)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("brakes", "trust"), [({"clears": (9, 3)}, Trust.HELD), ({"listing": (4, 90)}, Trust.HALTED)])
async def test_what_is_held_may_not_be_billed_however_fresh(
    desk: Desk, brakes: dict[str, tuple[int, int]], trust: Trust
) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    await synced(desk, 1)
    await desk.ports.holds.open(a_hold(brakes=brakes))
    (state,) = (await billing_check(desk.ports)).customers
    assert (state.trust, state.is_fine) == (trust, False)
    assert "entra-syncro runs show 0b9a8ac4" in state.next


@pytest.mark.parametrize(
    ("error", "trust"),
    [
        (StopTheLine("login", "consent_missing", scope=Scope.TENANT), Trust.NO_CONSENT),
        (Transient("login", "login_timed_out"), Trust.UNKNOWN),
    ],
)
async def test_a_tenant_that_lets_nobody_in_may_not_be_billed(desk: Desk, error: SyncError, trust: Trust) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    await synced(desk, 1)
    desk.world.directory.failures = [error]
    assert await trust_of(desk) is trust


async def test_each_tenant_of_a_customer_must_let_us_in(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    tied = desk.tie(status=ConnectionStatus.APPROVED)
    desk.world.ledger.connections.held[tied.customer_id] = replace(tied, more_tenants=(OTHER,))
    await synced(desk, 1)

    async def of_one_alone(tenant_id: str) -> frozenset[str]:
        return frozenset() if tenant_id == OTHER else frozenset({"User.Read.All"})

    monkeypatch.setattr(desk.world.directory, "prove", of_one_alone)
    assert await trust_of(desk) is Trust.NO_CONSENT


async def test_a_role_that_was_taken_away_is_no_consent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    await synced(desk, 1)

    async def fewer(tenant_id: str) -> frozenset[str]:
        return frozenset()

    monkeypatch.setattr(desk.world.directory, "prove", fewer)
    (state,) = (await billing_check(desk.ports)).customers
    assert state.trust is Trust.NO_CONSENT
    assert "User.Read.All" in state.next


async def test_our_own_credential_being_refused_is_no_customers_fault(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.world.directory.failures = [StopTheLine("login", "secret_wrong", scope=Scope.ACCOUNT)]
    with pytest.raises(ExceptionGroup):
        await billing_check(desk.ports)


@pytest.mark.parametrize(
    ("status", "trust", "is_fine"),
    [
        (ConnectionStatus.PREVIEW, Trust.NOT_APPROVED, False),
        (ConnectionStatus.PAUSED, Trust.PAUSED, False),
        (ConnectionStatus.DISCONNECTED, Trust.DISCONNECTED, True),
    ],
)
async def test_what_people_decided_is_named_and_costs_no_call(
    desk: Desk, status: ConnectionStatus, trust: Trust, is_fine: bool
) -> None:
    desk.tie(status=status)
    desk.world.directory.failures = [Transient("login", "never_asked")]
    (state,) = (await billing_check(desk.ports)).customers
    assert (state.trust, state.is_fine) == (trust, is_fine)
    assert desk.world.directory.failures


async def test_one_customer_may_be_asked_for_alone(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.tie(8)
    check = await billing_check(desk.ports, customer_id=8)
    assert [state.customer_id for state in check.customers] == [8]
    with pytest.raises(OperationError, match="not connected") as caught:
        await billing_check(desk.ports, customer_id=9)
    assert caught.value.exit_code == 2


async def test_all_must_be_fine(desk: Desk) -> None:
    assert (await billing_check(desk.ports)).is_fine
    desk.tie(status=ConnectionStatus.APPROVED)
    await synced(desk, 1)
    assert (await billing_check(desk.ports)).is_fine
    desk.tie(8, status=ConnectionStatus.APPROVED)
    check: BillingCheck = await billing_check(desk.ports)
    assert [state.is_fine for state in check.customers] == [True, False]
    assert not check.is_fine


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-01", datetime(2026, 12, 1, 8, tzinfo=UTC)),
        ("2026-07-01", datetime(2026, 7, 1, 7, tzinfo=UTC)),
        ("2026-12-01T06:00", datetime(2026, 12, 1, 14, tzinfo=UTC)),
        ("2026-12-01T06:00+01:00", datetime(2026, 12, 1, 5, tzinfo=UTC)),
    ],
)
def test_a_date_is_read_where_the_nights_are(text: str, moment: datetime) -> None:
    assert moment_of(text, "America/Los_Angeles") == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-02-30", "01.12.2026"])
def test_no_date_is_wrong_use(text: str) -> None:
    with pytest.raises(OperationError, match="2026-12-01") as caught:
        moment_of(text, "America/Los_Angeles")
    assert caught.value.exit_code == 2


async def test_a_report_is_shown_in_any_state_and_clears_nothing(desk: Desk) -> None:
    desk.tie()
    desk.passes.report = REPORT
    assert await billing_report(desk.ports, CUSTOMER) == REPORT
    assert not desk.passes.cleared


async def test_clearing_takes_the_very_code_and_keeps_who_it_was(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.passes.report = REPORT
    assert await clear_unlicensed(desk.ports, CUSTOMER, "0b9a8ac4", by="ada") == 1
    assert desk.passes.cleared == [(CUSTOMER, "0b9a8ac4", "ada")]


@pytest.mark.parametrize(("code", "exit_code"), [("ffffffff", 3), ("", 2), (" ", 2)])
async def test_another_code_clears_nothing(desk: Desk, code: str, exit_code: int) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.passes.report = REPORT
    with pytest.raises(OperationError, match=f"billing-check --customer {CUSTOMER}") as caught:
        await clear_unlicensed(desk.ports, CUSTOMER, code, by="ada")
    assert caught.value.exit_code == exit_code
    assert not desk.passes.cleared


async def _rejected(desk: Desk, contact_of_first_row: int = 100) -> None:
    """A full sync held it, ada said no, the next full sync holds the very same again."""
    hold = a_hold("6a64e25c")
    hold = replace(hold, rows=(replace(hold.rows[0], contact_id=contact_of_first_row),))
    await desk.ports.holds.open(hold)
    await desk.ports.holds.settle(CUSTOMER, hold.code, HoldState.REJECTED, "ada: Still employed", START)
    await desk.ports.holds.open(hold)


async def test_what_was_rejected_is_not_cleared_by_another_road(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.passes.report = REPORT
    await _rejected(desk, contact_of_first_row=5)
    with pytest.raises(OperationError, match="rejected by ada: Still employed") as caught:
        await clear_unlicensed(desk.ports, CUSTOMER, "0b9a8ac4", by="bob")
    assert (caught.value.exit_code, desk.passes.cleared) == (3, [])
    assert f"entra-syncro reconcile --customer {CUSTOMER}" in caught.value.message


@pytest.mark.parametrize("is_rejected", [True, False])
async def test_a_rejection_of_other_contacts_or_none_forbids_nothing(desk: Desk, is_rejected: bool) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.passes.report = REPORT
    if is_rejected:
        await _rejected(desk, contact_of_first_row=100)
    else:
        await desk.ports.holds.open(a_hold())
    assert await clear_unlicensed(desk.ports, CUSTOMER, "0b9a8ac4", by="bob") == 1


@pytest.mark.parametrize(
    ("code", "words"), [("frozen", "billing.freeze"), ("halted", "too short"), ("not_approved", "Look again")]
)
async def test_what_forbids_clearing_is_said(desk: Desk, code: str, words: str) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.passes.refusal = Permanent("worker", code)
    with pytest.raises(OperationError, match=words) as caught:
        await clear_unlicensed(desk.ports, CUSTOMER, "0b9a8ac4", by="ada")
    assert caught.value.exit_code == 3


async def test_a_refusal_of_syncro_itself_is_no_question_of_the_code(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.passes.refusal = Permanent("syncro", "rejected")
    with pytest.raises(Permanent):
        await clear_unlicensed(desk.ports, CUSTOMER, "0b9a8ac4", by="ada")


@pytest.mark.parametrize("status", [ConnectionStatus.PREVIEW, ConnectionStatus.PAUSED])
async def test_nothing_is_cleared_for_a_customer_that_may_not_be_written(desk: Desk, status: ConnectionStatus) -> None:
    desk.tie(status=status)
    desk.passes.report = REPORT
    with pytest.raises(OperationError) as caught:
        await clear_unlicensed(desk.ports, CUSTOMER, "0b9a8ac4", by="ada")
    assert caught.value.exit_code == 3
    assert not desk.passes.cleared
