"""What may be linked to what: one function for the web flow, the command line and the import. Pure.

One tenant for several customers, and several tenants for one customer, only when a technician said so. A tenant that is
added puts the customer back into preview: nobody has seen what its users would change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from shared.domain.records import Connection, ConnectionStatus


class Tie(StrEnum):
    """NEW, ADDED, ALREADY may be; of the others each names what stands in the way."""

    NEW = "new"
    ADDED = "added"
    ALREADY = "already"
    OTHER_TENANT = "other_tenant"  # the customer has another tenant; only with "add"
    OTHER_CUSTOMER = "other_customer"  # the tenant belongs to another customer; only with "shared"
    APART = "apart"  # a person said that the customer has no Entra tenant


@dataclass(frozen=True, slots=True)
class LinkVerdict:
    """`other`: the connection that stands in the way, or to which a tenant is added. `own`: the customer's as it was
    read, living or not: who saves what was decided by it asks whether it still is that (`Connections.change`)."""

    tie: Tie
    other: Connection | None = None
    own: Connection | None = None

    @property
    def is_allowed(self) -> bool:
        return self.tie in (Tie.NEW, Tie.ADDED, Tie.ALREADY)


def judge_link(
    customer_id: int,
    tenant_id: str,
    *,
    own: Connection | None,
    of_tenant: Sequence[Connection],
    is_apart: bool,
    shared: bool = False,
    add: bool = False,
) -> LinkVerdict:
    """`own`: the customer's connection; `of_tenant`: those of the tenant, of any status. `tenant_id` in lower case."""
    mine = own if own is not None and is_living(own) else None
    others = [each for each in of_tenant if is_living(each) and each.customer_id != customer_id]
    if is_apart:
        return LinkVerdict(Tie.APART, None, own)
    if mine is not None and tenant_id in mine.tenants:
        return LinkVerdict(Tie.ALREADY, mine, own)
    if mine is not None and not add:
        return LinkVerdict(Tie.OTHER_TENANT, mine, own)
    if others and not shared:
        return LinkVerdict(Tie.OTHER_CUSTOMER, others[0], own)
    return LinkVerdict(Tie.ADDED, mine, own) if mine is not None else LinkVerdict(Tie.NEW, None, own)


def linked(verdict: LinkVerdict, customer_id: int, customer_name: str, tenant_id: str, now: datetime) -> Connection:
    """The connection to save after an allowed verdict. A new or added tenant waits for approval.

    Connected to the same tenant again, the customer counts as connected since the first time: its links were made in
    that very tenant, so a user of them who is nowhere to be found is a leaver like any other.
    """
    if verdict.other is not None:
        if verdict.tie is Tie.ALREADY:
            return verdict.other
        more = (*verdict.other.more_tenants, tenant_id)
        return replace(verdict.other, more_tenants=more, status=ConnectionStatus.PREVIEW, changed_at=now)
    return Connection(
        customer_id=customer_id,
        customer_name=customer_name,
        tenant_id=tenant_id,
        status=ConnectionStatus.PREVIEW,
        connected_at=_since(verdict.own, tenant_id) or now,
        changed_at=now,
    )


def _since(own: Connection | None, tenant_id: str) -> datetime | None:
    return own.connected_at if own is not None and own.tenants == (tenant_id,) else None


def is_living(connection: Connection) -> bool:
    return connection.status is not ConnectionStatus.DISCONNECTED
