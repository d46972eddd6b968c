"""The control API of the sandbox: arms faults, moves switches, lifts limits and shows every call received.

It never changes a user or a contact: that is done through the vendors' own APIs. What these cannot write (reports,
products, a whole crowd) is in control_reports.py; what people and other tools do meanwhile in control_onboarding.py.
JSON in and out; a mistake is answered 400 with `{"error": ...}` naming what is known. Next: control_onboarding.py,
control_views.py.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aiohttp import web

from sandbox import control_onboarding as onboarding
from sandbox import control_reports as reports
from sandbox import control_views as views
from sandbox.control_wire import Handler, answering, check_names, in_json, read_body, read_object
from sandbox.crowd import fill
from sandbox.microsoft import Microsoft
from sandbox.syncro import Syncro
from sandbox.syncro.faults import read_fault
from sandbox.syncro.limiter import DOCUMENTED_PER_MINUTE
from sandbox.syncro.tokens import ALL_PERMISSIONS, DEFAULT_OWNER


class Control:
    """Serves the control API on a port of its own."""

    def __init__(self, microsoft: Microsoft, syncro: Syncro) -> None:
        self.microsoft = self._microsoft = microsoft
        self.syncro = self._syncro = syncro
        self._runner: web.AppRunner | None = None
        self.url = ""
        self.listed: list[tuple[int, str]] = []  # customer and how a list names its tenant

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen (port 0: a free one); gives the address without a path."""
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        self._runner = runner
        self.url = f"http://{host}:{runner.addresses[0][1]}"
        return self.url

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def application(self) -> web.Application:
        app = web.Application(middlewares=[in_json])
        table: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "/state", self._state),
            ("GET", "/switches", self._switches),
            ("PUT", "/switches", self._move_switches),
            ("DELETE", "/switches", self._reset_switches),
            ("GET", "/faults", self._faults),
            ("POST", "/faults", self._arm),
            ("DELETE", "/faults", self._clear_faults),
            ("GET", "/limits", self._limits),
            ("PUT", "/limits", self._set_limits),
            ("GET", "/calls", self._calls),
            ("DELETE", "/calls", self._forget_calls),
            ("GET", "/deliveries", self._deliveries),
            ("POST", "/lifecycle", self._lifecycle),
            ("POST", "/replay", self._replay),
            ("POST", "/clock", self._clock),
            ("PUT", "/token", self._token),
            ("PUT", "/fields", self._fields),
            ("GET", "/reports", self._reports),
            ("PUT", "/reports", self._tell_reports),
            ("POST", "/crowd", self._crowd),
            ("PUT", "/consent", self._consent),
            ("POST", "/orphan", self._orphan),
            ("POST", "/own-sync", self._own_sync),
        )
        for method, path, handler in table:
            app.router.add_route(method, path, answering(handler))
        app.router.add_get("/customers.csv", self._customers)
        return app

    async def _state(self, request: web.Request) -> Any:
        return views.state(self._microsoft, self._syncro)

    async def _switches(self, request: web.Request) -> Any:
        return views.switches(self._microsoft, self._syncro)

    async def _move_switches(self, request: web.Request) -> Any:
        """All of both vendors, or none."""
        body = await read_body(request, {"microsoft", "syncro"})
        wanted = {vendor: read_object(body, vendor) for vendor in ("microsoft", "syncro")}
        self._syncro.switches.check(wanted["syncro"])
        check_names(wanted["microsoft"], self._microsoft.switches.as_dict())
        self._microsoft.switches.change(wanted["microsoft"])
        self._syncro.switches.move(wanted["syncro"])
        return views.switches(self._microsoft, self._syncro)

    async def _reset_switches(self, request: web.Request) -> Any:
        """Every switch back to its harsh default; armed faults of Microsoft go too."""
        self._microsoft.switches.reset()
        self._syncro.switches.reset()
        return views.switches(self._microsoft, self._syncro)

    async def _faults(self, request: web.Request) -> Any:
        return views.faults(self._microsoft, self._syncro)

    async def _arm(self, request: web.Request) -> Any:
        body = await read_body(request)
        vendor = body.pop("vendor", None)
        if vendor == "syncro":
            self._syncro.faults.arm(read_fault(body))
        elif vendor in ("graph", "login", "partner"):
            self._microsoft.switches.add_fault(service=vendor, **body)
        else:
            raise ValueError("vendor is one of syncro, graph, login, partner")
        return views.faults(self._microsoft, self._syncro)

    async def _clear_faults(self, request: web.Request) -> Any:
        self._syncro.faults.clear()
        self._microsoft.switches.faults.clear()
        return views.faults(self._microsoft, self._syncro)

    async def _limits(self, request: web.Request) -> Any:
        return views.limits(self._microsoft, self._syncro)

    async def _set_limits(self, request: web.Request) -> Any:
        """`{"syncro": {"per_minute": null, "window_s": 60}, "graph": {"throttling": false}}`; null lifts."""
        body = await read_body(request, {"syncro", "graph"})
        limiter, wanted = self._syncro.limiter, read_object(body, "syncro")
        per_minute = wanted.get("per_minute", limiter.per_minute)
        window = float(wanted.get("window_s", limiter.window))
        if window <= 0 or (per_minute is not None and (not isinstance(per_minute, int) or per_minute < 0)):
            raise ValueError(f"per_minute is a number (documented: {DOCUMENTED_PER_MINUTE}) or null; window_s above 0")
        self._microsoft.switches.change(read_object(body, "graph"))
        limiter.per_minute, limiter.window = per_minute, window
        limiter.clear()
        return views.limits(self._microsoft, self._syncro)

    async def _calls(self, request: web.Request) -> Any:
        return views.calls(self._microsoft, self._syncro, request.query)

    async def _forget_calls(self, request: web.Request) -> Any:
        self._syncro.calls.clear()
        self._microsoft.calls.clear()
        return {"forgotten": True}

    async def _deliveries(self, request: web.Request) -> Any:
        return views.deliveries(self._microsoft, request.query)

    async def _lifecycle(self, request: web.Request) -> Any:
        """`{"event": "reauthorizationRequired", "tenant": ID, "subscription": ID}`; the last two narrow it down."""
        body = await read_body(request, {"event", "tenant", "subscription"})
        event = str(body.get("event", "reauthorizationRequired"))
        tenants = [self._tenant(body["tenant"])] if "tenant" in body else list(self._microsoft.tenants)
        queued = [self._microsoft.send_lifecycle(one, event, body.get("subscription")) for one in tenants]
        return {"queued": sum(queued)}

    async def _replay(self, request: web.Request) -> Any:
        """`{"tenant": ID, "user": ID, "count": 1000}`: notifications without any change behind them."""
        body = await read_body(request, {"tenant", "user", "count"})
        tenant, user = self._tenant(body.get("tenant")), str(body.get("user", ""))
        return {"queued": self._microsoft.replay(tenant, user, int(body.get("count", 1)))}

    def _tenant(self, given: Any) -> str:
        tenant = str(given).lower()
        if tenant not in self._microsoft.tenants:
            raise ValueError(f"unknown tenant {given!r}; known: {', '.join(self._microsoft.tenants)}")
        return tenant

    async def _clock(self, request: web.Request) -> Any:
        body = await read_body(request, {"advance_s"})
        self._microsoft.clock.advance(timedelta(seconds=float(body.get("advance_s", 0))))
        return {"now": self._microsoft.clock.now().isoformat()}

    async def _token(self, request: web.Request) -> Any:
        """What the Syncro token may do from now on; a key that is absent goes back to its default."""
        body = await read_body(request, {"valid", "permissions", "customer_ids", "owner", "active"})
        permissions = body.get("permissions")
        unknown = set(permissions or ()) - ALL_PERMISSIONS
        if unknown:
            raise ValueError(f"unknown permissions {sorted(unknown)}; known: {sorted(ALL_PERMISSIONS)}")
        token, customers = self._syncro.token, body.get("customer_ids")
        token.valid = bool(body.get("valid", True))
        token.permissions = ALL_PERMISSIONS if permissions is None else frozenset(permissions)
        token.customer_ids = None if customers is None else frozenset(map(int, customers))
        token.owner = str(body.get("owner", DEFAULT_OWNER))
        token.is_owner_active = bool(body.get("active", True))
        return views.token(self._syncro)

    async def _fields(self, request: web.Request) -> Any:
        """Exactly these custom fields are defined from now on (in Syncro a technician's work): `{"contact": [...]}`."""
        body = await read_body(request, {"contact", "customer"})
        account = self._syncro.account
        for kind, fields in (("contact", account.contact_fields), ("customer", account.customer_fields)):
            if kind in body:
                fields.keep_only([str(name) for name in body[kind]])
        return views.fields(self._syncro)

    async def _reports(self, request: web.Request) -> Any:
        return reports.show(self._microsoft.tenants[self._tenant(request.query.get("tenant"))])

    async def _tell_reports(self, request: web.Request) -> Any:
        """What reports say of a tenant and its users from now on; see `sandbox/control_reports.py`."""
        body = await read_body(request, set(reports.KEYS))
        return reports.apply(self._microsoft.tenants[self._tenant(body.get("tenant"))], body)

    async def _crowd(self, request: web.Request) -> Any:
        """`{"tenant": ID, "customer": ID, "users": 2000, "contacts": 2000}`: people who were always there."""
        body = await read_body(request, {"tenant", "customer", "users", "contacts"})
        tenant, customer = self._tenant(body.get("tenant")), int(body.get("customer", 0))
        if customer not in self._syncro.account.customers:
            raise ValueError(f"unknown customer {customer}; known: {list(self._syncro.account.customers)}")
        users = int(body.get("users", 0))
        crowd = fill(self, tenant, customer, users=users, contacts=int(body.get("contacts", users)))
        return {"users": crowd.users, "contacts": len(crowd.contact_ids)}

    async def _consent(self, request: web.Request) -> Any:
        """`{"tenant": ID, "consented": true, "roles": [...]}`; see `sandbox/control_onboarding.py`."""
        body = await read_body(request, set(onboarding.CONSENT_KEYS))
        return onboarding.consent(self._microsoft, self._tenant(body.get("tenant")), body)

    async def _orphan(self, request: web.Request) -> Any:
        """`{"tenant": ID}`: a living subscription that nobody remembers."""
        body = await read_body(request, {"tenant", *onboarding.ORPHAN_KEYS})
        return onboarding.orphan(self._microsoft, self._tenant(body.get("tenant")), body)

    async def _own_sync(self, request: web.Request) -> Any:
        """`{"customer": ID, "tenant": ID}`: one run of Syncro's own Entra sync."""
        body = await read_body(request, {"customer", "tenant"})
        return onboarding.own_sync(
            self._microsoft, self._syncro, self._tenant(body.get("tenant")), int(body.get("customer", 0))
        )

    async def _customers(self, request: web.Request) -> web.Response:
        """The list of the scenario's customers as a technician would have it."""
        return web.Response(text=onboarding.as_csv(self.listed), content_type="text/csv")
