"""The customer's own fields."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from shared.domain.changes import Kind
from shared.domain.contact import Customer
from shared.domain.facts import Facts
from shared.domain.nightly import CountSource
from shared.domain.policy import FieldNames, SyncPolicy
from shared.domain.tenant import SecureScore, TenantReading, merged
from shared.domain.totals import customer_changes, wanted_totals
from shared.domain.user import DirectoryUser
from tests.support.people import FREE_SKU, somebody

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
TODAY = NOW.date()
TENANT = "11111111-2222-3333-4444-555555555555"
USERS = (
    somebody(1),
    somebody(2, account_enabled=False),
    somebody(3, sku_ids=()),
    somebody(4, sku_ids=(FREE_SKU,)),
    somebody(5, user_type="Guest", sku_ids=()),
    somebody(6, user_principal_name="jo_x.example#EXT#@contoso.example", sku_ids=()),
    somebody(7, sku_ids=("c5928f49-12ba-48f7-ada3-0d743a3601d5",)),
)


def score(current: float = 241.5, maximum: float = 330.0, taken_on: date = TODAY, **counts: int | None) -> SecureScore:
    return SecureScore(current, maximum, taken_on, **counts)


def wanted(
    secure_score: SecureScore | None, counts: CountSource = CountSource.COMPUTED, **policy: Any
) -> dict[str, str]:
    reading = TenantReading(TENANT, NOW, USERS, secure_score=secure_score)
    return dict(wanted_totals(reading, SyncPolicy(**policy), counts, now=NOW))


def test_everything_as_text_under_the_names_of_the_policy() -> None:
    assert wanted(score()) == {
        "microsoft_secure_score": "73.2 % (241.5 of 330 points)",
        "azure_licensed_user_count": "3",
        "azure_active_user_count": "4",
        "azure_tenant_id": TENANT,
    }
    names = FieldNames(secure_score="Score", licensed_users="Paid", active_users="Active", tenant_id="Tenant")
    assert list(wanted(score(), fields=names)) == ["Score", "Paid", "Active", "Tenant"]


@pytest.mark.parametrize(
    ("secure_score", "text"),
    [
        (score(), "73.2 % (241.5 of 330 points)"),
        (score(0, 330), "0.0 % (0 of 330 points)"),
        (score(330, 330), "100.0 % (330 of 330 points)"),
        (score(1, 3), "33.3 % (1 of 3 points)"),
        (score(12.34, 45.67), "27.0 % (12.3 of 45.7 points)"),
        (score(1234, 5678), "21.7 % (1234 of 5678 points)"),
        (score(taken_on=TODAY - timedelta(days=14)), "73.2 % (241.5 of 330 points)"),
        (score(taken_on=TODAY + timedelta(days=1)), "73.2 % (241.5 of 330 points)"),  # dated by another clock
        (score(taken_on=TODAY - timedelta(days=15)), None),
        (score(10, 0), None),
        (score(10, -1), None),
        (score(-1, 10), None),
        (None, None),
    ],
)
def test_secure_score(secure_score: SecureScore | None, text: str | None) -> None:
    known = wanted(secure_score)
    assert known.get("microsoft_secure_score") == text
    assert known["azure_licensed_user_count"] == "3"  # counted, whatever Microsoft's score says


@pytest.mark.parametrize(
    ("secure_score", "licensed", "active"),
    [
        (score(licensed_users=287, active_users=212), "287", "212"),
        (score(licensed_users=505_785, active_users=212), "5785", "212"),
        (score(licensed_users=500_000, active_users=500_212), "0", "212"),
        (score(licensed_users=499_999, active_users=1), "499999", "1"),
        (score(licensed_users=0, active_users=0), "0", None),
        (score(licensed_users=5, active_users=500_000), "5", None),
        (score(licensed_users=None, active_users=None), None, None),
        (score(taken_on=TODAY - timedelta(days=15), licensed_users=5, active_users=5), None, None),
        (None, None, None),
    ],
)
def test_microsofts_own_counts_for_parity(
    secure_score: SecureScore | None, licensed: str | None, active: str | None
) -> None:
    known = wanted(secure_score, CountSource.SECURE_SCORE)
    assert known.get("azure_licensed_user_count") == licensed
    assert known.get("azure_active_user_count") == active
    assert known["azure_tenant_id"] == TENANT


def test_an_empty_tenant_counts_nobody() -> None:
    known = wanted_totals(TenantReading(TENANT, NOW, ()), SyncPolicy(), CountSource.COMPUTED, now=NOW)
    assert (known["azure_licensed_user_count"], known["azure_active_user_count"]) == ("0", "0")


# --- what differs -------------------------------------------------------------------------------------------------


def test_only_what_differs_is_a_change() -> None:
    customer = Customer(7, "Contoso", properties={"microsoft_secure_score": "70.0 %", "azure_tenant_id": f" {TENANT} "})
    changes = customer_changes(customer, wanted(score()), frozenset())
    assert [(each.field, each.before, each.after) for each in changes] == [
        ("microsoft_secure_score", "70.0 %", "73.2 % (241.5 of 330 points)"),
        ("azure_licensed_user_count", "", "3"),
        ("azure_active_user_count", "", "4"),
    ]
    assert {each.kind for each in changes} == {Kind.OWNED}


def test_what_is_unknown_or_lacking_is_left_alone() -> None:
    customer = Customer(7, "Contoso", properties={"microsoft_secure_score": "70.0 %"})
    lacking = frozenset({"azure_licensed_user_count", "azure_tenant_id"})
    assert [each.field for each in customer_changes(customer, wanted(None), lacking)] == ["azure_active_user_count"]
    assert customer_changes(customer, {}) == ()


def test_a_second_time_nothing_differs() -> None:
    known = wanted(score())
    assert customer_changes(Customer(7, "Contoso", properties=known), known) == ()


# --- several tenants, and parts of one ----------------------------------------------------------------------------


def other(*, users: tuple[DirectoryUser, ...] = USERS[:2], **counts: Any) -> TenantReading:
    return TenantReading("second", NOW, users, secure_score=score(1, 2, **counts))


def test_counts_of_all_tenants_are_summed_and_the_rest_is_the_firsts() -> None:
    reading = TenantReading(TENANT, NOW, USERS, secure_score=score())
    both = wanted_totals(reading, SyncPolicy(), CountSource.COMPUTED, now=NOW, more=[other()])
    assert both == wanted(score()) | {"azure_licensed_user_count": "5", "azure_active_user_count": "5"}


def test_microsofts_own_counts_are_corrected_before_they_are_summed() -> None:
    reading = TenantReading(TENANT, NOW, USERS, secure_score=score(licensed_users=500_007, active_users=4))
    both = wanted_totals(
        reading,
        SyncPolicy(),
        CountSource.SECURE_SCORE,
        now=NOW,
        more=[other(licensed_users=500_003, active_users=None)],
    )
    assert both["azure_licensed_user_count"] == "10"
    assert "azure_active_user_count" not in both


@pytest.mark.parametrize(
    ("policy", "licensed"),
    [
        (SyncPolicy(), "3"),
        (SyncPolicy(departments=("Sales",)), "1"),
        (SyncPolicy(groups=("00000001-0000-4000-8000-000000000000",)), None),
    ],
)
def test_of_a_shared_tenant_only_the_chosen_part_is_counted(policy: SyncPolicy, licensed: str | None) -> None:
    reading = TenantReading(TENANT, NOW, (*USERS[1:], somebody(1, department="Sales")), secure_score=score())
    told = wanted_totals(reading, policy, CountSource.COMPUTED, now=NOW, is_shared=True)
    assert told.get("azure_licensed_user_count") == licensed
    whole = wanted_totals(reading, policy, CountSource.COMPUTED, now=NOW)
    assert whole["azure_licensed_user_count"] == "3"


def test_microsofts_own_counts_know_no_parts() -> None:
    reading = TenantReading(TENANT, NOW, USERS, secure_score=score(licensed_users=7, active_users=4))
    policy = SyncPolicy(departments=("Sales",))
    told = wanted_totals(reading, policy, CountSource.SECURE_SCORE, now=NOW, is_shared=True)
    assert {"azure_licensed_user_count", "azure_active_user_count"}.isdisjoint(told)


def test_tenants_become_one_reading_in_which_everybody_is_once() -> None:
    early = NOW - timedelta(minutes=5)
    one = TenantReading(
        "a", NOW, (somebody(1), somebody(2)), {"u1": Facts(NOW)}, True, {"sku": "ONE"}, score(), ("x",), 3
    )
    two = TenantReading(
        "b", early, (somebody(2, city="x"), somebody(3)), {"u1": Facts(early), "u3": Facts(early)}, False,
        {"sku": "TWO", "more": "M"}, None, ("y",), 4,
    )  # fmt: skip
    whole = merged([one, two])
    assert (whole.tenant_id, whole.began, whole.secure_score, whole.requests) == ("a", early, score(), 7)
    assert sorted((user.id, user.city) for user in whole.users) == [("u1", None), ("u2", None), ("u3", None)]
    assert whole.facts == {"u1": Facts(NOW), "u3": Facts(early)}
    assert whole.part_numbers == {"sku": "ONE", "more": "M"}
    assert (whole.premium, whole.unknown) == (None, ("Tenant a: x", "Tenant b: y"))
    assert merged([one]) is one
