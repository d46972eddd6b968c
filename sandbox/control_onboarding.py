"""What people and other tools do while customers are connected: consent in the portal, an orphan, Syncro's own sync.

Next: `sandbox/syncro/own_sync.py`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from sandbox.microsoft import Microsoft
from sandbox.microsoft.tenant import Relationship, Tenant
from sandbox.syncro import Syncro
from sandbox.syncro.own_sync import Entry, run_own_sync

CONSENT_KEYS = frozenset({"tenant", "consented", "roles", "scopes", "withheld", "declines", "relationship"})
ORPHAN_KEYS = frozenset({"notification_url", "client_state", "change_type"})


def consent(microsoft: Microsoft, tenant_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Set what an administrator or the partner has done in a tenant; what is left out stays.

    `consented` false removes the application from it. `roles` are granted at once. `withheld`: roles that a policy
    takes away from every later consent. `declines`: the next consent pages are answered no.
    """
    tenant = microsoft.tenants[tenant_id]
    relationship = body.get("relationship", tenant.relationship)
    if relationship not in get_args(Relationship):
        raise ValueError(f"relationship is one of {', '.join(get_args(Relationship))}")
    lists = {key: _texts(body, key) for key in ("roles", "scopes", "withheld") if key in body}
    tenant.relationship = relationship
    tenant.withheld = frozenset(lists.get("withheld", tenant.withheld))
    tenant.declines = bool(body.get("declines", tenant.declines))
    tenant.scopes = tuple(lists.get("scopes", tenant.scopes))
    _set_consent(microsoft, tenant, body, lists.get("roles"))
    return _shown(tenant)


def orphan(microsoft: Microsoft, tenant_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The subscription that was left behind."""
    given = {key: str(body[key]) for key in ORPHAN_KEYS if key in body}
    return microsoft.leave_orphan(tenant_id, **given).as_json()


def own_sync(microsoft: Microsoft, syncro: Syncro, tenant_id: str, customer_id: int) -> dict[str, Any]:
    """One run over a customer; gives how many contacts it changed, left as they were and created."""
    if customer_id not in syncro.account.customers:
        raise ValueError(f"unknown customer {customer_id}; known: {list(syncro.account.customers)}")
    versions = microsoft.tenants[tenant_id].directory.all_seen(float("inf"))
    entries = [_entry(version.state) for version in versions if version.live and version.state.get("mail")]
    return run_own_sync(syncro.account, customer_id, entries)


def as_csv(listed: Sequence[tuple[int, str]]) -> str:
    """Columns customer and tenant: an id, a domain, or nothing."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(("customer", "tenant"))
    writer.writerows(listed)
    return text.getvalue()


def _set_consent(microsoft: Microsoft, tenant: Tenant, body: Mapping[str, Any], roles: list[str] | None) -> None:
    if not body.get("consented", tenant.consented):
        tenant.consented, tenant.scopes = False, ()
        return
    if tenant.consented and roles is None:
        return
    if not tenant.consented:
        tenant.unauthorized_creations = microsoft.switches.unauthorized_after_consent
    tenant.grant(microsoft.required_roles if roles is None else roles, microsoft.clock.timestamp())


def _shown(tenant: Tenant) -> dict[str, Any]:
    return {
        "tenant": tenant.tenant_id,
        "consented": tenant.consented,
        "roles": list(tenant.roles) if tenant.consented else [],
        "scopes": list(tenant.scopes),
        "withheld": sorted(tenant.withheld),
        "declines": tenant.declines,
        "relationship": tenant.relationship,
    }


def _entry(state: Mapping[str, Any]) -> Entry:
    phones = state.get("businessPhones") or [None]
    return Entry(str(state["mail"]), state.get("displayName"), phones[0], state.get("jobTitle"))


def _texts(body: Mapping[str, Any], key: str) -> list[str]:
    value = body[key]
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise ValueError(f"{key} is a list of names")
    return value
