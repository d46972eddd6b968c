"""The desk over every broker: who looks at failed changes, a hundred times, takes nothing and moves no counter."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from console.operations import (
    LetterWish,
    find_letters,
    letter_groups,
    plan_replay,
    replays,
    show_letter,
    show_replay,
    status,
)
from shared.domain.desk import Replay
from shared.domain.messages import Lane, UsersTouched
from shared.domain.records import ConnectionStatus
from tests.support.clock import START
from tests.support.desk import Desk, a_body
from tests.support.engine import BrokerHarness, hint, take


async def test_browsing_a_hundred_times_changes_no_counter_and_loses_nothing(
    any_broker: BrokerHarness, tmp_path: Path
) -> None:
    broker, desk = any_broker.broker, Desk(tmp_path)
    desk.tie(status=ConnectionStatus.APPROVED)
    for name in ("l1", "l2"):
        desk.letter(name, a_body())
    ports = replace(desk.ports, publisher=broker, depths=broker)
    await ports.replays.begin(Replay("r", "ada", "code", 1, START), ["l2"])
    for lane in Lane:
        await broker.publish(hint(f"user-{lane}"), lane)
    before = dict(await broker.depths())

    async def browse() -> None:
        seen = await status(ports)
        assert seen.waiting == {lane.value: 1 for lane in Lane}
        await find_letters(ports, LetterWish(), include_settled=True)
        await letter_groups(ports, LetterWish())
        await show_letter(ports, "l1")
        await plan_replay(ports, LetterWish(), read=False)
        await replays(ports)
        await show_replay(ports, "r")

    for _ in range(25):
        await asyncio.gather(*(browse() for _ in range(4)))
    assert dict(await broker.depths()) == before
    for lane in Lane:
        async with broker.deliveries(lane, prefetch=1) as deliveries:
            taken = await take(deliveries)
            assert isinstance(taken.message, UsersTouched)
            assert (taken.message.user_ids, taken.message.attempt) == ((f"user-{lane}",), 0)
            await taken.ack()
