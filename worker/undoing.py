"""Takes writes back: plans from fresh contacts, then, by the plan's code, one contact after the other as any write.

Pace, the customer's lease, a fresh read, the same pure plan once more, the journal, the write. Whoever is stopped in
between repeats the command: the journal says what is done, the fresh values what is left. The customer is paused
before anything is written, or its next look would write again what was taken back. Next: `worker/recreating.py` for
a contact that comes back, `worker/apply.py`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

import structlog

from shared.domain.changes import UpdateContact
from shared.domain.contact import Contact
from shared.domain.errors import Ambiguous, Permanent, SyncError
from shared.domain.messages import Lane, Reason
from shared.domain.undo_steps import (
    Left,
    Recreate,
    Remove,
    Restore,
    Step,
    Undone,
    UndoPlan,
    Why,
    part_of,
    row_code,
    rows_of,
)
from shared.ports import JournalSearch
from worker.apply import Applier, Turn
from worker.choosing import forget_if_used_up
from worker.connected import connected
from worker.look import Cause
from worker.marks import Marks
from worker.parts import WorkerPorts, WorkerSettings
from worker.pausing import is_paused, pause, require_halted
from worker.recreating import Recreating
from worker.turns import turn_at
from worker.undo_reading import UndoReading

log = structlog.get_logger("worker")
_CALLS = 2  # GET and PUT, or GET and DELETE
_DAY = 86_400.0  # seconds that a plan can be carried out by its code
_Did = tuple[Step | None, tuple[Left, ...]]


@dataclass(frozen=True, slots=True)
class _Undo:
    """What is fixed while one plan is carried out. `chosen`: journal entries. `approved`: rows, by their code."""

    undo_id: str
    customer_id: int
    tenant_id: str
    by: str
    chosen: frozenset[int]
    approved: frozenset[str]


class Undoing:
    def __init__(
        self, ports: WorkerPorts, settings: WorkerSettings, search: JournalSearch, lane: Lane = Lane.BACKFILL
    ) -> None:
        self._ports = ports
        self._settings = settings
        self._lane = lane
        self._marks = Marks(ports.memory, ports.clock, settings.fingerprint_key)
        self._applier = Applier(ports.contacts, ports.journal, ports.links, self._marks, ports.clock)
        self._reading = UndoReading(ports, settings, search, lane)
        self._recreating = Recreating(ports, settings, self._reading, self._applier, lane)

    async def plan(self, customer_id: int, chosen: Collection[int]) -> UndoPlan:
        """`chosen`: ids of journal entries of this customer. Writes nothing; the code is good for a day."""
        made = await self._reading.plan(customer_id, chosen)
        if made.code:
            rows = [self._marks.digest(row) for row in _rows(made)]
            await self._ports.memory.remember(_key(customer_id, made.code), json.dumps(rows), ttl=_DAY)
        return made

    async def undo(self, customer_id: int, chosen: Collection[int], code: str, by: str) -> Undone:
        """Call it under the exclusion of the customer's full passes. Permanent "plan_changed" for another code."""
        connection = await connected(self._ports, customer_id)
        made = await self._reading.plan(customer_id, chosen)
        approved = await self._approved(made, code)
        undo = _Undo(f"undo-{code}", customer_id, connection.tenant_id, by, frozenset(chosen), approved)
        if approved:
            await pause(self._ports, customer_id, by=by, why=f"before {undo.undo_id}")
        done, left, stopped = await self._all(made, undo)
        await self._unlink_gone(undo, made.left)
        log.info("undone", customer_id=customer_id, run_id=undo.undo_id, contacts=len(done), left=len(left))
        paused = await is_paused(self._ports, customer_id)
        return Undone(undo.undo_id, tuple(done), (*made.left, *left), paused, stopped)

    async def _all(self, made: UndoPlan, undo: _Undo) -> tuple[list[Step], list[Left], SyncError | None]:
        done: list[Step] = []
        left: list[Left] = []
        for step in made.steps:
            kept, rest = part_of(step, undo.approved)
            left += rest
            if kept is None:
                continue
            try:
                did, rest = await self._carry_out(kept, undo)
            except SyncError as error:
                return done, left, error
            done += [did] if did is not None else []
            left += rest
        return done, left, None

    async def _approved(self, made: UndoPlan, code: str) -> frozenset[str]:
        """The rows that a person saw. Where they are forgotten, only a plan that is still the very same will do."""
        told = await self._ports.memory.recall(_key(made.customer_id, code)) if code else None
        shown = frozenset(json.loads(told or "[]"))
        if shown:
            return frozenset(row for row in _rows(made) if self._marks.digest(row) in shown)
        if code and code == made.code:
            return frozenset(_rows(made))
        raise Permanent("worker", "plan_changed", "that code does not stand for what would be taken back now")

    async def _carry_out(self, step: Step, undo: _Undo) -> _Did:
        """One contact; its own trouble is listed, what stops all of them is raised."""
        try:
            match step:
                case Restore() | Remove():
                    return await self._at_contact(step, undo)
                case Recreate():
                    made = await self._recreating.recreate(step, undo.customer_id, self._cause(step, undo))
                    return (None, (made,)) if isinstance(made, Left) else (made, ())
                case _:
                    assert_never(step)
        except Ambiguous as error:
            return None, (Left(step.contact_id, step.user_id, "", Why.UNSURE, detail=error.detail or error.code),)
        except Permanent as error:
            return None, (Left(step.contact_id, step.user_id, "", Why.REFUSED, detail=error.detail or error.code),)

    async def _at_contact(self, step: Restore | Remove, undo: _Undo) -> _Did:
        customer_id, contact_id = undo.customer_id, step.contact_id
        hangs = await self._reading.attached(customer_id, contact_id) if isinstance(step, Remove) else {}
        async with turn_at(self._ports, self._settings, customer_id, calls=_CALLS, lane=self._lane) as turn:
            fresh = await self._ports.contacts.get(turn.allowance, contact_id)
            made = await self._reading.plan_of(customer_id, undo.chosen, contact_id, fresh, hangs)
            again, left = _again(step, made, undo.approved)
            if fresh is None or again is None:
                return None, left
            await require_halted(self._ports, customer_id)
            if isinstance(again, Restore):
                return await self._restore(turn, again, fresh, undo, left)
            return await self._remove(turn, again, fresh, undo), left

    async def _restore(self, turn: Turn, step: Restore, fresh: Contact, undo: _Undo, left: tuple[Left, ...]) -> _Did:
        plan = UpdateContact(step.user_id, undo.customer_id, step.contact_id, step.changes, "person")
        written = await self._applier.update(turn, plan, fresh, self._cause(step, undo))
        lost = [c for c in step.changes if c.field in written.unstuck]
        refused = (Left(fresh.id, step.user_id, c.field, Why.REFUSED, written.contact.value(c.field)) for c in lost)
        kept = replace(step, changes=tuple(c for c in step.changes if c not in lost))
        return kept if kept.changes else None, (*left, *refused)

    async def _remove(self, turn: Turn, step: Step, fresh: Contact, undo: _Undo) -> Step:
        gone = replace(fresh, customer_id=undo.customer_id)
        await self._applier.delete(turn, gone, step.changes, self._cause(step, undo))
        if not await self._unlink(undo, step.user_id, step.contact_id):
            await self._shorten(undo)
        return step

    async def _unlink_gone(self, undo: _Undo, left: Sequence[Left]) -> None:
        """A contact that was deleted without an answer, or just before somebody was stopped, still has its link."""
        for each in left:
            if each.why is Why.UNDONE and each.contact_id is not None and not each.field:
                await self._unlink(undo, each.user_id, each.contact_id)

    async def _unlink(self, undo: _Undo, user_id: str, contact_id: int) -> bool:
        """Of a contact that is deleted. Its link goes last: until then whoever repeats the command does all of it."""
        link = await self._ports.links.of_user(undo.customer_id, user_id)
        if link is None or link.contact_id != contact_id:
            return False
        await self._shorten(undo)
        await forget_if_used_up(self._ports, link)
        await self._ports.links.unlink(undo.customer_id, user_id)
        return True

    async def _shorten(self, undo: _Undo) -> None:
        """The last believed list, or the next full sync would take the shorter one for a bad one, and halt."""
        last = await self._ports.sizes.last(undo.customer_id)
        if last is not None:
            await self._ports.sizes.save(replace(last, contacts=max(0, last.contacts - 1)))

    def _cause(self, step: Step, undo: _Undo) -> Cause:
        now = self._ports.clock.now()
        return Cause(
            tenant_id=undo.tenant_id,
            user_id=step.user_id,
            reason=Reason.MANUAL,
            trace_id=undo.undo_id,
            run_id=undo.undo_id,
            attempt=0,
            noticed_at=now,
            taken_at=now,
            by=undo.by,
            undoes=step.undoes,
        )


def _again(step: Step, made: UndoPlan, approved: Collection[str]) -> tuple[Restore | Remove | None, tuple[Left, ...]]:
    """What is still to be done of a step by the plan `made` under the lease. What is listed already is told once."""
    asked = {"", *(change.field for change in step.changes)}
    kept, rest = part_of(made.steps[0], approved) if made.steps else (None, ())
    left = tuple(each for each in (*made.left, *rest) if each.field in asked)
    return (kept if isinstance(kept, Restore | Remove) else None), left


def _rows(made: UndoPlan) -> Sequence[str]:
    return [row_code(row) for step in made.steps for row in rows_of(step)]


def _key(customer_id: int, code: str) -> str:
    return f"undo:{customer_id}:{code}"
