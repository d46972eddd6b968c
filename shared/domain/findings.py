"""What the doctor found: one line per thing it looked at, each with who must do what and where. Pure.

GREEN needs nobody. YELLOW works, though less than it could, or could not be looked at. RED will not work until somebody
acts. Made by `console/operations/check/`, shown by `console/cli/check.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Level(StrEnum):
    RED = "red"
    YELLOW = "yellow"
    GREEN = "green"


class Organ(StrEnum):
    """What is looked at, in the words of a technician and in the order in which it is told."""

    SETTINGS = "settings"
    CLOCKS = "clocks"
    QUEUE = "queue"
    STATE = "short-lived state"
    LEDGER = "ledger"
    SYNCRO_TOKEN = "Syncro token"  # noqa: S105 - a name for people
    CUSTOMER_FIELDS = "Syncro customer fields"
    CONTACT_FIELDS = "Syncro contact fields"
    PUBLIC_ADDRESS = "public address"
    TENANT = "tenant"
    NOTIFICATIONS = "notifications"
    POLLS = "polls"
    SECOND_WRITER = "second writer"
    CHANNELS = "notices to people"


@dataclass(frozen=True, slots=True)
class Finding:
    """`what`: a sentence. `cure`: who does what and where, step by step; "" only for GREEN.

    `customer`: Syncro's number, `tenant`: its id, `subject`: what people call either; None and "" where the finding is
    about all of them. `details`: for programs, never a value of a person's.
    """

    level: Level
    organ: Organ
    what: str
    cure: str = ""
    customer: int | None = None
    tenant: str | None = None
    subject: str = ""
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checkup:
    """All findings, worst first, then in the order of `Organ`."""

    findings: tuple[Finding, ...]

    @property
    def red(self) -> int:
        return self._count(Level.RED)

    @property
    def yellow(self) -> int:
        return self._count(Level.YELLOW)

    def _count(self, level: Level) -> int:
        return sum(finding.level is level for finding in self.findings)


def checkup(findings: Iterable[Finding]) -> Checkup:
    levels, organs = list(Level), list(Organ)
    ordered = sorted(findings, key=lambda one: (levels.index(one.level), organs.index(one.organ)))
    return Checkup(tuple(ordered))
