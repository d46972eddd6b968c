"""The two sites: the public door for Microsoft, and the private one for health checks and metrics.

The public one knows two paths for Microsoft's POSTs and, where consent links are made, two pages for people; it tells
nobody anything else: errors are one plain line, headers name no software. The private one shows states and numbers,
never an error's text. Next: `receiver/service.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from receiver.connect import ConnectSite
from receiver.webhook import Webhook
from shared.domain.consent import CALLBACK_PATH, START_PATH
from shared.runtime.health import Health, State

log = structlog.get_logger("site")
NOTIFICATIONS_PATH = "/graph/notifications"
LIFECYCLE_PATH = "/graph/lifecycle"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Server": "entra-syncro",
}


async def _harden(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)  # over the library's own Server header, which is there by now


@web.middleware
async def _plain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors as one line without details; what nobody foresaw is logged by class and answered 500 (Graph retries)."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return web.Response(status=error.status, text=f"{error.status} {error.reason}\n", headers=headers)
    except Exception as error:
        # The door must answer whatever happens inside; the class tells where to look, the message may hold a body.
        log.error("request_failed", error_class=type(error).__name__, exc_info=error)
        return web.Response(status=500, text="500 Internal Server Error\n")


def public_app(webhook: Webhook, *, body_limit: int, connect: ConnectSite | None = None) -> web.Application:
    """The public door. `body_limit` in bytes. `connect`: None where no consent link leads here."""
    app = web.Application(middlewares=[_plain_errors], client_max_size=body_limit)
    app.on_response_prepare.append(_harden)
    app.router.add_post(NOTIFICATIONS_PATH, webhook.post)
    app.router.add_post(LIFECYCLE_PATH, webhook.post)
    if connect is not None:  # no HEAD: it would do all that GET does, for nobody to read
        app.router.add_get(START_PATH, connect.start, allow_head=False)
        app.router.add_get(CALLBACK_PATH, connect.callback, allow_head=False)
    return app


def private_app(health: Health, registry: CollectorRegistry) -> web.Application:
    """`/healthz`: the process lives. `/readyz`: every service is ready (`?service=NAME`: that one). `/metrics`."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def readyz(request: web.Request) -> web.Response:
        return _readiness(health, request.query.get("service"))

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application(middlewares=[_plain_errors])
    app.on_response_prepare.append(_harden)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    return app


def _readiness(health: Health, name: str | None) -> web.Response:
    report = health.report() if name is None else {name: health.state(name)}
    if None in report.values():
        return web.json_response({"ready": False, "services": {}}, status=404)
    ready = health.ready() if name is None else health.state(name) is State.READY
    return web.json_response({"ready": ready, "services": report}, status=200 if ready else 503)
