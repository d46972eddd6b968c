"""One customer's tenant: its directory, what the app was allowed there, its licences and its subscriptions.

A tenant is only data; what happens to it is in users.py, subscriptions.py and login.py. Next: directory.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sandbox.microsoft.directory import Directory
from sandbox.microsoft.subscription import Subscription

DEFAULT_ROLES = (
    "User.Read.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Organization.Read.All",
    "AuditLog.Read.All",
)


@dataclass(slots=True)
class Sku:
    """A product the tenant has bought: `enabled` units."""

    sku_id: str
    part_number: str
    enabled: int = 10_000


def default_skus() -> list[Sku]:
    return [
        Sku("cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46", "SPB"),
        Sku("f245ecc8-75af-4f8e-b61f-27d8114de5f3", "O365_BUSINESS_PREMIUM"),
        Sku("3b555118-da6a-4418-894f-7df1e2096870", "O365_BUSINESS_ESSENTIALS"),
        Sku("6fd2c87f-b296-42f0-b197-1e91e994b900", "ENTERPRISEPACK"),
        Sku("4b9405b0-7788-4568-add1-99614e613b69", "EXCHANGESTANDARD"),
        Sku("f30db892-07e9-47e9-837c-80727f46fd3d", "FLOW_FREE"),
    ]


@dataclass(slots=True)
class Tenant:
    """`roles` are the application permissions an administrator granted; a token carries those of its birth."""

    tenant_id: str
    name: str
    default_domain: str
    verified_domains: tuple[str, ...]
    directory: Directory
    created_at: datetime
    consented: bool = True
    roles: tuple[str, ...] = DEFAULT_ROLES
    premium: bool = False
    service_principal_id: str = ""
    skus: list[Sku] = field(default_factory=default_skus)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)

    def sku(self, sku_id: str) -> Sku | None:
        return next((sku for sku in self.skus if sku.sku_id == sku_id.lower()), None)
