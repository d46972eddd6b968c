"""The calls on contacts, and the lists of what may hang on one: tickets, assets, portal logins.

Answers flat contacts; a 422 carries the attempted record and one joined text. Next: `routes_customers.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.syncro import contacts
from sandbox.syncro.account import Account, Contact, Holding
from sandbox.syncro.contacts import read_id
from sandbox.syncro.listing import Listing
from sandbox.syncro.rejected import RejectedError, not_found
from sandbox.syncro.router import Ask, Route
from sandbox.syncro.show import contact_json, ticket_json
from sandbox.syncro.tokens import ASSETS_LIST, DETAIL, EDIT, GLOBAL_ADMIN, TICKETS_CREATE, TICKETS_LIST


class InvalidContactError(RejectedError):
    """A 422 whose body repeats the attempted record."""

    def __init__(self, record: dict[str, Any], messages: list[str]) -> None:
        super().__init__(422, messages)
        self.record = record


class ContactRoutes:
    """Handlers; each is one synchronous step on the account."""

    def __init__(self, account: Account, listing: Listing) -> None:
        self._account = account
        self._listing = listing

    def table(self) -> list[Route]:
        return [
            Route("GET", "/contacts", DETAIL, self._list),
            Route("POST", "/contacts", EDIT, self._create),
            Route("GET", "/contacts/{id}", DETAIL, self._get, "contact"),
            Route("PUT", "/contacts/{id}", EDIT, self._update, "contact"),
            Route("DELETE", "/contacts/{id}", EDIT, self._delete, "contact"),
            Route("GET", "/tickets", TICKETS_LIST, self._tickets),
            Route("POST", "/tickets", TICKETS_CREATE, self._open_ticket),
            Route("GET", "/tickets/{id}", TICKETS_LIST, self._ticket, "ticket"),
            Route("GET", "/customer_assets", ASSETS_LIST, self._assets),
            Route("GET", "/portal_users", GLOBAL_ADMIN, self._portal_users),
        ]

    def _list(self, ask: Ask) -> Any:
        rows = [contact for contact in self._account.contacts.values() if ask.token.sees(contact.customer_id)]
        if "customer_id" in ask.params:
            wanted = read_id(ask.params["customer_id"])
            ask.call.customer_id = wanted
            rows = [contact for contact in rows if contact.customer_id == wanted]
        size = int(self._account.switches["contact_page_size"])
        return self._listing.page("contacts", rows, ask.params, ask.token.secret, self._show, size)

    def _get(self, ask: Ask) -> Any:
        return self._show(self._find(ask))

    def _create(self, ask: Ask) -> Any:
        attempt = contacts.draft(self._account, ask.params)
        ask.call.customer_id = attempt.customer_id or None
        if attempt.customer_id and not ask.token.sees(attempt.customer_id):
            raise not_found()
        with self._invalid(attempt):
            contacts.fill_draft(self._account, attempt, ask.params)
            contacts.create(self._account, attempt)
        ask.call.contact_id = attempt.id
        return self._show(attempt)

    def _update(self, ask: Ask) -> Any:
        attempt = contacts.copy_of(self._find(ask))
        with self._invalid(attempt):
            contacts.change(self._account, attempt, ask.params)
            contacts.update(self._account, attempt)
        return self._show(attempt)

    def _delete(self, ask: Ask) -> Any:
        standing = self._find(ask)
        with self._invalid(standing):
            contacts.delete(self._account, standing)
        return {"success": True}

    def _tickets(self, ask: Ask) -> Any:
        rows = [ticket for ticket in self._account.tickets.values() if ask.token.sees(ticket.customer_id)]
        for name in ("contact_id", "customer_id"):
            if name in ask.params:
                wanted = read_id(ask.params[name])
                rows = [ticket for ticket in rows if getattr(ticket, name) == wanted]
        return self._listing.page(
            "tickets", rows, ask.params, ask.token.secret, lambda ticket: ticket_json(self._account, ticket), 25
        )

    def _open_ticket(self, ask: Ask) -> Any:
        return {"ticket": ticket_json(self._account, contacts.open_ticket(self._account, ask.params))}

    def _ticket(self, ask: Ask) -> Any:
        ticket = self._account.tickets.get(ask.ids[0])
        if ticket is None or not ask.token.sees(ticket.customer_id):
            raise not_found()
        return {"ticket": ticket_json(self._account, ticket)}

    def _assets(self, ask: Ask) -> Any:
        return self._holdings(ask, "assets", self._account.assets, "name")

    def _portal_users(self, ask: Ask) -> Any:
        return self._holdings(ask, "portal_users", self._account.portal_users, "email")

    def _holdings(self, ask: Ask, kind: str, held: dict[int, Holding], label: str) -> Any:
        rows = [each for each in held.values() if ask.token.sees(each.customer_id)]
        if "customer_id" in ask.params:
            wanted = read_id(ask.params["customer_id"])
            rows = [each for each in rows if each.customer_id == wanted]

        def show(each: Holding) -> dict[str, Any]:
            return {"id": each.id, label: each.name, "customer_id": each.customer_id, "contact_id": each.contact_id}

        return self._listing.page(kind, rows, ask.params, ask.token.secret, show, 25)

    @contextmanager
    def _invalid(self, attempt: Contact) -> Iterator[None]:
        """A 422 from inside goes out with the record as far as it was attempted."""
        try:
            yield
        except RejectedError as no:
            if no.status != 422:
                raise
            raise InvalidContactError(self._show(attempt), no.messages) from no

    def _find(self, ask: Ask) -> Contact:
        contact = self._account.contacts.get(ask.ids[0])
        if contact is None or not ask.token.sees(contact.customer_id):
            raise not_found()
        ask.call.customer_id = contact.customer_id
        return contact

    def _show(self, contact: Contact) -> dict[str, Any]:
        return contact_json(self._account, contact)
