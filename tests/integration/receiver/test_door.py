"""The public door over real HTTP: bad input, a broker that is gone, slow senders, no 202 before the confirm."""

from __future__ import annotations

import asyncio
import io
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from yarl import URL

from receiver.recovery import Refusals
from receiver.service import build_private, build_public
from receiver.site import PublicSite
from shared.domain.errors import Transient
from shared.domain.messages import Lane, LifecycleEvent
from shared.runtime.health import Health
from shared.runtime.metrics import Metrics
from shared.runtime.services import Service
from shared.runtime.settings import PrivateSettings, ReceiverSettings
from tests.support.clock import FixedClock
from tests.support.receiver import OTHER, SECRETS, TENANT, FakePublisher, body, change, guid, lifecycle

MIB = 1024 * 1024


class MovingClock(FixedClock):
    """Real monotonic time: the breaker's pause passes."""

    def monotonic(self) -> float:
        return time.monotonic()


class FakeDepths:
    def __init__(self) -> None:
        self.away = False

    async def depths(self) -> dict[Lane, int]:
        if self.away:
            raise Transient("broker", "gone")
        return {}


@dataclass
class Door:
    session: aiohttp.ClientSession
    publisher: FakePublisher
    probe: FakeDepths
    site: PublicSite
    registry: CollectorRegistry

    async def post(self, data: bytes | AsyncIterator[bytes], *, path: str = "/graph/notifications") -> tuple[int, str]:
        sent = io.BytesIO(data) if isinstance(data, bytes) else data
        async with self.session.post(f"{self.address}{path}", data=sent) as answer:
            return answer.status, await answer.text()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.site.port}"


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(service.run(stop), name=service.name)
        async with asyncio.timeout(5):
            while not service.ready():  # noqa: ASYNC110 - readiness is asked for, as a probe does
                await asyncio.sleep(0.005)
        try:
            yield
        finally:
            stop.set()


def a_site(
    publisher: FakePublisher,
    probe: FakeDepths | None,
    registry: CollectorRegistry,
    refusals: Refusals | None = None,
    **settings: float,
) -> PublicSite:
    return build_public(
        ReceiverSettings.model_validate({"host": "127.0.0.1", "port": 0} | settings),
        secrets=SECRETS,
        publisher=publisher,
        probe=probe,
        clock=MovingClock(),
        metrics=Metrics(registry).receiver,
        refusals=refusals,
    )


@asynccontextmanager
async def opened(refusals: Refusals | None = None, **settings: float) -> AsyncIterator[Door]:
    publisher, probe, registry = FakePublisher(), FakeDepths(), CollectorRegistry()
    site = a_site(publisher, probe, registry, refusals, **settings)
    connector = aiohttp.TCPConnector(limit=0)
    async with running(site), aiohttp.ClientSession(connector=connector) as session:
        yield Door(session, publisher, probe, site, registry)


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with opened() as found:
        yield found


# --- what comes in ----------------------------------------------------------------------------------------------


async def test_a_batch_becomes_one_message_per_tenant_and_is_answered_202(door: Door) -> None:
    status, text = await door.post(body(change(1), change(2), change(1), change(3, OTHER), lifecycle("missed")))
    assert (status, text) == (202, "")
    sent = {message.tenant_id: message.user_ids for message in door.publisher.users}
    assert sent == {TENANT: (guid(1), guid(2)), OTHER: (guid(3),)}
    (event,) = door.publisher.events
    assert (event.tenant_id, event.subscription_id, event.event) == (TENANT, guid(5), LifecycleEvent.MISSED)
    assert {lane for message, lane in door.publisher.confirmed if message is event} == {Lane.CONTROL}
    assert len({message.trace_id for message, _ in door.publisher.confirmed if hasattr(message, "trace_id")}) == 1


async def test_either_path_takes_either_kind(door: Door) -> None:
    assert (await door.post(body(change(1), lifecycle()), path="/graph/lifecycle"))[0] == 202
    assert len(door.publisher.confirmed) == 2


@pytest.mark.parametrize("path", ["/graph/notifications", "/graph/lifecycle"])
async def test_the_handshake_echoes_the_token_as_plain_text(door: Door, path: str) -> None:
    query = "?key=12ab34cd&validationToken=Validation%3a+Testing+%2b+Request-Id%3a+5731e5c5"
    # yarl would rewrite the query: send it as Graph does
    async with door.session.post(URL(door.address + path + query, encoded=True)) as answer:
        assert answer.status == 200
        assert await answer.read() == b"Validation: Testing + Request-Id: 5731e5c5"
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "entra-syncro"


