"""What unmodified MSAL sends for each of our credentials, checked as the sign-in service of Microsoft checks it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from shared.adapters.graph.auth import TokenSource
from shared.adapters.graph.credentials import (
    AssertionFile,
    ClientCertificate,
    ClientSecret,
    Credential,
)
from shared.adapters.graph.managed_identity import ManagedIdentity
from shared.domain.errors import Scope, StopTheLine, Transient
from tests.support.certificates import certificate_pem, key_pem, rsa_key
from tests.support.login_service import Login, open_login
from tests.support.platform import Platform, open_platform

TENANT, OTHER = "0b0f1f2f-aaaa-4bbb-8ccc-000000000001", "0b0f1f2f-aaaa-4bbb-8ccc-000000000002"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
AUDIENCE = "api://AzureADTokenExchange"


@pytest.fixture
async def login(tmp_path: Path) -> AsyncIterator[Login]:
    async with open_login(tmp_path) as service:
        yield service


@pytest.fixture
async def platform(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Platform]:
    async with open_platform(monkeypatch) as service:
        yield service


@asynccontextmanager
async def source(login: Login, credential: Credential) -> AsyncIterator[TokenSource]:
    tokens = TokenSource("the-app", credential, login.base_url, "https://graph.example", login.ca_file)
    yield tokens
    await tokens.aclose()


def unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


async def test_a_secret_goes_in_the_body(login: Login) -> None:
    async with source(login, ClientSecret("s3cret")) as tokens:
        await tokens.token(TENANT)
    (form,) = login.forms
    assert (form["client_id"], form["client_secret"]) == ("the-app", "s3cret")
    assert "client_assertion" not in form


async def test_a_certificate_signs_by_sha_256_and_goes_along(login: Login) -> None:
    pem = certificate_pem(rsa_key())
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    async with source(login, ClientCertificate(key_pem(rsa_key()), pem)) as tokens:
        await tokens.token(TENANT)
    (form,) = login.forms
    assert form["client_assertion_type"] == JWT_BEARER
    assertion = form["client_assertion"]
    head: dict[str, Any] = jwt.get_unverified_header(assertion)
    assert head["alg"] == "PS256"
    assert head["x5t#S256"].rstrip("=") == unpadded(hashlib.sha256(der).digest())
    assert base64.b64decode(head["x5c"][0]) == der
    endpoint = f"{login.base_url}/{TENANT}/oauth2/v2.0/token"
    claims = jwt.decode(assertion, rsa_key().public_key(), algorithms=["PS256"], audience=endpoint)
    assert (claims["iss"], claims["sub"]) == ("the-app", "the-app")
    assert "client_secret" not in form


async def test_an_assertion_file_is_read_again_for_every_token_that_is_asked_for(login: Login, tmp_path: Path) -> None:
    file = tmp_path / "assertion"
    file.write_text("first.of.platform\n")
    async with source(login, AssertionFile(file)) as tokens:
        first = await tokens.token(TENANT)
        file.write_text("second.of.platform\n")
        assert await tokens.token(TENANT) == first, "the token that is held is good for minutes"
        assert await tokens.token(OTHER)
        file.write_text("third.of.platform\n")
        assert await tokens.renew(TENANT, first) != first
    assert [form["client_assertion"].split(".")[0] for form in login.forms] == ["first", "second", "third"]
    assert {form["client_assertion_type"] for form in login.forms} == {JWT_BEARER}


async def test_an_assertion_file_that_is_gone_stops_the_account_until_it_is_back(login: Login, tmp_path: Path) -> None:
    file = tmp_path / "assertion"
    async with source(login, AssertionFile(file)) as tokens:
        with pytest.raises(StopTheLine) as failure:
            await tokens.token(TENANT)
        assert (failure.value.scope, failure.value.code) == (Scope.ACCOUNT, "assertion_unreadable")
        file.write_text("back.of.platform")
        assert await tokens.token(TENANT)


async def test_one_managed_identity_vouches_in_every_tenant(login: Login, platform: Platform) -> None:
    async with source(login, ManagedIdentity(AUDIENCE)) as tokens:
        await tokens.token(TENANT)
        await tokens.token(OTHER)
    assert [form["client_assertion"] for form in login.forms] == ["their-token", "their-token"]
    (asked,) = platform.asked
    assert (asked["resource"], asked["metadata"]) == (AUDIENCE, "true")
    assert "client_id" not in asked


async def test_a_user_assigned_identity_is_named(login: Login, platform: Platform) -> None:
    async with source(login, ManagedIdentity(AUDIENCE, "11111111-2222-4333-8444-555555555555")) as tokens:
        await tokens.token(TENANT)
    assert platform.asked[0]["client_id"] == "11111111-2222-4333-8444-555555555555"


@pytest.mark.parametrize("status", [404, 410, 429, 500, 503])
async def test_a_platform_that_is_busy_is_asked_again(login: Login, platform: Platform, status: int) -> None:
    platform.troubles = [status, status]
    async with source(login, ManagedIdentity(AUDIENCE, pauses=(0.0, 0.0))) as tokens:
        assert await tokens.token(TENANT)
    assert len(platform.asked) == 3


async def test_a_platform_that_stays_away_is_waited_for(login: Login, platform: Platform) -> None:
    platform.troubles = [500] * 9
    async with source(login, ManagedIdentity(AUDIENCE, pauses=(0.0, 0.0))) as tokens:
        with pytest.raises(Transient) as failure:
            await tokens.token(TENANT)
    assert failure.value.code == "managed_identity_unavailable"
    assert (len(platform.asked), login.forms) == (3, [])


async def test_a_platform_without_the_identity_stops_the_account(login: Login, platform: Platform) -> None:
    platform.troubles = [400]
    async with source(login, ManagedIdentity(AUDIENCE)) as tokens:
        with pytest.raises(StopTheLine) as failure:
            await tokens.token(TENANT)
    assert (failure.value.scope, failure.value.code) == (Scope.ACCOUNT, "managed_identity_refused")


async def test_no_proxy_of_the_environment_sees_the_platforms_token(
    login: Login, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with source(login, ManagedIdentity(AUDIENCE)) as tokens:
        assert await tokens.token(TENANT)
