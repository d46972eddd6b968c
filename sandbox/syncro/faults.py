"""Armed faults: what goes wrong with the next matching calls, before the commit or after it.

Next: `sandbox/syncro/answers.py`, which gives each kind its wire form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

KINDS = (
    "500_json",
    "502_html",
    "504_html",
    "429",
    "401_token",
    "401_permission",
    "404",
    "200_html",
    "200_error",
    "reset",
    "slow",
    "drift_insert",
    "drift_delete",
    "second_writer",
)
POSITIONS = ("before", "after")
# These change data or time and let the call itself go on.
PASSING = frozenset({"slow", "drift_insert", "drift_delete", "second_writer"})
_KEYS = frozenset({"kind", "method", "path", "times", "skip", "seconds", "position", "field", "value"})


class BadFaultError(ValueError):
    """The description of a fault is not understood; the text says what is."""


@dataclass(slots=True)
class Fault:
    """One armed fault: hits the next `times` matching calls (None: until cleared) after letting `skip` pass."""

    kind: str
    method: str = ""  # empty: any
    path: str = ""  # regular expression searched in the path
    times: int | None = 1
    skip: int = 0
    seconds: float = 30.0  # of a slow answer
    position: str = "before"  # of the commit
    field: str = "title"  # what a second writer changes: title or phone
    value: str = "Changed by someone else"
    number: int = 0
    hits: int = 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def read_fault(body: Mapping[str, Any]) -> Fault:
    """A fault from its JSON description; raises `BadFaultError`."""
    unknown = set(body) - _KEYS
    if unknown:
        raise BadFaultError(f"unknown keys {sorted(unknown)}; known: {sorted(_KEYS)}")
    if body.get("kind") not in KINDS:
        raise BadFaultError(f"unknown kind {body.get('kind')!r}; known: {', '.join(KINDS)}")
    if body.get("position", "before") not in POSITIONS:
        raise BadFaultError(f"position is one of {', '.join(POSITIONS)}")
    try:
        re.compile(str(body.get("path", "")))
        times = body.get("times", 1)
        return Fault(
            kind=str(body["kind"]),
            method=str(body.get("method", "")).upper(),
            path=str(body.get("path", "")),
            times=None if times is None else int(times),
            skip=int(body.get("skip", 0)),
            seconds=float(body.get("seconds", 30.0)),
            position=str(body.get("position", "before")),
            field=str(body.get("field", "title")),
            value=str(body.get("value", "Changed by someone else")),
        )
    except (re.error, TypeError, ValueError) as error:
        raise BadFaultError(f"not understood: {error}") from error


class Faults:
    """The armed faults in the order in which they were armed."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self._next = 1

    def arm(self, fault: Fault) -> Fault:
        fault.number = self._next
        self._next += 1
        self._armed.append(fault)
        return fault

    def clear(self) -> None:
        self._armed.clear()

    def armed(self) -> list[Fault]:
        return list(self._armed)

    def take(self, method: str, path: str) -> list[Fault]:
        """The faults that hit this call: any number of passing ones and at most one that spoils the answer."""
        taken: list[Fault] = []
        for fault in list(self._armed):
            spoils = fault.kind not in PASSING
            if not _matches(fault, method, path) or (spoils and any(one.kind not in PASSING for one in taken)):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            taken.append(fault)
            self._spend(fault)
        return taken

    def _spend(self, fault: Fault) -> None:
        fault.hits += 1
        if fault.times is None:
            return
        fault.times -= 1
        if fault.times <= 0:
            self._armed.remove(fault)


def _matches(fault: Fault, method: str, path: str) -> bool:
    return (not fault.method or fault.method == method) and re.search(fault.path, path) is not None
