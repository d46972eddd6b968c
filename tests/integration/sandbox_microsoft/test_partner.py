"""One sign-in for many tenants: device code, refresh tokens, Partner Center, roles assigned through Graph."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import jwt
import msal
import pytest

from sandbox.microsoft import Microsoft
from sandbox.microsoft.app_roles import APP_ROLES
from tests.support.microsoft import CONTOSO, FABRIKAM, Answer, GraphCaller, Json, token_request

PROVIDER = "44444444-4444-4444-8444-444444444444"
GRAPH_APP = "00000003-0000-0000-c000-000000000000"
IMPERSONATION = "https://api.partnercenter.microsoft.com/user_impersonation"
GRAPH = ["https://graph.microsoft.com/.default"]
NEEDED = "Application.Read.All,AppRoleAssignment.ReadWrite.All"


@dataclass
class Desk:
    """A technician of the provider, signed in or about to be."""

    microsoft: Microsoft
    session: aiohttp.ClientSession
    refresh_token: str = ""
    token: str = ""

    async def device_code(self, scope: str = f"{IMPERSONATION} openid profile offline_access") -> Json:
        form = {"client_id": self.microsoft.app_id, "scope": scope, "client_secret": "", "grant_type": ""}
        url = f"{self.microsoft.login_url}/organizations/oauth2/v2.0/devicecode"
        async with self.session.post(url, data=form) as response:
            assert response.status == 200
            body: Json = await response.json()
            return body

    async def poll(self, device_code: str) -> Answer:
        grant = "urn:ietf:params:oauth:grant-type:device_code"
        form = {"grant_type": grant, "device_code": device_code, "scope": "", "client_secret": ""}
        return await token_request(self.microsoft, self.session, "organizations", **form)

    async def sign_in(self) -> None:
        code = (await self.device_code())["device_code"]
        self.microsoft.switches.device_code_pending = 0
        answer = await self.poll(code)
        assert answer.status == 200, answer.body
        self.token, self.refresh_token = answer.body["access_token"], answer.body["refresh_token"]

    async def refresh(self, tenant: str, scope: str = GRAPH[0]) -> Answer:
        form = {"grant_type": "refresh_token", "refresh_token": self.refresh_token, "scope": scope, "client_secret": ""}
        return await token_request(self.microsoft, self.session, tenant, **form)

    async def partner(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        given = {"Authorization": f"Bearer {self.token}"} | headers
        url = self.microsoft.partner_url + path
        async with self.session.request(method, url, json=body, headers=given) as response:
            raw = await response.read()
            assert raw.startswith(b"\xef\xbb\xbf") is self.microsoft.switches.partner_byte_order_mark
            return Answer(response.status, json.loads(raw.decode("utf-8-sig")), dict(response.headers))

    async def consent(self, tenant: str, scope: str = NEEDED) -> Answer:
        grants = [{"enterpriseApplicationId": GRAPH_APP, "scope": scope}]
        body = {"applicationId": self.microsoft.app_id, "displayName": "Entra sync", "applicationGrants": grants}
        return await self.partner("POST", f"/v1/customers/{tenant}/applicationconsents", body)


@pytest.fixture
async def desk(microsoft: Microsoft, session: aiohttp.ClientSession) -> Desk:
    microsoft.add_tenant(PROVIDER, "Provider", "provider.example", is_partner=True)
    microsoft.seed_user(PROVIDER, displayName="Pat Quill", userPrincipalName="pat@provider.example")
    for key in (CONTOSO, FABRIKAM):
        tenant = microsoft.tenants[key]
        tenant.consented, tenant.roles = False, ()
    microsoft.tenants[CONTOSO].relationship = "administrator"
    microsoft.switches.introduction_lag_s = 0.0
    return Desk(microsoft, session)


@pytest.fixture(autouse=True)
def _no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    # requests lets these win over `verify`
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)


def _claims(token: str) -> Json:
    claims: Json = jwt.decode(token, options={"verify_signature": False})
    return claims


def _options(microsoft: Microsoft, authority: str) -> dict[str, Any]:
    url = f"{microsoft.login_url}/{authority}"
    return {"authority": url, "instance_discovery": False, "verify": str(microsoft.ca_file)}


@pytest.mark.parametrize("authority", [PROVIDER, "organizations"])
async def test_msal_signs_a_person_in_by_device_code(desk: Desk, authority: str) -> None:
    microsoft = desk.microsoft
    microsoft.switches.change({"device_code_pending": 1, "device_code_interval_s": 0})

    def sign_in() -> tuple[dict[str, Any], dict[str, Any]]:
        public = msal.PublicClientApplication(microsoft.app_id, **_options(microsoft, authority))
        flow = public.initiate_device_flow([IMPERSONATION])
        return flow, public.acquire_token_by_device_flow(flow)

    flow, result = await asyncio.to_thread(sign_in)
    assert flow["verification_uri"].startswith(microsoft.login_url)
    assert flow["user_code"] in flow["message"]
    claims = _claims(result["access_token"])
    assert (claims["scp"], claims["name"], claims["upn"]) == ("user_impersonation", "Pat Quill", "pat@provider.example")
    assert (claims["tid"], claims["aud"]) == (PROVIDER, "https://api.partnercenter.microsoft.com")
    assert "roles" not in claims
    assert result["id_token_claims"]["preferred_username"] == "pat@provider.example"
    assert result["refresh_token"]
    polls = [call.status for call in microsoft.calls if call.path.endswith("/token")]
    assert polls == [400, 200]


@pytest.mark.parametrize("is_public", [True, False])
async def test_msal_takes_the_refresh_token_into_a_customers_tenant(desk: Desk, is_public: bool) -> None:
    await desk.sign_in()
    assert (await desk.consent(CONTOSO)).status == 201

    def enter() -> dict[str, Any]:
        options = _options(desk.microsoft, CONTOSO)
        if is_public:
            app: Any = msal.PublicClientApplication(desk.microsoft.app_id, **options)
        else:
            secret = desk.microsoft.app_secret
            app = msal.ConfidentialClientApplication(desk.microsoft.app_id, client_credential=secret, **options)
        result: dict[str, Any] = app.acquire_token_by_refresh_token(desk.refresh_token, GRAPH)
        return result

    claims = _claims((await asyncio.to_thread(enter))["access_token"])
    assert (claims["tid"], claims["aud"], claims["upn"]) == (
        CONTOSO, "https://graph.microsoft.com", "pat@provider.example",
    )  # fmt: skip
    assert claims["scp"].split() == NEEDED.split(",")


@pytest.mark.parametrize(
    ("answer", "error"),
    [("decline", "authorization_declined"), ("expire", "expired_token"), ("wait", "authorization_pending")],
)
async def test_a_person_may_say_no_or_nothing(desk: Desk, answer: str, error: str) -> None:
    desk.microsoft.switches.device_code = answer
    code = (await desk.device_code())["device_code"]
    pending, decided = await desk.poll(code), await desk.poll(code)
    assert (pending.status, pending.body["error"]) == (400, "authorization_pending")
    assert (decided.status, decided.body["error"]) == (400, error)


@pytest.mark.parametrize(("answer", "status"), [("approve", 200), ("decline", 400)])
async def test_a_person_may_answer_on_the_page(desk: Desk, answer: str, status: int) -> None:
    desk.microsoft.switches.device_code = "wait"
    flow = await desk.device_code()
    async with desk.session.post(flow["verification_uri"], data={"otc": "WRONG", "answer": answer}) as response:
        assert response.status == 400
    assert (await desk.poll(flow["device_code"])).body["error"] == "authorization_pending"
    async with desk.session.get(flow["verification_uri"]) as response:
        assert 'name="otc"' in await response.text()
    form = {"otc": flow["user_code"].lower(), "answer": answer}
    async with desk.session.post(flow["verification_uri"], data=form) as response:
        assert response.status == 200
    assert (await desk.poll(flow["device_code"])).status == status


async def test_a_device_code_is_good_once_and_for_a_quarter_of_an_hour(desk: Desk) -> None:
    desk.microsoft.switches.device_code_pending = 0
    flow = await desk.device_code()
    assert flow["expires_in"] == 900
    assert (await desk.poll(flow["device_code"])).status == 200
    assert (await desk.poll(flow["device_code"])).body["error"] == "expired_token"
    late = await desk.device_code()
    desk.microsoft.clock.advance(timedelta(minutes=16))
    assert (await desk.poll(late["device_code"])).body["error"] == "expired_token"


async def test_without_public_client_flows_the_secret_is_asked_for(desk: Desk) -> None:
    desk.microsoft.switches.change({"public_client_flows": False, "device_code_pending": 0})
    code = (await desk.device_code())["device_code"]
    assert (await desk.poll(code)).body["error_codes"] == [7000218]


@pytest.mark.parametrize(
    ("tenant", "relationship", "code"),
    [(FABRIKAM, "none", 50020), (FABRIKAM, "administrator", 65001), ("nobody.example", "none", 90002)],
)
async def test_where_a_refresh_token_does_not_lead(desk: Desk, tenant: str, relationship: Any, code: int) -> None:
    await desk.sign_in()
    desk.microsoft.tenants[FABRIKAM].relationship = relationship
    refused = await desk.refresh(tenant)
    assert (refused.status, refused.body["error_codes"]) == (400, [code])


async def test_refresh_tokens_are_checked_and_go_on_at_home(desk: Desk) -> None:
    await desk.sign_in()
    scope = f"{IMPERSONATION} offline_access"
    again = await desk.refresh("organizations", scope)
    assert (again.status, again.body["refresh_token"] != desk.refresh_token) == (200, True)
    assert (await desk.refresh(PROVIDER, scope)).status == 200  # the old one stays good
    wrong = await token_request(
        desk.microsoft, desk.session, PROVIDER, grant_type="refresh_token", refresh_token="x", client_secret=""
    )
    assert wrong.body["error"] == "invalid_grant"
    desk.microsoft.clock.advance(timedelta(days=91))
    assert (await desk.refresh(PROVIDER, scope)).body["error_codes"] == [700082]


async def test_what_partner_center_granted_is_seen_late(desk: Desk) -> None:
    desk.microsoft.switches.introduction_lag_s = 20.0
    await desk.sign_in()
    assert (await desk.consent(CONTOSO)).status == 201
    assert (await desk.refresh(CONTOSO)).body["error_codes"] == [65001]
    desk.microsoft.clock.advance(timedelta(seconds=21))
    assert (await desk.refresh(CONTOSO)).status == 200


async def test_named_scopes_must_have_been_granted(desk: Desk) -> None:
    await desk.sign_in()
    await desk.consent(CONTOSO, "Application.Read.All")
    assert (await desk.refresh(CONTOSO, "https://graph.microsoft.com/Application.Read.All")).status == 200
    assert (await desk.refresh(CONTOSO, "Application.Read.All")).status == 200
    assert (await desk.refresh(CONTOSO, "Directory.Read.All")).body["error_codes"] == [65001]
    assert (await desk.refresh(CONTOSO, IMPERSONATION)).body["error_codes"] == [65001]


async def test_the_customers_of_a_partner_come_in_pages(desk: Desk) -> None:
    await desk.sign_in()
    for number in range(5):
        tenant_id = f"5555555{number}-5555-4555-8555-555555555555"
        name, domain = f"Customer {number}", f"c{number}.example"
        desk.microsoft.add_tenant(tenant_id, name, domain, consented=False, relationship="reader")
    first = (await desk.partner("GET", "/v1/customers?size=4")).body
    assert [one["companyProfile"]["tenantId"] for one in first["items"]] == [one["id"] for one in first["items"]]
    assert first["items"][0]["companyProfile"]["companyName"] == "Contoso"
    assert first["items"][1]["companyProfile"]["domain"] == "c0.example"
    following = first["links"]["next"]
    (header,) = following["headers"]
    rest = (await desk.partner("GET", "/v1" + following["uri"], **{header["key"]: header["value"]})).body
    assert "next" not in rest["links"]
    ids = {one["id"] for one in first["items"] + rest["items"]}
    assert len(ids) == 6
    assert {CONTOSO} == ids & {CONTOSO, FABRIKAM, PROVIDER}
    # the address alone is not the next page
    assert (await desk.partner("GET", "/v1" + following["uri"])).status == 400
    desk.microsoft.switches.partner_page_max = 2
    assert len((await desk.partner("GET", "/v1/customers")).body["items"]) == 2


async def test_partner_center_wants_a_person_of_the_partner(desk: Desk) -> None:
    assert (await desk.partner("GET", "/v1/customers")).status == 401
    desk.token = (await token_request(desk.microsoft, desk.session, PROVIDER)).body["access_token"]
    assert (await desk.partner("GET", "/v1/customers")).status == 401
    await desk.sign_in()
    assert (await desk.partner("GET", "/v1/customers")).status == 200
    assert (await desk.partner("GET", "/v1/nonsense")).status == 404
    caller = GraphCaller(desk.microsoft, desk.session, PROVIDER)
    caller.token = desk.token
    assert (await caller.get("/users")).message == "Access token validation failure. Invalid audience."


@pytest.mark.parametrize(("relationship", "status"), [("none", 404), ("reader", 403), ("administrator", 201)])
async def test_consent_follows_the_relationship(desk: Desk, relationship: Any, status: int) -> None:
    await desk.sign_in()
    desk.microsoft.tenants[FABRIKAM].relationship = relationship
    answer = await desk.consent(FABRIKAM)
    assert answer.status == status
    known = await token_request(desk.microsoft, desk.session, FABRIKAM)
    assert (known.status == 200) is (status == 201)
    if status == 201:
        assert answer.body["applicationId"] == desk.microsoft.app_id
        # delegated permissions only: the application itself still may do nothing
        assert "roles" not in _claims(known.body["access_token"])
        assert (await desk.consent(FABRIKAM)).status == 409


async def test_a_consent_without_grants_or_for_another_application_is_refused(desk: Desk) -> None:
    await desk.sign_in()
    path = f"/v1/customers/{CONTOSO}/applicationconsents"
    grants = [{"enterpriseApplicationId": GRAPH_APP, "scope": NEEDED}]
    app = desk.microsoft.app_id
    wrong: tuple[Any, ...] = ({}, {"applicationId": app}, {"applicationId": "x", "applicationGrants": grants}, [])
    for body in wrong:
        assert (await desk.partner("POST", path, body)).status == 400, body
    assert not desk.microsoft.tenants[CONTOSO].consented


async def _enter(desk: Desk, scope: str = NEEDED) -> GraphCaller:
    await desk.sign_in()
    await desk.consent(CONTOSO, scope)
    caller = GraphCaller(desk.microsoft, desk.session, CONTOSO)
    caller.token = (await desk.refresh(CONTOSO)).body["access_token"]
    return caller


async def _principal(caller: GraphCaller, app_id: str) -> Json:
    (row,) = (await caller.get(f"/servicePrincipals?$filter=appId eq '{app_id}'")).body["value"]
    assert (await caller.get(f"/servicePrincipals(appId='{app_id}')")).body["id"] == row["id"]
    assert (await caller.get(f"/servicePrincipals/{row['id']}")).body["appId"] == app_id
    found: Json = row
    return found


async def test_roles_are_assigned_one_by_one_and_seen_after_a_while(desk: Desk) -> None:
    desk.microsoft.switches.role_lag_s = 30.0
    caller = await _enter(desk)
    graph, ours = await _principal(caller, GRAPH_APP), await _principal(caller, desk.microsoft.app_id)
    roles = {row["value"]: row["id"] for row in graph["appRoles"]}
    assert roles == dict(APP_ROLES)
    assert roles["User.Read.All"] == "df021288-bdef-4463-88db-98f22de89214"
    body = {"principalId": ours["id"], "resourceId": graph["id"], "appRoleId": roles["User.Read.All"]}
    path = f"/servicePrincipals/{graph['id']}/appRoleAssignedTo"
    made = await caller.post(path, body)
    assert (made.status, made.body["appRoleId"], made.body["principalType"]) == (
        201, roles["User.Read.All"], "ServicePrincipal",
    )  # fmt: skip
    twice = await caller.post(path, body)
    assert (twice.status, twice.message) == (400, "Permission being assigned already exists on the object")
    listed = f"/servicePrincipals/{ours['id']}/appRoleAssignments"
    assert (await caller.get(listed)).body["value"] == []
    app_token = (await token_request(desk.microsoft, desk.session, CONTOSO)).body["access_token"]
    assert "roles" not in _claims(app_token)
    desk.microsoft.clock.advance(timedelta(seconds=31))
    assert [row["appRoleId"] for row in (await caller.get(listed)).body["value"]] == [roles["User.Read.All"]]
    assert len((await caller.get(path)).body["value"]) == 1
    app_token = (await token_request(desk.microsoft, desk.session, CONTOSO)).body["access_token"]
    assert _claims(app_token)["roles"] == ["User.Read.All"]


async def test_a_policy_withholds_a_role_although_the_answer_is_201(desk: Desk) -> None:
    desk.microsoft.switches.role_lag_s = 0.0
    desk.microsoft.tenants[CONTOSO].withheld = frozenset({"User.Read.All"})
    caller = await _enter(desk)
    graph, ours = await _principal(caller, GRAPH_APP), await _principal(caller, desk.microsoft.app_id)
    path = f"/servicePrincipals/{graph['id']}/appRoleAssignedTo"
    for role in ("User.Read.All", "Reports.Read.All"):
        body = {"principalId": ours["id"], "resourceId": graph["id"], "appRoleId": APP_ROLES[role]}
        assert (await caller.post(path, body)).status == 201
    token = (await token_request(desk.microsoft, desk.session, CONTOSO)).body["access_token"]
    assert _claims(token)["roles"] == ["Reports.Read.All"]


async def test_wrong_assignments_and_missing_permissions(desk: Desk) -> None:
    caller = await _enter(desk)
    graph, ours = await _principal(caller, GRAPH_APP), await _principal(caller, desk.microsoft.app_id)
    fine = {"principalId": ours["id"], "resourceId": graph["id"], "appRoleId": APP_ROLES["User.Read.All"]}
    path = f"/servicePrincipals/{graph['id']}/appRoleAssignedTo"
    for change, status in (
        ({"appRoleId": "00000000-0000-0000-0000-000000000000"}, 400),
        ({"appRoleId": ""}, 400),
        ({"resourceId": ours["id"]}, 400),
        ({"principalId": graph["id"]}, 404),
    ):
        assert (await caller.post(path, fine | change)).status == status, change
    assert (await caller.get("/servicePrincipals(appId='99999999-9999-4999-8999-999999999999')")).status == 404
    assert (await caller.get("/servicePrincipals?$filter=displayName eq 'x'")).status == 400
    desk.microsoft.tenants[CONTOSO].scopes = ("Application.Read.All",)
    caller.token = (await desk.refresh(CONTOSO)).body["access_token"]
    assert (await caller.get("/servicePrincipals")).status == 200
    refused = await caller.post(path, fine)
    assert (refused.status, refused.code) == (403, "Authorization_RequestDenied")


async def test_faults_meet_partner_center_too(desk: Desk) -> None:
    await desk.sign_in()
    desk.microsoft.switches.add_fault(service="partner", path="customers", status=429, retry_after="3")
    busy = await desk.partner("GET", "/v1/customers")
    assert (busy.status, busy.headers["Retry-After"]) == (429, "3")
    desk.microsoft.switches.add_fault(service="partner", drop=True, times=None)  # a client may try a GET twice
    with pytest.raises(aiohttp.ClientError):
        await desk.partner("GET", "/v1/customers")
    desk.microsoft.switches.faults.clear()
    assert (await desk.partner("GET", "/v1/customers")).status == 200
