"""Jobs that try failed changes again: which letters a job has, how far it is, and what became of each.

A letter has one job at a time. Each job keeps a row per letter of its own, so that what a worker tells twice counts
once, and what it tells after the job was cancelled still counts. Hands nothing over. Next: `conflicts.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, case, delete, false, insert, literal, null, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.dead_letters import CLAIMED, DISCARDED, OPEN, PARKED, REPLAYED, letter_of
from shared.adapters.ledger.schema import dead_letters, replay_letters, replays
from shared.domain.desk import Replay, ReplayState
from shared.domain.records import DeadLetter

_BATCH = 500  # letters in one statement
_RELEASED = "released"  # cancelled before it was handed over, as far as was known
_NO_END = or_(replay_letters.c.state.is_(None), replay_letters.c.state == _RELEASED)


class SqlReplays:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, replay: Replay, letter_ids: Sequence[str]) -> int:
        """Begun twice under one id, it is one job, with its first letters."""
        wanted = tuple(dict.fromkeys(letter_ids))
        async with self._database.atomic() as connection:
            if not await self._is_new(connection, replay):
                return await _size(connection, replay.replay_id)
            free = await _free(connection, wanted)
            if not free or len(free) < len(wanted):  # somebody else was faster: nothing began, and no list says so
                await connection.execute(delete(replays).where(replays.c.replay_id == replay.replay_id))
                return 0
            await _claim(connection, replay.replay_id, wanted, free)
            return len(wanted)

    async def _is_new(self, connection: AsyncConnection, replay: Replay) -> bool:
        made = await connection.execute(
            self._database.insert(replays)
            .values(**_values(replay))
            .on_conflict_do_nothing(index_elements=["replay_id"])
        )
        return made.rowcount == 1

    async def claimed(self, replay_id: str, limit: int) -> Sequence[DeadLetter]:
        """In the order of `begin`."""
        statement = (
            select(dead_letters)
            .join(replay_letters, replay_letters.c.letter_id == dead_letters.c.letter_id)
            .where(replay_letters.c.replay_id == replay_id, replay_letters.c.state.is_(None))
            .order_by(replay_letters.c.position)
            .limit(limit)
        )
        return [letter_of(row) for row in await self._database.rows(statement)]

    async def advance(self, replay_id: str, letter_id: str, status: str, at: datetime, *, why: str = "") -> None:
        """A letter that failed again since it was claimed stays open: who handed it over may tell so too late."""
        async with self._database.atomic() as connection:
            job = (await connection.execute(_locked(replay_id))).first()
            mine = and_(replay_letters.c.replay_id == replay_id, replay_letters.c.letter_id == letter_id)
            row = (await connection.execute(select(replay_letters).where(mine, _NO_END))).first()
            if job is None or row is None:
                return
            await connection.execute(update(replay_letters).where(mine).values(state=status))
            counter = replays.c.handed_over if status == REPLAYED else replays.c.skipped
            await connection.execute(_of(replay_id).values({counter: counter + 1}))
            await connection.execute(
                _told(row, status, {"settled_at": at, "settled_by": job.by_whom, "why": why or None})
            )

    async def finish(self, replay_id: str, at: datetime, state: ReplayState) -> bool:
        """The first end counts."""
        running = replays.c.state == ReplayState.RUNNING.value
        left = and_(replay_letters.c.replay_id == replay_id, replay_letters.c.state.is_(None))
        async with self._database.atomic() as connection:
            await connection.execute(_locked(replay_id))
            ended = await connection.execute(_of(replay_id).where(running).values(state=state.value, finished_at=at))
            await connection.execute(
                update(dead_letters)
                .where(
                    dead_letters.c.letter_id.in_(select(replay_letters.c.letter_id).where(left)),
                    dead_letters.c.replay_id == replay_id,
                    dead_letters.c.status == CLAIMED,
                )
                .values(status=OPEN)
            )
            await connection.execute(update(replay_letters).where(left).values(state=_RELEASED))
            return int(ended.rowcount) == 1

    async def get(self, replay_id: str) -> Replay | None:
        row = await self._database.row(select(replays).where(replays.c.replay_id == replay_id))
        return None if row is None else _replay(row)

    async def running(self) -> Sequence[Replay]:
        running = select(replays).where(replays.c.state == ReplayState.RUNNING.value)
        return [
            _replay(row) for row in await self._database.rows(running.order_by(replays.c.began_at, replays.c.replay_id))
        ]

    async def recent(self, limit: int = 20) -> Sequence[Replay]:
        statement = select(replays).order_by(replays.c.began_at.desc(), replays.c.replay_id).limit(limit)
        return [_replay(row) for row in await self._database.rows(statement)]


async def _free(connection: AsyncConnection, letter_ids: Sequence[str]) -> Mapping[str, datetime]:
    """Letter -> its `last_seen`; locked, in one order for everybody: two jobs that want each other's letters must not
    wait for each other."""
    found: dict[str, datetime] = {}
    for batch in _batches(sorted(letter_ids)):
        free = (
            select(dead_letters.c.letter_id, dead_letters.c.last_seen)
            .where(dead_letters.c.letter_id.in_(batch), dead_letters.c.status.in_((OPEN, PARKED)))
            .order_by(dead_letters.c.letter_id)
            .with_for_update()
        )
        found |= {row.letter_id: row.last_seen for row in (await connection.execute(free)).all()}
    return found


async def _claim(
    connection: AsyncConnection, replay_id: str, letter_ids: Sequence[str], seen: Mapping[str, datetime]
) -> None:
    claimed = {"status": CLAIMED, "replay_id": replay_id, "settled_at": None, "settled_by": None, "why": None}
    place = {letter_id: number for number, letter_id in enumerate(letter_ids)}
    for batch in _batches(letter_ids):
        await connection.execute(update(dead_letters).where(dead_letters.c.letter_id.in_(batch)).values(claimed))
        rows = [
            {"replay_id": replay_id, "letter_id": each, "position": place[each], "last_seen": seen[each]}
            for each in batch
        ]
        await connection.execute(insert(replay_letters), rows)


def _batches(letter_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (letter_ids[start : start + _BATCH] for start in range(0, len(letter_ids), _BATCH))


async def _size(connection: AsyncConnection, replay_id: str) -> int:
    mine = select(replay_letters.c.letter_id).where(replay_letters.c.replay_id == replay_id)
    return len((await connection.execute(mine)).all())


def _told(row: Row[Any], status: str, end: dict[str, object]) -> Any:
    """The letter itself, unless it is another job's by now or somebody settled it."""
    letters = dead_letters.c
    mine = and_(
        letters.letter_id == row.letter_id, letters.replay_id == row.replay_id, letters.status.in_((CLAIMED, OPEN))
    )
    # The latter: a failure of this very job, dated by a clock that is behind.
    failed_again = or_(letters.last_seen > row.last_seen, letters.last_run == row.replay_id)
    ended = {
        name: case((failed_again, null()), else_=literal(value, letters[name].type)) for name, value in end.items()
    }
    return (
        update(dead_letters)
        .where(mine)
        .values(
            status=case((failed_again, OPEN), else_=status),
            replays=letters.replays + int(status == REPLAYED),
            skipped=case((failed_again, false()), else_=literal(status == DISCARDED)),
            **ended,
        )
    )


def _locked(replay_id: str) -> Select[Any]:
    """First of all, so that who counts and who ends a job take their turns."""
    return select(replays).where(replays.c.replay_id == replay_id).with_for_update()


def _of(replay_id: str) -> Any:
    return update(replays).where(replays.c.replay_id == replay_id)


def _values(replay: Replay) -> dict[str, object]:
    return {
        "replay_id": replay.replay_id,
        "by_whom": replay.by,
        "code": replay.code,
        "total": replay.total,
        "began_at": replay.began_at,
        "state": replay.state.value,
        "handed_over": replay.handed_over,
        "skipped": replay.skipped,
        "finished_at": replay.finished_at,
    }


def _replay(row: Row[Any]) -> Replay:
    return Replay(
        replay_id=row.replay_id,
        by=row.by_whom,
        code=row.code,
        total=row.total,
        began_at=row.began_at,
        state=ReplayState(row.state),
        handed_over=row.handed_over,
        skipped=row.skipped,
        finished_at=row.finished_at,
    )
