"""What a probe's answers teach about an account, as findings. Pure.

Next: `console/operations/check/probe.py`, which asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from console.operations.check.wanted import Wanted, instructions
from shared.domain import normalise
from shared.domain.contact import Contact
from shared.domain.findings import Finding, Level, Organ

UNDEFINED = "entra-syncro undefined field"  # a name that no account has
PHONE = "+1 (217) 555-0143"


class Unknown(StrEnum):
    """What becomes of a custom field that is not defined."""

    DROPPED = "are dropped without a word"
    STORED = "are stored"
    REFUSED = "are refused"


class Phone(StrEnum):
    KEPT = "as they are written"
    DIGITS = "as digits alone"
    OTHER = "in a form of its own"


@dataclass(frozen=True, slots=True)
class Learnt:
    """`answered`: custom field -> what came back, "" for nothing. `merges`: None when it could not be told."""

    answered: Mapping[str, str] = field(default_factory=dict)
    unknown: Unknown = Unknown.DROPPED
    phone: Phone = Phone.KEPT
    merges: bool | None = None


def unknown_fields(answer: Contact) -> Unknown:
    return Unknown.STORED if answer.value(UNDEFINED) else Unknown.DROPPED


def phone_form(answer: Contact) -> Phone:
    if answer.phone == PHONE:
        return Phone.KEPT
    return Phone.DIGITS if answer.phone == "".join(filter(str.isdigit, PHONE)) else Phone.OTHER


def findings(learnt: Learnt, wanted: Sequence[Wanted], customer_id: int) -> Iterator[Finding]:
    """One about how the account behaves, then what is missing or answers otherwise than it was asked."""
    yield _behaviour(learnt, customer_id)
    missing = [one for one in wanted if not learnt.answered.get(one.name)]
    if missing:
        names = ", ".join(one.name for one in missing)
        what = f"These contact fields did not keep a text, so they are missing or no text fields: {names}."
        details = {"fields": [{"name": one.name, "type": "text", "answers": list(one.answers)} for one in missing]}
        yield Finding(Level.RED, Organ.CONTACT_FIELDS, what, instructions("contacts", missing), details=details)
    yield from _coded(learnt, wanted)
    if learnt.unknown is Unknown.STORED:
        what = "Syncro stores fields that are not defined, so a missing one cannot be told by writing it."
        cure = instructions("contacts", wanted).replace("Add, spelt", "See that each is there, spelt", 1)
        yield Finding(Level.YELLOW, Organ.CONTACT_FIELDS, what, cure)
    elif not missing:
        names = ", ".join(one.name for one in wanted)
        yield Finding(Level.GREEN, Organ.CONTACT_FIELDS, f"All keep what is written: {names}.")


def _behaviour(learnt: Learnt, customer_id: int) -> Finding:
    manner = {True: "kept (merge)", False: "cleared (replace)", None: "not known (fewer than two fields are there)"}
    what = (
        f"How this account behaves: custom fields that are not sent are {manner[learnt.merges]}; fields that are not "
        f"defined {learnt.unknown.value}; phones come back {learnt.phone.value}. All are provided for."
    )
    details = {
        "properties": {True: "merge", False: "replace", None: None}[learnt.merges],
        "undefined": learnt.unknown.name.lower(),
        "phone": learnt.phone.name.lower(),
        "dropdowns": "id" if any(_is_coded(learnt, name) for name in learnt.answered) else "text",
    }
    return Finding(Level.GREEN, Organ.CONTACT_FIELDS, what, customer=customer_id, details=details)


def _coded(learnt: Learnt, wanted: Sequence[Wanted]) -> Iterator[Finding]:
    """A drop-down that answers with a number is compared with a text at every look and never agrees."""
    for one in wanted:
        answer = learnt.answered.get(one.name, "")
        if answer and not normalise.same_text(answer, one.sample):
            how = "a number (the id of an answer)" if answer.isdecimal() else "another text"
            what = f"Contact field {one.name} answers with {how} instead of what was written: it is no text field."
            cure = (
                f"An administrator does this in Syncro: 1. Admin, Contacts (end users), Custom Fields. 2. Delete "
                f"{one.name} and add it anew as a text field with exactly this name. 3. entra-syncro check"
            )
            yield Finding(Level.RED, Organ.CONTACT_FIELDS, what, cure, details={"fields": [one.name]})


def _is_coded(learnt: Learnt, name: str) -> bool:
    return learnt.answered[name].isdecimal()
