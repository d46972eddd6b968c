"""Which directory extensions the rules of a tenant's customers ask for: what is read is what some rule can use.

The deployment's own rules always count, so that a tenant is read alike before and after it is connected. Rules that
cannot be read ask for what they asked for last, so that no link becomes void by it; who needs them says so. Next:
`shared/adapters/graph/attributes.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from shared.domain.errors import Permanent
from shared.domain.mapping import extensions_of
from shared.domain.policy import SyncPolicy
from shared.domain.records import ConnectionStatus
from shared.ports import Connections, Policies

_log = structlog.get_logger(__name__)


def wanted_extensions(
    connections: Connections, policies: Policies, rules: SyncPolicy
) -> Callable[[str], Awaitable[tuple[str, ...]]]:
    """Tenant id -> names, each once. `rules`: the deployment's. Raises Transient while the ledger is away."""

    last: dict[int, tuple[str, ...]] = {}  # customer id -> names, as they could be read

    async def of(tenant_id: str) -> tuple[str, ...]:
        names = dict.fromkeys(extensions_of(rules))
        for tied in await connections.of_tenant(tenant_id):
            if tied.status is not ConnectionStatus.DISCONNECTED:
                names |= dict.fromkeys(await of_customer(tied.customer_id))
        return tuple(names)

    async def of_customer(customer_id: int) -> tuple[str, ...]:
        try:
            last[customer_id] = extensions_of(await policies.policy(customer_id))
        except Permanent as error:
            _log.warning("rules_unreadable", customer_id=customer_id, code=error.code)
        return last.get(customer_id, ())

    return of
