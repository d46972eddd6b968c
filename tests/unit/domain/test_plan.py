"""The rules of the plan, one line each."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from shared.domain.changes import (
    Candidate,
    Conflict,
    ConflictReason,
    CreateContact,
    Excluded,
    ExclusionReason,
    FieldChange,
    Kind,
    NoChange,
    NotYet,
    Pinned,
    Plan,
    UpdateContact,
    row_digest,
)
from shared.domain.contact import Contact
from shared.domain.facts import Facts
from shared.domain.matching import Ambiguous, Found, Level, Match, NotFound
from shared.domain.plan import apply_to, plan
from shared.domain.policy import Authority, CreateScope, CustomMapping, FieldNames, LeaverRule, NameFormat, SyncPolicy
from shared.domain.user import AnyUser, Deleted, DirectoryUser, Missing, SoftDeleted
from tests.support.clock import START
from tests.support.people import CUSTOMER, a_contact, a_user

TODAY = date(2026, 11, 24)
PREMIUM = "Microsoft 365 Business Premium"
IN_STEP = {"azure_license": PREMIUM, "azure_account_status": "Active", "azure_object_id": "u1"}


def planned(
    user: AnyUser,
    found: Match,
    policy: SyncPolicy | None = None,
    *,
    facts: Facts | None = None,
    missing_fields: frozenset[str] = frozenset(),
) -> Plan:
    return plan(
        user,
        found,
        customer_id=CUSTOMER,
        facts=facts,
        policy=policy or SyncPolicy(),
        today=TODAY,
        missing_fields=missing_fields,
    )


def in_step(**facts: Any) -> Contact:
    """Anna's contact, equal to the plan for `a_user()` save for what the test names."""
    properties = {**IN_STEP, **facts.pop("properties", {})}
    return a_contact(**{"name": "Anna Meier", "email": "anna@contoso.example", **facts}, properties=properties)


def written(user: AnyUser, contact: Contact, policy: SyncPolicy | None = None, **rest: Any) -> dict[str, str]:
    """Field -> new value of the plan for a contact that was found by its link."""
    result = planned(user, Found(contact, Level.LINK), policy, **rest)
    return {each.field: each.after for each in result.changes} if isinstance(result, UpdateContact) else {}


# --- which plan ---------------------------------------------------------------------------------------------------


def test_a_contact_in_step_is_left_alone() -> None:
    result = planned(a_user(), Found(in_step(), Level.LINK))
    assert result == NoChange("u1", CUSTOMER, 1, "link")


def test_an_update_names_every_change_in_a_stable_order_with_its_reason() -> None:
    user = a_user(job_title="CEO", mobile_phone="+1 425 555 0109")
    contact = in_step(name="A. Meier", mobile="", properties={"azure_license": ""})
    result = planned(user, Found(contact, Level.MAIL))
    assert result == UpdateContact(
        "u1",
        CUSTOMER,
        1,
        (
            FieldChange(
                "name",
                "A. Meier",
                "Anna Meier",
                Kind.PROFILE,
                "Differs from name in Entra, and Entra decides this field.",
            ),
            FieldChange(
                "mobile", "", "+1 425 555 0109", Kind.PROFILE, "Empty in Syncro, filled from mobilePhone in Entra."
            ),
            FieldChange("title", "", "CEO", Kind.PROFILE, "Empty in Syncro, filled from jobTitle in Entra."),
            FieldChange("azure_license", "", PREMIUM, Kind.OWNED, "Follows the licences assigned in Entra."),
        ),
        "mail",
    )


def test_a_creation_carries_profile_and_owned_fields() -> None:
    result = planned(a_user(job_title="CEO", street_address="1 Main St\nSuite 4"), NotFound())
    assert isinstance(result, CreateContact)
    assert result.why == "An enabled member with an e-mail address and a paid licence, and no contact matches."
    assert {each.field: each.after for each in result.changes} == {
        "name": "Anna Meier",
        "email": "anna@contoso.example",
        "title": "CEO",
        "address1": "1 Main St",
        "address2": "Suite 4",
        **IN_STEP,
    }
    assert {each.before for each in result.changes} == {""}


def test_an_excluded_user_without_a_contact_gets_none() -> None:
    result = planned(a_user(user_type="Guest"), NotFound())
    assert result == Excluded("u1", CUSTOMER, ExclusionReason.GUEST)


@pytest.mark.parametrize("facts", [{"user_type": "Guest"}, {"sku_ids": ()}, {"account_enabled": False}, {"mail": None}])
def test_every_matched_user_is_updated_whatever_the_scope(facts: dict[str, Any]) -> None:
    policy = SyncPolicy(create_scope=CreateScope.NONE, domains=("elsewhere.example",))
    assert written(a_user(job_title="CEO", **facts), in_step(), policy)["title"] == "CEO"


