"""Routes of `/subscriptions`: create with handshakes, read, list, renew, delete, reauthorize.

Order of a creation: authorise, schema, duplicate, quota, handshake per URL, store, 201. The checks are in
subscription_rules.py, the handshake in handshake.py, deliveries in delivery.py. Next: delivery.py.
"""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime, timedelta
from typing import Any

from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.delivery import Deliveries
from sandbox.microsoft.errors import GraphError, bad_request, denied, extension_error
from sandbox.microsoft.handshake import Handshakes
from sandbox.microsoft.request import READ_USERS, GraphRequest, GraphResponse, Route
from sandbox.microsoft.subscription import Subscription
from sandbox.microsoft.subscription_rules import Wish, check_creation, check_expiry, check_room, check_url
from sandbox.microsoft.throttle import Cost

_NONE = frozenset[str]()
_CORRUPTING = timedelta(minutes=10)


class Subscriptions:
    """The subscription service of one Graph host."""

    def __init__(self, cloud: Cloud, handshakes: Handshakes, deliveries: Deliveries) -> None:
        self._cloud = cloud
        self._handshakes = handshakes
        self._deliveries = deliveries
        self._pages: dict[str, tuple[str, list[str]]] = {}

    def routes(self) -> list[Route]:
        one = "/subscriptions/{id}"
        return [
            Route("POST", "/subscriptions", self._create, _NONE, Cost("sub-write")),
            Route("GET", "/subscriptions", self._list, _NONE, Cost("sub-list")),
            Route("GET", one, self._get, _NONE, Cost("sub-get")),
            Route("PATCH", one, self._update, _NONE, Cost("sub-write")),
            Route("DELETE", one, self._delete, _NONE, Cost("sub-write")),
            Route("POST", one + "/reauthorize", self._reauthorize, _NONE, Cost("sub-reauthorize")),
        ]

    # -- create -------------------------------------------------------------------------------------------------

    async def _create(self, request: GraphRequest) -> GraphResponse:
        self._authorise(request)
        switches = self._cloud.switches
        wish = check_creation(request.body, switches, self._cloud.clock.now())
        self._check_room(request, wish)
        await self._handshakes.validate(wish.notification_url)
        if wish.lifecycle_url is not None:
            await self._handshakes.validate(wish.lifecycle_url)
        # a second creation may have won while the handshakes ran
        self._check_room(request, wish)
        created = self._store(request, wish)
        if switches.deliver_before_created:
            await self._deliveries.deliver_one_now(created)
        return GraphResponse(201, self._body(request, created))

    def _authorise(self, request: GraphRequest) -> None:
        switches = self._cloud.switches
        if not request.identity.roles & READ_USERS:
            status = switches.missing_role_status
            raise extension_error("Create", status, "Forbidden" if status == 403 else "")
        if request.tenant.unauthorized_creations > 0:
            request.tenant.unauthorized_creations -= 1
            raise extension_error("Create", 401, "")
        if switches.first_create_unauthorized > 0:
            switches.first_create_unauthorized -= 1
            raise extension_error("Create", 401, "")

    def _check_room(self, request: GraphRequest, wish: Wish) -> None:
        everyone = sum(len(self._deliveries.live(tenant)) for tenant in self._cloud.tenants.values())
        mine = self._deliveries.live(request.tenant)
        check_room(wish, request.identity.app_id, mine, everyone, self._cloud.switches)

    def _store(self, request: GraphRequest, wish: Wish) -> Subscription:
        now = self._cloud.clock.now()
        subscription = Subscription(
            subscription_id=str(uuid.uuid4()),
            tenant_id=request.tenant.tenant_id,
            app_id=request.identity.app_id,
            creator_id=request.tenant.service_principal_id,
            resource=wish.resource,
            change_type=wish.change_type,
            notification_url=wish.notification_url,
            lifecycle_url=wish.lifecycle_url,
            client_state=wish.client_state,
            tls_version=wish.tls_version,
            expires_at=wish.expires_at,
            token_expires_at=now,
            next_challenge_at=now,
        )
        self._deliveries.refresh_token(subscription)
        request.tenant.subscriptions[subscription.subscription_id] = subscription
        return subscription

    # -- read ---------------------------------------------------------------------------------------------------

    async def _list(self, request: GraphRequest) -> GraphResponse:
        self._check_reader(request)
        token = request.option("$skiptoken")
        live = {subscription.subscription_id: subscription for subscription in self._deliveries.live(request.tenant)}
        if token is None:
            ids = [] if self._cloud.switches.subscription_list_omits else list(live)
        else:
            tenant_id, ids = self._pages.get(token, ("", []))
            if tenant_id != request.tenant.tenant_id:
                raise bad_request("Invalid skip token.", "InvalidRequest")
        size = self._cloud.switches.subscription_page_size
        body: dict[str, Any] = {"@odata.context": self._context(request, "")}
        body["value"] = [live[key].as_json() for key in ids[:size] if key in live]
        if len(ids) > size:
            following = secrets.token_urlsafe(18)
            self._pages[following] = (request.tenant.tenant_id, ids[size:])
            body["@odata.nextLink"] = f"{request.root}/subscriptions?$skiptoken={following}"
        return GraphResponse(200, body)

    async def _get(self, request: GraphRequest) -> GraphResponse:
        self._check_reader(request)
        found = self._find(request)
        if found is None:
            raise GraphError(404, "ResourceNotFound", "The object was not found.")
        return GraphResponse(200, self._body(request, found))

    # -- change -------------------------------------------------------------------------------------------------

    async def _update(self, request: GraphRequest) -> GraphResponse:
        found = self._existing(request, "Update")
        body = request.body if isinstance(request.body, dict) else {}
        expiry, url = body.get("expirationDateTime"), body.get("notificationUrl")
        if not expiry and not url:
            raise bad_request(
                "Subscription must contain either the 'expirationDateTime' or 'notificationUrl' property and its "
                "value.",
                "InvalidRequest",
            )
        for name in body.keys() - {"expirationDateTime", "notificationUrl"}:
            if not name.startswith("@") and found.as_json().get(name, name) != body[name]:
                raise bad_request(f"Property '{name}' cannot be updated.", "InvalidRequest")
        now, switches = self._cloud.clock.now(), self._cloud.switches
        expires_at = check_expiry(expiry, "Update", switches, now) if expiry else found.expires_at
        if url:
            check_url("notificationUrl", url, switches)
        if (url and url != found.notification_url) or switches.handshake_on_renewal:
            await self._handshakes.validate(url or found.notification_url)
        self._renew(found, url or found.notification_url, expires_at, now)
        return GraphResponse(200, self._body(request, found))

    def _renew(self, found: Subscription, url: str, expires_at: datetime, now: datetime) -> None:
        found.notification_url = url
        if not self._cloud.switches.patch_keeps_expiry:
            found.expires_at = expires_at
        found.patched_at = now
        self._deliveries.refresh_token(found)
        self._corrupt_if_too_close(found)

    async def _delete(self, request: GraphRequest) -> GraphResponse:
        found = self._existing(request, "Delete")
        del request.tenant.subscriptions[found.subscription_id]
        return GraphResponse(204)

    async def _reauthorize(self, request: GraphRequest) -> GraphResponse:
        found = self._existing(request, "Update")
        found.reauthorized_at = self._cloud.clock.now()
        self._deliveries.refresh_token(found)
        self._corrupt_if_too_close(found)
        return GraphResponse(204)

    def _corrupt_if_too_close(self, found: Subscription) -> None:
        """A renewal and a reauthorization within ten minutes leave a subscription that delivers nothing."""
        if not self._cloud.switches.reauthorize_corrupts or found.patched_at is None or found.reauthorized_at is None:
            return
        if abs(found.patched_at - found.reauthorized_at) < _CORRUPTING:
            found.corrupted = True

    # -- shared -------------------------------------------------------------------------------------------------

    @staticmethod
    def _check_reader(request: GraphRequest) -> None:
        if not request.identity.roles & READ_USERS:
            raise denied()

    def _existing(self, request: GraphRequest, operation: str) -> Subscription:
        self._check_reader(request)
        found = self._find(request)
        if found is None:
            raise extension_error(operation, 404, "The object was not found.")
        return found

    def _find(self, request: GraphRequest) -> Subscription | None:
        wanted = request.params["id"].lower()
        live = self._deliveries.live(request.tenant)
        return next((entry for entry in live if entry.subscription_id == wanted), None)

    def _body(self, request: GraphRequest, subscription: Subscription) -> dict[str, Any]:
        return {"@odata.context": self._context(request, "/$entity")} | subscription.as_json()

    def _context(self, request: GraphRequest, tail: str) -> str:
        return f"{request.root}/$metadata#subscriptions{tail}"
