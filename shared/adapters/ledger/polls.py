"""Where each tenant's delta polls stand, and by the hour how many changes they found that were announced as well.

A link is moved on by `save` alone, in one durable statement. Next: `invites.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import delete, func, select

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.schema import coverage, polls
from shared.domain.watching import Coverage, Poll


class SqlPolls:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, poll: Poll) -> None:
        values = {
            "link": poll.link,
            "began_at": poll.began_at,
            "interval": poll.interval,
            "unjudged": {user_id: found_at.isoformat() for user_id, found_at in poll.unjudged.items()},
            "code": poll.code,
            "since": poll.since,
        }
        await self._database.write(
            self._database.insert(polls)
            .values(tenant_id=poll.tenant_id, **values)
            .on_conflict_do_update(index_elements=["tenant_id"], set_=values)
        )

    async def all(self) -> Mapping[str, Poll]:
        rows = await self._database.rows(select(polls).order_by(polls.c.tenant_id))
        return {
            row.tenant_id: Poll(
                tenant_id=row.tenant_id,
                link=row.link,
                began_at=row.began_at,
                interval=row.interval,
                unjudged={user_id: datetime.fromisoformat(moment) for user_id, moment in row.unjudged.items()},
                code=row.code,
                since=row.since,
            )
            for row in rows
        }

    async def forget(self, tenant_id: str) -> None:
        await self._database.write(delete(polls).where(polls.c.tenant_id == tenant_id))

    async def judged(self, tenant_id: str, hour: datetime, found: int, announced: int) -> None:
        counts = {"found": coverage.c.found + found, "announced": coverage.c.announced + announced}
        await self._database.write(
            self._database.insert(coverage)
            .values(tenant_id=tenant_id, hour=hour, found=found, announced=announced)
            .on_conflict_do_update(index_elements=["tenant_id", "hour"], set_=counts)
        )

    async def coverage(self, since: datetime) -> Mapping[str, Coverage]:
        rows = await self._database.rows(
            select(
                coverage.c.tenant_id,
                func.sum(coverage.c.found).label("found"),
                func.sum(coverage.c.announced).label("announced"),
            )
            .where(coverage.c.hour >= since)
            .group_by(coverage.c.tenant_id)
        )
        return {row.tenant_id: Coverage(int(row.found), int(row.announced)) for row in rows}
