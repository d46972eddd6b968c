"""Users and subscriptions of the simulated Microsoft, by unmodified MSAL and real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from shared.adapters.http import Request
from shared.domain.errors import Permanent, Scope, StopTheLine, SyncError, Transient
from shared.domain.user import DirectoryUser, Missing, SoftDeleted
from shared.ports import AlreadyExists, SubscriptionWish
from tests.integration.vendors.conftest import Vendors
from tests.support.vendor_stub import Stub, stub_server

NOBODY = "87d349ed-44d7-43e1-9a83-5f2406dee5bd"


async def listed(vendors: Vendors) -> list[DirectoryUser]:
    return [user async for user in vendors.directory.listing(vendors.tenant)]


def seed(vendors: Vendors, count: int) -> None:
    for number in range(count):
        address = f"extra{number:04}@alpenrose.example"
        vendors.world.microsoft.seed_user(
            vendors.tenant, displayName=f"Extra {number}", userPrincipalName=address, mail=address
        )


async def call_graph(vendors: Vendors, method: str, path: str, body: object = None) -> int:
    """Change the directory as an administrator does, through Graph's own write calls."""
    headers = {"Authorization": f"Bearer {await vendors.tokens.token(vendors.tenant)}"}
    url = f"{vendors.world.microsoft.graph_url}/v1.0{path}"
    return (await vendors.http.send(Request("graph", method, url, path, headers, body))).status


async def test_a_user_reads_the_same_by_listing_batch_and_claim(vendors: Vendors) -> None:
    users = await listed(vendors)
    assert len(users) == 12
    reads = await vendors.directory.users(vendors.tenant, [user.id for user in users])
    assert reads == {user.id: user for user in users}
    claimed = next(user for user in users if user.mail)
    assert claimed.mail is not None
    found = await vendors.directory.claimants(vendors.tenant, claimed.mail.upper())
    assert claimed in found
    assert await vendors.directory.claimants(vendors.tenant, "o'nobody@alpenrose.example") == []


async def test_more_than_one_page_and_more_than_one_batch(vendors: Vendors) -> None:
    vendors.world.microsoft.switches.change({"replication_lag_s": 0.0})
    seed(vendors, 1100)
    users = await listed(vendors)
    assert len({user.id for user in users}) == len(users) == 1112
    ids = [user.id for user in users[:95]]
    assert list(await vendors.directory.users(vendors.tenant, ids)) == ids


async def test_deleted_and_unknown_users(vendors: Vendors) -> None:
    vendors.world.microsoft.switches.change({"replication_lag_s": 0.0})
    gone = (await listed(vendors))[0].id
    assert await call_graph(vendors, "DELETE", f"/users/{gone}") == 204
    reads = await vendors.directory.users(vendors.tenant, [gone, NOBODY])
    assert isinstance(reads[gone], SoftDeleted)
    assert reads[NOBODY] == Missing(NOBODY)


async def test_the_roles_of_a_consent(vendors: Vendors) -> None:
    assert "User.Read.All" in await vendors.directory.prove(vendors.tenant)
    vendors.world.microsoft.switches.change({"roleless_tokens": True})
    assert await vendors.directory.prove(vendors.tenant) == frozenset()
    with pytest.raises(StopTheLine) as failure:
        await listed(vendors)
    assert (failure.value.scope, failure.value.code) == (Scope.TENANT, "permission_missing")


async def test_a_cured_consent_is_proven_at_once(vendors: Vendors) -> None:
    vendors.world.microsoft.switches.change({"login_errors": {vendors.tenant: 700016}})
    with pytest.raises(StopTheLine) as failure:
        await vendors.directory.prove(vendors.tenant)
    assert (failure.value.scope, failure.value.code) == (Scope.TENANT, "consent_missing")
    vendors.world.microsoft.switches.change({"login_errors": {}})
    assert await vendors.directory.prove(vendors.tenant)


async def test_an_expired_secret_is_ours(vendors: Vendors) -> None:
    vendors.world.microsoft.switches.change({"login_errors": {"*": 7000222}})
    with pytest.raises(StopTheLine) as failure:
        await listed(vendors)
    assert (failure.value.scope, failure.value.code) == (Scope.ACCOUNT, "secret_expired")


async def test_a_void_token_is_renewed_once(vendors: Vendors) -> None:
    await listed(vendors)
    vendors.world.microsoft.switches.add_fault(path="/users", status=401, code="InvalidAuthenticationToken")
    assert len(await listed(vendors)) == 12


@pytest.mark.parametrize(
    ("fault", "family", "code"),
    [
        ({"status": 429, "code": "TooManyRequests", "retry_after": "2.128"}, Transient, "throttled"),
        ({"status": 503, "code": "ServiceUnavailable"}, Transient, "service_fault"),
        ({"status": 500}, Transient, "service_fault"),
        ({"status": 403, "code": "Authorization_RequestDenied"}, StopTheLine, "permission_missing"),
        ({"drop": True}, Transient, "connection_lost"),
    ],
)
async def test_faults_of_a_listing(vendors: Vendors, fault: dict[str, Any], family: type[SyncError], code: str) -> None:
    vendors.world.microsoft.switches.add_fault(path="/users", **fault)
    with pytest.raises(family) as failure:
        await listed(vendors)
    assert failure.value.code == code
    assert getattr(failure.value, "retry_after", None) == (2.128 if "retry_after" in fault else None)