async def test_a_script_in_a_validation_token_is_refused_and_not_reflected(door: Door) -> None:
    query = "?validationToken=%3Cscript%3Ealert(1)%3C%2Fscript%3E"
    async with door.session.post(URL(door.address + "/graph/notifications" + query, encoded=True)) as answer:
        assert answer.status == 400
        assert "script" not in await answer.text()
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


async def test_a_garbage_body_is_400_with_one_clear_line(door: Door) -> None:
    assert await door.post(b"\x00\x01garbage") == (400, "The body is not JSON.\n")
    assert door.publisher.started == 0


async def test_a_nine_mib_body_is_413_whether_it_says_so_or_not(door: Door) -> None:
    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b" " * MIB

    expected = (413, f"The body is larger than {8 * MIB} bytes.\n")
    assert await door.post(b" " * (9 * MIB)) == expected
    assert await door.post(unannounced()) == expected
    assert await door.post(body(change(1))) == (202, "")


async def test_a_seven_mib_batch_is_taken(door: Door) -> None:
    items = [change(n % 300, padding="x" * 2000) for n in range(2800)]
    data = body(*items)
    assert 6 * MIB < len(data) < 8 * MIB
    assert (await door.post(data))[0] == 202
    assert len({user for message in door.publisher.users for user in message.user_ids}) == 300


@pytest.mark.parametrize(
    "bad",
    [
        change(2, clientState="k1.wrong"),
        change(2, clientState=None),
        change(2, tenantId=guid(0xC)),  # a tenant nobody signed for
        change(2, resource="Users/<script>"),
        "no item at all",
    ],
)
async def test_a_bad_item_is_dropped_counted_and_the_batch_accepted(door: Door, bad: object) -> None:
    assert (await door.post(body(change(1), bad, change(3))))[0] == 202
    (message,) = door.publisher.users
    assert message.user_ids == (guid(1), guid(3))
    samples = [s for family in door.registry.collect() for s in family.samples if s.name.endswith("dropped_total")]
    assert sum(sample.value for sample in samples) == 1


async def test_a_batch_of_strangers_only_looks_accepted_and_reaches_nobody(door: Door) -> None:
    assert await door.post(body(change(1, clientState="k1.forged"))) == (202, "")
    assert door.publisher.started == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/graph/notifications", 405),
        ("POST", "/graph", 404),
        ("GET", "/metrics", 404),
        ("GET", "/healthz", 404),
        ("GET", "/readyz", 404),
    ],
)
async def test_nobody_is_told_anything_else(door: Door, method: str, path: str, status: int) -> None:
    async with door.session.request(method, door.address + path) as answer:
        assert answer.status == status
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert "aiohttp" not in str(answer.headers).lower() + (await answer.text()).lower()


async def test_one_event_per_post_with_counts_and_nothing_personal(door: Door) -> None:
    with capture_logs() as logs:
        await door.post(body(change(1), change(2, clientState="k1.very-wrong"), lifecycle()))
    (entry,) = [each for each in logs if each["event"] == "post_answered"]
    assert (entry["status"], entry["users"], entry["tenants"], entry["lifecycle"]) == (202, 1, 1, 1)
    assert entry["dropped"] == {"client_state": 1}
    for hidden in (guid(1), "very-wrong", "Users/"):
        assert hidden not in str(logs)


# --- the broker -------------------------------------------------------------------------------------------------


async def test_202_comes_only_after_the_confirm(door: Door) -> None:
    door.publisher.gate.clear()
    post = asyncio.create_task(door.post(body(change(1))), name="post")
    await asyncio.sleep(0.2)
    assert door.publisher.started == 1
    assert not post.done()
    door.publisher.gate.set()
    assert (await post)[0] == 202


async def test_202_waits_for_every_tenant_and_lifecycle_event_of_the_post(door: Door) -> None:
    door.publisher.permits = 2
    post = asyncio.create_task(door.post(body(change(1), change(2, OTHER), lifecycle("missed"))), name="post")
    await asyncio.sleep(0.2)
    assert len(door.publisher.confirmed) == 2
    assert not post.done()
    door.publisher.permits = 1
    assert (await post)[0] == 202


