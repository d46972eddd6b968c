"""One tenant's subscription: created once, renewed in time, taken over after a crash, replaced when it is not ours."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from receiver.client_state import verify
from shared.domain.door import DoorAnswer, DoorFault
from shared.domain.errors import Permanent, Scope, StopTheLine, SyncError, Transient
from shared.domain.watching import POLL_WANTED_KEY
from tests.support.clock import FixedClock
from tests.support.receiver import SECRETS, TENANT
from tests.support.registrar import HOST, LIFE, Parts

DAY = 86_400.0
OLD = {1: SECRETS[1]}


class Bench(Parts):
    clock: FixedClock

    def __init__(self) -> None:
        super().__init__(FixedClock())
        self.keeper = self.restarted()


async def test_a_new_tenant_gets_one_subscription_with_a_state_that_proves_it() -> None:
    bench = Bench()
    kept = await bench.keeper.ensure(TENANT, bench.lease)
    wish = bench.graph.wishes["sub-1"]
    assert bench.graph.verbs(TENANT) == ["create"]
    assert (wish.resource, wish.change_type) == ("users", "updated,deleted")
    assert wish.notification_url.startswith(f"{HOST}/graph/notifications?key=")
    assert wish.lifecycle_url.startswith(f"{HOST}/graph/lifecycle?key=")
    assert verify({2: SECRETS[2]}, TENANT, wish.client_state), "the newest secret signs"
    assert wish.expires_at - bench.clock.now() == LIFE
    assert (kept.subscription_id, kept.expires_at, kept.short_by) == ("sub-1", wish.expires_at, 0.0)
    assert kept.rest == LIFE.total_seconds() / 2


@pytest.mark.parametrize(("days", "verbs"), [(0, []), (13.9, []), (14.1, ["renew"]), (27.9, ["renew"])])
async def test_it_is_renewed_when_less_than_half_its_life_remains(days: float, verbs: list[str]) -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    bench.graph.calls.clear()
    bench.clock.advance(days * DAY)
    await bench.keeper.ensure(TENANT, bench.lease)
    assert bench.graph.verbs(TENANT) == ["get", *verbs]


@pytest.mark.parametrize("how", ["expired", "deleted"])
async def test_one_that_is_gone_is_created_anew_and_its_changes_are_asked_for(how: str) -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    bench.clock.advance(29 * DAY if how == "expired" else 3600.0)
    if how == "deleted":
        bench.graph.lose(TENANT)
    await bench.keeper.ensure(TENANT, bench.lease)
    assert bench.graph.the(TENANT).id == "sub-2"
    wanted = await bench.memory.recall(f"{POLL_WANTED_KEY}:{TENANT}")
    assert wanted is not None
    assert datetime.fromisoformat(wanted) == bench.clock.now()


async def test_one_that_vanished_right_before_its_renewal_is_created_anew() -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    bench.clock.advance(601)
    bench.graph.lose(TENANT)
    await bench.keeper.reauthorize(TENANT, "sub-1", bench.lease)
    assert bench.graph.the(TENANT).id == "sub-2"


async def test_a_crash_between_the_post_and_remembering_it_ends_in_a_take_over() -> None:
    bench = Bench()
    bench.graph.lose_answer = True
    with pytest.raises(Transient):
        await bench.keeper.ensure(TENANT, bench.lease)
    bench.clock.advance(60)
    kept = await bench.restarted().ensure(TENANT, bench.lease)
    assert kept.subscription_id == bench.graph.the(TENANT).id == "sub-1"
    assert bench.graph.verbs(TENANT) == ["create", "create", "get"]


async def test_a_wiped_memory_costs_a_take_over_and_nothing_else() -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    bench.memory.wipe()
    bench.graph.calls.clear()
    await bench.restarted().ensure(TENANT, bench.lease)
    assert bench.graph.verbs(TENANT) == ["create", "get"]
    bench.graph.calls.clear()
    await bench.keeper.ensure(TENANT, bench.lease)
    assert bench.graph.verbs(TENANT) == ["get"]


async def test_one_taken_over_late_is_renewed_but_not_at_once() -> None:
    """Nobody remembers whether it was renewed a minute ago."""
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    bench.clock.advance(20 * DAY)
    bench.memory.wipe()
    kept = await bench.restarted().ensure(TENANT, bench.lease)
    assert kept.rest == 600.0
    bench.clock.advance(kept.rest)
    await bench.keeper.ensure(TENANT, bench.lease)
    assert bench.graph.the(TENANT).expires_at == bench.clock.now() + LIFE


async def test_one_that_is_named_and_not_shown_is_deleted_only_when_that_lasts() -> None:
    """A server that has not heard of it yet must not cost a good one its life."""
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    bench.memory.wipe()
    bench.graph.hidden.add("sub-1")
    with pytest.raises(Transient):
        await bench.keeper.ensure(TENANT, bench.lease)
    bench.graph.hidden.clear()
    bench.clock.advance(15)
    assert (await bench.keeper.ensure(TENANT, bench.lease)).subscription_id == "sub-1"
    bench.memory.wipe()
    bench.graph.hidden.add("sub-1")
    with pytest.raises(Transient):
        await bench.keeper.ensure(TENANT, bench.lease)
    bench.clock.advance(15)
    assert (await bench.keeper.ensure(TENANT, bench.lease)).subscription_id == "sub-2"


# --- renewing -----------------------------------------------------------------------------------------------------


async def test_one_renewed_within_ten_minutes_is_left_alone() -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    bench.graph.calls.clear()
    for _ in range(3):
        await bench.keeper.reauthorize(TENANT, "sub-1", bench.lease)
    assert bench.graph.verbs(TENANT) == []
    bench.clock.advance(601)
    for _ in range(3):
        await bench.keeper.reauthorize(TENANT, "sub-1", bench.lease)
    assert bench.graph.verbs(TENANT) == ["renew"]


async def test_a_renewal_whose_answer_was_lost_is_not_repeated_within_ten_minutes() -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    bench.clock.advance(15 * DAY)
    bench.graph.lose_answer = True
    with pytest.raises(Transient):
        await bench.keeper.ensure(TENANT, bench.lease)
    # It happened; had it not, the next one would have to wait as well.
    bench.graph.put(TENANT, replace(bench.graph.the(TENANT), expires_at=bench.clock.now() + timedelta(days=13)))
    kept = await bench.keeper.ensure(TENANT, bench.lease)
    assert kept.rest == 600.0
    bench.clock.advance(kept.rest)
    await bench.keeper.ensure(TENANT, bench.lease)
    assert bench.graph.hasty == []
    assert bench.graph.verbs(TENANT).count("renew") == 2


async def test_a_renewal_that_was_refused_may_be_repeated_at_once() -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    bench.clock.advance(15 * DAY)
    bench.graph.failing[TENANT] = Transient("graph", "throttled", retry_after=2.0)
    with pytest.raises(Transient):
        await bench.keeper.reauthorize(TENANT, "sub-1", bench.lease)
    del bench.graph.failing[TENANT]
    bench.clock.advance(2)
    await bench.keeper.ensure(TENANT, bench.lease)
    assert bench.graph.the(TENANT).expires_at == bench.clock.now() + LIFE


async def test_what_was_granted_is_compared_with_what_was_asked() -> None:
    bench = Bench()
    bench.graph.grants = timedelta(days=3)
    kept = await bench.keeper.ensure(TENANT, bench.lease)
    assert kept.short_by == timedelta(days=25).total_seconds()
    assert kept.rest == 1.5 * DAY
    assert (await bench.keeper.ensure(TENANT, bench.lease)).short_by is None, "nothing was asked this time"


async def test_a_life_of_minutes_is_never_renewed_too_often() -> None:
    bench = Bench()
    bench.graph.grants = timedelta(minutes=5)
    for _ in range(200):
        kept = await bench.keeper.ensure(TENANT, bench.lease)
        bench.clock.advance(min(kept.rest, 60.0))
    assert bench.graph.hasty == []


async def test_reauthorizing_one_that_is_gone_creates_it_anew() -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    bench.clock.advance(601)
    bench.graph.lose(TENANT)
    await bench.keeper.reauthorize(TENANT, "sub-1", bench.lease)
    assert bench.graph.the(TENANT).id == "sub-2"


async def test_a_challenge_for_one_we_do_not_know_makes_nothing_worse() -> None:
    """It may be a bridge's, or that of a subscription whose 404 we have seen: a renewal of it would fail for ever."""
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    bench.clock.advance(601)
    await bench.keeper.reauthorize(TENANT, "sub-of-long-ago", bench.lease)
    assert bench.graph.verbs(TENANT) == ["create", "get"]


