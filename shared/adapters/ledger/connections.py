"""Which Syncro customer belongs to which tenant, and what people allowed.

Saves and gives back; which status may follow which is decided by the operations, not here. Next: `policies.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, or_, select, update

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.schema import connections
from shared.domain.records import Connection, ConnectionStatus


class SqlConnections:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, connection: Connection) -> None:
        values = _values(connection)
        await self._database.write(
            self._database.insert(connections)
            .values(customer_id=connection.customer_id, **values)
            .on_conflict_do_update(index_elements=["customer_id"], set_=values)
        )

    async def change(self, connection: Connection, was: Connection | None) -> bool:
        values, mine = _values(connection), connections.c.customer_id == connection.customer_id
        if was is not None:
            is_same = connections.c.changed_at == was.changed_at
            return await self._database.write(update(connections).where(mine, is_same).values(values)) == 1
        return (
            await self._database.write(
                self._database.insert(connections)
                .values(customer_id=connection.customer_id, **values)
                .on_conflict_do_nothing(index_elements=["customer_id"])
            )
            == 1
        )

    async def get(self, customer_id: int) -> Connection | None:
        row = await self._database.row(select(connections).where(connections.c.customer_id == customer_id))
        return None if row is None else _connection(row)

    async def of_tenant(self, tenant_id: str) -> Sequence[Connection]:
        """By customer id, in every status: the caller knows what a status forbids."""
        # Few customers have several tenants, and databases look into JSON in ways of their own: those are sorted here.
        several = connections.c.more_tenants.is_not(None)
        statement = (
            select(connections)
            .where(or_(connections.c.tenant_id == tenant_id, several))
            .order_by(connections.c.customer_id)
        )
        found = [_connection(row) for row in await self._database.rows(statement)]
        return [connection for connection in found if tenant_id in connection.tenants]

    async def list(self, status: ConnectionStatus | None = None) -> Sequence[Connection]:
        """By customer id; all of them without a status."""
        statement = select(connections).order_by(connections.c.customer_id)
        if status is not None:
            statement = statement.where(connections.c.status == status.value)
        return [_connection(row) for row in await self._database.rows(statement)]


def _values(connection: Connection) -> dict[str, object]:
    return {
        "customer_name": connection.customer_name,
        "tenant_id": connection.tenant_id,
        "status": connection.status.value,
        "connected_at": connection.connected_at,
        "changed_at": connection.changed_at,
        "more_tenants": list(connection.more_tenants) or None,
        "paused_with_all": connection.paused_with_all,
    }


def _connection(row: Row[Any]) -> Connection:
    return Connection(
        customer_id=row.customer_id,
        customer_name=row.customer_name,
        tenant_id=row.tenant_id,
        status=ConnectionStatus(row.status),
        connected_at=row.connected_at,
        changed_at=row.changed_at,
        more_tenants=tuple(row.more_tenants or ()),
        paused_with_all=row.paused_with_all,
    )
