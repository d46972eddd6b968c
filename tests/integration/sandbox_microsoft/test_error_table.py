"""Every row of the error table of `/subscriptions` can be produced: by what is asked, by a switch, or by a fault."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest
from aiohttp import web

from sandbox.microsoft import Microsoft
from tests.support.microsoft import CONTOSO, Answer, GraphCaller, Hook, Json, subscription_body

NOT_THERE = "/subscriptions/00000000-0000-4000-8000-000000000000"


@dataclass
class Bench:
    microsoft: Microsoft
    caller: GraphCaller
    hook: Hook

    async def create(self, **change: object) -> Answer:
        return await self.caller.post("/subscriptions", subscription_body(self.hook.url) | change)

    async def create_without_role(self, status: int) -> Answer:
        self.microsoft.tenants[CONTOSO].roles = ()
        self.microsoft.switches.missing_role_status = status
        await self.caller.sign_in()
        return await self.create()

    async def create_twice(self) -> Answer:
        await self.create()
        return await self.create()

    async def expired_token(self) -> Answer:
        self.microsoft.clock.advance(timedelta(hours=2))
        return await self.caller.get("/users")

    async def with_token(self, token: str) -> Answer:
        return await self.caller.call("GET", "/users", headers={"Authorization": f"Bearer {token}"})

    async def listing_without_role(self) -> Answer:
        await self.create_without_role(403)
        return await self.caller.get("/subscriptions")

    async def empty_renewal(self) -> Answer:
        created = (await self.create()).body["id"]
        return await self.caller.patch(f"/subscriptions/{created}", {})

    async def too_long(self) -> Answer:
        return await self.create(expirationDateTime="2099-01-01T00:00:00Z")

    async def after_an_orphan(self) -> Answer:
        self.microsoft.leave_orphan(CONTOSO)
        return await self.create()


@dataclass(frozen=True)
class Row:
    """What to do, and the answer: status, code and a pattern of the message."""

    act: Callable[[Bench], Awaitable[Answer]]
    status: int
    code: str
    message: str
    switches: Json = field(default_factory=dict)
    fault: Json = field(default_factory=dict)
    handshake: Callable[[str], web.Response] | None = None


def _text(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/plain")


def _fault(status: int, code: str, message: str) -> Row:
    """A row that nobody can provoke by asking: the service itself fails."""
    fault = {"method": "POST", "path": "/subscriptions$", "status": status, "code": code, "message": message}
    return Row(Bench.create, status, code, re.escape(message), fault=fault)


FAILED = r"^Subscription validation request failed\. "
OK = r"Notification endpoint must respond with 200 OK to validation request\.$"
WRAPPED = "Operation: Create; Exception: [Status Code: {}; Reason: {}]"
EXACTLY = r"Response must exactly match validationToken query parameter\.$"
CLOSED = "The underlying connection was closed: "
QUOTA = {"quota_per_tenant": 1000, "other_vendors_subscriptions": 1000}
TABLE = {
    "not 200": Row(Bench.create, 400, "ValidationError", FAILED + OK, handshake=lambda token: _text(token, 202)),
    "not 200, as in 2022": _fault(
        400,
        "InvalidRequest",
        "Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request.",
    ),
    "something in front": Row(
        Bench.create,
        400,
        "ValidationError",
        FAILED + r"HTTP status code is 'Forbidden'\. " + OK,
        handshake=lambda token: _text(token, 403),
    ),
    "timed out": Row(
        Bench.create,
        400,
        "InvalidRequest",
        r"^Subscription validation request timed out\.$",
        switches={"handshake_timeout_s": 0.0},
    ),
    "wrong body": Row(
        Bench.create, 400, "InvalidRequest", FAILED + EXACTLY, handshake=lambda token: _text(f'"{token}"')
    ),
    "untrusted chain": _fault(
        400, "InvalidRequest", CLOSED + "Could not establish trust relationship for the SSL/TLS secure channel."
    ),
    "no common TLS": Row(
        lambda bench: bench.create(notificationUrl=bench.hook.url.replace("http:", "https:")),
        400,
        "InvalidRequest",
        CLOSED + r"An unexpected error occurred on a send\.",
    ),
    "v1_3": Row(
        lambda bench: bench.create(latestSupportedTlsVersion="v1_3"),
        400,
        "ValidationError",
        "^Invalid property value for LatestSupportedTlsVersion$",
    ),
    "created": Row(
        lambda bench: bench.create(changeType="created"),
        400,
        "InvalidRequest",
        r"^Invalid 'changeType' attribute: 'created'\.$",
        switches={"created_change_type_accepted": False},
    ),
    "too long": Row(
        Bench.too_long, 400, "ValidationError", r"^Subscription expiration can only be \d+ minutes in the future\.$"
    ),
    "too long, from the backend": Row(
        Bench.too_long,
        400,
        "ExtensionError",
        r"^Operation: Create; Exception: \[Status Code: BadRequest; Reason: Expiration time '.*' \('.*' from now\) is "
        r"beyond allowed max '29\.00:00:00'\.\]$",
        switches={"expiration_error_style": "extension"},
    ),
    "nothing to renew": Row(
        Bench.empty_renewal,
        400,
        "InvalidRequest",
        r"^Subscription must contain either the 'expirationDateTime' or 'notificationUrl' property and its value\.$",
    ),
    "no token": Row(
        lambda bench: bench.with_token(""), 401, "InvalidAuthenticationToken", r"^Access token is empty\.$"
    ),
    "expired token": Row(Bench.expired_token, 401, "InvalidAuthenticationToken", "has expired"),
    "broken token": Row(
        lambda bench: bench.with_token("a.b.c"),
        401,
        "InvalidAuthenticationToken",
        "^CompactToken parsing failed with error code: 80049217$",
    ),
    "no role, as 401": Row(
        lambda bench: bench.create_without_role(401),
        401,
        "ExtensionError",
        re.escape(WRAPPED.format("Unauthorized", "")),
    ),
    "right after consent": Row(
        Bench.create,
        401,
        "ExtensionError",
        re.escape(WRAPPED.format("Unauthorized", "")),
        switches={"first_create_unauthorized": 1},
    ),
    "no role, as 403": Row(
        lambda bench: bench.create_without_role(403),
        403,
        "ExtensionError",
        re.escape(WRAPPED.format("Forbidden", "Forbidden")),
    ),
    "no role to read": Row(Bench.listing_without_role, 403, "Authorization_RequestDenied", "^Insufficient privileges"),
    "quota": Row(Bench.create, 403, "Forbidden", r"^Subscription quota exceeded: .* per tenant was", switches=QUOTA),
    "unknown, read": Row(
        lambda bench: bench.caller.get(NOT_THERE), 404, "ResourceNotFound", r"^The object was not found\.$"
    ),
    "unknown, deleted": Row(
        lambda bench: bench.caller.delete(NOT_THERE),
        404,
        "ExtensionError",
        r"^Operation: Delete; Exception: \[Status Code: NotFound; Reason: The object was not found\.\]$",
    ),
    "duplicate": Row(
        Bench.create_twice,
        409,
        "ObjectIdentifierInUse",
        "^Subscription Id [0-9a-f-]{36} already exists for the requested combination$",
    ),
    "orphan": Row(
        Bench.after_an_orphan,
        409,
        "ObjectIdentifierInUse",
        "^Subscription Id [0-9a-f-]{36} already exists for the requested combination$",
    ),
    "service fault": _fault(
        500,
        "ExtensionError",
        "Operation: Create; Exception: [There was no raw user ticket in the requestPropertyMappings]",
    ),
    "backend fault": _fault(503, "ExtensionError", WRAPPED.format("ServiceUnavailable", "Service is busy")),
}


@pytest.mark.parametrize("row", TABLE.values(), ids=list(TABLE))
async def test_a_row_of_the_table(microsoft: Microsoft, contoso: GraphCaller, hook: Hook, row: Row) -> None:
    microsoft.switches.change(row.switches)
    if row.fault:
        microsoft.switches.add_fault(**row.fault)
    if row.handshake is not None:
        hook.handshake = row.handshake
    answer = await row.act(Bench(microsoft, contoso, hook))
    assert (answer.status, answer.code) == (row.status, row.code)
    assert re.search(row.message, answer.message), answer.message
    assert answer.body["error"]["innerError"].keys() == {"date", "request-id", "client-request-id"}


async def test_an_orphan_lives_blocks_and_can_be_taken_over(
    microsoft: Microsoft, contoso: GraphCaller, hook: Hook
) -> None:
    orphan = microsoft.leave_orphan(CONTOSO, notification_url=f"{hook.url}/old", client_state="k0.lost")
    with pytest.raises(ValueError, match="living subscription"):
        microsoft.leave_orphan(CONTOSO)
    refused = await contoso.post("/subscriptions", subscription_body(hook.url))
    assert orphan.subscription_id in refused.message
    path = f"/subscriptions/{orphan.subscription_id}"
    found = (await contoso.get(path)).body
    assert (found["clientState"], found["notificationUrl"]) == ("k0.lost", f"{hook.url}/old")
    await contoso.patch("/users/person1@contoso.com", {"jobTitle": "Chief"})
    assert (await hook.wait_for(1))[0]["clientState"] == "k0.lost"
    moved = await contoso.patch(path, {"notificationUrl": f"{hook.url}/new"})
    assert (moved.status, len(hook.handshakes)) == (200, 1)
    assert (await contoso.delete(path)).status == 204
    assert (await contoso.post("/subscriptions", subscription_body(hook.url))).status == 201


@pytest.mark.parametrize("skew_s", [-600.0, 600.0])
async def test_the_date_of_answers_may_be_wrong(microsoft: Microsoft, contoso: GraphCaller, skew_s: float) -> None:
    honest = parsedate_to_datetime((await contoso.get("/users")).headers["date"])
    microsoft.switches.date_skew_s = skew_s
    wrong = parsedate_to_datetime((await contoso.get("/users")).headers["date"])
    assert abs((wrong - honest).total_seconds() - skew_s) < 300
