"""From hints to confirmed messages: one publish in flight per tenant, later hints gather into the next message.

No timer and no delay when idle: the publish in flight is the window. Every POST is answered by the confirm of the
message that carries its hints, within `timeout` seconds; a failed publish fails everybody who waits for that tenant.
A POST that goes away never takes the hints of others (nor its own) with it. Next: `shared/ports.py` (Publisher).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from receiver.breaker import Breaker
from shared.domain.errors import SyncError, Transient
from shared.domain.messages import Lane, Reason, SubscriptionTouched, UsersTouched, split
from shared.ports import Clock, Publisher
from shared.runtime.metrics import ReceiverMetrics


@dataclass(slots=True)
class _Group:
    """Hints that travel together. `noticed_at` is the latest of them: a read must begin after the last hint."""

    trace_id: str
    noticed_at: datetime
    done: asyncio.Future[None]
    user_ids: dict[str, None] = field(default_factory=dict)


class GroupCommit:
    """Hands hints to the broker. `users` and `lifecycle` return after the confirm, or raise Transient."""

    def __init__(
        self, publisher: Publisher, *, clock: Clock, breaker: Breaker, metrics: ReceiverMetrics, timeout: float = 1.5
    ) -> None:
        self._publisher = publisher
        self._clock = clock
        self._breaker = breaker
        self._metrics = metrics
        self._timeout = timeout
        self._gathering: dict[str, _Group] = {}
        self._committers: dict[str, asyncio.Task[None]] = {}

    async def users(self, tenant_id: str, user_ids: Sequence[str], *, noticed_at: datetime, trace_id: str) -> str:
        """Hand over users of one tenant. Gives the trace id of the message that carries them."""
        group = self._join(tenant_id, user_ids, noticed_at, trace_id)
        await self._bounded(group.done)
        return group.trace_id

    async def lifecycle(self, event: SubscriptionTouched) -> None:
        """Hand over one lifecycle event. These are rare: no gathering."""
        self._ensure_closed()
        task = asyncio.create_task(self._publish(event, Lane.CONTROL), name=f"lifecycle:{event.trace_id}")
        await self._bounded(task)

    async def close(self) -> None:
        """Wait for what is in flight. Each publish is bounded, and so is this."""
        if self._committers:
            await asyncio.wait(list(self._committers.values()), timeout=2 * self._timeout)

    @property
    def in_flight(self) -> int:
        """Tenants with a publish in flight."""
        return len(self._committers)

    def _join(self, tenant_id: str, user_ids: Sequence[str], noticed_at: datetime, trace_id: str) -> _Group:
        group = self._gathering.get(tenant_id)
        if group is None:
            if tenant_id not in self._committers:
                self._ensure_closed()
            group = _Group(trace_id, noticed_at, asyncio.get_running_loop().create_future())
            # Nobody may be left to look at the end of a group whose POSTs all went away: that is no lost exception.
            group.done.add_done_callback(_look_at_end)
            self._gathering[tenant_id] = group
        group.user_ids.update(dict.fromkeys(user_ids))
        group.noticed_at = max(group.noticed_at, noticed_at)
        if tenant_id not in self._committers:
            self._committers[tenant_id] = asyncio.create_task(self._commit(tenant_id), name=f"commit:{tenant_id}")
        return group

    def _ensure_closed(self) -> None:
        if not self._breaker.allows(self._clock.monotonic()):
            raise Transient("broker", "breaker_open", "the broker failed a moment ago")

    async def _bounded(self, end: asyncio.Future[None]) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.shield(end)
        except TimeoutError:
            end.add_done_callback(_look_at_end)
            raise Transient("broker", "not_confirmed_in_time", "no confirm within the time of one POST") from None

    async def _commit(self, tenant_id: str) -> None:
        """Publish group after group until nothing of this tenant waits."""
        try:
            while (group := self._gathering.pop(tenant_id, None)) is not None:
                try:
                    await self._publish_group(tenant_id, group)
                except Transient as failure:
                    self._fail(failure, group, self._gathering.pop(tenant_id, None))
                else:
                    if not group.done.done():
                        group.done.set_result(None)
        finally:
            del self._committers[tenant_id]

    async def _publish_group(self, tenant_id: str, group: _Group) -> None:
        messages = split(
            tenant_id,
            tuple(group.user_ids),
            reason=Reason.NOTIFICATION,
            noticed_at=group.noticed_at,
            trace_id=group.trace_id,
        )
        ends = await asyncio.gather(
            *(self._publish(message, Lane.LIVE) for message in messages), return_exceptions=True
        )
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        for message in messages:
            self._metrics.commit_users.observe(len(message.user_ids))

    async def _publish(self, message: UsersTouched | SubscriptionTouched, lane: Lane) -> None:
        """One publish, bounded. Every failure becomes Transient: whatever it was, Graph must send again."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._publisher.publish(message, lane)
        except (SyncError, TimeoutError) as error:
            self._breaker.failed(self._clock.monotonic())
            code = error.code if isinstance(error, SyncError) else "not_confirmed_in_time"
            raise Transient("broker", code) from error
        self._breaker.succeeded()

    @staticmethod
    def _fail(failure: Transient, *groups: _Group | None) -> None:
        for group in groups:
            if group is not None and not group.done.done():
                group.done.set_exception(Transient(failure.service, failure.code, failure.detail))


def _look_at_end(end: asyncio.Future[None]) -> None:
    """Retrieve an exception that nobody waits for any more."""
    if not end.cancelled():
        end.exception()
