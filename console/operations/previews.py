"""Preview and approval: the whole plan shown, the contacts saved, and nothing written before a person said yes.

An approval names the code of the preview it read; a row that changed since is held alone by the worker. Approving
starts the first full sync. Many customers at once: `console/operations/clean.py`. Next: `console/operations/syncs.py`.
"""

from __future__ import annotations

import asyncio
import csv
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from console.operations.customers import connection
from console.operations.errors import OperationError, held
from console.operations.holding import waiting_lines
from console.operations.ports import OperatorPorts
from console.operations.syncs import StartedRun, start_pass
from shared.domain.contact import PLAIN_FIELDS, Contact
from shared.domain.errors import Permanent, SyncError
from shared.domain.forecast import Forecast, by_hand, forecast_of
from shared.domain.preview import Preview
from shared.domain.records import Approval, Connection, ConnectionStatus

FORMULA = frozenset("=@+-\t\r")
PHONE = re.compile(r"[+-][\d\s()./x-]*")  # a number stays as it is typed


FRESH = timedelta(hours=1)  # as long as somebody remembers what a preview showed


@dataclass(frozen=True, slots=True)
class ShownPreview:
    """What the preview command shows. `saved_contacts` is the CSV with every contact as it was.

    `forecast`: what writing all of it will cost. `waiting`: what a brake holds already and the commands that decide
    about it, "" for nothing; `all_waits`: whatever differs waits for that decision.
    """

    connection: Connection
    preview: Preview
    saved_contacts: Path
    forecast: Forecast
    waiting: str = ""
    all_waits: bool = False


async def preview(ports: OperatorPorts, customer_id: int) -> ShownPreview:
    """Make the plan, save the customer's contacts, then let the plan be approved: never without the saved contacts."""
    tied = await connection(ports, customer_id)
    plan = await ports.passes.preview(customer_id)
    now = ports.clock.now()
    path = ports.data_dir / "previews" / f"customer-{customer_id}-{now:%Y%m%dT%H%M%S}.csv"
    await asyncio.to_thread(_save, path, plan.contacts)
    await ports.approvals.propose(
        Approval(
            customer_id=customer_id,
            digest=plan.code,
            rows=plan.digests,
            summary=plan.summary,
            proposed_at=now,
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
    )


async def approve(
    ports: OperatorPorts, customer_id: int, code: str | None, *, by: str, first: int | None = None
) -> StartedRun:
    """Approve the rows of the latest preview and start the first full sync.

    `code` names the preview; without it the latest one is meant, if it is fresh: what nobody remembers is not approved.
    `first`: create so many contacts only; the other creations wait for a second look (`runs approve`).
    """
    tied = await connection(ports, customer_id)
    digest = code or await _fresh_digest(ports, customer_id)
    try:
        await ports.approvals.approve(customer_id, digest, by, ports.clock.now())
    except Permanent:
        raise held(await _why_refused(ports, customer_id)) from None
    # Owed first: if this process dies or Syncro does not answer, the worker makes the first full sync by itself.
    generation = await ports.owed.mark(customer_id, "approved just now", ports.clock.now())
    await ports.connections.save(replace(tied, status=ConnectionStatus.APPROVED, changed_at=ports.clock.now()))
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


async def _fresh_digest(ports: OperatorPorts, customer_id: int) -> str:
    latest = await ports.approvals.latest(customer_id)
    if latest is None or ports.clock.now() - latest.proposed_at > FRESH:
        raise held(
            f"There is no preview of the last hour to approve. Look at the plan: entra-syncro preview --customer "
            f"{customer_id}"
        )
    return latest.digest


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
