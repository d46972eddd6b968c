"""The second look after one in which nothing had changed: a minute later, at Entra only.

Something was notified or found by a delta poll, and Entra may have answered with yesterday: neither tells of it again.
Published before the look counts: a crash in between repeats the look and never loses the confirm. A confirm has none
of its own. Next: `worker/settle.py`.
"""

from __future__ import annotations

from datetime import timedelta

from shared.domain.messages import Lane, Reason, UsersTouched
from shared.domain.policy import CoalescePolicy
from worker.look import Cause, Look
from worker.marks import Marks
from worker.parts import WorkerPorts

_TELL_OF_CHANGES = frozenset({Reason.NOTIFICATION, Reason.DELTA})


class Confirms:
    def __init__(self, ports: WorkerPorts, policy: CoalescePolicy, lane: Lane, marks: Marks) -> None:
        self._clock = ports.clock
        self._publisher = ports.publisher
        self._policy = policy
        self._lane = lane
        self._marks = marks

    async def plan(self, cause: Cause, look: Look) -> None:
        """Publish a confirm if this look asks for one. Raises Transient when that cannot be said to be done."""
        if cause.reason not in _TELL_OF_CHANGES or cause.confirm or not look.quiet:
            return
        if await self._marks.awaits_confirm(cause.tenant_id, cause.user_id):
            return
        wait = self._policy.confirm_after
        await self._publisher.publish(self._confirm(cause, wait), self._lane, delay=wait)
        await self._marks.confirming(cause.tenant_id, cause.user_id, wait)

    def _confirm(self, cause: Cause, wait: float) -> UsersTouched:
        """Dated ahead, so that no earlier look answers it."""
        return UsersTouched(
            tenant_id=cause.tenant_id,
            user_ids=(cause.user_id,),
            reason=cause.reason,
            noticed_at=self._clock.now() + timedelta(seconds=wait - self._policy.first_window),
            trace_id=cause.trace_id,
            confirm=True,
        )
