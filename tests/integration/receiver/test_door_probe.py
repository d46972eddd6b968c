"""Our own look at the public address, against loopback doors of every kind of wrongness."""

from __future__ import annotations

import asyncio
import html
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote_plus

import pytest
import trustme
from aiohttp import web

from shared.adapters.door import HttpDoorProbe
from shared.domain.door import DoorFault

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PATH = "/graph/notifications"


async def good(request: web.Request) -> web.Response:
    return web.Response(text=request.query["validationToken"])


@asynccontextmanager
async def door(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        scheme = "https" if context else "http"
        yield f"{scheme}://localhost:{runner.addresses[0][1]}{PATH}"
    finally:
        await runner.cleanup()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return file


def server(cert: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert.configure_cert(context)
    return context


async def test_a_good_door_and_what_was_asked_of_it(authority: trustme.CA, trusted: Path) -> None:
    seen: list[web.Request] = []

    async def noted(request: web.Request) -> web.Response:
        seen.append(request)
        assert await request.read() == b""
        return await good(request)

    async with door(noted, server(authority.issue_cert("localhost"))) as url:
        answer = await HttpDoorProbe(trusted).knock(url)
    assert (answer.fault, answer.status) == (DoorFault.NONE, 200)
    assert answer.seconds > 0
    [request] = seen
    assert (request.method, request.path) == ("POST", PATH)
    assert request.rel_url.raw_query_string.startswith("validationToken=Validation%3A+Testing+client+application")
    assert request.headers["Content-Length"] == "0"
    assert (request.headers["Accept"], request.headers["Content-Type"]) == ("text/plain", "text/plain; charset=utf-8")
    assert "Authorization" not in request.headers


async def test_a_query_of_the_address_stays() -> None:
    async def keyed(request: web.Request) -> web.Response:
        return await good(request) if request.query.get("key") == "abc" else web.Response(status=404)

    async with door(keyed) as url:
        assert (await HttpDoorProbe().knock(f"{url}?key=abc")).fault is DoorFault.NONE


@pytest.mark.parametrize("status", [201, 202, 204, 301, 302, 401, 403, 404, 405, 500, 502, 503])
async def test_anything_but_200_and_no_redirect_is_followed(status: int) -> None:
    async def other(request: web.Request) -> web.Response:
        if request.path != PATH:
            return await good(request)
        return web.Response(status=status, headers={"Location": f"/elsewhere?{request.query_string}"})

    async with door(other) as url:
        answer = await HttpDoorProbe().knock(url)
    assert (answer.fault, answer.status) == (DoorFault.NOT_200, status)


@pytest.mark.parametrize(
    "spoil",
    [
        quote_plus,
        lambda token: token.replace(" ", "+"),
        json.dumps,
        lambda token: html.escape(token) + "\n",
        lambda token: f"<html><body>{token}</body></html>",
        lambda token: "",
        lambda token: token * 200,
    ],
    ids=["encoded", "plus signs left", "quoted", "newline", "html", "empty", "long"],
)
async def test_a_wrong_body(spoil: Callable[[str], str]) -> None:
    async def spoiled(request: web.Request) -> web.Response:
        return web.Response(text=spoil(request.query["validationToken"]))

    async with door(spoiled) as url:
        answer = await HttpDoorProbe().knock(url)
    assert (answer.fault, answer.status) == (DoorFault.WRONG_BODY, 200)


async def test_a_name_without_an_address() -> None:
    assert (await HttpDoorProbe().knock(f"https://nobody.invalid{PATH}")).fault is DoorFault.DNS


async def test_a_port_where_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        answer = await HttpDoorProbe().knock(f"https://127.0.0.1:{taken.getsockname()[1]}{PATH}")
    assert (answer.fault, answer.status) == (DoorFault.REFUSED, None)


async def test_a_certificate_of_an_unknown_authority(authority: trustme.CA) -> None:
    async with door(good, server(authority.issue_cert("localhost"))) as url:
        assert (await HttpDoorProbe().knock(url)).fault is DoorFault.TLS_CHAIN


async def test_a_certificate_of_another_name(authority: trustme.CA, trusted: Path) -> None:
    async with door(good, server(authority.issue_cert("other.example"))) as url:
        assert (await HttpDoorProbe(trusted).knock(url)).fault is DoorFault.TLS_CHAIN


async def test_a_certificate_that_expired(authority: trustme.CA, trusted: Path) -> None:
    cert = authority.issue_cert("localhost", not_after=datetime(2020, 1, 1, tzinfo=UTC))
    async with door(good, server(cert)) as url:
        assert (await HttpDoorProbe(trusted).knock(url)).fault is DoorFault.TLS_CHAIN


async def test_a_chain_without_its_intermediate(authority: trustme.CA, trusted: Path, tmp_path: Path) -> None:
    leaf = authority.create_child_ca().issue_cert("localhost")
    whole = tmp_path / "whole.pem"
    whole.write_bytes(leaf.private_key_pem.bytes() + leaf.cert_chain_pems[0].bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(whole))
    async with door(good, context) as url:
        assert (await HttpDoorProbe(trusted).knock(url)).fault is DoorFault.TLS_CHAIN
    async with door(good, server(leaf)) as url:
        assert (await HttpDoorProbe(trusted).knock(url)).fault is DoorFault.NONE, "with it all is well"


async def test_no_common_cipher(authority: trustme.CA, trusted: Path) -> None:
    context = server(authority.issue_cert("localhost"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA256")
    async with door(good, context) as url:
        assert (await HttpDoorProbe(trusted).knock(url)).fault is DoorFault.TLS


async def test_a_door_that_speaks_no_tls() -> None:
    async with door(good) as url:
        assert (await HttpDoorProbe().knock(url.replace("http:", "https:"))).fault is DoorFault.TLS


@asynccontextmanager
async def bare(reply: bytes | None) -> AsyncIterator[str]:
    """Takes connections; answers with `reply` and hangs up, or stays silent."""

    served: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.current_task())
        with suppress(ConnectionError):
            await reader.read(1)
            if reply is None:
                await reader.read()
            else:
                writer.write(reply)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        if ends := [each for each in served if each is not None]:  # a probe may give up before it is connected
            await asyncio.wait(ends, timeout=5)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_silence(scheme: str) -> None:
    async with bare(None) as address:
        answer = await HttpDoorProbe(timeout=1.0).knock(f"{scheme}://{address}{PATH}")
    assert (answer.fault, answer.status) == (DoorFault.TIMEOUT, None)


@pytest.mark.parametrize("reply", [b"", b"no http\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nshort"])
async def test_a_connection_that_ends_early(reply: bytes) -> None:
    async with bare(reply) as address:
        answer = await HttpDoorProbe().knock(f"http://{address}{PATH}")
    assert answer.fault is DoorFault.NOT_200


async def test_a_server_that_hangs_up_on_tls() -> None:
    async with bare(b"") as address:
        assert (await HttpDoorProbe().knock(f"https://{address}{PATH}")).fault is DoorFault.TLS


@pytest.mark.parametrize("url", ["", "https://", "nonsense", "https://[::1", "ftp://a.example/x"])
async def test_an_address_that_is_none_raises_nothing(url: str) -> None:
    assert (await HttpDoorProbe().knock(url)).fault is not DoorFault.NONE


async def test_a_longer_wait_than_microsofts_is_not_taken() -> None:
    assert HttpDoorProbe(timeout=600)._timeout < 12
