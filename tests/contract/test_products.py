"""Products: the lines of `shared/ports.py`, over the fake and over real HTTP against the simulated Microsoft."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest

from shared.adapters.graph.products import GraphProducts
from shared.domain.errors import StopTheLine, SyncError, Transient
from shared.ports import Products
from tests.support.fake_probe import FakeProducts
from tests.support.reporting import Reporting, open_reporting


class Harness(Protocol):
    """Two tenants: one with Entra ID P1, one without."""

    products: Products
    with_p1: str
    without: str

    def hide(self) -> None: ...
    def fail(self) -> None: ...


class FakeHarness:
    with_p1, without = "a", "b"

    def __init__(self) -> None:
        self._fake = FakeProducts({"a": True, "b": False})
        self.products: Products = self._fake

    def hide(self) -> None:
        self._fake.premium["a"] = None

    def fail(self) -> None:
        self._fake.failure = Transient("graph", "service_fault")


class SandboxHarness:
    def __init__(self, reporting: Reporting) -> None:
        self._microsoft = reporting.world.microsoft
        self._tenant = reporting.crowd(1, 1, premium=True)
        self.with_p1 = self._tenant.tenant_id
        self.without = reporting.crowd(2, 1, premium=False).tenant_id
        self.products: Products = GraphProducts(reporting.http, reporting.tokens, self._microsoft.graph_url)

    def hide(self) -> None:
        self._tenant.roles = ("User.Read.All",)

    def fail(self) -> None:
        self._microsoft.switches.add_fault(service="graph", path="subscribedSkus", status=503)


@pytest.fixture(params=["fake", "graph"])
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    if request.param == "fake":
        yield FakeHarness()
        return
    async with open_reporting(tmp_path) as reporting:
        yield SandboxHarness(reporting)


async def test_whether_the_tenant_holds_p1(harness: Harness) -> None:
    """Whether the tenant holds Entra ID P1 or P2."""
    assert await harness.products.has_premium(harness.with_p1) is True
    assert await harness.products.has_premium(harness.without) is False


async def test_give_none_when_a_permission_to_tell_is_missing(harness: Harness) -> None:
    """must: give None when a permission to tell is missing"""
    harness.hide()
    assert await harness.products.has_premium(harness.with_p1) is None


async def test_an_outage_is_no_missing_permission(harness: Harness) -> None:
    harness.fail()
    with pytest.raises(SyncError) as caught:
        await harness.products.has_premium(harness.with_p1)
    assert not isinstance(caught.value, StopTheLine)
