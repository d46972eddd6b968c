"""Failed changes, kept for a person: the bytes that lay in the queue, why they failed, and what became of them.

The bytes are kept as they came and never logged. Settling is a compare-and-set, so that two operators replay a
letter once. Next: `conflicts.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.schema import dead_letters
from shared.domain.messages import DeadLettered, Lane, SubscriptionTouched, UsersTouched, decode
from shared.domain.records import DeadLetter

_OPEN = "open"


class SqlDeadLetters:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, letter: DeadLettered) -> None:
        """A letter that is known stays as it is, a settled one settled."""
        tenant_id, user_ids = _about(letter.body)
        await self._database.write(
            self._database.insert(dead_letters)
            .values(
                letter_id=letter.letter_id,
                body=letter.body,
                lane=letter.lane.value,
                tenant_id=tenant_id,
                user_ids=user_ids,
                error_class=letter.error_class,
                detail=letter.detail,
                attempts=letter.attempts,
                first_seen=letter.first_seen,
                last_seen=letter.last_seen,
                status=_OPEN,
            )
            .on_conflict_do_nothing(index_elements=["letter_id"])
        )

    async def list(self, *, status: str | None = _OPEN, limit: int = 100) -> Sequence[DeadLetter]:
        """The latest failure first; every status with None."""
        statement = select(dead_letters).order_by(dead_letters.c.last_seen.desc(), dead_letters.c.letter_id)
        if status is not None:
            statement = statement.where(dead_letters.c.status == status)
        return [_letter(row) for row in await self._database.rows(statement.limit(limit))]

    async def get(self, letter_id: str) -> DeadLetter | None:
        row = await self._database.row(select(dead_letters).where(dead_letters.c.letter_id == letter_id))
        return None if row is None else _letter(row)

    async def settle(self, letter_id: str, status: str, at: datetime) -> bool:
        """False for an unknown letter as well."""
        settled = await self._database.write(
            update(dead_letters)
            .where(dead_letters.c.letter_id == letter_id, dead_letters.c.status == _OPEN)
            .values(status=status, settled_at=at)
        )
        return settled == 1


def _about(body: bytes) -> tuple[str | None, list[str]]:
    """The tenant and the users that a body speaks of, as far as it can be read."""
    match decode(body):
        case UsersTouched(tenant_id=tenant_id, user_ids=user_ids):
            return tenant_id, list(user_ids)
        case SubscriptionTouched(tenant_id=tenant_id):
            return tenant_id, []
        case _:
            return None, []


def _letter(row: Row[Any]) -> DeadLetter:
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
    )
