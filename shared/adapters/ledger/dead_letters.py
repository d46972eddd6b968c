"""Failed changes, kept for a person: the bytes that lay in the queue, why they failed, and what became of them.

The bytes are kept as they came and never logged. Settling is a compare-and-set, so that two operators settle a letter
once. A letter whose change fails again after a replay tried or skipped it is opened again; when it is the same one is
said in `shared/domain/letter_ids.py`. A release before 0005 stores "syncro:rejected" as the code: while both run, the
service is read from there. Next: `replays.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, false, func, null, or_, select, update

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.schema import dead_letters
from shared.domain.desk import LetterCount, LetterFilter
from shared.domain.messages import DeadLettered, Lane, SubscriptionTouched, UsersTouched, decode
from shared.domain.records import DeadLetter

if TYPE_CHECKING:
    from shared.adapters.ledger.engines import Insert

OPEN, CLAIMED, REPLAYED, PARKED, DISCARDED = "open", "claimed", "replayed", "parked", "discarded"
_ID = 64  # characters of a column
_RENEWED = ("error_class", "detail", "attempts", "service", "last_run")


class SqlDeadLetters:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, letter: DeadLettered) -> None:
        """A later failure renews when, why and after how many attempts; its first bytes stay.

        One that a person discarded or that is parked stays so. A claimed one too: `SqlReplays.advance` looks for a
        later failure.
        """
        upsert = self._database.insert(dead_letters).values(**_values(letter))
        await self._database.write(_renewing(upsert))

    async def list(self, *, status: str | None = OPEN, limit: int = 100) -> Sequence[DeadLetter]:
        """The latest failure first; every status with None."""
        return await self.find(LetterFilter(status=status), limit=limit)

    async def find(self, wanted: LetterFilter, *, limit: int = 10_000) -> Sequence[DeadLetter]:
        """`since` and `until` are about `last_seen`, both included."""
        statement = _latest().where(*_conditions(wanted)).limit(limit)
        return [letter_of(row) for row in await self._database.rows(statement)]

    async def counts(self) -> Sequence[LetterCount]:
        """Asked every minute, so bodies stay where they are."""
        table = dead_letters.c
        parts = (table.service, table.error_class, table.tenant_id)
        counted = select(*parts, func.count().label("letters")).where(table.status == OPEN).group_by(*parts)
        found: Counter[tuple[str, str, str | None]] = Counter()
        for row in await self._database.rows(counted.order_by(*parts)):
            found[*_split(row.service, row.error_class), row.tenant_id] += int(row.letters)
        return [LetterCount(code, tenant, count, service) for (service, code, tenant), count in found.items()]

    async def get(self, letter_id: str) -> DeadLetter | None:
        row = await self._database.row(select(dead_letters).where(dead_letters.c.letter_id == letter_id))
        return None if row is None else letter_of(row)

    async def settle(self, letter_id: str, status: str, at: datetime, *, by: str = "", why: str = "") -> bool:
        """False for an unknown letter as well. A parked one is not settled for good: it may still be discarded, or
        opened again ("open")."""
        allowed = {OPEN: (PARKED,), PARKED: (OPEN,)}.get(status, (OPEN, PARKED))
        ended = None if status == OPEN else at
        settled = await self._database.write(
            update(dead_letters)
            .where(dead_letters.c.letter_id == letter_id, dead_letters.c.status.in_(allowed))
            .values(status=status, settled_at=ended, settled_by=by or None, why=why or None, skipped=false())
        )
        return settled == 1


def _latest() -> Select[Any]:
    return select(dead_letters).order_by(dead_letters.c.last_seen.desc(), dead_letters.c.letter_id)


def _conditions(wanted: LetterFilter) -> Iterator[ColumnElement[bool]]:
    exact = {
        dead_letters.c.status: wanted.status,
        dead_letters.c.detail: wanted.detail or None,
        dead_letters.c.run_id: wanted.run_id or None,
        dead_letters.c.replay_id: wanted.replay_id or None,
    }
    yield from (column == value for column, value in exact.items() if value is not None)
    if wanted.service or wanted.error_class:
        yield _failed_by(wanted.service, wanted.error_class)
    if wanted.tenant_ids:
        yield dead_letters.c.tenant_id.in_(wanted.tenant_ids)
    if wanted.since is not None:
        yield dead_letters.c.last_seen >= wanted.since
    if wanted.until is not None:
        yield dead_letters.c.last_seen <= wanted.until


def _failed_by(service: str, code: str) -> ColumnElement[bool]:
    """Either may be "". The second half: as a release before 0005 goes on storing both in one."""
    table = dead_letters.c
    exact = {table.service: service, table.error_class: code}
    told = and_(*(column == value for column, value in exact.items() if value))
    if service and code:
        joined = table.error_class == f"{service}:{code}"
    elif service:
        joined = table.error_class.startswith(f"{service}:", autoescape=True)
    else:
        joined = table.error_class.endswith(f":{code}", autoescape=True)
    return or_(told, and_(table.service.is_(None), joined))


def _split(service: str | None, code: str) -> tuple[str, str]:
    """Service and code as they were meant; codes hold no colon."""
    front, colon, rest = code.partition(":")
    return (front, rest) if service is None and front and colon and rest else (service or "", code)


def _renewing(insert: Insert) -> Insert:
    """One statement that looks at this row alone, so that no replay comes in between: PostgreSQL reads the row anew
    when it has the lock, but not what another table said of it. Without a later failure nothing is written at all.

    A failure of the very replay that has or had the letter is a later one, whatever two machines' clocks say.
    """
    table, told = dead_letters.c, insert.excluded
    was_tried = or_(table.status == REPLAYED, table.skipped)
    settled = {name: case((was_tried, null()), else_=table[name]) for name in ("settled_at", "settled_by", "why")}
    renewed = {name: told[name] for name in _RENEWED}
    newest = case((table.last_seen < told.last_seen, told.last_seen), else_=table.last_seen)
    status = case((was_tried, OPEN), else_=table.status)
    return insert.on_conflict_do_update(
        index_elements=["letter_id"],
        set_={"status": status, "last_seen": newest, "skipped": false(), **settled, **renewed},
        where=and_(
            or_(table.status.in_((OPEN, CLAIMED, REPLAYED)), table.skipped),
            or_(table.last_seen < told.last_seen, table.replay_id == told.last_run),
        ),
    )


def _values(letter: DeadLettered) -> dict[str, object]:
    tenant_id, user_ids, run_id = _about(letter.body)
    return {
        "letter_id": letter.letter_id,
        "body": letter.body,
        "lane": letter.lane.value,
        "tenant_id": tenant_id,
        "user_ids": user_ids,
        "error_class": _without_nul(letter.error_class),
        "detail": _without_nul(letter.detail),
        "attempts": letter.attempts,
        "first_seen": letter.first_seen,
        "last_seen": letter.last_seen,
        "status": OPEN,
        "run_id": run_id,
        "service": _without_nul(letter.service) or None,
        "last_run": run_id,
    }


def _about(body: bytes) -> tuple[str | None, list[str], str | None]:
    """The tenant, the users and the run that a body speaks of, as far as it can be read."""
    match decode(body):
        case UsersTouched(tenant_id=tenant_id, user_ids=user_ids, run_id=run_id):
            return _storable(tenant_id), list(user_ids), _storable(run_id)
        case SubscriptionTouched(tenant_id=tenant_id):
            return _storable(tenant_id), [], None
        case _:
            return None, [], None


def _storable(identity: str | None) -> str | None:
    """PostgreSQL refuses a NUL and what is longer than the column, and a letter that it refuses would come for ever."""
    return identity if identity is not None and len(identity) <= _ID and "\0" not in identity else None


def _without_nul(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def letter_of(row: Row[Any]) -> DeadLetter:
    service, code = _split(row.service, row.error_class)
    return DeadLetter(
        letter_id=row.letter_id,
        body=bytes(row.body),
        lane=Lane(row.lane),
        tenant_id=row.tenant_id,
        user_ids=tuple(row.user_ids),
        error_class=code,
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
        service=service,
        last_run=row.last_run or "",
    )
