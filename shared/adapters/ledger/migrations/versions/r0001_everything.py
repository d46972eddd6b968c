"""Revision 0001: every table of the first release.

Written out rather than taken from `schema.py`: that file goes on changing, this one never does.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _decisions()
    _deeds()
    _findings()
    _runs()


def downgrade() -> None:
    for table in (
        "run_outcomes",
        "runs",
        "conflicts",
        "dead_letters",
        "journal",
        "owed_marks",
        "links",
        "approved_rows",
        "approvals",
        "policies",
        "connections",
    ):
        op.drop_table(table)


def _serial() -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column("id", kind, primary_key=True, autoincrement=True)


def _customer_key() -> sa.Column[int]:
    return sa.Column("customer_id", sa.BigInteger, primary_key=True, autoincrement=False)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _decisions() -> None:
    op.create_table(
        "connections",
        _customer_key(),
        sa.Column("customer_name", sa.Text, nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        _moment("connected_at"),
        _moment("changed_at"),
    )
    op.create_index("ix_connections_tenant_id", "connections", ["tenant_id"])
    op.create_table("policies", _customer_key(), sa.Column("policy", sa.JSON, nullable=False))
    op.create_table(
        "approvals",
        _serial(),
        sa.Column("customer_id", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(128), nullable=False),
        sa.Column("rows", sa.JSON, nullable=False),
        sa.Column("summary", sa.JSON, nullable=False),
        _moment("proposed_at"),
        _moment("approved_at", nullable=True),
        sa.Column("approved_by", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_approvals_customer_id_id", "approvals", ["customer_id", "id"])
    op.create_index(
        "uq_approvals_open_proposal",
        "approvals",
        ["customer_id"],
        unique=True,
        sqlite_where=sa.text("approved_at IS NULL"),
        postgresql_where=sa.text("approved_at IS NULL"),
    )
    op.create_table(
        "approved_rows",
        _customer_key(),
        sa.Column("user_id", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(128), nullable=False),
        sa.Column("pending", sa.Boolean, nullable=False),
    )


def _deeds() -> None:
    op.create_table(
        "links",
        _customer_key(),
        sa.Column("user_id", sa.String(64), primary_key=True),
        sa.Column("contact_id", sa.BigInteger, nullable=False),
        sa.Column("how", sa.String(32), nullable=False),
        _moment("linked_at"),
        sa.UniqueConstraint("customer_id", "contact_id", name="uq_links_customer_id_contact_id"),
    )
    op.create_table(
        "journal",
        _serial(),
        sa.Column("customer_id", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("contact_id", sa.BigInteger),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("changes", sa.JSON, nullable=False),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("trace_id", sa.String(64), nullable=False),
        sa.Column("run_id", sa.String(64)),
        _moment("intended_at"),
        sa.Column("state", sa.String(16), nullable=False),
        _moment("settled_at", nullable=True),
        sa.Column("unstuck", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_journal_customer_id_id", "journal", ["customer_id", "id"])
    op.create_index("ix_journal_user_id_id", "journal", ["user_id", "id"])
    op.create_index(
        "ix_journal_creations",
        "journal",
        ["customer_id"],
        sqlite_where=sa.text("action = 'create'"),
        postgresql_where=sa.text("action = 'create'"),
    )


def _findings() -> None:
    op.create_table(
        "owed_marks",
        _customer_key(),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("owed", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        _moment("since"),
    )
    op.create_table(
        "dead_letters",
        sa.Column("letter_id", sa.String(64), primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("lane", sa.String(16), nullable=False),
        sa.Column("tenant_id", sa.String(64)),
        sa.Column("user_ids", sa.JSON, nullable=False),
        sa.Column("error_class", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        _moment("first_seen"),
        _moment("last_seen"),
        sa.Column("status", sa.String(16), nullable=False),
        _moment("settled_at", nullable=True),
    )
    op.create_index("ix_dead_letters_status_last_seen", "dead_letters", ["status", "last_seen"])
    op.create_table(
        "conflicts",
        _customer_key(),
        sa.Column("user_id", sa.String(64), primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("candidates", sa.JSON, nullable=False),
        _moment("first_seen"),
        _moment("last_seen"),
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String(64), primary_key=True),
        sa.Column("customer_id", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("planned", sa.Integer, nullable=False),
        _moment("started_at"),
        _moment("finished_at", nullable=True),
    )
    op.create_index("ix_runs_customer_id_started_at", "runs", ["customer_id", "started_at"])
    op.create_index("ix_runs_started_at", "runs", ["started_at"])
    op.create_table(
        "run_outcomes",
        sa.Column("run_id", sa.String(64), primary_key=True),
        sa.Column("user_id", sa.String(64), primary_key=True),
        sa.Column("outcome", sa.Text, nullable=False),
        _moment("at"),
    )
