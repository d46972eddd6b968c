"""Publisher, Inbox and Depths: the lines of `shared/ports.py`, over every broker."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator

import pytest

from shared.adapters.brokers import open_broker
from shared.adapters.clock import SystemClock
from shared.domain.errors import Permanent, Transient
from shared.domain.messages import Lane, Unreadable, UsersTouched
from shared.ports import Delivery
from tests.support.engine import BrokerHarness, child_holding, hint, nothing, take


def users(delivery: Delivery) -> tuple[str, ...]:
    assert isinstance(delivery.message, UsersTouched)
    return delivery.message.user_ids


# --- Publisher --------------------------------------------------------------------------------------------------


async def test_return_only_after_the_message_is_safe_against_the_death_of_every_process(
    shared_broker: BrokerHarness,
) -> None:
    assert shared_broker.url
    publish = (
        "import asyncio, os, sys\n"
        "from shared.adapters.brokers import open_broker\n"
        "from shared.adapters.clock import SystemClock\n"
        "from shared.domain.messages import Lane\n"
        "from tests.support.engine import hint\n"
        "async def main() -> None:\n"
        "    async with open_broker(sys.argv[1], SystemClock()) as broker:\n"
        "        await broker.publish(hint('survivor'), Lane.LIVE)\n"
        "        os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", publish, shared_broker.url)
    assert await child.wait() == -9
    assert (await shared_broker.broker.depths())[Lane.LIVE] == 1


async def test_raise_transient_when_that_cannot_be_said_within_1_6_s(shared_broker: BrokerHarness) -> None:
    async def refused(after: float) -> float:
        await asyncio.sleep(after)
        began = time.monotonic()
        with pytest.raises(Transient):
            await shared_broker.broker.publish(hint(), Lane.LIVE)
        return time.monotonic() - began

    with shared_broker.obstructed():
        took = await asyncio.gather(refused(0.0), refused(0.02), refused(0.9))
    assert max(took) <= 1.6
    await shared_broker.broker.publish(hint("after"), Lane.LIVE)
    async with shared_broker.broker.deliveries(Lane.LIVE, prefetch=10) as deliveries:
        seen = {users(await take(deliveries))[0]}
        while not await nothing(deliveries):
            pass  # a refused publish may still have happened
    assert seen <= {"after", "u1"}


async def test_a_publisher_waits_out_a_short_obstruction(shared_broker: BrokerHarness) -> None:
    with shared_broker.obstructed():
        waiting = asyncio.create_task(shared_broker.broker.publish(hint(), Lane.LIVE))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    await waiting


async def test_not_deliver_before_delay_seconds_have_passed(any_broker: BrokerHarness) -> None:
    await any_broker.broker.publish(hint("later"), Lane.LIVE, delay=60)
    async with any_broker.broker.deliveries(Lane.LIVE, prefetch=4) as deliveries:
        await any_broker.elapse(30)  # a busy machine may be late by as much as is left
        assert await nothing(deliveries)
        await any_broker.elapse(31)
        assert users(await take(deliveries)) == ("later",)


async def test_a_delayed_message_is_noticed_by_a_consumer_of_another_process(shared_broker: BrokerHarness) -> None:
    other = await shared_broker.another()
    async with other.deliveries(Lane.LIVE, prefetch=4) as deliveries:
        assert await nothing(deliveries)
        await shared_broker.broker.publish(hint("later"), Lane.LIVE, delay=10)
        await shared_broker.broker.publish(hint("now"), Lane.LIVE)
        assert users(await take(deliveries)) == ("now",)
        assert await nothing(deliveries)
        await shared_broker.elapse(11)
        assert users(await take(deliveries)) == ("later",)


async def test_concurrent_publishes_share_their_commits(shared_broker: BrokerHarness) -> None:
    """2,000 at once against one after the other, as a ratio of the same run."""

    async def rate(count: int, *, at_once: bool) -> float:
        began = time.perf_counter()
        if at_once:
            async with asyncio.TaskGroup() as group:
                for _ in range(count):
                    group.create_task(shared_broker.broker.publish(message, Lane.LIVE))
        else:
            for _ in range(count):
                await shared_broker.broker.publish(message, Lane.LIVE)
        return count / (time.perf_counter() - began)

    message = hint()
    published = 0
    for _ in range(3):  # a machine that is busy at the wrong moment is no finding
        one_by_one = await rate(200, at_once=False)
        together = await rate(2_000, at_once=True)
        published += 2_200
        if together >= 2 * one_by_one:
            break
    assert together >= 2 * one_by_one
    assert (await shared_broker.broker.depths())[Lane.LIVE] == published


# --- Inbox ------------------------------------------------------------------------------------------------------


async def test_what_is_published_is_delivered_in_about_the_same_order(any_broker: BrokerHarness) -> None:
    async with any_broker.broker.deliveries(Lane.LIVE, prefetch=8) as deliveries:
        for name in ("a", "b", "c"):
            await any_broker.broker.publish(hint(name), Lane.LIVE)
        got = [await take(deliveries) for _ in range(3)]
        assert sorted(users(delivery)[0] for delivery in got) == ["a", "b", "c"]
        assert {delivery.lane for delivery in got} == {Lane.LIVE}


async def test_lanes_are_independent(any_broker: BrokerHarness) -> None:
    await any_broker.broker.publish(hint("b"), Lane.BACKFILL)
    await any_broker.broker.publish(hint("c"), Lane.CONTROL)
    async with any_broker.broker.deliveries(Lane.LIVE, prefetch=8) as live:
        assert await nothing(live)
    async with any_broker.broker.deliveries(Lane.BACKFILL, prefetch=8) as backfill:
        assert users(await take(backfill)) == ("b",)
        assert await nothing(backfill)


async def test_hold_at_most_prefetch_deliveries_that_are_neither_acked_nor_released(any_broker: BrokerHarness) -> None:
    for number in range(6):
        await any_broker.broker.publish(hint(f"u{number}"), Lane.LIVE)
    async with any_broker.broker.deliveries(Lane.LIVE, prefetch=2) as deliveries:
        first, second = await take(deliveries), await take(deliveries)
        assert await nothing(deliveries)
        await first.ack()
        third = await take(deliveries)
        assert await nothing(deliveries)
        await second.release()
        assert users(await take(deliveries)) != users(third)


async def test_a_reader_that_is_cancelled_in_mid_wait_loses_nothing(any_broker: BrokerHarness) -> None:
    async with any_broker.broker.deliveries(Lane.LIVE, prefetch=1) as deliveries:
        for number in range(20):
            reader = asyncio.ensure_future(anext(deliveries))
            await asyncio.sleep(0)
            publishing = asyncio.create_task(any_broker.broker.publish(hint(f"u{number}"), Lane.LIVE))
            await asyncio.sleep(0.0002 * number)
            was_late = not reader.cancel()
            await publishing
            delivery = reader.result() if was_late else await take(deliveries)
            assert users(delivery) == (f"u{number}",)
            await delivery.ack()


async def test_never_give_one_message_to_two_consumers_at_once_while_the_first_is_alive(
    any_broker: BrokerHarness,
) -> None:
    other = await any_broker.another()
    async with (
        any_broker.broker.deliveries(Lane.LIVE, prefetch=50) as left,
        other.deliveries(Lane.LIVE, prefetch=50) as right,
    ):
        for number in range(60):
            await any_broker.broker.publish(hint(f"u{number}"), Lane.LIVE)
        seen: list[str] = []
        for side in (left, right):
            while not await nothing_more(side, seen):
                pass
        assert sorted(seen) == sorted(f"u{number}" for number in range(60))
        await any_broker.elapse(120)  # four times what a silent holder may hold
        assert await nothing(left)
        assert await nothing(right)


async def nothing_more(deliveries: AsyncIterator[Delivery], seen: list[str]) -> bool:
    try:
        seen.append(users(await take(deliveries, within=0.1))[0])
    except TimeoutError:
        return True
    return False


async def test_deliver_again_what_a_dead_consumer_held_within_60_s(shared_broker: BrokerHarness) -> None:
    """A child process, killed for real, with three deliveries in hand; a running consumer gets them."""
    assert shared_broker.url
    async with open_broker(shared_broker.url, SystemClock()) as broker:
        for number in range(3):
            await broker.publish(hint(f"u{number}"), Lane.LIVE)
        async with (
            child_holding(shared_broker.url, 3) as (child, _),
            broker.deliveries(Lane.LIVE, prefetch=3) as deliveries,
        ):
            assert await nothing(deliveries, within=1.0)
            child.kill()
            await child.wait()
            again = [users(await take(deliveries, within=60))[0] for _ in range(3)]
    assert sorted(again) == ["u0", "u1", "u2"]


async def test_on_leaving_the_context_give_back_what_was_neither_acked_nor_released(any_broker: BrokerHarness) -> None:
    for name in ("a", "b", "c"):
        await any_broker.broker.publish(hint(name), Lane.LIVE)
    other = await any_broker.another()
    async with other.deliveries(Lane.LIVE, prefetch=3) as deliveries:
        kept = [await take(deliveries) for _ in range(3)]
        await kept[0].ack()
    async with any_broker.broker.deliveries(Lane.LIVE, prefetch=3) as deliveries:
        again = {users(await take(deliveries))[0] for _ in range(2)}
        assert again == {users(kept[1])[0], users(kept[2])[0]}
        assert await nothing(deliveries)


async def test_give_unreadable_bytes_as_unreadable_and_never_stop_because_of_them(any_broker: BrokerHarness) -> None:
    garbage = [b"", b"\xff\x00", b"{}", b'{"kind":"users_touched","v":9}', b"null"]
    for body in garbage:
        await any_broker.put_bytes(body, Lane.LIVE)
    await any_broker.broker.publish(hint("healthy"), Lane.LIVE)
    async with any_broker.broker.deliveries(Lane.LIVE, prefetch=2) as deliveries:
        bodies = []
        for _ in range(6):
            delivery = await take(deliveries)
            if isinstance(delivery.message, Unreadable):
                bodies.append(delivery.message.body)
            await delivery.ack()
    assert sorted(bodies) == sorted(garbage)
    assert (await any_broker.broker.depths())[Lane.LIVE] == 0


# --- Delivery ---------------------------------------------------------------------------------------------------


async def test_end_the_message_for_good_a_second_ack_is_harmless(any_broker: BrokerHarness) -> None:
    await any_broker.broker.publish(hint("one"), Lane.LIVE)
    await any_broker.broker.publish(hint("two"), Lane.LIVE)
    async with any_broker.broker.deliveries(Lane.LIVE, prefetch=1) as deliveries:
        first = await take(deliveries)
        await asyncio.gather(first.ack(), first.ack())
        await first.ack()
        await first.release()
        second = await take(deliveries)
        assert {*users(first), *users(second)} == {"one", "two"}
        await first.ack()
        assert (await any_broker.broker.depths())[Lane.LIVE] == 1
    await first.ack()
    async with (await any_broker.another()).deliveries(Lane.LIVE, prefetch=5) as deliveries:
        assert users(await take(deliveries)) == users(second)
        assert await nothing(deliveries)


async def test_give_the_message_back_at_once_for_any_consumer(any_broker: BrokerHarness) -> None:
    await any_broker.broker.publish(hint("one"), Lane.LIVE)
    other = await any_broker.another()
    async with any_broker.broker.deliveries(Lane.LIVE, prefetch=1) as left:
        held = await take(left)
        async with other.deliveries(Lane.LIVE, prefetch=1) as right:
            assert await nothing(right)
            await held.release()
            winner = await next_of(left, right)
            assert users(winner) == ("one",)


async def next_of(*sides: AsyncIterator[Delivery]) -> Delivery:
    readers = [asyncio.ensure_future(anext(side)) for side in sides]
    done, waiting = await asyncio.wait(readers, return_when=asyncio.FIRST_COMPLETED, timeout=5)
    for reader in waiting:
        reader.cancel()
    await asyncio.wait(readers)
    assert len(done) == 1
    return done.pop().result()


async def test_orderly_releases_never_use_a_message_up(any_broker: BrokerHarness) -> None:
    await any_broker.broker.publish(hint("patient"), Lane.LIVE)
    async with any_broker.broker.deliveries(Lane.LIVE, prefetch=1) as deliveries:
        for _ in range(30):
            await (await take(deliveries)).release()
    for _ in range(30):
        async with any_broker.broker.deliveries(Lane.LIVE, prefetch=1) as deliveries:
            assert users(await take(deliveries)) == ("patient",)
    assert (await any_broker.broker.depths())[Lane.DEAD] == 0


# --- Depths -----------------------------------------------------------------------------------------------------


async def test_count_what_waits_or_is_delayed_or_is_held_per_lane(any_broker: BrokerHarness) -> None:
    await any_broker.broker.publish(hint(), Lane.LIVE)
    await any_broker.broker.publish(hint(), Lane.LIVE, delay=600)
    await any_broker.broker.publish(hint(), Lane.BACKFILL)
    async with any_broker.broker.deliveries(Lane.LIVE, prefetch=1) as deliveries:
        await take(deliveries)
        assert dict(await any_broker.broker.depths()) == {
            Lane.LIVE: 2,
            Lane.BACKFILL: 1,
            Lane.CONTROL: 0,
            Lane.DEAD: 0,
        }


# --- the address ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["", "embedded:", "redis://user:hunter2@host", "/some/path"])
def test_an_unknown_address_is_refused_with_the_supported_ones_and_without_its_password(url: str) -> None:
    with pytest.raises(Permanent, match="embedded:PATH") as caught:
        open_broker(url, SystemClock())
    assert "hunter2" not in str(caught.value)
