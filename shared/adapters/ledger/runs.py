"""Passes over a customer, and the newest outcome of every user in them.

Counting happens here, when somebody asks; a worker only ever writes one row per user. Next: `upgrade.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.schema import run_outcomes, runs
from shared.domain.messages import Reason
from shared.domain.records import Run


class SqlRuns:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def start(self, run: Run) -> None:
        """Started again, a run only takes over `planned`. Outcomes in `run` are ignored."""
        await self._database.write(
            self._database.insert(runs)
            .values(
                run_id=run.run_id,
                customer_id=run.customer_id,
                reason=run.reason.value,
                planned=run.planned,
                started_at=run.started_at,
                finished_at=run.finished_at,
            )
            .on_conflict_do_update(index_elements=["run_id"], set_={"planned": run.planned})
        )

    async def outcome(self, run_id: str, user_id: str, outcome: str, at: datetime) -> None:
        values = {"outcome": outcome, "at": at}
        upsert = self._database.insert(run_outcomes).values(run_id=run_id, user_id=user_id, **values)
        await self._database.write(
            upsert.on_conflict_do_update(
                index_elements=["run_id", "user_id"], set_=values, where=run_outcomes.c.at <= upsert.excluded.at
            )
        )

    async def finish(self, run_id: str, at: datetime) -> None:
        """Content when the run is unknown (a restored ledger)."""
        await self._database.write(update(runs).where(runs.c.run_id == run_id).values(finished_at=at))

    async def get(self, run_id: str) -> Run | None:
        row = await self._database.row(select(runs).where(runs.c.run_id == run_id))
        return None if row is None else _run(row, await self._outcomes([run_id]))

    async def recent(self, customer_id: int | None = None, limit: int = 20) -> Sequence[Run]:
        statement = select(runs).order_by(runs.c.started_at.desc(), runs.c.run_id).limit(limit)
        if customer_id is not None:
            statement = statement.where(runs.c.customer_id == customer_id)
        rows = await self._database.rows(statement)
        outcomes = await self._outcomes([row.run_id for row in rows])
        return [_run(row, outcomes) for row in rows]

    async def _outcomes(self, run_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """For each run: outcome -> count of users."""
        counted = await self._database.rows(
            select(run_outcomes.c.run_id, run_outcomes.c.outcome, func.count().label("users"))
            .where(run_outcomes.c.run_id.in_(run_ids))
            .group_by(run_outcomes.c.run_id, run_outcomes.c.outcome)
            .order_by(run_outcomes.c.run_id, run_outcomes.c.outcome)
        )
        outcomes: dict[str, dict[str, int]] = {}
        for row in counted:
            outcomes.setdefault(row.run_id, {})[row.outcome] = row.users
        return outcomes


def _run(row: Row[Any], outcomes: dict[str, dict[str, int]]) -> Run:
    return Run(
        run_id=row.run_id,
        customer_id=row.customer_id,
        reason=Reason(row.reason),
        planned=row.planned,
        started_at=row.started_at,
        finished_at=row.finished_at,
        outcomes=outcomes.get(row.run_id, {}),
    )
