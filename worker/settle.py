"""Carries verdicts out: what a look means for the messages that asked for it. Publish first, then ack, always.

What a verdict is comes from `shared.domain.retry`; here it becomes a fresh one-user message, a dead letter, an owed
mark or just the end. A crash between publish and ack repeats work and loses none. Next: `worker/burial.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import assert_never

from shared.domain.errors import Transient
from shared.domain.letter_ids import letter_id_of
from shared.domain.messages import DeadLettered, Lane, Reason, Unreadable, UsersTouched, encode
from shared.domain.outcome import Failed, Held, Synced
from shared.domain.records import RunState
from shared.domain.retry import DeadLetter, Done, MarkOwed, RetryIn, StopAccount, Verdict, decide
from shared.ports import AnyMessage, Delivery
from worker.look import Look
from worker.parts import WorkerPorts, WorkerSettings
from worker.report import RETRYING, name_of
from worker.waiting import Ticket

_FAILED, _HELD = "failed", "held"  # of the names that `worker/report.py` gives


class Settler:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings, lane: Lane) -> None:
        self._ports = ports
        self._settings = settings
        self._lane = lane

    async def settle(self, ticket: Ticket, look: Look) -> Verdict:
        """End one user of one ticket, and the delivery with its last user. Raises Transient: nothing is acked."""
        verdicts = {
            customer_id: decide(outcome, ticket.message.attempt, self._settings.retry, jitter=self._settings.jitter())
            for customer_id, outcome in look.outcomes.items()
        }
        alone = ticket.message.model_copy(update={"user_ids": (look.user_id,)})
        verdict = await self._noted(gravest(verdicts.values()), verdicts, alone, look)
        await self._carry_out(verdict, alone)
        await self.done(ticket, look.user_id)
        return verdict

    async def done(self, ticket: Ticket, user_id: str) -> None:
        """This user needs nothing more from this ticket."""
        ticket.open.discard(user_id)
        if not ticket.open:
            await ticket.delivery.ack()

    async def put_back(self, ticket: Ticket, delay: float) -> None:
        """The rest of a ticket as a fresh copy, uncounted: a broker's own delivery count would grow otherwise."""
        rest = tuple(user_id for user_id in ticket.message.user_ids if user_id in ticket.open)
        await self._ports.publisher.publish(
            ticket.message.model_copy(update={"user_ids": rest}), self._lane, delay=delay
        )
        await ticket.delivery.ack()

    async def bury(self, delivery: Delivery, message: AnyMessage | Unreadable) -> None:
        """What no consumer of this lane can use."""
        if isinstance(message, Unreadable):
            letter = self._letter(message.body, "unreadable", message.reason, self._ports.clock.now(), 0)
        else:
            letter = self._letter(encode(message), "wrong_lane", message.kind, self._ports.clock.now(), 0)
        await self._ports.publisher.publish(letter, Lane.DEAD)
        await delivery.ack()

    async def _carry_out(self, verdict: Verdict, alone: UsersTouched) -> None:
        match verdict:
            case Done() | MarkOwed():
                return
            case RetryIn(seconds=seconds, attempt=attempt):
                again = alone.model_copy(update={"attempt": attempt})
                await self._ports.publisher.publish(again, self._lane, delay=seconds)
            case StopAccount(retry_after=retry_after):
                delay = max(retry_after or 0.0, self._settings.probe_first)
                await self._ports.publisher.publish(alone, self._lane, delay=delay)
            case DeadLetter(code=code, detail=detail, service=service):
                attempts = alone.attempt + 1
                letter = self._letter(encode(alone), code, detail, alone.since, attempts)
                known = letter.model_copy(update={"letter_id": letter_id_of(alone), "service": service})
                await self._ports.publisher.publish(known, Lane.DEAD)
            case _:
                assert_never(verdict)

    async def _noted(
        self, verdict: Verdict, verdicts: Mapping[int, Verdict], alone: UsersTouched, look: Look
    ) -> Verdict:
        """The verdict once the ledger knows of it; without the ledger nothing ends, so a short wait instead."""
        try:
            await self._mark_owed(verdicts)
            if alone.run_id is not None and look.outcomes:
                await self._count(alone, look, verdict)
        except Transient:
            return RetryIn(self._settings.retry.uncounted_delay, alone.attempt)
        return verdict

    async def _mark_owed(self, verdicts: Mapping[int, Verdict]) -> None:
        for customer_id, verdict in verdicts.items():
            if isinstance(verdict, MarkOwed):
                await self._ports.owed.mark(customer_id, verdict.reason, self._ports.clock.now())

    async def _count(self, alone: UsersTouched, look: Look, verdict: Verdict) -> None:
        """A run counts how its users ended and what they cost; the last of them ends the run."""
        run_id, is_over = alone.run_id or "", not isinstance(verdict, RetryIn | StopAccount)
        outcomes, now = look.outcomes.values(), self._ports.clock.now()
        calls = sum(outcome.calls for outcome in outcomes if isinstance(outcome, Synced | Held | Failed))
        writes = sum(outcome.writes for outcome in outcomes if isinstance(outcome, Synced))
        name = _telling([name_of(outcome) for outcome in outcomes]) if is_over else RETRYING
        if alone.reason is Reason.REPLAY and isinstance(verdict, MarkOwed) and name == _FAILED:
            name = _HELD  # it leaves no failed change that would tell why: the next full sync does the rest
        if is_over or calls:
            await self._ports.runs.outcome(run_id, look.user_id, name, now, calls=calls, writes=writes)
        if is_over:
            await self._finish_with_last(run_id)

    async def _finish_with_last(self, run_id: str) -> None:
        run, now = await self._ports.runs.get(run_id), self._ports.clock.now()
        if run is None or run.finished_at is not None or run.state is not RunState.WORKING:
            return
        if sum(count for name, count in run.outcomes.items() if name != RETRYING) >= run.planned:
            await self._ports.runs.finish(run_id, now)
            self._settings.on_run((now - run.started_at).total_seconds())

    def _letter(self, body: bytes, code: str, detail: str, first_seen: datetime, attempts: int) -> DeadLettered:
        """The same failure gives the same letter, so that a redelivery after a crash adds none."""
        now = self._ports.clock.now()
        return DeadLettered(
            letter_id=sha256(body).hexdigest()[:32],
            body=body,
            lane=self._lane,
            error_class=code,
            detail=detail,
            attempts=attempts,
            first_seen=min(first_seen, now),  # a confirm is dated ahead
            last_seen=now,
        )


_GRAVITY: tuple[type[Verdict], ...] = (StopAccount, RetryIn, DeadLetter, MarkOwed, Done)


def gravest(verdicts: Iterable[Verdict]) -> Verdict:
    """One verdict for a user of several customers. A retry outweighs a dead letter: the failure will show again."""
    return min(verdicts, key=lambda verdict: _GRAVITY.index(type(verdict)), default=Done())


def _telling(names: list[str]) -> str:
    """The outcome that tells most about a user of several customers."""
    return next((name for name in names if name != "in step"), names[0])
