"""Memory: the lines of `shared/ports.py`, over every state."""

from __future__ import annotations

from tests.support.engine import StateHarness


async def test_give_the_last_remembered_value_until_its_ttl(any_state: StateHarness) -> None:
    memory, other = any_state.state.memory, (await any_state.another()).memory
    assert await memory.recall("read:t1:u1") is None
    await memory.remember("read:t1:u1", "old", ttl=10)
    await other.remember("read:t1:u1", "new", ttl=60)
    any_state.freeze(59)
    assert await memory.recall("read:t1:u1") == "new"
    any_state.freeze(2)
    assert await memory.recall("read:t1:u1") is None


async def test_keys_are_apart_and_values_come_back_whole(any_state: StateHarness) -> None:
    memory = any_state.state.memory
    values = {"a": "", "a:b": "ü\n'\"", "b": "x" * 10_000}
    for key, value in values.items():
        await memory.remember(key, value, ttl=60)
    assert {key: await memory.recall(key) for key in values} == values


async def test_a_shorter_ttl_replaces_a_longer_one(any_state: StateHarness) -> None:
    memory = any_state.state.memory
    await memory.remember("key", "value", ttl=600)
    await memory.remember("key", "value", ttl=5)
    any_state.freeze(6)
    assert await memory.recall("key") is None


async def test_may_forget_it_earlier(shared_state: StateHarness) -> None:
    await shared_state.state.memory.remember("key", "value", ttl=600)
    shared_state.wipe()
    assert await shared_state.state.memory.recall("key") is None
    await shared_state.state.memory.remember("key", "again", ttl=600)
    assert await shared_state.state.memory.recall("key") == "again"
