"""One customer of the demo's stage, brought in step, and changes in Entra whose way into Syncro a test follows."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from console import operations
from console.cli.demo.arrival import until, value_of
from console.cli.demo.people import open_administrator
from console.cli.demo.stage import Stage
from console.cli.sync import watch_runs
from sandbox.syncro.account import Contact

DOMAIN = "harborlane.test"


async def bring_in_step(stage: Stage) -> int:
    """One approved and synced customer with a subscription; gives its id."""
    tied = next(one for one in stage.world.info()["customers"] if "Harbor" in one["name"])
    await operations.connect(stage.ports, tied["id"], tied["tenant_id"])
    shown = await operations.preview(stage.ports, tied["id"])
    await watch_runs(stage.ports, [await operations.approve(stage.ports, tied["id"], shown.preview.code, by="test")])
    tenant = stage.world.microsoft.tenants[tied["tenant_id"]]
    assert await until(lambda: bool(tenant.subscriptions), within=20)
    return int(tied["id"])


async def change_titles(stage: Stage, names: Sequence[str]) -> dict[str, str]:
    """Through Graph; gives user id -> new title, once every notification was accepted."""
    company = next(one for one in stage.world.companies if one.domain == DOMAIN)
    people = {person.upn.partition("@")[0]: person.id for person in company.people}
    changed = {people[name]: f"Title {secrets.token_hex(4)}" for name in names}
    async with open_administrator(stage.world.info()) as admin:
        for user_id, title in changed.items():
            await admin.patch(company.tenant_id, user_id, jobTitle=title)
    await accepted(stage, list(changed))
    return changed


async def hire(stage: Stage, *first_names: str) -> list[str]:
    """Give the ids of the new users, once every notification was accepted."""
    company = next(one for one in stage.world.companies if one.domain == DOMAIN)
    async with open_administrator(stage.world.info()) as admin:
        ids = [await admin.hire(company.tenant_id, DOMAIN, name, "Newcomer", "Temp") for name in first_names]
    await accepted(stage, ids)
    return ids


async def accepted(stage: Stage, user_ids: Sequence[str]) -> None:
    """The door needs neither state nor ledger."""
    asked = stage.world.microsoft.accepted
    assert await until(lambda: all(asked(user_id) for user_id in user_ids), within=20)


def contacts_of(stage: Stage, user_id: str) -> list[Contact]:
    every: list[Contact] = list(stage.world.syncro.account.contacts.values())
    return [contact for contact in every if value_of(contact, "azure_object_id") == user_id]


def in_step(stage: Stage, titles: Mapping[str, str]) -> bool:
    """One contact for each user, with this title."""
    found = {user_id: [value_of(contact, "title") for contact in contacts_of(stage, user_id)] for user_id in titles}
    return found == {user_id: [title] for user_id, title in titles.items()}


def writes(stage: Stage) -> int:
    return len(stage.world.syncro.calls.writes())
