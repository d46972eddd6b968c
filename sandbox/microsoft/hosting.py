"""The servers of the simulated Microsoft: each host on a port of its own, plain or with the throw-away authority.

Next: facade.py.
"""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import trustme
from aiohttp import web

from sandbox.microsoft.graph import Graph
from sandbox.microsoft.switches import Switches

_MAX_BODY = 4 * 1024 * 1024
_TLS_GOODBYE_S = 0.02


class Hosts:
    """Every server that was opened; all listen on `host`."""

    def __init__(self, switches: Switches, host: str) -> None:
        self._switches = switches
        self._host = host
        self._runners: list[web.AppRunner] = []
        self._servers: list[asyncio.Server] = []

    async def open(self, app: web.Application, port: int = 0, tls: ssl.SSLContext | None = None) -> str:
        """Serve it (port 0: a free one); gives the address without a path."""
        app.on_response_prepare.append(self._date)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        # not a TCPSite: it cannot say how long a client that never answers a TLS close is waited for
        goodbye = _TLS_GOODBYE_S if tls is not None else None
        loop = asyncio.get_running_loop()
        server = await loop.create_server(_protocols(runner), self._host, port, ssl=tls, ssl_shutdown_timeout=goodbye)
        self._servers.append(server)
        name = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'http' if tls is None else 'https'}://{name}:{server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for runner in self._runners:
            await runner.cleanup()
        self._servers.clear()
        self._runners.clear()

    async def _date(self, request: web.Request, response: web.StreamResponse) -> None:
        """As if this machine's clock were wrong: its client cannot tell whose is."""
        skew = self._switches.date_skew_s
        if skew:
            response.headers["Date"] = format_datetime(datetime.now(UTC) + timedelta(seconds=skew), usegmt=True)


def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """The certificate of every host here, on loopback only."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1", "::1").configure_cert(tls)
    return tls


def entry(graph: Graph) -> web.Application:
    app = web.Application(client_max_size=_MAX_BODY)
    app.router.add_route("*", "/{tail:.*}", graph.serve)
    return app


def client_session(authority: trustme.CA) -> aiohttp.ClientSession:
    """The client side of handshakes and deliveries: trusts public CAs and, as their stand-in, the sandbox's own."""
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    connector = aiohttp.TCPConnector(ssl=trusted, limit=0)
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=60),
        skip_auto_headers=["User-Agent"],
        trust_env=False,
    )


async def say_goodbye() -> None:
    """TLS transports close in a later turn of the loop; a loop that ends before leaks their sockets."""
    await asyncio.sleep(2 * _TLS_GOODBYE_S)


def _protocols(runner: web.AppRunner) -> web.Server:
    if runner.server is None:
        raise RuntimeError("the runner was not set up")
    return runner.server
