"""All tables of the ledger. What people decided and what we did; ids, times, and the values written to contacts.

Constraints guard what must never be broken by a race: one open proposal and one open hold per customer, one standing
notice per cause, one contact per user and one user per contact in a customer. The schema of a running ledger comes
from `migrations/`, never from here; a test holds both together. Next: `migrations/versions/`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment, in UTC on both sides. SQLite keeps no zone, so it is taken off and put back here."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _serial() -> Column[int]:
    # SQLite counts only in a column of exactly the type INTEGER
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


def _customer_key() -> Column[int]:
    return Column("customer_id", BigInteger, primary_key=True, autoincrement=False)


def _count(name: str) -> Column[int]:
    """A number that the release before does not know."""
    return Column(name, Integer, nullable=False, server_default=text("0"))


connections = Table(
    "connections",
    metadata,
    _customer_key(),
    Column("customer_name", Text, nullable=False),
    Column("tenant_id", String(64), nullable=False, index=True),
    Column("status", String(16), nullable=False),
    Column("connected_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("more_tenants", JSON(none_as_null=True)),  # NULL: one tenant, as nearly always
    Column("paused_with_all", Boolean, nullable=False, server_default=false()),
)

policies = Table("policies", metadata, _customer_key(), Column("policy", JSON, nullable=False))

approvals = Table(
    "approvals",
    metadata,
    _serial(),
    Column("customer_id", BigInteger, nullable=False),
    Column("digest", String(128), nullable=False),
    Column("rows", JSON, nullable=False),
    Column("summary", JSON, nullable=False),
    Column("proposed_at", UtcDateTime, nullable=False),
    Column("approved_at", UtcDateTime),
    Column("approved_by", Text),
    Column("connection_changed_at", UtcDateTime),
    Index("ix_approvals_customer_id_id", "customer_id", "id"),
    sqlite_autoincrement=True,
)
OPEN_PROPOSAL = approvals.c.approved_at.is_(None)
Index(
    "uq_approvals_open_proposal",
    approvals.c.customer_id,
    unique=True,
    sqlite_where=text("approved_at IS NULL"),
    postgresql_where=text("approved_at IS NULL"),
)

approved_rows = Table(
    "approved_rows",
    metadata,
    _customer_key(),
    Column("user_id", String(64), primary_key=True),
    Column("digest", String(128), nullable=False),
    Column("pending", Boolean, nullable=False),
)

links = Table(
    "links",
    metadata,
    _customer_key(),
    Column("user_id", String(64), primary_key=True),
    Column("contact_id", BigInteger, nullable=False),
    Column("how", String(32), nullable=False),
    Column("linked_at", UtcDateTime, nullable=False),
    UniqueConstraint("customer_id", "contact_id"),
)

owed_marks = Table(
    "owed_marks",
    metadata,
    _customer_key(),
    Column("generation", BigInteger, nullable=False),
    Column("owed", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),
)

journal = Table(
    "journal",
    metadata,
    _serial(),
    Column("customer_id", BigInteger, nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("contact_id", BigInteger),
    Column("action", String(16), nullable=False),
    Column("changes", JSON, nullable=False),
    Column("cause", String(16), nullable=False),
    Column("trace_id", String(64), nullable=False),
    Column("run_id", String(64)),
    Column("intended_at", UtcDateTime, nullable=False),
    Column("state", String(16), nullable=False),
    Column("settled_at", UtcDateTime),
    Column("unstuck", JSON, nullable=False),
    Column("noticed_at", UtcDateTime),
    Column("by_whom", Text),
    Column("undoes", BigInteger),
    Index("ix_journal_settled_at", "settled_at"),  # what was written in the last day, over all customers
    Index("ix_journal_customer_id_id", "customer_id", "id"),
    Index("ix_journal_user_id_id", "user_id", "id"),
    Index("ix_journal_customer_id_intended_at", "customer_id", "intended_at"),
    Index("ix_journal_contact_id_id", "contact_id", "id"),  # these three: an operator searches
    Index("ix_journal_run_id_id", "run_id", "id"),
    Index("ix_journal_trace_id_id", "trace_id", "id"),
    sqlite_autoincrement=True,
)
Index(  # few among many: a full pass asks for all of a customer's
    "ix_journal_creations",
    journal.c.customer_id,
    sqlite_where=text("action = 'create'"),
    postgresql_where=text("action = 'create'"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("letter_id", String(64), primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("lane", String(16), nullable=False),
    Column("tenant_id", String(64)),
    Column("user_ids", JSON, nullable=False),
    Column("error_class", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False),
    Column("status", String(16), nullable=False),
    Column("settled_at", UtcDateTime),
    Column("run_id", String(64)),
    Column("replay_id", String(64)),  # the newest that had it
    _count("replays"),
    Column("settled_by", Text),
    Column("why", Text),
    Column("service", Text),  # which one failed; NULL: of an older release, or nobody's but ours
    Column("last_run", String(64)),  # the full sync or replay in which it failed last
    # discarded by its newest replay, for it was in step by then; in this row, so that an upsert sees it as it is
    Column("skipped", Boolean, nullable=False, server_default=false()),
    Index("ix_dead_letters_status_last_seen", "status", "last_seen"),
    Index("ix_dead_letters_replay_id", "replay_id"),
)

conflicts = Table(
    "conflicts",
    metadata,
    _customer_key(),
    Column("user_id", String(64), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("candidates", JSON, nullable=False),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("customer_id", BigInteger, nullable=False),
    Column("reason", String(16), nullable=False),
    Column("planned", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("state", String(16), nullable=False, server_default="working"),
    Column("is_full", Boolean, nullable=False, server_default=false()),  # `full` is a word of SQL
    _count("considered"),
    _count("held"),
    _count("graph_calls"),
    _count("syncro_calls"),  # these two: the pass's own, without its looks
    _count("writes"),
    Column("notes", JSON(none_as_null=True)),
    Index("ix_runs_customer_id_started_at", "customer_id", "started_at"),
    Index("ix_runs_started_at", "started_at"),
    # the schedule asks for every customer's newest, and finds the answer in here alone
    Index("ix_runs_full", "is_full", "customer_id", "state", "started_at"),
)
# No foreign key to runs: an outcome may come for a run that a restored ledger does not know, and must not fail.
run_outcomes = Table(
    "run_outcomes",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("user_id", String(64), primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    _count("calls"),
    _count("writes"),
)

holds = Table(
    "holds",
    metadata,
    _serial(),
    Column("customer_id", BigInteger, nullable=False),
    Column("code", String(64), nullable=False, index=True),
    Column("run_id", String(64)),
    Column("brakes", JSON, nullable=False),
    Column("rows", JSON, nullable=False),
    Column("detail", Text, nullable=False),
    Column("held_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("state", String(16), nullable=False),
    Column("settled_at", UtcDateTime),
    Column("settled_by", Text),
    sqlite_autoincrement=True,
)
OPEN_HOLD = text("state = 'open'")  # word for word as in the index: PostgreSQL finds the index by it
Index("uq_holds_open", holds.c.customer_id, unique=True, sqlite_where=OPEN_HOLD, postgresql_where=OPEN_HOLD)

list_sizes = Table(
    "list_sizes",
    metadata,
    _customer_key(),
    Column("users", Integer, nullable=False),
    Column("contacts", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

subscription_states = Table(
    "subscription_states",
    metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("subscription_id", String(64)),
    Column("expires_at", UtcDateTime),
    Column("code", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("next_try_at", UtcDateTime),
    Column("short_by", Float, nullable=False),
)

polls = Table(
    "polls",
    metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("link", Text),
    Column("began_at", UtcDateTime),
    Column("interval", Float, nullable=False),
    Column("unjudged", JSON, nullable=False),
    Column("code", Text, nullable=False),
    Column("since", UtcDateTime),
)
coverage = Table(
    "coverage",
    metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("hour", UtcDateTime, primary_key=True),
    _count("found"),
    _count("announced"),
)

invites = Table(
    "invites",
    metadata,
    Column("nonce", String(64), primary_key=True),
    Column("customer_id", BigInteger, nullable=False),
    Column("customer_name", Text, nullable=False),
    Column("tenant_id", String(64), nullable=False),
    Column("invited_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("state", String(16), nullable=False),
    Column("answered_by", JSON(none_as_null=True)),
    Column("code", Text, nullable=False),
    Column("missing", JSON, nullable=False),
    Column("settled_at", UtcDateTime),
    Column("is_shared", Boolean, nullable=False),
    Index("ix_invites_customer_id", "customer_id"),
)
WAITING_INVITE = text("state in ('open', 'taken', 'consented')")  # word for word as in the index, as OPEN_HOLD
Index(
    "uq_invites_waiting",
    invites.c.customer_id,
    unique=True,
    sqlite_where=WAITING_INVITE,
    postgresql_where=WAITING_INVITE,
)
without_entra = Table(
    "without_entra",
    metadata,
    _customer_key(),
    Column("customer_name", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

replays = Table(
    "replays",
    metadata,
    Column("replay_id", String(64), primary_key=True),
    Column("by_whom", Text, nullable=False),
    Column("code", String(64), nullable=False),
    Column("total", Integer, nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("state", String(16), nullable=False),
    Column("handed_over", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("finished_at", UtcDateTime),
    Index("ix_replays_began_at", "began_at"),
)
# `state`: NULL until it was handed over, skipped or released; `last_seen`: how the letter stood when it was claimed.
replay_letters = Table(
    "replay_letters",
    metadata,
    Column("replay_id", String(64), primary_key=True),
    Column("letter_id", String(64), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False),
    Column("state", String(16)),
)

pins = Table(
    "pins",
    metadata,
    _customer_key(),
    Column("contact_id", BigInteger, primary_key=True, autoincrement=False),
    Column("why", Text, nullable=False),
    Column("by_whom", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),
)

choices = Table(
    "choices",
    metadata,
    _customer_key(),
    Column("user_id", String(64), primary_key=True),
    Column("choice", String(16), nullable=False),
    Column("candidates", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("by_whom", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

deeds = Table(
    "deeds",
    metadata,
    _serial(),
    Column("by_whom", Text, nullable=False),
    Column("what", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("customer_id", BigInteger),
    Column("facts", JSON, nullable=False),
    Index("ix_deeds_customer_id_id", "customer_id", "id"),
    sqlite_autoincrement=True,
)

notices = Table(
    "notices",
    metadata,
    _serial(),
    Column("key", String(128), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("customer_id", BigInteger),
    Column("sentence", Text, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False, index=True),
    Column("told_at", UtcDateTime),
    Column("cleared_at", UtcDateTime),
    Column("told_over", JSON(none_as_null=True)),  # channels; NULL: none yet
    Column("unsure_over", JSON(none_as_null=True)),  # those of them whose answer was lost
    Column("meant_for", JSON(none_as_null=True)),  # channels that were set when it was opened
    sqlite_autoincrement=True,
)
STANDING_NOTICE = text("cleared_at IS NULL")  # word for word as in the index, as OPEN_HOLD
Index(
    "uq_notices_standing",
    notices.c.key,
    unique=True,
    sqlite_where=STANDING_NOTICE,
    postgresql_where=STANDING_NOTICE,
)
