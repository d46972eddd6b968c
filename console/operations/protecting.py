"""What a restore says of each protection that the backup did not have, and the command for it.

Where it was carried over, the command looks at it or ends it; where the ledger is as the backup was, the command
brings it back. A customer that is not connected in the restored ledger is not written: there it says how to connect it.
Next: `backup.py` beside this; which they are, `shared/domain/protections.py` decides.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from pydantic import ValidationError

from console.operations.rules import TABLES, changed_keys
from shared.domain.locks import last_day
from shared.domain.policy import SyncPolicy
from shared.domain.protections import Protection, Protects
from shared.domain.records import ConnectionStatus

_CONNECT = "customers connect {customer}"
_PAUSE = "customers pause {customer}"
_LOOK = "preview --customer {customer}"
IN_FORCE = {
    Protects.DISCONNECTED: _CONNECT,
    Protects.PREVIEW: _LOOK,
    Protects.PAUSED: "customers resume {customer}",
    Protects.PAUSE_OVER: _LOOK,
    Protects.APART: "customers without-entra {customer} --undo",
    Protects.LOCK: "customers unpin {contact}",
    Protects.LEFT_ALONE: "conflicts reopen {customer} {user}",
    Protects.CREATED: "explain {user}",
    Protects.HELD: "runs list --customer {customer}",
    Protects.RULES: "customers policy show {customer}",
    Protects.LINK: "explain {user}",
    Protects.INVITE: "customers connect {customer} --new-link",
}
# What waited for a person waits again once nothing is written: a full sync then finds it anew.
GONE = {
    Protects.DISCONNECTED: "customers disconnect {customer}",
    Protects.PREVIEW: _PAUSE,
    Protects.PAUSED: _PAUSE,
    Protects.PAUSE_OVER: _LOOK,
    Protects.APART: "customers without-entra {customer}",
    Protects.LOCK: "customers pin {contact}{until} --customer {customer} --why {why}",
    Protects.LEFT_ALONE: "conflicts resolve {customer} {user} --dismiss --why {why}",
    Protects.CREATED: "conflicts reopen {customer} {user}",
    Protects.HELD: _PAUSE,
    Protects.RULES: "customers policy set {customer} {rules}",
    Protects.LINK: "conflicts resolve {customer} {user} --contact {contact}",
    Protects.INVITE: "customers connect {customer} --new-link",
}
# These work whether or not the customer is connected.
_OF_ANYBODY = frozenset({Protects.DISCONNECTED, Protects.APART, Protects.INVITE})


@dataclass(frozen=True, slots=True)
class ShownProtection:
    """`last_day`: of a lock, in the zone of the deployment, None for good. `command`: see above."""

    what: Protects
    customer_id: int
    customer_name: str
    contact_id: int | None
    user_id: str
    until: datetime | None
    last_day: date | None
    why: str
    by: str
    command: str


def shown(one: Protection, zone: str, rules: SyncPolicy, *, carried: bool) -> ShownProtection:
    """`carried`: it is in force now; else it is gone. `zone`, `rules`: the deployment's."""
    day = None if one.until is None else last_day(one.until, zone)
    command = _command(one, rules, carried=carried).format(
        customer=one.customer_id,
        contact=one.contact_id,
        user=one.user_id,
        until="" if day is None else f" --until {day}",
        why=_why(one),
        rules=_rules(one, rules),
    )
    return ShownProtection(
        what=one.what,
        customer_id=one.customer_id,
        customer_name=one.customer_name,
        contact_id=one.contact_id,
        user_id=one.user_id,
        until=one.until,
        last_day=day,
        why=one.why,
        by=one.by,
        command=f"entra-syncro {command}",
    )


def _command(one: Protection, rules: SyncPolicy, *, carried: bool) -> str:
    status = one.stands if carried else one.was
    if one.what not in _OF_ANYBODY and status in (None, ConnectionStatus.DISCONNECTED):
        return IN_FORCE[one.what] if carried and one.what is Protects.LOCK else _CONNECT
    command = (IN_FORCE if carried else GONE)[one.what]
    if not carried and one.what is Protects.RULES and not _rules(one, rules):
        command = _PAUSE  # until somebody has read them in what was saved before
    if command is not _PAUSE or status is ConnectionStatus.APPROVED:
        return command
    return "customers list" if status is ConnectionStatus.PAUSED else _LOOK  # nothing is written anyway


def _rules(one: Protection, deployment: SyncPolicy) -> str:
    """Those of right before as `customers policy set` takes them, "" where they do not fit on one line."""
    try:
        then, today = (_policy(each, deployment) for each in one.rules)
    except ValidationError:  # of a newer release
        return ""
    keys = changed_keys(then, today)
    return "" if TABLES & keys.keys() else " ".join(shlex.quote(f"{key}={value}") for key, (_, value) in keys.items())


def _policy(document: Mapping[str, object] | None, deployment: SyncPolicy) -> SyncPolicy:
    return deployment if document is None else SyncPolicy.model_validate(document)


def _why(one: Protection) -> str:
    return shlex.quote(one.why or "as before the restore")
