"""A cure: what a failure means for a person, who must do what, and what the program does by itself. Values only.

Next: `shared/domain/cures.py` (the table over every code), `cures_of_microsoft.py`, `cures_of_syncro.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What the program does by itself when it meets this failure."""

    RETRY_SOON = "retry soon"  # seconds to minutes, growing
    RETRY_LATER = "retry later"  # the same, but it will only help once a person has acted
    RECREATE = "recreate"  # what was asked for is gone: make it anew
    TAKE_OVER = "take over"  # what was to be made is there already: adopt it by its id
    READ_ALL = "read all"  # changes were missed: a full sync finds them
    WAIT_FOR_PERSON = "wait for a person"  # tried again now and then, never often
    STOP_TENANT = "stop this tenant"  # its changes are kept for later, the others go on
    STOP_ACCOUNT = "stop everything"  # nothing of this account can work


@dataclass(frozen=True, slots=True)
class Cure:
    """`what`: a sentence. `who_does_what`: who must do what and where, one or more sentences; or that nobody must."""

    what: str
    who_does_what: str
    action: Action


NOBODY = "Nobody has to do anything: it is tried again by itself."
REPORT = "Report it with the log: it is a fault of this program."


def soon(what: str, who: str = NOBODY) -> Cure:
    return Cure(what, who, Action.RETRY_SOON)


def later(what: str, who: str) -> Cure:
    return Cure(what, who, Action.RETRY_LATER)


def person(what: str, who: str) -> Cure:
    return Cure(what, who, Action.WAIT_FOR_PERSON)


def tenant(what: str, who: str) -> Cure:
    return Cure(what, who, Action.STOP_TENANT)


def account(what: str, who: str) -> Cure:
    return Cure(what, who, Action.STOP_ACCOUNT)


def for_customer(text: str, customer_id: int | None) -> str:
    """A cure's sentence whose commands say CUSTOMER, with the number where one customer is meant."""
    return text if customer_id is None else text.replace("CUSTOMER", str(customer_id))
