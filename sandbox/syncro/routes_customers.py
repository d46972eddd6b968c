"""The calls on customers and their phones.

Answers wrapped customers; a 422 carries an array of texts. Next: `sandbox/syncro/routes_account.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.syncro import customers
from sandbox.syncro.account import Account, Customer
from sandbox.syncro.contacts import read_id
from sandbox.syncro.listing import Listing
from sandbox.syncro.rejected import RejectedError, not_found
from sandbox.syncro.router import Ask, Route
from sandbox.syncro.show import customer_detail_json, customer_json, phone_json
from sandbox.syncro.tokens import CREATE, DELETE, DETAIL, EDIT, LIST

PAGE = 100


class InvalidCustomerError(RejectedError):
    """A 422 with an array of texts; `params` repeats what was sent, None leaves it out."""

    def __init__(self, messages: list[str], params: dict[str, Any] | None = None) -> None:
        super().__init__(422, messages)
        self.params = params


class CustomerRoutes:
    """Handlers; each is one synchronous step on the account."""

    def __init__(self, account: Account, listing: Listing) -> None:
        self._account = account
        self._listing = listing

    def table(self) -> list[Route]:
        one, phones = "/customers/{id}", "/customers/{id}/phones"
        return [
            Route("GET", "/customers", LIST, self._list),
            Route("POST", "/customers", CREATE, self._create),
            Route("GET", "/customers/latest", EDIT, self._latest),
            Route("GET", "/customers/autocomplete", None, self._autocomplete),
            Route("GET", one, DETAIL, self._get, "customer"),
            Route("PUT", one, EDIT, self._update, "customer"),
            Route("DELETE", one, DELETE, self._delete, "customer"),
            Route("GET", phones, DETAIL, self._phones, "customer"),
            Route("POST", phones, EDIT, self._add_phone, "customer"),
            Route("PUT", phones + "/{id}", EDIT, self._change_phone, "customer"),
            Route("DELETE", phones + "/{id}", EDIT, self._drop_phone, "customer"),
        ]

    def _list(self, ask: Ask) -> Any:
        disabled_too = str(ask.params.get("include_disabled", "false")).lower() in ("true", "1")
        rows = [
            customer
            for customer in self._account.customers.values()
            if ask.token.sees(customer.id)
            and (disabled_too or not customer.disabled)
            and _fits(self._account, customer, ask.params)
        ]
        ordered = _sorted_as_asked(rows, ask.params)
        return self._listing.page(
            "customers",
            rows if ordered is None else ordered,
            ask.params,
            ask.token.secret,
            lambda customer: customer_json(self._account, customer),
            PAGE,
            ordered is not None,
        )

    def _create(self, ask: Ask) -> Any:
        try:
            made = customers.create(self._account, ask.params)
        except RejectedError as no:
            raise InvalidCustomerError(no.messages, ask.params) from no
        ask.call.customer_id = made.id
        return {"customer": customer_json(self._account, made)}

    def _latest(self, ask: Ask) -> Any:
        seen = [customer for customer in self._account.customers.values() if ask.token.sees(customer.id)]
        if not seen:
            raise not_found()
        return {"customer": customer_detail_json(self._account, max(seen, key=lambda customer: customer.id))}

    def _autocomplete(self, ask: Ask) -> Any:
        wanted = str(ask.params.get("query", "")).casefold()
        hits = [
            customer
            for customer in self._account.customers.values()
            if ask.token.sees(customer.id) and wanted and wanted in _names(customer).casefold()
        ]
        return {"customers": [customer_json(self._account, customer) for customer in hits[:25]]}

    def _get(self, ask: Ask) -> Any:
        return {"customer": customer_detail_json(self._account, self._find(ask))}

    def _update(self, ask: Ask) -> Any:
        standing = self._find(ask)
        try:
            customers.update(self._account, standing, ask.params)
        except RejectedError as no:
            raise InvalidCustomerError(no.messages) from no
        return {"customer": customer_json(self._account, standing)}

    def _delete(self, ask: Ask) -> Any:
        customers.delete(self._account, self._find(ask))
        return {"message": "Customer was deleted from the system."}

    def _phones(self, ask: Ask) -> Any:
        customer = self._find(ask)
        return {"phones": [phone_json(self._account, customer, phone) for phone in customer.phones]}

    def _add_phone(self, ask: Ask) -> Any:
        customer = self._find(ask)
        try:
            phone = customers.add_phone(self._account, customer, ask.params)
        except RejectedError as no:
            raise InvalidCustomerError(no.messages, {"customer_id": str(ask.ids[0]), **ask.params}) from no
        return phone_json(self._account, customer, phone)

    def _change_phone(self, ask: Ask) -> Any:
        customer = self._find(ask)
        phone = customers.find_phone(customer, ask.ids[1])
        try:
            customers.change_phone(self._account, phone, ask.params)
        except RejectedError as no:
            echoed = {"customer_id": str(ask.ids[0]), "id": str(ask.ids[1]), **ask.params}
            raise InvalidCustomerError(no.messages, echoed) from no
        return phone_json(self._account, customer, phone)

    def _drop_phone(self, ask: Ask) -> Any:
        customer = self._find(ask)
        customer.phones.remove(customers.find_phone(customer, ask.ids[1]))
        return {"success": True}

    def _find(self, ask: Ask) -> Customer:
        customer = self._account.customers.get(ask.ids[0])
        if customer is None or not ask.token.sees(customer.id):
            raise not_found()
        return customer


def _names(customer: Customer) -> str:
    return " ".join(str(customer.values[name] or "") for name in ("business_name", "firstname", "lastname"))


def _fits(account: Account, customer: Customer, params: Mapping[str, Any]) -> bool:
    """The documented filters: names match in part, `query` over names and e-mail, ids exactly."""
    for name in ("business_name", "firstname", "lastname", "email"):
        wanted = str(params.get(name) or "").casefold()
        if wanted not in str(customer.values[name] or "").casefold():
            return False
    text = str(params.get("query") or "").casefold()
    if text not in f"{_names(customer)} {customer.values['email'] or ''}".casefold():
        return False
    wanted_ids, unwanted = _ids(params.get("id")), _ids(params.get("not_id"))
    return (not wanted_ids or customer.id in wanted_ids) and customer.id not in unwanted


def _ids(value: Any) -> set[int]:
    rows = value if isinstance(value, list) else [value]
    return {number for number in map(read_id, rows) if number is not None}


def _sorted_as_asked(rows: list[Customer], params: Mapping[str, Any]) -> list[Customer] | None:
    """`sort=firstname ASC`; None when nothing known is asked for."""
    name, _, direction = str(params.get("sort") or "").strip().partition(" ")
    if name not in ("firstname", "lastname", "business_name", "email", "id", "created_at", "updated_at"):
        return None

    def key(customer: Customer) -> str | float:
        if name == "id":
            return customer.id
        if name in ("created_at", "updated_at"):
            moment = customer.created_at if name == "created_at" else customer.updated_at
            return moment.timestamp()
        return str(customer.values[name] or "").casefold()

    return sorted(rows, key=key, reverse=direction.strip().upper() == "DESC")
