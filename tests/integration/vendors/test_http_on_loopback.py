"""The HTTP client against a real socket: bounds, silence, cuts, redirects, and what the log says."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from structlog.testing import capture_logs

from shared.adapters import http_session
from shared.adapters.http import HttpClient, Request, open_http
from shared.domain.errors import Ambiguous, Transient
from tests.support.vendor_stub import stub_server


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    async with open_http("entra-syncro/test") as opened:
        yield opened


def request(base_url: str, path: str = "/x", method: str = "GET", total: float = 5.0) -> Request:
    return Request("vendor", method, base_url + path, "/x", repeatable=method == "GET", total=total)


async def ok(_: web.Request) -> web.Response:
    return web.json_response({"fine": True}, headers={"X-Request-Id": "r-1", "Set-Cookie": "a=b"})


async def test_a_call_goes_out_as_written_and_comes_back_whole(client: HttpClient) -> None:
    async with stub_server(ok) as stub:
        path = "/users?$filter=mail%20eq%20%27a%2Bb%40x%27&$skiptoken=a%2Fb+c=="
        answer = await client.send(request(stub.base_url, path))
        await client.send(Request("vendor", "POST", f"{stub.base_url}/y", "/y", {"Authorization": "T"}, {"a": 1}))
    assert (answer.status, answer.document, answer.headers["x-request-id"]) == (200, {"fine": True}, "r-1")
    method, raw_path, headers, _ = stub.seen[0]
    assert (method, raw_path, headers["User-Agent"]) == ("GET", path, "entra-syncro/test")
    method, _, headers, body = stub.seen[1]
    assert (method, headers["Authorization"], body) == ("POST", "T", {"a": 1})
    assert "Cookie" not in headers


async def test_the_log_has_the_template_and_no_query_body_or_header(client: HttpClient) -> None:
    with capture_logs() as logs:
        async with stub_server(ok) as stub:
            await client.send(request(stub.base_url, "/users/someone@example.com?secret=1"))
    [event] = [log for log in logs if log["event"] == "http_call"]
    assert event["log_level"] == "debug"
    assert (event["method"], event["path"], event["status"], event["request_id"]) == ("GET", "/x", 200, "r-1")
    assert event["ms"] >= 0
    assert "someone" not in repr(logs)
    assert "secret" not in repr(logs)


async def test_a_closed_port_was_certainly_not_reached(client: HttpClient) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Transient) as failure:
            await client.send(request(base_url, method="POST"))
    assert (type(failure.value), failure.value.code) == (Transient, "unreachable")


@pytest.mark.parametrize(("method", "family"), [("GET", Transient), ("POST", Ambiguous)])
async def test_silence_ends_by_the_total_timeout(client: HttpClient, method: str, family: type[Transient]) -> None:
    async def silent(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async with stub_server(silent) as stub:
        with pytest.raises(family) as failure:
            await client.send(request(stub.base_url, method=method, total=0.2))
    assert (type(failure.value), failure.value.code) == (family, "timed_out")


@pytest.mark.parametrize(("method", "family"), [("GET", Transient), ("POST", Ambiguous), ("PUT", Ambiguous)])
async def test_a_connection_cut_after_the_request(client: HttpClient, method: str, family: type[Transient]) -> None:
    async def cut(incoming: web.Request) -> web.Response:
        assert incoming.transport is not None
        incoming.transport.abort()
        return web.Response()

    async with stub_server(cut) as stub:
        with pytest.raises(family) as failure:
            await client.send(request(stub.base_url, method=method))
        assert len(stub.seen) == 1
    assert (type(failure.value), failure.value.code) == (family, "connection_lost")


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_nothing_is_repeated_behind_our_back_on_a_kept_connection(client: HttpClient, method: str) -> None:
    async def first_well_then_cut(incoming: web.Request) -> web.Response:
        if len(stub.seen) > 1 and incoming.transport is not None:
            incoming.transport.abort()
        return web.Response()

    async with stub_server(first_well_then_cut) as stub:
        await client.send(request(stub.base_url, method=method))
        with pytest.raises(Transient):
            await client.send(request(stub.base_url, method=method))
        assert len(stub.seen) == 2, "a third would be a call that the pace never granted"


async def test_a_body_cut_in_the_middle(client: HttpClient) -> None:
    async def cut(incoming: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(incoming)
        await response.write(b'{"half":')
        assert incoming.transport is not None
        incoming.transport.close()
        return response

    async with stub_server(cut) as stub:
        with pytest.raises(Transient) as failure:
            await client.send(request(stub.base_url))
    assert failure.value.code == "connection_lost"


async def test_a_body_without_end_is_not_read_to_the_end(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_session, "MAX_BODY", 100_000)

    async def endless(incoming: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(incoming)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b"x" * 50_000)
        return response

    async with stub_server(endless) as stub:
        with pytest.raises(Transient) as failure:
            await client.send(request(stub.base_url))
    assert failure.value.code == "answer_too_large"


async def test_a_redirect_is_an_answer_not_a_journey(client: HttpClient) -> None:
    async def away(_: web.Request) -> web.Response:
        raise web.HTTPFound("/elsewhere")

    async with stub_server(away) as stub:
        assert (await client.send(request(stub.base_url))).status == 302
        assert len(stub.seen) == 1


async def test_a_cancelled_call_is_cancelled(client: HttpClient) -> None:
    arrived = asyncio.Event()

    async def silent(_: web.Request) -> web.Response:
        arrived.set()
        await asyncio.sleep(30)
        return web.Response()

    async with stub_server(silent) as stub:
        call = asyncio.create_task(client.send(request(stub.base_url)), name="call")
        await asyncio.wait_for(arrived.wait(), 5)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_only_the_named_authority_is_trusted(tmp_path: Path) -> None:
    ca, stranger = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    stranger.cert_pem.write_to_path(str(tmp_path / "stranger.pem"))
    runner = web.AppRunner(_app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    base_url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with open_http("t", tmp_path / "ca.pem") as trusting:
            assert (await trusting.send(request(base_url))).status == 200
        async with open_http("t", tmp_path / "stranger.pem") as wary:
            with pytest.raises(Transient) as failure:
                await wary.send(request(base_url, method="POST"))
        assert (type(failure.value), failure.value.code) == (Transient, "unreachable")
    finally:
        await runner.cleanup()


def _app() -> web.Application:
    app = web.Application()
    app.router.add_get("/x", ok)
    return app
