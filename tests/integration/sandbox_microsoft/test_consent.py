"""Admin consent: who may be asked, what the redirect says either way, and what a token shows afterwards."""

from __future__ import annotations

from datetime import timedelta

import aiohttp
import jwt
import pytest

from sandbox.microsoft import Microsoft
from sandbox.microsoft.tenant import DEFAULT_ROLES
from tests.support.microsoft import (
    CALLBACK,
    CONTOSO,
    FABRIKAM,
    GraphCaller,
    Hook,
    Json,
    admin_consent,
    subscription_body,
    token_request,
)

V1 = "/adminconsent"


@pytest.fixture(autouse=True)
def _nobody_has_consented(microsoft: Microsoft) -> None:
    for tenant in microsoft.tenants.values():
        tenant.consented, tenant.roles = False, ()


async def _claims(microsoft: Microsoft, session: aiohttp.ClientSession, tenant: str) -> Json:
    token = (await token_request(microsoft, session, tenant)).body["access_token"]
    claims: Json = jwt.decode(token, options={"verify_signature": False})
    return claims


async def test_a_yes_creates_the_service_principal_and_grants_what_the_app_asks_for(
    microsoft: Microsoft, session: aiohttp.ClientSession
) -> None:
    assert (await token_request(microsoft, session, CONTOSO)).body["error_codes"] == [700016]
    answer = await admin_consent(microsoft, session, CONTOSO)
    assert answer.status == 302
    assert answer.headers["Location"].startswith(CALLBACK + "?")
    scope = "https://graph.microsoft.com/.default"
    assert answer.body == {"admin_consent": "True", "tenant": CONTOSO, "state": "s1", "scope": scope}
    assert (await _claims(microsoft, session, CONTOSO))["roles"] == list(DEFAULT_ROLES)
    assert (await token_request(microsoft, session, FABRIKAM)).body["error_codes"] == [700016]


@pytest.mark.parametrize("error", ["consent_required", "permission_denied", "access_denied"])
@pytest.mark.parametrize("is_named", [False, True])
async def test_a_no_says_admin_consent_true_as_well(
    microsoft: Microsoft, session: aiohttp.ClientSession, error: str, is_named: bool
) -> None:
    microsoft.switches.change({"decline_error": error, "decline_names_tenant": is_named})
    microsoft.tenants[CONTOSO].declines = True
    answer = await admin_consent(microsoft, session, CONTOSO)
    assert answer.status == 302
    assert (answer.body["error"], answer.body["admin_consent"], answer.body["state"]) == (error, "True", "s1")
    assert answer.body.get("tenant") == (CONTOSO if is_named else None)
    assert (await token_request(microsoft, session, CONTOSO)).body["error_codes"] == [700016]
    assert (await admin_consent(microsoft, session, FABRIKAM)).body["tenant"] == FABRIKAM


async def test_the_defaults_of_a_no_are_the_captured_ones(microsoft: Microsoft, session: aiohttp.ClientSession) -> None:
    microsoft.switches.consent_declined = True
    answer = await admin_consent(microsoft, session, CONTOSO)
    assert answer.body.keys() == {"error", "error_description", "admin_consent", "state"}
    assert answer.body["error"] == "consent_required"
    assert answer.body["error_description"].startswith("AADSTS65004")


@pytest.mark.parametrize("authority", ["organizations", "common"])
@pytest.mark.parametrize("hint", ["login_hint", "domain_hint", ""])
async def test_at_a_shared_authority_the_person_decides_the_tenant(
    microsoft: Microsoft, session: aiohttp.ClientSession, authority: str, hint: str
) -> None:
    microsoft.switches.consent_as = "" if hint else CONTOSO
    query = {"login_hint": "boss@contoso.com", "domain_hint": "contoso.com"}
    answer = await admin_consent(microsoft, session, authority, query={hint: query[hint]} if hint else {})
    assert answer.body["tenant"] == CONTOSO
    assert [one.consented for one in microsoft.tenants.values()] == [True, False]


async def test_nobody_known_gets_a_page_with_every_tenant(microsoft: Microsoft, session: aiohttp.ClientSession) -> None:
    page = await admin_consent(microsoft, session, "organizations")
    assert page.status == 200
    assert all(text in page.body for text in (CONTOSO, FABRIKAM, "User.Read.All", 'value="decline"'))
    accepted = await admin_consent(microsoft, session, "organizations", answer={"tenant": FABRIKAM, "answer": "accept"})
    assert accepted.body["tenant"] == FABRIKAM
    assert (await admin_consent(microsoft, session, "organizations", answer={"answer": "accept"})).status == 200
    assert [one.consented for one in microsoft.tenants.values()] == [False, True]


