"""One customer's tenant: its directory, what the app was allowed there, its products, reports and subscriptions.

A tenant is only data; what happens to it is in users.py, subscriptions.py and login.py. Next: directory.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sandbox.microsoft.directory import Directory
from sandbox.microsoft.products import Sku, default_skus
from sandbox.microsoft.reported import NOTHING, Reported, Score
from sandbox.microsoft.subscription import Subscription

DEFAULT_ROLES = (
    "User.Read.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Organization.Read.All",
    "LicenseAssignment.Read.All",
    "AuditLog.Read.All",
    "SecurityEvents.Read.All",
    "Reports.Read.All",
    "ReportSettings.Read.All",
    "Policy.Read.All",
    "UserAuthenticationMethod.Read.All",
    "GroupMember.Read.All",
)


# none: no partner manages the tenant; reader: one does, but without a role that may consent; administrator: with one
Relationship = Literal["none", "reader", "administrator"]


@dataclass(slots=True)
class Tenant:
    """`roles` are the application permissions an administrator granted; a token carries those of its birth.

    `consented`: the application has a service principal here. `scopes` are the delegated permissions granted to it.
    `withheld` roles are taken away again by a policy of the tenant, whoever grants them. `declines`: its administrator
    says no on the consent page. `is_partner`: the tenant of the managed service provider itself, whose people sign in.

    `reported` holds what tests and the story tell of single users; `crowd_reported` answers for a filled crowd.
    `names_concealed` is the tenant's privacy setting of the usage reports, on by default since 2021. `extensions` are
    the directory extensions that an app with a place here registered, lower case; any other name is refused.
    """

    tenant_id: str
    name: str
    default_domain: str
    verified_domains: tuple[str, ...]
    directory: Directory
    created_at: datetime
    consented: bool = True
    roles: tuple[str, ...] = DEFAULT_ROLES
    service_principal_id: str = ""
    scopes: tuple[str, ...] = ()
    scopes_seen_at: float = 0.0  # before, nobody in the tenant knows of them, nor of an application that came with them
    withheld: frozenset[str] = frozenset()
    declines: bool = False
    relationship: Relationship = "none"
    is_partner: bool = False
    unauthorized_creations: int = 0  # so many next subscriptions are refused because the consent is so new
    earlier_roles: tuple[str, ...] = ()  # those a token carries until `roles_seen_at`
    roles_seen_at: float = 0.0
    skus: list[Sku] = field(default_factory=default_skus)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    groups: dict[str, frozenset[str]] = field(default_factory=dict)  # group id -> direct members, lower case
    reported: dict[str, Reported] = field(default_factory=dict)
    crowd_reported: Callable[[str], Reported | None] | None = None
    score: Score | None = field(default_factory=lambda: Score(74.0, 186.0))
    security_defaults: bool = False
    names_concealed: bool = True
    extensions: set[str] = field(default_factory=set)

    def has_property(self, name: str) -> bool:
        """Whether users of this tenant have it; only names of directory extensions differ from tenant to tenant."""
        return not name.lower().startswith("extension_") or name.lower() in self.extensions

    def grant(self, roles: Sequence[str], seen_at: float) -> None:
        """Give the application these roles and no others, save the withheld; tokens show them from `seen_at` on."""
        self.earlier_roles = self.roles if self.consented else ()
        self.roles = tuple(role for role in roles if role not in self.withheld)
        self.roles_seen_at = seen_at
        self.consented = True

    def roles_at(self, moment: float) -> tuple[str, ...]:
        """What a token issued at this moment (epoch seconds) carries."""
        return self.roles if moment >= self.roles_seen_at else self.earlier_roles

    @property
    def premium(self) -> bool:
        """Whether the tenant holds Entra ID P1 or P2: a plan of a live product that is not switched off."""
        return any(sku.has_p1 for sku in self.skus)

    def sku(self, sku_id: str) -> Sku | None:
        return next((sku for sku in self.skus if sku.sku_id == sku_id.lower()), None)

    def assigned(self) -> Counter[str]:
        """Product id -> how many live users hold it."""
        versions = self.directory.all_seen(float("inf"))
        held = (entry["skuId"] for version in versions if version.live for entry in _licences(version.state))
        return Counter(held)

    def reports_on(self, user_id: str) -> Reported:
        """What the reports know of a user; nothing for one of whom nobody told."""
        found = self.reported.get(user_id)
        if found is None and self.crowd_reported is not None:
            found = self.crowd_reported(user_id)
        return found or NOTHING


def _licences(state: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return state.get("assignedLicenses") or ()
