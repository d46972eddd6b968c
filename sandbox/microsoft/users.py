"""Routes of `/users`, `/directoryObjects/getByIds` and the recycle bin.

Reads see the directory as it was before the replication lag; writes see and answer the newest state. Checks of what
may be written are in writing.py, pages in listing.py. Next: licences.py, then delta.py.
"""

from __future__ import annotations

from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.directory import Version
from sandbox.microsoft.errors import GraphError, bad_request, not_found
from sandbox.microsoft.listing import Listings, selected
from sandbox.microsoft.overlay import Overlay
from sandbox.microsoft.request import (
    READ_DIRECTORY,
    READ_USERS,
    WRITE_USERS,
    GraphRequest,
    GraphResponse,
    Route,
)
from sandbox.microsoft.schema import DEFAULT_PROPERTIES, render
from sandbox.microsoft.throttle import Cost
from sandbox.microsoft.writing import changed_user, check_restorable, new_user

_WRITE = Cost("write")
_NONE = frozenset[str]()  # a mail call is refused in its own words
_READ_MAILBOX = frozenset({"MailboxSettings.Read", "MailboxSettings.ReadWrite"})
_CASTS = ("microsoft.graph.", "graph.")


class Users:
    """Every call that reads or writes users, delta and licences excepted."""

    def __init__(self, cloud: Cloud, listings: Listings, overlay: Overlay) -> None:
        self._cloud = cloud
        self._listings = listings
        self._overlay = overlay

    def routes(self) -> list[Route]:
        bin_of_users, item = "/directory/deletedItems/microsoft.graph.user", "/directory/deletedItems/{id}"
        return [
            Route("GET", "/users", self._list, READ_USERS, Cost("read", 2)),
            Route("POST", "/users", self._create, WRITE_USERS, _WRITE),
            Route("GET", "/users/$count", self._count, READ_USERS, Cost("read", 2)),
            Route("GET", "/users/{id}", self._get, READ_USERS, Cost("read", 1)),
            Route("PATCH", "/users/{id}", self._update, WRITE_USERS, _WRITE),
            Route("DELETE", "/users/{id}", self._delete, WRITE_USERS, _WRITE),
            Route("GET", "/users/{id}/mailboxSettings", self._mailbox, _NONE, Cost("read", 1)),
            Route("GET", "/directoryObjects/{id}", self._get_object, READ_DIRECTORY, Cost("read", 1)),
            Route("POST", "/directoryObjects/getByIds", self._get_by_ids, READ_DIRECTORY, Cost("read", 5)),
            Route("GET", bin_of_users, self._list_deleted, READ_USERS, Cost("read", 2)),
            Route("GET", item + "/microsoft.graph.user", self._get_deleted, READ_USERS, Cost("read", 1)),
        ] + [
            route
            for one in (item, bin_of_users + "/{id}")
            for route in (
                Route("GET", one, self._get_deleted, READ_USERS, Cost("read", 1)),
                Route("DELETE", one, self._purge, WRITE_USERS, _WRITE),
                Route("POST", one + "/restore", self._restore, WRITE_USERS, _WRITE),
            )
        ]

    # -- reads --------------------------------------------------------------------------------------------------

    async def _list(self, request: GraphRequest) -> GraphResponse:
        token = request.option("$skiptoken")
        if token is not None:
            return self._listings.next_page(request, token)
        seen = request.tenant.directory.all_seen(self._cloud.read_horizon())
        return self._listings.first_page(request, (version.state for version in seen if version.live))

    async def _count(self, request: GraphRequest) -> GraphResponse:
        if not request.eventual:
            raise bad_request("$count is not currently supported.", "Request_BadRequest")
        seen = request.tenant.directory.all_seen(self._cloud.read_horizon())
        return GraphResponse(200, str(sum(version.live for version in seen)))

    async def _get(self, request: GraphRequest) -> GraphResponse:
        names = selected(request, in_list=False)
        key = request.params["id"]
        self._overlay.check_key(key, names)
        self._overlay.check(request, names)
        version = request.tenant.directory.named(key, self._cloud.read_horizon())
        if version is None:
            raise not_found(key)
        context = self._listings.context(request, "users", single=True)
        shown = self._overlay.show(request.tenant, version.state, names)
        return GraphResponse(200, {"@odata.context": context} | shown)

    async def _get_object(self, request: GraphRequest) -> GraphResponse:
        key = request.params["id"]
        version = request.tenant.directory.seen(key.lower(), self._cloud.read_horizon())
        if version is None or not version.live:
            raise not_found(key)
        return GraphResponse(200, self._as_object(request, version, selected(request, in_list=False)))

    async def _mailbox(self, request: GraphRequest) -> GraphResponse:
        if not request.identity.roles & _READ_MAILBOX:
            raise GraphError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        key = request.params["id"]
        version = request.tenant.directory.named(key, self._cloud.read_horizon())
        if version is None:
            raise GraphError(404, "ErrorInvalidUser", f"The requested user '{key}' is invalid.")
        if not version.state.get("mail"):
            text = "The mailbox is either inactive, soft-deleted, or is hosted on-premise."
            raise GraphError(404, "MailboxNotEnabledForRESTAPI", text)
        context = f"{request.root}/$metadata#users('{version.state['id']}')/mailboxSettings"
        settings = {"userPurpose": "user"} | (version.state.get("mailboxSettings") or {})
        return GraphResponse(200, {"@odata.context": context} | settings)

    async def _get_by_ids(self, request: GraphRequest) -> GraphResponse:
        ids, types = self._ids_and_types(request)
        names = selected(request, in_list=True)
        horizon = self._cloud.read_horizon()
        found = [request.tenant.directory.seen(user_id.lower(), horizon) for user_id in ids]
        wanted = not types or bool({"user", "directoryobject"} & types)
        value = [
            {"@odata.type": "#microsoft.graph.user"} | render(version.state, names)
            for version in found
            if version is not None and version.live and wanted
        ]
        context = f"{request.root}/$metadata#directoryObjects"
        return GraphResponse(200, {"@odata.context": context, "value": value})

    @staticmethod
    def _ids_and_types(request: GraphRequest) -> tuple[list[str], set[str]]:
        body = request.body if isinstance(request.body, dict) else {}
        ids = body.get("ids")
        if not isinstance(ids, list) or not all(isinstance(entry, str) for entry in ids):
            raise bad_request("A value is required for property 'ids' of resource 'GetByIds'.")
        if len(ids) > 1000:
            raise bad_request("Number of included identifiers cannot exceed '1000'.", "Request_BadRequest")
        types = body.get("types") or []
        if not isinstance(types, list):
            raise bad_request("Invalid value specified for property 'types' of resource 'GetByIds'.")
        return ids, {str(entry).lower() for entry in types}

    async def _list_deleted(self, request: GraphRequest) -> GraphResponse:
        token = request.option("$skiptoken")
        if token is not None:
            return self._listings.next_page(request, token)
        seen = request.tenant.directory.all_seen(self._cloud.read_horizon())
        states = (version.state for version in seen if version.soft_deleted)
        response = self._listings.first_page(request, states, "directoryObjects/$/microsoft.graph.user")
        if not request.option("$select"):
            self._add_deletion_time(request, response)
        return response

    def _add_deletion_time(self, request: GraphRequest, response: GraphResponse) -> None:
        for row in response.body["value"]:
            version = request.tenant.directory.seen(row["id"], self._cloud.read_horizon())
            row["deletedDateTime"] = version.state.get("deletedDateTime") if version else None

    async def _get_deleted(self, request: GraphRequest) -> GraphResponse:
        key = request.params["id"]
        if key.startswith(_CASTS):
            # groups and the like are not simulated: their bins are empty
            return GraphResponse(200, {"@odata.context": f"{request.root}/$metadata#directoryObjects", "value": []})
        version = request.tenant.directory.seen(key.lower(), self._cloud.read_horizon())
        if version is None or not version.soft_deleted:
            raise not_found(key)
        names = selected(request, in_list=False)
        if not request.option("$select"):
            names = [*names, "deletedDateTime"]
        return GraphResponse(200, self._as_object(request, version, names))

    # -- writes -------------------------------------------------------------------------------------------------

    async def _create(self, request: GraphRequest) -> GraphResponse:
        version = request.tenant.directory.create(new_user(request.tenant, request.body))
        context = f"{request.root}/$metadata#users/$entity"
        location = f"{request.root}/users/{version.state['id']}"
        body = {"@odata.context": context} | render(version.state, DEFAULT_PROPERTIES)
        return GraphResponse(201, body, {"Location": location})

    async def _update(self, request: GraphRequest) -> GraphResponse:
        version = newest_user(request)
        user_id = version.state["id"]
        request.tenant.directory.update(user_id, changed_user(request.tenant, version.state, request.body))
        return GraphResponse(204)

    async def _delete(self, request: GraphRequest) -> GraphResponse:
        request.tenant.directory.delete(newest_user(request).state["id"])
        return GraphResponse(204)

    async def _purge(self, request: GraphRequest) -> GraphResponse:
        request.tenant.directory.purge(self._newest_deleted(request).state["id"])
        return GraphResponse(204)

    async def _restore(self, request: GraphRequest) -> GraphResponse:
        version = self._newest_deleted(request)
        check_restorable(request.tenant, version.state)
        restored = request.tenant.directory.restore(version.state["id"])
        return GraphResponse(200, self._as_object(request, restored, DEFAULT_PROPERTIES))

    @staticmethod
    def _newest_deleted(request: GraphRequest) -> Version:
        key = request.params["id"]
        version = request.tenant.directory.latest(key.lower())
        if version is None or not version.soft_deleted:
            raise not_found(key)
        return version

    def _as_object(self, request: GraphRequest, version: Version, names: list[str]) -> dict[str, object]:
        context = f"{request.root}/$metadata#directoryObjects/$entity"
        head = {"@odata.context": context, "@odata.type": "#microsoft.graph.user"}
        return head | render(version.state, names)


def newest_user(request: GraphRequest) -> Version:
    """The live user named in the path, as the last write left it; 404 otherwise."""
    key = request.params["id"]
    version = request.tenant.directory.named(key, float("inf"))
    if version is None:
        raise not_found(key)
    return version
