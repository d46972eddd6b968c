"""Puts the story of the three companies into the simulated vendors, the same in every run.

Nothing here is real: domains are reserved ones, phone numbers are of the kind kept for fiction. Next:
`sandbox/world.py`.
"""

from __future__ import annotations

from sandbox.microsoft import Microsoft
from sandbox.microsoft.tenant import Sku, Tenant
from sandbox.story.alpenrose import ALPENROSE
from sandbox.story.harbor import HARBOR_LANE
from sandbox.story.juniper import JUNIPER
from sandbox.story.shapes import PART_NUMBERS, Company
from sandbox.syncro import Syncro
from sandbox.syncro.account import Customer

SCENARIOS: dict[str, tuple[Company, ...]] = {
    "default": (ALPENROSE, HARBOR_LANE, JUNIPER),
    "empty": (),  # vendors without any tenant or customer
}


def seed_customer(syncro: Syncro, company: Company) -> Customer:
    """The company's customer with its contacts; drop-down choices are given by their text."""
    customer = syncro.add_customer(
        company.name, email=f"office@{company.domain}", properties={"Service Level": "Gold", "Reg No.": ""}
    )
    for card in company.cards:
        properties = syncro.account.contact_fields.accept(card.properties, syncro.switches)
        contact = syncro.add_contact(customer.id, fields=card.fields, properties=properties, extension=card.extension)
        if card.has_ticket:
            syncro.add_ticket(contact.id)
    return customer


def seed_tenant(microsoft: Microsoft, company: Company) -> Tenant:
    """The company's tenant with its users; the licences they hold are bought."""
    tenant = microsoft.add_tenant(company.tenant_id, company.name, company.domain)
    for sku_id, part_number in PART_NUMBERS.items():
        if tenant.sku(sku_id) is None:
            tenant.skus.append(Sku(sku_id, part_number))
    for one in company.people:
        microsoft.seed_user(company.tenant_id, **one.graph)
    return tenant