def test_a_conflict_writes_nothing() -> None:
    candidates = (Candidate(3, ("name",)),)
    result = planned(a_user(), Ambiguous(ConflictReason.NAME_OR_PHONE_ONLY, candidates))
    assert result == Conflict("u1", CUSTOMER, ConflictReason.NAME_OR_PHONE_ONLY, candidates)


@pytest.mark.parametrize("user", [a_user(job_title="CEO"), SoftDeleted("u1", START), Deleted("u1", TODAY)])
def test_any_text_in_the_pin_field_pins_the_contact(user: AnyUser) -> None:
    contact = in_step(properties={"azure_sync_off": "no!"})
    assert planned(user, Found(contact, Level.LINK)) == Pinned("u1", CUSTOMER, 1)
    blank = in_step(properties={"azure_sync_off": "  "})
    assert isinstance(planned(user, Found(blank, Level.LINK)), UpdateContact)


@pytest.mark.parametrize("found", [NotFound(), Found(in_step(), Level.LINK), Ambiguous(ConflictReason.ALIAS_ONLY)])
def test_a_user_that_one_read_did_not_find_is_not_yet_known(found: Match) -> None:
    assert planned(Missing("u1"), found) == NotYet("u1", CUSTOMER)


# --- profile fields -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("authority", "before", "after"),
    [
        (Authority.OVERWRITE, "", "CEO"),
        (Authority.OVERWRITE, "Clerk", "CEO"),
        (Authority.FILL_BLANK, "", "CEO"),
        (Authority.FILL_BLANK, " ", "CEO"),
        (Authority.FILL_BLANK, "Clerk", None),
        (Authority.NEVER, "", None),
        (Authority.NEVER, "Clerk", None),
    ],
)
@pytest.mark.parametrize("field", ["title", "Role"])
def test_authority(field: str, authority: Authority, before: str, after: str | None) -> None:
    mapped = (CustomMapping(attribute="jobTitle", field="Role", authority=authority),)
    policy = SyncPolicy(
        authority={"title": authority if field == "title" else Authority.NEVER},
        custom_mappings=mapped if field == "Role" else (),
    )
    contact = in_step(title=before) if field == "title" else in_step(properties={"Role": before})
    assert written(a_user(job_title="CEO"), contact, policy).get(field) == after


@pytest.mark.parametrize("blank", [None, "", "   "])
def test_a_blank_in_entra_never_erases(blank: str | None) -> None:
    full = in_step(
        phone="1",
        mobile="2",
        title="CEO",
        address1="a",
        address2="b",
        city="c",
        state="d",
        zip="e",
        properties={"X": "f"},
    )
    user = a_user(
        display_name=blank,
        given_name=blank,
        surname=blank,
        mail=blank,
        business_phones=(blank,) if blank is not None else (),
        mobile_phone=blank,
        job_title=blank,
        street_address=blank,
        city=blank,
        state=blank,
        postal_code=blank,
        department=blank,
    )
    policy = SyncPolicy(custom_mappings=(CustomMapping(attribute="department", field="X"),))
    assert written(user, full, policy) == {}


@pytest.mark.parametrize(
    ("facts", "contact"),
    [
        ({}, in_step(name="MEIER,  anna")),
        ({}, in_step(email="ANNA@contoso.example")),
        ({"business_phones": ("+1 425 555 0109",)}, in_step(phone="(425) 555-0109")),
        ({"business_phones": ("030 123456",), "usage_location": "DE"}, in_step(phone="+49 30 123456")),
        ({"mobile_phone": "657.325.3258 x330"}, in_step(mobile="+16573253258 ext. 330")),
        # Syncro may keep the digits alone: read as a number of the user's own country they would be another one
        ({"mobile_phone": "+49 30 1234567", "usage_location": "US"}, in_step(mobile="49301234567")),
        ({"mobile_phone": "657.325.3258 x330", "usage_location": "US"}, in_step(mobile="6573253258330")),
        ({"job_title": "CEO"}, in_step(title=" CEO ")),
        ({"street_address": "1 Main  St\r\nSuite 4"}, in_step(address1="1 Main St", address2="Suite 4")),
    ],
)
def test_the_same_written_differently_is_no_change(facts: dict[str, Any], contact: Contact) -> None:
    assert written(a_user(**facts), contact) == {}


