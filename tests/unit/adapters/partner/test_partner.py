"""Partner Center's answers and a person's refused tokens: each is one of our families, and has its cure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.adapters.http import Answer, Request
from shared.adapters.partner import GRAPH_APP, PartnerCenter, partner_family
from shared.adapters.partner_login import PersonTokens, person_family
from shared.domain.cures import TABLE
from shared.domain.errors import Permanent, StopTheLine, SyncError, Transient
from tests.support.vendor_stub import ScriptedHttp, answer

APP, HOME, TENANT = (f"{n * 8}-{n * 4}-4{n * 3}-8{n * 3}-{n * 12}" for n in "123")
PARTNER, GRAPH = "https://partner.example", "https://graph.example"
RELATED = answer(200, {"items": [{"id": TENANT, "companyProfile": {"tenantId": TENANT.upper(), "companyName": "C"}}]})


class Person(PersonTokens):
    """Signed in; each token is another."""

    def __init__(self) -> None:
        super().__init__(APP, HOME, "https://login.example")
        self.asked: list[tuple[str, str]] = []

    async def token(self, tenant_id: str, scope: str) -> str:
        self.asked.append((tenant_id, scope))
        return f"token {len(self.asked)}"


def center(http: ScriptedHttp, person: Person | None = None) -> PartnerCenter:
    return PartnerCenter(
        http,
        person or Person(),
        app_id=APP,
        base_url=PARTNER,
        graph_base_url=GRAPH,
        graph_scope="https://graph.microsoft.com/.default",
        pauses=(0.0,),
    )


def code_of(error: SyncError) -> str:
    return f"{error.service}:{error.code}"


# --- Partner Center ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "family", "code"),
    [
        (401, Permanent, "partner:sign_in_refused"),
        (403, Permanent, "partner:lacks_role"),
        (404, Permanent, "partner:no_relationship"),
        (400, Permanent, "partner:refused"),
        (429, Transient, "partner:partner_busy"),
        (503, Transient, "partner:partner_busy"),
    ],
)
def test_every_refusal_of_partner_center_has_its_family_and_its_cure(
    status: int, family: type[SyncError], code: str
) -> None:
    error = partner_family(answer(status, {"description": "secret words"}, Retry_After="9"), "GET /customers")
    assert (type(error), code_of(error)) == (family, code)
    assert code in TABLE
    assert "secret words" not in str(error)
    if isinstance(error, Transient):
        assert error.retry_after == 9.0


@pytest.mark.parametrize(
    ("body", "family", "code"),
    [
        ({"error": "authorization_declined"}, Permanent, "partner:sign_in_declined"),
        ({"error": "expired_token"}, Permanent, "partner:sign_in_expired"),
        ({"error": "invalid_grant", "error_codes": [700082]}, Permanent, "partner:sign_in_expired"),
        ({"error": "invalid_client", "error_codes": [7000218]}, Permanent, "partner:public_client_off"),
        ({"error": "invalid_grant", "error_codes": [50020]}, Permanent, "partner:no_relationship"),
        ({"error": "invalid_grant", "error_codes": [50076]}, Permanent, "partner:mfa_wanted"),
        ({"error": "invalid_grant", "error_codes": [53003]}, Permanent, "partner:blocked_by_policy"),
        ({"error": "invalid_grant", "error_codes": [65001]}, StopTheLine, "login:consent_missing"),
        ({"error": "unauthorized_client", "error_codes": [700016]}, StopTheLine, "login:consent_missing"),
        ({"error": "temporarily_unavailable"}, Transient, "login:login_unavailable"),
        ({}, Transient, "login:login_unavailable"),
        ({"error": "invalid_grant", "error_codes": "garbage"}, StopTheLine, "login:login_refused"),
    ],
)
def test_every_refused_token_of_a_person_has_its_family_and_its_cure(
    body: dict[str, Any], family: type[SyncError], code: str
) -> None:
    error = person_family(body | {"error_description": "secret words"}, TENANT)
    assert (type(error), code_of(error)) == (family, code)
    assert code in TABLE
    assert "secret words" not in str(error)


@pytest.mark.parametrize("code", ["partner_not_set", "foreign_link", "app_not_seen", "partner_busy"])
def test_what_only_we_say_has_its_cure_too(code: str) -> None:
    assert f"partner:{code}" in TABLE


# --- listing ----------------------------------------------------------------------------------------------------


def a_page(uri: str, *headers: tuple[str, str]) -> Answer:
    named = [{"key": key, "value": value} for key, value in headers]
    return answer(200, {"items": [], "links": {"next": {"uri": uri, "method": "GET", "headers": named}}})


@pytest.mark.parametrize(
    "uri", ["/customers?size=500&seekOperation=Next", f"{PARTNER}/v1/customers?size=500&seekOperation=Next"]
)
async def test_a_next_link_is_followed_with_its_headers_however_it_is_written(uri: str) -> None:
    http = ScriptedHttp(a_page(uri, ("MS-ContinuationToken", "here")), RELATED)
    (only,) = await center(http).customers()
    assert only.tenant_id == TENANT
    assert http.requests[1].url == f"{PARTNER}/v1/customers?size=500&seekOperation=Next"
    assert http.requests[1].headers["MS-ContinuationToken"] == "here"


@pytest.mark.parametrize(
    "uri", ["https://elsewhere.example/v1/customers", "//elsewhere.example/v1", "https://partner.example.evil/x"]
)
async def test_a_token_never_leaves_for_another_host(uri: str) -> None:
    http = ScriptedHttp(a_page(uri))
    with pytest.raises(Permanent) as caught:
        await center(http).customers()
    assert caught.value.code == "foreign_link"
    assert len(http.requests) == 1


async def test_a_list_without_end_ends() -> None:
    def forever() -> Iterator[Callable[[Request], Answer]]:
        while True:
            yield lambda _: a_page("/customers?seekOperation=Next")

    http = ScriptedHttp()
    http._script = forever()
    with pytest.raises(Transient) as caught:
        await center(http).customers()
    assert caught.value.code == "listing_without_end"


@pytest.mark.parametrize("body", [b"<html>", b"\xef\xbb\xbf[]", {"items": None}])
async def test_an_answer_that_cannot_be_read_is_no_empty_list(body: object) -> None:
    with pytest.raises(Transient) as caught:
        await center(ScriptedHttp(answer(200, body))).customers()
    assert caught.value.code == "unreadable_answer"


async def test_the_byte_order_mark_of_partner_center_is_no_obstacle() -> None:
    marked = Answer(200, {}, b"\xef\xbb\xbf" + RELATED.body)
    assert len(await center(ScriptedHttp(marked)).customers()) == 1


async def test_a_token_that_ended_is_renewed_once() -> None:
    person = Person()
    http = ScriptedHttp(RELATED, answer(401), answer(401))
    partner = center(http, person)
    await partner.customers()
    with pytest.raises(Permanent) as caught:
        await partner.consent(TENANT, ("User.Read.All",))
    assert caught.value.code == "sign_in_refused"
    assert [request.headers["Authorization"] for request in http.requests] == [
        "Bearer token 1",
        "Bearer token 1",
        "Bearer token 2",
    ]


# --- granting ---------------------------------------------------------------------------------------------------

GRAPH_PRINCIPAL = answer(200, {"value": [{"id": "graph-sp", "appRoles": [{"id": "role-1", "value": "User.Read.All"}]}]})
OUR_PRINCIPAL = answer(200, {"value": [{"id": "our-sp", "appRoles": []}]})
NOTHING = answer(200, {"value": []})
HELD = answer(200, {"value": [{"appRoleId": "role-1"}, {"appRoleId": "of somebody else"}]})


async def test_the_role_is_looked_up_assigned_and_read_back() -> None:
    http = ScriptedHttp(RELATED, answer(201), GRAPH_PRINCIPAL, OUR_PRINCIPAL, NOTHING, answer(201), HELD)
    assert await center(http).consent(TENANT, ("User.Read.All", "Unheard.Of")) == {"User.Read.All"}
    introduced, assigned = http.requests[1], http.requests[5]
    assert introduced.json == {
        "applicationId": APP,
        "displayName": "entra-syncro",
        "applicationGrants": [
            {"enterpriseApplicationId": GRAPH_APP, "scope": "Application.Read.All,AppRoleAssignment.ReadWrite.All"}
        ],
    }
    assert assigned.url == f"{GRAPH}/v1.0/servicePrincipals/graph-sp/appRoleAssignedTo"
    assert assigned.json == {"principalId": "our-sp", "resourceId": "graph-sp", "appRoleId": "role-1"}


async def test_a_duplicate_is_no_failure() -> None:
    http = ScriptedHttp(RELATED, answer(409), GRAPH_PRINCIPAL, OUR_PRINCIPAL, NOTHING, answer(400), HELD)
    assert await center(http).consent(TENANT, ("User.Read.All",)) == {"User.Read.All"}


async def test_what_is_held_already_is_not_assigned_again() -> None:
    http = ScriptedHttp(RELATED, answer(409), GRAPH_PRINCIPAL, OUR_PRINCIPAL, HELD, HELD)
    assert await center(http).consent(TENANT, ("User.Read.All",)) == {"User.Read.All"}
    assert [request.method for request in http.requests].count("POST") == 1


async def test_an_app_that_the_directory_does_not_show_yet_is_looked_for_again_with_a_new_token() -> None:
    person = Person()
    http = ScriptedHttp(RELATED, answer(201), GRAPH_PRINCIPAL, NOTHING, GRAPH_PRINCIPAL, OUR_PRINCIPAL, HELD, HELD)
    assert await center(http, person).consent(TENANT, ("User.Read.All",)) == {"User.Read.All"}
    assert [tenant for tenant, _ in person.asked] == [HOME, TENANT, TENANT]


async def test_a_permission_that_never_comes_is_the_persons_missing_role() -> None:
    denied = answer(403, {"error": {"code": "Authorization_RequestDenied", "message": "Insufficient privileges"}})
    http = ScriptedHttp(RELATED, answer(201), denied, denied)
    with pytest.raises(Permanent) as caught:
        await center(http).consent(TENANT, ("User.Read.All",))
    assert caught.value.code == "lacks_role"


async def test_a_stranger_is_refused_without_a_call() -> None:
    http = ScriptedHttp(RELATED)
    with pytest.raises(Permanent) as caught:
        await center(http).consent(HOME, ("User.Read.All",))
    assert caught.value.code == "no_relationship"
    assert len(http.requests) == 1


async def test_without_a_tenant_of_ours_nobody_can_sign_in() -> None:
    partner = PartnerCenter(
        ScriptedHttp(),
        PersonTokens(APP, "", "https://login.example"),
        app_id=APP,
        base_url=PARTNER,
        graph_base_url=GRAPH,
        graph_scope="s",
    )
    with pytest.raises(Permanent) as caught:
        await partner.sign_in(lambda *_: None)
    assert caught.value.code == "partner_not_set"
