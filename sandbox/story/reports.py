"""What Microsoft's reports say in the story: one tenant with Entra ID P1, one without, one that tells nothing.

Harbor Lane has Business Premium and with it P1: sign-ins and registrations are known. Alpenrose let Business Premium
lapse (people still hold it), shows names in its usage reports and has MFA per user. Juniper switched P1 off, conceals
names, has security defaults and no Secure Score: everything stays unknown. Dates are days before the start. Next:
`sandbox/seeds.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ALPENROSE, HARBOR_LANE, JUNIPER = "alpenrose.example", "harborlane.test", "juniper.example"


@dataclass(frozen=True, slots=True)
class Told:
    """One user. `signed_in`: days since the interactive, the non-interactive and the successful sign-in, -1 for the
    year 1, None for null; the whole None for absent. `used`: service -> days since its last use.
    """

    signed_in: tuple[int | None, int | None, int | None] | None = None
    methods: tuple[str, ...] = ()
    preferred: str = ""
    capable: bool | None = None
    is_admin: bool = False
    has_row: bool = True
    per_user_mfa: str = "disabled"
    used: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TenantTold:
    """One tenant. `premium`: state of the Business Premium subscription; `p1`: state of its P1 plan."""

    premium: str = "Enabled"
    p1: str = "Success"
    score: tuple[float, float] | None = None
    security_defaults: bool = False
    names_concealed: bool = True


TENANTS: Mapping[str, TenantTold] = {
    HARBOR_LANE: TenantTold(score=(112.5, 196.0)),
    ALPENROSE: TenantTold(premium="Suspended", score=(41.0, 128.0), names_concealed=False),
    JUNIPER: TenantTold(p1="Disabled", security_defaults=True),
}

PEOPLE: Mapping[str, Told] = {
    # Harbor Lane: the registration report and sign-ins in all their forms
    "awhite@harborlane.test": Told(
        (1, 0, 0), ("microsoftAuthenticatorPush", "mobilePhone", "softwareOneTimePasscode"), "push"
    ),
    "dana.cole@harborlane.test": Told((3, 1, 1), ("fido2SecurityKey", "microsoftAuthenticatorPush"), is_admin=True),
    "marco.silva@harborlane.test": Told((2, 2, 2), ("mobilePhone", "email"), "sms"),
    "irene.novak@harborlane.test": Told((40, None, 75), ("email", "securityQuestion")),
    "sam.lee@harborlane.test": Told((None, 6, None), ("holographicBadge",), ""),  # a method nobody knows yet
    "priya.nair@harborlane.test": Told((5, -1, 5), ("mobilePhone",), "voiceMobile", capable=False),
    "jose.garcia@harborlane.test": Told(has_row=False),  # too new for the report
    "helen.ward@harborlane.test": Told((-1, -1, -1)),
    "lab_brightlab.example#EXT#@harborlane.test": Told((90, None, 90)),
    "noreply@harborlane.test": Told(None),
    # Alpenrose: MFA per user, last use from the usage report
    "mia.keller@alpenrose.example": Told(
        methods=("microsoftAuthenticatorPush",), preferred="push", per_user_mfa="enforced",
        used={"Exchange": 2, "Teams": 4, "OneDrive": 30},
    ),
    "john.smith@alpenrose.example": Told(
        methods=("mobilePhone",), preferred="sms", per_user_mfa="enabled", used={"Exchange": 9}
    ),
    "zoe.brule@alpenrose.example": Told(used={"Exchange": 3}),
    "lukasz.zolc@alpenrose.example": Told(used={"OneDrive": 12}),
    "omar.haddad@alpenrose.example": Told(methods=("softwareOneTimePasscode",), per_user_mfa="enforced"),
    "grace.okafor@alpenrose.example": Told(methods=("mobilePhone",), per_user_mfa="enforced", used={"Teams": 5}),
    "peter.lang@alpenrose.example": Told(used={"Exchange": 160}),
    "tom.fisher@alpenrose.example": Told(used={"Exchange": 2}),
    "elena.rossi@alpenrose.example": Told(per_user_mfa="enabled", used={"SharePoint": 6}),
    # Juniper: what nobody gets to see
    "anke.vogel@juniper.example": Told((1, 1, 1), ("microsoftAuthenticatorPush",), "push", used={"Exchange": 2}),
    "rosa.diaz@juniper.example": Told((4, 4, 4), ("softwareOneTimePasscode",), "oath", used={"Exchange": 5}),
}  # fmt: skip