def test_values_are_written_as_entra_has_them() -> None:
    user = a_user(business_phones=("+49 (0)30 / 12 34-56",), mail="Anna.Meier@Contoso.example", city="BERLIN")
    assert written(user, in_step(city="Berlin")) == {
        "phone": "+49 (0)30 / 12 34-56",
        "email": "Anna.Meier@Contoso.example",
        "city": "BERLIN",
    }


def test_a_changed_extension_is_a_change() -> None:
    user = a_user(business_phones=("425 555 0109 x2",))
    assert written(user, in_step(phone="425 555 0109 x1")) == {"phone": "425 555 0109 x2"}


def test_keep_leaves_names_alone_and_still_names_new_contacts() -> None:
    policy = SyncPolicy(name_format=NameFormat.KEEP)
    assert written(a_user(), in_step(name="Annie"), policy) == {}
    created = planned(a_user(), NotFound(), policy)
    assert isinstance(created, CreateContact)
    assert created.changes[0].after == "Anna Meier"


def test_a_new_contact_has_name_and_address_whatever_the_authority() -> None:
    policy = SyncPolicy(authority=dict.fromkeys(("name", "email", "title"), Authority.NEVER))
    created = planned(a_user(job_title="CEO"), NotFound(), policy)
    assert isinstance(created, CreateContact)
    assert [each.field for each in created.changes if each.kind is Kind.PROFILE] == ["name", "email"]


# --- owned fields -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("enabled", [True, False])
def test_the_licence_follows_the_fresh_read_blocked_or_not_and_is_cleared(enabled: bool) -> None:
    assert written(a_user(account_enabled=enabled, sku_ids=()), in_step())["azure_license"] == ""
    renewed = in_step(properties={"azure_license": "Microsoft 365 Business Basic"})
    assert written(a_user(account_enabled=enabled), renewed)["azure_license"] == PREMIUM


@pytest.mark.parametrize(
    ("enabled", "before", "after"),
    [
        (True, "Active", None),
        (True, "", "Active"),
        (True, "Blocked since 2026-01-02", "Active"),
        (True, "Deleted since 2026-01-02", "Active"),
        (False, "Active", "Blocked since 2026-11-24"),
        (False, "", "Blocked since 2026-11-24"),
        (False, "Blocked since 2026-01-02", None),
        (False, "Blocked since forever", "Blocked since 2026-11-24"),
        (False, "Deleted since 2026-01-02", "Blocked since 2026-11-24"),
    ],
)
def test_account_status(enabled: bool, before: str, after: str | None) -> None:
    contact = in_step(properties={"azure_account_status": before})
    assert written(a_user(account_enabled=enabled), contact).get("azure_account_status") == after


def test_blocking_changes_the_status_only() -> None:
    assert written(a_user(account_enabled=False), in_step()) == {"azure_account_status": "Blocked since 2026-11-24"}


@pytest.mark.parametrize(("before", "after"), [("", "u1"), ("u2", "u1"), ("u1", None), (" U1 ", None)])
def test_object_id(before: str, after: str | None) -> None:
    assert written(a_user(), in_step(properties={"azure_object_id": before})).get("azure_object_id") == after


def test_facts_are_followed_and_the_unknown_leaves_untouched() -> None:
    contact = in_step(
        properties={"azure_mfa_status": "disabled", "azure_mfa_methods": "Phone", "azure_last_activity": "x"}
    )
    facts = Facts(read_at=START, mfa_status="enabled", mfa_methods="", last_activity=None)
    assert written(a_user(), contact, facts=facts) == {"azure_mfa_status": "enabled", "azure_mfa_methods": ""}
    assert written(a_user(), contact, facts=None) == {}


def test_field_names_are_settings_and_a_field_that_syncro_lacks_is_left_out() -> None:
    policy = SyncPolicy(fields=FieldNames(license="M365 licence", object_id="Entra id"))
    assert written(a_user(), in_step(), policy) == {"M365 licence": PREMIUM, "Entra id": "u1"}
    assert written(a_user(), in_step(), policy, missing_fields=frozenset({"M365 licence"})) == {"Entra id": "u1"}
    lacking = frozenset({"M365 licence", "Entra id"})
    assert isinstance(planned(a_user(), Found(in_step(), Level.LINK), policy, missing_fields=lacking), NoChange)
    created = planned(a_user(), NotFound(), policy, missing_fields=lacking)
    assert isinstance(created, CreateContact)
    assert [each.field for each in created.changes] == ["name", "email", "azure_account_status"]


