"""The waiting room: per tenant and user, the hints that ask for a look, until their window is over. No I/O.

Tenants are served in turn, one user at a time. What should not wait here (long windows, a full house, one tenant's
storm) is packed into parcels, which the consumer hands back to the broker. Times are monotonic seconds. Next:
`worker/parcels.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from shared.domain.coalesce import Window
from shared.domain.messages import UsersTouched
from shared.domain.policy import CoalescePolicy
from shared.ports import Delivery
from worker.rhythm import Rhythms, Rides


@dataclass(eq=False, slots=True)
class Ticket:
    """One delivery in our hands. `open`: its users that are not settled yet. `taken_at` is wall time."""

    delivery: Delivery
    message: UsersTouched
    taken_at: datetime
    open: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.open = set(self.message.user_ids)


@dataclass(eq=False, slots=True)
class Waiting:
    """One user with the hints that ask for a look."""

    tenant_id: str
    user_id: str
    window: Window
    tickets: list[Ticket]

    @property
    def due(self) -> float:
        return self.window.due

    @property
    def key(self) -> tuple[str, str]:
        return self.tenant_id, self.user_id

    @property
    def taken_at(self) -> datetime:
        return max(ticket.taken_at for ticket in self.tickets)


class WaitingRoom:
    def __init__(self, policy: CoalescePolicy) -> None:
        self._policy = policy
        self._tenants: dict[str, dict[str, Waiting]] = {}  # in the order in which tenants are served
        self.rhythms = Rhythms(policy)

    def add(self, ticket: Ticket, user_id: str, now: float, wall: datetime) -> bool:
        """Let a hint wait. False: it need not, a message that is under way answers it."""
        tenant_id = ticket.message.tenant_id
        place = self.rhythms.place((tenant_id, user_id), ticket.message, now, wall)
        if isinstance(place, Rides):
            return False
        room = self._tenants.setdefault(tenant_id, {})
        waiting = room.setdefault(user_id, Waiting(tenant_id, user_id, place.window, []))
        waiting.tickets.append(ticket)
        if place.window.due < waiting.due:
            waiting.window = place.window
        return True

    def next_tenant(self, now: float, busy: Collection[str]) -> str | None:
        """The tenant whose turn it is among those with a user due; it goes to the end of the line."""
        for tenant_id, room in self._tenants.items():
            if tenant_id not in busy and any(waiting.due <= now for waiting in room.values()):
                self._tenants[tenant_id] = self._tenants.pop(tenant_id)
                return tenant_id
        return None

    def due_users(self, tenant_id: str, now: float, limit: int) -> tuple[str, ...]:
        """Who may be looked at together, the longest due first. They stay in the room."""
        due = [w for w in self._tenants.get(tenant_id, {}).values() if w.due <= now]
        return tuple(w.user_id for w in sorted(due, key=lambda w: w.due)[:limit])

    def take(self, tenant_id: str, user_id: str, now: float) -> Waiting | None:
        """Take a due user out for a look; None when it is not here (any more) or not due."""
        waiting = self._tenants.get(tenant_id, {}).get(user_id)
        if waiting is None or waiting.due > now:
            return None
        self.remove(waiting)
        self.rhythms.looked(waiting.key, Window(now, waiting.window.length))
        return waiting

    def remove(self, waiting: Waiting) -> None:
        room = self._tenants.get(waiting.tenant_id, {})
        room.pop(waiting.user_id, None)
        if not room:
            self._tenants.pop(waiting.tenant_id, None)

    def leave(self, waiting: Waiting, ticket: Ticket) -> None:
        """One hint less for this user, who stays only as long as another one waits."""
        if ticket in waiting.tickets:
            waiting.tickets.remove(ticket)
        if not waiting.tickets:
            self.remove(waiting)

    def drop(self, ticket: Ticket) -> None:
        """Forget a ticket that went back to the broker whole."""
        for waiting in self.everybody(ticket.message.tenant_id):
            self.leave(waiting, ticket)

    def everybody(self, tenant_id: str | None = None) -> list[Waiting]:
        rooms = self._tenants.values() if tenant_id is None else [self._tenants.get(tenant_id, {})]
        return [waiting for room in rooms for waiting in room.values()]

    def excess(self) -> list[Waiting]:
        """Beyond the share of one tenant, messages under way counted: the last to be due go first."""
        beyond: list[Waiting] = []
        for tenant_id, room in self._tenants.items():
            parked = self.rhythms.under_way(tenant_id)
            here = sorted((w for w in room.values() if w.user_id not in parked), key=lambda w: w.due)
            beyond += here[max(0, self._policy.waiting_per_tenant - len(parked)) :]
        return beyond

    def next_due(self, now: float, busy: Collection[str]) -> float | None:
        """Seconds until somebody of a tenant that is not busy is due; None when nobody waits."""
        dues = [w.due for tenant, room in self._tenants.items() if tenant not in busy for w in room.values()]
        return max(0.0, min(dues) - now) if dues else None
