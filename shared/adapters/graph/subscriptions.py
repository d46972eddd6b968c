"""Subscriptions of one tenant: create, list, get, renew, delete.

Satisfies `shared.ports.SubscriptionReads` and `SubscriptionWrites`. While `create` waits, Graph calls our own
handshake address: nothing here blocks the loop. It decides nothing about when to renew. Next: `receiver/registrar.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from shared.adapters.graph.auth import Tokens
from shared.adapters.graph.caller import Call, GraphCaller
from shared.adapters.graph.errors import existing_id, family, true_status
from shared.adapters.graph.wire import plain_resource, subscription, unreadable
from shared.adapters.http import Answer, HttpClient
from shared.adapters.lenient import Json
from shared.domain.errors import Permanent
from shared.ports import AlreadyExists, Subscription, SubscriptionWish

CREATE_SECONDS = 60.0  # two handshakes of up to 10 s each happen meanwhile
LIST_EVERY = 1.0  # seconds between two pages: 40 in 20 s are allowed over all tenants, half of them for other processes
# Statuses whose body has to be looked into before they mean anything: the backend's own may be wrapped in them.
_MAYBE_GONE = (200, 204, 400, 404)
_ONE = "/subscriptions/{id}"


class GraphSubscriptions:
    def __init__(self, http: HttpClient, tokens: Tokens, base_url: str) -> None:
        self._caller = GraphCaller(http, tokens, base_url)
        self._turns = asyncio.Lock()
        self._listed_at = float("-inf")  # of the running loop

    async def get(self, tenant_id: str, subscription_id: str) -> Subscription | None:
        return await self._one(tenant_id, Call("GET", _path(subscription_id), _ONE, expected=_MAYBE_GONE))

    async def list(self, tenant_id: str) -> Sequence[Subscription]:
        """Those that this application made in this tenant. Waits for its turn: one page a second over all tenants."""
        first = Call("GET", "/subscriptions", "/subscriptions")
        pages = self._caller.pages(tenant_id, first, self._page)
        return [subscription(body) async for page in pages for body in page]

    async def create(self, tenant_id: str, wish: SubscriptionWish) -> Subscription | AlreadyExists:
        """Raises Ambiguous when the answer is lost: the subscription may live, the next attempt then finds it."""
        call = Call(
            "POST",
            "/subscriptions",
            "/subscriptions",
            json=_body(wish),
            repeatable=False,
            total=CREATE_SECONDS,
            expected=(200, 201, 400, 409),
        )
        answer = await self._caller.call(tenant_id, call)
        if answer.status < 300:
            return subscription(_object(answer))
        if true_status(answer.status, answer.document) == 409:
            return AlreadyExists(existing_id(answer.document) or await self._twin(tenant_id, wish))
        raise family(answer.status, answer.headers, answer.document, tenant_id)

    async def renew(self, tenant_id: str, subscription_id: str, expires_at: datetime) -> Subscription | None:
        """None when it is gone. The expiry that counts is the one returned: Graph has kept the old one before."""
        body = {"expirationDateTime": _moment(expires_at)}
        call = Call("PATCH", _path(subscription_id), _ONE, json=body, total=CREATE_SECONDS, expected=_MAYBE_GONE)
        return await self._one(tenant_id, call)

    async def delete(self, tenant_id: str, subscription_id: str) -> None:
        call = Call("DELETE", _path(subscription_id), _ONE, expected=_MAYBE_GONE)
        self._gone(tenant_id, await self._caller.call(tenant_id, call))

    async def _page(self, tenant_id: str, call: Call) -> Answer:
        async with self._turns:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(max(0.0, self._listed_at + LIST_EVERY - loop.time()))
            self._listed_at = loop.time()
        return await self._caller.call(tenant_id, call)

    async def _one(self, tenant_id: str, call: Call) -> Subscription | None:
        answer = await self._caller.call(tenant_id, call)
        return None if self._gone(tenant_id, answer) else subscription(_object(answer))

    def _gone(self, tenant_id: str, answer: Answer) -> bool:
        """True for a 404, plain or wrapped. Raises the family of any other error."""
        if answer.status < 300:
            return False
        if true_status(answer.status, answer.document) == 404:
            return True
        raise family(answer.status, answer.headers, answer.document, tenant_id)

    async def _twin(self, tenant_id: str, wish: SubscriptionWish) -> str:
        """The subscription that stands in the way of `wish`, when the 409 did not name it."""
        for found in await self.list(tenant_id):
            if found.resource == plain_resource(wish.resource) and _kinds(found.change_type) == _kinds(
                wish.change_type
            ):
                return found.id
        raise Permanent("graph", "already_exists", f"an unknown subscription stands in the way, tenant {tenant_id}")


def _kinds(change_type: str) -> frozenset[str]:
    """Their order and case mean nothing."""
    return frozenset(change_type.lower().split(","))


def _path(subscription_id: str) -> str:
    return f"/subscriptions/{quote(subscription_id, safe='')}"


def _object(answer: Answer) -> Json:
    body = answer.document
    if not isinstance(body, dict):
        raise unreadable("/subscriptions")
    return body


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.0000000Z")


def _body(wish: SubscriptionWish) -> dict[str, str]:
    """`latestSupportedTlsVersion` is left out on purpose: live Graph has refused what its page allows."""
    return {
        "changeType": wish.change_type,
        "notificationUrl": wish.notification_url,
        "lifecycleNotificationUrl": wish.lifecycle_url,
        "resource": wish.resource,
        "expirationDateTime": _moment(wish.expires_at),
        "clientState": wish.client_state,
    }
