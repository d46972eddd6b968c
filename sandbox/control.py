"""The control API of the sandbox: arms faults, moves switches, lifts limits and shows every call received.

It never changes a user or a contact: that is done through the vendors' own APIs. What these cannot write (reports,
products, a whole crowd) is in control_reports.py. JSON in and out; a mistake is answered 400 with `{"error": ...}`
naming what is known. Next: `sandbox/control_reports.py`, `sandbox/control_views.py`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from aiohttp import web

from sandbox import control_reports as reports
from sandbox import control_views as views
from sandbox.crowd import fill
from sandbox.microsoft import Microsoft
from sandbox.syncro import Syncro
from sandbox.syncro.faults import read_fault
from sandbox.syncro.limiter import DOCUMENTED_PER_MINUTE
from sandbox.syncro.tokens import ALL_PERMISSIONS

Handler = Callable[[web.Request], Awaitable[Any]]


class Control:
    """Serves the control API on a port of its own."""

    def __init__(self, microsoft: Microsoft, syncro: Syncro) -> None:
        self.microsoft = self._microsoft = microsoft
        self.syncro = self._syncro = syncro
        self._runner: web.AppRunner | None = None
        self.url = ""

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
        app = web.Application(middlewares=[_in_json])
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
        )
        for method, path, handler in table:
            app.router.add_route(method, path, _answering(handler))
        return app

    async def _state(self, request: web.Request) -> Any:
        return views.state(self._microsoft, self._syncro)

    async def _switches(self, request: web.Request) -> Any:
        return views.switches(self._microsoft, self._syncro)

    async def _move_switches(self, request: web.Request) -> Any:
        """All of both vendors, or none."""
        body = await _body(request, {"microsoft", "syncro"})
        wanted = {vendor: _object(body, vendor) for vendor in ("microsoft", "syncro")}
        self._syncro.switches.check(wanted["syncro"])
        _check_names(wanted["microsoft"], self._microsoft.switches.as_dict())
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
        body = await _body(request)
        vendor = body.pop("vendor", None)
        if vendor == "syncro":
            self._syncro.faults.arm(read_fault(body))
        elif vendor in ("graph", "login"):
            self._microsoft.switches.add_fault(service=vendor, **body)
        else:
            raise ValueError("vendor is one of syncro, graph, login")
        return views.faults(self._microsoft, self._syncro)

    async def _clear_faults(self, request: web.Request) -> Any:
        self._syncro.faults.clear()
        self._microsoft.switches.faults.clear()
        return views.faults(self._microsoft, self._syncro)

    async def _limits(self, request: web.Request) -> Any:
        return views.limits(self._microsoft, self._syncro)

    async def _set_limits(self, request: web.Request) -> Any:
        """`{"syncro": {"per_minute": null, "window_s": 60}, "graph": {"throttling": false}}`; null lifts."""
        body = await _body(request, {"syncro", "graph"})
        limiter, wanted = self._syncro.limiter, _object(body, "syncro")
        per_minute = wanted.get("per_minute", limiter.per_minute)
        window = float(wanted.get("window_s", limiter.window))
        if window <= 0 or (per_minute is not None and (not isinstance(per_minute, int) or per_minute < 0)):
            raise ValueError(f"per_minute is a number (documented: {DOCUMENTED_PER_MINUTE}) or null; window_s above 0")
        self._microsoft.switches.change(_object(body, "graph"))
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
        body = await _body(request, {"event", "tenant", "subscription"})
        event = str(body.get("event", "reauthorizationRequired"))
        tenants = [self._tenant(body["tenant"])] if "tenant" in body else list(self._microsoft.tenants)
        queued = [self._microsoft.send_lifecycle(one, event, body.get("subscription")) for one in tenants]
        return {"queued": sum(queued)}

    async def _replay(self, request: web.Request) -> Any:
        """`{"tenant": ID, "user": ID, "count": 1000}`: notifications without any change behind them."""
        body = await _body(request, {"tenant", "user", "count"})
        tenant, user = self._tenant(body.get("tenant")), str(body.get("user", ""))
        return {"queued": self._microsoft.replay(tenant, user, int(body.get("count", 1)))}

    def _tenant(self, given: Any) -> str:
        tenant = str(given).lower()
        if tenant not in self._microsoft.tenants:
            raise ValueError(f"unknown tenant {given!r}; known: {', '.join(self._microsoft.tenants)}")
        return tenant

    async def _clock(self, request: web.Request) -> Any:
        body = await _body(request, {"advance_s"})
        self._microsoft.clock.advance(timedelta(seconds=float(body.get("advance_s", 0))))
        return {"now": self._microsoft.clock.now().isoformat()}

    async def _token(self, request: web.Request) -> Any:
        """What the Syncro token may do from now on; a key that is absent goes back to its default."""
        body = await _body(request, {"valid", "permissions", "customer_ids"})
        permissions = body.get("permissions")
        unknown = set(permissions or ()) - ALL_PERMISSIONS
        if unknown:
            raise ValueError(f"unknown permissions {sorted(unknown)}; known: {sorted(ALL_PERMISSIONS)}")
        token, customers = self._syncro.token, body.get("customer_ids")
        token.valid = bool(body.get("valid", True))
        token.permissions = ALL_PERMISSIONS if permissions is None else frozenset(permissions)
        token.customer_ids = None if customers is None else frozenset(map(int, customers))
        return views.token(self._syncro)

    async def _fields(self, request: web.Request) -> Any:
        """Exactly these custom fields are defined from now on (in Syncro a technician's work): `{"contact": [...]}`."""
        body = await _body(request, {"contact", "customer"})
        account = self._syncro.account
        for kind, fields in (("contact", account.contact_fields), ("customer", account.customer_fields)):
            if kind in body:
                fields.keep_only([str(name) for name in body[kind]])
        return views.fields(self._syncro)

    async def _reports(self, request: web.Request) -> Any:
        return reports.show(self._microsoft.tenants[self._tenant(request.query.get("tenant"))])

    async def _tell_reports(self, request: web.Request) -> Any:
        """What reports say of a tenant and its users from now on; see `sandbox/control_reports.py`."""
        body = await _body(request, set(reports.KEYS))
        return reports.apply(self._microsoft.tenants[self._tenant(body.get("tenant"))], body)

    async def _crowd(self, request: web.Request) -> Any:
        """`{"tenant": ID, "customer": ID, "users": 2000, "contacts": 2000}`: people who were always there."""
        body = await _body(request, {"tenant", "customer", "users", "contacts"})
        tenant, customer = self._tenant(body.get("tenant")), int(body.get("customer", 0))
        if customer not in self._syncro.account.customers:
            raise ValueError(f"unknown customer {customer}; known: {list(self._syncro.account.customers)}")
        users = int(body.get("users", 0))
        crowd = fill(self, tenant, customer, users=users, contacts=int(body.get("contacts", users)))
        return {"users": crowd.users, "contacts": len(crowd.contact_ids)}


def _answering(handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        try:
            return web.json_response(await handler(request))
        except (ValueError, TypeError, OverflowError) as error:
            return web.json_response({"error": str(error)}, status=400)

    return answer


@web.middleware
async def _in_json(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
    """A path or method that the table does not know is answered in JSON like every other mistake."""
    try:
        return await handler(request)
    except web.HTTPException as no:
        return web.json_response({"error": f"{request.method} {request.path}: {no.reason}"}, status=no.status)


async def _body(request: web.Request, known: set[str] | None = None) -> dict[str, Any]:
    try:
        body = json.loads(await request.read() or b"{}")
    except (ValueError, RecursionError) as error:
        raise ValueError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise ValueError("the body is a JSON object")
    if known is not None and set(body) - known:
        raise ValueError(f"unknown keys {sorted(set(body) - known)}; known: {sorted(known)}")
    return body


def _check_names(wanted: dict[str, Any], values: dict[str, Any]) -> None:
    unknown, known = set(wanted) - set(values), sorted(set(values) - {"faults"})
    if unknown:
        raise ValueError(f"unknown switches {sorted(unknown)}; known: {', '.join(known)}")


def _object(body: dict[str, Any], key: str) -> dict[str, Any]:
    value = body.get(key, {})
    if not isinstance(value, dict):
        raise ValueError(f"{key} is a JSON object")
    return value
