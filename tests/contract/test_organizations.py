"""Organizations: the lines of `shared/ports.py`, over the fake and over real HTTP against the simulated Microsoft."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from shared.adapters.graph.organization import GraphOrganizations
from shared.domain.errors import Scope, StopTheLine
from shared.domain.onboarding import Organization
from shared.ports import Organizations
from tests.support.fake_onboarding import FakeOrganizations
from tests.support.reporting import Reporting, open_reporting

CONTOSO = Organization(
    "99999999-0000-4000-8000-000000000001", "Contoso", ("contoso.example", "contoso.onmicrosoft.com", "other.example")
)
FABRIKAM = Organization("99999999-0000-4000-8000-000000000002", "Fabrikam", ("fabrikam.example",))


class Harness(Protocol):
    """Two tenants behind an `Organizations`, both with our consent."""

    @property
    def organizations(self) -> Organizations: ...

    def revoke(self, tenant_id: str) -> None: ...


@dataclass
class FakeHarness:
    organizations: FakeOrganizations

    def revoke(self, tenant_id: str) -> None:
        del self.organizations.known[tenant_id]


class SandboxHarness:
    def __init__(self, reporting: Reporting) -> None:
        self._microsoft = reporting.world.microsoft
        for each in (CONTOSO, FABRIKAM):
            mixed = [domain.title() for domain in each.domains]
            self._microsoft.add_tenant(each.tenant_id, each.name, mixed[0], mixed[1:])
        self.organizations = GraphOrganizations(reporting.http, reporting.tokens, self._microsoft.graph_url)

    def revoke(self, tenant_id: str) -> None:
        self._microsoft.tenants[tenant_id].consented = False


@pytest.fixture(params=["fake", "graph"])
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    if request.param == "fake":
        yield FakeHarness(FakeOrganizations({each.tenant_id: each for each in (CONTOSO, FABRIKAM)}))
        return
    async with open_reporting(tmp_path) as reporting:
        yield SandboxHarness(reporting)


async def test_what_the_tenant_says_of_itself(harness: Harness) -> None:
    """Domains in lower case, the default one first."""
    assert await harness.organizations.organization(CONTOSO.tenant_id) == CONTOSO


async def test_by_a_token_of_that_tenant(harness: Harness) -> None:
    """Asked one after the other, each answers for itself."""
    for each in (FABRIKAM, CONTOSO, FABRIKAM):
        assert (await harness.organizations.organization(each.tenant_id)).name == each.name


async def test_raise_stop_the_line_of_the_tenant_without_consent(harness: Harness) -> None:
    harness.revoke(CONTOSO.tenant_id)
    with pytest.raises(StopTheLine) as failure:
        await harness.organizations.organization(CONTOSO.tenant_id)
    assert (failure.value.scope, failure.value.code) == (Scope.TENANT, "consent_missing")
    assert await harness.organizations.organization(FABRIKAM.tenant_id) == FABRIKAM
