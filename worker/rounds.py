"""One delta poll of one tenant: read what changed, hand every user over, and only then move the link on.

The order is the promise: a crash anywhere before the link is saved repeats the round. A void link costs a full sync of
the tenant's customers (docs/decisions/0016). Users found go on as hints that ask Entra alone, so that changes which a
notification announced, and whose look is over, cost no call to Syncro. Next: `worker/polls.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

import structlog

from shared.domain.errors import SyncError
from shared.domain.messages import Lane, Reason, split
from shared.domain.polling import (
    Need,
    first_interval,
    is_announced,
    is_given_up,
    is_subscribed,
    judgeable,
    next_interval,
    unjudged,
)
from shared.domain.watching import Coverage, Poll, SubscriptionState, announced_key
from shared.ports import RESYNC, ChangedUsers
from worker.parts import PollReport, WorkerPorts, WorkerSettings

log = structlog.get_logger("worker")
AT_ONCE_LIVE = 50  # users of one round that go before the slow lane
MISSED = "changes were missed"  # why a customer is owed a full sync, for a technician
NOTHING = Coverage(0, 0)


@dataclass(frozen=True, slots=True)
class Tenant:
    """What a round has to know. `approved`: customers that are owed a full sync when the link is void. `wanted`: when
    somebody asked for a poll at once, None when nobody did or a poll has begun since. `has_door`: some receiver of the
    deployment takes notifications."""

    tenant_id: str
    need: Need
    approved: Sequence[int]
    poll: Poll | None
    subscription: SubscriptionState | None
    wanted: datetime | None = None
    has_door: bool = True


class Rounds:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings) -> None:
        self._ports = ports
        self._settings = settings

    async def make(self, tenant: Tenant) -> PollReport:
        """Raises what the ports raise; the link is then where it was."""
        began = self._ports.clock.now()
        poll = tenant.poll
        if poll is None or poll.link is None or tenant.need is not Need.ROUNDS:
            return await self._begin(tenant, began, code="")
        try:
            changed = await self._ports.changes.since(tenant.tenant_id, poll.link)
        except SyncError as error:
            if error.code != RESYNC and not is_given_up(error, poll, began):
                raise
            return await self._begin(tenant, began, code=f"{error.service}:{error.code}")
        return await self._go_on(tenant, poll, began, changed)

    async def _begin(self, tenant: Tenant, began: datetime, *, code: str) -> PollReport:
        """The link first: a change after it is in the next round, one before it in the full sync that is owed."""
        link = await self._ports.changes.now(tenant.tenant_id)
        for customer_id in await self._who_missed_changes(tenant):
            await self._ports.owed.mark(customer_id, MISSED, self._ports.clock.now())
        first = first_interval(self._settings.polls, has_door=tenant.has_door)
        interval = first if tenant.poll is None else tenant.poll.interval
        await self._ports.polls.save(Poll(tenant.tenant_id, link, began, interval))
        return self._report(tenant, began, interval, ChangedUsers((), link, 1), NOTHING, code)

    async def _who_missed_changes(self, tenant: Tenant) -> Sequence[int]:
        """Before a first link, those whose lists were or are being read: what changed since, nobody saw. Of the others
        the first full sync is still to come."""
        if tenant.need is not Need.ROUNDS:
            return ()
        if tenant.poll is not None and tenant.poll.link is not None:
            return tenant.approved
        return [each for each in tenant.approved if await self._ports.runs.recent(each, 1)]

    async def _go_on(self, tenant: Tenant, poll: Poll, began: datetime, changed: ChangedUsers) -> PollReport:
        await self._hand_over(tenant.tenant_id, changed.user_ids)
        judged, left = await self._judge(poll) if tenant.has_door else (NOTHING, {})
        interval = next_interval(
            poll.interval,
            judged,
            self._settings.polls,
            has_door=tenant.has_door,
            is_subscribed=is_subscribed(tenant.subscription, began),
        )
        waiting = unjudged(left, changed.user_ids, poll.began_at) if tenant.has_door else {}
        await self._ports.polls.save(Poll(tenant.tenant_id, changed.link, began, interval, waiting))
        await self._count(tenant.tenant_id, began, judged)
        return self._report(tenant, began, interval, changed, judged, "")

    async def _hand_over(self, tenant_id: str, user_ids: Sequence[str]) -> None:
        """All are safe in the broker on return. Dated now: a look that began while the pages came does not answer."""
        noticed_at, trace_id = self._ports.clock.now(), uuid4().hex
        for users, lane in ((user_ids[:AT_ONCE_LIVE], Lane.LIVE), (user_ids[AT_ONCE_LIVE:], Lane.BACKFILL)):
            for message in split(
                tenant_id, tuple(users), reason=Reason.DELTA, noticed_at=noticed_at, trace_id=trace_id
            ):
                await self._ports.publisher.publish(message, lane)

    async def _judge(self, poll: Poll) -> tuple[Coverage, Mapping[str, datetime]]:
        """How many of those found before had been announced, and whom the next round has to judge instead."""
        waiting = judgeable(poll.unjudged, self._ports.clock.now())
        try:
            announced = [await self._is_announced(poll.tenant_id, *each) for each in waiting.items()]
        except SyncError as error:
            log.info("delta_round_unjudged", tenant_id=poll.tenant_id, code=error.code)
            return NOTHING, waiting
        return Coverage(len(announced), sum(announced)), {}

    async def _is_announced(self, tenant_id: str, user_id: str, since: datetime) -> bool:
        kept = await self._ports.memory.recall(announced_key(tenant_id, user_id))
        return is_announced(since, datetime.fromisoformat(kept) if kept else None)

    async def _count(self, tenant_id: str, began: datetime, judged: Coverage) -> None:
        """After the link was saved: counted twice is worse than not at all, and neither is worth a round."""
        if not judged.found:
            return
        try:
            hour = began.replace(minute=0, second=0, microsecond=0)
            await self._ports.polls.judged(tenant_id, hour, judged.found, judged.announced)
        except SyncError as error:
            log.info("coverage_not_kept", tenant_id=tenant_id, code=error.code)

    def _report(
        self, tenant: Tenant, began: datetime, interval: float, changed: ChangedUsers, judged: Coverage, code: str
    ) -> PollReport:
        seconds = (self._ports.clock.now() - began).total_seconds()
        log.info(
            "delta_round",
            tenant_id=tenant.tenant_id,
            found=len(changed.user_ids),
            requests=changed.requests,
            ms=round(seconds * 1000),
            interval_s=round(interval, 1),
            **({"code": code} if code else {}),
        )
        return PollReport(
            tenant_id=tenant.tenant_id,
            found=len(changed.user_ids),
            announced=judged.announced,
            unannounced=judged.found - judged.announced,
            seconds=seconds,
            interval=interval,
            code=code,
        )


def failed(tenant: Tenant, code: str, at: datetime, interval: float) -> Poll:
    """Where the polls of a tenant stand after a failure: the link stays where it is."""
    poll = tenant.poll or Poll(tenant.tenant_id, None, None, interval)
    return replace(poll, code=code, since=poll.since if poll.code and poll.since else at)
