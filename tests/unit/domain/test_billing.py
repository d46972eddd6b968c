"""Billing truth: three reports with names, and a code over the one that can be cleared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.billing import BillingReport, SameEmail, report
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
    Pinned,
    Plan,
    UpdateContact,
)
from shared.domain.contact import Contact
from shared.domain.matching import assign
from shared.domain.plan import plan as plan_of
from shared.domain.policy import SkuLabel, SyncPolicy
from shared.domain.user import DirectoryUser
from tests.support.people import CUSTOMER, FREE_SKU, PREMIUM_SKU, a_contact, a_user, somebody

PREMIUM = "Microsoft 365 Business Premium"
BASIC = "Microsoft 365 Business Basic"
BASIC_SKU = "3b555118-da6a-4418-894f-7df1e2096870"
E5 = "06ebc4ee-1bb5-47dd-8120-11324bc54e06"
CHANGE = FieldChange("azure_license", "", PREMIUM, Kind.OWNED, "why")


def said(
    users: Sequence[DirectoryUser],
    contacts: Sequence[Contact],
    plans: Sequence[Plan],
    links: Mapping[int, str] | None = None,
    **policy: Any,
) -> BillingReport:
    return report(CUSTOMER, users, contacts, plans, links or {}, SyncPolicy(**policy), {E5: "SPE_E5"})


def anna(value: str = PREMIUM, **properties: str) -> Contact:
    return a_contact(1, name="Anna Meier", properties={"azure_license": value, **properties})


def in_step(user_id: str = "u1", contact_id: int = 1) -> NoChange:
    return NoChange(user_id, CUSTOMER, contact_id, "link")


# --- billed without a licence -------------------------------------------------------------------------------------


def test_a_contact_whose_user_holds_the_licence_is_in_order() -> None:
    both = a_user(sku_ids=(PREMIUM_SKU, BASIC_SKU))
    for contact in (anna(), anna(PREMIUM.upper()), anna(BASIC), anna(""), anna(" ")):
        assert said([both], [contact], [in_step()]).without_licence == ()


@pytest.mark.parametrize(
    ("users", "plans", "links", "contact", "why", "can_clear"),
    [
        ([], [], {}, anna(), "No user belongs to this contact.", True),
        ([], [], {1: "u1"}, anna(), "Its user is no longer among the tenant's users.", True),
        ([], [], {}, anna(azure_object_id="u1"), "Its user is no longer among the tenant's users.", True),
        ([a_user(sku_ids=())], [in_step()], {}, anna(), "Its user holds no licence that counts.", True),
        (
            [a_user(sku_ids=(E5, FREE_SKU))],
            [in_step()],
            {1: "u1"},
            anna(),
            "Its user holds no licence that counts.",
            True,
        ),
        (
            [a_user(sku_ids=(BASIC_SKU,))],
            [in_step()],
            {},
            anna(),
            f"Its user holds {BASIC} instead; the next full sync writes that.",
            False,
        ),
        ([a_user()], [in_step()], {}, anna("Premium (by hand)"), f"Its user holds {PREMIUM} instead;", False),
        (
            [a_user(sku_ids=())],
            [Pinned("u1", CUSTOMER, 1)],
            {},
            anna(azure_sync_off="boss"),
            "The contact is locked; only a person may change it.",
            False,
        ),
        ([], [], {}, anna(azure_sync_off="boss"), "The contact is locked; only a person may change it.", False),
        (
            [a_user()],
            [Conflict("u1", CUSTOMER, ConflictReason.SEVERAL_CONTACTS, (Candidate(1, ("mail",)), Candidate(2, ())))],
            {},
            anna(),
            "Nobody decided yet whose contact it is: several contacts share this address.",
            False,
        ),
        (  # whoever it turns out to be, that user holds no such licence
            [a_user(sku_ids=())],
            [Conflict("u1", CUSTOMER, ConflictReason.ALIAS_ONLY, (Candidate(1, ("alias",)),))],
            {},
            anna(),
            "No user belongs to this contact.",
            True,
        ),
    ],
)
def test_billed_without_a_licence(
    users: list[DirectoryUser], plans: list[Plan], links: dict[int, str], contact: Contact, why: str, can_clear: bool
) -> None:
    (row,) = said(users, [contact], plans, links).without_licence
    assert (row.contact_id, row.contact_label, row.value) == (1, "Anna Meier", contact.value("azure_license"))
    assert row.why.startswith(why)
    assert row.can_clear is can_clear


def test_the_user_is_named_where_there_is_one() -> None:
    (row,) = said([a_user(sku_ids=())], [anna()], [in_step()]).without_licence
    assert (row.user_id, row.user_label) == ("u1", "Anna Meier")
    (row,) = said(
        [], [a_contact(5, name="", email="x@y.example", properties={"azure_license": "E"})], []
    ).without_licence
    assert (row.user_id, row.user_label, row.contact_label) == ("", "", "x@y.example")
    (row,) = said([], [a_contact(5, name="", properties={"azure_license": "E"})], []).without_licence
    assert row.contact_label == "contact 5"


def test_labels_of_the_deployment_and_names_of_fields_count() -> None:
    extra = (SkuLabel(sku_id=E5, label="Microsoft 365 E5", rank=9),)
    user = a_user(sku_ids=(E5.upper(),))
    assert said([user], [anna("Microsoft 365 E5")], [in_step()], extra_skus=extra).without_licence == ()
    assert len(said([user], [anna("Microsoft 365 E5")], [in_step()]).without_licence) == 1


def test_the_case_of_an_object_id_means_nothing() -> None:
    result = said([a_user("ABC")], [anna()], [in_step("abc")])
    assert (result.without_licence, result.not_billed) == ((), ())


# --- licensed but not billed --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "plan", "contacts", "licence", "why"),
    [
        (
            a_user(),
            Conflict("u1", CUSTOMER, ConflictReason.ALIAS_ONLY, ()),
            [anna("")],
            PREMIUM,
            "A person has to choose the contact: a contact matches only by an alias of this user.",
        ),
        (
            a_user(user_type="Guest"),
            Excluded("u1", CUSTOMER, ExclusionReason.GUEST),
            [],
            PREMIUM,
            "Out of scope: is a guest.",
        ),
        (
            a_user(),
            Pinned("u1", CUSTOMER, 1),
            [anna("", azure_sync_off="x")],
            PREMIUM,
            "The contact is locked; only a person may change it.",
        ),
        (
            a_user(),
            CreateContact("u1", CUSTOMER, (CHANGE,), "why"),
            [],
            PREMIUM,
            "There is no contact yet; the next full sync creates it.",
        ),
        (
            a_user(),
            UpdateContact("u1", CUSTOMER, 1, (CHANGE,), "mail"),
            [anna(BASIC)],
            PREMIUM,
            "The contact does not say so yet; the next full sync writes it.",
        ),
        (
            a_user(),
            in_step(),
            [anna("")],
            PREMIUM,
            "The contact does not say so, and no change is planned: azure_license is missing, frozen or not kept.",
        ),
        (a_user(), NoChange("u1", CUSTOMER, None), [], PREMIUM, "There is no contact for this user."),
        (
            a_user(sku_ids=(E5, FREE_SKU)),
            in_step(),
            [anna("")],
            "SPE_E5",
            "No label is set for SPE_E5; add one to policy.extra_skus if it is to be billed.",
        ),
        (
            a_user(sku_ids=("NEW", E5.upper())),
            Excluded("u1", CUSTOMER, ExclusionReason.NO_ADDRESS),
            [],
            "SPE_E5, new",
            "No label is set for SPE_E5, new; add one to policy.extra_skus if it is to be billed.",
        ),
    ],
)
def test_licensed_but_not_billed(
    user: DirectoryUser, plan: Plan, contacts: list[Contact], licence: str, why: str
) -> None:
    (row,) = said([user], contacts, [plan]).not_billed
    assert (row.user_id, row.user_label, row.licence, row.why) == ("u1", "Anna Meier", licence, why)
    has_contact = isinstance(plan, Pinned | UpdateContact) or (isinstance(plan, NoChange) and bool(contacts))
    assert (row.contact_id, row.contact_label) == ((1, "Anna Meier") if has_contact else (None, ""))


@pytest.mark.parametrize(
    ("user", "plan", "contacts"),
    [
        (a_user(), in_step(), [anna()]),
        (a_user(), Pinned("u1", CUSTOMER, 1), [anna(azure_sync_off="x")]),  # locked, and says the right thing
        (a_user(sku_ids=(PREMIUM_SKU, E5)), in_step(), [anna()]),  # one label is billed; the rest are add-ons
        (a_user(sku_ids=(FREE_SKU,)), in_step(), [anna("")]),
        (a_user(sku_ids=()), Excluded("u1", CUSTOMER, ExclusionReason.NO_LICENCE), []),
    ],
)
def test_everybody_else_is_in_order(user: DirectoryUser, plan: Plan, contacts: list[Contact]) -> None:
    assert said([user], contacts, [plan]).not_billed == ()


def test_a_product_with_an_empty_label_is_left_out_on_purpose() -> None:
    extra = (SkuLabel(sku_id=E5, label="", rank=1),)
    assert said([a_user(sku_ids=(E5,))], [anna("")], [in_step()], extra_skus=extra).not_billed == ()


# --- same e-mail twice --------------------------------------------------------------------------------------------


def test_contacts_that_share_an_address() -> None:
    contacts = [
        a_contact(4, name="Anna M.", email=" ANNA@contoso.example"),
        a_contact(2, name="Anna Meier", email="anna@contoso.example"),
        a_contact(3, email="b@contoso.example"),
        a_contact(5),
        a_contact(6),
        a_contact(7, email="B@contoso.example"),
        a_contact(8, email="b@contoso.example"),
    ]
    assert said([], contacts, []).same_email == (
        SameEmail(
            "anna@contoso.example",
            {2: "Anna Meier", 4: "Anna M."},
            "2 contacts share this address; merge them in Syncro.",
        ),
        SameEmail(
            "b@contoso.example",
            {3: "Somebody 3", 7: "Somebody 7", 8: "Somebody 8"},
            "3 contacts share this address; merge them in Syncro.",
        ),
    )


# --- the whole ----------------------------------------------------------------------------------------------------


def test_rows_are_in_the_order_of_names() -> None:
    contacts = [
        a_contact(n, name=name, properties={"azure_license": PREMIUM}) for n, name in ((1, "zoe"), (2, "Bo"), (3, "bo"))
    ]
    users = [somebody(4, display_name="b"), somebody(5, display_name="A")]
    plans = [Excluded(user.id, CUSTOMER, ExclusionReason.SERVICE_ACCOUNT) for user in users]
    result = said(users, contacts, plans)
    assert [row.contact_id for row in result.without_licence] == [2, 3, 1]
    assert [row.user_label for row in result.not_billed] == ["A", "b"]


def test_the_code_is_of_exactly_these_contacts_and_values() -> None:
    zoe = a_contact(2, name="Zoe", properties={"azure_license": BASIC})
    code = said([], [anna(), zoe], []).code
    assert len(code) == 8
    assert int(code, 16) >= 0
    assert said([], [zoe, anna()], []).code == code
    assert said([], [anna(city="x"), zoe, a_contact(3)], []).code == code
    others = {
        said([], [anna()], []).code,
        said([], [anna(BASIC), zoe], []).code,
        said([], [anna(azure_sync_off="x"), zoe], []).code,  # the same rows, and less to clear
        said([], [zoe, a_contact(3, properties={"azure_license": PREMIUM})], []).code,
        report(8, [], [anna(), zoe], [], {}, SyncPolicy(), {}).code,
    }
    assert len(others | {code}) == 6


def test_every_user_needs_a_plan() -> None:
    with pytest.raises(ValueError, match="without a plan"):
        said([a_user()], [anna()], [])


def test_nothing_to_clear_has_no_code() -> None:
    assert said([a_user()], [anna()], [in_step()]) == BillingReport(CUSTOMER, (), (), (), "")


skus = st.lists(st.sampled_from([PREMIUM_SKU, BASIC_SKU, E5, FREE_SKU]), max_size=2).map(tuple)
people = st.lists(st.tuples(skus, st.sampled_from(["Member", "Guest"])), max_size=6).map(
    lambda rows: [somebody(n, sku_ids=held, user_type=kind) for n, (held, kind) in enumerate(rows)]
)
cards = st.lists(
    st.tuples(st.integers(0, 8), st.sampled_from(["", PREMIUM, BASIC, "E5"]), st.sampled_from(["", "", "x"])),
    max_size=8,
).map(
    lambda rows: [
        a_contact(n, email=f"user{who}@contoso.example", properties={"azure_license": value, "azure_sync_off": pin})
        for n, (who, value, pin) in enumerate(rows, start=1)
    ]
)


@given(users=people, contacts=cards)
def test_over_all_customers(users: list[DirectoryUser], contacts: list[Contact]) -> None:
    policy = SyncPolicy()
    found = assign(users, contacts, {}, policy)
    plans = [
        plan_of(user, found[user.id], customer_id=CUSTOMER, facts=None, policy=policy, today=date(2026, 11, 24))
        for user in users
    ]
    result = report(CUSTOMER, users, contacts, plans, {}, policy, {})
    shown = {row.contact_id for row in result.without_licence}
    billed = {contact.id for contact in contacts if contact.value("azure_license")}
    assert shown <= billed
    assert len(billed - shown) <= len(users)  # nobody accounts for two contacts
    assert bool(result.code) == bool(shown)
    locked = {contact.id for contact in contacts if contact.value("azure_sync_off")}
    assert not locked & {row.contact_id for row in result.without_licence if row.can_clear}
    unlicensed = {user.id for user in users if not set(user.sku_ids) - {FREE_SKU}}
    assert not unlicensed & {row.user_id for row in result.not_billed}
    whys = [row.why for row in result.without_licence] + [row.why for row in result.not_billed]
    assert all(why.endswith(".") for why in whys)
