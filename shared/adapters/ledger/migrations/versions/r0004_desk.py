"""Revision 0004: replays of failed changes, who ordered a write and what it undoes, pins, choices, deeds, notices.

Written out rather than taken from `schema.py`: that file goes on changing, this one never does. Every new column has a
default or may be empty, so that the release before can go on writing while this one takes its place.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SEARCHED = ("contact_id", "run_id", "trace_id")
_OF_LETTERS = ("run_id", "replay_id", "replays", "settled_by", "why")


def upgrade() -> None:
    op.add_column("journal", sa.Column("by_whom", sa.Text))
    op.add_column("journal", sa.Column("undoes", sa.BigInteger))
    for name in _SEARCHED:
        op.create_index(f"ix_journal_{name}_id", "journal", [name, "id"])
    op.add_column("dead_letters", sa.Column("run_id", sa.String(64)))
    op.add_column("dead_letters", sa.Column("replay_id", sa.String(64)))
    op.add_column("dead_letters", sa.Column("replays", sa.Integer, nullable=False, server_default=sa.text("0")))
    op.add_column("dead_letters", sa.Column("settled_by", sa.Text))
    op.add_column("dead_letters", sa.Column("why", sa.Text))
    _replays()
    _decisions()
    _for_the_record()


def downgrade() -> None:
    # the release before knows neither state, and would show such a failed change to nobody
    op.execute("UPDATE dead_letters SET status = 'open', settled_at = NULL WHERE status IN ('claimed', 'parked')")
    for table in ("notices", "deeds", "choices", "pins", "replay_letters", "replays"):
        op.drop_table(table)
    for name in _OF_LETTERS:
        op.drop_column("dead_letters", name)
    for name in _SEARCHED:
        op.drop_index(f"ix_journal_{name}_id", "journal")
    op.drop_column("journal", "undoes")
    op.drop_column("journal", "by_whom")


def _serial() -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column("id", kind, primary_key=True, autoincrement=True)


def _customer_key() -> sa.Column[int]:
    return sa.Column("customer_id", sa.BigInteger, primary_key=True, autoincrement=False)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _replays() -> None:
    op.create_table(
        "replays",
        sa.Column("replay_id", sa.String(64), primary_key=True),
        sa.Column("by_whom", sa.Text, nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        _moment("began_at"),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("handed_over", sa.Integer, nullable=False),
        sa.Column("skipped", sa.Integer, nullable=False),
        _moment("finished_at", nullable=True),
    )
    op.create_index("ix_replays_began_at", "replays", ["began_at"])
    op.create_table(
        "replay_letters",
        sa.Column("replay_id", sa.String(64), primary_key=True),
        sa.Column("letter_id", sa.String(64), primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        _moment("last_seen"),
        sa.Column("state", sa.String(16)),
    )


def _decisions() -> None:
    op.create_table(
        "pins",
        _customer_key(),
        sa.Column("contact_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("by_whom", sa.Text, nullable=False),
        _moment("at"),
        _moment("until", nullable=True),
    )
    op.create_table(
        "choices",
        _customer_key(),
        sa.Column("user_id", sa.String(64), primary_key=True),
        sa.Column("choice", sa.String(16), nullable=False),
        sa.Column("candidates", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("by_whom", sa.Text, nullable=False),
        _moment("at"),
    )


def _for_the_record() -> None:
    op.create_table(
        "deeds",
        _serial(),
        sa.Column("by_whom", sa.Text, nullable=False),
        sa.Column("what", sa.String(64), nullable=False),
        _moment("at"),
        sa.Column("customer_id", sa.BigInteger),
        sa.Column("facts", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deeds_customer_id_id", "deeds", ["customer_id", "id"])
    op.create_table(
        "notices",
        _serial(),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("customer_id", sa.BigInteger),
        sa.Column("sentence", sa.Text, nullable=False),
        _moment("opened_at"),
        _moment("told_at", nullable=True),
        _moment("cleared_at", nullable=True),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_notices_standing",
        "notices",
        ["key"],
        unique=True,
        sqlite_where=sa.text("cleared_at IS NULL"),
        postgresql_where=sa.text("cleared_at IS NULL"),
    )
