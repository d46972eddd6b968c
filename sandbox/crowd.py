"""Fills a tenant with any number of people and a customer with their contacts, quickly and cheaply, for the benches.

A person is a number: names, addresses, licence and reports are worked out when somebody reads them, so 100,000 users
take some 50 MB. They were always there: no notification, no lag, no report too young. A later change through Graph
makes an ordinary user of the one concerned. Next: crowd_people.py.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Protocol

from sandbox.crowd_people import People
from sandbox.microsoft import Microsoft
from sandbox.syncro import Syncro

_NAMESPACE = uuid.UUID("0b9f6f0c-8d7e-4f53-9a3a-6a51d6f3c2aa")


class Vendors(Protocol):
    """The running vendors; `World` is one."""

    @property
    def microsoft(self) -> Microsoft: ...

    @property
    def syncro(self) -> Syncro: ...


@dataclass(frozen=True, slots=True)
class Crowd:
    """Where the people are, and how many. Persons and contacts of one number belong together."""

    tenant_id: str
    customer_id: int
    people: People
    users: int
    contact_ids: tuple[int, ...]

    def user_id(self, number: int) -> str:
        return self.people.user_id(number)


def fill(vendors: Vendors, tenant_id: str, customer_id: int, *, users: int, contacts: int | None = None) -> Crowd:
    """Add `users` people to a tenant and `contacts` (default: as many) to a customer; KeyError for an unknown one,
    ValueError for a tenant that has its crowd already.

    A contact carries its user's name, mail and phone but an older title and none of our fields, so that a first full
    run writes each once. Contacts beyond the users belong to nobody.
    """
    tenant = vendors.microsoft.tenants[tenant_id.lower()]
    if customer_id not in vendors.syncro.account.customers:
        raise KeyError(customer_id)
    if tenant.crowd_reported is not None:
        raise ValueError(f"tenant {tenant_id} has its crowd already")
    today = vendors.microsoft.clock.now().date()
    people = People(tenant.tenant_id, tenant.default_domain, today, users, tenant.premium)
    tenant.directory.load(people.states())
    tenant.crowd_reported = people.reported
    made = tuple(
        vendors.syncro.add_contact(
            customer_id, properties={"title": people.old_title(number)}, fields=people.contact(number)
        ).id
        for number in range(users if contacts is None else contacts)
    )
    vendors.syncro.settle_index()
    return Crowd(tenant.tenant_id, customer_id, people, users, made)


def found(vendors: Vendors, number: int, *, users: int, contacts: int | None = None, premium: bool = True) -> Crowd:
    """A new company of its own, tenant and customer, filled; the same `number` gives the same tenant id and people."""
    tenant_id = str(uuid.uuid5(_NAMESPACE, f"tenant {number}"))
    name = f"Crowd Company {number}"
    vendors.microsoft.add_tenant(tenant_id, name, f"crowd{number}.example", premium=premium)
    customer = vendors.syncro.add_customer(name, email=f"office@crowd{number}.example")
    return fill(vendors, tenant_id, customer.id, users=users, contacts=contacts)
