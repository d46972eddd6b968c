"""What an operator is told when something cannot be done: one sentence that says who does what next."""

from __future__ import annotations

from uuid import UUID


class OperationError(Exception):
    """`exit_code`: 1 failed, 2 wrong use, 3 held by a brake or a missing approval."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


def wrong_use(message: str) -> OperationError:
    return OperationError(message, exit_code=2)


def held(message: str) -> OperationError:
    return OperationError(message, exit_code=3)


def guid(text: str, complaint: str) -> str:
    """The id as Entra writes it (lower case, with hyphens), or wrong use with this complaint."""
    try:
        return str(UUID(text))
    except ValueError:
        raise wrong_use(complaint) from None