# --- replacing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wiped", [True, False])
@pytest.mark.parametrize(
    "change",
    ["secret rotated", "secret gone", "address moved"],
)
async def test_one_that_is_not_current_is_replaced_over_a_bridge(change: str, wiped: bool) -> None:
    bench = Bench()
    await bench.restarted(OLD).ensure(TENANT, bench.lease)
    if wiped:
        bench.memory.wipe()
    bench.graph.calls.clear()
    match change:
        case "secret rotated":
            keeper = bench.restarted()
        case "secret gone":
            keeper = bench.restarted({2: SECRETS[2]})
        case _:
            keeper = bench.restarted(OLD, host="https://moved.example.net")
    kept = await keeper.ensure(TENANT, bench.lease)
    verbs = [verb for verb in bench.graph.verbs(TENANT) if verb != "get"]
    assert verbs == [*(["create"] if wiped else []), "create", "delete", "create", "delete"]
    assert bench.graph.dark == [], "there was a moment without any"
    only = bench.graph.the(TENANT)
    assert (only.id, only.change_type) == (kept.subscription_id, "updated,deleted")
    assert only.notification_url == bench.graph.wishes[only.id].notification_url
    assert ("moved" in only.notification_url) is (change == "address moved")
    assert verify({2: SECRETS[2]}, TENANT, bench.graph.wishes[only.id].client_state) is (change != "address moved")
    assert await bench.memory.recall(f"{POLL_WANTED_KEY}:{TENANT}") is not None, "the bridge told of no deletions"
    calls = len(bench.graph.calls)
    await keeper.ensure(TENANT, bench.lease)
    assert bench.graph.verbs(TENANT)[calls:] == ["get"], "and that is the end of it"


