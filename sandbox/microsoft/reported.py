"""What Microsoft's reports know of one user and of one tenant: sign-ins, registered methods, service use, Secure Score.

Values only, apart from the directory on purpose: no sign-in and no registration ever causes a change notification.
Times are texts as Graph writes them. Next: tenant.py; read by sign_ins.py, registration.py, methods.py, usage.py and
scores.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

YEAR_ONE = "0001-01-01T00:00:00Z"  # how Graph writes "never" for a single member
SERVICES = ("Exchange", "OneDrive", "SharePoint", "Skype For Business", "Yammer", "Teams")
NO_FACTOR = frozenset({"email", "securityQuestion", "temporaryAccessPass"})  # registered, yet no second factor
_PASSWORDLESS = ("passKey", "fido2", "windowsHello", "macOsSecureEnclaveKey", "microsoftAuthenticatorPasswordless")


@dataclass(frozen=True, slots=True)
class SignIns:
    """ISO times; None is null. `interactive` and `non_interactive` are attempts, `successful` is of either kind."""

    interactive: str | None = None
    non_interactive: str | None = None
    successful: str | None = None


@dataclass(frozen=True, slots=True)
class Reported:
    """One user. `sign_ins` None: never signed in, the property is absent.

    `methods` are values of the registration report, known to its documents or not; `preferred` "" is an empty string
    in the report; `capable` None: as registered. `has_row` False: the report has not heard of the user. `services`:
    service -> ISO date of its last use.
    """

    sign_ins: SignIns | None = None
    methods: tuple[str, ...] = ()
    preferred: str = ""
    capable: bool | None = None
    is_admin: bool = False
    has_row: bool = True
    per_user_mfa: str = "disabled"
    services: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_registered(self) -> bool:
        return any(method not in NO_FACTOR for method in self.methods)

    @property
    def is_passwordless(self) -> bool:
        return any(method.startswith(_PASSWORDLESS) for method in self.methods)


@dataclass(frozen=True, slots=True)
class Score:
    """Secure Score of the newest day; earlier days are made from it. `averages`: basis -> percentage, -1 for none.

    The two counts None: as the switch `score_counts` makes them.
    """

    current: float
    maximum: float
    licensed_users: int | None = None
    active_users: int | None = None
    age_days: int = 0
    averages: Mapping[str, float] = field(default_factory=lambda: {"AllTenants": 41.6, "TotalSeats": -1.0})


NOTHING = Reported()
