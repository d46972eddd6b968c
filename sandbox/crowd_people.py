"""The people of a crowd: everything about person number n is worked out from n.

Every name, address and phone extension occurs once, so that a careful matcher finds no conflict. Pure. Next:
`sandbox/world.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sandbox.microsoft.products import APPS, BASIC, FLOW_FREE, PREMIUM, STANDARD
from sandbox.microsoft.reported import Reported, SignIns

_FIRST = ("Ada", "Ben", "Cleo", "Dan", "Edda", "Finn", "Gwen", "Hugo", "Iris", "Jon", "Kaya", "Lou", "Mara", "Nils")
_LAST = ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Gorse", "Hazel", "Ivy", "Juniper", "Kapok", "Larch")
_TITLES = ("Accountant", "Buyer", "Clerk", "Designer", "Engineer", "Fitter", "Planner")
_MIX = (STANDARD, BASIC, APPS, PREMIUM, STANDARD, BASIC, STANDARD)
_LICENCES = {sku: ({"disabledPlans": [], "skuId": sku},) for sku in (*_MIX, FLOW_FREE)}
_METHODS = (
    ("microsoftAuthenticatorPush", "mobilePhone"),
    ("mobilePhone",),
    (),
    ("fido2SecurityKey", "microsoftAuthenticatorPasswordless"),
    ("email",),
)


@dataclass(frozen=True, slots=True)
class People:
    """`size` people of one tenant as of `today`; `is_premium`: some hold Business Premium."""

    tenant_id: str
    domain: str
    today: date
    size: int
    is_premium: bool
    _tail: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tail", uuid.uuid5(uuid.NAMESPACE_OID, self.tenant_id).hex[-12:])

    def states(self) -> Iterator[Mapping[str, Any]]:
        """One light view for each; it reads like a dictionary of Graph's properties."""
        return (Somebody(self, number) for number in range(self.size))

    def user_id(self, number: int) -> str:
        return f"{number:08x}-c0de-4000-8000-{self._tail}"

    def reported(self, user_id: str) -> Reported | None:
        """What the reports know of one of these; None for anybody else."""
        head, _, tail = user_id.partition("-c0de-4000-8000-")
        if tail != self._tail:
            return None
        number = int(head, 16)
        methods = _METHODS[number % len(_METHODS)]
        seen = self.today - timedelta(days=1 + number % 40)
        moment = f"{seen.isoformat()}T08:30:00Z"
        return Reported(
            sign_ins=SignIns(moment, moment, moment) if number % 11 else None,
            methods=methods,
            preferred="push" if "microsoftAuthenticatorPush" in methods else "",
            per_user_mfa="enforced" if number % 3 == 0 else "disabled",
            services={"Exchange": seen.isoformat()},
        )

    def contact(self, number: int) -> dict[str, str | None]:
        """The plain fields of a contact of Syncro."""
        person = Somebody(self, number)
        return {"name": person["displayName"], "email": person["mail"], "phone": person["businessPhones"][0]}

    def old_title(self, number: int) -> str:
        return f"Junior {_title(number)}"

    def address(self, number: int) -> str:
        return f"{_FIRST[number % len(_FIRST)]}.{_surname(number)}@{self.domain}".lower()


class Somebody(Mapping[str, Any]):
    """The state of one person: nothing is stored but its number."""

    __slots__ = ("_number", "_people")

    def __init__(self, people: People, number: int) -> None:
        self._people = people
        self._number = number

    def __getitem__(self, name: str) -> Any:
        return _MAKERS[name](self._people, self._number)

    def get(self, name: str, default: Any = None) -> Any:
        make = _MAKERS.get(name)
        return default if make is None else make(self._people, self._number)

    def __contains__(self, name: object) -> bool:
        return name in _MAKERS

    def __iter__(self) -> Iterator[str]:
        return iter(_MAKERS)

    def __len__(self) -> int:
        return len(_MAKERS)


def _surname(number: int) -> str:
    """A tree and four letters that count, for names without digits."""
    letters = ""
    rest = number
    for _ in range(4):
        rest, digit = divmod(rest, 26)
        letters = chr(97 + digit) + letters
    return _LAST[number % len(_LAST)] + letters


def _title(number: int) -> str:
    return _TITLES[number % len(_TITLES)]


def _licences(people: People, number: int) -> tuple[Mapping[str, Any], ...]:
    """Nine in ten pay; nobody holds what a tenant without P1 has not bought."""
    sku = FLOW_FREE if number % 10 == 9 else _MIX[number % len(_MIX)]
    return _LICENCES[STANDARD if sku == PREMIUM and not people.is_premium else sku]


_MAKERS: Mapping[str, Callable[[People, int], Any]] = {
    "id": lambda people, number: people.user_id(number),
    "createdDateTime": lambda people, number: "2025-01-06T09:00:00Z",
    "accountEnabled": lambda people, number: True,
    "userType": lambda people, number: "Member",
    "usageLocation": lambda people, number: "US",
    "displayName": lambda people, number: f"{_FIRST[number % len(_FIRST)]} {_surname(number)}",
    "givenName": lambda people, number: _FIRST[number % len(_FIRST)],
    "surname": lambda people, number: _surname(number),
    "mail": lambda people, number: people.address(number),
    "userPrincipalName": lambda people, number: people.address(number),
    "mailNickname": lambda people, number: people.address(number).partition("@")[0],
    "proxyAddresses": lambda people, number: [f"SMTP:{people.address(number)}"],
    "businessPhones": lambda people, number: [f"+1 217 555 0100 x{number + 1}"],
    "jobTitle": lambda people, number: _title(number),
    "department": lambda people, number: f"Team {number % 20 + 1}",
    "assignedLicenses": _licences,
}
