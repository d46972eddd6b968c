"""Revision 0002: what a full run spent and how it ended, what the brakes hold, how long believed lists were.

Written out rather than taken from `schema.py`: that file goes on changing, this one never does. Every new column has a
default or may be empty, so that the release before can go on writing while this one takes its place.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _runs()
    _holds()
    _list_sizes()
    # For the changes of the last hour. Revision 0001 has no index by time.
    op.create_index("ix_journal_customer_id_intended_at", "journal", ["customer_id", "intended_at"])


def downgrade() -> None:
    op.drop_index("ix_journal_customer_id_intended_at", "journal")
    op.drop_table("list_sizes")
    op.drop_table("holds")
    op.drop_column("run_outcomes", "writes")
    op.drop_column("run_outcomes", "calls")
    op.drop_index("ix_runs_full", "runs")
    for name in ("notes", "writes", "syncro_calls", "graph_calls", "held", "considered", "is_full", "state"):
        op.drop_column("runs", name)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default=sa.text("0"))


def _runs() -> None:
    op.add_column("runs", sa.Column("state", sa.String(16), nullable=False, server_default="working"))
    op.add_column("runs", sa.Column("is_full", sa.Boolean, nullable=False, server_default=sa.false()))
    for name in ("considered", "held", "graph_calls", "syncro_calls", "writes"):
        op.add_column("runs", _count(name))
    op.add_column("runs", sa.Column("notes", sa.JSON))
    op.add_column("run_outcomes", _count("calls"))
    op.add_column("run_outcomes", _count("writes"))
    runs = sa.table(
        "runs",
        sa.column("reason", sa.String),
        sa.column("finished_at", sa.DateTime(timezone=True)),
        sa.column("state", sa.String),
        sa.column("is_full", sa.Boolean),
    )
    op.execute(sa.update(runs).where(runs.c.finished_at.is_not(None)).values(state="done"))
    op.execute(sa.update(runs).where(runs.c.reason == "reconcile").values(is_full=True))
    op.create_index("ix_runs_full", "runs", ["is_full", "customer_id", "state", "started_at"])


def _holds() -> None:
    op.create_table(
        "holds",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("customer_id", sa.BigInteger, nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("run_id", sa.String(64)),
        sa.Column("brakes", sa.JSON, nullable=False),
        sa.Column("rows", sa.JSON, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.Column("settled_by", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_holds_code", "holds", ["code"])
    op.create_index(
        "uq_holds_open",
        "holds",
        ["customer_id"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )


def _list_sizes() -> None:
    op.create_table(
        "list_sizes",
        sa.Column("customer_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("users", sa.Integer, nullable=False),
        sa.Column("contacts", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