# --- leaving ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "before", "after"),
    [
        (SoftDeleted("u1", datetime(2026, 11, 20, 23, 30, tzinfo=UTC)), "Active", "Deleted since 2026-11-20"),
        (SoftDeleted("u1", START), "Deleted since 2026-01-02", "Deleted since 2026-11-24"),
        (Deleted("u1", date(2026, 11, 21)), "Active", "Deleted since 2026-11-21"),
        (Deleted("u1", date(2026, 11, 21)), "Blocked since 2026-01-02", "Deleted since 2026-11-21"),
        (Deleted("u1", date(2026, 11, 21)), "Deleted since 2026-01-02", None),
    ],
)
def test_a_deleted_user_costs_no_licence_and_its_contact_says_so(user: AnyUser, before: str, after: str | None) -> None:
    contact = in_step(title="CEO", properties={"azure_account_status": before, "azure_mfa_status": "enabled"})
    expected = {"azure_license": ""} | ({"azure_account_status": after} if after else {})
    assert written(user, contact, facts=Facts(START, mfa_status="disabled")) == expected


@pytest.mark.parametrize("user", [SoftDeleted("u1", START), Deleted("u1", TODAY)])
def test_a_deleted_user_without_a_contact_gets_none(user: AnyUser) -> None:
    assert planned(user, NotFound()) == Excluded("u1", CUSTOMER, ExclusionReason.GONE)


# --- apply_to and the digest --------------------------------------------------------------------------------------


def test_apply_to_is_the_contact_as_it_would_be() -> None:
    before = in_step(properties={"notification_billing": "1"})
    changes = (
        FieldChange("title", "", "CEO", Kind.PROFILE, ""),
        FieldChange("azure_license", PREMIUM, "", Kind.OWNED, ""),
    )
    after = apply_to(before, changes)
    assert (after.title, after.properties) == (
        "CEO",
        {**IN_STEP, "azure_license": "", "notification_billing": "1", "title": "CEO"},
    )
    assert before.title == ""


def an_update(**differences: Any) -> UpdateContact:
    change = {"field": "title", "before": "", "after": "CEO", "kind": Kind.PROFILE, "why": "because", **differences}
    return UpdateContact("u1", CUSTOMER, 1, (FieldChange(**change),), "link")


def test_the_row_digest_is_stable() -> None:
    assert row_digest(an_update()) == "7b45c6f89e8e"
    assert row_digest(NoChange("u1", CUSTOMER, 1)) == row_digest(NoChange("u1", CUSTOMER, None, "mail"))


@pytest.mark.parametrize("differences", [{"field": "name"}, {"before": "x"}, {"after": "x"}])
def test_the_row_digest_changes_with_what_would_be_written(differences: dict[str, str]) -> None:
    assert row_digest(an_update(**differences)) != row_digest(an_update())


def test_the_row_digest_ignores_reasons_and_the_day_on_which_a_block_was_noticed() -> None:
    assert row_digest(an_update(why="another sentence")) == row_digest(an_update())
    days = [an_update(kind=Kind.OWNED, after=f"Blocked since 2026-11-{day}") for day in (24, 25)]
    assert row_digest(days[0]) == row_digest(days[1])
    assert row_digest(days[0]) != row_digest(an_update(kind=Kind.OWNED, after="Deleted since 2026-11-24"))


def test_the_digests_of_two_plans_differ() -> None:
    user = a_user()
    assert isinstance(user, DirectoryUser)
    plans = [planned(user, NotFound()), planned(user, Found(a_contact(1), Level.LINK)), NotYet("u1", CUSTOMER)]
    plans.append(planned(user, Found(a_contact(2), Level.LINK)))
    assert len({row_digest(each) for each in plans}) == len(plans)


# --- leaver rules -------------------------------------------------------------------------------------------------


def test_a_customer_may_want_nothing_of_blocked_users() -> None:
    policy = SyncPolicy(blocked=LeaverRule.NOTHING)
    blocked = a_user(account_enabled=False, job_title="Cook", sku_ids=())
    assert written(blocked, in_step(), policy) == {"title": "Cook", "azure_license": ""}
    contact = in_step(properties={**IN_STEP, "azure_account_status": "Blocked since 2026-01-02"})
    assert written(a_user(), contact, policy) == {"azure_account_status": "Active"}


@pytest.mark.parametrize("user", [SoftDeleted("u1", START), Deleted("u1", date(2026, 11, 21))])
def test_a_customer_may_want_nothing_of_deleted_users(user: AnyUser) -> None:
    found = Found(in_step(), Level.LINK)
    assert planned(user, found, SyncPolicy(deleted=LeaverRule.NOTHING)) == NoChange("u1", CUSTOMER, 1, "link")
