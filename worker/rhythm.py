"""How long a user's hints gather: a short first window, doubled while hints for that user keep coming. Pure.

Also knows which hints need no wait of their own, because a message that is under way (parked in the broker) will
lead to a look that answers them: those ride along. Losing a rhythm costs a look, never a hint. Times are monotonic
seconds, `noticed_at` and `wall` are wall time. Next: `worker/waiting.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from shared.domain.coalesce import Window, is_quiet, opening
from shared.domain.messages import UsersTouched
from shared.domain.policy import CoalescePolicy

Key = tuple[str, str]  # tenant id, user id


@dataclass(frozen=True, slots=True)
class Rides:
    """A parked message with the same or a later `noticed_at` is on its way: this hint may end."""


@dataclass(frozen=True, slots=True)
class Waits:
    """The hint gathers with others until the window is over."""

    window: Window


@dataclass(slots=True)
class _Beat:
    """`window`: the latest one of this user. `parked`: the `noticed_at` of every message of this user that is under
    way; `moved`: they are on the other lane."""

    window: Window
    parked: set[datetime] = field(default_factory=set)
    moved: bool = False


class Rhythms:
    def __init__(self, policy: CoalescePolicy) -> None:
        self._policy = policy
        self._beats: dict[Key, _Beat] = {}

    def place(self, key: Key, message: UsersTouched, now: float, wall: datetime) -> Rides | Waits:
        """Where a hint that has just been taken belongs."""
        beat = self._beats.get(key)
        if beat is None or is_quiet(beat.window, now, self._policy):
            return Waits(opening(None, now - self._waited(message, wall), self._policy))
        if message.noticed_at in beat.parked:  # it has come back: its wait is over
            beat.parked.discard(message.noticed_at)
            return Waits(Window(now, beat.window.length))
        if any(message.noticed_at <= until for until in beat.parked):
            return Rides()
        return Waits(opening(beat.window, beat.window.due, self._policy))

    def looked(self, key: Key, window: Window) -> None:
        """A look begins, at the end of `window`. A later window that is under way stays the latest."""
        beat = self._beats.setdefault(key, _Beat(window))
        if window.due > beat.window.due:
            beat.window = window

    def parked(self, key: Key, until: datetime, window: Window, *, moved: bool) -> None:
        """A message that answers hints noticed up to `until` is under way; its look comes after `window`."""
        self.looked(key, window)
        self._beats[key].parked.add(until)
        self._beats[key].moved = moved

    def forget(self, key: Key) -> None:
        """The look failed: its retry must not wait for a window on top of its rung."""
        self._beats.pop(key, None)

    def under_way(self, tenant_id: str) -> set[str]:
        """Users of a tenant with a message parked on this lane."""
        mine = ((user_id, beat) for (tenant, user_id), beat in self._beats.items() if tenant == tenant_id)
        return {user_id for user_id, beat in mine if beat.parked and not beat.moved}

    def tidy(self, now: float) -> None:
        """Forget users whose hints have stopped."""
        self._beats = {key: beat for key, beat in self._beats.items() if not is_quiet(beat.window, now, self._policy)}

    def _waited(self, message: UsersTouched, wall: datetime) -> float:
        """How much of the first window is over; a hint from the future (a clock that is ahead) has not waited."""
        age = (wall - message.noticed_at).total_seconds()
        return min(max(age, 0.0), self._policy.first_window)
