"""Revision 0005: which service refused a change, the run of older failed changes, who told a notice, who paused.

Written out rather than taken from `schema.py`: that file goes on changing, this one never does. Every new column has a
default or may be empty, so that the release before can go on writing while this one takes its place. Failed changes
that were recorded before 0004 get the run that their bytes name. The release before kept names of people in what it
told of held changes: they are taken out, and the worker says again how it stands.
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BATCH = 500  # bodies in memory at once
_LETTERS = sa.table(
    "dead_letters",
    sa.column("letter_id", sa.String),
    sa.column("body", sa.LargeBinary),
    sa.column("run_id", sa.String),
    sa.column("replay_id", sa.String),
    sa.column("status", sa.String),
    sa.column("why", sa.Text),
    sa.column("skipped", sa.Boolean),
)
_IN_STEP = "Its users were brought in step since."  # what 0004 kept of a letter that a replay skipped

_NOTICES = sa.table(
    "notices",
    sa.column("kind", sa.String),
    sa.column("customer_id", sa.BigInteger),
    sa.column("sentence", sa.Text),
)

_CONNECTIONS = sa.table(
    "connections",
    sa.column("customer_id", sa.BigInteger),
    sa.column("status", sa.String),
    sa.column("paused_with_all", sa.Boolean),
)
_DEEDS = sa.table(
    "deeds", sa.column("id", sa.BigInteger), sa.column("customer_id", sa.BigInteger), sa.column("what", sa.String)
)


def upgrade() -> None:
    op.add_column("dead_letters", sa.Column("service", sa.Text))
    op.add_column("dead_letters", sa.Column("last_run", sa.String(64)))
    op.add_column("dead_letters", sa.Column("skipped", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("ix_dead_letters_replay_id", "dead_letters", ["replay_id"])
    _mark_skipped(op.get_bind())
    for name in ("told_over", "unsure_over", "meant_for"):
        op.add_column("notices", sa.Column(name, sa.JSON))
    op.add_column("connections", sa.Column("paused_with_all", sa.Boolean, nullable=False, server_default=sa.false()))
    _remember_the_switch(op.get_bind())
    op.create_index("ix_notices_opened_at", "notices", ["opened_at"])
    _name_runs(op.get_bind())
    _name_nobody(op.get_bind())


def downgrade() -> None:
    op.drop_index("ix_notices_opened_at", "notices")
    op.drop_column("connections", "paused_with_all")
    for name in ("meant_for", "unsure_over", "told_over"):
        op.drop_column("notices", name)
    op.drop_index("ix_dead_letters_replay_id", "dead_letters")
    for name in ("skipped", "last_run", "service"):
        op.drop_column("dead_letters", name)


def _remember_the_switch(connection: sa.Connection) -> None:
    """Whom the one switch had stopped goes on with it: so say the deeds, each noted right before its pause."""
    customers, deeds = _CONNECTIONS.c, _DEEDS.c
    last = (
        sa.select(deeds.what)
        .where(deeds.customer_id == customers.customer_id)
        .where(deeds.what.in_(("pause", "pause-all", "resume", "resume-all")))
        .order_by(deeds.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    by_switch = (customers.status == "paused") & (last == "pause-all")
    connection.execute(sa.update(_CONNECTIONS).where(by_switch).values(paused_with_all=sa.true()))


def _name_nobody(connection: sa.Connection) -> None:
    said = "Customer " + sa.cast(_NOTICES.c.customer_id, sa.String) + ": changes wait for approval: entra-syncro status"
    told_of_held = _NOTICES.c.kind.in_(("held", "still-held")) & _NOTICES.c.customer_id.is_not(None)
    connection.execute(sa.update(_NOTICES).where(told_of_held).values(sentence=said))


def _mark_skipped(connection: sa.Connection) -> None:
    """What a person discarded keeps that person's own reason."""
    columns = _LETTERS.c
    by_replay = (columns.status == "discarded") & columns.replay_id.is_not(None) & (columns.why == _IN_STEP)
    connection.execute(sa.update(_LETTERS).where(by_replay).values(skipped=sa.true()))


def _name_runs(connection: sa.Connection) -> None:
    """Page by page along the key: what has no run is read once and left as it is."""
    last = ""
    while True:
        page = connection.execute(
            sa.select(_LETTERS.c.letter_id, _LETTERS.c.body)
            .where(_LETTERS.c.run_id.is_(None), _LETTERS.c.letter_id > last)
            .order_by(_LETTERS.c.letter_id)
            .limit(_BATCH)
        ).all()
        if not page:
            return
        for row in page:
            run_id = _run_of(bytes(row.body))
            if run_id:
                mine = _LETTERS.c.letter_id == row.letter_id
                connection.execute(sa.update(_LETTERS).where(mine).values(run_id=run_id))
        last = page[-1].letter_id


def _run_of(body: bytes) -> str:
    """ "" for bytes that are no look at users, and for a run that no release would have stored."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):  # the latter: brackets in brackets, thousands deep
        return ""
    is_look = isinstance(message, dict) and message.get("kind") == "users_touched"
    run_id = message.get("run_id") if is_look else None
    if not isinstance(run_id, str) or len(run_id) > 64 or not run_id.isprintable():  # a NUL no store would take
        return ""
    return run_id
