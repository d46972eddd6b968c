"""Preview and approval: the whole plan shown, the contacts saved, and nothing written before a person said yes.

An approval names the code of the preview it read; a row that changed since is held alone by the worker. Approving
starts the first full sync. Many customers at once: `console/operations/clean.py`. Next: `console/operations/syncs.py`.
"""

from __future__ import annotations

import asyncio
import csv
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from console.operations.actor import note
from console.operations.cleanness import OVERWRITES_KEY, UNSEEN_KEY, judge
from console.operations.customers import change, connection
from console.operations.errors import OperationError, held
from console.operations.holding import waiting_lines
from console.operations.ports import OperatorPorts
from console.operations.second_writers import evidence_of
from console.operations.syncs import StartedRun, start_pass
from shared.domain.contact import PLAIN_FIELDS, Contact
from shared.domain.errors import Permanent, SyncError
from shared.domain.forecast import Forecast, by_hand, forecast_of
from shared.domain.preview import Preview
from shared.domain.records import Approval, Connection, ConnectionStatus
from shared.domain.second_writer import SUMMARY_KEY, Evidence, touched

FORMULA = frozenset("=@+-\t\r")
PHONE = re.compile(r"[+-][\d\s()./x-]*")  # a number stays as it is typed


FRESH = timedelta(hours=1)  # as long as somebody remembers what a preview showed


@dataclass(frozen=True, slots=True)
class ShownPreview:
    """What the preview command shows. `saved_contacts` is the CSV with every contact as it was.

    `forecast`: what writing all of it will cost. `waiting`: what a brake holds already and the commands that decide
    about it, "" for nothing; `all_waits`: whatever differs waits for that decision. `second_writer`: the traces of
    another tool that writes the same contacts, () for none; with any, an approval must say that it is accepted.
    """

    connection: Connection
    preview: Preview
    saved_contacts: Path
    forecast: Forecast
    waiting: str = ""
    all_waits: bool = False
    second_writer: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class LatestPreview:
    """The preview that an approval without a code means, and how long ago it was made."""

    customer_id: int
    customer_name: str
    approval: Approval
    age: timedelta


async def preview(ports: OperatorPorts, customer_id: int, *, seen: bool = True) -> ShownPreview:
    """Make the plan, save the customer's contacts, then let the plan be approved: never without the saved contacts.

    The plan belongs to the connection as it was before the reading: a tenant that is added meanwhile was not read.
    `seen`: a person is shown it; of one that nobody sees only the code can be approved.
    """
    tied = await connection(ports, customer_id)
    plan = await ports.passes.preview(customer_id)
    now = ports.clock.now()
    traces = await evidence_of(ports, tied, plan)
    path = ports.data_dir / "previews" / f"customer-{customer_id}-{now:%Y%m%dT%H%M%S}.csv"
    await asyncio.to_thread(_save, path, plan.contacts)
    await ports.approvals.propose(
        Approval(
            customer_id=customer_id,
            digest=plan.code,
            rows=plan.digests,
            summary={**plan.summary, **_notes(plan, traces, seen=seen)},
            proposed_at=now,
            connection_changed_at=tied.changed_at,
        )
    )
    plans = (row.plan for row in plan.rows)
    forecast = forecast_of(plans, listing_calls=0, per_minute=ports.backfill_per_minute)
    hold = await ports.holds.of_customer(customer_id) if tied.status is ConnectionStatus.APPROVED else None
    return ShownPreview(
        connection=tied,
        preview=plan,
        saved_contacts=path,
        forecast=by_hand(forecast, len(plan.digests)),
        waiting=waiting_lines(hold, tied.customer_name, now) if hold is not None else "",
        all_waits=hold is not None and plan.digests.keys() <= {row.user_id for row in hold.rows},
        second_writer=traces,
    )


def _notes(plan: Preview, traces: tuple[Evidence, ...], *, seen: bool) -> dict[str, int]:
    """What an approval must know of this plan later."""
    notes = {OVERWRITES_KEY: judge(plan, traces).overwrites}
    if traces:
        notes[SUMMARY_KEY] = touched(traces)
    return notes if seen else {**notes, UNSEEN_KEY: 1}


