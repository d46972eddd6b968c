"""Another writer of a customer's contacts, looked for with what the ledger knows of our own writes.

Next: `shared/domain/second_writer.py`, which judges; `previews.py` and `check/writers.py`, which tell.
"""

from __future__ import annotations

from console.operations.ports import OperatorPorts
from shared.domain.preview import Preview
from shared.domain.records import Connection
from shared.domain.second_writer import Evidence, Known, evidence

JOURNAL = 5_000  # entries, newest first; what is older than the last of them is not judged


async def evidence_of(ports: OperatorPorts, tied: Connection, shown: Preview) -> tuple[Evidence, ...]:
    """Every trace that speaks for it, () for none."""
    entries = await ports.journal.entries(customer_id=tied.customer_id, limit=JOURNAL)
    created = await ports.journal.created(tied.customer_id)
    since = entries[-1].intended_at if len(entries) == JOURNAL else None
    known = Known(entries, frozenset(created), tied.connected_at, since)
    return evidence(shown, known, ports.clock.now())
