"""/subscriptions: handshakes, every error of the table, duplicates, quotas, renewal, expiry."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from aiohttp import web

from sandbox.microsoft import Microsoft
from tests.support.microsoft import CONTOSO, GraphCaller, Hook, Json, subscription_body


def _in(microsoft: Microsoft, **delta: int) -> str:
    return (microsoft.clock.now() + timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%S.0000000Z")


async def test_creation_handshakes_each_url_and_answers_the_null_filled_body(
    microsoft: Microsoft, contoso: GraphCaller, hook: Hook
) -> None:
    url = f"{hook.url}/n/7b1c"
    answer = await contoso.post("/subscriptions", subscription_body(url, lifecycleNotificationUrl=url))
    assert answer.status == 201
    body = answer.body
    assert body["@odata.context"].endswith("$metadata#subscriptions/$entity")
    assert (body["resource"], body["clientState"], body["latestSupportedTlsVersion"]) == ("users", "k1.secret", "v1_2")
    assert (body["applicationId"], body["includeResourceData"]) == (microsoft.app_id, None)
    # below 45 minutes is raised silently
    assert datetime.fromisoformat(body["expirationDateTime"]) > microsoft.clock.now() + timedelta(minutes=44)
    assert len(hook.handshakes) == 2
    raw, headers = hook.handshakes[0].raw_path, hook.handshakes[0].headers
    assert "?validationToken=Validation%3a+Testing+client+application+reachability" in raw
    assert (headers["Content-Length"], headers["Accept"]) == ("0", "text/plain")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "Authorization" not in headers


async def test_a_query_in_the_url_is_kept(contoso: GraphCaller, hook: Hook) -> None:
    assert (await contoso.post("/subscriptions", subscription_body(f"{hook.url}/n?key=a%20b"))).status == 201
    assert hook.handshakes[0].raw_path.startswith("/n?key=a%20b&validationToken=")


def _plain(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/plain")


EXACT = "Response must exactly match validationToken query parameter."


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (lambda token: _plain(token, 202), "ValidationError", "failed. Notification endpoint must respond with 200 OK"),
        (lambda token: _plain(token, 403), "ValidationError", "HTTP status code is 'Forbidden'. Notification"),
        (lambda token: _plain(token + "\n"), "InvalidRequest", EXACT),
        (lambda token: _plain(f'"{token}"'), "InvalidRequest", EXACT),
        (lambda token: _plain(token.replace(" ", "+")), "InvalidRequest", EXACT),
        (lambda token: web.Response(text=token, content_type="text/html"), "InvalidRequest", EXACT),
    ],
)
async def test_a_wrong_handshake_creates_nothing(
    contoso: GraphCaller, hook: Hook, answer: Callable[[str], web.Response], code: str, message: str
) -> None:
    hook.handshake = answer
    refused = await contoso.post("/subscriptions", subscription_body(hook.url))
    assert (refused.status, refused.code) == (400, code)
    assert refused.message.startswith("Subscription validation request failed. ")
    assert message in refused.message
    assert (await contoso.get("/subscriptions")).body["value"] == []


async def test_a_slow_handshake_times_out(microsoft: Microsoft, contoso: GraphCaller, hook: Hook) -> None:
    assert microsoft.switches.handshake_timeout_s == 10.0
    microsoft.switches.handshake_timeout_s = 0.1
    hook.delay_s = 0.3
    refused = await contoso.post("/subscriptions", subscription_body(hook.url))
    assert (refused.status, refused.code) == (400, "InvalidRequest")
    assert refused.message == "Subscription validation request timed out."


async def test_tls_failures_have_their_own_texts(contoso: GraphCaller, hook: Hook) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    app = web.Application()
    app.router.add_post("/", hook.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        port = runner.addresses[0][1]
        unknown = await contoso.post("/subscriptions", subscription_body(f"https://127.0.0.1:{port}/"))
        plain = await contoso.post("/subscriptions", subscription_body(hook.url.replace("http:", "https:")))
    finally:
        await runner.cleanup()
        await asyncio.sleep(0.02)
    assert "Could not establish trust relationship for the SSL/TLS secure channel." in unknown.message
    assert "An unexpected error occurred on a send." in plain.message


@pytest.mark.parametrize(
    ("change", "status", "code", "message"),
    [
        ({"clientState": "x" * 129}, 400, "ValidationError", "clientState"),
        ({"notificationUrl": "http://hooks.example.net/n"}, 400, "InvalidRequest", "https"),
        ({"lifecycleNotificationUrl": "ftp://127.0.0.1/n"}, 400, "InvalidRequest", "lifecycleNotificationUrl"),
        ({"resource": "planets"}, 400, "InvalidRequest", "planets"),
        ({"latestSupportedTlsVersion": "v1_3"}, 400, "ValidationError", "Invalid property value for LatestSupported"),
        ({"changeType": "renamed"}, 400, "InvalidRequest", "Invalid 'changeType' attribute: 'renamed'."),
        ({"expirationDateTime": "soon"}, 400, "InvalidRequest", "expirationDateTime"),
        ({"resource": None}, 400, "InvalidRequest", "'resource'"),
        ({"includeResourceData": True}, 400, "ValidationError", "Resource data"),
    ],
)
async def test_refusals_of_the_schema(
    contoso: GraphCaller, hook: Hook, change: Json, status: int, code: str, message: str
) -> None:
    answer = await contoso.post("/subscriptions", subscription_body(hook.url) | change)
    assert (answer.status, answer.code) == (status, code)
    assert message in answer.message
    assert hook.handshakes == []


async def test_the_longest_life(microsoft: Microsoft, contoso: GraphCaller, hook: Hook) -> None:
    fine = subscription_body(hook.url, expirationDateTime=_in(microsoft, minutes=41_759))
    over = subscription_body(hook.url, expirationDateTime=_in(microsoft, minutes=41_762))
    refused = await contoso.post("/subscriptions", over)
    assert refused.message == "Subscription expiration can only be 41760 minutes in the future."
    microsoft.switches.expiration_error_style = "extension"
    refused = await contoso.post("/subscriptions", over)
    assert refused.code == "ExtensionError"
    assert "Operation: Create; Exception: [Status Code: BadRequest; Reason: Expiration time" in refused.message
    assert "is beyond allowed max '29.00:00:00'." in refused.message
    assert (await contoso.post("/subscriptions", fine)).status == 201


async def test_switched_errors_of_the_table(microsoft: Microsoft, contoso: GraphCaller, hook: Hook) -> None:
    body = subscription_body(hook.url)
    microsoft.switches.first_create_unauthorized = 1
    microsoft.switches.created_change_type_accepted = False
    first = await contoso.post("/subscriptions", body)
    assert (first.status, first.code) == (401, "ExtensionError")
    assert first.message == "Operation: Create; Exception: [Status Code: Unauthorized; Reason: ]"
    old = await contoso.post("/subscriptions", body | {"changeType": "created"})
    assert old.message == "Invalid 'changeType' attribute: 'created'."
    for status, code, text in (
        (500, "ExtensionError", "Operation: Create; Exception: [There was no raw user ticket]"),
        (503, "ExtensionError", "Operation: Create; Exception: [Status Code: ServiceUnavailable; Reason: x]"),
    ):
        microsoft.switches.add_fault(method="POST", path="/subscriptions", status=status, code=code, message=text)
        answer = await contoso.post("/subscriptions", body)
        assert (answer.status, answer.code, answer.message) == (status, code, text)
    assert (await contoso.post("/subscriptions", body)).status == 201


@pytest.mark.parametrize(("status", "reason"), [(403, "Forbidden; Reason: Forbidden"), (401, "Unauthorized; Reason: ")])
async def test_without_the_role(
    microsoft: Microsoft, contoso: GraphCaller, hook: Hook, status: int, reason: str
) -> None:
    microsoft.tenants[CONTOSO].roles = ("Group.Read.All",)
    microsoft.switches.missing_role_status = status
    await contoso.sign_in()
    answer = await contoso.post("/subscriptions", subscription_body(hook.url))
    assert (answer.status, answer.code) == (status, "ExtensionError")
    assert answer.message == f"Operation: Create; Exception: [Status Code: {reason}]"
    listed = await contoso.get("/subscriptions")
    assert (listed.status, listed.code) == (403, "Authorization_RequestDenied")


async def test_a_duplicate_names_its_twin(contoso: GraphCaller, fabrikam: GraphCaller, hook: Hook) -> None:
    twin = (await contoso.post("/subscriptions", subscription_body(hook.url))).body["id"]
    same = subscription_body(hook.url + "/other", changeType="deleted, updated", resource="/Users")
    answer = await contoso.post("/subscriptions", same)
    assert (answer.status, answer.code) == (409, "ObjectIdentifierInUse")
    assert answer.message == f"Subscription Id {twin} already exists for the requested combination"
    assert (await contoso.post("/subscriptions", subscription_body(hook.url, changeType="updated"))).status == 201
    assert (await fabrikam.post("/subscriptions", subscription_body(hook.url))).status == 201


@pytest.mark.parametrize(
    "quota",
    [{"quota_per_app": 1}, {"quota_per_app_and_tenant": 1}, {"quota_per_tenant": 9, "other_vendors_subscriptions": 8}],
)
async def test_quotas(microsoft: Microsoft, contoso: GraphCaller, hook: Hook, quota: dict[str, int]) -> None:
    microsoft.switches.change(quota)
    assert (await contoso.post("/subscriptions", subscription_body(hook.url))).status == 201
    answer = await contoso.post("/subscriptions", subscription_body(hook.url, changeType="updated"))
    assert answer.status == 403
    assert "quota" in answer.message


async def test_read_list_renew_and_delete(microsoft: Microsoft, contoso: GraphCaller, hook: Hook) -> None:
    kinds = ("updated,deleted", "updated", "deleted")
    ids = [
        (await contoso.post("/subscriptions", subscription_body(hook.url, changeType=kind))).body["id"]
        for kind in kinds
    ]
    microsoft.switches.subscription_page_size = 2
    page = (await contoso.get("/subscriptions")).body
    rest = (await contoso.get(page["@odata.nextLink"])).body
    assert [row["id"] for row in page["value"] + rest["value"]] == ids
    path = f"/subscriptions/{ids[0]}"
    wish = _in(microsoft, days=20)
    renewed = await contoso.patch(path, {"expirationDateTime": wish})
    assert renewed.status == 200
    assert renewed.body["expirationDateTime"][:19] == wish[:19]
    assert len(hook.handshakes) == 3
    moved = await contoso.patch(path, {"notificationUrl": hook.url + "/moved"})
    assert moved.body["notificationUrl"].endswith("/moved")
    assert len(hook.handshakes) == 4
    for body, text in (
        ({}, "must contain either"),
        ({"expirationDateTime": wish, "clientState": "new"}, "clientState"),
    ):
        answer = await contoso.patch(path, body)
        assert answer.status == 400
        assert text in answer.message
    assert (await contoso.delete(path)).status == 204
    missing = await contoso.get(path)
    assert (missing.status, missing.code, missing.message) == (404, "ResourceNotFound", "The object was not found.")
    gone = await contoso.delete(path)
    assert (gone.status, gone.code) == (404, "ExtensionError")
    assert gone.message.startswith("Operation: Delete; Exception: [Status Code: NotFound; Reason: ")


async def test_an_expired_subscription_is_gone(microsoft: Microsoft, contoso: GraphCaller, hook: Hook) -> None:
    created = (await contoso.post("/subscriptions", subscription_body(hook.url))).body["id"]
    microsoft.clock.advance(timedelta(minutes=46))
    assert (
        await contoso.patch(f"/subscriptions/{created}", {"expirationDateTime": _in(microsoft, days=1)})
    ).status == 404
    assert (await contoso.post("/subscriptions", subscription_body(hook.url))).status == 201


async def test_renewal_and_reauthorization_too_close_together_corrupt(
    microsoft: Microsoft, contoso: GraphCaller, hook: Hook
) -> None:
    created = (await contoso.post("/subscriptions", subscription_body(hook.url))).body["id"]
    path = f"/subscriptions/{created}"
    assert (await contoso.post(f"{path}/reauthorize")).status == 204
    user = (await contoso.get("/users/person1@contoso.com")).body["id"]
    assert microsoft.replay(CONTOSO, user) == 1
    await contoso.patch(path, {"expirationDateTime": _in(microsoft, days=1)})
    assert (await contoso.get(path)).status == 200
    assert microsoft.replay(CONTOSO, user) == 0


async def test_other_traps(microsoft: Microsoft, contoso: GraphCaller, hook: Hook) -> None:
    microsoft.switches.change({"subscription_list_omits": True, "patch_keeps_expiry": True})
    created = (await contoso.post("/subscriptions", subscription_body(hook.url))).body
    assert (await contoso.get("/subscriptions")).body["value"] == []
    renewed = await contoso.patch(f"/subscriptions/{created['id']}", {"expirationDateTime": _in(microsoft, days=9)})
    assert renewed.body["expirationDateTime"] == created["expirationDateTime"]
    silent = subscription_body(hook.url, changeType="created")
    assert (await contoso.post("/subscriptions", silent)).status == 201
    assert datetime.fromisoformat(created["expirationDateTime"]).tzinfo == UTC
    microsoft.switches.strict_https = True
    assert (await contoso.post("/subscriptions", subscription_body(hook.url, changeType="updated"))).status == 400
