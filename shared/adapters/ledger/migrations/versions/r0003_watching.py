"""Revision 0003: how tenants are watched, consents that are asked for, when a hint was noticed, several tenants.

Written out rather than taken from `schema.py`: that file goes on changing, this one never does. Every new column has a
default or may be empty, so that the release before can go on writing while this one takes its place. While the index on
`journal` is built, PostgreSQL lets nobody write there: some seconds per million rows, in which changes wait. It is not
built concurrently: that cannot be undone together with the rest when it fails half-way.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("connections", sa.Column("more_tenants", sa.JSON))
    op.add_column("approvals", sa.Column("connection_changed_at", sa.DateTime(timezone=True)))
    op.add_column("journal", sa.Column("noticed_at", sa.DateTime(timezone=True)))
    op.create_index("ix_journal_settled_at", "journal", ["settled_at"])
    _watching()
    _onboarding()


def downgrade() -> None:
    for name in ("without_entra", "invites", "coverage", "polls", "subscription_states"):
        op.drop_table(name)
    op.drop_index("ix_journal_settled_at", "journal")
    op.drop_column("journal", "noticed_at")
    op.drop_column("approvals", "connection_changed_at")
    op.drop_column("connections", "more_tenants")


def _moment(name: str, *, nullable: bool = False, primary_key: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, primary_key=primary_key)


def _watching() -> None:
    op.create_table(
        "subscription_states",
        sa.Column("tenant_id", sa.String(64), primary_key=True),
        sa.Column("subscription_id", sa.String(64)),
        _moment("expires_at", nullable=True),
        sa.Column("code", sa.Text, nullable=False),
        _moment("since"),
        _moment("next_try_at", nullable=True),
        sa.Column("short_by", sa.Float, nullable=False),
    )
    op.create_table(
        "polls",
        sa.Column("tenant_id", sa.String(64), primary_key=True),
        sa.Column("link", sa.Text),
        _moment("began_at", nullable=True),
        sa.Column("interval", sa.Float, nullable=False),
        sa.Column("unjudged", sa.JSON, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        _moment("since", nullable=True),
    )
    op.create_table(
        "coverage",
        sa.Column("tenant_id", sa.String(64), primary_key=True),
        _moment("hour", primary_key=True),
        sa.Column("found", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("announced", sa.Integer, nullable=False, server_default=sa.text("0")),
    )


def _onboarding() -> None:
    op.create_table(
        "invites",
        sa.Column("nonce", sa.String(64), primary_key=True),
        sa.Column("customer_id", sa.BigInteger, nullable=False),
        sa.Column("customer_name", sa.Text, nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        _moment("invited_at"),
        _moment("expires_at"),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("answered_by", sa.JSON),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("missing", sa.JSON, nullable=False),
        _moment("settled_at", nullable=True),
        sa.Column("is_shared", sa.Boolean, nullable=False),
    )
    op.create_index("ix_invites_customer_id", "invites", ["customer_id"])
    op.create_index(
        "uq_invites_waiting",
        "invites",
        ["customer_id"],
        unique=True,
        sqlite_where=sa.text("state in ('open', 'taken', 'consented')"),
        postgresql_where=sa.text("state in ('open', 'taken', 'consented')"),
    )
    op.create_table(
        "without_entra",
        sa.Column("customer_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("customer_name", sa.Text, nullable=False),
        _moment("at"),
    )
