"""Opens the ledger: one address in, nine ports over one engine out, the schema brought up to date on the way.

Knows no SQL and decides nothing. It refuses an address that it does not know and a schema newer than this program.
Next: `engines.py` (what differs between SQLite and PostgreSQL), then `database.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from shared.adapters.ledger.approvals import SqlApprovals
from shared.adapters.ledger.conflicts import SqlConflicts
from shared.adapters.ledger.connections import SqlConnections
from shared.adapters.ledger.database import Database
from shared.adapters.ledger.dead_letters import SqlDeadLetters
from shared.adapters.ledger.engines import PATIENCE, open_engines
from shared.adapters.ledger.failures import our_errors
from shared.adapters.ledger.journal import SqlJournal
from shared.adapters.ledger.links import SqlLinks
from shared.adapters.ledger.owed import SqlOwedMarks
from shared.adapters.ledger.policies import SqlPolicies
from shared.adapters.ledger.runs import SqlRuns
from shared.adapters.ledger.target import target_of
from shared.adapters.ledger.upgrade import upgrade
from shared.ports import (
    Approvals,
    Conflicts,
    Connections,
    DeadLetters,
    Journal,
    Links,
    OwedMarks,
    Policies,
    Runs,
)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Every port of the ledger, over one engine."""

    connections: Connections
    policies: Policies
    approvals: Approvals
    links: Links
    owed: OwedMarks
    journal: Journal
    dead_letters: DeadLetters
    conflicts: Conflicts
    runs: Runs


@asynccontextmanager
async def open_ledger(url: str, *, patience: float = PATIENCE) -> AsyncIterator[Ledger]:
    """The ledger at `embedded:PATH`, `embedded::memory:` or `postgresql://...`; closed with the context.

    `patience`: seconds to wait for a lock or a connection before giving up with Transient. Raises Permanent
    "ledger_url" for an address of no known form, "ledger_newer" for a schema that a newer release made and
    "ledger_unreadable" for a file that is no ledger; Transient when the database cannot be reached.
    """
    target = target_of(url)
    async with AsyncExitStack() as stack:
        # Only the opening is translated: what the caller raises inside the context is not ours.
        with our_errors():
            engines = await stack.enter_async_context(open_engines(target, patience=patience))
            # Alembic blocks (imports, files, DDL), and the loop must go on answering while a ledger is opened.
            await asyncio.to_thread(upgrade, target)
        yield _over(Database(engines, patience=patience))


def _over(database: Database) -> Ledger:
    return Ledger(
        connections=SqlConnections(database),
        policies=SqlPolicies(database),
        approvals=SqlApprovals(database),
        links=SqlLinks(database),
        owed=SqlOwedMarks(database),
        journal=SqlJournal(database),
        dead_letters=SqlDeadLetters(database),
        conflicts=SqlConflicts(database),
        runs=SqlRuns(database),
    )
