"""Builders for users and contacts: a plain, in-scope person unless a test says otherwise."""

from __future__ import annotations

from typing import Any

from shared.domain.contact import Contact
from shared.domain.user import DirectoryUser

CUSTOMER = 7
PREMIUM_SKU = "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46"
FREE_SKU = "f30db892-07e9-47e9-837c-80727f46fd3d"


def a_user(user_id: str = "u1", **facts: Any) -> DirectoryUser:
    """Anna Meier, an enabled member with a licence. `mail=None` and the like take away."""
    defaults: dict[str, Any] = {
        "display_name": "Anna Meier",
        "given_name": "Anna",
        "surname": "Meier",
        "mail": "anna@contoso.example",
        "user_principal_name": facts.get("mail") or "anna@contoso.example",
        "sku_ids": (PREMIUM_SKU,),
    }
    return DirectoryUser(id=user_id, **{**defaults, **facts})


def a_contact(contact_id: int = 1, **facts: Any) -> Contact:
    """A contact that agrees with `a_user` in nothing but what the test names."""
    return Contact(**{"id": contact_id, "customer_id": CUSTOMER, "name": f"Somebody {contact_id}", **facts})


def somebody(number: int, **facts: Any) -> DirectoryUser:
    """One of many users who have nothing in common."""
    given = f"Given{number}"
    named = {"display_name": f"{given} Last{number}", "given_name": given, "surname": f"Last{number}"}
    return a_user(f"u{number}", **{**named, "mail": f"user{number}@contoso.example", **facts})
