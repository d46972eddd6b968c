"""A whole tenant in one reading, over real HTTP: the requests of the call plan, and what the story's tenants say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from sandbox.microsoft.products import PREMIUM
from sandbox.microsoft.tenant import Tenant
from shared.adapters.http import MAX_BODY, Request
from shared.domain.errors import Transient
from shared.domain.facts import Facts
from shared.domain.tenant import TenantReading
from tests.support.reporting import Reporting, open_reporting
from tests.support.vendor_stub import stub_server


@pytest.fixture
async def reporting(tmp_path: Path) -> AsyncIterator[Reporting]:
    async with open_reporting(tmp_path) as opened:
        yield opened


# The call plan: A + B + C with Entra ID P1, A + B' + D without; tokens apart.
PLAN = [(10, True, 3), (1_000, True, 5), (10, False, 4), (1_000, False, 5)]


@pytest.mark.parametrize(("users", "premium", "requests"), PLAN)
async def test_requests_per_tenant(reporting: Reporting, users: int, premium: bool, requests: int) -> None:
    tenant = reporting.crowd(1, users, premium=premium)
    reading = await reporting.read(tenant)
    assert reading.requests == reporting.requests(tenant) == requests
    assert reading.premium is premium
    assert len(reading.users) == users


@pytest.mark.parametrize(("users", "more"), [(10, 1), (1_000, 50)])
async def test_methods_of_every_user_cost_one_request_for_20(reporting: Reporting, users: int, more: int) -> None:
    tenant = reporting.crowd(1, users, premium=False)
    plain = (await reporting.read(tenant)).requests
    reading = await reporting.read(tenant, methods_per_user=True)
    assert reading.requests == plain + more
    assert reporting.requests(tenant) == plain + reading.requests
    assert all(facts.mfa_status and facts.mfa_methods for facts in reading.facts.values())


@pytest.mark.parametrize("mixed", [True, False])
async def test_ids_and_names_in_other_letters(reporting: Reporting, mixed: bool) -> None:
    reporting.switch(mixed_case_ids=mixed, mixed_case_names=mixed)
    premium = await reporting.read(reporting.crowd(1, 30, premium=True))
    plain = await reporting.read(reporting.crowd(2, 30, premium=False))
    assert all(facts.mfa_status for facts in premium.facts.values())
    assert sum(facts.last_activity is not None for facts in plain.facts.values()) == 30
    assert all(sku_id == sku_id.lower() for user in premium.users for sku_id in user.sku_ids)
    assert premium.part_numbers[PREMIUM] == "SPB"
    assert any(PREMIUM in user.sku_ids for user in premium.users)


async def test_a_report_that_is_empty_says_nothing_about_anybody(reporting: Reporting) -> None:
    reporting.switch(registration_report="empty", usage_report="empty")
    premium = await reporting.read(reporting.crowd(1, 30, premium=True))
    assert {facts.mfa_status for facts in premium.facts.values()} == {None}
    assert all(facts.why_unknown for facts in premium.facts.values())
    plain = await reporting.read(reporting.crowd(2, 30, premium=False))
    assert {facts.last_activity for facts in plain.facts.values()} == {None}
    assert "usage report is empty" in plain.unknown[-1]


@pytest.mark.parametrize("how", ["refused", "unknown"])
async def test_the_per_user_state_is_refused_or_gone(reporting: Reporting, how: str) -> None:
    reporting.switch(per_user_mfa=how)
    tenant = reporting.crowd(1, 30, premium=False)
    reading = await reporting.read(tenant)
    assert {facts.mfa_status for facts in reading.facts.values()} == {None}
    assert reading.unknown[0].startswith("The per-user MFA state is unknown")
    assert reading.requests == reporting.requests(tenant) == 5


async def test_secure_score_and_what_microsoft_counts(reporting: Reporting) -> None:
    tenant = reporting.crowd(1, 10, premium=True)
    score = (await reporting.read(tenant)).secure_score
    assert score is not None
    assert tenant.score is not None
    assert (score.current, score.maximum) == (tenant.score.current, tenant.score.maximum)
    assert score.licensed_users is not None
    assert score.licensed_users >= 500_000  # as it was seen in the field; what it is worth is for the totals to say
    reporting.switch(secure_score="none")
    assert (await reporting.read(tenant)).secure_score is None


async def test_a_request_may_take_a_longer_body_than_others(reporting: Reporting) -> None:
    """A usage report of 100,000 users is some 30 MiB, three times what any other answer may be."""

    async def long(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * (MAX_BODY + 1))

    async with stub_server(long) as stub:
        with pytest.raises(Transient) as failure:
            await reporting.http.send(Request("graph", "GET", stub.base_url, "/"))
        answer = await reporting.http.send(Request("graph", "GET", stub.base_url, "/", largest=MAX_BODY + 1))
    assert failure.value.code == "answer_too_large"
    assert len(answer.body) == MAX_BODY + 1


# --- the story ------------------------------------------------------------------------------------------------


async def told(reporting: Reporting, domain: str) -> tuple[TenantReading, dict[str, Facts]]:
    tenants: dict[str, Tenant] = {one.default_domain: one for one in reporting.world.microsoft.tenants.values()}
    reporting.switch(registration_delay_s=0.0)
    reading = await reporting.read(tenants[domain])
    by_name = {user.user_principal_name or "": user for user in reading.users}
    unknown = Facts(reading.began)
    return reading, {name: reading.facts.get(user.id, unknown) for name, user in by_name.items()}


async def test_the_tenant_with_entra_id_p1(reporting: Reporting) -> None:
    reading, facts = await told(reporting, "harborlane.test")
    assert reading.premium is True
    assert reading.unknown == ()
    white = facts["awhite@harborlane.test"]
    assert white.mfa_status == "enabled"
    assert white.mfa_methods == "Authenticator (push), Authenticator app code (TOTP), Phone (mobile)"
    assert white.last_activity is not None
    assert facts["marco.silva@harborlane.test"].mfa_methods == "Phone (mobile)"
    assert facts["irene.novak@harborlane.test"].mfa_status == "disabled"
    assert facts["irene.novak@harborlane.test"].mfa_methods == "None"
    assert facts["sam.lee@harborlane.test"].mfa_methods == "Holographic Badge"
    assert facts["priya.nair@harborlane.test"].mfa_status == "disabled"  # registered, but not allowed
    assert "no row" in facts["jose.garcia@harborlane.test"].why_unknown
    assert facts["helen.ward@harborlane.test"].last_activity is None  # the year 1
    assert "guest" in facts["lab_brightlab.example#EXT#@harborlane.test"].why_unknown


async def test_the_tenant_without(reporting: Reporting) -> None:
    reading, facts = await told(reporting, "alpenrose.example")
    assert reading.premium is False
    mia = facts["mia.keller@alpenrose.example"]
    assert (mia.mfa_status, mia.mfa_methods) == ("enabled", None)
    assert mia.last_activity is not None
    assert facts["tom.fisher@alpenrose.example"].mfa_status == "disabled"


async def test_the_tenant_that_tells_nothing(reporting: Reporting) -> None:
    reading, facts = await told(reporting, "juniper.example")
    assert reading.premium is False
    assert {(said.mfa_status, said.mfa_methods, said.last_activity) for said in facts.values()} == {(None, None, None)}
    assert any("conceals names" in sentence for sentence in reading.unknown)
    assert any(sentence.startswith("Secure Score is unknown") for sentence in reading.unknown)
