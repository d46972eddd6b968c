"""TenantFinder: the lines of `shared/ports.py`, over the fake and over TLS against the simulated sign-in service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from sandbox.microsoft import Microsoft
from sandbox.world import World
from shared.adapters.graph.finder import OpenIdFinder
from shared.adapters.http import open_http
from shared.domain.errors import SyncError, Transient
from shared.ports import TenantFinder
from tests.support.fake_onboarding import FakeFinder

TENANT = "99999999-0000-4000-8000-000000000001"
DOMAINS = ("contoso.example", "other.example")


class Harness(Protocol):
    """One tenant without our consent, which holds two domains, behind a `TenantFinder`."""

    @property
    def finder(self) -> TenantFinder: ...

    def fail(self) -> None: ...


@dataclass
class FakeHarness:
    finder: FakeFinder

    def fail(self) -> None:
        self.finder.failure = Transient("login", "login_unavailable")


@dataclass
class SandboxHarness:
    finder: OpenIdFinder
    microsoft: Microsoft

    def fail(self) -> None:
        self.microsoft.switches.add_fault(service="login", path="openid", status=503)


@pytest.fixture(params=["fake", "login"])
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    if request.param == "fake":
        yield FakeHarness(FakeFinder(dict.fromkeys(DOMAINS, TENANT)))
        return
    async with World.open(tmp_path) as world, open_http("entra-syncro/test", world.microsoft.ca_file) as http:
        world.microsoft.add_tenant(TENANT, "Contoso", DOMAINS[0], DOMAINS[1:], consented=False)
        yield SandboxHarness(OpenIdFinder(http, world.microsoft.login_url), world.microsoft)


@pytest.mark.parametrize("domain", DOMAINS)
async def test_the_tenant_that_holds_a_domain_without_any_consent(harness: Harness, domain: str) -> None:
    assert await harness.finder.tenant_of(domain) == TENANT


async def test_give_none_when_microsoft_says_that_no_tenant_holds_it(harness: Harness) -> None:
    assert await harness.finder.tenant_of("nobody.example") is None


async def test_and_only_then(harness: Harness) -> None:
    harness.fail()
    with pytest.raises(SyncError):
        await harness.finder.tenant_of("nobody.example")
