"""`Microsoft`: the whole simulated vendor as one object: assemble, start, seed, watch, stop.

Parts: login.py (TLS), graph.py with its routes (assembly.py), directory.py per tenant, delivery.py. The runner and the
control API (elsewhere in sandbox) use nothing but this class. Next: assembly.py.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.clock import SandboxClock
from sandbox.microsoft.assembly import assemble
from sandbox.microsoft.calls import Call
from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.delivery import Deliveries
from sandbox.microsoft.directory import Directory
from sandbox.microsoft.hosting import Hosts, client_session, entry, say_goodbye, server_tls
from sandbox.microsoft.lifecycle import Lifecycle
from sandbox.microsoft.login import Login
from sandbox.microsoft.orphans import leave_orphan
from sandbox.microsoft.outbox import Attempt, Outbox
from sandbox.microsoft.partner_center import PartnerCenter
from sandbox.microsoft.products import Sku, default_skus
from sandbox.microsoft.schema import PROPERTIES, render
from sandbox.microsoft.subscription import Subscription
from sandbox.microsoft.switches import Switches
from sandbox.microsoft.tenant import DEFAULT_ROLES, Relationship, Tenant
from sandbox.microsoft.tokens import TokenMint
from sandbox.microsoft.usage import Usage
from sandbox.microsoft.writing import new_user


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
        self._hosts: Hosts | None = None
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
    def partner_url(self) -> str:
        """Partner Center."""
        return self._cloud.partner_url

    @property
    def partner_tenant_id(self) -> str:
        """The tenant whose people sign in to manage others; "" in a scenario without one."""
        partner = self._cloud.partner()
        return partner.tenant_id if partner else ""

    @property
    def required_roles(self) -> tuple[str, ...]:
        """What the app's registration asks an administrator for."""
        return self._cloud.required_roles

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

    async def start(
        self, host: str = "127.0.0.1", login_port: int = 0, graph_port: int = 0, partner_port: int = 0
    ) -> None:
        """Open the servers; port 0 takes a free one. Graph over TLS always takes a free one."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_file))
        for tenant in self._cloud.tenants.values():
            tenant.directory.settle()
        self._session = client_session(authority)
        self._deliveries.outbox = Outbox(self._cloud, self._session, self._deliveries.attempts)
        # a 2048-bit key takes long enough to disturb a loop that serves others
        mint = await asyncio.to_thread(TokenMint, self._cloud.clock, self._signing_key)
        graph = assemble(self._cloud, mint, self._session, self._deliveries, self._usage)
        hosts = self._hosts = Hosts(self._cloud.switches, host)
        tls = server_tls(authority)
        self._cloud.graph_url = await hosts.open(entry(graph), graph_port)
        # some client libraries send a token over https only
        self._cloud.graph_tls_url = await hosts.open(entry(graph), tls=tls)
        self._cloud.reports_url = await hosts.open(self._usage.application())
        self._cloud.reports_tls_url = await hosts.open(self._usage.application(), tls=tls)
        self._cloud.partner_url = await hosts.open(PartnerCenter(self._cloud, mint).application(), partner_port)
        self._cloud.login_url = await hosts.open(Login(self._cloud, mint).application(), login_port, tls)
        self._watch = asyncio.create_task(self._lifecycle.run(), name="sandbox-lifecycle")

    async def stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._deliveries.outbox is not None:
            await self._deliveries.outbox.close()
            self._deliveries.outbox = None
        if self._hosts is not None:
            await self._hosts.close()
        if self._session is not None:
            await self._session.close()
        await say_goodbye()

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
        is_partner: bool = False,
        relationship: Relationship = "none",
    ) -> Tenant:
        """A customer's tenant; `verified_domains` always contain the default one.

        Whether it is premium follows from its products (`skus`; default: `default_skus`, with Business Premium);
        `premium=False` leaves those out that carry P1. `is_partner`: the managed service provider's own.
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
            is_partner=is_partner,
            relationship=relationship,
            skus=[sku for sku in (default_skus() if skus is None else skus) if premium or not sku.has_p1],
        )
        self._cloud.tenants[key] = tenant
        return tenant

    def seed_user(self, tenant_id: str, **attributes: Any) -> dict[str, Any]:
        """Create a user with any Graph attribute, read-only ones (`proxyAddresses`, `assignedLicenses`, ...) too.

        `displayName` and `userPrincipalName` are required, `id` may be given; a directory extension among them is
        registered in the tenant. Returns the whole user.
        """
        tenant = self._cloud.tenants[tenant_id.lower()]
        given = dict(attributes)
        tenant.extensions |= {name.lower() for name in given if name.lower().startswith("extension_")}
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

    def leave_orphan(
        self, tenant_id: str, notification_url: str = "", client_state: str = "", change_type: str = ""
    ) -> Subscription:
        """A living subscription of the application that nobody remembers, as a crash between POST and save leaves."""
        tenant = self._cloud.tenants[tenant_id.lower()]
        return leave_orphan(self._cloud, self._deliveries, tenant, notification_url, client_state, change_type)
