"""The products (SKUs) a tenant has bought and their service plans; whether it holds Entra ID P1 follows from them.

Ids and names are Microsoft's own. A subscription that lapsed keeps its assignments while its units move from
`enabled` to `suspended`. Pure data. Next: tenant.py, then licences.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BASIC = "3b555118-da6a-4418-894f-7df1e2096870"
APPS = "cdd28e44-67e3-425e-be4c-737fab2899d3"
STANDARD = "f245ecc8-75af-4f8e-b61f-27d8114de5f3"
PREMIUM = "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46"
PREMIUM_FAMILY = (
    PREMIUM,
    "00e1ec7b-e4a3-40d1-9441-b69b597ab222",
    "a3f586b6-8cce-4d9b-99d6-55238397f77a",
    "24c35284-d768-4e53-84d9-b7ae73dddf69",
    "a6d18b68-a67e-4cbd-ba00-8744bc468faa",
)
STANDARD_FAMILY = (
    STANDARD,
    "ac5cef5d-921b-4f97-9ef3-c99076e5470f",
    "5a1c7b8d-0739-4ca8-bf69-ec87e69133ac",
    "ffa3a2a0-3820-462a-aa81-8a4d741f0cba",
    "c1f79c29-5d7a-4bec-a2c1-1a76774864c0",
)
BASIC_FAMILY = (
    BASIC,
    "dab7782a-93b1-4074-8bb1-0e61318bea0b",
    "21502a13-c8dc-4744-be9c-177fd9d2eafc",
    "b1f3042b-a390-4b56-ab61-b88e7e767a97",
)
ENTERPRISE_E3 = "6fd2c87f-b296-42f0-b197-1e91e994b900"
ENTERPRISE_E5 = "c7df2760-2c81-4ef7-b578-5b5392b571df"
ENTRA_P1 = "078d2b04-f1bd-4111-bbd4-b4b1b354cef4"
ENTRA_P2 = "84a661c4-e949-4bd2-a560-ed7766fcaf2b"
EXCHANGE_1 = "4b9405b0-7788-4568-add1-99614e613b69"
FLOW_FREE = "f30db892-07e9-47e9-837c-80727f46fd3d"
NEW_BUNDLE = "5d1f0a64-93c7-4be2-8a0e-2f6f6b1c7e41"  # on nobody's list: what Microsoft sells next year

_PLANS: Mapping[str, str] = {
    "AAD_PREMIUM": "41781fb2-bc02-4b7c-bd55-b576c07bb09d",
    "AAD_PREMIUM_P2": "eec0eb4f-6444-4f95-aba0-50c24d67f998",
    "OFFICE_BUSINESS": "094e7854-93fc-4d55-b2c0-3ab5369ebdc1",
    "EXCHANGE_S_STANDARD": "9aaf7827-d63c-4b61-89c3-182f06f82e5c",
    "EXCHANGE_S_ENTERPRISE": "efb87545-963c-4e0d-99df-69c6916d9eb0",
    "INTUNE_A": "c1ec4a95-1f05-45b3-a911-aa3fa01094f5",
    "SHAREPOINTSTANDARD": "c7699d2e-19aa-44de-8edf-1736da088ca1",
    "TEAMS1": "57ff2da0-773e-42df-b2af-ffb7a2317929",
    "FLOW_P2_VIRAL": "50e68c76-46c6-4674-81f9-75456511b170",
}
_P1 = frozenset({_PLANS["AAD_PREMIUM"], _PLANS["AAD_PREMIUM_P2"]})
_OFFICE = ("EXCHANGE_S_STANDARD", "SHAREPOINTSTANDARD", "TEAMS1")
_PLANS_OF: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(PREMIUM_FAMILY, ("AAD_PREMIUM", "OFFICE_BUSINESS", *_OFFICE, "INTUNE_A")),
    **dict.fromkeys(STANDARD_FAMILY, ("OFFICE_BUSINESS", *_OFFICE)),
    **dict.fromkeys(BASIC_FAMILY, _OFFICE),
    APPS: ("OFFICE_BUSINESS",),
    ENTERPRISE_E3: ("EXCHANGE_S_ENTERPRISE", "TEAMS1"),
    ENTERPRISE_E5: ("EXCHANGE_S_ENTERPRISE", "TEAMS1"),
    ENTRA_P1: ("AAD_PREMIUM",),
    ENTRA_P2: ("AAD_PREMIUM_P2", "AAD_PREMIUM"),
    EXCHANGE_1: ("EXCHANGE_S_STANDARD",),
    FLOW_FREE: ("FLOW_P2_VIRAL",),
    NEW_BUNDLE: ("OFFICE_BUSINESS", *_OFFICE),
}
# capabilityStatus -> the member of prepaidUnits that its units stand in
STATES = {"Enabled": "enabled", "Warning": "warning", "Suspended": "suspended", "LockedOut": "lockedOut"}


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """`status` is Graph's provisioningStatus: Success, Disabled, PendingActivation, ..."""

    plan_id: str
    name: str
    status: str = "Success"


@dataclass(slots=True)
class Sku:
    """A product the tenant has bought: `enabled` units of it, in the state `status` (one of `STATES`).

    `p1` says how its Entra ID P1 plan stands ("Disabled": the product is there, the plan is switched off).
    """

    sku_id: str
    part_number: str
    enabled: int = 10_000
    status: str = "Enabled"
    p1: str = "Success"

    @property
    def plans(self) -> tuple[ServicePlan, ...]:
        """None for a product that this file does not know."""
        names = _PLANS_OF.get(self.sku_id.lower(), ())
        return tuple(
            ServicePlan(_PLANS[name], name, self.p1 if name.startswith("AAD_PREMIUM") else "Success") for name in names
        )

    @property
    def has_p1(self) -> bool:
        live = self.status in ("Enabled", "Warning")
        return live and any(plan.plan_id in _P1 and plan.status != "Disabled" for plan in self.plans)

    @property
    def assignable(self) -> int:
        """Units that may be given to people; none of a lapsed subscription."""
        return self.enabled if self.status in ("Enabled", "Warning") else 0

    @property
    def units(self) -> dict[str, int]:
        """Graph's prepaidUnits."""
        return dict.fromkeys(STATES.values(), 0) | {STATES[self.status]: self.enabled}


def default_skus() -> list[Sku]:
    """What a tenant has bought unless told otherwise: Business Premium, and thereby P1, among it."""
    return [
        Sku(PREMIUM, "SPB"),
        Sku(STANDARD, "O365_BUSINESS_PREMIUM"),
        Sku(APPS, "O365_BUSINESS"),
        Sku(BASIC, "O365_BUSINESS_ESSENTIALS"),
        Sku(ENTERPRISE_E3, "ENTERPRISEPACK"),
        Sku(EXCHANGE_1, "EXCHANGESTANDARD"),
        Sku(FLOW_FREE, "FLOW_FREE"),
    ]
