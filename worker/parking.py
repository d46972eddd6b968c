"""Which hints had better wait in the broker than in our hands: long windows, one tenant's storm, a full house.

Deliveries in hand are few, and a storm of one tenant must not keep another tenant's change from being taken. Gives
parcels, sends none. Next: `worker/parcels.py`.
"""

from __future__ import annotations

from datetime import datetime

from shared.domain.coalesce import Window
from shared.domain.messages import Lane
from shared.domain.policy import CoalescePolicy
from worker.parcels import Parcel, pack
from worker.waiting import Waiting, WaitingRoom

_WORTH_IT = 2  # deliveries that a parcel has to free when the house is full


class Parking:
    def __init__(self, room: WaitingRoom, policy: CoalescePolicy, lane: Lane) -> None:
        self._room = room
        self._policy = policy
        self._lane = lane

    def parcels(self, now: float, wall: datetime, *, full: bool) -> list[Parcel]:
        """What to hand back now, the kinds in this order; `full`: no further delivery can be taken."""
        excess = self._room.excess() if self._lane is Lane.LIVE else []
        if excess:
            return self._pack(excess, Lane.BACKFILL, now, wall, at_least=self._policy.last_window)
        everybody = self._room.everybody()
        long = [user for user in everybody if user.due - now > self._policy.first_window]
        if long:
            return self._pack(long, self._lane, now, wall)
        if full:
            return [p for p in self._pack(everybody, self._lane, now, wall) if p.tickets >= _WORTH_IT]
        return []

    def parked(self, parcel: Parcel) -> None:
        """The parcel is safe. One that may end without asking Syncro answers no other hint."""
        if parcel.message.asks_entra_alone:
            return
        moved = parcel.lane is not self._lane
        for user, _ in parcel.hints:
            window = Window(parcel.due, user.window.length)
            self._room.rhythms.parked(user.key, parcel.message.noticed_at, window, moved=moved)

    def _pack(
        self, users: list[Waiting], lane: Lane, now: float, wall: datetime, at_least: float = 0.0
    ) -> list[Parcel]:
        return pack(users, lane, now=now, wall=wall, first_window=self._policy.first_window, at_least=at_least)
