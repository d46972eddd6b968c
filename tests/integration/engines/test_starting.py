"""Processes that start before their servers do: none ends, the door needs its broker alone, all recover by themselves.

Real processes, `entra-syncro run receiver` and `run worker`; one approved customer that was in step before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from console.cli.demo.arrival import until
from console.cli.demo.crew import Crew, Member
from console.cli.demo.stage import Engine, demo_settings, free_port
from console.cli.run import Role
from receiver.client_state import sign
from sandbox.servers import PostgresServer, RabbitServer, RedisServer, Server
from sandbox.world import World
from shared.adapters.ledger import open_ledger
from shared.runtime.settings import Settings
from tests.e2e.poster import PATH, item
from tests.integration.engines.test_moving import PEOPLE, Company, running, set_up
from tests.support.processes import Process, clean_environment, eventually, run_command

pytestmark = pytest.mark.timeout(240)
STARTED_WITHIN = 20.0  # seconds until a process answers; most of them are Python's own
DOOR_WITHIN = 20.0  # seconds until a hint is accepted, once the broker is there
RECOVERED_WITHIN = 45.0  # seconds
LANES_WITHIN = 30.0  # seconds until a worker takes hints although it can do nothing with them: 10 for each store
AWAY = 8.0  # seconds in which somebody who will not wait would have written, or ended
REFUSED_WITHIN = 0.3  # seconds; nobody waits for a broker that has not come yet


@dataclass
class Pair:
    """A receiver and a worker, seen from outside."""

    http: aiohttp.ClientSession
    settings: Settings
    hint: dict[str, Any]
    receiver: Member
    worker: Member

    async def ready(self, member: Member, service: str = "") -> int:
        """The status of its readiness, 0 while it does not answer."""
        query = f"?service={service}" if service else ""
        return await self._get(f"http://127.0.0.1:{member.private_port}/readyz{query}")

    async def until_ready(self, member: Member, service: str = "", *, within: float, status: int = 200) -> None:
        async def is_so() -> bool:
            return await self.ready(member, service) == status

        assert await until_asked(is_so, within=within), f"{member.name} {service}. {member.child.last_words()}"

    async def listens(self) -> bool:
        """Is the door open, whatever it answers?"""
        return await self._get(self.settings.receiver.public_url) != 0

    async def post(self) -> tuple[int, float]:
        """A POST about somebody who has not changed: its status, and the seconds that it took."""
        began = time.monotonic()
        async with self.http.post(f"{self.settings.receiver.public_url}{PATH}", json={"value": [self.hint]}) as answer:
            return answer.status, time.monotonic() - began

    def assert_alive(self) -> None:
        for member in (self.receiver, self.worker):
            assert member.child.alive, member.child.last_words()

    async def _get(self, url: str) -> int:
        try:
            async with self.http.get(url) as answer:
                return answer.status
        except aiohttp.ClientError:
            return 0


async def until_asked(question: Callable[[], Awaitable[bool]], *, within: float) -> bool:
    ends = time.monotonic() + within
    while not (answer := await question()) and time.monotonic() < ends:  # noqa: ASYNC110 - asked from outside
        await asyncio.sleep(0.1)
    return answer


@asynccontextmanager
async def company_in_step(folder: Path, engine: Engine) -> AsyncIterator[tuple[Company, Settings]]:
    async with World.open(folder / "sandbox") as world:
        world.microsoft.switches.retry_cap_s = 2.0
        settings, company = demo_settings(world, folder / "data", engine), Company(world)
        async with running(settings, Role.ALL) as ports:
            await set_up(company, ports)
        yield company, settings


@asynccontextmanager
async def started(company: Company, settings: Settings, folder: Path) -> AsyncIterator[Pair]:
    """Returns when both processes answer, ready or not."""
    tenant = company.shape.tenant_id
    hint = item(
        tenant,
        next(one.id for one in company.shape.people if one.upn.startswith(PEOPLE[3])),
        sign(settings.client_state_secrets(), tenant),
    )
    crew, url = Crew(settings, folder, []), settings.receiver.public_url
    port = {"ENTRA_SYNCRO_RECEIVER__PORT": str(urlsplit(url).port), "ENTRA_SYNCRO_RECEIVER__PUBLIC_URL": url}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
        try:
            receiver = crew.start("receiver", Role.RECEIVER, free_port(), **port)
            worker = crew.start("worker", Role.WORKER, free_port())
            pair = Pair(http, settings, hint, receiver, worker)
            for member in (receiver, worker):
                await pair.until_ready(member, "private", within=STARTED_WITHIN)
            assert await until_asked(pair.listens, within=STARTED_WITHIN)
            yield pair
        finally:
            await asyncio.to_thread(crew.end)


async def recovered(company: Company, pair: Pair, writes: int) -> None:
    """Everything that was accepted has arrived, by one write each, and both processes are ready."""
    assert await until(lambda: company.found() == company.titles, within=RECOVERED_WITHIN)
    for member in (pair.receiver, pair.worker):
        await pair.until_ready(member, within=RECOVERED_WITHIN)
    assert len(company.world.syncro.calls.writes()) == writes + len(company.titles)
    pair.assert_alive()


@pytest.mark.parametrize("away", ["postgresql", "redis", "postgresql and redis, frozen"])
async def test_without_ledger_or_redis_the_door_takes_hints_nothing_is_written_and_all_is_done_later(
    tmp_path: Path, rabbit_server: RabbitServer, redis_server: RedisServer, postgres_server: PostgresServer, away: str
) -> None:
    engine = Engine(rabbit_server.fresh_url(), redis_server.url, postgres_server.fresh_url())
    missing: list[Server] = [server for server in (postgres_server, redis_server) if server.name in away]
    async with company_in_step(tmp_path, engine) as (company, settings):
        for server in missing:
            await asyncio.to_thread(server.freeze if "frozen" in away else server.kill)
        writes = len(company.world.syncro.calls.writes())
        async with started(company, settings, tmp_path) as pair:
            await pair.until_ready(pair.receiver, "receiver", within=DOOR_WITHIN)
            await company.change(PEOPLE[0])
            await company.accepted()
            assert (await pair.post())[0] == 202
            await pair.until_ready(pair.worker, "consumer-live", within=LANES_WITHIN)
            await asyncio.sleep(AWAY)
            assert await pair.ready(pair.receiver, "receiver") == 200
            assert await pair.ready(pair.receiver, "registrar") == 503
            for server in missing:
                name = "ledger" if server is postgres_server else "state"
                assert await pair.ready(pair.worker, name) == 503
            pair.assert_alive()
            assert len(company.world.syncro.calls.writes()) == writes
            for server in missing:
                await asyncio.to_thread(server.heal)
            await recovered(company, pair, writes)


async def test_without_the_broker_the_door_refuses_at_once_and_takes_hints_when_it_comes(
    tmp_path: Path, rabbit_server: RabbitServer, redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    engine = Engine(rabbit_server.fresh_url(), redis_server.url, postgres_server.fresh_url())
    async with company_in_step(tmp_path, engine) as (company, settings):
        await asyncio.to_thread(rabbit_server.kill)
        writes = len(company.world.syncro.calls.writes())
        async with started(company, settings, tmp_path) as pair:
            await pair.until_ready(pair.worker, "burial", within=STARTED_WITHIN, status=503)
            answers = [await pair.post() for _ in range(5)]
            assert {status for status, _ in answers} == {503}
            assert max(took for _, took in answers) < REFUSED_WITHIN
            await company.change(PEOPLE[0])
            await asyncio.sleep(AWAY)
            assert await pair.ready(pair.receiver, "receiver") == 503
            assert await pair.ready(pair.worker, "consumer-live") == 503
            pair.assert_alive()
            await asyncio.to_thread(rabbit_server.start)
            await pair.until_ready(pair.receiver, "receiver", within=DOOR_WITHIN)
            assert (await pair.post())[0] == 202
            await company.accepted()
            await recovered(company, pair, writes)


# --- what only a person can mend ends the process ----------------------------------------------------------------


def environment(folder: Path, broker: str, state: str, ledger: str) -> dict[str, str]:
    values = {
        "DATA_DIR": str(folder / "data"),
        "BROKER__URL": broker,
        "STATE__URL": state,
        "LEDGER__URL": ledger,
        "GRAPH__APP_ID": "84bd8158-6d4d-4958-8b9f-9d6445542f95",
        "GRAPH__APP_SECRET": "a secret of nobody",
        "SYNCRO__SUBDOMAIN": "nobody",
        "SYNCRO__API_TOKEN": "a token of nobody",
        "RECEIVER__PORT": str(free_port()),
        "RECEIVER__SECRETS__K1": "a key of nobody, but long enough",
        "PRIVATE__PORT": str(free_port()),
    }
    return clean_environment({f"ENTRA_SYNCRO_{name}": value for name, value in values.items()})


def _said(process: Process, name: str) -> list[dict[str, Any]]:
    return [event for event in process.events if event["event"] == name]


@pytest.mark.parametrize("role", ["receiver", "worker"])
async def test_a_ledger_that_comes_back_newer_than_the_process_ends_it_with_a_clear_word(
    tmp_path: Path, rabbit_server: RabbitServer, redis_server: RedisServer, postgres_server: PostgresServer, role: str
) -> None:
    url = postgres_server.fresh_url()
    async with open_ledger(url):
        pass
    postgres_server.sql("UPDATE alembic_version SET version_num = '9999'", url.rpartition("/")[2])
    await asyncio.to_thread(postgres_server.kill)
    variables = environment(tmp_path, rabbit_server.fresh_url(), redis_server.url, url)
    process = Process(("run", role), tmp_path, role, variables)
    try:
        await asyncio.to_thread(eventually, lambda: bool(_said(process, "store_away")), STARTED_WITHIN, "it waits")
        command = await asyncio.to_thread(run_command, ("status",), tmp_path, variables)
        assert (command.code, "The ledger cannot be reached" in command.err) == (1, True), command.err
        assert process.running
        await asyncio.to_thread(postgres_server.start)
        assert await asyncio.to_thread(process.wait) == 1
    finally:
        process.kill()
    (said,) = _said(process, "store_unusable")
    assert (said["store"], said["code"]) == ("ledger", "ledger_newer")
    assert "install that release" in said["detail"]


async def test_a_broker_that_refuses_our_password_is_a_wrong_setting(
    tmp_path: Path, rabbit_server: RabbitServer, redis_server: RedisServer
) -> None:
    url = rabbit_server.url.replace(rabbit_server.password, "wrong")
    variables = environment(tmp_path, url, redis_server.url, f"embedded:{tmp_path / 'ledger.db'}")
    done = await asyncio.to_thread(run_command, ("run", "receiver"), tmp_path, variables)
    assert done.code == 1
    assert "check the broker's user, password" in done.err
