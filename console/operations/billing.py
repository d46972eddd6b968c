"""Can invoices trust Syncro's fields? Which customers are not fresh enough, and what of one customer does not add up.

A customer is fresh when its last complete full sync began no longer than `billing.fresh_hours` before the day of the
invoices, nothing of it is held, and its tenant still lets the app in. Nothing is written here but what a person
clears by its code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from console.operations.actor import note
from console.operations.customers import connection, prove_consent
from console.operations.errors import OperationError, held, wrong_use
from console.operations.holding import is_halt, next_step, what_is_held
from console.operations.ports import OperatorPorts
from console.operations.syncs import require_approved
from shared.domain.billing import BillingReport
from shared.domain.errors import Permanent, Scope, StopTheLine, SyncError
from shared.domain.records import Connection, ConnectionStatus, Hold, HoldState, LastFull

_PROOFS_AT_ONCE = 8
_OVER = timedelta(days=1)  # on the day of the invoices itself its first moment has passed already


class Trust(StrEnum):
    """What invoices may make of a customer's fields. Only FRESH may be billed; DISCONNECTED is none of ours."""

    FRESH = "fresh"
    STALE = "full sync too old"
    NEVER = "no full sync yet"
    HELD = "changes wait for approval"
    HALTED = "halted"
    NO_CONSENT = "no consent"
    UNKNOWN = "consent could not be checked"
    NOT_APPROVED = "waiting for approval"
    PAUSED = "paused"
    DISCONNECTED = "disconnected"


Verdict = tuple[Trust, str]  # and who does what next
_FINE = frozenset({Trust.FRESH, Trust.DISCONNECTED})


@dataclass(frozen=True, slots=True)
class BillingState:
    """`began`: when the last complete full sync began, None: there is none. `next`: who does what, "" when fresh."""

    customer_id: int
    customer_name: str
    trust: Trust
    began: datetime | None
    next: str

    @property
    def is_fine(self) -> bool:
        return self.trust in _FINE


@dataclass(frozen=True, slots=True)
class BillingCheck:
    """`before`: the moment of the invoices. A full sync must have begun at `oldest` or later."""

    before: datetime
    oldest: datetime
    customers: tuple[BillingState, ...]

    @property
    def is_fine(self) -> bool:
        return all(state.is_fine for state in self.customers)


async def billing_check(
    ports: OperatorPorts, *, before: str | None = None, customer_id: int | None = None
) -> BillingCheck:
    """Every customer, or one. `before`: an ISO date or time, in `nightly.zone` unless it says otherwise; None: now."""
    moment = _coming(ports, before) if before is not None else ports.clock.now()
    oldest = moment - timedelta(hours=ports.billing.fresh_hours)
    tied = [await connection(ports, customer_id)] if customer_id is not None else await ports.connections.list()
    full = await ports.runs.full()
    holds = {hold.customer_id: hold for hold in await ports.holds.list()}
    refused = await _without_consent(ports, tied)
    now = ports.clock.now()
    return BillingCheck(
        moment, oldest, tuple(_judged(each, full.get(each.customer_id), holds, refused, oldest, now) for each in tied)
    )


async def billing_report(ports: OperatorPorts, customer_id: int) -> BillingReport:
    """What of one customer does not add up, read now: contacts, users, licences."""
    await connection(ports, customer_id)
    return await ports.passes.billing(customer_id)


async def clear_unlicensed(ports: OperatorPorts, customer_id: int, code: str, *, by: str) -> int:
    """Clear the licence of the contacts that are billed without one, exactly those that the code stands for."""
    if not code.strip():
        raise wrong_use(f"Name the code of the report: entra-syncro billing-check --customer {customer_id}")
    tied = await connection(ports, customer_id)
    require_approved(tied)
    await _refuse_what_was_rejected(ports, customer_id, code)
    try:
        cleared = await ports.passes.clear(customer_id, code, by)
    except Permanent as error:
        if error.service != "worker":
            raise
        raise held(_why_not_cleared(error, customer_id)) from None
    await note(ports, by, "clear-licences", customer_id, code=code, contacts=cleared)
    return cleared


async def _refuse_what_was_rejected(ports: OperatorPorts, customer_id: int, code: str) -> None:
    """What one person rejected in a brake is not written by another road. Read only when there is such a rejection."""
    stands = await ports.holds.of_customer(customer_id)
    if stands is None:
        return
    decided = await ports.holds.list(code=stands.code, state=HoldState.REJECTED)
    rejected = next((each for each in decided if each.customer_id == customer_id), None)
    if rejected is None:
        return
    found = await ports.passes.billing(customer_id)
    clearable = {row.contact_id for row in found.without_licence if row.can_clear}
    both = len(clearable & {row.contact_id for row in stands.rows})
    if found.code == code and both:
        raise held(
            f"Nothing was cleared: changes of {both} of these contacts are held, and were rejected by "
            f"{rejected.settled_by or 'somebody'}. To write them after all, let a full sync look anew and approve what "
            f"it holds: entra-syncro reconcile --customer {customer_id}"
        )


