"""What people may choose: per customer (`SyncPolicy`) and per deployment (`RetryPolicy`, `CoalescePolicy`).

Pure values with their reasons; who reads them from files is `shared.runtime.settings`. A rule change never counts
as leaving: policies decide what is written next, they never undo. Next: `shared/domain/plan.py`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from shared.domain.guid import is_guid
from shared.domain.schedule import check_cron


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _cron_or_blank(line: str) -> str:
    if line:
        check_cron(line)
    return line


def _object_ids(ids: tuple[str, ...]) -> tuple[str, ...]:
    plain = tuple(each.strip().lower() for each in ids)
    if not all(map(is_guid, plain)):
        raise ValueError("a group is named by its object id in Entra (a GUID)")
    return plain


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


class LeaverRule(StrEnum):
    """What becomes of the contact of a user who was blocked or deleted. It is never removed."""

    STATUS = "status"  # the account status says so; a deleted user's licence is cleared too
    NOTHING = "nothing"


def _name(default: str, what: str) -> Any:
    return Field(default, min_length=1, description=f"{what} (a display name).")


class FieldNames(_Frozen):
    """Display names of the custom fields in Syncro (its API keys them by display name, verbatim)."""

    license: str = _name("azure_license", "Contact field of the licence")
    mfa_status: str = Field(
        "azure_mfa_status", min_length=1, description="Contact field of the MFA status (a display name)."
    )
    mfa_methods: str = Field(
        "azure_mfa_methods", min_length=1, description="Contact field of the MFA methods (a display name)."
    )
    last_activity: str = Field(
        "azure_last_activity", min_length=1, description="Contact field of the last activity (a display name)."
    )
    account_status: str = Field(
        "azure_account_status", min_length=1, description="Contact field of the account status (a display name)."
    )
    object_id: str = Field(
        "azure_object_id", min_length=1, description="Contact field of the Entra object id (a display name)."
    )
    pin: str = Field(
        "azure_sync_off", min_length=1, description="Contact field whose text locks a contact (a display name)."
    )
    secure_score: str = Field(
        "microsoft_secure_score", min_length=1, description="Customer field of the Secure Score (a display name)."
    )
    licensed_users: str = Field(
        "azure_licensed_user_count", min_length=1, description="Customer field of the licensed users (a display name)."
    )
    active_users: str = Field(
        "azure_active_user_count", min_length=1, description="Customer field of the active users (a display name)."
    )
    tenant_id: str = Field(
        "azure_tenant_id", min_length=1, description="Customer field of the tenant's id (a display name)."
    )


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

    create_scope: CreateScope = Field(
        CreateScope.LICENSED, description="Who gets a new contact: licensed, members or none (a word)."
    )
    domains: tuple[str, ...] = Field((), description="E-mail domains of new contacts; none: every domain (names).")
    departments: tuple[str, ...] = Field((), description="Departments of new contacts; none: every one (names).")
    groups: Annotated[tuple[str, ...], AfterValidator(_object_ids)] = Field(
        (), description="Entra groups of new contacts, nested ones count; none: everybody (object ids)."
    )
    service_patterns: tuple[str, ...] = Field(
        SERVICE_PATTERNS, description="Names before the @ that are no person, with * and ? (patterns)."
    )
    authority: dict[str, Authority] = Field(
        default_factory=dict, description="Who wins by field: overwrite, fill-blank or never (a word for each field)."
    )
    name_format: NameFormat = Field(
        NameFormat.FIRST_LAST, description="How names are written: first-last, display-name or keep (a word)."
    )
    default_region: Annotated[str, Field(pattern="^[A-Z]{2}$")] = Field(
        "US", description="Country of phone numbers that name none (two capital letters)."
    )
    blocked: LeaverRule = Field(
        LeaverRule.STATUS, description="What the contact of a blocked user gets: status or nothing (a word)."
    )
    deleted: LeaverRule = Field(
        LeaverRule.STATUS,
        description="What the contact of a deleted user gets: status (and no licence) or nothing (a word).",
    )
    custom_mappings: tuple[CustomMapping, ...] = Field(
        (), description="Further fields: attribute in Entra, field in Syncro, authority (a list of tables)."
    )
    extra_skus: tuple[SkuLabel, ...] = Field(
        (), description="Further licences: sku_id, label, rank; the built-in four rank 1 to 4 (a list of tables)."
    )
    cron: Annotated[str, AfterValidator(_cron_or_blank)] = Field(
        "", description="When full syncs begin; blank: as nightly.cron says (a cron line)."
    )
    fields: FieldNames = Field(default_factory=FieldNames, description="Names of the custom fields in Syncro.")

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

    @model_validator(mode="after")
    def _a_look_can_answer(self) -> CoalescePolicy:
        # The look comes first_window after its hint, and a read earlier than covered_after would never answer it.
        if self.first_window < self.covered_after:
            raise ValueError("first_window: must not be shorter than covered_after")
        return self
