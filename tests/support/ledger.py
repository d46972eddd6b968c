"""Values for the ledger's tests, and the program of a process that is killed right after it journaled a write.

Run as `python -m tests.support.ledger ADDRESS`: opens the ledger, journals one entry, prints its id and waits.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta

from shared.adapters.ledger import open_ledger
from shared.domain.changes import FieldChange, Kind
from shared.domain.messages import DeadLettered, Lane, Reason, UsersTouched, encode
from shared.domain.records import (
    Approval,
    Connection,
    ConnectionStatus,
    HeldRow,
    Hold,
    JournalEntry,
    Link,
    Run,
)
from tests.support.clock import START

CUSTOMER = 4711
TENANT = "11111111-2222-3333-4444-555555555555"
RENAMED = FieldChange("name", "Anna Muller", "Anna Müller", Kind.PROFILE, "Entra says so")
CLEARED = FieldChange("azure_license", "Microsoft 365 Business Basic", "", Kind.OWNED, "No licence is assigned")


def a_connection(customer_id: int = CUSTOMER, **changes: object) -> Connection:
    values: dict[str, object] = {
        "customer_id": customer_id,
        "customer_name": "Contoso",
        "tenant_id": TENANT,
        "status": ConnectionStatus.PREVIEW,
        "connected_at": START,
        "changed_at": START,
    }
    return Connection(**(values | changes))  # type: ignore[arg-type]  # a test's own override


def a_proposal(digest: str, rows: Mapping[str, str], customer_id: int = CUSTOMER) -> Approval:
    return Approval(customer_id, digest, rows, {"update": len(rows)}, START)


def a_link(user_id: str, contact_id: int, customer_id: int = CUSTOMER) -> Link:
    return Link(customer_id, user_id, contact_id, "mail", START)


def an_entry(user_id: str = "anna", *, action: str = "update", customer_id: int = CUSTOMER) -> JournalEntry:
    return JournalEntry(
        customer_id=customer_id,
        user_id=user_id,
        contact_id=None if action == "create" else 7,
        action=action,
        changes=(RENAMED,),
        cause=Reason.NOTIFICATION,
        trace_id="trace-1",
        intended_at=START,
    )


def a_letter(letter_id: str = "letter-1", *, body: bytes | None = None, last_seen: datetime = START) -> DeadLettered:
    hint = UsersTouched(
        tenant_id=TENANT, user_ids=("anna", "bert"), reason=Reason.DELTA, noticed_at=START, trace_id="trace-1"
    )
    kept = encode(hint) if body is None else body
    return DeadLettered(
        letter_id=letter_id,
        body=kept,
        lane=Lane.LIVE,
        error_class="Permanent",
        detail="contact was refused",
        attempts=15,
        first_seen=START,
        last_seen=last_seen,
    )


def a_run(run_id: str = "run-1", *, started_at: datetime = START, customer_id: int = CUSTOMER) -> Run:
    return Run(run_id, customer_id, Reason.RECONCILE, 3, started_at)


def a_hold(code: str = "c0ffee01", customer_id: int = CUSTOMER, **changes: object) -> Hold:
    values: dict[str, object] = {
        "customer_id": customer_id,
        "code": code,
        "run_id": "run-1",
        "brakes": {"clears": (4, 3), "identity": (9, 5)},
        "rows": (
            HeldRow("anna", "Anna Müller", 7, "d1", (CLEARED, RENAMED)),
            HeldRow("bert", "Bert", None, "d2", (RENAMED,)),
        ),
        "detail": "4 licences would be cleared",
        "held_at": START,
        "expires_at": START + timedelta(hours=72),
    }
    return Hold(**(values | changes))  # type: ignore[arg-type]  # a test's own override


async def _journal_and_wait(address: str) -> None:
    async with open_ledger(address) as ledger:
        print(await ledger.journal.intend(an_entry()), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_journal_and_wait(sys.argv[1]))