async def approve(
    ports: OperatorPorts,
    customer_id: int,
    code: str | None,
    *,
    by: str,
    first: int | None = None,
    second_writer_accepted: bool = False,
) -> StartedRun:
    """Approve the rows of the latest preview and start the first full sync.

    `code` names the preview; without it the latest one is meant, if it is fresh: what nobody remembers is not approved.
    `first`: create so many contacts only; the other creations wait for a second look (`runs approve`).
    `second_writer_accepted`: a person knows that another tool writes the same contacts. Without it such a preview is
    refused.
    """
    tied = await connection(ports, customer_id)
    if tied.status is ConnectionStatus.PAUSED:
        raise held(
            f"{tied.customer_name} is paused by a person: an approval does not end that. Go on: entra-syncro customers "
            f"resume {customer_id}"
        )
    await _refuse_older_preview(ports, tied)
    digest = code or (await _remembered(ports, customer_id)).digest
    if not second_writer_accepted:
        await _refuse_second_writer(ports, customer_id)
    try:
        await ports.approvals.approve(customer_id, digest, by, ports.clock.now())
    except Permanent:
        raise held(await _why_refused(ports, customer_id)) from None
    # Owed first: if this process dies or Syncro does not answer, the worker makes the first full sync by itself.
    generation = await ports.owed.mark(customer_id, "approved just now", ports.clock.now())
    await change(ports, replace(tied, status=ConnectionStatus.APPROVED, changed_at=ports.clock.now()), tied)
    await note(ports, by, "approve", customer_id, code=digest)
    try:
        started = await start_pass(ports, tied, first=first, by=by)
    except SyncError as error:
        raise OperationError(
            "The approval is saved, but the first full sync could not start yet. It starts by itself as soon as that "
            "works again; watch: entra-syncro status"
        ) from error
    if not started.halted:  # the customer is still owed its first full sync
        await ports.owed.clear(customer_id, generation)
    return started


async def _refuse_older_preview(ports: OperatorPorts, tied: Connection) -> None:
    """Connected anew, or with one more tenant: nobody has seen what its users would change."""
    latest = await ports.approvals.latest(tied.customer_id)
    if tied.status is ConnectionStatus.PREVIEW and latest is not None and not _is_of(latest, tied):
        raise held(
            f"The connection was changed after the latest preview. Look at the plan again: entra-syncro preview "
            f"--customer {tied.customer_id}"
        )


def _is_of(latest: Approval, tied: Connection) -> bool:
    """Was the plan read for this connection as it is now? By what was read, not by clocks: machines' differ."""
    if latest.connection_changed_at is None:
        return latest.proposed_at >= tied.changed_at
    return latest.connection_changed_at == tied.changed_at


async def _refuse_second_writer(ports: OperatorPorts, customer_id: int) -> None:
    """Two writers undo each other for ever. A wrong code is told by the approval itself."""
    latest = await ports.approvals.latest(customer_id)
    count = latest.summary.get(SUMMARY_KEY, 0) if latest is not None else 0
    if count:
        raise held(
            f"Another tool writes contacts of this customer too ({count} of them), perhaps Syncro's own Entra sync. "
            f"Switch it off in Syncro. Its traces fade within 7 days (entra-syncro preview --customer {customer_id}); "
            f"if it is off already, or if both shall write, approve with --second-writer-accepted."
        )


async def latest_preview(ports: OperatorPorts, customer_id: int) -> LatestPreview:
    """What an approval without a code would approve. Raises held where nobody can remember having seen it."""
    tied = await connection(ports, customer_id)
    await _refuse_older_preview(ports, tied)
    latest = await _remembered(ports, customer_id)
    return LatestPreview(customer_id, tied.customer_name, latest, ports.clock.now() - latest.proposed_at)


async def _remembered(ports: OperatorPorts, customer_id: int) -> Approval:
    latest = await ports.approvals.latest(customer_id)
    look = f"Look at the plan: entra-syncro preview --customer {customer_id}"
    if latest is None or ports.clock.now() - latest.proposed_at > FRESH:
        raise held(f"There is no preview of the last hour to approve. {look}")
    if latest.summary.get(UNSEEN_KEY, 0):
        raise held(f"The latest preview was made by approve --all --only-clean, and nobody was shown it. {look}")
    return latest


def is_reusable(latest: Approval, tied: Connection, now: datetime) -> bool:
    """Was it made within the hour, of this connection as it is now, and not approved before?"""
    return (
        latest.approved_at is None
        and now - latest.proposed_at <= FRESH
        and latest.connection_changed_at == tied.changed_at
    )


async def _why_refused(ports: OperatorPorts, customer_id: int) -> str:
    latest = await ports.approvals.latest(customer_id)
    look = f"Look at it again: entra-syncro preview --customer {customer_id}"
    if latest is None:
        return f"There is no preview to approve. {look}"
    return f"That approval code is not the latest preview's: it is mistyped, or the plan has changed since. {look}"


def _save(path: Path, contacts: tuple[Contact, ...]) -> None:
    """Readable by its owner alone: it holds personal data. Custom fields become columns of their own."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    extra = sorted({key for contact in contacts for key in contact.properties} - {"title"})
    path.touch(mode=0o600)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", *PLAIN_FIELDS, *map(_cell, extra)])
        for contact in contacts:
            table.writerow([contact.id, *(_cell(contact.value(name)) for name in [*PLAIN_FIELDS, *extra])])


def _cell(value: str) -> str:
    """A spreadsheet would run a cell that begins like a formula; a leading apostrophe keeps it text."""
    return f"'{value}" if value[:1] in FORMULA and not PHONE.fullmatch(value) else value
