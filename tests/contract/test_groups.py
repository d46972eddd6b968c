"""Groups: the lines of `shared/ports.py`, over the fake and over real HTTP against the simulated Microsoft."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from sandbox.microsoft.tenant import Tenant
from shared.adapters.graph.groups import GraphGroups
from shared.domain.errors import Scope, StopTheLine, SyncError, Transient
from shared.domain.user import DirectoryUser
from shared.ports import Groups
from tests.support.fakes import World
from tests.support.reporting import Reporting, open_reporting

MORE_THAN_A_PAGE = 1_100
A, B, C, NOWHERE = (f"0000000{number}-0000-4000-8000-000000000000" for number in (1, 2, 3, 9))


class Harness(Protocol):
    """One tenant with many users behind a `Groups`."""

    groups: Groups
    tenant: str
    users: Sequence[str]

    def put(self, group_id: str, *members: str) -> None: ...
    def hide(self) -> None: ...
    def fail(self) -> None: ...


@dataclass
class FakeHarness:
    world: World
    tenant: str = "tenant-a"

    def __post_init__(self) -> None:
        self.groups: Groups = self.world.groups
        self.users: Sequence[str] = [f"u{number}" for number in range(MORE_THAN_A_PAGE)]
        for user_id in self.users:
            self.world.directory.put(self.tenant, DirectoryUser(user_id))

    def put(self, group_id: str, *members: str) -> None:
        self.world.groups.put(self.tenant, group_id, *members)

    def hide(self) -> None:
        self.world.groups.hidden.add(self.tenant)

    def fail(self) -> None:
        self.world.groups.failures.append(Transient("graph", "service_fault"))


class SandboxHarness:
    def __init__(self, reporting: Reporting) -> None:
        self._microsoft = reporting.world.microsoft
        self._tenant: Tenant = reporting.crowd(1, MORE_THAN_A_PAGE, premium=False)
        self.tenant = self._tenant.tenant_id
        self.users: Sequence[str] = [one.state["id"] for one in self._tenant.directory.all_seen(float("inf"))]
        self.groups: Groups = GraphGroups(reporting.http, reporting.tokens, self._microsoft.graph_url)

    def put(self, group_id: str, *members: str) -> None:
        self._tenant.groups[group_id] = frozenset(members)

    def hide(self) -> None:
        self._tenant.roles = ("User.Read.All",)

    def fail(self) -> None:
        """The first page comes (a fault without a status does nothing), nothing after it."""
        self._microsoft.switches.add_fault(service="graph", path="transitiveMembers", status=0)
        self._microsoft.switches.add_fault(service="graph", path="transitiveMembers", status=503)
        self._microsoft.switches.add_fault(service="graph", path="checkMemberGroups", status=503)


@pytest.fixture(params=["fake", "graph"])
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    if request.param == "fake":
        yield FakeHarness(World())
        return
    async with open_reporting(tmp_path) as reporting:
        yield SandboxHarness(reporting)


async def test_give_every_member_or_raise_through_nested_groups_too(harness: Harness) -> None:
    harness.put(A, *harness.users[:1_050], B)
    harness.put(B, *harness.users[1_050:], A)
    harness.put(C, harness.users[0])
    found = await harness.groups.members(harness.tenant, [A, C])
    assert found == {A: frozenset(harness.users), C: frozenset(harness.users[:1])}


async def test_never_end_early_as_if_it_were_complete(harness: Harness) -> None:
    """The first page came, the second does not."""
    harness.put(A, *harness.users)
    harness.fail()
    with pytest.raises(SyncError):
        await harness.groups.members(harness.tenant, [A])


async def test_leave_out_a_group_that_the_tenant_does_not_have(harness: Harness) -> None:
    harness.put(A)
    assert await harness.groups.members(harness.tenant, [A, NOWHERE]) == {A: frozenset()}


async def test_answer_for_every_id_asked(harness: Harness) -> None:
    """45 users and 25 groups: more than one call has room for, and more than one question."""
    groups = [f"000000{number:02}-0000-4000-8000-000000000000" for number in range(10, 35)]
    for number, group_id in enumerate(groups):
        harness.put(group_id, harness.users[number])
    asked = harness.users[:45]
    found = await harness.groups.of_users(harness.tenant, asked, groups)
    assert found == {user: frozenset(groups[number : number + 1]) for number, user in enumerate(asked)}


async def test_or_raise(harness: Harness) -> None:
    harness.put(A, *harness.users)
    harness.fail()
    with pytest.raises(SyncError):
        await harness.groups.of_users(harness.tenant, harness.users[:2], [A])


async def test_a_user_or_a_group_that_is_not_there_has_no_membership(harness: Harness) -> None:
    harness.put(A, *harness.users[:2])
    asked = [harness.users[0], NOWHERE]
    found = await harness.groups.of_users(harness.tenant, asked, [NOWHERE, A])
    assert found == {harness.users[0]: frozenset({A}), NOWHERE: frozenset()}


async def test_both_ways_of_asking_say_the_same(harness: Harness) -> None:
    harness.put(A, harness.users[0], B)
    harness.put(B, harness.users[1], C)
    harness.put(C, harness.users[2])
    users, groups = harness.users[:5], [A, B, C]
    members = await harness.groups.members(harness.tenant, groups)
    of_users = await harness.groups.of_users(harness.tenant, users, groups)
    assert {user: frozenset(group for group in groups if user in members[group]) for user in users} == of_users


async def test_raise_stop_the_line_where_the_tenant_does_not_let_us_see_groups(harness: Harness) -> None:
    harness.put(A, *harness.users)
    harness.hide()
    with pytest.raises(StopTheLine) as whole:
        await harness.groups.members(harness.tenant, [A])
    with pytest.raises(StopTheLine) as some:
        await harness.groups.of_users(harness.tenant, harness.users[:1], [A])
    for told in (whole.value, some.value):
        assert (told.code, told.scope) == ("permission_missing", Scope.TENANT)
