"""One sign-in that consents for many customers: Partner Center, and Graph in the person's name. `shared.ports.Partner`.

Documented by Microsoft: the device code flow; `GET /v1/customers`; `POST /v1/customers/{id}/applicationconsents`
(Partner Center's "control panel vendor" API), which makes a customer's tenant know the app and grants it *delegated*
permissions; `POST /servicePrincipals/{id}/appRoleAssignedTo`, which grants an application permission. Inferred, for no
page of theirs says it in one piece: that the consent's delegated permissions are enough to grant the application ones
in the same sitting, and that Partner Center's 409 means "known already". So nothing is believed here: what was granted
is read back, and the connection is proved by a token of the tenant's own (`shared/runtime/proof.py`).

The person needs a GDAP relationship with the role Cloud Application Administrator or Privileged Role Administrator;
the app registration must allow public client flows. Next: `console/operations/consenting.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote, urlsplit

from shared.adapters.graph.caller import Call, GraphCaller
from shared.adapters.http import Answer, HttpClient, Request, retry_after
from shared.adapters.lenient import Json, mapping, objects, text
from shared.adapters.partner_login import PARTNER, PersonTokens
from shared.domain.errors import Permanent, StopTheLine, SyncError, Transient
from shared.domain.onboarding import PartnerCustomer

PARTNER_SCOPE = "https://api.partnercenter.microsoft.com/user_impersonation"
GRAPH_APP = "00000003-0000-0000-c000-000000000000"  # Microsoft Graph, the same id in every tenant and cloud
# What the app may do in the name of the signed-in person, in a customer's tenant, to grant itself its roles.
DELEGATED = ("Application.Read.All", "AppRoleAssignment.ReadWrite.All")
APP_NAME = "entra-syncro"
PAGE = 500
MOST_PAGES = 200
# Seconds between looks for what a fresh consent brings: the app in the tenant's directory, the delegated permission.
REPLICATING = (1.0, 2.0, 3.0, 5.0, 8.0)
_NOT_SEEN_YET = frozenset({"app_not_seen", "consent_missing", "permission_missing", "token_refused", "not_found"})


class PartnerCenter:
    """`app_id`: the app that signs in and gets the roles. `base_url`, `graph_base_url` without a version;
    `graph_scope` ends in `/.default`."""

    def __init__(
        self,
        http: HttpClient,
        person: PersonTokens,
        *,
        app_id: str,
        base_url: str,
        graph_base_url: str,
        graph_scope: str,
        pauses: Sequence[float] = REPLICATING,
    ) -> None:
        self._http = http
        self._person = person
        self._app_id = app_id
        self._root = base_url.rstrip("/").removesuffix("/v1")
        self._delegated = _Delegated(person, graph_scope)
        self._graph = GraphCaller(http, self._delegated, graph_base_url)
        self._pauses = pauses
        self._token = ""
        self._related: Mapping[str, PartnerCustomer] | None = None

    async def sign_in(self, tell: Callable[[str, str], None]) -> str:
        """The person's name. Raises Permanent `sign_in_declined`, `sign_in_expired`, `partner_not_set`."""
        self._related, self._token = None, ""
        return await self._person.sign_in(PARTNER_SCOPE, tell)

    async def customers(self) -> Sequence[PartnerCustomer]:
        """Tenants under a relationship, each once."""
        if self._related is None:
            found = [_customer(row) for row in await self._rows()]
            self._related = {each.tenant_id: each for each in found if each.tenant_id}
        return list(self._related.values())

    async def consent(self, tenant_id: str, roles: Sequence[str]) -> frozenset[str]:
        """The roles that the app has in the tenant now, of whatever they came.

        Raises Permanent: `no_relationship`, `lacks_role` (the person's own), and those of the sign-in.
        """
        if tenant_id not in {each.tenant_id for each in await self.customers()}:
            raise Permanent(PARTNER, "no_relationship", f"tenant {tenant_id}")
        await self._introduce(tenant_id)
        for seconds in self._pauses:
            try:
                return await self._grant(tenant_id, roles)
            except SyncError as error:
                if error.code not in _NOT_SEEN_YET:
                    raise
            self._delegated.forget(tenant_id)  # it may be older than the permission that it lacks
            await asyncio.sleep(seconds)
        try:
            return await self._grant(tenant_id, roles)
        except StopTheLine as error:
            if error.code != "permission_missing":
                raise
            raise Permanent(PARTNER, "lacks_role", f"tenant {tenant_id}") from None

    async def _introduce(self, tenant_id: str) -> None:
        """Make the tenant know the app, with the permissions that the next step needs. Known already is fine."""
        body = {
            "applicationId": self._app_id,
            "displayName": APP_NAME,
            "applicationGrants": [{"enterpriseApplicationId": GRAPH_APP, "scope": ",".join(DELEGATED)}],
        }
        path = f"/v1/customers/{quote(tenant_id, safe='')}/applicationconsents"
        answer = await self._call("POST", path, "/customers/{id}/applicationconsents", json=body)
        if answer.status not in (200, 201, 409):
            raise partner_family(answer, f"tenant {tenant_id}")

    async def _grant(self, tenant_id: str, roles: Sequence[str]) -> frozenset[str]:
        graph = await self._principal(tenant_id, GRAPH_APP)
        ours = await self._principal(tenant_id, self._app_id)
        known = {text(each.get("value")) or "": text(each.get("id")) or "" for each in objects(graph.get("appRoles"))}
        held = await self._held(tenant_id, ours, known)
        for role in roles:
            if role not in held and known.get(role):
                await self._assign(tenant_id, graph, ours, known[role])
        return await self._held(tenant_id, ours, known)

    async def _principal(self, tenant_id: str, app_id: str) -> Json:
        """The service principal that stands for an app in a tenant."""
        query = quote(f"appId eq '{app_id}'")
        path = f"/servicePrincipals?$filter={query}&$select=id,appId,appRoles"
        body = await self._graph.read(tenant_id, Call("GET", path, "/servicePrincipals"))
        found = objects(body.get("value"))
        if not found:
            raise Transient(PARTNER, "app_not_seen", f"tenant {tenant_id}")
        return found[0]

    async def _held(self, tenant_id: str, ours: Json, known: Mapping[str, str]) -> frozenset[str]:
        names = {role: name for name, role in known.items()}
        path, template = (
            f"/servicePrincipals/{_id(ours)}/appRoleAssignments",
            "/servicePrincipals/{id}/appRoleAssignments",
        )
        pages = [page async for page in self._graph.pages(tenant_id, Call("GET", path, template))]
        ids = (text(row.get("appRoleId")) or "" for page in pages for row in page)
        return frozenset(names[role] for role in ids if role in names)

    async def _assign(self, tenant_id: str, graph: Json, ours: Json, role: str) -> None:
        """A duplicate is answered 400: somebody was faster, and what is there is read back anyway."""
        body = {"principalId": _id(ours), "resourceId": _id(graph), "appRoleId": role}
        path, template = (
            f"/servicePrincipals/{_id(graph)}/appRoleAssignedTo",
            "/servicePrincipals/{id}/appRoleAssignedTo",
        )
        await self._graph.call(tenant_id, Call("POST", path, template, json=body, expected=(200, 201, 400, 409)))

    async def _rows(self) -> Sequence[Json]:
        rows: list[Json] = []
        path, headers = f"/v1/customers?size={PAGE}", dict[str, str]()
        for _ in range(MOST_PAGES):
            answer = await self._call("GET", path, "/customers", headers=headers)
            body = mapping(answer.document)
            if answer.status != 200:
                raise partner_family(answer, "GET /customers")
            if not isinstance(body.get("items"), list):
                raise Transient(PARTNER, "unreadable_answer", "GET /customers")
            rows += objects(body["items"])
            link = mapping(mapping(body.get("links")).get("next"))
            if not text(link.get("uri")):
                return rows
            path, headers = self._own(text(link.get("uri")) or ""), _headers(link)
        raise Transient(PARTNER, "listing_without_end", "GET /customers")

    def _own(self, link: str) -> str:
        """Links come whole or relative to the version ("/customers?..."). A bearer token never leaves for elsewhere."""
        if link.startswith(f"{self._root}/"):
            return link.removeprefix(self._root)
        if urlsplit(link).netloc:
            raise Permanent(PARTNER, "foreign_link", "a next link leads to another host")
        path = link if link.startswith("/") else f"/{link}"
        return path if path.startswith("/v1/") else f"/v1{path}"

    async def _call(
        self, method: str, path: str, template: str, *, headers: Mapping[str, str] | None = None, json: object = None
    ) -> Answer:
        """One token refresh on a 401, nothing else is repeated. Consenting twice does no harm."""
        stale = self._token
        answer = await self._send(method, path, template, headers or {}, json)
        if answer.status == 401 and stale:
            self._token = ""
            answer = await self._send(method, path, template, headers or {}, json)
        return answer

    async def _send(self, method: str, path: str, template: str, headers: Mapping[str, str], json: object) -> Answer:
        if not self._token:
            self._token = await self._person.token(self._person.tenant_id, PARTNER_SCOPE)
        sent = {"Authorization": f"Bearer {self._token}", **headers}
        return await self._http.send(Request(PARTNER, method, f"{self._root}{path}", template, sent, json))


