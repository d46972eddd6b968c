"""When a change of the directory has arrived in Syncro, and how long that took.

Looks straight into the simulated Syncro, never through our own code: the demo judges from outside. A latency counts
from the later of the first 202 for that user and the moment Graph serves the new value, as the promise does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.syncro.account import Contact
from sandbox.world import World

POLL = 0.02  # seconds
PATIENCE = 75.0  # seconds: longer than a confirm read takes


@dataclass(frozen=True, slots=True)
class Arrival:
    """`latency` is None when it did not arrive in time."""

    title: str
    who: str
    latency: float | None


def value_of(contact: Contact, name: str) -> str:
    """A plain field, or else a custom field; "" for null and absent."""
    if name in contact.values:
        return contact.values[name] or ""
    return contact.properties.get(name, "")


def holds(contact: Contact, wanted: Mapping[str, str]) -> bool:
    """Does the contact hold every wanted value? A value that ends in "*" is a beginning."""
    return all(_agrees(value_of(contact, name), value) for name, value in wanted.items())


def _agrees(found: str, wanted: str) -> bool:
    return found.startswith(wanted[:-1]) if wanted.endswith("*") else found == wanted


@dataclass(frozen=True, slots=True)
class Expected:
    """The contact that carries this user's object id must come to hold `wanted`."""

    title: str
    who: str
    customer_id: int
    user_id: str
    wanted: Mapping[str, str]
    changed_at: datetime


async def until(check: Callable[[], bool], *, within: float) -> bool:
    """Look again and again, at most `within` seconds. False: it never was so."""
    ends = time.monotonic() + within
    while not (so := check()) and time.monotonic() < ends:  # noqa: ASYNC110 - the simulated vendor has no events
        await asyncio.sleep(POLL)
    return so


async def arrival(world: World, expected: Expected) -> Arrival:
    """Wait until a contact of the customer holds what is wanted, then say how long it took."""
    arrived = await until(lambda: _arrived(world, expected), within=PATIENCE)
    seen_at = world.microsoft.clock.now()
    latency = (seen_at - _starts(world, expected)).total_seconds() if arrived else None
    return Arrival(expected.title, expected.who, latency)


def _arrived(world: World, expected: Expected) -> bool:
    contacts = world.syncro.account.contacts.values()
    mine = [c for c in contacts if value_of(c, "azure_object_id") == expected.user_id]
    return any(c.customer_id == expected.customer_id and holds(c, expected.wanted) for c in mine)


def _starts(world: World, expected: Expected) -> datetime:
    served_at = expected.changed_at + timedelta(seconds=world.microsoft.switches.replication_lag_s)
    answered = [attempt.at for attempt in world.microsoft.accepted(expected.user_id)]
    return max([served_at, *[at for at in answered if at >= expected.changed_at][:1]])
