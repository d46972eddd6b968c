"""A customer whose contacts are in step, and full passes over it."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.changes import UpdateContact
from shared.domain.contact import Contact
from shared.domain.matching import Found, Level
from shared.domain.messages import Lane, Reason
from shared.domain.plan import apply_to, plan
from shared.domain.policy import SyncPolicy
from shared.domain.user import DirectoryUser
from tests.support.clock import START
from tests.support.station import CUSTOMER, TENANT, Station, person
from worker.fullpass import FullPass, PassReport


def in_step(station: Station, user: DirectoryUser, contact_id: int, **custom: str) -> Contact:
    """A linked contact that says exactly what Entra says about `user`. `custom`: further custom fields."""
    blank = station.linked(user, contact_id)
    blank = replace(blank, properties={**blank.properties, **custom})
    found = Found(blank, Level.LINK)
    wanted = plan(user, found, customer_id=CUSTOMER, facts=None, policy=SyncPolicy(), today=START.date())
    assert isinstance(wanted, UpdateContact)
    return station.world.contacts.put(apply_to(blank, wanted.changes))


def staff(station: Station, count: int) -> list[DirectoryUser]:
    """So many users, u0 with contact 100 and so on, all in step."""
    people = [person(f"u{number}") for number in range(count)]
    for number, user in enumerate(people):
        in_step(station, user, 100 + number)
    return people


def unlicense(station: Station, *users: DirectoryUser) -> None:
    """Their licences are gone in Entra, so that their contacts' would be cleared."""
    for user in users:
        station.hire(replace(user, sku_ids=()))


async def make_pass(station: Station, run_id: str = "run-1", **wish: object) -> PassReport:
    passes = FullPass(station.ports, station.settings)
    return await passes.full_pass(CUSTOMER, reason=Reason.RECONCILE, run_id=run_id, **wish)  # type: ignore[arg-type]  # the wish is the caller's


def handed_over(station: Station) -> list[str]:
    """Users of all messages so far, in their order."""
    messages = [*station.world.broker.sent(Lane.LIVE), *station.world.broker.sent(Lane.BACKFILL)]
    return [user_id for message in messages for user_id in message.user_ids]


__all__ = ["CUSTOMER", "TENANT", "handed_over", "in_step", "make_pass", "staff", "unlicense"]
