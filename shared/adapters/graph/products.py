"""Whether a tenant holds Entra ID P1 or P2, by one read of what it has bought. Satisfies `shared.ports.Products`.

The nightly reading asks the same question inside a larger request (`shared/adapters/graph/reports/frame.py`); this one
is for a person who waits. Next: `console/operations/check/tenants.py`.
"""

from __future__ import annotations

from shared.adapters.graph.auth import Tokens
from shared.adapters.graph.caller import Call, GraphCaller
from shared.adapters.graph.reports.premium import has_premium
from shared.adapters.http import HttpClient
from shared.adapters.lenient import Json
from shared.domain.errors import StopTheLine

_BOUGHT = Call("GET", "/subscribedSkus", "/subscribedSkus")


class GraphProducts:
    def __init__(self, http: HttpClient, tokens: Tokens, base_url: str) -> None:
        self._caller = GraphCaller(http, tokens, base_url)

    async def has_premium(self, tenant_id: str) -> bool | None:
        """None when the token lacks the permission to see products."""
        skus: list[Json] = []
        try:
            async for rows in self._caller.pages(tenant_id, _BOUGHT):
                skus += rows
        except StopTheLine as error:
            if error.service != "graph" or error.code not in ("permission_missing", "forbidden"):
                raise
            return None
        return has_premium(skus)
