"""Failed changes, kept for a person: the bytes that lay in the queue, why they failed, and what became of them.

The bytes are kept as they came and never logged. Settling is a compare-and-set, so that two operators settle a letter
once. A letter whose change fails again after a replay is opened again (`shared/domain/letter_ids.py` says when it is
the same one). Next: `replays.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, null, select, update
from sqlalchemy.dialects import postgresql, sqlite

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.schema import dead_letters
from shared.domain.desk import LetterFilter
from shared.domain.messages import DeadLettered, Lane, SubscriptionTouched, UsersTouched, decode
from shared.domain.records import DeadLetter

OPEN, CLAIMED, REPLAYED, _PARKED = "open", "claimed", "replayed", "parked"


class SqlDeadLetters:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, letter: DeadLettered) -> None:
        """A later failure renews when, why and after how many attempts; its first bytes stay.

        One that is discarded or parked stays so. A claimed one too: `SqlReplays.advance` looks for a later failure.
        """
        upsert = self._database.insert(dead_letters).values(**_values(letter))
        await self._database.write(_renewing(upsert))

    async def list(self, *, status: str | None = OPEN, limit: int = 100) -> Sequence[DeadLetter]:
        """The latest failure first; every status with None."""
        return await self.find(LetterFilter(status=status), limit=limit)

    async def find(self, wanted: LetterFilter, *, limit: int = 10_000) -> Sequence[DeadLetter]:
        """`since` and `until` are about `last_seen`, both included. One of a release before 0004 knows no run."""
        statement = _latest().where(*_conditions(wanted)).limit(limit)
        return [letter_of(row) for row in await self._database.rows(statement)]

    async def get(self, letter_id: str) -> DeadLetter | None:
        row = await self._database.row(select(dead_letters).where(dead_letters.c.letter_id == letter_id))
        return None if row is None else letter_of(row)

    async def settle(self, letter_id: str, status: str, at: datetime, *, by: str = "", why: str = "") -> bool:
        """False for an unknown letter as well. A parked one is not settled for good: it may still be discarded, or
        opened again ("open")."""
        allowed = {OPEN: (_PARKED,), _PARKED: (OPEN,)}.get(status, (OPEN, _PARKED))
        settled = await self._database.write(
            update(dead_letters)
            .where(dead_letters.c.letter_id == letter_id, dead_letters.c.status.in_(allowed))
            .values(status=status, settled_at=None if status == OPEN else at, settled_by=by or None, why=why or None)
        )
        return settled == 1


def _latest() -> Select[Any]:
    return select(dead_letters).order_by(dead_letters.c.last_seen.desc(), dead_letters.c.letter_id)


def _conditions(wanted: LetterFilter) -> Iterator[ColumnElement[bool]]:
    exact = {
        dead_letters.c.status: wanted.status,
        dead_letters.c.error_class: wanted.error_class or None,
        dead_letters.c.detail: wanted.detail or None,
        dead_letters.c.run_id: wanted.run_id or None,
        dead_letters.c.replay_id: wanted.replay_id or None,
    }
    yield from (column == value for column, value in exact.items() if value is not None)
    if wanted.tenant_ids:
        yield dead_letters.c.tenant_id.in_(wanted.tenant_ids)
    if wanted.since is not None:
        yield dead_letters.c.last_seen >= wanted.since
    if wanted.until is not None:
        yield dead_letters.c.last_seen <= wanted.until


def _renewing(insert: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    """One statement, so that no replay comes in between. Without a later failure nothing is written at all."""
    table, was_replayed = dead_letters.c, dead_letters.c.status == REPLAYED
    settled = {name: case((was_replayed, null()), else_=table[name]) for name in ("settled_at", "settled_by", "why")}
    renewed = {name: insert.excluded[name] for name in ("error_class", "detail", "attempts", "last_seen")}
    return insert.on_conflict_do_update(
        index_elements=["letter_id"],
        set_={"status": case((was_replayed, OPEN), else_=table.status), **settled, **renewed},
        where=and_(table.status.in_((OPEN, CLAIMED, REPLAYED)), table.last_seen < insert.excluded.last_seen),
    )


def _values(letter: DeadLettered) -> dict[str, object]:
    tenant_id, user_ids, run_id = _about(letter.body)
    return {
        "letter_id": letter.letter_id,
        "body": letter.body,
        "lane": letter.lane.value,
        "tenant_id": tenant_id,
        "user_ids": user_ids,
        "error_class": letter.error_class,
        "detail": letter.detail,
        "attempts": letter.attempts,
        "first_seen": letter.first_seen,
        "last_seen": letter.last_seen,
        "status": OPEN,
        "run_id": run_id,
    }


def _about(body: bytes) -> tuple[str | None, list[str], str | None]:
    """The tenant, the users and the run that a body speaks of, as far as it can be read."""
    match decode(body):
        case UsersTouched(tenant_id=tenant_id, user_ids=user_ids, run_id=run_id):
            return tenant_id, list(user_ids), run_id
        case SubscriptionTouched(tenant_id=tenant_id):
            return tenant_id, [], None
        case _:
            return None, [], None


def letter_of(row: Row[Any]) -> DeadLetter:
    return DeadLetter(
        letter_id=row.letter_id,
        body=bytes(row.body),
        lane=Lane(row.lane),
        tenant_id=row.tenant_id,
        user_ids=tuple(row.user_ids),
        error_class=row.error_class,
        detail=row.detail,
        attempts=row.attempts,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        status=row.status,
        settled_at=row.settled_at,
        run_id=row.run_id or "",
        replay_id=row.replay_id or "",
        replays=row.replays,
        settled_by=row.settled_by or "",
        why=row.why or "",
    )
