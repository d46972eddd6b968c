"""A directory extension, from a rule that is only supposed to the written contact, over real HTTP and every service."""

from __future__ import annotations

import asyncio

from console import operations
from console.cli.sync import watch_runs
from console.operations import Wish
from console.operations.check import check
from shared.domain.changes import CreateContact
from shared.domain.ruling import Rule
from tests.integration.console.conftest import Office

BADGE, TYPO = (f"extension_{'0a' * 16}_{name}" for name in ("badge", "typo"))
RULES = {"custom_mappings": [{"attribute": BADGE, "field": "Badge"}, {"attribute": TYPO, "field": "Grade"}]}


async def test_what_a_rule_maps_is_shown_written_and_followed_and_what_is_not_there_is_said(office: Office) -> None:
    microsoft, address = office.world.microsoft, "badged@alpenrose.example"
    template = next(iter(microsoft.tenants[office.tenant].directory.all_seen(float("inf")))).state
    user_id = microsoft.seed_user(
        office.tenant, displayName="Bea Badged", userPrincipalName=address, mail=address,
        assignedLicenses=template["assignedLicenses"], **{BADGE: "B-17"},
    )["id"]  # fmt: skip
    for name in ("Badge", "Grade"):
        office.world.syncro.account.contact_fields.define(name)
    await operations.connect(office.ports, office.customer, office.tenant)
    change = await operations.plan_policy(office.ports, office.customer, Wish(document=RULES))
    assert change.lacking == (TYPO,)
    (row,) = [row for row in change.rows if row.user_id == user_id]
    assert isinstance(row.after, CreateContact)
    assert "B-17" in [each.after for each in row.after.changes]
    await operations.save_policy(office.ports, change)
    shown = await operations.preview(office.ports, office.customer)
    async with office.services(), asyncio.timeout(60):
        run = await operations.approve(office.ports, office.customer, shown.preview.code, by="ada")
        await watch_runs(office.ports, [run])
        assert badge(office, user_id) == "B-17"
        microsoft.tenants[office.tenant].directory.update(user_id, {BADGE: "B-18"})
        await operations.sync_user(office.ports, office.customer, user_id)
        while badge(office, user_id) != "B-18":  # noqa: ASYNC110 - the simulated Syncro tells nobody
            await asyncio.sleep(0.05)
    explained = await operations.explain_person(office.ports, user_id)
    (place,) = explained.places
    assert place.explanation is not None
    rules = {ruling.field: ruling.rule for ruling in place.explanation.fields}
    assert (rules["Grade"], rules["Badge"]) == (Rule.UNKNOWN, Rule.OVERWRITE)
    (found,) = [each for each in await _tenant_findings(office) if "no such attribute" in each]
    assert TYPO in found


def badge(office: Office, user_id: str) -> str | None:
    contact = office.contact_of(user_id)
    return None if contact is None else contact.properties["Badge"]


async def _tenant_findings(office: Office) -> list[str]:
    seen = await check(office.ports, customer=office.customer)
    return [finding.what for finding in seen.findings]
