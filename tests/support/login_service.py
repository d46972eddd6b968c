"""A login service on loopback, over TLS with an authority of its own, that unmodified MSAL can be pointed at."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme
from aiohttp import web


@dataclass
class Login:
    """A login service: `refusal` is answered instead of a token while it is set. `forms`: of the token requests."""

    base_url: str = ""
    ca_file: str = ""
    refusal: tuple[int, dict[str, object] | str] | None = None
    delay: float = 0.0
    calls: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)

    async def discovery(self, request: web.Request) -> web.Response:
        tenant = request.match_info["tenant"]
        self.calls.append(f"discovery {tenant}")
        if tenant == "unknown":
            return web.json_response({"error": "invalid_tenant"}, status=400)
        root = f"{self.base_url}/{tenant}"
        return web.json_response(
            {
                "issuer": f"{root}/v2.0",
                "token_endpoint": f"{root}/oauth2/v2.0/token",
                "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
            }
        )

    async def token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append(form)
        self.calls.append(f"token {request.match_info['tenant']} {form['scope']}")
        await asyncio.sleep(self.delay)
        if self.refusal is not None:
            status, body = self.refusal
            return web.Response(status=status, text=body if isinstance(body, str) else json.dumps(body))
        payload = base64.urlsafe_b64encode(json.dumps({"roles": ["User.Read.All"], "n": len(self.calls)}).encode())
        token = f"e30.{payload.decode().rstrip('=')}.sig"
        return web.json_response({"token_type": "Bearer", "expires_in": 3599, "access_token": token})

    def asked(self, kind: str) -> int:
        return sum(call.startswith(kind) for call in self.calls)


@asynccontextmanager
async def open_login(folder: Path) -> AsyncIterator[Login]:
    service = Login(ca_file=str(folder / "ca.pem"))
    ca = trustme.CA()
    ca.cert_pem.write_to_path(service.ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    app = web.Application()
    app.router.add_get("/{tenant}/v2.0/.well-known/openid-configuration", service.discovery)
    app.router.add_post("/{tenant}/oauth2/v2.0/token", service.token)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    service.base_url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    yield service
    await runner.cleanup()
