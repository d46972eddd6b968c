"""The custom fields in Syncro: those of customers by their definitions, those of contacts by what contacts show.

Contact fields are defined nowhere in the API. A field that a contact shows, or that kept what we wrote, is there; of
any other nobody knows without a write (`probe.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from console.operations.check.patient import Patient
from console.operations.check.wanted import Wanted, contact_fields, customer_fields, instructions
from console.operations.ports import OperatorPorts
from shared.domain.contact import Contact
from shared.domain.errors import SyncError
from shared.domain.findings import Finding, Level, Organ
from shared.domain.policy import SyncPolicy
from shared.domain.records import JournalEntry, WriteState
from shared.ports import FieldDefinition

_NOT_TEXT = frozenset({"select_box", "check_box", "checkbox", "dropdown", "date_field", "date"})
_ENTRIES = 500  # of the journal, newest first
_PROBE = (
    "To know: make a contact for this in Syncro, then entra-syncro check --probe-contact ID (it writes every field "
    "once and puts the contact back). If one is missing:"
)


async def of_customers(ports: OperatorPorts, patient: Patient) -> Sequence[Finding]:
    async with ports.pace.reserve(1) as allowance:
        defined = {field.name: field for field in await ports.account.customer_fields(allowance)}
    wanted = customer_fields(rules_of(patient))
    missing = [field for field in wanted if field.name not in defined]
    unfit = [field for field in wanted if field.name in defined and _is_unfit(defined[field.name])]
    findings = []
    if missing:
        what = f"Syncro lacks customer fields: {_names(missing)}. Their values are not written; all else works."
        findings.append(_red(what, instructions("customers", missing), missing))
    if unfit:
        cure = (
            "An administrator does this in Syncro: 1. Admin, Customers (organizations), Custom Fields. 2. Delete the "
            f"field and add it anew as a text field, spelt exactly: {_names(unfit)}. 3. entra-syncro check"
        )
        findings.append(_red(f"Customer fields that are no text fields: {_names(unfit)}.", cure, unfit))
    return findings or [Finding(Level.GREEN, Organ.CUSTOMER_FIELDS, f"All are there: {_names(wanted)}.")]


async def of_contacts(ports: OperatorPorts, patient: Patient, seen: Sequence[Contact]) -> Sequence[Finding]:
    """`seen`: some contacts of the account."""
    kept, lost = _written(await _entries(ports))
    shown = {name for contact in seen for name in contact.properties} | kept
    wanted = contact_fields(rules_of(patient))
    gone = [field for field in wanted if field.name in lost and field.name not in shown]
    unsure = [field for field in wanted if field.name not in shown and field not in gone]
    findings = []
    if gone:
        what = f"Syncro did not keep what was written into contact fields: {_names(gone)}."
        cure = instructions("contacts", gone)
        findings.append(Finding(Level.RED, Organ.CONTACT_FIELDS, what, cure, details=_details(gone)))
    if unsure:
        what = f"Contact fields that none of {len(seen)} contacts shows, so they may be missing: {_names(unsure)}."
        cure = f"{_PROBE} {instructions('contacts', unsure)}"
        findings.append(Finding(Level.YELLOW, Organ.CONTACT_FIELDS, what, cure, details=_details(unsure)))
    return findings or [Finding(Level.GREEN, Organ.CONTACT_FIELDS, f"All are there: {_names(wanted)}.")]


def rules_of(patient: Patient) -> list[SyncPolicy]:
    """Every customer's, the defaults while none is connected."""
    return list(patient.policies.values()) or [SyncPolicy()]


async def _entries(ports: OperatorPorts) -> Sequence[JournalEntry]:
    try:
        return await ports.journal.entries(limit=_ENTRIES)
    except SyncError:  # the ledger has a finding of its own
        return ()


def _written(entries: Iterable[JournalEntry]) -> tuple[set[str], set[str]]:
    """Fields of contacts that kept what we wrote, and those that did not. The newest write of each field counts."""
    kept: set[str] = set()
    lost: set[str] = set()
    for entry in entries:
        if entry.state is not WriteState.WRITTEN or entry.action == "customer":
            continue
        for change in entry.changes:
            if change.field not in kept | lost and change.after:
                (lost if change.field in entry.unstuck else kept).add(change.field)
    return kept, lost


def _is_unfit(field: FieldDefinition) -> bool:
    return bool(field.answers) or field.field_type.lower() in _NOT_TEXT


def _red(what: str, cure: str, fields: Iterable[Wanted]) -> Finding:
    return Finding(Level.RED, Organ.CUSTOMER_FIELDS, what, cure, details=_details(fields))


def _details(fields: Iterable[Wanted]) -> dict[str, object]:
    return {"fields": [{"name": field.name, "type": "text", "answers": list(field.answers)} for field in fields]}


def _names(fields: Iterable[Wanted]) -> str:
    return ", ".join(field.name for field in fields)
