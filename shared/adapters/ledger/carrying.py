"""Reads from a ledger what stops or limits writes, and lays what has to stay over another. Decides nothing.

Both are files that nobody else knows of: a restore works on private copies. Each is read, or written, in one
transaction. Next: `shared/domain/restoring.py`, which decides.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Select, and_, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.engines import PATIENCE, Engines, open_engines
from shared.adapters.ledger.failures import our_errors
from shared.adapters.ledger.journal import entry_of
from shared.adapters.ledger.ledger import Ledger, ledger_over
from shared.adapters.ledger.opening import Opening
from shared.adapters.ledger.schema import approved_rows, invites, journal, list_sizes, policies
from shared.adapters.ledger.target import SqliteTarget
from shared.domain.desk import Deed, ReplayState
from shared.domain.onboarding import Invite
from shared.domain.policy import SyncPolicy
from shared.domain.records import ConnectionStatus, ListSizes, WriteState
from shared.domain.restoring import COUNTED, RESTORED, Carried, Standing


async def standing(path: Path, now: datetime) -> Standing:
    """Of the ledger in this file, at the schema of this release. `now`: of the restore."""
    async with _in_one(path) as (ledger, database):
        connections = {each.customer_id: each for each in await ledger.connections.list()}
        choices = [each for number in connections for each in (await ledger.choices.of_customer(number)).values()]
        links = [each for number in connections for each in await ledger.links.of_customer(number)]
        return Standing(
            connections=connections,
            apart={each.customer_id: each for each in await ledger.apart.all()},
            pins={(each.customer_id, each.contact_id): each for each in await ledger.pins.all()},
            choices={(each.customer_id, each.user_id): each for each in choices},
            holds={each.customer_id: each for each in await ledger.holds.list()},
            rules=await _rules(database),
            links={(each.customer_id, each.user_id): each for each in links},
            invites=await _invites(ledger, database),
            sizes=await _sizes(database),
            approved=await _approved(database),
            writes=tuple(entry_of(row) for row in await database.rows(_counted(now))),
        )


async def lay_over(path: Path, carry: Carried | None, deed: Deed) -> int:
    """Finish the ledger in this file as it is to be restored: `carry` first, then every approved customer is owed a
    full sync, then the deed is noted. Gives how many are owed one.

    Replays that ran when the backup was made are cancelled: nobody knows whether somebody did so since, and their
    failed changes are open again.
    """
    async with _in_one(path) as (ledger, database):
        if carry is not None:
            await _lay_words(ledger, carry)
            await _lay_links(ledger, carry)
            await _lay_counts(ledger, carry)
            await _lay_tables(database, carry)
        for replay in await ledger.replays.running():
            await ledger.replays.finish(replay.replay_id, deed.at, ReplayState.CANCELLED)
        approved = await ledger.connections.list(ConnectionStatus.APPROVED)
        for each in approved:
            await ledger.owed.mark(each.customer_id, RESTORED, deed.at)
        await ledger.deeds.note(deed)
        return len(approved)


async def _lay_words(ledger: Ledger, carry: Carried) -> None:
    for tied in carry.connections:
        await ledger.connections.save(tied)
    for apart in carry.apart:
        await ledger.apart.add(apart)
    for pin in carry.pins:
        await ledger.pins.pin(pin)
    for customer_id, user_id in carry.forgotten:
        await ledger.choices.forget(customer_id, user_id)
    for chosen in carry.choices:
        await ledger.choices.choose(chosen)
    for hold in carry.holds:
        await ledger.holds.open(hold)


async def _lay_links(ledger: Ledger, carry: Carried) -> None:
    for customer_id, user_id in carry.unlinked:
        await ledger.links.unlink(customer_id, user_id)
    for link in carry.links:
        await ledger.links.link(link)
    for invite in carry.invites:
        await ledger.invites.settle(invite)


async def _lay_counts(ledger: Ledger, carry: Carried) -> None:
    for sizes in carry.sizes:
        await ledger.sizes.save(sizes)
    for customer_id, user_id in carry.settled:
        await ledger.approvals.settle_row(customer_id, user_id)
    for entry in carry.writes:
        await ledger.journal.intend(entry)


async def _lay_tables(database: Database, carry: Carried) -> None:
    """What no port gives as it is kept."""
    for customer_id in carry.unruled:
        await database.write(delete(policies).where(policies.c.customer_id == customer_id))
    for customer_id, document in carry.rules.items():
        rules = {"policy": dict(document)}
        upsert = database.insert(policies).values(customer_id=customer_id, **rules)
        await database.write(upsert.on_conflict_do_update(index_elements=["customer_id"], set_=rules))
    for (customer_id, user_id), digest in carry.approved.items():
        waits = {"digest": digest, "pending": True}
        row = database.insert(approved_rows).values(customer_id=customer_id, user_id=user_id, **waits)
        await database.write(row.on_conflict_do_update(index_elements=["customer_id", "user_id"], set_=waits))


async def _rules(database: Database) -> dict[int, Mapping[str, object]]:
    """As they are kept: the port gives the deployment's own for a customer without, and refuses what it cannot read."""
    return {row.customer_id: dict(row.policy) for row in await database.rows(select(policies))}


async def _invites(ledger: Ledger, database: Database) -> dict[str, Invite]:
    known = [await ledger.invites.get(row.nonce) for row in await database.rows(select(invites.c.nonce))]
    return {each.nonce: each for each in known if each is not None}


async def _sizes(database: Database) -> dict[int, ListSizes]:
    rows = await database.rows(select(list_sizes))
    return {row.customer_id: ListSizes(row.customer_id, row.users, row.contacts, row.at) for row in rows}


async def _approved(database: Database) -> dict[tuple[int, str], str]:
    rows = await database.rows(select(approved_rows).where(approved_rows.c.pending))
    return {(row.customer_id, row.user_id): row.digest for row in rows}


def _counted(now: datetime) -> Select[Any]:
    has_no_end = journal.c.state.in_((WriteState.INTENDED.value, WriteState.AMBIGUOUS.value))
    return (
        select(journal)
        .where(or_(journal.c.intended_at >= now - COUNTED, and_(journal.c.action == "create", has_no_end)))
        .order_by(journal.c.id)
    )


# --- one transaction ----------------------------------------------------------------------------------------------


class _OneTransaction(Database):
    """Whatever it is asked, on the connection of a transaction that is under way."""

    def __init__(self, engines: Engines, connection: AsyncConnection, opening: Opening) -> None:
        super().__init__(engines, patience=PATIENCE, opened=opening.need)
        self._one = connection

    @asynccontextmanager
    async def _connection(
        self, engine: AsyncEngine, gate: AbstractAsyncContextManager[Any]
    ) -> AsyncIterator[AsyncConnection]:
        with our_errors():
            yield self._one


@asynccontextmanager
async def _in_one(path: Path) -> AsyncIterator[tuple[Ledger, Database]]:
    target = SqliteTarget(path)
    async with open_engines(target, patience=PATIENCE) as engines, engines.atomic.begin() as connection:
        opening = Opening(target)
        database = _OneTransaction(engines, connection, opening)
        yield ledger_over(database, opening, SyncPolicy()), database
