"""What the commands over many customers share: a bar, the failed ones as a table, a sign-in that is asked for.

A failure is a sentence, for people and programs alike. Next: `console/cli/importing.py`, `console/cli/consent.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from rich.progress import Progress, TaskID

from console.cli.explain import explain
from console.cli.output import complain, fields_of, print_table
from shared.domain.errors import SyncError

CONSENT_FOR_ALL = "entra-syncro customers consent --partner --all"
PREVIEW_ALL = "entra-syncro preview --all"


class Bar:
    """One bar; what it counts is learnt on the way."""

    def __init__(self, shown: Progress, what: str) -> None:
        self._shown = shown
        self._bar: TaskID = shown.add_task(what, total=None)

    def expect(self, count: int) -> None:
        self._shown.update(self._bar, total=count)

    def told(self) -> None:
        self._shown.advance(self._bar)


def ask_to_sign_in(address: str, code: str) -> None:
    """On standard error: standard output stays a document."""
    complain(f"Open {address} in a browser and enter the code {code}. Sign in with your own account of your company.")


def show_failed(rows: Iterator[tuple[str, str, str]]) -> None:
    failed = list(rows)
    if failed:
        print_table("Failed", ["customer", "name", "why, and who does what next"], failed, empty="")


def why_of(why: str, error: SyncError | None, customer_id: int | None = None) -> str:
    return explain(error, customer_id) if error is not None else why


def counted(results: Iterator[StrEnum]) -> str:
    return ", ".join(f"{count} {result.value}" for result, count in Counter(results).items())


def facts_of(each: Any) -> dict[str, object]:
    """A result for a program: an error is its sentence."""
    facts = fields_of(each)
    if "error" in facts:
        facts["why"] = why_of(str(facts["why"]), getattr(each, "error", None), getattr(each, "customer_id", None))
        del facts["error"]
    return facts
