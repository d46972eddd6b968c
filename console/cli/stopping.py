"""Ctrl-C: one sentence and exit code 130, wherever the interruption surfaced. Nothing of ours needs an undo.

Every command may be run again after any interruption; a sync that was only watched goes on in the services.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import typer
from typer.core import TyperGroup

INTERRUPTED = 130  # as shells count: 128 and the signal's number
STOPPED = "Stopped. Whatever was done until then is kept; run the same command again to go on: nothing is done twice."
NUMBER = "Value error, "  # how the reader of arguments begins some complaints
INTEGER = "Input should be a valid integer"
BOUND = re.compile(r"Input should be (?P<side>greater|less) than or equal to (?P<number>-?\d+)")


class StoppedError(Exception):
    """Somebody pressed Ctrl-C. An Exception, for what parses the command line would swallow the interruption."""


class Commands(TyperGroup):
    """The table of all commands: whatever ends one of them passes here first."""

    def invoke(self, ctx: Any) -> Any:
        """Raises StoppedError for an interruption, and wrong use in words for people."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = plainly(error.message)
            raise
        except BaseException as error:
            if is_stop(error):
                raise StoppedError from None
            raise


def is_stop(error: BaseException) -> bool:
    """It may surface inside a task group, or while a connection is made or closed: then as that one's own error."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, KeyboardInterrupt | asyncio.CancelledError | StoppedError):
            return True
        waiting += one.exceptions if isinstance(one, BaseExceptionGroup) else ()
    return False


def plainly(complaint: str) -> str:
    """What the reader of arguments says, without its own words."""
    if complaint.startswith(INTEGER):
        return "this must be a whole number."
    if bound := BOUND.fullmatch(complaint):
        return f"this must be {'at least' if bound['side'] == 'greater' else 'at most'} {bound['number']}."
    return complaint.removeprefix(NUMBER)
