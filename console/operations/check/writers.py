"""Does another tool write the contacts of a connected customer? By its traces (`shared/domain/second_writer.py`).

The journal is read for every customer. The other traces need a reading of the customer's contacts and users: they are
remembered from its last preview, and looked for anew when one customer is named.
"""

from __future__ import annotations

from collections.abc import Sequence

from console.operations.check.patient import Patient
from console.operations.ports import OperatorPorts
from console.operations.second_writers import JOURNAL, evidence_of
from shared.domain.findings import Finding, Level, Organ
from shared.domain.records import Connection
from shared.domain.second_writer import SUMMARY_KEY, put_back

_HOW = (
    "Two tools must not write the same contacts. 1. An administrator opens Syncro: Admin, App Center, Microsoft Entra "
    "ID (Azure AD) and Microsoft 365 Management, and switches the user sync off for this customer. 2. See that no "
    "script or other tool writes these contacts. 3. entra-syncro preview --customer {customer}. The traces "
    "fade within 7 days; if the other one is off already, or if both shall write: "
    "entra-syncro customers approve {customer} CODE --second-writer-accepted"
)


async def second_writers(ports: OperatorPorts, patient: Patient) -> Sequence[Finding]:
    found = [finding for tied in patient.connections if (finding := await _of(ports, patient, tied)) is not None]
    if found or not patient.connections:
        return found
    deep = "" if patient.alone else " Looked at closely in previews, and by entra-syncro check --customer CUSTOMER."
    return [Finding(Level.GREEN, Organ.SECOND_WRITER, f"No trace of another tool that writes the same contacts.{deep}")]


async def _of(ports: OperatorPorts, patient: Patient, tied: Connection) -> Finding | None:
    customer, now = tied.customer_id, ports.clock.now()
    latest = await ports.approvals.latest(customer)
    known = latest is not None and SUMMARY_KEY in latest.summary
    if patient.alone:
        shown = await ports.passes.preview(customer)
        sentences = [one.sentence for one in await evidence_of(ports, tied, shown)]
    else:
        one = put_back(await ports.journal.entries(customer_id=customer, limit=JOURNAL), now)
        sentences = [one.sentence] if one is not None else []
        if known and latest is not None and not sentences:
            count = latest.summary[SUMMARY_KEY]
            sentences = [
                f"The preview of {latest.proposed_at:%Y-%m-%d} found {count} contacts that another tool writes."
            ]
    if not sentences:
        return None
    accepted = known and latest is not None and latest.approved_at is not None
    what = f"Another tool writes these contacts too. {' '.join(sentences)}"
    if accepted:
        what = f"{what} This was accepted by {latest.approved_by if latest is not None else 'a person'}."
    level = Level.YELLOW if accepted else Level.RED
    return Finding(
        level,
        Organ.SECOND_WRITER,
        what,
        _HOW.format(customer=customer),
        customer,
        tied.tenant_id,
        f"{tied.customer_name} ({customer})",
        {"traces": sentences},
    )
