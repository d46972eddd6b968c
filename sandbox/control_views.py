"""What the control API shows: state, switches, faults, limits, calls of every service, deliveries.

Only reads. Next: `sandbox/world.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sandbox.microsoft import Microsoft
from sandbox.syncro import Syncro
from sandbox.syncro.limiter import DOCUMENTED_PER_MINUTE

SERVICES = ("syncro", "graph", "login", "reports", "partner")
_CALL_FILTERS = frozenset({"service", "since", "method", "path", "contact_id", "customer_id", "limit"})
_GRAPH_SWITCHES_OF_LIMITS = ("throttling", "retry_after", "limit_window_divisor")


def state(microsoft: Microsoft, syncro: Syncro) -> dict[str, Any]:
    account = syncro.account
    return {
        "now": microsoft.clock.now().isoformat(),
        "addresses": {
            "login": microsoft.login_url,
            "graph": microsoft.graph_url,
            "graph_tls": microsoft.graph_tls_url,
            "reports": microsoft.reports_url,
            "syncro": syncro.url,
            "partner": microsoft.partner_url,
        },
        "limits": limits(microsoft, syncro),
        "faults": faults(microsoft, syncro),
        "microsoft": {
            "calls": len(microsoft.calls),
            "delivery_attempts": len(microsoft.attempts),
            "pending_notifications": microsoft.pending_notifications,
            "tenants": {
                one.tenant_id: {
                    "name": one.name,
                    "users": one.directory.live_count,
                    "consented": one.consented,
                    "roles": list(one.roles) if one.consented else [],
                    "subscriptions": [subscription.as_json() for subscription in one.subscriptions.values()],
                }
                for one in microsoft.tenants.values()
            },
        },
        "syncro": {
            **syncro_counts(syncro),
            "customers": len(account.customers),
            "contacts": len(account.contacts),
            "token": token(syncro),
            "fields": fields(syncro),
        },
    }


def syncro_counts(syncro: Syncro) -> dict[str, int]:
    """`writes`: calls that changed something and were answered 200; `creations`: new contacts among them."""
    writes = syncro.calls.writes()
    return {
        "calls": len(syncro.calls),
        "writes": len(writes),
        "creations": sum(call.method == "POST" and call.path.endswith("/contacts") for call in writes),
        "refused": sum(call.status == 429 for call in syncro.calls),
        "max_calls_in_60s": syncro.calls.max_calls_in(60),
    }


def switches(microsoft: Microsoft, syncro: Syncro) -> dict[str, Any]:
    """Current values of both vendors, and the values that each Syncro switch takes."""
    values = microsoft.switches.as_dict()
    values.pop("faults")
    return {"microsoft": values, "syncro": syncro.switches.as_dict(), "known": {"syncro": syncro.switches.known()}}


def faults(microsoft: Microsoft, syncro: Syncro) -> dict[str, Any]:
    pending = [asdict(fault) for fault in microsoft.switches.faults if fault.times != 0]
    return {"microsoft": pending, "syncro": [fault.as_dict() for fault in syncro.faults.armed()]}


def limits(microsoft: Microsoft, syncro: Syncro) -> dict[str, Any]:
    return {
        "syncro": {
            "per_minute": syncro.limiter.per_minute,
            "window_s": syncro.limiter.window,
            "documented_per_minute": DOCUMENTED_PER_MINUTE,
        },
        "graph": {name: getattr(microsoft.switches, name) for name in _GRAPH_SWITCHES_OF_LIMITS},
    }


def calls(microsoft: Microsoft, syncro: Syncro, query: Mapping[str, str]) -> dict[str, Any]:
    """Calls of all services in the order of their time; `since` is a number of that service or an ISO time."""
    _known(query, _CALL_FILTERS)
    service = query.get("service", "")
    if service not in ("", *SERVICES):
        raise ValueError(f"service is one of {', '.join(SERVICES)}")
    rows = [row for row in _rows(microsoft, syncro) if service in ("", row["service"]) and _fits(row, query)]
    rows.sort(key=lambda row: str(row["at"]))
    kept = rows[-int(query["limit"]) :] if "limit" in query else rows
    return {"count": len(rows), "calls": kept, "syncro": syncro_counts(syncro)}


def deliveries(microsoft: Microsoft, query: Mapping[str, str]) -> dict[str, Any]:
    """Every POST of notifications with its answer (status, outcome, seconds) and what it carried."""
    _known(query, frozenset({"since", "user", "outcome"}))
    since = _time(query["since"]) if "since" in query else None
    rows = [
        attempt.as_dict()
        for attempt in microsoft.attempts
        if (since is None or attempt.at > since)
        and query.get("outcome", attempt.outcome) == attempt.outcome
        and ("user" not in query or any(item.user_id == query["user"] for item in attempt.items))
    ]
    accepted = sum(attempt.accepted for attempt in microsoft.attempts)
    return {"count": len(rows), "accepted": accepted, "pending": microsoft.pending_notifications, "deliveries": rows}


def token(syncro: Syncro) -> dict[str, Any]:
    customers = syncro.token.customer_ids
    return {
        "valid": syncro.token.valid,
        "permissions": sorted(syncro.token.permissions),
        "customer_ids": None if customers is None else sorted(customers),
        "owner": syncro.token.owner,
        "active": syncro.token.is_owner_active,
    }


def fields(syncro: Syncro) -> dict[str, list[str]]:
    account = syncro.account
    kinds = {"contact": account.contact_fields, "customer": account.customer_fields}
    return {kind: [field.name for field in known.all()] for kind, known in kinds.items()}


def _rows(microsoft: Microsoft, syncro: Syncro) -> list[dict[str, Any]]:
    rows = [{"service": "syncro", **call.as_dict()} for call in syncro.calls]
    return rows + [{"number": number, **call.as_dict()} for number, call in enumerate(microsoft.calls, start=1)]


def _fits(row: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    since = query.get("since", "")
    after = not since or (row["number"] > int(since) if since.isdecimal() else _time(row["at"]) > _time(since))
    return (
        after
        and query.get("method", row["method"]).upper() == row["method"]
        and query.get("path", "") in row["path"]
        and all(query[name] == str(row.get(name)) for name in ("contact_id", "customer_id") if name in query)
    )


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace(" ", "+"))  # an unescaped + of a query arrives as a space
    if moment.tzinfo is None:
        raise ValueError("a time needs its offset, as in 2026-11-24T09:00:00+00:00")
    return moment


def _known(query: Mapping[str, str], known: frozenset[str]) -> None:
    unknown = set(query) - known
    if unknown:
        raise ValueError(f"unknown filters {sorted(unknown)}; known: {sorted(known)}")
