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
    """One customer's rules. The defaults are what DESIGN.md section 5 promises."""

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

    rungs: tuple[float, ...] = (10.0, 60.0, 300.0, 1800.0, 7200.0)  # seconds
    max_attempts: int = 15
    uncounted_delay: float = 2.0  # seconds: a lease is held elsewhere or the pace is spent
    jitter_floor: float = 0.8  # a delay is 80-100 % of its rung


class CoalescePolicy(_Frozen):
    """How hints for one user gather before a look (seconds)."""

    first_window: float = 2.0
    last_window: float = 30.0
    covered_after: float = 1.0  # a read must begin this long after a hint to answer it
    confirm_after: float = 60.0  # a live look that changed nothing is confirmed once, from Graph only
    waiting_per_tenant: int = 50  # beyond it the rest moves to the backfill lane
    slots: int = 8  # deliveries held at once (prefetch)
