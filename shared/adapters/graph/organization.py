"""Who a tenant says it is: its name and its verified domains, by a token of that very tenant.

Satisfies `shared.ports.Organizations`. Graph's page on `/organization` asks Organization.Read.All of an application, a
permission that we do not insist on. Where a tenant insists, the domains are those of its users' sign-in names, which
User.Read.All shows, and the name stays blank. Next:
`shared/adapters/graph/finder.py`.
"""

from __future__ import annotations

from collections import Counter

from shared.adapters.graph.auth import Tokens
from shared.adapters.graph.caller import Call, GraphCaller
from shared.adapters.graph.errors import PERMISSION_MISSING
from shared.adapters.graph.wire import unreadable
from shared.adapters.http import HttpClient
from shared.adapters.lenient import Json, objects, text
from shared.domain.errors import StopTheLine
from shared.domain.onboarding import Organization

_ORGANIZATION = Call("GET", "/organization?$select=id,displayName,verifiedDomains", "/organization")
_USERS = Call("GET", "/users?$select=userPrincipalName&$top=999", "/users")


class GraphOrganizations:
    def __init__(self, http: HttpClient, tokens: Tokens, base_url: str) -> None:
        self._caller = GraphCaller(http, tokens, base_url)

    async def organization(self, tenant_id: str) -> Organization:
        """Domains in lower case, the default one first; `name` is "" when the tenant does not let us read it."""
        try:
            body = await self._caller.read(tenant_id, _ORGANIZATION)
        except StopTheLine as error:
            if error.code != PERMISSION_MISSING:
                raise
            return await self._by_its_users(tenant_id)
        found = objects(body.get("value"))
        if not found:
            raise unreadable(_ORGANIZATION.template)
        return Organization(tenant_id, text(found[0].get("displayName")) or "", _verified(found[0]))

    async def _by_its_users(self, tenant_id: str) -> Organization:
        """One page of users is enough to know a tenant by; the domain of most comes first."""
        body = await self._caller.read(tenant_id, _USERS)
        names = (text(user.get("userPrincipalName")) or "" for user in objects(body.get("value")))
        # A guest's sign-in name ends in the tenant's initial domain, which is the tenant's own as well.
        domains = Counter(name.rpartition("@")[2].lower() for name in names if "@" in name)
        return Organization(tenant_id, "", tuple(domain for domain, _ in domains.most_common()))


def _verified(organization: Json) -> tuple[str, ...]:
    domains = objects(organization.get("verifiedDomains"))
    ordered = sorted(domains, key=lambda domain: domain.get("isDefault") is not True)
    return tuple(name.lower() for domain in ordered if (name := text(domain.get("name"))))
