"""UserChanges: the lines of `shared/ports.py`, over the fake and over real HTTP against the simulated Microsoft."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

from sandbox.microsoft import Microsoft, Switches
from sandbox.microsoft.switches import Fault
from shared.adapters.graph.auth import TokenSource
from shared.adapters.graph.changes import GraphUserChanges
from shared.adapters.graph.credentials import ClientSecret
from shared.adapters.http import open_http
from shared.domain.errors import SyncError, Transient
from shared.ports import RESYNC, UserChanges
from tests.support.clock import FixedClock
from tests.support.fake_changes import FakeUserChanges
from tests.support.fake_vendors import FakeDirectory
from tests.support.microsoft import CONTOSO as TENANT

CROWD = 450  # more than two pages
HARSH = {"delta_lag_s": 0.0, "delta_page_size": 200, "delta_empty_page_rate": 1.0, "delta_repeat_rate": 0.5}


class Harness(Protocol):
    """One adapter with a tenant of `CROWD` people. `requests`: made since the last look at it."""

    @property
    def changes(self) -> UserChanges: ...

    @property
    def people(self) -> Sequence[str]: ...

    async def change(self, user_ids: Sequence[str]) -> None: ...
    async def void(self) -> None: ...
    async def fail_midway(self) -> None:
        """What is asked next fails, after its first page where it has several."""

    def requests(self) -> int: ...


class FakeHarness:
    def __init__(self) -> None:
        clock = FixedClock()
        self.changes = FakeUserChanges(clock, FakeDirectory(clock))
        self.people = [f"user-{number}" for number in range(CROWD)]

    async def change(self, user_ids: Sequence[str]) -> None:
        self.changes.touch(TENANT, [*user_ids, *user_ids[:3]])

    async def void(self) -> None:
        self.changes.void.add(TENANT)

    async def fail_midway(self) -> None:
        self.changes.failures.append(Transient("graph", "service_fault"))

    def requests(self) -> int:
        made = len(self.changes.requests)
        self.changes.requests.clear()
        return made


class GraphHarness:
    def __init__(self, microsoft: Microsoft, changes: GraphUserChanges) -> None:
        self._microsoft = microsoft
        self.changes = changes
        upns = [f"person{number}@contoso.com" for number in range(CROWD)]
        self.people = [
            str(microsoft.seed_user(TENANT, displayName="Somebody", userPrincipalName=upn, mail=upn)["id"])
            for upn in upns
        ]

    async def change(self, user_ids: Sequence[str]) -> None:
        for user_id in user_ids:
            self._microsoft.tenants[TENANT].directory.update(user_id, {"jobTitle": "Chief"})

    async def void(self) -> None:
        self._microsoft.switches.delta_resets = 1

    async def fail_midway(self) -> None:
        first, second = Fault(path="users/delta", status=0), Fault(path="users/delta", status=503)
        self._microsoft.switches.faults += [first, second]

    def requests(self) -> int:
        made = sum("/users/delta" in call.path for call in self._microsoft.calls)
        self._microsoft.calls.clear()
        return made


@asynccontextmanager
async def graph(tmp_path: Path) -> AsyncIterator[GraphHarness]:
    switches = Switches()
    switches.change({"throttling": False, "delivery": False, "replication_lag_s": 0.0} | HARSH)
    microsoft = Microsoft(tmp_path, switches=switches, seed=7)
    microsoft.add_tenant(TENANT, "Contoso", "contoso.onmicrosoft.com", ["contoso.com"])
    await microsoft.start()
    tokens = TokenSource(
        microsoft.app_id, ClientSecret(microsoft.app_secret), microsoft.login_url, ca_file=microsoft.ca_file
    )
    try:
        async with open_http("entra-syncro/test") as http:
            yield GraphHarness(microsoft, GraphUserChanges(http, tokens, microsoft.graph_url))
    finally:
        await tokens.aclose()
        await microsoft.stop()


@pytest.fixture(params=["fake", "graph"])
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    if request.param == "fake":
        yield FakeHarness()
        return
    async with graph(tmp_path) as opened:
        yield opened


async def test_a_link_from_which_on_changes_are_told(harness: Harness) -> None:
    before, after = harness.people[:2]
    await harness.change([before])
    link = await harness.changes.now(TENANT)
    await harness.change([after])
    changed = await harness.changes.since(TENANT, link)
    assert changed.user_ids == (after,)
    assert (await harness.changes.since(TENANT, changed.link)).user_ids == ()


async def test_cost_one_request_however_many_users_there_are(harness: Harness) -> None:
    harness.requests()
    await harness.changes.now(TENANT)
    assert harness.requests() == 1


async def test_give_every_user_that_changed_once(harness: Harness) -> None:
    link = await harness.changes.now(TENANT)
    await harness.change(harness.people)
    harness.requests()
    changed = await harness.changes.since(TENANT, link)
    assert sorted(changed.user_ids) == sorted(harness.people)
    assert harness.requests() == changed.requests


async def test_or_raise_and_never_end_early_as_if_it_were_complete(harness: Harness) -> None:
    """And the same link tells all of it again."""
    link = await harness.changes.now(TENANT)
    await harness.change(harness.people[:250])
    await harness.fail_midway()
    with pytest.raises(SyncError):
        await harness.changes.since(TENANT, link)
    assert set((await harness.changes.since(TENANT, link)).user_ids) == set(harness.people[:250])


async def test_raise_transient_resync_required_when_the_link_is_void(harness: Harness) -> None:
    link = await harness.changes.now(TENANT)
    await harness.void()
    with pytest.raises(Transient) as caught:
        await harness.changes.since(TENANT, link)
    assert caught.value.code == RESYNC == "resync_required"
    await harness.change(harness.people[:1])
    assert await harness.changes.now(TENANT)
