"""What a deployment may choose about the full sync: brakes, reports, schedule, billing. Pure values with reasons.

Per customer there is `shared/domain/policy.py`. Who reads these from files is `shared.runtime.settings`. Next:
`shared/domain/safety.py` (brakes), `shared/domain/schedule.py`, `shared/domain/billing.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.domain.schedule import check_cron, check_freeze, check_zone


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _checked(check: Callable[[Any], None]) -> AfterValidator:
    def refuse_or_keep(value: Any) -> Any:
        check(value)
        return value

    return AfterValidator(refuse_or_keep)


Share = Annotated[float, Field(ge=0, le=1)]
CronLine = Annotated[str, _checked(check_cron)]
Zone = Annotated[str, _checked(check_zone)]
FreezeDays = Annotated[tuple[str, ...], _checked(check_freeze)]


class BrakePolicy(_Frozen):
    """How much one full sync (or one hour of changes) may do to one customer before a person is asked."""

    clears_at_least: int = Field(3, ge=0, description="Clears and deletions that always pass (contacts).")
    clears_share: Share = Field(0.1, description="Clears and deletions that pass, of all contacts (0 to 1).")
    clears_at_most: int = Field(25, ge=0, description="Clears and deletions above which a person decides (contacts).")
    identity_at_least: int = Field(5, ge=0, description="Changed names or e-mail addresses that pass (contacts).")
    identity_share: Share = Field(0.2, description="The same as a share of all contacts (0 to 1).")
    creations_per_hour: int = Field(15, ge=0, description="New contacts in an hour outside full syncs (contacts).")
    shrink_share: Share = Field(0.2, description="Shrinking of a list by which a customer is halted (0 to 1).")
    shrink_at_least: int = Field(2, ge=1, description="Fewer missing than this never halt a customer (a number).")
    approval_hours: float = Field(72.0, gt=0, description="How long what is held may be approved, in hours.")


class MfaRule(StrEnum):
    CAPABLE = "capable"  # registered, and allowed by the tenant's authentication methods policy
    REGISTERED = "registered"


class FactsPolicy(_Frozen):
    """Which reports are read, and how "MFA enabled" is decided from them."""

    mfa_rule: MfaRule = Field(MfaRule.CAPABLE, description="What counts as MFA: capable or registered (a word).")
    per_user_mfa: bool = Field(
        True, description="Without Entra ID P1, read the per-user MFA state, needs Policy.Read.All (true or false)."
    )
    methods_per_user: bool = Field(
        False,
        description=(
            "Without Entra ID P1, read every user's methods, needs UserAuthenticationMethod.Read.All and one call for "
            "20 users (true or false)."
        ),
    )
    usage_report: bool = Field(
        True, description="Without Entra ID P1, take the last activity from the usage report (true or false)."
    )
    sign_in_lists_per_minute: int = Field(
        10, ge=1, description="Pages of users with sign-in dates, all tenants together (requests a minute)."
    )


class CountSource(StrEnum):
    COMPUTED = "computed"  # from the list of users
    SECURE_SCORE = "secure_score"  # Microsoft's own two counts, which were wrong for many (kept for parity)


class BillingPolicy(_Frozen):
    """What invoices depend on."""

    counts: CountSource = Field(
        CountSource.COMPUTED,
        description="Where the user counts come from: computed or secure_score (a word).",
    )
    freeze: FreezeDays = Field(
        (),
        description=(
            'Days of every month on which licences and counts are not written, such as "1-2" or "30-1", in '
            "nightly.zone (days)."
        ),
    )
    fresh_hours: float = Field(
        26.0, gt=0, description="How old a customer's last full sync may be for billing-check, in hours."
    )


class NightlyPolicy(_Frozen):
    """When full syncs run and what they may cost."""

    cron: CronLine = Field("0 1 * * *", description="When full syncs begin (a cron line; a customer may have its own).")
    zone: Zone = Field("America/Los_Angeles", description="Time zone of the cron lines and freeze days (an IANA name).")
    at_once: int = Field(2, ge=1, le=16, description="Customers surveyed at the same time (a number).")
    queue_below: int = Field(
        400, ge=1, description="The next customer begins when fewer users than this wait in the slow lane (users)."
    )
    activity_days: Literal["auto"] | Annotated[int, Field(ge=1, le=31)] = Field(
        "auto",
        description=(
            "How far a last activity must move before it alone is worth a write, in days; auto: 1 day, and up to 7 "
            "when a night would take over 2 hours."
        ),
    )
    activity_calls: int = Field(
        9_600,
        ge=0,
        description="Syncro calls in a night where only a last activity moved; the rest waits (calls).",
    )
