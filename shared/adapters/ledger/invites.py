"""Consents that are asked for: one open invite per customer, each answer taken once.

Of two answers to one invite, one takes it; a replaced invite stays replaced whatever is settled later.
Next: `apart.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.schema import WAITING_INVITE, invites
from shared.domain.onboarding import Invite, InviteState, Organization


class SqlInvites:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, invite: Invite) -> None:
        async with self._database.atomic() as connection:
            await connection.execute(
                update(invites)
                .where(invites.c.customer_id == invite.customer_id, WAITING_INVITE)
                .values(state=InviteState.REPLACED.value)
            )
            # Two may open one at once: the later takes the place of the other, whose link then leads nowhere.
            values = _values(invite)
            await connection.execute(
                self._database.insert(invites)
                .values(values)
                .on_conflict_do_update(index_elements=["customer_id"], index_where=WAITING_INVITE, set_=values)
            )

    async def take(self, nonce: str, at: datetime) -> Invite | None:
        taken = await self._database.write(
            update(invites)
            .where(invites.c.nonce == nonce, invites.c.state == InviteState.OPEN.value, invites.c.expires_at > at)
            .values(state=InviteState.TAKEN.value)
        )
        return await self.get(nonce) if taken else None

    async def settle(self, invite: Invite) -> None:
        values = _values(invite)
        end = {name: values[name] for name in ("state", "answered_by", "code", "missing", "settled_at")}
        await self._database.write(
            update(invites)
            .where(invites.c.nonce == invite.nonce, invites.c.state != InviteState.REPLACED.value)
            .values(end)
        )

    async def get(self, nonce: str) -> Invite | None:
        row = await self._database.row(select(invites).where(invites.c.nonce == nonce))
        return None if row is None else _invite(row)

    async def of_customer(self, customer_id: int) -> Invite | None:
        row = await self._database.row(
            select(invites)
            .where(invites.c.customer_id == customer_id, invites.c.state != InviteState.REPLACED.value)
            .order_by(invites.c.invited_at.desc(), invites.c.nonce.desc())
            .limit(1)
        )
        return None if row is None else _invite(row)

    async def newest(self) -> Mapping[int, Invite]:
        statement = (
            select(invites)
            .where(invites.c.state != InviteState.REPLACED.value)
            .order_by(invites.c.customer_id, invites.c.invited_at, invites.c.nonce)
        )
        return {row.customer_id: _invite(row) for row in await self._database.rows(statement)}


def _values(invite: Invite) -> dict[str, Any]:
    who = invite.answered_by
    return {
        "nonce": invite.nonce,
        "customer_id": invite.customer_id,
        "customer_name": invite.customer_name,
        "tenant_id": invite.tenant_id,
        "invited_at": invite.invited_at,
        "expires_at": invite.expires_at,
        "state": invite.state.value,
        "answered_by": who and {"tenant_id": who.tenant_id, "name": who.name, "domains": list(who.domains)},
        "code": invite.code,
        "missing": list(invite.missing),
        "settled_at": invite.settled_at,
        "is_shared": invite.is_shared,
    }


def _invite(row: Row[Any]) -> Invite:
    who = row.answered_by
    return Invite(
        nonce=row.nonce,
        customer_id=row.customer_id,
        customer_name=row.customer_name,
        tenant_id=row.tenant_id,
        invited_at=row.invited_at,
        expires_at=row.expires_at,
        state=InviteState(row.state),
        answered_by=Organization(who["tenant_id"], who["name"], tuple(who["domains"])) if who else None,
        code=row.code,
        missing=tuple(row.missing),
        settled_at=row.settled_at,
        is_shared=row.is_shared,
    )
