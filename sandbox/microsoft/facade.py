"""`Microsoft`: the whole simulated vendor as one object: assemble, start, seed, watch, stop.

Parts: login.py (TLS), graph.py with its routes (assembly.py), directory.py per tenant, delivery.py. The runner and the
control API (elsewhere in sandbox) use nothing but this class. Next: assembly.py.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import trustme
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.clock import SandboxClock
from sandbox.microsoft.assembly import assemble
from sandbox.microsoft.calls import Call
from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.delivery import Deliveries
from sandbox.microsoft.directory import Directory
from sandbox.microsoft.graph import Graph
from sandbox.microsoft.lifecycle import Lifecycle
from sandbox.microsoft.login import Login
from sandbox.microsoft.outbox import Attempt, Outbox
from sandbox.microsoft.products import Sku, default_skus
from sandbox.microsoft.schema import PROPERTIES, render
from sandbox.microsoft.switches import Switches
from sandbox.microsoft.tenant import DEFAULT_ROLES, Tenant
from sandbox.microsoft.tokens import TokenMint
from sandbox.microsoft.usage import Usage
from sandbox.microsoft.writing import new_user

_MAX_BODY = 4 * 1024 * 1024
_TLS_GOODBYE_S = 0.02


class Microsoft:
    """Tenants and users may be added before and after the start; what is there at the start is replicated at once."""

    def __init__(
        self,
        data_dir: Path,
        *,
        clock: SandboxClock | None = None,
        switches: Switches | None = None,
        seed: int | None = None,
        app_id: str | None = None,
        app_secret: str | None = None,
        signing_key: rsa.RSAPrivateKey | None = None,
    ) -> None:
        self._cloud = Cloud(clock or SandboxClock(), switches or Switches(), random.Random(seed))
        self._cloud.app_id = app_id or self._cloud.app_id
        self._cloud.app_secret = app_secret or self._cloud.app_secret
        self._data_dir = data_dir
        self._deliveries = Deliveries(self._cloud)
        self._signing_key = signing_key
        self._runners: list[web.AppRunner] = []
        self._servers: list[asyncio.Server] = []
        self._session: aiohttp.ClientSession | None = None
        self._lifecycle = Lifecycle(self._cloud, self._deliveries)
        self._usage = Usage(self._cloud)
        self._watch: asyncio.Task[None] | None = None

    # -- what the others read -----------------------------------------------------------------------------------

    @property
    def login_url(self) -> str:
        return self._cloud.login_url

    @property
    def graph_url(self) -> str:
        return self._cloud.graph_url

    @property
    def graph_tls_url(self) -> str:
        """The same Graph over TLS; its answers link to itself."""
        return self._cloud.graph_tls_url

    @property
    def reports_url(self) -> str:
        """The second host, which hands out usage reports to whoever has the link."""
        return self._cloud.reports_url

    @property
    def ca_file(self) -> Path:
        """The certificate of the throw-away CA behind `login_url`, PEM; written by the start."""
        return self._data_dir / "sandbox-ca.pem"

    @property
    def app_id(self) -> str:
        return self._cloud.app_id

    @property
    def app_secret(self) -> str:
        return self._cloud.app_secret

    @property
    def tenants(self) -> Mapping[str, Tenant]:
        return self._cloud.tenants

    @property
    def switches(self) -> Switches:
        return self._cloud.switches

    @property
    def clock(self) -> SandboxClock:
        return self._cloud.clock

    @property
    def calls(self) -> list[Call]:
        """Every call received so far; callers may clear it."""
        return self._cloud.calls

    @property
    def attempts(self) -> list[Attempt]:
        """Every delivery attempt so far, with its answer."""
        return self._deliveries.attempts

    @property
    def pending_notifications(self) -> int:
        """Notifications queued, under way, waiting for a retry or held for a fresh token."""
        return self._deliveries.pending

    def accepted(self, user_id: str) -> list[Attempt]:
        """The 2xx deliveries about one user."""
        return self._deliveries.accepted(user_id)

    # -- life ---------------------------------------------------------------------------------------------------

    async def start(self, host: str = "127.0.0.1", login_port: int = 0, graph_port: int = 0) -> None:
        """Open the servers; port 0 takes a free one. Graph over TLS always takes a free one."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_file))
        for tenant in self._cloud.tenants.values():
            tenant.directory.settle()
        self._session = _session(authority)
        self._deliveries.outbox = Outbox(self._cloud, self._session, self._deliveries.attempts)
        # a 2048-bit key takes long enough to disturb a loop that serves others
        mint = await asyncio.to_thread(TokenMint, self._cloud.clock, self._signing_key)
        graph = assemble(self._cloud, mint, self._session, self._deliveries, self._usage)
        server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1", "::1").configure_cert(server_tls)
        self._cloud.graph_url = f"http://{_host(host)}:{await self._serve(_entry(graph), host, graph_port, None)}"
        # some client libraries send a token over https only
        self._cloud.graph_tls_url = f"https://{_host(host)}:{await self._serve(_entry(graph), host, 0, server_tls)}"
        downloads = self._usage.application
        self._cloud.reports_url = f"http://{_host(host)}:{await self._serve(downloads(), host, 0, None)}"
        self._cloud.reports_tls_url = f"https://{_host(host)}:{await self._serve(downloads(), host, 0, server_tls)}"
        login_port = await self._serve(Login(self._cloud, mint).application(), host, login_port, server_tls)
        self._cloud.login_url = f"https://{_host(host)}:{login_port}"
        self._watch = asyncio.create_task(self._lifecycle.run(), name="sandbox-lifecycle")

    async def stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._deliveries.outbox is not None:
            await self._deliveries.outbox.close()
            self._deliveries.outbox = None
        for server in self._servers:
            server.close()
        for runner in self._runners:
            await runner.cleanup()
        self._servers.clear()
        self._runners.clear()
        if self._session is not None:
            await self._session.close()
        # TLS transports close in a later turn of the loop; a loop that ends before leaks their sockets
        await asyncio.sleep(2 * _TLS_GOODBYE_S)

    # -- seeding and control ------------------------------------------------------------------------------------

    def add_tenant(
        self,
        tenant_id: str,
        name: str,
        default_domain: str,
        verified_domains: Sequence[str] = (),
        *,
        consented: bool = True,
        roles: Sequence[str] = DEFAULT_ROLES,
        premium: bool = True,
        skus: Sequence[Sku] | None = None,
    ) -> Tenant:
        """A customer's tenant; `verified_domains` always contain the default one.

        Whether it is premium follows from its products (`skus`; default: `default_skus`, with Business Premium);
        `premium=False` leaves those out that carry P1.
        """
        key = tenant_id.lower()
        tenant = Tenant(
            tenant_id=key,
            name=name,
            default_domain=default_domain,
            verified_domains=tuple(dict.fromkeys((default_domain, *verified_domains))),
            directory=Directory(self._cloud.clock, self._deliveries.listener(key)),
            created_at=self._cloud.clock.now(),
            consented=consented,
            roles=tuple(roles),
            service_principal_id=str(uuid.uuid4()),
            skus=[sku for sku in (default_skus() if skus is None else skus) if premium or not sku.has_p1],
        )
        self._cloud.tenants[key] = tenant
        return tenant

    def seed_user(self, tenant_id: str, **attributes: Any) -> dict[str, Any]:
        """Create a user with any Graph attribute, read-only ones (`proxyAddresses`, `assignedLicenses`, ...) too.

        `displayName` and `userPrincipalName` are required, `id` may be given. Returns the whole user.
        """
        tenant = self._cloud.tenants[tenant_id.lower()]
        given = dict(attributes)
        user_id = given.pop("id", None)
        given.setdefault("accountEnabled", True)
        given.setdefault("usageLocation", "US")
        given.setdefault("mailNickname", given["userPrincipalName"].partition("@")[0][:64])
        version = tenant.directory.create(new_user(tenant, given, service=True), user_id)
        return render(version.state, PROPERTIES)

    def replay(self, tenant_id: str, user_id: str, count: int = 1, change_type: str = "updated") -> int:
        """Queue `count` notifications about a user without a change; returns how many were queued."""
        return self._deliveries.replay(tenant_id.lower(), user_id, count, change_type)

    def send_lifecycle(
        self, tenant_id: str, event: str = "reauthorizationRequired", subscription_id: str | None = None
    ) -> int:
        """Queue a lifecycle notification, known event or not; returns how many were queued."""
        return self._lifecycle.send(self._cloud.tenants[tenant_id.lower()], event, subscription_id)

    # -- servers ------------------------------------------------------------------------------------------------

    async def _serve(self, app: web.Application, host: str, port: int, tls: ssl.SSLContext | None) -> int:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        # not a TCPSite: it cannot say how long a client that never answers a TLS close is waited for
        goodbye = _TLS_GOODBYE_S if tls is not None else None
        loop = asyncio.get_running_loop()
        server = await loop.create_server(_protocols(runner), host, port, ssl=tls, ssl_shutdown_timeout=goodbye)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])


def _entry(graph: Graph) -> web.Application:
    app = web.Application(client_max_size=_MAX_BODY)
    app.router.add_route("*", "/{tail:.*}", graph.serve)
    return app


def _session(authority: trustme.CA) -> aiohttp.ClientSession:
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


def _protocols(runner: web.AppRunner) -> web.Server:
    if runner.server is None:
        raise RuntimeError("the runner was not set up")
    return runner.server


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