async def test_a_silent_broker_is_503_within_the_bound_and_with_a_retry_after(door: Door) -> None:
    door.publisher.gate.clear()
    began = time.monotonic()
    async with door.session.post(door.address + "/graph/notifications", data=body(change(1))) as answer:
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
    assert time.monotonic() - began < 1.6
    door.publisher.gate.set()


async def test_a_broker_that_is_gone_makes_the_door_not_ready_answers_at_once_and_recovers(door: Door) -> None:
    door.publisher.broken = door.probe.away = True
    for n in range(3):
        assert (await door.post(body(change(n))))[0] == 503
    assert not door.site.ready()
    began = time.monotonic()
    assert (await door.post(body(change(9))))[0] == 503
    assert time.monotonic() - began < 0.05
    door.publisher.broken = False
    door.probe.away = False
    async with asyncio.timeout(4):
        while not door.site.ready():  # noqa: ASYNC110 - readiness is asked for, as a probe does
            await asyncio.sleep(0.05)
    assert (await door.post(body(change(9))))[0] == 202


async def test_a_door_whose_broker_is_not_there_yet_is_open_and_not_ready_until_it_comes() -> None:
    publisher, probe = FakePublisher(), FakeDepths()
    publisher.broken = probe.away = True
    site = a_site(publisher, probe, CollectorRegistry())
    stop = asyncio.Event()
    task = asyncio.create_task(site.run(stop), name="receiver")
    async with aiohttp.ClientSession() as session:
        door = Door(session, publisher, probe, site, CollectorRegistry())
        await asyncio.sleep(1.2)
        assert (await door.post(body(change(1))))[0] == 503
        assert not site.ready()
        publisher.broken = probe.away = False
        async with asyncio.timeout(4):
            while not site.ready():  # noqa: ASYNC110 - readiness is asked for, as a probe does
                await asyncio.sleep(0.05)
        assert (await door.post(body(change(1))))[0] == 202
    stop.set()
    await task


async def test_a_client_that_hangs_up_takes_no_hint_with_it(door: Door) -> None:
    door.publisher.gate.clear()
    post = asyncio.create_task(door.post(body(change(1))), name="post")
    await asyncio.sleep(0.1)
    post.cancel()
    await asyncio.sleep(0.1)
    door.publisher.gate.set()
    await door.post(body(change(2)))
    assert {user for message in door.publisher.users for user in message.user_ids} == {guid(1), guid(2)}


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"Content-Length: 4096\r\n\r\n{", id="fewer bytes than it said"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n5\r\n{", id="in the middle of a chunk"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\nnot a length\r\n{", id="no chunk"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n|not a length\r\n", id="no second chunk"),
    ],
)
async def test_a_sender_that_hangs_up_in_mid_body_is_no_error_of_ours(door: Door, sent: bytes) -> None:
    with capture_logs() as logs:
        _, writer = await asyncio.open_connection("127.0.0.1", door.site.port)
        for part in (b"POST /graph/notifications HTTP/1.1\r\nHost: door\r\n" + sent).split(b"|"):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.close()
        await writer.wait_closed()
        assert (await door.post(body(change(1))))[0] == 202
        await asyncio.sleep(0.05)
    assert {entry["log_level"] for entry in logs} == {"info"}
    assert not any("exc_info" in entry for entry in logs)
    assert door.registry.get_sample_value("entra_syncro_bytes_in_flight") == 0


async def test_thousands_of_posts_at_once_share_messages_and_are_quick(door: Door) -> None:
    began = time.monotonic()
    limit = asyncio.Semaphore(200)  # connections, as Graph keeps them

    async def one(n: int) -> int:
        async with limit:
            return (await door.post(body(change(n % 500, (TENANT, OTHER)[n % 2]))))[0]

    answers = await asyncio.gather(*(one(n) for n in range(3000)))
    assert set(answers) == {202}
    assert time.monotonic() - began < 20
    assert len(door.publisher.users) < 3000


