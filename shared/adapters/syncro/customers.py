"""Customers (organizations) of the Syncro account. Satisfies `shared.ports.Customers`; nothing is written here.

A limited token sees fewer customers without any sign of it: a customer that is missing here is never a deleted one.
Next: `console/operations.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.adapters.http import HttpClient
from shared.adapters.syncro.caller import SyncroCaller
from shared.adapters.syncro.errors import Effect, unreadable
from shared.adapters.syncro.listing import whole_listing
from shared.adapters.syncro.wire import customer
from shared.domain.contact import Customer
from shared.ports import Allowance, Pace


class SyncroCustomers:
    def __init__(self, http: HttpClient, base_url: str, token: str, pace: Pace) -> None:
        self._caller = SyncroCaller(http, base_url, token, pace)

    async def listing(self, allowance: Allowance) -> Sequence[Customer]:
        """All customers the token may see, disabled ones included and marked. Spends one call a page."""
        rows = await whole_listing(self._caller, allowance, "/customers?include_disabled=true", "customers")
        return [_customer(row) for row in rows]

    async def get(self, allowance: Allowance, customer_id: int) -> Customer | None:
        """One customer, None for Syncro's own 404."""
        body = await self._caller.find(allowance, f"/customers/{customer_id}", "/customers/{id}")
        return None if body is None else _customer(body)


def _customer(body: object) -> Customer:
    found = customer(body)
    if found is None:
        raise unreadable(Effect.READ, "an answer holds no customer")
    return found
