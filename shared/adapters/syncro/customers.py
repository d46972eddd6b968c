"""Customers (organizations) of the Syncro account: listing, get, custom fields. Satisfies `shared.ports.Customers`.

A limited token sees fewer customers without any sign of it: a customer that is missing here is never a deleted one.
The answer of a write is compared with what was sent, because Syncro drops what it does not know without a word.
Next: `worker/totals.py`, `console/operations/customers.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.adapters.http import HttpClient
from shared.adapters.syncro.caller import SyncroCaller
from shared.adapters.syncro.errors import Effect, unreadable
from shared.adapters.syncro.listing import whole_listing
from shared.adapters.syncro.wire import customer, customer_replacement, unstuck
from shared.domain.changes import FieldChange
from shared.domain.contact import Customer
from shared.ports import Allowance, CustomerWritten, Pace

_ONE = "/customers/{id}"


class SyncroCustomers:
    def __init__(self, http: HttpClient, base_url: str, token: str, pace: Pace) -> None:
        self._caller = SyncroCaller(http, base_url, token, pace)

    async def listing(self, allowance: Allowance) -> Sequence[Customer]:
        """All customers the token may see, disabled ones included and marked. Spends one call a page."""
        rows = await whole_listing(self._caller, allowance, "/customers?include_disabled=true", "customers")
        return [_customer(row, Effect.READ) for row in rows]

    async def get(self, allowance: Allowance, customer_id: int) -> Customer | None:
        """One customer, None for Syncro's own 404."""
        body = await self._caller.find(allowance, f"/customers/{customer_id}", _ONE)
        return None if body is None else _customer(body, Effect.READ)

    async def update(self, allowance: Allowance, fresh: Customer, changes: Sequence[FieldChange]) -> CustomerWritten:
        """One PUT of custom fields over `fresh`, read right before. Raises Ambiguous when the answer is lost."""
        sent = customer_replacement(fresh, changes)
        body = await self._caller.write(allowance, "PUT", f"/customers/{fresh.id}", _ONE, sent)
        answer = _customer(body, Effect.WRITE)
        return CustomerWritten(answer, unstuck(answer, changes))


def _customer(body: object, effect: Effect) -> Customer:
    found = customer(body)
    if found is None:
        raise unreadable(effect, "an answer holds no customer")
    return found
