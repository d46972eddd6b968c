"""Service principals of a tenant and the application permissions assigned to them: the application's and Graph's own.

A person of the partner assigns roles here after Partner Center has made the application known. An assigned role shows
in lists and tokens only after a while, and a role that a policy of the tenant withholds never does, although the call
is answered 201. Next: partner_center.py.
"""

from __future__ import annotations

import re
import uuid
from typing import Any

from sandbox.clock import graph_time
from sandbox.microsoft.app_roles import APP_ROLES, role_named
from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.errors import bad_request, not_found
from sandbox.microsoft.request import READ_DIRECTORY, GraphRequest, GraphResponse, Route
from sandbox.microsoft.tenant import Tenant
from sandbox.microsoft.throttle import Cost
from sandbox.microsoft.tokens import GRAPH_APP_ID

_READ = READ_DIRECTORY | {"Application.Read.All", "Application.ReadWrite.All", "Directory.AccessAsUser.All"}
_ASSIGN = frozenset({"AppRoleAssignment.ReadWrite.All", "Directory.AccessAsUser.All"})
_BY_APP_ID = re.compile(r"^appId\s+eq\s+'([^']+)'$", re.IGNORECASE)
Row = dict[str, Any]


class Applications:
    """The two service principals of every tenant that knows the application."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def routes(self) -> list[Route]:
        one = "/servicePrincipals/{id}"
        read, write = Cost("read", 1), Cost("write")
        return [
            Route("GET", "/servicePrincipals", self._list, _READ, read),
            Route("GET", one, self._get, _READ, read),
            Route("GET", one + "/appRoleAssignments", self._assignments, _READ, read),
            Route("GET", one + "/appRoleAssignedTo", self._assigned_to, _READ, read),
            Route("POST", one + "/appRoleAssignments", self._assign, _ASSIGN, write),
            Route("POST", one + "/appRoleAssignedTo", self._assign, _ASSIGN, write),
        ]

    # -- reading ------------------------------------------------------------------------------------------------

    async def _list(self, request: GraphRequest) -> GraphResponse:
        rows = self._principals(request.tenant)
        text = request.option("$filter")
        if text is not None:
            match = _BY_APP_ID.match(text.strip())
            if match is None:
                raise bad_request("Invalid filter clause", "BadRequest")
            rows = [row for row in rows if row["appId"].lower() == match[1].lower()]
        context = f"{request.root}/$metadata#servicePrincipals"
        return GraphResponse(200, {"@odata.context": context, "value": [_chosen(request, row) for row in rows]})

    async def _get(self, request: GraphRequest) -> GraphResponse:
        context = f"{request.root}/$metadata#servicePrincipals/$entity"
        return GraphResponse(200, {"@odata.context": context} | _chosen(request, self._named(request)))

    async def _assignments(self, request: GraphRequest) -> GraphResponse:
        return self._listed(request, "principalId")

    async def _assigned_to(self, request: GraphRequest) -> GraphResponse:
        return self._listed(request, "resourceId")

    def _listed(self, request: GraphRequest, side: str) -> GraphResponse:
        wanted, tenant = self._named(request)["id"], request.tenant
        roles = tenant.roles_at(self._cloud.clock.timestamp()) if tenant.consented else ()
        rows = [self._assignment(tenant, APP_ROLES[role]) for role in roles if role in APP_ROLES]
        context = f"{request.root}/$metadata#appRoleAssignments"
        return GraphResponse(200, {"@odata.context": context, "value": [row for row in rows if row[side] == wanted]})

    # -- writing ------------------------------------------------------------------------------------------------

    async def _assign(self, request: GraphRequest) -> GraphResponse:
        tenant, body = request.tenant, request.body if isinstance(request.body, dict) else {}
        for name in ("principalId", "resourceId", "appRoleId"):
            if not isinstance(body.get(name), str) or not body[name]:
                raise bad_request(f"A value is required for property '{name}' of resource 'AppRoleAssignment'.")
        side = "principalId" if request.segments[-1].lower() == "approleassignments" else "resourceId"
        if body[side].lower() != self._named(request)["id"]:
            raise bad_request("Not a valid reference update.")
        if body["principalId"].lower() != tenant.service_principal_id:
            raise not_found(body["principalId"])
        if body["resourceId"].lower() != graph_principal_id(tenant):
            raise not_found(body["resourceId"])
        role = role_named(body["appRoleId"])
        if role is None:
            raise bad_request("Permission being assigned was not found on application 'Microsoft Graph'.")
        if role in tenant.roles:
            raise bad_request("Permission being assigned already exists on the object")
        self._grant(tenant, role)
        context = f"{request.root}/$metadata#appRoleAssignments/$entity"
        return GraphResponse(201, {"@odata.context": context} | self._assignment(tenant, APP_ROLES[role]))

    def _grant(self, tenant: Tenant, role: str) -> None:
        now = self._cloud.clock.timestamp()
        settled = tenant.roles_at(now)
        tenant.grant((*tenant.roles, role), now + self._cloud.switches.role_lag_s)
        tenant.earlier_roles = settled

    # -- shapes -------------------------------------------------------------------------------------------------

    def _named(self, request: GraphRequest) -> Row:
        """By object id or `appId=...`."""
        wanted = request.params["id"]
        by_app = wanted.lower().removeprefix("appid=") if wanted.lower().startswith("appid=") else None
        for row in self._principals(request.tenant):
            if wanted.lower() == row["id"] or by_app == row["appId"].lower():
                return row
        raise not_found(wanted)

    def _principals(self, tenant: Tenant) -> list[Row]:
        graph = _principal(graph_principal_id(tenant), GRAPH_APP_ID, "Microsoft Graph", _role_rows())
        ours = _principal(tenant.service_principal_id, self._cloud.app_id, "entra-syncro", [])
        return [graph, ours] if tenant.consented else [graph]

    def _assignment(self, tenant: Tenant, role_id: str) -> Row:
        return {
            "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{tenant.service_principal_id}/{role_id}")),
            "deletedDateTime": None,
            "appRoleId": role_id,
            "createdDateTime": graph_time(tenant.created_at),
            "principalDisplayName": "entra-syncro",
            "principalId": tenant.service_principal_id,
            "principalType": "ServicePrincipal",
            "resourceDisplayName": "Microsoft Graph",
            "resourceId": graph_principal_id(tenant),
        }


def graph_principal_id(tenant: Tenant) -> str:
    """Graph's own service principal has another object id in every tenant."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{tenant.tenant_id}/{GRAPH_APP_ID}"))


def _principal(object_id: str, app_id: str, name: str, roles: list[Row]) -> Row:
    return {
        "id": object_id,
        "deletedDateTime": None,
        "accountEnabled": True,
        "appId": app_id,
        "appDisplayName": name,
        "appRoleAssignmentRequired": False,
        "displayName": name,
        "servicePrincipalType": "Application",
        "appRoles": roles,
        "oauth2PermissionScopes": [],
    }


def _role_rows() -> list[Row]:
    return [
        {
            "allowedMemberTypes": ["Application"],
            "description": f"Allows the app to use {name} without a signed-in user.",
            "displayName": name,
            "id": role_id,
            "isEnabled": True,
            "origin": "Application",
            "value": name,
        }
        for name, role_id in APP_ROLES.items()
    ]


def _chosen(request: GraphRequest, row: Row) -> Row:
    names = [word.strip().lower() for word in (request.option("$select") or "").split(",") if word.strip()]
    return {key: value for key, value in row.items() if not names or key.lower() in names or key == "id"}
