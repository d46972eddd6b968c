"""The simulated Syncro as one object: start it, seed it, move its switches, arm faults, count its calls.

Seeding goes past the API's rules on purpose (a technician may type anything). Next: `sandbox/control.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime

from aiohttp import web

from sandbox.syncro import customers
from sandbox.syncro.account import PLAIN, Account, Contact, Customer, Ticket, wall_clock
from sandbox.syncro.calls import Calls
from sandbox.syncro.faults import Faults
from sandbox.syncro.limiter import Limiter
from sandbox.syncro.listing import Listing
from sandbox.syncro.meddling import Meddler
from sandbox.syncro.router import Router
from sandbox.syncro.routes_account import AccountRoutes
from sandbox.syncro.routes_contacts import ContactRoutes
from sandbox.syncro.routes_customers import CustomerRoutes
from sandbox.syncro.search import SearchIndex
from sandbox.syncro.server import Door
from sandbox.syncro.switches import Switches
from sandbox.syncro.tokens import Token, Tokens

DEFAULT_TOKEN = "T0sandbox-syncro-token-not-a-secret"  # opens nothing but the simulator


class Syncro:
    """One account on one port of `host`. `now` gives wall time with a zone, `monotonic` seconds."""

    def __init__(
        self,
        token: str = DEFAULT_TOKEN,
        now: Callable[[], datetime] = wall_clock,
        monotonic: Callable[[], float] = time.monotonic,
        walk_in: bool = True,
    ) -> None:
        self.switches = Switches()
        self.account = Account(self.switches, now)
        self.tokens = Tokens()
        self.token = self.tokens.add(Token(token))
        self.calls = Calls()
        self.limiter = Limiter()
        self.faults = Faults()
        self.search = SearchIndex(self.account, monotonic)
        self.url = ""
        listing = Listing(self.switches)
        tables = (
            ContactRoutes(self.account, listing).table()
            + CustomerRoutes(self.account, listing).table()
            + AccountRoutes(self.account, self.search).table()
        )
        meddler = Meddler(self.account)
        self._door = Door(
            self.account, Router(tables), self.tokens, self.calls, self.limiter, self.faults, meddler, monotonic
        )
        self._runner: web.AppRunner | None = None
        if walk_in:
            self.add_customer("", firstname="Walkin", lastname="Customer")

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen (port 0: a free one); gives the address without a path."""
        runner = web.AppRunner(self._door.application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        self._runner = runner
        self.url = f"http://{host}:{runner.addresses[0][1]}"
        return self.url

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def add_customer(self, business_name: str, **fields: object) -> Customer:
        """A customer made in the pages; `properties` and the API's plain keys are taken."""
        return customers.create(self.account, {"business_name": business_name, **fields})

    def add_contact(
        self,
        customer_id: int,
        name: str = "",
        properties: Mapping[str, str] | None = None,
        extension: str | None = None,
        fields: Mapping[str, str | None] | None = None,
        **plain: str | None,
    ) -> Contact:
        """A contact made in the pages: no rule is applied, properties are stored as they are."""
        values = {"name": name, **(fields or {}), **plain}
        unknown = set(values) - set(PLAIN)
        if unknown:
            raise ValueError(f"no such plain fields of a contact: {sorted(unknown)}")
        now = self.account.now()
        contact = Contact(self.account.next_id("contact"), customer_id, now, now, extension=extension)
        contact.values.update(values)
        contact.properties.update(properties or {})
        self.account.contacts[contact.id] = contact
        self.account.touch("contact", contact)
        return contact

    def add_ticket(self, contact_id: int, subject: str = "Printer does not print") -> Ticket:
        contact = self.account.contacts[contact_id]
        number = self.account.next_id("ticket")
        ticket = Ticket(number, contact.customer_id, contact_id, subject, self.account.now())
        self.account.tickets[number] = ticket
        return ticket

    def settle_index(self) -> None:
        """What was seeded so far can be found at once."""
        self.search.settle()