@pytest.mark.parametrize(("answer", "is_granted"), [("accept", True), ("decline", False), ("", False)])
async def test_the_page_may_be_shown_always(
    microsoft: Microsoft, session: aiohttp.ClientSession, answer: str, is_granted: bool
) -> None:
    microsoft.switches.consent_page = "page"
    page = await admin_consent(microsoft, session, CONTOSO)
    assert page.status == 200
    assert FABRIKAM not in page.body
    assert not microsoft.tenants[CONTOSO].consented
    # whatever the form says, the tenant is the one of the address
    answered = await admin_consent(microsoft, session, CONTOSO, answer={"answer": answer, "tenant": FABRIKAM})
    assert answered.body.get("error") == (None if is_granted else "consent_required")
    assert [one.consented for one in microsoft.tenants.values()] == [is_granted, False]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"scope": ""}, 900144),
        ({"client_id": ""}, 900144),
        ({"redirect_uri": ""}, 900144),
        ({"client_id": "99999999-9999-4999-8999-999999999999"}, 700016),
        ({"redirect_uri": "http://hub.example.net/connect/callback"}, 50011),
        ({"redirect_uri": "https://hub.example.net/cb#part"}, 50011),
        ({"redirect_uri": "javascript:alert(1)"}, 50011),
        ({"redirect_uri": "https://[oops"}, 50011),
    ],
)
async def test_a_wrong_link_ends_on_an_error_page_and_sends_nobody_back(
    microsoft: Microsoft, session: aiohttp.ClientSession, query: dict[str, str], code: int
) -> None:
    answer = await admin_consent(microsoft, session, CONTOSO, query=query)
    assert (answer.status, answer.headers["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert f"AADSTS{code}: " in answer.body
    assert "Location" not in answer.headers
    assert not microsoft.tenants[CONTOSO].consented


async def test_a_tenant_that_is_not_there(microsoft: Microsoft, session: aiohttp.ClientSession) -> None:
    answer = await admin_consent(microsoft, session, "33333333-3333-4333-8333-333333333333")
    assert answer.status == 400
    assert "AADSTS90002: Tenant &#x27;33333333-3333-4333-8333-333333333333&#x27; not found." in answer.body


@pytest.mark.parametrize(
    ("uri", "is_fine"),
    [
        (CALLBACK, True),
        ("https://hub.example.net/connect/callback/", False),
        ("https://hub.example.net:8443/connect/callback", False),
        ("http://localhost:8080/connect/callback", True),
        ("http://localhost:9090/connect/callback", True),  # the port of a loopback address is free
        ("http://localhost:8080/other", False),
    ],
)
async def test_registered_addresses_are_compared_exactly(
    microsoft: Microsoft, session: aiohttp.ClientSession, uri: str, is_fine: bool
) -> None:
    microsoft.switches.redirect_uris = [CALLBACK, "http://localhost:8080/connect/callback"]
    answer = await admin_consent(microsoft, session, CONTOSO, query={"redirect_uri": uri})
    assert (answer.status == 302) is is_fine
    assert microsoft.tenants[CONTOSO].consented is is_fine


async def test_the_older_form_needs_no_scope_and_a_named_scope_grants_no_role(
    microsoft: Microsoft, session: aiohttp.ClientSession
) -> None:
    older = await admin_consent(microsoft, session, CONTOSO, form=V1, query={"scope": ""})
    assert older.body == {"admin_consent": "True", "tenant": CONTOSO, "state": "s1"}
    assert "User.Read.All" in (await _claims(microsoft, session, CONTOSO))["roles"]
    named = await admin_consent(microsoft, session, FABRIKAM, query={"scope": "https://graph.microsoft.com/User.Read"})
    assert named.body["tenant"] == FABRIKAM
    assert "roles" not in await _claims(microsoft, session, FABRIKAM)


async def test_a_consent_may_lack_roles(microsoft: Microsoft, session: aiohttp.ClientSession) -> None:
    microsoft.switches.consent_roles = ["Reports.Read.All"]
    assert "error" not in (await admin_consent(microsoft, session, CONTOSO)).body
    assert (await _claims(microsoft, session, CONTOSO))["roles"] == ["Reports.Read.All"]
    microsoft.switches.consent_roles = []
    microsoft.tenants[CONTOSO].withheld = frozenset({"User.Read.All"})
    await admin_consent(microsoft, session, CONTOSO)
    assert set((await _claims(microsoft, session, CONTOSO))["roles"]) == set(DEFAULT_ROLES) - {"User.Read.All"}


async def test_tokens_may_show_a_consent_late(microsoft: Microsoft, session: aiohttp.ClientSession) -> None:
    microsoft.switches.token_lag_s = 60.0
    await admin_consent(microsoft, session, CONTOSO)
    assert "roles" not in await _claims(microsoft, session, CONTOSO)
    microsoft.clock.advance(timedelta(seconds=61))
    assert "User.Read.All" in (await _claims(microsoft, session, CONTOSO))["roles"]


async def test_the_first_subscription_after_a_consent_is_refused_in_that_tenant_only(
    microsoft: Microsoft, session: aiohttp.ClientSession, hook: Hook
) -> None:
    microsoft.switches.unauthorized_after_consent = 2
    callers = {}
    for tenant in (CONTOSO, FABRIKAM):
        await admin_consent(microsoft, session, tenant)
        callers[tenant] = GraphCaller(microsoft, session, tenant)
        await callers[tenant].sign_in()
    for tenant in (CONTOSO, FABRIKAM):
        answers = [await callers[tenant].post("/subscriptions", subscription_body(hook.url)) for _ in range(3)]
        assert [answer.status for answer in answers] == [401, 401, 201]
        assert answers[0].message == "Operation: Create; Exception: [Status Code: Unauthorized; Reason: ]"
    # a second consent of a tenant that has the application already is no new one
    await admin_consent(microsoft, session, CONTOSO)
    other = subscription_body(hook.url, changeType="updated")
    assert (await callers[CONTOSO].post("/subscriptions", other)).status == 201


async def test_by_default_one_creation_is_refused(microsoft: Microsoft) -> None:
    assert microsoft.switches.unauthorized_after_consent == 1
