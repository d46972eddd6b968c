"""`PUT /reports` and `POST /crowd`: what Microsoft's reports say from now on, and how many people there are.

These are the only calls of the control API behind which something of the vendors' data changes, because no API of the
vendors writes it. Next: `sandbox/control.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from datetime import date, datetime
from typing import Any

from sandbox.microsoft import groups
from sandbox.microsoft.products import STATES, Sku
from sandbox.microsoft.reported import SERVICES, Reported, Score, SignIns
from sandbox.microsoft.tenant import Tenant

KEYS = frozenset(
    {
        "tenant",
        "users",
        "secure_score",
        "security_defaults",
        "names_concealed",
        "skus",
        "roles",
        "groups",
        "extensions",
    }
)
_USER_KEYS = frozenset(entry.name for entry in fields(Reported))
_SIGN_IN_KEYS = frozenset(entry.name for entry in fields(SignIns))
_SCORE_KEYS = frozenset(entry.name for entry in fields(Score))
_SKU_KEYS = frozenset({"part_number", "enabled", "status", "p1"})
_STATES_OF_MFA = ("disabled", "enabled", "enforced")


def apply(tenant: Tenant, body: Mapping[str, Any]) -> dict[str, Any]:
    """Set what the body names, all or nothing; ValueError says what is known. Gives the tenant's reports."""
    users = {key: _user(tenant, key, given) for key, given in _object(body, "users").items()}
    products = {key.lower(): _product(tenant, key.lower(), given) for key, given in _object(body, "skus").items()}
    score = _score(body["secure_score"]) if "secure_score" in body else tenant.score
    groups.apply(tenant, _object(body, "groups"))
    tenant.reported.update(users)
    tenant.score = score
    tenant.security_defaults = bool(body.get("security_defaults", tenant.security_defaults))
    tenant.names_concealed = bool(body.get("names_concealed", tenant.names_concealed))
    tenant.roles = tuple(str(role) for role in body.get("roles", tenant.roles))
    tenant.extensions = {str(name).lower() for name in body.get("extensions", tenant.extensions)}
    kept = [sku for sku in tenant.skus if sku.sku_id not in products]
    tenant.skus = kept + [sku for sku in products.values() if sku is not None]
    return show(tenant)


def show(tenant: Tenant) -> dict[str, Any]:
    return {
        "tenant": tenant.tenant_id,
        "premium": tenant.premium,
        "security_defaults": tenant.security_defaults,
        "names_concealed": tenant.names_concealed,
        "roles": list(tenant.roles),
        "extensions": sorted(tenant.extensions),
        "groups": groups.apply(tenant, {}),
        "secure_score": asdict(tenant.score) if tenant.score else None,
        "skus": {
            sku.sku_id: {name: value for name, value in asdict(sku).items() if name in _SKU_KEYS} for sku in tenant.skus
        },
        "users": {user_id: asdict(told) for user_id, told in tenant.reported.items()},
    }


def _user(tenant: Tenant, user_id: str, given: Any) -> Reported:
    """What is known of the user already, changed by what is given; a crowd's person keeps the rest too."""
    if tenant.directory.latest(user_id) is None:
        raise ValueError(f"no user {user_id!r} in the tenant; users are named by object id, lower case")
    values = _known(given, _USER_KEYS)
    if values.get("sign_ins") is not None:
        values["sign_ins"] = SignIns(**_known(values["sign_ins"], _SIGN_IN_KEYS))
        for moment in asdict(values["sign_ins"]).values():
            _check_date(moment, datetime.fromisoformat)
    if "methods" in values:
        values["methods"] = tuple(str(method) for method in values["methods"])
    if values.get("per_user_mfa", "disabled") not in _STATES_OF_MFA:
        raise ValueError(f"per_user_mfa is one of {', '.join(_STATES_OF_MFA)}")
    for service, day in _known(values.get("services", {}), frozenset(SERVICES)).items():
        _check_date(day, date.fromisoformat)
        if day is None:
            raise ValueError(f"{service} needs a date")
    return replace(tenant.reports_on(user_id), **values)


def _product(tenant: Tenant, sku_id: str, given: Any) -> Sku | None:
    """None takes the product away; a new one needs its part number."""
    if given is None:
        return None
    values = _known(given, _SKU_KEYS)
    if values.get("status", "Enabled") not in STATES:
        raise ValueError(f"status is one of {', '.join(STATES)}")
    old = tenant.sku(sku_id)
    if old is None and "part_number" not in values:
        raise ValueError(f"{sku_id} is new to the tenant: give its part_number")
    return Sku(sku_id, **values) if old is None else replace(old, **values)


def _score(given: Any) -> Score | None:
    if given is None:
        return None
    values = _known(given, _SCORE_KEYS)
    if not {"current", "maximum"} <= values.keys():
        raise ValueError("secure_score needs current and maximum, or is null")
    return Score(**values)


def _known(given: Any, known: frozenset[str]) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise ValueError(f"expected a JSON object with some of {', '.join(sorted(known))}")
    if set(given) - known:
        raise ValueError(f"unknown keys {sorted(set(given) - known)}; known: {', '.join(sorted(known))}")
    return dict(given)


def _check_date(text: Any, read: Any) -> None:
    if text is not None:
        read(text)


def _object(body: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = body.get(key, {})
    if not isinstance(value, dict):
        raise ValueError(f"{key} is a JSON object")
    return value
