"""What an operator is told when a command failed: one sentence on standard error, and the exit code.

0 done, 1 failed, 2 wrong use, 3 held by a brake or a missing approval. Loaded only once something failed.
"""

from __future__ import annotations

from console.cli.explain import explain
from console.cli.output import complain
from console.operations.errors import OperationError
from shared.domain.errors import SyncError
from shared.runtime.settings import SettingsError


def first_of(error: BaseException) -> BaseException:
    """A task group wraps what its tasks raise; one sentence is enough for an operator."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def report(error: BaseException) -> int | None:
    """Say what happened on standard error and give the exit code; None for what is no known failure."""
    match error:
        case OperationError():
            complain(error.message)
            if isinstance(error.__cause__, SyncError):
                complain(explain(error.__cause__))
            return error.exit_code
        case SettingsError():
            complain(str(error))
            return 2
        case SyncError(code="unsupported_url" | "ledger_url"):
            complain(explain(error))
            return 2
        case SyncError():
            complain(explain(error))
            return 1
        case OSError():  # a port that is taken, a folder that may not be written
            what = error.strerror or str(error)
            complain(f"This machine refused: {what}. Correct the settings or free what is taken, then try again.")
            return 1
        case _:
            return None
