"""Every switch of the simulated Microsoft, with the harsh default, and the faults a test injects.

Values are plain numbers, booleans, strings and flat dicts, so that the control API can carry them as JSON. Durations
end in `_s` and are seconds as the vendor documents them; real waits are divided by `speed`. Nothing here acts: the
parts read the switches each time. Next: sandbox/microsoft/cloud.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(slots=True)
class Fault:
    """One injected failure of the login, Graph or partner service.

    `path` is a regular expression searched in the path below the version (`/users/...`, `/$batch`) or, for login and
    partner, in the whole path. `status` 0 only delays; `drop` closes the connection without an answer. `times` None
    means for good.
    """

    service: str = "graph"
    method: str = "*"
    path: str = ""
    tenant: str | None = None
    status: int = 0
    code: str = "UnknownError"
    message: str = ""
    retry_after: str | None = None
    delay_s: float = 0.0
    drop: bool = False
    times: int | None = 1

    def matches(self, service: str, tenant: str, method: str, path: str) -> bool:
        return (
            self.service == service
            and self.times != 0
            and self.method in ("*", method)
            and self.tenant in (None, tenant)
            and re.search(self.path, path, re.IGNORECASE) is not None
        )


@dataclass(slots=True)
class Switches:
    """See the module; `change()` is the only writer the control API needs."""

    # login
    login_errors: dict[str, int] = field(default_factory=dict)  # tenant id or "*" -> AADSTS code
    roleless_tokens: bool = False
    token_life_s: int = 3599
    token_lag_s: float = 0.5  # so long after a consent tokens still show what was granted before

    # consent
    consent_declined: bool = False
    consent_page: str = "redirect"  # redirect (answered at once wherever the tenant is known) or page (a person clicks)
    consent_as: str = ""  # tenant id of whoever signs in at /organizations or /common; "": the page asks
    consent_roles: list[str] = field(default_factory=list)  # a consent grants only these; empty: what the app asks for
    redirect_uris: list[str] = field(default_factory=list)  # the registered ones; empty: any
    decline_error: str = "consent_required"  # or permission_denied, access_denied: all three are seen
    decline_names_tenant: bool = False
    unauthorized_after_consent: int = 1  # so many first subscriptions of a newly consented tenant answer 401

    # people who sign in, and what partners do for their customers
    device_code: str = "approve"  # what the person at the other device does: approve, decline, expire, wait
    device_code_pending: int = 1  # so many polls are answered authorization_pending before that
    device_code_interval_s: int = 5
    device_code_life_s: float = 900.0
    refresh_token_life_s: float = 90 * 86400.0
    public_client_flows: bool = True  # the app's registration allows a sign-in without its secret
    partner_page_max: int = 50
    partner_byte_order_mark: bool = True  # answers of Partner Center begin with one
    introduction_lag_s: float = 0.5  # what Partner Center granted is seen in the customer's tenant only so much later
    role_lag_s: float = 1.0  # a role assigned through Graph is in tokens and lists only so much later

    # directory and reads
    replication_lag_s: float = 1.0
    delta_lag_s: float = 1.0
    page_token_life_s: float = 300.0
    graph_latency_s: float = 0.0
    date_skew_s: float = 0.0  # the Date header of every answer of Microsoft is so far from the truth
    batch_shuffle: bool = True
    users_share: float = 1.0  # of the users of a listing so many are answered, as if there were no others
    users_page_max: int = 999  # pages of users may be shorter than asked for
    lost_next_links: int = 0  # so many next pages of users end the listing although there are more
    torn_pages: int = 0  # so many next pages of users break off in the midst of their JSON

    # throttling
    throttling: bool = True
    retry_after: str = "fractional"  # fractional, integer or none
    limit_window_divisor: float = 1.0

    # delta
    delta_page_size: int = 200
    delta_token_life_s: float = 7 * 86400.0
    delta_empty_page_rate: float = 0.2
    delta_repeat_rate: float = 0.1
    delta_restore_hidden: bool = True
    delta_removed_in_first_round: bool = True
    delta_resets: int = 0  # so many next delta-link calls answer 410 with a Location

    # subscriptions
    strict_https: bool = False  # True refuses http even on loopback hosts
    handshake_timeout_s: float = 10.0
    handshake_on_renewal: bool = False
    created_change_type_accepted: bool = True
    first_create_unauthorized: int = 0  # so many next creations of any tenant answer 401 although the role is there
    missing_role_status: int = 403  # 403 or 401, both are seen
    subscription_max_minutes: int = 41_760
    expiration_error_style: str = "plain"  # plain or extension
    subscription_page_size: int = 20
    subscription_list_omits: bool = False
    patch_keeps_expiry: bool = False
    reauthorize_corrupts: bool = True
    deliver_before_created: bool = False
    quota_per_app: int = 50_000
    quota_per_tenant: int = 1_000
    quota_per_app_and_tenant: int = 100
    other_vendors_subscriptions: int = 0

    # delivery
    delivery: bool = True
    latency_min_s: float = 0.1
    latency_max_s: float = 1.0
    duplicate_rate: float = 0.2
    duplicate_delay_s: float = 2.0
    disorder: bool = True
    loss_rate: float = 0.0
    replay_rate: float = 0.0
    replay_delay_s: float = 7200.0
    batch_max: int = 20
    updates_per_creation_min: int = 2
    updates_per_creation_max: int = 5
    event_time_rate: float = 0.5
    offset_date_rate: float = 0.3
    first_timeout_s: float = 3.0
    retry_timeout_s: float = 10.0
    retry_first_s: float = 2.0
    retry_cap_s: float = 600.0
    retry_window_s: float = 4 * 3600.0
    speed: float = 1.0

    # penalty box
    penalty_box: bool = True
    penalty_window_s: float = 600.0
    penalty_min_responses: int = 100

    # lifecycle
    lifecycle: bool = True
    challenge_interval_s: float = 900.0
    token_hold_min_s: float = 3600.0
    token_hold_max_s: float = 5400.0
    stop_after_token_expiry: bool = False

    # reports
    false_non_premium: int = 0  # so many next calls that need P1 are refused although the tenant has it
    false_non_premium_rate: float = 0.0  # the same by chance
    sign_in_top: str = "refused"  # $top above 500 with signInActivity: refused or capped
    per_user_mfa: str = "served"  # $select=perUserMfaState: served (with Policy.Read.All), refused (403), unknown (400)
    empty_pages: int = 0  # so many next listings (users, registration) begin with an empty page and a next link
    mixed_case_ids: bool = False  # product ids everywhere and user ids in the registration report
    mixed_case_names: bool = True  # user principal names in the registration and usage reports
    registration_report: str = "fresh"  # fresh, stale (two days old) or empty
    registration_delay_s: float = 3600.0  # a new user has no row before
    registration_page_max: int = 999
    registration_token_life_s: float = 300.0
    usage_report: str = "fresh"  # fresh, stale or empty
    usage_link_life_s: float = 300.0
    concealed_names: str = "by_tenant"  # by_tenant (concealed unless the tenant says otherwise), always, never
    secure_score: str = "fresh"  # fresh, stalled (no new day for three weeks) or none
    score_counts: str = "odd"  # odd (assigned licences plus 500,000; nobody active) or plain

    faults: list[Fault] = field(default_factory=list)

    def change(self, values: Mapping[str, Any]) -> None:
        """Set several switches at once, all or none; ValueError names the first unknown name or wrong type."""
        kinds = {entry.name: type(getattr(self, entry.name)) for entry in fields(self) if entry.name != "faults"}
        checked = {name: _fitting(name, value, kinds.get(name)) for name, value in values.items()}
        for name, value in checked.items():
            setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        """All switches and pending faults as JSON-ready values."""
        return asdict(self)

    def reset(self) -> None:
        """Back to the defaults; pending faults are forgotten."""
        fresh = Switches()
        for entry in fields(self):
            setattr(self, entry.name, getattr(fresh, entry.name))

    def take_empty_page(self) -> bool:
        """Whether the listing that begins now starts with an empty page; counts down."""
        if self.empty_pages <= 0:
            return False
        self.empty_pages -= 1
        return True

    def take_lost_link(self) -> bool:
        """Whether a page of users that is not the last has no next link; counts down."""
        if self.lost_next_links <= 0:
            return False
        self.lost_next_links -= 1
        return True

    def take_torn_page(self) -> bool:
        """Whether a page of users breaks off; counts down."""
        if self.torn_pages <= 0:
            return False
        self.torn_pages -= 1
        return True

    def add_fault(self, **values: Any) -> Fault:
        """Queue one fault (fields of `Fault`); the first matching one is used first."""
        try:
            fault = Fault(**values)
            re.compile(fault.path)
        except (TypeError, re.error) as error:
            raise ValueError(f"not a fault: {error}") from error
        self.faults.append(fault)
        return fault

    def take_fault(self, service: str, tenant: str, method: str, path: str) -> Fault | None:
        """The fault that applies to this call, counted down; None if there is none."""
        for fault in self.faults:
            if fault.matches(service, tenant, method, path):
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None


_CHOICES = {
    "retry_after": ("fractional", "integer", "none"),
    "expiration_error_style": ("plain", "extension"),
    "sign_in_top": ("refused", "capped"),
    "per_user_mfa": ("served", "refused", "unknown"),
    "registration_report": ("fresh", "stale", "empty"),
    "usage_report": ("fresh", "stale", "empty"),
    "concealed_names": ("by_tenant", "always", "never"),
    "secure_score": ("fresh", "stalled", "none"),
    "score_counts": ("odd", "plain"),
    "consent_page": ("redirect", "page"),
    "decline_error": ("consent_required", "permission_denied", "access_denied"),
    "device_code": ("approve", "decline", "expire", "wait"),
}


def _fitting(name: str, value: Any, kind: type | None) -> Any:
    if kind is None:
        raise ValueError(f"no such switch: {name}")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise ValueError(f"switch {name} takes {kind.__name__}, not {type(value).__name__}")
    if value not in _CHOICES.get(name, (value,)):
        raise ValueError(f"switch {name} is one of {', '.join(_CHOICES[name])}")
    return value