async def test_the_door_finishes_what_is_in_hand_before_it_closes() -> None:
    publisher = FakePublisher()
    site = a_site(publisher, None, CollectorRegistry())
    async with aiohttp.ClientSession() as session:
        async with running(site):
            door = Door(session, publisher, FakeDepths(), site, CollectorRegistry())
            publisher.gate.clear()
            post = asyncio.create_task(door.post(body(change(1))), name="post")
            await asyncio.sleep(0.1)
            assert site.waiting_for().startswith("1 POSTs")
            asyncio.get_running_loop().call_later(0.2, publisher.gate.set)
        assert (await post)[0] == 202
        assert not site.ready()
        with pytest.raises(aiohttp.ClientConnectionError):
            await door.post(body(change(1)))


# --- slow and greedy senders ------------------------------------------------------------------------------------


async def test_a_slow_body_is_408_and_holds_up_nobody() -> None:
    async with opened(body_timeout=0.3) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.site.port)
        writer.write(b"POST /graph/notifications HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        assert (await door.post(body(change(1))))[0] == 202
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n")
            rest = await reader.read()
        assert head == b"HTTP/1.1 408 Request Timeout\r\n"
        assert b"did not arrive within 0.3 seconds" in rest
        writer.close()
        await writer.wait_closed()


class Counted(Refusals):
    def __init__(self) -> None:
        super().__init__(MovingClock())
        self.count = 0

    def refused(self) -> None:
        self.count += 1
        super().refused()


async def test_refusals_of_proven_notifications_count_and_nobody_else_s() -> None:
    """Else anybody could have every tenant polled, by sending us more than we can hold."""
    refusals = Counted()
    async with opened(refusals, bytes_in_flight=64 * 1024) as door:
        assert (await door.post(b"x" * 70_000))[0] == 503
        door.publisher.broken = True
        forged = change(1) | {"clientState": "forged"}
        assert (await door.post(body(forged)))[0] == 202
        assert refusals.count == 0
        assert (await door.post(body(change(1))))[0] == 503
        assert (await door.post(body(lifecycle())))[0] == 503
        assert refusals.count == 2


async def test_a_fault_of_ours_is_a_refusal_too() -> None:
    refusals = Counted()
    async with opened(refusals) as door:

        async def publish(*_: object, **__: object) -> None:
            raise RuntimeError("nobody foresaw it")

        door.publisher.publish = publish  # type: ignore[method-assign]  # fails in a way that no port promises
        assert (await door.post(body(lifecycle())))[0] == 500
        assert refusals.count == 1


async def test_bodies_in_flight_are_bounded_and_503_above_it() -> None:
    async with opened(bytes_in_flight=64 * 1024) as door:
        door.publisher.gate.clear()
        first = asyncio.create_task(door.post(body(change(1, padding="x" * 50_000))), name="first")
        await asyncio.sleep(0.1)
        assert (await door.post(body(change(2, padding="x" * 50_000))))[0] == 503
        door.publisher.gate.set()
        assert (await first)[0] == 202
        assert (await door.post(body(change(2, padding="x" * 50_000))))[0] == 202


# --- the private site -------------------------------------------------------------------------------------------


async def test_the_private_site_tells_states_and_numbers() -> None:
    health, registry = Health(), CollectorRegistry()
    Metrics(registry)
    broker = [True]
    health.watch("receiver", lambda: broker[0])
    health.watch("registrar", lambda: True)
    site = build_private(PrivateSettings(port=0), health=health, registry=registry)
    async with running(site), aiohttp.ClientSession(f"http://127.0.0.1:{site.port}") as session:

        async def get(path: str) -> tuple[int, object]:
            async with session.get(path) as answer:
                return answer.status, await answer.json()

        assert await get("/healthz") == (200, {"alive": True})
        assert await get("/readyz") == (
            200,
            {"ready": True, "services": {"receiver": "ready", "registrar": "ready"}},
        )
        broker[0] = False
        assert (await get("/readyz"))[0] == 503
        assert await get("/readyz?service=registrar") == (200, {"ready": True, "services": {"registrar": "ready"}})
        assert (await get("/readyz?service=receiver"))[0] == 503
        assert (await get("/readyz?service=other"))[0] == 404
        async with session.get("/metrics") as answer:
            assert answer.status == 200
            assert "entra_syncro_bytes_in_flight 0.0" in await answer.text()


async def test_a_port_in_use_is_an_error_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wish = PrivateSettings(port=taken.getsockname()[1])
        site = build_private(wish, health=Health(), registry=CollectorRegistry())
        with pytest.raises(OSError, match="in use"):
            await site.run(asyncio.Event())
