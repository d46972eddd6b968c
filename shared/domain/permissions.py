"""Which application permissions we ask a tenant for, and what each is for: one table for consent, check and partners.

Pure. A tenant without a required one cannot be connected; without an optional one its fields stay unknown and all else
works. Where Microsoft knows several permissions for one thing, any of them will do and the first is asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Permission:
    """`use` goes on from "is needed" ("to read users ..."). `instead`: others that give the same."""

    role: str
    use: str
    instead: tuple[str, ...] = ()

    def given_by(self, roles: Collection[str]) -> bool:
        return any(role in roles for role in (self.role, *self.instead))


REQUIRED = (Permission("User.Read.All", "to read users and to be notified of their changes"),)
OPTIONAL = (
    Permission(
        "LicenseAssignment.Read.All",
        "to know which products the tenant has, and whether Entra ID P1 is among them",
        ("Organization.Read.All",),
    ),
    Permission("AuditLog.Read.All", "for MFA registration and sign-in dates (Entra ID P1)"),
    Permission("SecurityEvents.Read.All", "for the Secure Score"),
    Permission("Reports.Read.All", "for the last activity without Entra ID P1"),
    Permission("Policy.Read.All", "for per-user MFA and security defaults without Entra ID P1"),
    Permission("UserAuthenticationMethod.Read.All", "for every user's MFA methods without Entra ID P1 (sensitive)"),
    Permission("GroupMember.Read.All", "to tell users by group, where a customer's rules name groups"),
)
USES = {permission.role: permission.use for permission in (*REQUIRED, *OPTIONAL)}
# What is granted by a partner in one go: all but the sensitive one, which a setting asks for (facts.methods_per_user).
ASKED = tuple(
    permission.role for permission in (*REQUIRED, *OPTIONAL) if permission.role != "UserAuthenticationMethod.Read.All"
)


def missing_required(roles: Collection[str]) -> tuple[str, ...]:
    """In the table's order; () when the tenant can be connected."""
    return _missing(REQUIRED, roles)


def missing_optional(roles: Collection[str]) -> tuple[str, ...]:
    return _missing(OPTIONAL, roles)


def named(roles: Iterable[str]) -> str:
    """Each role with what it is for: "User.Read.All (to read users ...), ..."."""
    return ", ".join(f"{role} ({USES[role]})" if role in USES else role for role in roles)


def _missing(wanted: Iterable[Permission], roles: Collection[str]) -> tuple[str, ...]:
    return tuple(permission.role for permission in wanted if not permission.given_by(roles))