def _why_not_cleared(error: Permanent, customer_id: int) -> str:
    match error.code:
        case "frozen":
            return "Nothing was cleared: licences wait until the days of billing.freeze are over."
        case "halted":
            return "Nothing was cleared: a list is too short to be believed. Look: entra-syncro status"
        case _:
            return (
                "Nothing was cleared: that code does not stand for what is found now. It is mistyped, or something "
                f"has changed since. Look again: entra-syncro billing-check --customer {customer_id}"
            )


def moment_of(text: str, zone: str) -> datetime:
    """Aware, UTC or as given. A date alone is its first moment."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise wrong_use(f"{text!r} is no date. Write it as 2026-12-01, or 2026-12-01T06:00 with a time.") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(zone))


def _coming(ports: OperatorPorts, before: str) -> datetime:
    """In UTC. A day long past is refused: Syncro's fields say what is so now."""
    moment = moment_of(before, ports.nightly.zone).astimezone(UTC)
    if moment < ports.clock.now() - _OVER:
        raise wrong_use(f"{before.strip()} is over, and Syncro says only what is so now: leave out --before.")
    return moment


async def _without_consent(ports: OperatorPorts, tied: Sequence[Connection]) -> Mapping[int, Verdict]:
    """Customer id -> what its tenant's consent lacks; approved customers only."""
    turn = asyncio.Semaphore(_PROOFS_AT_ONCE)

    async def ask(one: Connection) -> Verdict | None:
        async with turn:
            return await _consent(ports, one)

    approved = [each for each in tied if each.status is ConnectionStatus.APPROVED]
    async with asyncio.TaskGroup() as group:
        asked = {one.customer_id: group.create_task(ask(one), name=f"consent:{one.customer_id}") for one in approved}
    return {customer_id: found for customer_id, task in asked.items() if (found := task.result()) is not None}


async def _consent(ports: OperatorPorts, tied: Connection) -> Verdict | None:
    again = "An administrator of the customer must grant consent to the app again."
    try:
        for tenant in tied.tenants:
            await prove_consent(ports, tenant)
    except OperationError as error:
        return Trust.NO_CONSENT, error.message
    except StopTheLine as error:
        if error.scope is Scope.ACCOUNT:
            raise
        return Trust.NO_CONSENT, again
    except SyncError:
        return Trust.UNKNOWN, "Microsoft did not answer; ask again in a moment."
    return None


def _judged(
    tied: Connection,
    full: LastFull | None,
    holds: Mapping[int, Hold],
    refused: Mapping[int, Verdict],
    oldest: datetime,
    now: datetime,
) -> BillingState:
    """The first reason that there is; what people decided explains all the rest."""
    began = full.done_began_at if full else None
    trust, what_next = (
        _by_a_person(tied)
        or refused.get(tied.customer_id)
        or _by_a_brake(holds.get(tied.customer_id), now)
        or _by_age(tied, began, oldest, now)
        or (Trust.FRESH, "")
    )
    return BillingState(tied.customer_id, tied.customer_name, trust, began, what_next)


def _by_a_brake(hold: Hold | None, now: datetime) -> Verdict | None:
    if hold is None:
        return None
    return Trust.HALTED if is_halt(hold) else Trust.HELD, f"{what_is_held(hold)}. {next_step(hold, now)}"


def _by_age(tied: Connection, began: datetime | None, oldest: datetime, now: datetime) -> Verdict | None:
    if began is not None and began >= oldest:
        return None
    make_one = f"entra-syncro reconcile --customer {tied.customer_id}"
    if began is None:
        return Trust.NEVER, make_one
    if now < oldest:  # one made now would be too old as well
        since = f"{oldest:%Y-%m-%d %H:%M} UTC"
        return Trust.STALE, f"Too early: a full sync counts from {since} on, the nightly one too; look again after it."
    return Trust.STALE, make_one


def _by_a_person(tied: Connection) -> Verdict | None:
    match tied.status:
        case ConnectionStatus.PREVIEW:
            return Trust.NOT_APPROVED, f"entra-syncro preview --customer {tied.customer_id}"
        case ConnectionStatus.PAUSED:
            return Trust.PAUSED, "A person paused it; what is billed may be old."
        case ConnectionStatus.DISCONNECTED:
            return Trust.DISCONNECTED, ""
        case ConnectionStatus.APPROVED:
            return None
