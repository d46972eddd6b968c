"""What Microsoft's answer to a consent claims: granted by a tenant, declined, or nothing we act on. Pure.

Claims only: the answer travels through a browser, anybody can write it. `admin_consent=True` stands on refusals too,
and a refusal may lack the tenant (sheet 9.3); so an `error` always wins, and what is said twice is not acted on. No
text of theirs is kept. Next: `shared/runtime/answering.py`, which asks the tenant by a token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from shared.domain.guid import is_guid

_AADSTS = re.compile(r"AADSTS([0-9]{4,8})", re.ASCII)
_OURS = frozenset({"state", "tenant", "error", "error_description", "admin_consent"})
_MOST = 100  # parameters


class NoCode(StrEnum):
    """Why Microsoft says no. NOT_IN_TENANT: who signed in has no account there and no partner relationship (GDAP)."""

    DECLINED = "consent_declined"
    NOT_ADMIN = "consent_not_admin"
    NOT_IN_TENANT = "consent_not_in_tenant"
    BLOCKED = "consent_blocked"
    OTHER = "consent_error"


# The numbers inside error_description, where one tells more than `error` alone.
_NUMBERS = {
    65004: NoCode.DECLINED,
    90093: NoCode.NOT_ADMIN,
    90094: NoCode.NOT_ADMIN,
    90095: NoCode.NOT_ADMIN,
    50020: NoCode.NOT_IN_TENANT,
    500200: NoCode.NOT_IN_TENANT,
    50105: NoCode.BLOCKED,
    53003: NoCode.BLOCKED,
    7000112: NoCode.BLOCKED,
}
_DECLINES = frozenset({"consent_required", "access_denied", "permission_denied"})


class OddCode(StrEnum):
    """Why an answer says nothing that we act on."""

    NO_STATE = "no_state"
    REPEATED = "repeated"
    NO_TENANT = "no_tenant"
    TENANT_IS_NO_GUID = "tenant_is_no_guid"


@dataclass(frozen=True, slots=True)
class Granted:
    """Somebody claims that this tenant (lower case) consented."""

    state: str
    tenant_id: str


@dataclass(frozen=True, slots=True)
class Declined:
    state: str
    code: NoCode


@dataclass(frozen=True, slots=True)
class Odd:
    code: OddCode


Answer = Granted | Declined | Odd


def read_answer(pairs: Iterable[tuple[str, str]]) -> Answer:
    """`pairs`: the query's parameters, decoded, in any order. Parameters that we do not know are passed over."""
    told: dict[str, str] = {}
    for number, (name, value) in enumerate(pairs):
        if (name in _OURS and name in told) or number >= _MOST:
            return Odd(OddCode.REPEATED)
        if name in _OURS:
            told[name] = value
    state = told.get("state", "")
    if not state:
        return Odd(OddCode.NO_STATE)
    if "error" in told or told.get("admin_consent", "true").lower() == "false":
        return Declined(state, _code(told.get("error", "access_denied"), told.get("error_description", "")))
    return _granted(state, told.get("tenant", ""))


def _granted(state: str, tenant: str) -> Granted | Odd:
    if not tenant:
        return Odd(OddCode.NO_TENANT)
    return Granted(state, tenant.lower()) if is_guid(tenant) else Odd(OddCode.TENANT_IS_NO_GUID)


def _code(error: str, description: str) -> NoCode:
    found = _AADSTS.search(description)
    if found is not None and int(found[1]) in _NUMBERS:
        return _NUMBERS[int(found[1])]
    return NoCode.DECLINED if error in _DECLINES else NoCode.OTHER
