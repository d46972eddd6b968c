"""The identity service of a platform (a virtual machine's) on loopback, where unmodified MSAL looks for it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

IMDS = "AZURE_POD_IDENTITY_AUTHORITY_HOST"  # MSAL's own variable: whom it asks instead of 169.254.169.254


@dataclass
class Platform:
    """`troubles`: statuses answered first, one a request. `token`: what is given then."""

    token: Callable[[], str] = lambda: "their-token"
    troubles: list[int] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query) | {"metadata": request.headers.get("Metadata", "")})
        if self.troubles:
            return web.json_response({"error": "x", "error_description": "not now"}, status=self.troubles.pop(0))
        head = {"expires_in": "3600", "expires_on": str(int(time.time()) + 3600), "token_type": "Bearer"}
        return web.json_response(head | {"access_token": self.token(), "resource": request.query["resource"]})


@asynccontextmanager
async def open_platform(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Platform]:
    platform = Platform()
    app = web.Application()
    app.router.add_get("/metadata/identity/oauth2/token", platform.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IMDS_ENDPOINT", "MSI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(IMDS, f"http://127.0.0.1:{runner.addresses[0][1]}")
    yield platform
    await runner.cleanup()
