"""Brakes on the path of a single look: what waits while a brake stands, and when an hour has seen enough of a class.

Asked under the customer's lease right before the write, so that no two looks count past each other. A full pass
judges its own changes (`worker/holding.py`) and hands on what it let through; without that, an hour's limits hold: one
budget for live changes, replays and syncs by hand together. What is held here is marked as owed, and the full pass
that follows stores all of it for approval. Next: `shared/domain/safety.py` for the classes and limits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog

from shared.domain.changes import CreateContact, Plan, UpdateContact
from shared.domain.errors import SyncError
from shared.domain.outcome import Held
from shared.domain.records import Hold, JournalEntry, WriteState
from shared.domain.safety import Brake, Excess, brake_of, brakes_of, code_of, hourly_limit, parts
from worker.handover import HandOver
from worker.look import Cause
from worker.parts import WorkerPorts, WorkerSettings

log = structlog.get_logger("worker")
HALTED = Held("halted", owed=True)
WAITING = "waiting for approval of a brake"
TOO_MANY = "a brake holds changes"
_HOUR = timedelta(hours=1)
_SAID = {
    Brake.CLEARS: "lose values or be marked as deleted",
    Brake.IDENTITY: "get another name or e-mail address",
    Brake.CREATIONS: "be created",
}


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be written now. `owed`: why the customer is owed a full pass, "" when it is not."""

    plan: CreateContact | UpdateContact
    owed: str = ""


class Braking:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings, handover: HandOver) -> None:
        self._ports = ports
        self._policy = settings.brakes
        self._handover = handover

    async def is_halted(self, customer_id: int) -> bool:
        """A list was too short to be believed: nothing is written until a person or a longer list says so."""
        return Brake.LISTING in _standing(await self._ports.holds.of_customer(customer_id))

    async def judge(self, cause: Cause, plan: CreateContact | UpdateContact, *, is_approved: bool) -> Allowed | Held:
        """`is_approved`: a person said yes to exactly this row. Call it under the customer's lease."""
        classes = brakes_of(plan)
        if not classes:
            return Allowed(plan)
        hold = await self._ports.holds.of_customer(plan.customer_id)
        standing = _standing(hold)
        if Brake.LISTING in standing:
            return HALTED
        passed = await self._handover.passed(plan.customer_id, plan.user_id)
        unjudged = frozenset() if is_approved else classes - passed - standing
        excess = await self._excess(cause, plan, unjudged)
        divided = parts(plan, (standing - passed) | excess.keys())
        if excess and divided.held is not None:
            await self._stop(plan, divided.held, excess, hold)
        return _verdict(divided.allowed, TOO_MANY if excess else "")

    async def written(self, plan: CreateContact | UpdateContact) -> None:
        """A yes is good for one write. The write is done: what cannot be noted must not fail the look."""
        if brakes_of(plan):
            with suppress(SyncError):
                await self._handover.used(plan.customer_id, plan.user_id)

    async def _excess(
        self, cause: Cause, plan: CreateContact | UpdateContact, classes: Collection[Brake]
    ) -> Mapping[Brake, Excess]:
        """The classes of which this user would be one too many within the hour."""
        if not classes:
            return {}
        since = self._ports.clock.now() - _HOUR
        entries = await self._ports.journal.outside_passes(plan.customer_id, since, or_in=cause.run_id)
        sizes = await self._ports.sizes.last(plan.customer_id)
        contacts = sizes.contacts if sizes is not None else 0
        counts = {brake: len(touched(entries, brake) | {plan.user_id}) for brake in sorted(classes)}
        limits = {brake: hourly_limit(brake, contacts, self._policy) for brake in counts}
        return {
            brake: Excess(count, most)
            for brake, count in counts.items()
            if (most := limits[brake]) is not None and count > most
        }

    async def _stop(
        self, plan: CreateContact | UpdateContact, held: Plan, excess: Mapping[Brake, Excess], standing: Hold | None
    ) -> None:
        """From now on these classes wait. What is held already stays so, in the one hold that a customer has."""
        now = self._ports.clock.now()
        told = {brake.value: (each.count, each.limit) for brake, each in excess.items()}
        hold = Hold(
            customer_id=plan.customer_id,
            code=code_of(plan.customer_id, [held]),
            run_id=None,
            brakes={**(standing.brakes if standing else {}), **told},
            rows=(),  # the code says yes to nothing that anybody has seen: the full sync that is owed lists it all
            detail=" ".join(_sentence(brake, each) for brake, each in excess.items()),
            held_at=now,
            expires_at=now + timedelta(hours=self._policy.approval_hours),
        )
        await self._ports.holds.open(hold)
        log.warning(
            "brake_held", customer_id=plan.customer_id, user_id=plan.user_id, brakes=sorted(told), code=hold.code
        )


def touched(entries: Iterable[JournalEntry], brake: Brake) -> frozenset[str]:
    """Users of whom the class was written, or may have been."""
    return frozenset(
        entry.user_id or f"contact {entry.contact_id}"
        for entry in entries
        if entry.state is not WriteState.REFUSED and brake in _classes(entry)
    )


def _classes(entry: JournalEntry) -> frozenset[Brake | None]:
    if entry.action == "create":
        return frozenset({Brake.CREATIONS})
    return frozenset(map(brake_of, entry.changes)) if entry.action == "update" else frozenset()


def _standing(hold: Hold | None) -> frozenset[Brake]:
    return frozenset(map(Brake, hold.brakes)) if hold is not None else frozenset()


def _verdict(allowed: Plan | None, owed: str) -> Allowed | Held:
    if isinstance(allowed, CreateContact | UpdateContact):
        return Allowed(allowed, owed)
    return Held(owed or WAITING, owed=bool(owed))


def _sentence(brake: Brake, excess: Excess) -> str:
    return (
        f"{excess.count} contacts would {_SAID[brake]} within an hour, and {excess.limit} pass without a question. "
        "A full sync follows and lists what waits for approval."
    )
