"""Hands the users of a full pass over: which of them and in what order, and what their looks should know.

Facts and judged classes go into Memory before the hint goes out, so that no look comes first. Users of whom only the
last activity moved go last, those longest out of date before the others. Next: `worker/customer.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain import normalise
from shared.domain.activity import is_activity_only, settled
from shared.domain.changes import Plan, UpdateContact
from shared.domain.facts import Facts
from shared.domain.forecast import FEW
from shared.domain.messages import Lane, Reason, split
from shared.domain.preview import PreviewRow, is_write
from shared.domain.safety import brakes_of
from worker.handover import HandOver
from worker.parts import WorkerPorts
from worker.survey import Survey


@dataclass(frozen=True, slots=True)
class Choice:
    """`ordinary` and `activity` (the last activity alone) are handed over, in this order.

    `left`: users of whom only the last activity moved, too little or too late in line; `carried`: how many of the
    latter.
    """

    ordinary: tuple[Plan, ...] = ()
    activity: tuple[Plan, ...] = ()
    left: tuple[str, ...] = ()
    carried: int = 0

    @property
    def plans(self) -> tuple[Plan, ...]:
        return (*self.ordinary, *self.activity)

    def with_unseen(self, unseen: Sequence[str]) -> tuple[str, ...]:
        """User ids; those whom the reading did not have go before the last activities."""
        ordinary, activity = ([plan.user_id for plan in plans] for plans in (self.ordinary, self.activity))
        return (*ordinary, *unseen, *activity)


def chosen(rows: Sequence[PreviewRow], field: str, *, days: int, cap: int | None) -> Choice:
    """`field`: the last activity's, which alone is worth a write once it moved `days`, for at most `cap` users."""
    plans = [row.plan for row in rows]
    ordinary = tuple(plan for plan in plans if not is_activity_only(plan, field))
    activity = [plan for plan in plans if is_activity_only(plan, field)]
    moved = sorted((plan for plan in activity if is_write(settled(plan, field, days))), key=_since)
    taken = tuple(moved[:cap])
    ids = {plan.user_id for plan in taken}
    left = tuple(plan.user_id for plan in activity if plan.user_id not in ids)
    return Choice(ordinary, taken, left, len(moved) - len(taken))


class Handing:
    def __init__(self, ports: WorkerPorts) -> None:
        self._ports = ports
        self._handover = HandOver(ports.memory)

    async def hand_over(
        self, survey: Survey, users: Sequence[str], plans: Sequence[Plan], *, reason: Reason, run_id: str
    ) -> None:
        """`plans`: what was let through for those of the users who have one. All are safe in the broker on return."""
        judged = {plan.user_id: classes for plan in plans if (classes := brakes_of(plan))}
        reading = survey.reading
        for user_id in users:
            facts = reading.facts.get(user_id) or Facts(reading.began)
            passed = judged.get(user_id, frozenset())
            await self._handover.give(survey.tenant_of(user_id), survey.customer_id, user_id, facts, passed)
        for tenant_id, ids in _by_tenant(survey, users).items():
            messages = split(
                tenant_id,
                tuple(ids),
                reason=reason,
                noticed_at=self._ports.clock.now(),  # an earlier look did not know what was just handed over
                trace_id=run_id,
                run_id=run_id,
                facts_at=reading.began,
            )
            for message in messages:
                await self._ports.publisher.publish(message, _lane(reason, len(users)))


def _by_tenant(survey: Survey, users: Sequence[str]) -> dict[str, list[str]]:
    """A message is of one tenant. Their order within a tenant stays."""
    found: dict[str, list[str]] = {}
    for user_id in users:
        found.setdefault(survey.tenant_of(user_id), []).append(user_id)
    return found


def _lane(reason: Reason, users: int) -> Lane:
    """Somebody waits for a sync begun by hand; at night a thousand small customers would crowd live changes out."""
    return Lane.LIVE if reason is Reason.MANUAL and users <= FEW else Lane.BACKFILL


def _since(plan: Plan) -> tuple[str, str]:
    """An ISO date sorts as it is; a blank one is the oldest of all."""
    changes = plan.changes if isinstance(plan, UpdateContact) else ()
    return (normalise.text(changes[0].before) if changes else "", plan.user_id)
