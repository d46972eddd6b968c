"""What people may choose: per customer (`SyncPolicy`) and per deployment (`RetryPolicy`, `CoalescePolicy`).

Pure values with their reasons; who reads them from files is `shared.runtime.settings`. A rule change never counts
as leaving: policies decide what is written next, they never undo. Next: `shared/domain/plan.py`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Authority(StrEnum):
    """Who wins on a profile field. In every case a blank in Entra leaves Syncro's value alone."""

    OVERWRITE = "overwrite"
    FILL_BLANK = "fill-blank"
    NEVER = "never"


class NameFormat(StrEnum):
    FIRST_LAST = "first-last"  # when both parts exist, else the display name
    DISPLAY_NAME = "display-name"
    KEEP = "keep"


class CreateScope(StrEnum):
    LICENSED = "licensed"  # enabled members with an address and a paid licence
    MEMBERS = "members"  # enabled members with an address
    NONE = "none"


class FieldNames(_Frozen):
    """Display names of the custom fields in Syncro (its API keys them by display name, verbatim)."""

    license: str = "azure_license"
    mfa_status: str = "azure_mfa_status"
    mfa_methods: str = "azure_mfa_methods"
    last_activity: str = "azure_last_activity"
    account_status: str = "azure_account_status"
    object_id: str = "azure_object_id"
    pin: str = "azure_sync_off"


class CustomMapping(_Frozen):
    """Any Entra attribute (`department`, `extensionAttribute3`, ...) into any Syncro custom field."""

    attribute: str
    field: str
    authority: Authority = Authority.OVERWRITE


class SkuLabel(_Frozen):
    """A licence that this deployment counts besides the built-in ones. The highest rank of a user wins."""

    sku_id: str
    label: str
    rank: int


# Accounts that are no person: synced directory connectors, break-glass and service accounts. Matched as whole
# shell-style patterns, case-insensitive, against the part before the @ of the user principal name and the mail.
SERVICE_PATTERNS: tuple[str, ...] = (
    "sync_*",
    "admin",
    "administrator",
    "svc[-_.]*",
    "*[-_.]svc",
    "service[-_.]*",
    "noreply",
    "no-reply",
    "breakglass*",
    "scanner",
    "backup",
)


class SyncPolicy(_Frozen):
    """One customer's rules. The defaults write only what a person would expect."""

    create_scope: CreateScope = CreateScope.LICENSED
    domains: tuple[str, ...] = ()  # empty: every domain
    departments: tuple[str, ...] = ()  # empty: every department
    service_patterns: tuple[str, ...] = SERVICE_PATTERNS
    authority: dict[str, Authority] = Field(default_factory=dict)  # by plain field; absent: overwrite
    name_format: NameFormat = NameFormat.FIRST_LAST
    default_region: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "US"  # for phone numbers without a country
    custom_mappings: tuple[CustomMapping, ...] = ()
    extra_skus: tuple[SkuLabel, ...] = ()
    fields: FieldNames = Field(default_factory=FieldNames)

    def authority_of(self, field: str) -> Authority:
        return self.authority.get(field, Authority.OVERWRITE)


class RetryPolicy(_Frozen):
    """The retry timetable: attempt 1 waits 10 s, 2 waits 1 m, then 5 m, 30 m, 2 h; the last rung repeats.

    The rungs climb slowly enough for a vendor's outage of a day (15 attempts cover about 21 hours) and start fast
    enough for a user that Graph has not replicated yet.
    """

    rungs: tuple[float, ...] = Field(
        (10.0, 60.0, 300.0, 1800.0, 7200.0),
        min_length=1,
        description="Waits between attempts; the last repeats, in seconds.",
    )
    max_attempts: int = Field(15, ge=1, description="Failed attempts before a change is given up (a number).")
    uncounted_delay: float = Field(
        2.0, ge=0, description="Wait when another worker holds the customer or the pace is spent, in seconds."
    )
    jitter_floor: float = Field(
        0.8, ge=0, le=1, description="A wait is drawn between this share of its rung and the whole rung (0 to 1)."
    )


class CoalescePolicy(_Frozen):
    """How hints for one user gather before a look (seconds)."""

    first_window: float = Field(2.0, ge=0, description="How long the first hint for a user waits for more, in seconds.")
    last_window: float = Field(30.0, ge=0, description="The longest such wait while hints keep coming, in seconds.")
    covered_after: float = Field(
        1.0, ge=0, description="A read must begin this long after a hint to answer it, in seconds."
    )
    confirm_after: float = Field(
        60.0, gt=0, description="When a look that changed nothing is confirmed once, from Graph only, in seconds."
    )
    waiting_per_tenant: int = Field(
        50,
        ge=1,
        description="Users of one tenant that may wait for a live look; the rest takes the slow lane (a number).",
    )
    slots: int = Field(8, ge=1, le=64, description="Deliveries held at once per lane (a number).")
