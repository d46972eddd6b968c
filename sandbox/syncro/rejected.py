"""How a rule of the simulated Syncro says no: a status and the texts, wrapped for the wire by the routes.

Next: `sandbox/syncro/answers.py`.
"""

from __future__ import annotations


class RejectedError(Exception):
    """A refused call. `messages` are for people; 404 and 401 have fixed bodies and need none."""

    def __init__(self, status: int, messages: list[str] | None = None) -> None:
        super().__init__(f"{status} {messages or ''}")
        self.status = status
        self.messages = messages or []


def not_found() -> RejectedError:
    return RejectedError(404)
