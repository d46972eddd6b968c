"""The properties of Graph's `user`: types, lengths, what may be written, what a read returns.

A stored state holds only what was ever set, because delta tells "never set" (omitted) from "set to null" (null); a
read with `$select` shows both as null. Next: sandbox/microsoft/writing.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

State = Mapping[str, Any]


def _words(text: str) -> list[str]:
    return text.split()


DEFAULT_PROPERTIES = _words(
    "businessPhones displayName givenName jobTitle mail mobilePhone officeLocation preferredLanguage surname "
    "userPrincipalName id"
)
EXTENSION_ATTRIBUTES = tuple(f"extensionAttribute{number}" for number in range(1, 16))
_EXTENSION = re.compile(r"^(extension_[0-9a-f]{32}_\w+|ext[a-z0-9]{8}_\w+)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Property:
    """`kind`: string, bool, int, strings, objects, object, datetime. `limit`: characters of one string."""

    kind: str = "string"
    limit: int = 0
    read_only: bool = False
    in_lists: bool = True


def _table() -> dict[str, Property]:
    table = {
        name: Property(limit=int(limit))
        for name, limit in (
            entry.split(":")
            for entry in _words(
                "displayName:256 givenName:64 surname:64 mail:256 userPrincipalName:113 mailNickname:64 mobilePhone:64 "
                "streetAddress:1024 city:128 state:128 postalCode:40 country:128 jobTitle:128 department:64 "
                "companyName:64 officeLocation:128 employeeId:16 employeeType:128 userType:64 usageLocation:2 "
                "preferredLanguage:64 faxNumber:64 ageGroup:32 consentProvidedForMinor:32 externalUserState:64 "
                "onPremisesImmutableId:256 passwordPolicies:128 preferredDataLocation:8"
            )
        )
    }
    for name in _words(
        "id creationType legalAgeGroupClassification onPremisesDistinguishedName onPremisesDomainName "
        "onPremisesSamAccountName onPremisesSecurityIdentifier onPremisesUserPrincipalName securityIdentifier"
    ):
        table[name] = Property(read_only=True)
    for name in _words(
        "createdDateTime deletedDateTime lastPasswordChangeDateTime onPremisesLastSyncDateTime "
        "refreshTokensValidFromDateTime signInSessionsValidFromDateTime externalUserStateChangeDateTime"
    ):
        table[name] = Property("datetime", read_only=True)
    for name in ("employeeHireDate", "employeeLeaveDateTime"):
        table[name] = Property("datetime")
    for name in ("assignedLicenses", "assignedPlans", "provisionedPlans", "licenseAssignmentStates", "identities"):
        table[name] = Property("objects", read_only=True)
    for name in ("aboutMe", "birthday", "hireDate", "mySite", "preferredName"):
        table[name] = Property(in_lists=False)
    for name in ("interests", "pastProjects", "responsibilities", "schools", "skills"):
        table[name] = Property("strings", in_lists=False)
    return table | {
        "accountEnabled": Property("bool"),
        "showInAddressList": Property("bool"),
        "isResourceAccount": Property("bool", read_only=True),
        "onPremisesSyncEnabled": Property("bool", read_only=True),
        "businessPhones": Property("strings", limit=64),
        "otherMails": Property("strings", limit=250),
        "proxyAddresses": Property("strings", read_only=True),
        "imAddresses": Property("strings", read_only=True),
        "onPremisesExtensionAttributes": Property("object", limit=1024),
        "passwordProfile": Property("object"),
        "employeeOrgData": Property("object"),
        "signInActivity": Property("object", read_only=True),
        "perUserMfaState": Property(read_only=True),
        "mailboxSettings": Property("object", read_only=True, in_lists=False),
        "deviceEnrollmentLimit": Property("int", read_only=True, in_lists=False),
    }


PROPERTIES: Mapping[str, Property] = _table()
_BY_LOWER = {name.lower(): name for name in PROPERTIES}


def canonical(name: str) -> str | None:
    """The property's own spelling (Graph ignores case in `$select` and `$filter`), or None if there is none."""
    return _BY_LOWER.get(name.lower()) or (name if _EXTENSION.match(name) else None)


def kind_of(name: str) -> str:
    return PROPERTIES[name].kind if name in PROPERTIES else "any"


def value_of(state: State, name: str) -> Any:
    """What a read shows: null or an empty collection for what was never set; passwords are never shown."""
    if name == "passwordProfile":
        return None
    if name == "onPremisesExtensionAttributes":
        return dict.fromkeys(EXTENSION_ATTRIBUTES) | (state.get(name) or {})
    value = state.get(name)
    return [] if value is None and kind_of(name) in ("strings", "objects") else value


def render(state: State, names: Iterable[str]) -> dict[str, Any]:
    """A user as a GET returns it; extension properties are left out while unset."""
    return {name: value_of(state, name) for name in names if name in PROPERTIES or name in state}


def render_delta(state: State, names: Iterable[str]) -> dict[str, Any]:
    """A user as delta returns it: what was never set is omitted, collections excepted; `id` is always there."""
    shown = {name: value_of(state, name) for name in names if name in state or kind_of(name) in ("strings", "objects")}
    return shown | {"id": state["id"]}
