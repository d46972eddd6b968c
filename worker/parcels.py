"""Packs waiting hints into fewer messages, which wait in the broker instead of in our hands. Pure.

A parcel's `noticed_at` is set so that only a look at its due time or later answers it; every hint noticed before
may then ride along (`worker/rhythm.py`). When the earliest was really noticed stays beside it, for the journal. Hints
of different causes never share a parcel, so that reasons, runs and attempts stay true; neither do replays of different
letters, so that each is opened again if it fails again. Next: `worker/consumer.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from shared.domain.messages import MAX_USERS, Lane, Reason, UsersTouched
from worker.waiting import Ticket, Waiting

Hint = tuple[Waiting, Ticket]


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message for many hints. `delay` in seconds; `due` in monotonic seconds."""

    message: UsersTouched
    lane: Lane
    delay: float
    due: float
    hints: tuple[Hint, ...]

    @property
    def tickets(self) -> int:
        return len({id(ticket) for _, ticket in self.hints})


def pack(
    waiting: Iterable[Waiting], lane: Lane, *, now: float, wall: datetime, first_window: float, at_least: float = 0.0
) -> list[Parcel]:
    """Parcels for these users, grouped by cause and by the second in which they are due (`at_least` s from now)."""
    groups: dict[tuple[object, ...], list[Hint]] = {}
    for user in waiting:
        for ticket in user.tickets:
            message = ticket.message
            second = ceil(max(user.due - now, at_least))
            letter = message.trace_id if message.reason is Reason.REPLAY else None
            cause = (
                message.tenant_id,
                message.reason,
                message.run_id,
                message.attempt,
                message.confirm,
                letter,
                second,
            )
            groups.setdefault(cause, []).append((user, ticket))
    return [
        _parcel(hints, lane, now=now, wall=wall, first_window=first_window, at_least=at_least)
        for group in groups.values()
        for hints in _split(group)
    ]


def _split(group: Sequence[Hint]) -> list[list[Hint]]:
    """At most as many users as one message may name; all hints of a user stay together."""
    by_user: dict[str, list[Hint]] = {}
    for user, ticket in group:
        by_user.setdefault(user.user_id, []).append((user, ticket))
    users = list(by_user.values())
    return [
        [hint for hints in users[start : start + MAX_USERS] for hint in hints]
        for start in range(0, len(users), MAX_USERS)
    ]


def _parcel(
    hints: Sequence[Hint], lane: Lane, *, now: float, wall: datetime, first_window: float, at_least: float
) -> Parcel:
    delay = max(at_least, max(user.due for user, _ in hints) - now, 0.0)
    newest = max(ticket.message.noticed_at for _, ticket in hints)
    first = min(ticket.message.since for _, ticket in hints)
    dated = max(newest, wall + timedelta(seconds=delay - first_window))
    message = hints[0][1].message.model_copy(
        update={
            "user_ids": tuple(dict.fromkeys(user.user_id for user, _ in hints)),
            "noticed_at": dated,
            "first_noticed_at": first if first != dated else None,
        }
    )
    return Parcel(message, lane, delay, now + delay, tuple(hints))