class _Delegated:
    """`Tokens` of the person, for Graph in a customer's tenant. A dozen calls to each: none outlives its token."""

    def __init__(self, person: PersonTokens, scope: str) -> None:
        self._person = person
        self._scope = scope
        self._held: dict[str, str] = {}

    def forget(self, tenant_id: str) -> None:
        self._held.pop(tenant_id, None)

    async def token(self, tenant_id: str) -> str:
        return self._held.get(tenant_id) or await self.renew(tenant_id)

    async def renew(self, tenant_id: str, stale: str | None = None) -> str:
        self._held[tenant_id] = await self._person.token(tenant_id, self._scope)
        return self._held[tenant_id]


def partner_family(answer: Answer, detail: str) -> SyncError:
    """The error behind a refusal of Partner Center's."""
    match answer.status:
        case 401:
            return Permanent(PARTNER, "sign_in_refused", detail)
        case 403:  # the relationship is there (it was listed), so it is the person's role in it
            return Permanent(PARTNER, "lacks_role", detail)
        case 404:
            return Permanent(PARTNER, "no_relationship", detail)
        case status if status in (408, 429) or status >= 500:
            return Transient(PARTNER, "partner_busy", f"status {status}", retry_after=retry_after(answer.headers))
        case status:
            return Permanent(PARTNER, "refused", f"status {status}, {detail}")


def _customer(row: Json) -> PartnerCustomer:
    profile = mapping(row.get("companyProfile"))
    tenant = text(profile.get("tenantId")) or text(row.get("id")) or ""
    return PartnerCustomer(
        tenant.lower(), text(profile.get("companyName")) or "", (text(profile.get("domain")) or "").lower()
    )


def _headers(link: Json) -> dict[str, str]:
    """A next link names the header that carries its place in the list."""
    pairs = ((text(each.get("key")), text(each.get("value"))) for each in objects(link.get("headers")))
    return {key: value for key, value in pairs if key and value}


def _id(principal: Json) -> str:
    return quote(text(principal.get("id")) or "", safe="")
