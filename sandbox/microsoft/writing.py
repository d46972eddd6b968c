"""What Graph checks before it writes a user, and what it fills in by itself.

Pure: a body and the present state go in, the changes or a GraphError come out. With `service=True` (seeding: what
Exchange, Entra Connect or the portal would have written) read-only properties may be set too. Next: users.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sandbox.microsoft.directory import claims_of
from sandbox.microsoft.errors import GraphError, bad_request
from sandbox.microsoft.schema import EXTENSION_ATTRIBUTES, PROPERTIES, Property, canonical
from sandbox.microsoft.tenant import Tenant

Changes = dict[str, Any]
_REQUIRED = ("accountEnabled", "displayName", "mailNickname", "userPrincipalName", "passwordProfile")
_CLOUD_MASTERED = {
    "usageLocation",
    "passwordProfile",
    "businessPhones",
    "mobilePhone",
    "otherMails",
    "passwordPolicies",
}


def new_user(tenant: Tenant, body: Mapping[str, Any], *, service: bool = False) -> Changes:
    """The first state of a user, without `id`."""
    values = _checked(body, service)
    if not service:
        _check_extensions(tenant, values)
        _require(values)
    principal = values["userPrincipalName"]
    _check_principal(tenant, principal)
    values.setdefault("userType", "Guest" if "#EXT#" in principal.upper() else "Member")
    _follow_mail(values, {})
    _check_claims(tenant, values, "", service)
    return values


def changed_user(
    tenant: Tenant, state: Mapping[str, Any], body: Mapping[str, Any], *, service: bool = False
) -> Changes:
    """The properties a PATCH sets, checked against the user's present state."""
    changes = _checked(body, service)
    if not service:
        _check_extensions(tenant, changes)
    if not changes:
        raise bad_request("Empty Payload. JSON content expected.", "BadRequest")
    if state.get("onPremisesSyncEnabled") and not service and changes.keys() - _CLOUD_MASTERED:
        raise bad_request(
            "Unable to update the specified properties for on-premises mastered Directory Sync objects or objects "
            "currently undergoing migration."
        )
    if "userPrincipalName" in changes:
        _check_principal(tenant, changes["userPrincipalName"])
    if "onPremisesExtensionAttributes" in changes:
        merged = dict(state.get("onPremisesExtensionAttributes") or {})
        changes["onPremisesExtensionAttributes"] = merged | (changes["onPremisesExtensionAttributes"] or {})
    _follow_mail(changes, state)
    _check_claims(tenant, {**state, **changes}, state["id"], service)
    return changes


def check_restorable(tenant: Tenant, state: Mapping[str, Any]) -> None:
    """A name taken in the meantime stops a restore."""
    principal = state["userPrincipalName"].removeprefix(state["id"].replace("-", ""))
    if tenant.directory.claimed_by("upn:" + principal.lower()):
        raise GraphError(
            409, "ObjectConflict", "Another object with the same value for property userPrincipalName already exists."
        )


def _checked(body: Any, service: bool) -> Changes:
    if not isinstance(body, Mapping):
        raise bad_request("Empty Payload. JSON content expected.", "BadRequest")
    return {
        spelled: _value(spelled, PROPERTIES.get(spelled, _OPEN), value, service)
        for spelled, value in ((_spelled(name), value) for name, value in body.items() if not name.startswith("@"))
    }


def _check_extensions(tenant: Tenant, values: Changes) -> None:
    absent = [name for name in values if not tenant.has_property(name)]
    if absent:
        raise bad_request(f"The following extension properties are not available: {','.join(absent)}.")


def _spelled(name: str) -> str:
    spelled = canonical(name)
    if spelled is None:
        raise bad_request(
            f"The property '{name}' does not exist on type 'microsoft.graph.user'. Make sure to only use property "
            "names that are defined by the type or mark the type as open type.",
            "BadRequest",
        )
    return spelled


def _value(name: str, rule: Property, value: Any, service: bool) -> Any:
    if rule.read_only and not service:
        raise bad_request(f"Property '{name}' is read-only and cannot be set.")
    if not _right_type(rule.kind, value):
        raise bad_request(
            "Unexpected value when attempting to read a "
            f"'{rule.kind}' for the property '{name}' of type 'microsoft.graph.user'.",
            "BadRequest",
        )
    if not _legal(name, rule, value):
        raise bad_request(f"Invalid value specified for property '{name}' of resource 'User'.")
    return list(value) if isinstance(value, (list, tuple)) else value


def _right_type(kind: str, value: Any) -> bool:
    if kind in ("strings", "objects"):
        inner = str if kind == "strings" else dict
        return isinstance(value, (list, tuple)) and all(isinstance(entry, inner) for entry in value)
    wanted = {"string": str, "bool": bool, "int": int, "object": dict, "datetime": str, "any": object}[kind]
    return value is None or isinstance(value, wanted)


def _legal(name: str, rule: Property, value: Any) -> bool:
    if name in ("displayName", "userPrincipalName", "mailNickname", "accountEnabled") and value is None:
        return False
    if name == "onPremisesExtensionAttributes" and value is not None:
        return not value.keys() - set(EXTENSION_ATTRIBUTES) and all(
            _fits(entry, rule.limit) for entry in value.values()
        )
    if name == "businessPhones" and len(value) > 1:
        return False
    texts = value if rule.kind == "strings" else [value]
    return all(_fits(text, rule.limit) for text in texts)


def _fits(text: Any, limit: int) -> bool:
    # Graph clears a string with null only: an empty one is an invalid value
    return not isinstance(text, str) or (bool(text) and (not limit or len(text) <= limit))


def _require(values: Changes) -> None:
    for name in _REQUIRED:
        if values.get(name) is None:
            text = "A password must be specified to create a new user."
            missing = f"A value is required for property '{name}' of resource 'User'."
            raise bad_request(text if name == "passwordProfile" else missing)
    if not values["passwordProfile"].get("password"):
        raise bad_request("A password must be specified to create a new user.")


def _check_principal(tenant: Tenant, principal: str) -> None:
    if not re.fullmatch(r"[^\s@]+@[^\s@]+", principal):
        raise bad_request("Property userPrincipalName is invalid.")
    if principal.rpartition("@")[2].lower() not in {domain.lower() for domain in tenant.verified_domains}:
        raise bad_request(
            "The domain portion of the userPrincipalName property is invalid. You must use one of the verified domain "
            "names in your organization."
        )


def _follow_mail(changes: Changes, state: Mapping[str, Any]) -> None:
    """Exchange keeps the primary SMTP proxy address equal to `mail` and the former primary as an alias."""
    if "mail" not in changes or "proxyAddresses" in changes:
        return
    mail = changes["mail"]
    kept = [
        "smtp:" + address[5:] if address.startswith("SMTP:") else address
        for address in state.get("proxyAddresses") or ()
        if mail is None or address.lower() != "smtp:" + mail.lower()
    ]
    changes["proxyAddresses"] = ([f"SMTP:{mail}"] if mail else []) + kept


def _check_claims(tenant: Tenant, state: Mapping[str, Any], own_id: str, service: bool) -> None:
    for claim in claims_of(state):
        holder = tenant.directory.claimed_by(claim)
        name = "userPrincipalName" if claim.startswith("upn:") else "proxyAddresses"
        if holder in (None, own_id) or (service and name == "proxyAddresses"):
            continue
        raise bad_request(
            f"Another object with the same value for property {name} already exists.",
            details=[{"code": "ObjectConflict", "message": f"{name} is taken.", "target": name}],
        )


_OPEN = Property("any")
