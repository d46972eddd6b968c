"""TenantReports: the lines of `shared/ports.py`, over real HTTP against the simulated Microsoft."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.domain.errors import SyncError
from tests.support.reporting import Reporting, open_reporting

MORE_THAN_A_PAGE = 1_100


@pytest.fixture
async def reporting(tmp_path: Path) -> AsyncIterator[Reporting]:
    async with open_reporting(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("premium", [True, False])
async def test_give_every_user_once(reporting: Reporting, premium: bool) -> None:
    tenant = reporting.crowd(1, MORE_THAN_A_PAGE, premium=premium)
    reporting.switch(empty_pages=1)
    reading = await reporting.read(tenant)
    ids = [user.id for user in reading.users]
    assert len(ids) == len(set(ids)) == MORE_THAN_A_PAGE
    assert set(reading.facts) <= set(ids)


@pytest.mark.parametrize("premium", [True, False])
async def test_or_raise_and_never_end_early_as_if_it_were_complete(reporting: Reporting, premium: bool) -> None:
    """The first page comes every time, and its next link is dead."""
    tenant = reporting.crowd(1, MORE_THAN_A_PAGE, premium=premium)
    reporting.switch(page_token_life_s=-1.0)
    with pytest.raises(SyncError):
        await reporting.read(tenant)


@pytest.mark.parametrize(
    ("premium", "role", "lost"),
    [
        (True, "AuditLog.Read.All", {"mfa_status", "mfa_methods", "last_activity"}),
        (False, "Reports.Read.All", {"mfa_methods", "last_activity"}),
        (False, "Policy.Read.All", {"mfa_status", "mfa_methods"}),
    ],
)
async def test_leave_unknown_what_a_report_could_not_say_with_its_reason_and_go_on(
    reporting: Reporting, premium: bool, role: str, lost: set[str]
) -> None:
    tenant = reporting.crowd(1, 30, premium=premium)
    tenant.roles = tuple(known for known in tenant.roles if known != role)
    reading = await reporting.read(tenant)
    assert len(reading.users) == 30
    assert any(role in sentence for sentence in reading.unknown)
    for name in ("mfa_status", "mfa_methods", "last_activity"):
        told = {getattr(facts, name) for facts in reading.facts.values()} - {None}
        # per-user states that say "enforced" would still be known, were they not refused with the rest
        assert (not told) == (name in lost), name


async def test_leave_unknown_what_a_tenant_conceals(reporting: Reporting) -> None:
    tenant = reporting.crowd(1, 30, premium=False)
    tenant.names_concealed = True
    reading = await reporting.read(tenant)
    assert {facts.last_activity for facts in reading.facts.values()} == {None}
    assert "conceals names" in reading.unknown[-1]


@pytest.mark.parametrize("premium", [True, False])
async def test_leave_unknown_what_the_tenant_has_no_attribute_for_with_its_reason_and_go_on(
    reporting: Reporting, premium: bool
) -> None:
    """And read what it has, `also` what no saved rule asks for."""
    tenant = reporting.crowd(1, 30, premium=premium)
    ours, more, other = (f"extension_{'0a' * 16}_{name}" for name in ("badge", "grade", "typo"))
    user = reporting.world.microsoft.seed_user(
        tenant.tenant_id, displayName="Badged", userPrincipalName=f"b@{tenant.default_domain}", **{ours: 7, more: "B"}
    )
    tenant.directory.settle()
    reading = await reporting.read(tenant, wanted=[ours, other], also=[more])
    assert len(reading.users) == 31
    assert {each.lacking for each in reading.users} == {(other,)}
    assert {each.id: each.extensions for each in reading.users if each.extensions} == {
        user["id"]: {ours: "7", more: "B"}
    }
    assert [told for told in reading.unknown if other in told]


async def test_never_take_a_refusal_for_no_mfa(reporting: Reporting) -> None:
    tenant = reporting.crowd(1, 30, premium=True)
    reporting.switch(false_non_premium=2)
    reading = await reporting.read(tenant)
    assert {facts.mfa_status for facts in reading.facts.values()} <= {None}
    assert len(reading.unknown) == 2


async def test_never_take_a_refusal_for_no_activity(reporting: Reporting) -> None:
    tenant = reporting.crowd(1, 30, premium=True)
    reporting.switch(false_non_premium=1)
    reading = await reporting.read(tenant)
    assert {facts.last_activity for facts in reading.facts.values()} == {None}
    assert {facts.mfa_status for facts in reading.facts.values()} >= {"enabled"}
    assert reading.premium is True


async def test_never_take_a_refusal_for_no_entra_id_p1(reporting: Reporting) -> None:
    tenant = reporting.crowd(1, 30, premium=True)
    tenant.roles = ("User.Read.All", "AuditLog.Read.All", "Reports.Read.All", "Policy.Read.All")
    reading = await reporting.read(tenant)
    assert reading.premium is None
    assert reading.facts == {}
    assert len(reading.users) == 30


async def test_may_wait_where_graph_limits_the_requests(reporting: Reporting) -> None:
    """Only the windows of the limits are short: 10 pages with sign-in dates, 5 of the report; here are 12 and 6."""
    tenant = reporting.crowd(1, 600, premium=True)
    reporting.switch(throttling=True, limit_window_divisor=40.0)
    readings = [await reporting.read(tenant) for _ in range(6)]
    for reading in readings:
        assert len(reading.users) == 600
        assert {facts.mfa_status for facts in reading.facts.values()} == {"enabled", "disabled"}
        assert reading.unknown == ()
    assert sum(reading.requests for reading in readings) > 6 * 4
