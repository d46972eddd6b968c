"""Passes over a customer, how they ended, and the newest outcome of every user in them.

Counting happens here, when somebody asks; a worker only ever writes one row per user. Next: `holds.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, case, func, select, update

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.schema import run_outcomes, runs
from shared.domain.messages import Reason
from shared.domain.records import LastFull, Run, RunState

_BELIEVED = (RunState.WORKING.value, RunState.DONE.value, RunState.HALTED.value)
_UNDONE = (RunState.HALTED.value, RunState.FAILED.value)


class SqlRuns:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def start(self, run: Run) -> None:
        """`syncro_calls` and `writes` in `run` are the pass's own: those of its looks are added when somebody asks.

        Outcomes in `run` are ignored.
        """
        values = _values(run)
        await self._database.write(
            self._database.insert(runs)
            .values(run_id=run.run_id, started_at=run.started_at, **values)
            .on_conflict_do_update(index_elements=["run_id"], set_=values)
        )

    async def outcome(
        self, run_id: str, user_id: str, outcome: str, at: datetime, *, calls: int = 0, writes: int = 0
    ) -> None:
        upsert = self._database.insert(run_outcomes).values(
            run_id=run_id, user_id=user_id, outcome=outcome, at=at, calls=calls, writes=writes
        )
        came, known = upsert.excluded, run_outcomes.c
        is_newer = known.at <= came.at  # two workers may note in either order
        await self._database.write(
            upsert.on_conflict_do_update(
                index_elements=["run_id", "user_id"],
                set_={
                    "outcome": case((is_newer, came.outcome), else_=known.outcome),
                    "at": case((is_newer, came.at), else_=known.at),
                    "calls": known.calls + came.calls,
                    "writes": known.writes + came.writes,
                },
            )
        )

    async def finish(self, run_id: str, at: datetime, state: RunState = RunState.DONE) -> None:
        """Content when the run is unknown (a restored ledger)."""
        statement = update(runs).where(runs.c.run_id == run_id).values(finished_at=at, state=state.value)
        if state is RunState.DONE:  # the looks of a run that was halted or failed end as well
            statement = statement.where(runs.c.state.not_in(_UNDONE))
        await self._database.write(statement)

    async def get(self, run_id: str) -> Run | None:
        row = await self._database.row(select(runs).where(runs.c.run_id == run_id))
        return None if row is None else _run(row, await self._looks([run_id]))

    async def recent(self, customer_id: int | None = None, limit: int = 20) -> Sequence[Run]:
        statement = select(runs).order_by(runs.c.started_at.desc(), runs.c.run_id).limit(limit)
        if customer_id is not None:
            statement = statement.where(runs.c.customer_id == customer_id)
        rows = await self._database.rows(statement)
        looks = await self._looks([row.run_id for row in rows])
        return [_run(row, looks) for row in rows]

    async def outcomes(self, run_id: str) -> Mapping[str, str]:
        statement = select(run_outcomes.c.user_id, run_outcomes.c.outcome).where(run_outcomes.c.run_id == run_id)
        return {row.user_id: row.outcome for row in await self._database.rows(statement)}

    async def full(self) -> Mapping[int, LastFull]:
        done = case((runs.c.state == RunState.DONE.value, runs.c.started_at))
        statement = (
            select(
                runs.c.customer_id,
                func.max(runs.c.started_at).label("begun_at"),
                func.max(done).label("done_began_at"),
            )
            .where(runs.c.is_full, runs.c.state.in_(_BELIEVED))
            .group_by(runs.c.customer_id)
        )
        return {
            row.customer_id: LastFull(row.begun_at, row.done_began_at) for row in await self._database.rows(statement)
        }

    async def _looks(self, run_ids: Sequence[str]) -> dict[str, _Looks]:
        counted = await self._database.rows(
            select(
                run_outcomes.c.run_id,
                run_outcomes.c.outcome,
                func.count().label("users"),
                func.sum(run_outcomes.c.calls).label("calls"),
                func.sum(run_outcomes.c.writes).label("writes"),
            )
            .where(run_outcomes.c.run_id.in_(run_ids))
            .group_by(run_outcomes.c.run_id, run_outcomes.c.outcome)
            .order_by(run_outcomes.c.run_id, run_outcomes.c.outcome)
        )
        looks: dict[str, _Looks] = {}
        for row in counted:
            looks.setdefault(row.run_id, _Looks()).add(row)
        return looks


@dataclass(slots=True)
class _Looks:
    """What became of the users of one run, and what that took."""

    outcomes: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    writes: int = 0

    def add(self, row: Row[Any]) -> None:
        self.outcomes[row.outcome] = row.users
        self.calls += row.calls
        self.writes += row.writes


def _values(run: Run) -> dict[str, object]:
    """All that a run which is started again takes over."""
    return {
        "customer_id": run.customer_id,
        "reason": run.reason.value,
        "planned": run.planned,
        "finished_at": run.finished_at,
        "state": run.state.value,
        "is_full": run.full,
        "considered": run.considered,
        "held": run.held,
        "graph_calls": run.graph_calls,
        "syncro_calls": run.syncro_calls,
        "writes": run.writes,
        "notes": list(run.notes),
    }


def _run(row: Row[Any], all_looks: Mapping[str, _Looks]) -> Run:
    looks = all_looks.get(row.run_id, _Looks())
    return Run(
        run_id=row.run_id,
        customer_id=row.customer_id,
        reason=Reason(row.reason),
        planned=row.planned,
        started_at=row.started_at,
        finished_at=row.finished_at,
        outcomes=looks.outcomes,
        state=RunState(row.state),
        full=row.is_full,
        considered=row.considered,
        held=row.held,
        graph_calls=row.graph_calls,
        syncro_calls=row.syncro_calls + looks.calls,
        writes=row.writes + looks.writes,
        notes=tuple(row.notes or ()),  # none in a run of the first release
    )
