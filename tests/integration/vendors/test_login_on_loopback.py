"""Unmodified MSAL against a login service over TLS with its own authority: off the loop, once per tenant."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from shared.adapters.graph.auth import TokenSource, roles
from shared.adapters.graph.credentials import ClientSecret
from shared.domain.errors import Scope, StopTheLine, Transient
from tests.support.login_service import Login, open_login

TENANT = "0b0f1f2f-aaaa-4bbb-8ccc-000000000001"


@pytest.fixture
async def login(tmp_path: Path) -> AsyncIterator[Login]:
    async with open_login(tmp_path) as service:
        yield service


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
