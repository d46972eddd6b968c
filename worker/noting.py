"""What a full pass notes in the ledger without a look: conflicts, links of contacts in step, approved rows,
choices that are used up.

One query for all where there is one; users in step cost none. Next: `worker/handing.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog

from shared.domain.changes import Conflict, CreateContact, NoChange, Plan, UpdateContact
from shared.domain.errors import Permanent
from shared.domain.records import Link
from worker.parts import WorkerPorts
from worker.survey import Keep, Survey

log = structlog.get_logger("worker")


class Noting:
    def __init__(self, ports: WorkerPorts) -> None:
        self._ports = ports

    async def approved_users(self, customer_id: int) -> Callable[[str], bool]:
        """May this user have an approved row that is not carried out yet?"""
        if await self._ports.approvals.pending(customer_id) == 0:
            return lambda _: False
        latest = await self._ports.approvals.latest(customer_id)
        if latest is None or latest.approved_at is None:
            return lambda _: True  # the rows are of an earlier proposal, and which they are is not told
        rows = latest.rows
        return lambda user_id: user_id in rows

    async def note(self, survey: Survey, has_row: Callable[[str], bool]) -> None:
        await self._note_conflicts(survey)
        await self._forget_used_up(survey)
        linked = set(survey.links.values())
        for plan in survey.plans:
            if isinstance(plan, NoChange) and plan.contact_id is not None:
                if plan.link != "link" and plan.user_id not in linked:
                    await self._note_link(plan, plan.contact_id)
                if has_row(plan.user_id):
                    await self.settle_rows(plan.customer_id, [plan.user_id])

    async def _note_conflicts(self, survey: Survey) -> None:
        conflicts, customer_id = self._ports.conflicts, survey.customer_id
        known = {conflict.user_id for conflict in await conflicts.list(customer_id)}
        there = {plan.user_id: plan for plan in survey.plans if isinstance(plan, Conflict) and plan.is_open}
        for plan in there.values():
            await conflicts.open(plan, self._ports.clock.now())
        if known - there.keys():
            seen = {user.id for user in survey.reading.users}
            for user_id in sorted((known - there.keys()) & seen):
                await conflicts.close(customer_id, user_id)

    async def _forget_used_up(self, survey: Survey) -> None:
        """Read again first, and only where there is one: a person may have chosen anew while the customer was read."""
        if not survey.used_up:
            return
        now = await self._ports.choices.of_customer(survey.customer_id)
        for user_id, chosen in survey.used_up.items():
            if now.get(user_id) == chosen:
                await self._ports.choices.forget(survey.customer_id, user_id)

    async def _note_link(self, plan: NoChange, contact_id: int) -> None:
        """In step without a look: remember whose contact it is. A link that there is by now is a look's business."""
        links = self._ports.links
        if await links.of_user(plan.customer_id, plan.user_id) is not None:
            return
        try:
            await links.link(Link(plan.customer_id, plan.user_id, contact_id, plan.link, self._ports.clock.now()))
        except Permanent as error:  # another user was linked to it meanwhile: the next pass sees the conflict
            log.warning("link_refused", customer_id=plan.customer_id, user_id=plan.user_id, code=error.code)

    async def settle_rows(self, customer_id: int, users: Iterable[str]) -> None:
        """Approved rows of users who are in step, as far as an approval goes, ask for nothing any more."""
        approvals = self._ports.approvals
        for user_id in users:
            if await approvals.approved_row(customer_id, user_id) is not None:
                await approvals.settle_row(customer_id, user_id)


def asking_for_something(has_row: Callable[[str], bool]) -> Keep:
    """What a run keeps of a tenant: writes, conflicts, contacts in step whose link or approved row is to be noted."""

    def keep(plan: Plan) -> bool:
        match plan:
            case CreateContact() | UpdateContact() | Conflict():
                return True
            case NoChange(contact_id=int(), link=link, user_id=user_id):
                return link != "link" or has_row(user_id)
            case _:
                return False

    return keep