async def test_one_that_tells_too_little_gets_a_good_one_beside_it_first() -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    poor = replace(bench.graph.the(TENANT), change_type="created")
    bench.graph.lose(TENANT)
    bench.graph.put(TENANT, poor)
    await bench.keeper.ensure(TENANT, bench.lease)
    assert bench.graph.the(TENANT).change_type == "updated,deleted"
    assert bench.graph.verbs(TENANT)[-2:] == ["create", "delete"]


async def test_an_old_bridge_that_stands_in_the_way_is_used_or_replaced() -> None:
    for secrets in (SECRETS, OLD):
        bench = Bench()
        await bench.restarted(OLD).ensure(TENANT, bench.lease)
        address = bench.restarted(secrets)._addresses.wish(TENANT, bench.clock.now())
        left = replace(
            bench.graph.the(TENANT),
            id="left",
            change_type="updated",
            notification_url=address.notification_url,
            lifecycle_url=address.lifecycle_url,
        )
        bench.graph.put(TENANT, left)
        await bench.restarted().ensure(TENANT, bench.lease)
        assert bench.graph.the(TENANT).change_type == "updated,deleted"
        assert bench.graph.dark == []


async def test_a_bridge_that_cannot_be_built_leaves_the_old_one_alive() -> None:
    bench = Bench()
    await bench.restarted(OLD).ensure(TENANT, bench.lease)
    bench.graph.refused["updated"] = Transient("graph", "handshake_failed")
    with pytest.raises(Transient):
        await bench.restarted().ensure(TENANT, bench.lease)
    assert bench.graph.the(TENANT).id == "sub-1"


async def test_without_room_for_a_bridge_it_is_replaced_all_the_same() -> None:
    bench = Bench()
    await bench.restarted(OLD).ensure(TENANT, bench.lease)
    bench.graph.refused["updated"] = Permanent("graph", "quota_tenant")
    kept = await bench.restarted().ensure(TENANT, bench.lease)
    assert bench.graph.the(TENANT).id == kept.subscription_id == "sub-2"


# --- sweeping, dropping, the lease ----------------------------------------------------------------------------------


async def test_what_a_crash_left_beside_it_is_swept_once() -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    assert bench.keeper.unswept == {TENANT: True}
    bench.graph.put(TENANT, replace(bench.graph.the(TENANT), id="left", change_type="updated"))
    foreign = replace(bench.graph.all(TENANT)[0], id="x", change_type="deleted", notification_url="https://staging/x")
    bench.graph.put(TENANT, foreign)
    await bench.keeper.sweep(TENANT, bench.lease)
    assert {each.id for each in bench.graph.all(TENANT)} == {"sub-1", "x"}, "another deployment's stays"
    await bench.restarted().ensure(TENANT, bench.lease)
    assert bench.keeper.unswept == {}
    assert bench.graph.verbs(TENANT).count("list") == 1


