"""A full pass over one customer: survey it, then hand over only the users that differ, as ordinary hints.

Nothing is written to Syncro here: the hints take the one write path and are planned again from fresh reads. What
needs no look (conflicts, links of contacts in step) is noted in the ledger at once. Next: `worker/owed.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from shared.domain.changes import Conflict, NoChange
from shared.domain.errors import Permanent
from shared.domain.messages import Lane, Reason, split
from shared.domain.records import Connection, ConnectionStatus, Link, Run
from worker.parts import WorkerPorts, WorkerSettings
from worker.survey import Survey, Surveyor

log = structlog.get_logger("worker")
_FEW = 50  # users; more than that take the other lane, so that live changes stay fast


@dataclass(frozen=True, slots=True)
class PassReport:
    """`published`: users handed over, all confirmed by the broker. The run ends when each has an outcome."""

    run_id: str
    survey: Survey
    published: int


class FullPass:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings, lane: Lane = Lane.BACKFILL) -> None:
        self._ports = ports
        self._surveyor = Surveyor(ports, settings, lane)

    async def preview(self, customer_id: int) -> Survey:
        """What a full pass would do; changes nothing anywhere. Any status will do."""
        return await self._surveyor.survey(await self._connection(customer_id))

    async def full_pass(self, customer_id: int, *, reason: Reason, run_id: str) -> PassReport:
        """Permanent "not_approved" for a customer that is not. Every hint is safe in the broker on return."""
        connection = await self._connection(customer_id)
        if connection.status is not ConnectionStatus.APPROVED:
            raise Permanent("worker", "not_approved", "this customer is waiting for approval or paused")
        survey = await self._surveyor.survey(connection)
        await self._note_all(survey)
        published = await self._publish(survey, reason, run_id)
        log.info("full_pass", customer_id=customer_id, run_id=run_id, users=len(survey.plans), published=published)
        return PassReport(run_id, survey, published)

    async def _connection(self, customer_id: int) -> Connection:
        connection = await self._ports.connections.get(customer_id)
        if connection is None:
            raise Permanent("worker", "unknown_customer", "no tenant is connected to this customer")
        return connection

    async def _publish(self, survey: Survey, reason: Reason, run_id: str) -> int:
        """The run is recorded first, so that no outcome comes before it."""
        users, now = survey.differing, self._ports.clock.now()
        await self._ports.runs.start(Run(run_id, survey.connection.customer_id, reason, len(users), now))
        lane = Lane.LIVE if len(users) <= _FEW else Lane.BACKFILL
        messages = split(
            survey.connection.tenant_id,
            users,
            reason=reason,
            noticed_at=survey.began,  # a look that began since then has seen the same or more
            trace_id=run_id,
            run_id=run_id,
        )
        for message in messages:
            await self._ports.publisher.publish(message, lane)
        if not users:
            await self._ports.runs.finish(run_id, now)
        return len(users)

    async def _note_all(self, survey: Survey) -> None:
        customer_id = survey.connection.customer_id
        known = {conflict.user_id for conflict in await self._ports.conflicts.list(customer_id)}
        has_rows = await self._ports.approvals.pending(customer_id) > 0
        for plan in survey.plans:
            if isinstance(plan, Conflict):
                await self._ports.conflicts.open(plan, self._ports.clock.now())
            elif plan.user_id in known:
                await self._ports.conflicts.close(customer_id, plan.user_id)
            if isinstance(plan, NoChange) and plan.contact_id is not None:
                await self._note_link(plan, plan.contact_id)
                if has_rows:
                    await self._note_nothing_left(plan)

    async def _note_link(self, plan: NoChange, contact_id: int) -> None:
        """In step without a look: remember whose contact it is. A link that there is by now is a look's business."""
        links = self._ports.links
        if plan.link == "link" or await links.of_user(plan.customer_id, plan.user_id) is not None:
            return
        try:
            await links.link(Link(plan.customer_id, plan.user_id, contact_id, plan.link, self._ports.clock.now()))
        except Permanent as error:  # another user was linked to it meanwhile: the next pass sees the conflict
            log.warning("link_refused", customer_id=plan.customer_id, user_id=plan.user_id, code=error.code)

    async def _note_nothing_left(self, plan: NoChange) -> None:
        """An approved row of somebody in step asks for nothing any more."""
        approvals = self._ports.approvals
        if await approvals.approved_row(plan.customer_id, plan.user_id) is not None:
            await approvals.settle_row(plan.customer_id, plan.user_id)