async def test_one_throttled_item_fails_the_whole_read(vendors: Vendors) -> None:
    ids = [user.id for user in await listed(vendors)]
    vendors.world.microsoft.switches.add_fault(
        path=ids[3], status=429, code="TooManyRequests", message="Please retry again later.", retry_after="7.5"
    )
    with pytest.raises(Transient) as failure:
        await vendors.directory.users(vendors.tenant, ids)
    assert (failure.value.code, failure.value.retry_after) == ("throttled", 7.5)
    assert len(await vendors.directory.users(vendors.tenant, ids)) == 12


async def test_an_expired_page_token_costs_a_new_beginning_only(vendors: Vendors) -> None:
    vendors.world.microsoft.switches.change({"replication_lag_s": 0.0})
    seed(vendors, 1000)
    vendors.world.microsoft.switches.add_fault(path="skiptoken", status=400, code="Directory_ExpiredPageToken")
    users = await listed(vendors)
    assert len({user.id for user in users}) == len(users) == 1012


# --- subscriptions ---------------------------------------------------------------------------------------------------


@pytest.fixture
async def door() -> AsyncIterator[Stub]:
    """Our public door, on the very loop that waits for the creation."""

    async def handshake(request: web.Request) -> web.Response:
        return web.Response(text=request.query["validationToken"], content_type="text/plain")

    async with stub_server(handshake) as stub:
        yield stub


def wish(door: Stub, minutes: int = 3 * 24 * 60) -> SubscriptionWish:
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=minutes)
    return SubscriptionWish(f"{door.base_url}/n", f"{door.base_url}/l", "k1.state", expires_at)


async def test_the_life_of_a_subscription(vendors: Vendors, door: Stub) -> None:
    wanted = wish(door)
    made = await vendors.subscriptions.create(vendors.tenant, wanted)
    assert not isinstance(made, AlreadyExists)
    assert (made.resource, made.change_type) == ("users", "updated,deleted")
    assert made.expires_at == wanted.expires_at
    assert len(door.seen) == 2, "both addresses are validated"
    assert await vendors.subscriptions.create(vendors.tenant, wanted) == AlreadyExists(made.id)
    assert await vendors.subscriptions.get(vendors.tenant, made.id) == made
    assert await vendors.subscriptions.list(vendors.tenant) == [made]
    later = wanted.expires_at + timedelta(days=1)
    renewed = await vendors.subscriptions.renew(vendors.tenant, made.id, later)
    assert renewed is not None
    assert renewed.expires_at == later
    await vendors.subscriptions.delete(vendors.tenant, made.id)
    await vendors.subscriptions.delete(vendors.tenant, made.id)
    assert await vendors.subscriptions.get(vendors.tenant, made.id) is None
    assert await vendors.subscriptions.renew(vendors.tenant, made.id, later) is None


async def test_a_first_creation_after_consent_is_waited_for(vendors: Vendors, door: Stub) -> None:
    # The adapter's own token refresh is one more attempt, so two refusals are needed to see it.
    vendors.world.microsoft.switches.change({"first_create_unauthorized": 2})
    with pytest.raises(Transient) as failure:
        await vendors.subscriptions.create(vendors.tenant, wish(door))
    assert failure.value.code == "not_yet_authorized"
    assert not isinstance(await vendors.subscriptions.create(vendors.tenant, wish(door)), AlreadyExists)


@pytest.mark.parametrize("style", ["plain", "extension"])
async def test_an_expiry_too_far_away(vendors: Vendors, door: Stub, style: str) -> None:
    vendors.world.microsoft.switches.change({"expiration_error_style": style})
    with pytest.raises(Permanent) as failure:
        await vendors.subscriptions.create(vendors.tenant, wish(door, minutes=50_000))
    assert failure.value.code == "expiration_too_far"


@pytest.mark.parametrize(
    ("quota", "code"),
    [
        ("quota_per_app", "quota_app"),
        ("quota_per_tenant", "quota_tenant"),
        ("quota_per_app_and_tenant", "quota_app_tenant"),
    ],
)
async def test_a_used_up_quota_needs_a_person(vendors: Vendors, door: Stub, quota: str, code: str) -> None:
    vendors.world.microsoft.switches.change({quota: 0})
    with pytest.raises(Permanent) as failure:
        await vendors.subscriptions.create(vendors.tenant, wish(door))
    assert failure.value.code == code


@pytest.mark.parametrize(
    ("status", "text", "family", "code"),
    [
        (403, None, Permanent, "handshake_refused"),
        (503, None, Transient, "handshake_failed"),
        (200, "&quot;echo&quot;", Permanent, "handshake_mismatch"),
    ],
)
async def test_a_door_that_answers_wrongly(
    vendors: Vendors, status: int, text: str | None, family: type[SyncError], code: str
) -> None:
    async def wrong(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text or "", content_type="text/plain")

    async with stub_server(wrong) as stub:
        with pytest.raises(family) as failure:
            await vendors.subscriptions.create(vendors.tenant, wish(stub))
    assert failure.value.code == code