async def test_a_sweep_without_a_remembered_subscription_deletes_nothing() -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    bench.memory.wipe()
    await bench.keeper.sweep(TENANT, bench.lease)
    assert bench.graph.the(TENANT).id == "sub-1"


@pytest.mark.parametrize("watched", [False, True])
async def test_a_tenant_out_of_reach_is_not_listed_for_ever_once_nobody_watches_it(watched: bool) -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    if not watched:
        await bench.keeper.drop(TENANT, bench.lease)
    bench.graph.failing[TENANT] = StopTheLine("login", "consent_missing", scope=Scope.TENANT)
    with pytest.raises(StopTheLine):
        await bench.keeper.sweep(TENANT, bench.lease)
    bench.graph.failing.clear()
    again = bench.restarted()
    await (again.ensure if watched else again.drop)(TENANT, bench.lease)
    assert (TENANT in again.unswept) is watched


@pytest.mark.parametrize("wiped", [True, False])
async def test_a_dropped_tenant_loses_its_subscription_once(wiped: bool) -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    await bench.keeper.sweep(TENANT, bench.lease)
    if wiped:
        bench.memory.wipe()
    for _ in range(2):
        await bench.keeper.drop(TENANT, bench.lease)
        if TENANT in bench.keeper.unswept:
            await bench.keeper.sweep(TENANT, bench.lease)
    assert bench.graph.all(TENANT) == []
    assert bench.graph.verbs(TENANT).count("delete") == 1


async def test_without_the_lease_nothing_is_written() -> None:
    bench = Bench()
    bench.lease.lost = True
    with pytest.raises(Transient):
        await bench.keeper.ensure(TENANT, bench.lease)
    assert bench.graph.verbs(TENANT) == []


# --- our own look at the door -----------------------------------------------------------------------------------------


async def test_the_public_address_is_looked_at_before_the_first_creation() -> None:
    bench = Bench()
    for tenant in ("a", "b", "c"):
        await bench.keeper.ensure(tenant, bench.lease)
    assert bench.probe.knocked == [f"{HOST}/graph/notifications", f"{HOST}/graph/lifecycle"], "one look for all of them"


async def test_a_bad_finding_blocks_nothing() -> None:
    bench = Bench()
    bench.probe.answer = DoorAnswer(DoorFault.REFUSED)
    await bench.keeper.ensure(TENANT, bench.lease)
    assert bench.graph.the(TENANT).id == "sub-1"


@pytest.mark.parametrize(
    ("error", "fault", "code"),
    [
        (Transient("graph", "handshake_failed"), DoorFault.NOT_200, "door:not_200"),
        (Permanent("graph", "handshake_untrusted"), DoorFault.TLS_CHAIN, "door:tls_chain"),
        (Transient("graph", "handshake_timed_out"), DoorFault.NONE, "graph:handshake_timed_out"),
        (Transient("graph", "service_fault"), DoorFault.NOT_200, "graph:service_fault"),
    ],
)
async def test_a_failed_handshake_is_told_by_what_we_see_ourselves(
    error: SyncError, fault: DoorFault, code: str
) -> None:
    bench = Bench()
    bench.graph.failing[TENANT] = error
    with pytest.raises(type(error)):
        await bench.keeper.ensure(TENANT, bench.lease)
    bench.probe.answer = DoorAnswer(fault)
    bench.clock.advance(31)
    with pytest.raises(type(error)):
        await bench.keeper.ensure(TENANT, bench.lease)
    expected = code if error.code.startswith("handshake") else f"graph:{error.code}"
    assert bench.doorstep.code(error) == expected


async def test_where_we_cannot_reach_ourselves_our_own_look_means_nothing() -> None:
    """Microsoft came through and we did not: we stand behind the same router."""
    bench = Bench()
    bench.probe.answer = DoorAnswer(DoorFault.TIMEOUT)
    await bench.keeper.ensure(TENANT, bench.lease)
    assert bench.doorstep.code(Transient("graph", "handshake_failed")) == "graph:handshake_failed"
