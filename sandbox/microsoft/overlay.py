"""Properties of a user that other services put over the directory's: signInActivity and perUserMfaState.

Checks what they need (permission, licence, a limit of their own) and renders a user with them. Next: listing.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.errors import bad_request, denied
from sandbox.microsoft.premium import check_premium
from sandbox.microsoft.reported import SignIns
from sandbox.microsoft.request import GraphRequest
from sandbox.microsoft.schema import State, render
from sandbox.microsoft.tenant import Tenant
from sandbox.microsoft.throttle import Cost, Throttle

SIGN_INS, PER_USER_MFA = "signInActivity", "perUserMfaState"
_SIGN_IN_COST = Cost("sign-in")


class Overlay:
    """What stands in the way of these properties, and how they look."""

    def __init__(self, cloud: Cloud, throttle: Throttle) -> None:
        self._cloud = cloud
        self._throttle = throttle

    def check(self, request: GraphRequest, names: Sequence[str]) -> None:
        """Refuse what the caller may not see; every page of sign-ins is counted by `charge` besides."""
        if PER_USER_MFA in names:
            self._check_per_user(request)
        if SIGN_INS in names:
            check_premium(self._cloud, request)
            self.charge(request.tenant, names)

    def charge(self, tenant: Tenant, names: Sequence[str]) -> None:
        """Count a page or a user with sign-ins: ten a minute, all tenants together."""
        if SIGN_INS in names:
            self._throttle.charge(_SIGN_IN_COST, 1, tenant)

    def check_key(self, key: str, names: Sequence[str]) -> None:
        if SIGN_INS in names and "@" in key:
            raise bad_request("Get By Key only supports UserId and the key has to be a valid Guid", "BadRequest")

    def show(self, tenant: Tenant, state: State, names: Iterable[str]) -> dict[str, Any]:
        """A user as a read returns it; never signed in means that the property is absent."""
        wanted = list(names)
        shown = render(state, wanted)
        if SIGN_INS in shown:
            sign_ins = tenant.reports_on(state["id"]).sign_ins
            if sign_ins is not None:
                shown[SIGN_INS] = sign_in_json(sign_ins)
            elif SIGN_INS not in state:
                del shown[SIGN_INS]
        if PER_USER_MFA in shown:
            shown[PER_USER_MFA] = tenant.reports_on(state["id"]).per_user_mfa
        if self._cloud.switches.mixed_case_ids and "assignedLicenses" in shown:
            held = shown["assignedLicenses"]
            shown["assignedLicenses"] = [{**entry, "skuId": mixed_case(entry["skuId"])} for entry in held]
        return shown

    def _check_per_user(self, request: GraphRequest) -> None:
        how = self._cloud.switches.per_user_mfa
        if how == "unknown":
            raise bad_request(
                "Parsing OData Select and Expand failed: Could not find a property named "
                f"'{PER_USER_MFA}' on type 'microsoft.graph.user'.",
                "BadRequest",
            )
        if how == "refused" or "Policy.Read.All" not in request.identity.roles:
            raise denied()


def sign_in_json(given: SignIns) -> dict[str, Any] | None:
    """Three dates with their request ids; a user of whom all three are unknown has null."""
    dates = {
        "lastSignIn": given.interactive,
        "lastNonInteractiveSignIn": given.non_interactive,
        "lastSuccessfulSignIn": given.successful,
    }
    if not any(dates.values()):
        return None
    shown: dict[str, Any] = {}
    for name, moment in dates.items():
        shown[f"{name}DateTime"] = moment
        shown[f"{name}RequestId"] = None if moment is None else "5b0f6d1e-2f7a-4f43-9d0c-0c1f4d3a7700"
    return shown


def mixed_case(guid: str) -> str:
    """The same id as some services write it."""
    return guid[:18].upper() + guid[18:]
