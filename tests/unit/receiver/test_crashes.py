"""Death at each await of create, renew, rotate, take over, recreate, sweep and drop: the next process ends with one
good subscription, no orphan and no gap, whether the memory was kept or wiped. And broken builds are found out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from receiver.addresses import Standing
from receiver.notes import Notes
from receiver.rotation import Rotation
from receiver.subscriptions import Kept, SubscriptionKeeper
from shared.domain.errors import SyncError, Transient
from tests.support.clock import FixedClock
from tests.support.receiver import SECRETS, TENANT
from tests.support.registrar import HOST, LIFE, Killed, Parts

OLD = {1: SECRETS[1]}
MOVED = "https://moved.example.net"
DAY = 86_400.0


class Bench(Parts):
    clock: FixedClock

    def __init__(self) -> None:
        super().__init__(FixedClock())
        self.host = HOST

    def newest(self) -> SubscriptionKeeper:
        return self.restarted(host=self.host)

    async def live(self, keeper: SubscriptionKeeper, passes: int = 6) -> Kept | None:
        """What the registrar does, look after look."""
        kept = None
        for _ in range(passes):
            try:
                kept = await keeper.ensure(TENANT, self.lease)
                if TENANT in keeper.unswept:
                    await keeper.sweep(TENANT, self.lease)
            except SyncError:
                kept = None
            self.clock.advance(60)
        return kept

    async def established(self, secrets: dict[int, bytes]) -> None:
        await self.live(self.restarted(secrets), passes=1)
        self.clock.advance(DAY)


@dataclass(frozen=True)
class Story:
    """`gapless`: there was a living one before, so there must be one at every moment."""

    name: str
    before: Callable[[Bench], Awaitable[None]]
    gapless: bool = True

    def __str__(self) -> str:
        return self.name


async def nothing(bench: Bench) -> None:
    pass


async def old_one(bench: Bench) -> None:
    await bench.established(SECRETS)
    bench.clock.advance(15 * DAY)


async def old_one_granted_short(bench: Bench) -> None:
    await old_one(bench)
    bench.graph.grants = timedelta(days=10)


async def signed_by_the_old_secret(bench: Bench) -> None:
    await bench.established(OLD)


async def at_the_old_address(bench: Bench) -> None:
    await bench.established(SECRETS)
    bench.host = MOVED


async def orphan(bench: Bench) -> None:
    await bench.established(SECRETS)
    bench.memory.wipe()


async def outdated_orphan(bench: Bench) -> None:
    await bench.established(OLD)
    bench.memory.wipe()


async def vanished(bench: Bench) -> None:
    await bench.established(SECRETS)
    bench.graph.lose(TENANT)


async def of_other_kinds(bench: Bench) -> None:
    await bench.established(SECRETS)
    poor = replace(bench.graph.the(TENANT), change_type="created,updated")
    bench.graph.lose(TENANT)
    bench.graph.put(TENANT, poor)


async def with_a_bridge_left(bench: Bench) -> None:
    await bench.established(SECRETS)
    bench.graph.put(TENANT, replace(bench.graph.the(TENANT), id="left", change_type="updated"))
    await Notes(bench.memory, bench.clock).unswept(TENANT)


STORIES = [
    Story("create", nothing, gapless=False),
    Story("renew", old_one),
    Story("renew, granted short", old_one_granted_short),
    Story("rotate", signed_by_the_old_secret),
    Story("move", at_the_old_address),
    Story("take over", orphan),
    Story("take over and rotate", outdated_orphan),
    Story("recreate", vanished, gapless=False),
    Story("replace other kinds", of_other_kinds),
    Story("sweep", with_a_bridge_left),
]


async def dies(bench: Bench, at: int, death: type[BaseException] = Killed) -> bool:
    """One process that dies at its `at`-th await. False: it had fewer, and lived."""
    bench.steps.doom(at, death)
    try:
        await bench.live(bench.newest(), passes=1)
    except (Killed, asyncio.CancelledError):
        return True
    finally:
        bench.steps.live()
    return False


async def ends_well(bench: Bench, *, gapless: bool) -> None:
    keeper = bench.newest()
    kept = await bench.live(keeper)
    assert kept is not None, "never at peace"
    [only] = bench.graph.all(TENANT)
    assert keeper._addresses.judge(only) is Standing.CURRENT
    assert only.id == kept.subscription_id
    assert only.expires_at - bench.clock.now() > timedelta(days=9)
    assert bench.graph.hasty == []
    assert not gapless or bench.graph.dark == []
    assert keeper.unswept == {}


async def crash_everywhere(story: Story, *, wiped: bool, death: type[BaseException] = Killed) -> int:
    """Gives how many awaits there were to die at."""
    at = 0
    while True:
        at += 1
        bench = Bench()
        await story.before(bench)
        if not await dies(bench, at, death):
            return at - 1
        if wiped:
            bench.memory.wipe()
        await ends_well(bench, gapless=story.gapless)


@pytest.mark.parametrize("death", [Killed, asyncio.CancelledError], ids=["killed", "cancelled"])
@pytest.mark.parametrize("wiped", [False, True], ids=["memory kept", "memory wiped"])
@pytest.mark.parametrize("story", STORIES, ids=str)
async def test_death_at_any_await_ends_with_one_good_subscription(
    story: Story, wiped: bool, death: type[BaseException]
) -> None:
    assert await crash_everywhere(story, wiped=wiped, death=death) >= 6


@pytest.mark.parametrize("wiped", [False, True], ids=["memory kept", "memory wiped"])
async def test_two_deaths_in_a_row_end_no_worse(wiped: bool) -> None:
    deaths = 0
    for first in range(1, 60):
        for second in range(1, 60, 2):
            bench = Bench()
            await signed_by_the_old_secret(bench)
            if not await dies(bench, first):
                assert deaths > 200
                return
            if wiped:
                bench.memory.wipe()
            deaths += await dies(bench, second)
            await ends_well(bench, gapless=True)


@pytest.mark.parametrize("wiped", [False, True], ids=["memory kept", "memory wiped"])
async def test_death_at_any_await_of_a_drop_leaves_nothing_behind(wiped: bool) -> None:
    for at in range(1, 60):
        bench = Bench()
        await bench.established(SECRETS)
        keeper = bench.newest()
        bench.steps.doom(at)
        try:
            await keeper.drop(TENANT, bench.lease)
        except Killed:
            pass
        else:
            assert at > 5
            return
        bench.steps.live()
        if wiped:
            bench.memory.wipe()
        after = bench.newest()
        await after.drop(TENANT, bench.lease)
        if TENANT in after.unswept:
            await after.sweep(TENANT, bench.lease)
        assert bench.graph.all(TENANT) == []
    raise AssertionError("it never came through")


# --- builds that are broken on purpose --------------------------------------------------------------------------------


async def _nothing_at_all(*_: Any, **__: Any) -> None:
    pass


async def _without_adopting(self: SubscriptionKeeper, tenant: str, subscription_id: str, lease: Any) -> Kept:
    raise Transient("graph", "subscription_still_exists")


async def _bridge_last(self: Rotation, tenant_id: str, old_id: str, lease: Any) -> Any:
    await self._writes.delete(tenant_id, old_id)
    await self._build(tenant_id, lease)
    return await self._maker.make(tenant_id, lease)


@pytest.mark.parametrize(
    ("story", "wiped", "owner", "method", "broken"),
    [
        (STORIES[3], False, Rotation, "_build", _nothing_at_all),  # no bridge: a gap
        (STORIES[3], False, Rotation, "replace", _bridge_last),  # the old one goes first: a gap
        (STORIES[3], False, Notes, "unswept", _nothing_at_all),  # no trace before the bridge: an orphan
        (STORIES[0], True, SubscriptionKeeper, "_take_over", _without_adopting),  # a duplicate blocks for 28 days
        (STORIES[2], False, Notes, "renewed", _nothing_at_all),  # renewed again right after a crash
        (STORIES[9], False, SubscriptionKeeper, "sweep", _nothing_at_all),  # nobody looks for what was left
    ],
)  # fmt: skip
async def test_a_broken_build_is_found_out(
    story: Story, wiped: bool, owner: type, method: str, broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, method, broken)
    with pytest.raises((AssertionError, ValueError)):
        await crash_everywhere(story, wiped=wiped)


def test_the_life_of_the_stories_is_that_of_the_product() -> None:
    assert timedelta(days=28) == LIFE
