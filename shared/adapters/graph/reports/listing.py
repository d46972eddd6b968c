"""Step B, the only one that may fail a reading: every user, with what rides along in the same pages.

With Entra ID P1 these are sign-in dates (500 a page, few pages a minute over all tenants), without it the per-user MFA
state (999 a page). Both are refused whole, never by themselves: then the users are listed without. Attributes that the
tenant does not have are left out first (`shared/adapters/graph/attributes.py`). Next:
`shared/adapters/graph/reports/registration.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from shared.adapters.graph.attributes import Attributes, Selected, selecting
from shared.adapters.graph.caller import Call
from shared.adapters.graph.reports.limiter import Limiter
from shared.adapters.graph.reports.patience import LOW, PatientCaller, restarting
from shared.adapters.graph.reports.wire import activity_date
from shared.adapters.graph.wire import SERVICE, directory_user
from shared.adapters.lenient import Json, text
from shared.domain.errors import SyncError
from shared.domain.user import DirectoryUser


class Rider(Enum):
    """The property that is selected besides the user's own, and the page size that it allows."""

    SIGN_IN = ("signInActivity", 500)
    PER_USER_MFA = ("perUserMfaState", 999)
    NOBODY = ("", 999)


@dataclass(frozen=True, slots=True)
class Listed:
    """`carried`: user id -> ISO date of the last sign-in, or the per-user MFA state, of those who have one.

    `refused`: why the rider was left out, None when it rode along or nobody asked. `lacking`: attributes that rules
    want and the tenant does not have.
    """

    users: tuple[DirectoryUser, ...]
    carried: Mapping[str, str] = field(default_factory=dict)
    refused: SyncError | None = None
    lacking: tuple[str, ...] = ()


async def list_users(
    caller: PatientCaller, rider: Rider, sign_ins: Limiter, attributes: Attributes, also: Sequence[str] = ()
) -> Listed:
    """Every user once. Raises one of the three families when they cannot even be listed without the rider."""

    async def whole(rider: Rider) -> Listed:
        limiter = sign_ins if rider is Rider.SIGN_IN else None
        return await selecting(
            attributes, caller.tenant_id, lambda chosen: _whole(caller, rider, limiter, chosen), also
        )

    try:
        return await whole(rider)
    except SyncError as error:
        # Without a token nothing else would be answered either.
        if rider is Rider.NOBODY or error.service != SERVICE:
            raise
        return replace(await whole(Rider.NOBODY), refused=error)


async def _whole(caller: PatientCaller, rider: Rider, limiter: Limiter | None, chosen: Selected) -> Listed:
    name, size = rider.value
    selected = ",".join([*chosen.columns, name] if name else chosen.columns)
    first = Call("GET", f"/users?$select={selected}&$top={size}", "/users", headers=LOW)

    async def listing() -> Listed:
        users: dict[str, DirectoryUser] = {}  # by id: rows move between pages while people are hired
        carried: dict[str, str] = {}
        once = _Once()
        async for page in caller.pages(first, limiter):
            for row in page:
                user = once.user(directory_user(row, chosen.lacking))
                users[user.id] = user
                if (told := _carried(row, rider)) is not None:
                    carried[user.id] = once.value(told)
        return Listed(tuple(users.values()), carried, lacking=chosen.lacking)

    return await restarting(listing)


def _carried(row: Json, rider: Rider) -> str | None:
    return activity_date(row) if rider is Rider.SIGN_IN else text(row.get(rider.value[0]))


# What many users of a tenant have in common.
_SHARED = (
    "city",
    "state",
    "postal_code",
    "country",
    "usage_location",
    "street_address",
    "business_phones",
    "job_title",
    "department",
    "company_name",
    "office_location",
    "user_type",
    "sku_ids",
)
_NO_EXTENSIONS: Mapping[str, str] = {}


class _Once:
    """Keeps one object of each equal value: 100,000 users of one company live in one town and hold four products."""

    def __init__(self) -> None:
        self._values: dict[Any, Any] = {}

    def value(self, value: str) -> str:
        return str(self._values.setdefault(value, value))

    def user(self, user: DirectoryUser) -> DirectoryUser:
        shared: dict[str, Any] = {name: self._kept(getattr(user, name)) for name in _SHARED}
        is_same = user.mail == user.user_principal_name
        return replace(
            user,
            **shared,
            mail=user.user_principal_name if is_same else user.mail,
            extensions=user.extensions or _NO_EXTENSIONS,
        )

    def _kept(self, value: Any) -> Any:
        return self._values.setdefault(value, value)
