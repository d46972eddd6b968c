"""Opens the ledger: one address in, twenty-one ports over one engine out, the schema brought up to date on the way.

Knows no SQL and decides nothing. It refuses an address that it does not know and a schema newer than this program.
Next: `opening.py`, `engines.py` (what differs between SQLite and PostgreSQL), then `database.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import literal, select

from shared.adapters.ledger.apart import SqlApart
from shared.adapters.ledger.approvals import SqlApprovals
from shared.adapters.ledger.choices import SqlChoices
from shared.adapters.ledger.conflicts import SqlConflicts
from shared.adapters.ledger.connections import SqlConnections
from shared.adapters.ledger.database import Database
from shared.adapters.ledger.dead_letters import SqlDeadLetters
from shared.adapters.ledger.deeds import SqlDeeds
from shared.adapters.ledger.engines import PATIENCE, open_engines
from shared.adapters.ledger.failures import our_errors
from shared.adapters.ledger.holds import SqlHolds
from shared.adapters.ledger.invites import SqlInvites
from shared.adapters.ledger.journal import SqlJournal
from shared.adapters.ledger.journal_search import SqlJournalSearch
from shared.adapters.ledger.links import SqlLinks
from shared.adapters.ledger.notices import SqlNotices
from shared.adapters.ledger.opening import Opening
from shared.adapters.ledger.owed import SqlOwedMarks
from shared.adapters.ledger.pins import SqlPins
from shared.adapters.ledger.policies import SqlPolicies
from shared.adapters.ledger.polls import SqlPolls
from shared.adapters.ledger.replays import SqlReplays
from shared.adapters.ledger.runs import SqlRuns
from shared.adapters.ledger.sizes import SqlSizes
from shared.adapters.ledger.subscription_states import SqlSubscriptionStates
from shared.adapters.ledger.target import PostgresTarget, target_of
from shared.domain.policy import SyncPolicy
from shared.ports import (
    Apart,
    Approvals,
    Choices,
    Conflicts,
    Connections,
    DeadLetters,
    Deeds,
    Holds,
    Invites,
    Journal,
    JournalSearch,
    Links,
    Notices,
    OwedMarks,
    Pins,
    Policies,
    Polls,
    Replays,
    Runs,
    Sizes,
    SubscriptionStates,
)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Every port of the ledger, over one engine.

    `probe` returns when the database answers as a ledger of ours; it raises Transient while that is away, and Permanent
    when only a person can mend it.
    """

    connections: Connections
    policies: Policies
    approvals: Approvals
    links: Links
    owed: OwedMarks
    journal: Journal
    dead_letters: DeadLetters
    conflicts: Conflicts
    runs: Runs
    holds: Holds
    sizes: Sizes
    subscription_states: SubscriptionStates
    polls: Polls
    invites: Invites
    apart: Apart
    replays: Replays
    journal_search: JournalSearch
    pins: Pins
    choices: Choices
    deeds: Deeds
    notices: Notices
    probe: Callable[[], Awaitable[None]]


@asynccontextmanager
async def open_ledger(
    url: str, *, patience: float = PATIENCE, lazy: bool = False, rules: SyncPolicy | None = None
) -> AsyncIterator[Ledger]:
    """The ledger at `embedded:PATH`, `embedded::memory:` or `postgresql://...`; closed with the context.

    `patience`: seconds to wait for a lock or a connection before giving up with Transient. Raises Permanent
    "ledger_url" for an address of no known form, "ledger_newer" for a schema that a newer release made and
    "ledger_unreadable" for a file that is no ledger; Transient when the database cannot be reached.
    `lazy`: a server need not be there yet. Only the address is looked at; every call opens what is not open, and raises
    Transient until that works. A file is no server: there a failure at the start is a wrong setting.
    `rules`: those of customers that have none of their own.
    """
    target = target_of(url)
    opening = Opening(target)
    async with AsyncExitStack() as stack:
        # Only the opening is translated: what the caller raises inside the context is not ours.
        with our_errors():
            engines = await stack.enter_async_context(open_engines(target, patience=patience))
        stack.push_async_callback(opening.aclose)
        if not (lazy and isinstance(target, PostgresTarget)):
            await opening.complete()
        yield ledger_over(Database(engines, patience=patience, opened=opening.need), opening, rules or SyncPolicy())


def ledger_over(database: Database, opening: Opening, rules: SyncPolicy) -> Ledger:
    """Every port, over a database that somebody else opened."""

    async def probe() -> None:
        await opening.complete()
        await database.row(select(literal(1)))

    return Ledger(
        connections=SqlConnections(database),
        policies=SqlPolicies(database, rules),
        approvals=SqlApprovals(database),
        links=SqlLinks(database),
        owed=SqlOwedMarks(database),
        journal=SqlJournal(database),
        dead_letters=SqlDeadLetters(database),
        conflicts=SqlConflicts(database),
        runs=SqlRuns(database),
        holds=SqlHolds(database),
        sizes=SqlSizes(database),
        subscription_states=SqlSubscriptionStates(database),
        polls=SqlPolls(database),
        invites=SqlInvites(database),
        apart=SqlApart(database),
        replays=SqlReplays(database),
        journal_search=SqlJournalSearch(database),
        pins=SqlPins(database),
        choices=SqlChoices(database),
        deeds=SqlDeeds(database),
        notices=SqlNotices(database),
        probe=probe,
    )
