"""Unmodified MSAL against a login service over TLS with its own authority: off the loop, once per tenant."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from shared.adapters.graph.auth import ClientSecret, TokenSource, roles
from shared.domain.errors import Scope, StopTheLine, Transient

TENANT = "0b0f1f2f-aaaa-4bbb-8ccc-000000000001"


@dataclass
class Login:
    """A login service: `refusal` is answered instead of a token while it is set."""

    base_url: str = ""
    ca_file: str = ""
    refusal: tuple[int, dict[str, object] | str] | None = None
    delay: float = 0.0
    calls: list[str] = field(default_factory=list)

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
        scope = str((await request.post())["scope"])
        self.calls.append(f"token {request.match_info['tenant']} {scope}")
        await asyncio.sleep(self.delay)
        if self.refusal is not None:
            status, body = self.refusal
            return web.Response(status=status, text=body if isinstance(body, str) else json.dumps(body))
        payload = base64.urlsafe_b64encode(json.dumps({"roles": ["User.Read.All"], "n": len(self.calls)}).encode())
        token = f"e30.{payload.decode().rstrip('=')}.sig"
        return web.json_response({"token_type": "Bearer", "expires_in": 3599, "access_token": token})

    def asked(self, kind: str) -> int:
        return sum(call.startswith(kind) for call in self.calls)


@pytest.fixture
async def login(tmp_path: Path) -> AsyncIterator[Login]:
    service = Login(ca_file=str(tmp_path / "ca.pem"))
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


@asynccontextmanager
async def source(login: Login) -> AsyncIterator[TokenSource]:
    tokens = TokenSource("app", ClientSecret("s3cret"), login.base_url, "https://graph.example", login.ca_file)
    yield tokens
    await tokens.aclose()


async def test_many_callers_one_acquisition_and_the_loop_stays_free(login: Login) -> None:
    login.delay = 0.3
    async with source(login) as tokens:
        started, longest = time.monotonic(), 0.0
        callers = [asyncio.create_task(tokens.token(TENANT), name=f"caller-{n}") for n in range(25)]
        while not all(caller.done() for caller in callers):
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)
        answers = {caller.result() for caller in callers}
    assert len(answers) == 1
    assert roles(answers.pop()) == {"User.Read.All"}
    assert login.calls == [f"discovery {TENANT}", f"token {TENANT} https://graph.example/.default"]
    assert time.monotonic() - started >= 0.3
    assert longest < 0.25, "MSAL sat on the event loop"


async def test_a_refreshed_token_is_another_one(login: Login) -> None:
    async with source(login) as tokens:
        first = await tokens.token(TENANT)
        assert await tokens.token(TENANT) == first
        assert await tokens.renew(TENANT, first) != first
    assert login.asked("token") == 2


async def test_a_cured_consent_is_seen_at_once_by_renew_and_spares_the_service_otherwise(login: Login) -> None:
    login.refusal = (400, {"error": "unauthorized_client", "error_codes": [700016], "error_description": "AADSTS"})
    async with source(login) as tokens:
        for _ in range(3):
            with pytest.raises(StopTheLine) as failure:
                await tokens.token(TENANT)
        assert (failure.value.scope, failure.value.code) == (Scope.TENANT, "consent_missing")
        assert login.asked("token") == 1, "MSAL replays a 400 for a minute"
        login.refusal = None
        with pytest.raises(StopTheLine):
            await tokens.token(TENANT)
        assert await tokens.renew(TENANT)
        assert await tokens.token(TENANT)


async def test_our_own_secret_stops_the_account(login: Login) -> None:
    login.refusal = (401, {"error": "invalid_client", "error_codes": [7000222], "error_description": "AADSTS7000222"})
    async with source(login) as tokens:
        with pytest.raises(StopTheLine) as failure:
            await tokens.token(TENANT)
    assert (failure.value.scope, failure.value.code) == (Scope.ACCOUNT, "secret_expired")


async def test_an_unknown_tenant_stops_that_tenant_alone(login: Login) -> None:
    async with source(login) as tokens:
        with pytest.raises(StopTheLine) as failure:
            await tokens.token("unknown")
        assert (failure.value.scope, failure.value.code) == (Scope.TENANT, "tenant_unknown")
        assert await tokens.token(TENANT)


@pytest.mark.parametrize(
    "refusal",
    [(503, {}), (500, "<html>"), (429, {"error": "temporarily_unavailable"}), (200, "<html>"), (400, "<html>")],
)
async def test_a_login_service_that_is_unwell_is_waited_for(
    login: Login, refusal: tuple[int, dict[str, object] | str]
) -> None:
    login.refusal = refusal
    async with source(login) as tokens:
        with pytest.raises(Transient):
            await tokens.token(TENANT)


async def test_an_environment_bundle_cannot_override_the_trusted_authority(
    login: Login, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    async with source(login) as tokens:
        assert await tokens.token(TENANT)


async def test_an_untrusted_login_service_gets_no_secret(login: Login, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    login.ca_file = str(stranger)
    async with source(login) as tokens:
        with pytest.raises(Transient):
            await tokens.token(TENANT)
    assert login.calls == []
