"""How fresh every connected customer is: from the journal, the polls and the subscriptions. Reads only.

A store that forgot when the last notification came (short-lived state may be wiped) only leaves that date out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from console.operations.ports import OperatorPorts
from shared.domain.freshness import Freshness, Watched, freshness, silent_since
from shared.domain.records import Connection, ConnectionStatus, Delay
from shared.domain.watching import POLLS_ASKED_KEY, notified_key

DAY = timedelta(days=1)
_WATCHED = frozenset({ConnectionStatus.APPROVED, ConnectionStatus.PAUSED})


@dataclass(frozen=True, slots=True)
class AllFreshness:
    """`by_customer`: customer id -> its own; `together`: all of them as one, None without any.

    `silent_since`: since when nobody has asked for anybody's changes, None while somebody does.
    """

    by_customer: Mapping[int, Freshness]
    together: Freshness | None
    silent_since: datetime | None


async def all_freshness(ports: OperatorPorts, connections: Sequence[Connection]) -> AllFreshness:
    """Of the customers that are or were approved."""
    mine = [each for each in connections if each.status in _WATCHED]
    now = ports.clock.now()
    watched = replace(
        await _watched(ports, {tenant for each in mine for tenant in each.tenants}, now),
        since={
            tenant: each.changed_at
            for each in mine
            if each.status is ConnectionStatus.APPROVED
            for tenant in each.tenants
        },
        asked_at=await _moment(ports, POLLS_ASKED_KEY),
    )
    delays: dict[int, list[Delay]] = {}
    for delay in await ports.journal.delays(now - DAY):
        delays.setdefault(delay.customer_id, []).append(delay)
    by_customer = {
        each.customer_id: freshness(each.tenants, delays.get(each.customer_id, []), watched) for each in mine
    }
    tenants = sorted({tenant for each in mine for tenant in each.tenants})
    every = [delay for each in mine for delay in delays.get(each.customer_id, [])]
    together = freshness(tenants, every, watched) if mine else None
    return AllFreshness(by_customer, together, silent_since(watched, now))


async def _watched(ports: OperatorPorts, tenants: set[str], now: datetime) -> Watched:
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    return Watched(
        states=await ports.subscription_states.all(),
        polls=await ports.polls.all(),
        day=await ports.polls.coverage(this_hour - DAY + timedelta(hours=1)),
        now=await ports.polls.coverage(this_hour - timedelta(hours=1)),
        notified={tenant: at for tenant in tenants if (at := await _moment(ports, notified_key(tenant))) is not None},
    )


async def _moment(ports: OperatorPorts, key: str) -> datetime | None:
    kept = await ports.memory.recall(key)
    return datetime.fromisoformat(kept) if kept else None
