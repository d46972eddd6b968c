"""The login host: MSAL unmodified, raw token requests, the AADSTS errors, faults."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import jwt
import msal
import pytest

from sandbox.microsoft import Microsoft
from tests.support.microsoft import CONTOSO, GraphCaller, token_request

SCOPE = ["https://graph.microsoft.com/.default"]


def _msal_app(microsoft: Microsoft, tenant: str, secret: str) -> Any:
    return msal.ConfidentialClientApplication(
        microsoft.app_id,
        authority=f"{microsoft.login_url}/{tenant}",
        client_credential=secret,
        instance_discovery=False,
        verify=str(microsoft.ca_file),
    )


@pytest.fixture(autouse=True)
def _no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    # requests lets these win over `verify`
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)


async def test_msal_gets_a_token_that_graph_accepts(microsoft: Microsoft, contoso: GraphCaller) -> None:
    def fetch() -> dict[str, Any]:
        app = _msal_app(microsoft, CONTOSO, microsoft.app_secret)
        first: dict[str, Any] = app.acquire_token_for_client(SCOPE)
        assert app.acquire_token_for_client(SCOPE)["token_source"] == "cache"
        return first

    token = await asyncio.to_thread(fetch)
    assert token["expires_in"] == 3599
    claims = jwt.decode(token["access_token"], options={"verify_signature": False})
    assert (claims["tid"], claims["appid"]) == (CONTOSO, microsoft.app_id)
    assert "User.Read.All" in claims["roles"]
    contoso.token = token["access_token"]
    assert (await contoso.get("/users")).status == 200


async def test_msal_reports_a_wrong_secret_and_an_unknown_tenant(microsoft: Microsoft) -> None:
    def fetch() -> dict[str, Any]:
        with pytest.raises(ValueError, match="authority"):
            _msal_app(microsoft, "33333333-3333-4333-8333-333333333333", microsoft.app_secret)
        answer: dict[str, Any] = _msal_app(microsoft, CONTOSO, "wrong").acquire_token_for_client(SCOPE)
        return answer

    answer = await asyncio.to_thread(fetch)
    assert answer["error"] == "invalid_client"
    assert answer["error_codes"] == [7000215]


@pytest.mark.parametrize(
    ("form", "status", "error", "code"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_id": "99999999-9999-4999-8999-999999999999"}, 400, "unauthorized_client", 700016),
        ({"client_secret": ""}, 401, "invalid_client", 7000218),
        ({"grant_type": ""}, 400, "invalid_request", 900144),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"scope": "User.Read"}, 400, "invalid_scope", 1002012),
        ({"scope": "https://example.org/.default"}, 400, "invalid_resource", 500011),
    ],
)
async def test_a_bad_token_request_gets_the_vendors_error(
    microsoft: Microsoft, session: aiohttp.ClientSession, form: dict[str, str], status: int, error: str, code: int
) -> None:
    answer = await token_request(microsoft, session, CONTOSO, **form)
    assert (answer.status, answer.body["error"], answer.body["error_codes"]) == (status, error, [code])
    assert answer.body["error_description"].startswith(f"AADSTS{code}: ")
    assert {"timestamp", "trace_id", "correlation_id", "error_uri"} <= answer.body.keys()


@pytest.mark.parametrize(("code", "status"), [(700016, 400), (7000222, 401), (65001, 400), (53003, 400), (700027, 401)])
async def test_errors_can_be_switched_per_tenant(
    microsoft: Microsoft, session: aiohttp.ClientSession, code: int, status: int
) -> None:
    microsoft.switches.login_errors = {CONTOSO: code}
    answer = await token_request(microsoft, session, CONTOSO)
    assert (answer.status, answer.body["error_codes"]) == (status, [code])


async def test_unconsented_and_unknown_tenants(microsoft: Microsoft, session: aiohttp.ClientSession) -> None:
    microsoft.tenants[CONTOSO].consented = False
    assert (await token_request(microsoft, session, CONTOSO)).body["error_codes"] == [700016]
    assert (await token_request(microsoft, session, "nowhere.example")).body["error_codes"] == [90002]
    assert (await token_request(microsoft, session, "common")).body["error_codes"] == [50059]


async def test_a_client_assertion_is_a_credential(microsoft: Microsoft, session: aiohttp.ClientSession) -> None:
    claims = {"sub": microsoft.app_id, "iss": microsoft.app_id, "exp": int(time.time()) + 300}
    form = {
        "client_secret": "",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(claims, "k" * 32, algorithm="HS256"),
    }
    assert (await token_request(microsoft, session, "contoso.com", **form)).status == 200
    form["client_assertion"] = jwt.encode(claims | {"sub": "other"}, "k" * 32, algorithm="HS256")
    assert (await token_request(microsoft, session, CONTOSO, **form)).body["error_codes"] == [700027]


async def test_faults_answer_throttled_and_unavailable(microsoft: Microsoft, session: aiohttp.ClientSession) -> None:
    microsoft.switches.add_fault(service="login", path="token", status=429, retry_after="7")
    microsoft.switches.add_fault(service="login", path="token", status=503)
    first = await token_request(microsoft, session, CONTOSO)
    assert (first.status, first.headers["Retry-After"]) == (429, "7")
    assert (await token_request(microsoft, session, CONTOSO)).status == 503
    assert (await token_request(microsoft, session, CONTOSO)).status == 200
    assert [call.status for call in microsoft.calls if call.service == "login"] == [429, 503, 200]


async def test_a_roleless_token_is_a_success_that_graph_denies(microsoft: Microsoft, contoso: GraphCaller) -> None:
    microsoft.switches.roleless_tokens = True
    await contoso.sign_in()
    assert "roles" not in jwt.decode(contoso.token, options={"verify_signature": False})
    answer = await contoso.get("/users")
    assert (answer.status, answer.code) == (403, "Authorization_RequestDenied")


@pytest.mark.parametrize("name", [CONTOSO, "contoso.com", "CONTOSO.onmicrosoft.com"])
async def test_discovery_by_id_or_domain_names_the_tenants_id(
    microsoft: Microsoft, session: aiohttp.ClientSession, name: str
) -> None:
    async with session.get(f"{microsoft.login_url}/{name}/v2.0/.well-known/openid-configuration") as response:
        found = await response.json()
    assert found["issuer"] == f"{microsoft.login_url}/{CONTOSO}/v2.0"
    assert found["token_endpoint"] == f"{microsoft.login_url}/{CONTOSO}/oauth2/v2.0/token"


@pytest.mark.parametrize(
    ("name", "code"),
    [("nobody.example", 90002), ("33333333-3333-4333-8333-333333333333", 90002), ("nonsense", 900023)],
)
async def test_discovery_of_an_unknown_tenant(
    microsoft: Microsoft, session: aiohttp.ClientSession, name: str, code: int
) -> None:
    async with session.get(f"{microsoft.login_url}/{name}/v2.0/.well-known/openid-configuration") as response:
        refused = await response.json()
    assert (response.status, refused["error"], refused["error_codes"]) == (400, "invalid_tenant", [code])
    assert refused["error_description"].startswith(f"AADSTS{code}: ")
