"""The private servers themselves: they serve, survive what tests do to them, and never outlive their starter."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import aio_pika
import pytest

from sandbox.servers import PostgresServer, RabbitServer, RedisServer, ServerError
from sandbox.servers.child import descendants
from sandbox.servers.process import program

STARTER = """
import sys, time
from sandbox.servers import PostgresServer, RedisServer
servers = [PostgresServer(), RedisServer()]
for server in servers:
    server.start()
    print(server.pid, server.folder, flush=True)
time.sleep(600)
"""


@pytest.mark.usefixtures("a_new_broker")
async def test_rabbitmq_serves_and_keeps_confirmed_messages_through_a_kill(rabbit_server: RabbitServer) -> None:
    url = rabbit_server.fresh_url()
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        # RabbitMQ 3.10 notes a new quorum queue in a file that it saves half a second later; killed before that, it
        # forgets the queue's log and with it what was confirmed. A queue that stands longer forgets nothing.
        await asyncio.sleep(1.5)
        await channel.default_exchange.publish(aio_pika.Message(b"hint", delivery_mode=2), queue.name)
    await asyncio.to_thread(rabbit_server.kill)
    assert not rabbit_server.running
    await asyncio.to_thread(rabbit_server.start)
    async with await aio_pika.connect(url) as connection:
        queue = await (await connection.channel()).get_queue("kept")
        message = await queue.get(timeout=10, fail=False)
        assert message is not None
        assert message.body == b"hint"
        await message.ack()


async def test_fresh_addresses_are_strangers(rabbit_server: RabbitServer) -> None:
    one, two = rabbit_server.fresh_url(), rabbit_server.fresh_url()
    async with await aio_pika.connect(one) as connection:
        await (await connection.channel()).declare_queue("mine", durable=True)
    async with await aio_pika.connect(two) as connection:
        channel = await connection.channel()
        with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
            await channel.get_queue("mine")


def test_redis_loses_everything_when_killed(redis_server: RedisServer) -> None:
    assert redis_server.command("SET", "k", "v") == b"+OK\r\n"
    assert redis_server.command("GET", "k") == b"$1\r\nv\r\n"
    redis_server.kill()
    redis_server.start()
    assert redis_server.command("GET", "k") == b"$-1\r\n"


def test_postgresql_keeps_what_was_committed_through_a_kill(postgres_server: PostgresServer) -> None:
    database = postgres_server.fresh_url().rpartition("/")[2]
    postgres_server.sql("CREATE TABLE t AS SELECT 7 AS n", database)
    postgres_server.kill()
    postgres_server.start()
    assert postgres_server.sql("SELECT n FROM t", database) == "7"


def test_frozen_server_answers_nobody_until_it_is_thawed(postgres_server: PostgresServer) -> None:
    postgres_server.freeze()
    states = {Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in _tree(postgres_server)}
    postgres_server.thaw()
    assert states == {"T"}  # the backends too
    assert postgres_server.sql("SELECT 1") == "1"


def test_servers_end_with_a_killed_starter() -> None:
    starter = subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    with starter.stdout as said:
        started = [said.readline().split() for _ in range(2)]
        starter.kill()
        starter.wait()
    ends = time.monotonic() + 10
    while time.monotonic() < ends and any(_lives(int(pid)) or Path(folder).exists() for pid, folder in started):
        time.sleep(0.05)
    assert [pid for pid, _ in started if _lives(int(pid))] == []
    assert [folder for _, folder in started if Path(folder).exists()] == []


def test_missing_server_is_a_sentence_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ServerError, match="`make test` installs the package some-server"):
        program("some-server-that-nobody-has", "some-server")


def _tree(server: PostgresServer) -> list[int]:
    return descendants(server.pid)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
