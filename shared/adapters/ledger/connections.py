"""Which Syncro customer belongs to which tenant, and what people allowed.

Saves and gives back; which status may follow which is decided by the operations, not here. Next: `policies.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.schema import connections
from shared.domain.records import Connection, ConnectionStatus


class SqlConnections:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, connection: Connection) -> None:
        values = {
            "customer_name": connection.customer_name,
            "tenant_id": connection.tenant_id,
            "status": connection.status.value,
            "connected_at": connection.connected_at,
            "changed_at": connection.changed_at,
        }
        await self._database.write(
            self._database.insert(connections)
            .values(customer_id=connection.customer_id, **values)
            .on_conflict_do_update(index_elements=["customer_id"], set_=values)
        )

    async def get(self, customer_id: int) -> Connection | None:
        row = await self._database.row(select(connections).where(connections.c.customer_id == customer_id))
        return None if row is None else _connection(row)

    async def of_tenant(self, tenant_id: str) -> Sequence[Connection]:
        """By customer id, in every status: the caller knows what a status forbids."""
        statement = select(connections).where(connections.c.tenant_id == tenant_id).order_by(connections.c.customer_id)
        return [_connection(row) for row in await self._database.rows(statement)]

    async def list(self, status: ConnectionStatus | None = None) -> Sequence[Connection]:
        """By customer id; all of them without a status."""
        statement = select(connections).order_by(connections.c.customer_id)
        if status is not None:
            statement = statement.where(connections.c.status == status.value)
        return [_connection(row) for row in await self._database.rows(statement)]


def _connection(row: Row[Any]) -> Connection:
    return Connection(
        customer_id=row.customer_id,
        customer_name=row.customer_name,
        tenant_id=row.tenant_id,
        status=ConnectionStatus(row.status),
        connected_at=row.connected_at,
        changed_at=row.changed_at,
    )
