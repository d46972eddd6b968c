"""Puts the story of the three companies, or of many, into the simulated vendors, the same in every run.

Nothing here is real: domains are reserved ones, phone numbers are of the kind kept for fiction. Next:
`sandbox/world.py`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sandbox.clock import graph_time
from sandbox.microsoft import Microsoft
from sandbox.microsoft.products import Sku
from sandbox.microsoft.reported import YEAR_ONE, Reported, Score, SignIns
from sandbox.microsoft.tenant import Tenant
from sandbox.story.alpenrose import ALPENROSE
from sandbox.story.harbor import HARBOR_LANE
from sandbox.story.juniper import JUNIPER
from sandbox.story.msp import MSP, PROVIDER
from sandbox.story.reports import PEOPLE, TENANTS, TenantTold, Told
from sandbox.story.shapes import NEW_BUNDLE, PART_NUMBERS, PREMIUM, Company
from sandbox.syncro import Syncro
from sandbox.syncro.account import Customer

SCENARIOS: dict[str, tuple[Company, ...]] = {
    "default": (ALPENROSE, HARBOR_LANE, JUNIPER),
    "empty": (),  # vendors without any tenant or customer
    "msp": MSP,
}
PROVIDERS: dict[str, Company] = {"msp": PROVIDER}
_REQUIRED = "User.Read.All"


def seed_customer(syncro: Syncro, company: Company) -> Customer:
    """The company's customer with its contacts; drop-down choices are given by their text."""
    email = f"office@{company.domain}" if company.email is None else company.email
    customer = syncro.add_customer(company.name, email=email, properties={"Service Level": "Gold", "Reg No.": ""})
    for card in company.cards:
        properties = syncro.account.contact_fields.accept(card.properties, syncro.switches)
        contact = syncro.add_contact(customer.id, fields=card.fields, properties=properties, extension=card.extension)
        if card.has_ticket:
            syncro.add_ticket(contact.id)
    return customer


def seed_tenant(microsoft: Microsoft, company: Company) -> Tenant:
    """The company's tenant with its users and what reports say of them; the licences they hold are bought."""
    told = TENANTS.get(company.domain, TenantTold(p1="Disabled", score=(62.0, 160.0)))
    tenant = microsoft.add_tenant(
        company.tenant_id,
        company.name,
        company.domain,
        consented=company.is_consented,
        skus=_products(told, company),
        relationship=company.relationship,
    )
    tenant.declines = company.trouble == "declines"
    tenant.withheld = frozenset({_REQUIRED} if company.trouble == "withheld" else ())
    tenant.score = Score(*told.score) if told.score else None
    tenant.security_defaults = told.security_defaults
    tenant.names_concealed = told.names_concealed
    for one in company.people:
        microsoft.seed_user(company.tenant_id, **one.graph)
        if one.upn in PEOPLE:
            tenant.reported[one.id] = _reported(PEOPLE[one.upn], microsoft.clock.now())
    return tenant


def seed_provider(microsoft: Microsoft, company: Company) -> Tenant:
    """The managed service provider's own tenant: whoever signs in for its customers is in it."""
    tenant = seed_tenant(microsoft, company)
    tenant.is_partner = True
    return tenant


def _products(told: TenantTold, company: Company) -> list[Sku]:
    """Everything in the list; the bundle that is on nobody's list only where somebody holds it."""
    held = {entry["skuId"] for one in company.people for entry in one.graph["assignedLicenses"]}
    skus = [Sku(*product) for product in PART_NUMBERS.items() if product[0] in held or product[0] != NEW_BUNDLE]
    for sku in skus:
        if sku.sku_id == PREMIUM:
            sku.status, sku.p1 = told.premium, told.p1
    return skus


def _reported(told: Told, now: datetime) -> Reported:
    """Days before the start become moments and dates."""
    return Reported(
        sign_ins=None if told.signed_in is None else SignIns(*(_moment(days, now) for days in told.signed_in)),
        methods=told.methods,
        preferred=told.preferred,
        capable=told.capable,
        is_admin=told.is_admin,
        has_row=told.has_row,
        per_user_mfa=told.per_user_mfa,
        services={name: (now - timedelta(days=days)).date().isoformat() for name, days in told.used.items()},
    )


def _moment(days: int | None, now: datetime) -> str | None:
    if days is None or days < 0:
        return None if days is None else YEAR_ONE
    return graph_time(now - timedelta(days=days))
