"""Step C, tenants with Entra ID P1: the registration report, the only source of MFA for everybody at once.

5 requests in 10 s per tenant; its next links live for minutes. Next: `shared/adapters/graph/reports/usage.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.adapters.graph.caller import Call
from shared.adapters.graph.reports.limiter import Limiter
from shared.adapters.graph.reports.patience import LOW, PatientCaller, restarting
from shared.adapters.graph.reports.wire import registration
from shared.adapters.lenient import text
from shared.domain.mfa import Registration

REQUESTS, SECONDS = 5, 10.0
_PATH = "/reports/authenticationMethods/userRegistrationDetails"


async def read_registrations(caller: PatientCaller, limiter: Limiter) -> Mapping[str, Registration]:
    """User id, lower case -> its row. Raises when the report cannot be read to its end."""

    async def whole() -> Mapping[str, Registration]:
        rows: dict[str, Registration] = {}
        seen: dict[Registration, Registration] = {}  # most rows say the same: one object for all of them
        async for page in caller.pages(Call("GET", f"{_PATH}?$top=999", _PATH, headers=LOW), limiter):
            for row in page:
                if user_id := text(row.get("id")):
                    found = registration(row)
                    rows[user_id.lower()] = seen.setdefault(found, found)
        return rows

    return await restarting(whole)
