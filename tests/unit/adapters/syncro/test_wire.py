"""Syncro's JSON into our values, and our changes into its JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.syncro.wire import (
    contact,
    creation,
    customer,
    customer_replacement,
    page,
    replacement,
    same,
    unstuck,
)
from shared.domain.changes import FieldChange, Kind
from shared.domain.contact import Contact, Customer

AVERY: dict[str, Any] = {
    "id": 4378587,
    "name": "Avery Stone",
    "address1": "1 Main St",
    "address2": "",
    "city": "Springfield",
    "state": None,
    "email": "avery.stone@example.com",
    "phone": "+1 (217) 555-0143",
    "customer_id": 34288070,
    "created_at": "2026-03-05T15:14:24.066-06:00",
    "updated_at": "nonsense",
    "vendor_id": None,
    "properties": {
        "title": "Controller",
        "notification_billing": "1",
        "Reg No.": "",
        "Tier": 4,
        "Flag": True,
        "N": None,
    },
}


def change(field: str, after: str, before: str = "") -> FieldChange:
    return FieldChange(field, before, after, Kind.PROFILE, "because")


def test_a_whole_contact() -> None:
    found = contact(AVERY)
    assert found is not None
    assert (found.id, found.customer_id, found.title, found.state, found.mobile) == (
        4378587,
        34288070,
        "Controller",
        "",
        "",
    )
    assert found.created_at == datetime(2026, 3, 5, 21, 14, 24, 66000, tzinfo=UTC)
    assert found.updated_at is None
    assert found.properties == {
        "title": "Controller",
        "notification_billing": "1",
        "Reg No.": "",
        "Tier": "4",
        "Flag": "1",
        "N": "",
    }


def test_a_wrapped_contact_is_the_same() -> None:
    assert contact({"contact": AVERY}) == contact(AVERY)


def test_a_contact_of_which_only_the_id_is_known() -> None:
    assert contact({"id": "7"}) == Contact(7, 0)


@pytest.mark.parametrize("body", [None, [], "text", {}, {"id": None}, {"id": "x"}, {"id": True}, {"error": "no"}])
def test_what_is_no_contact(body: object) -> None:
    assert contact(body) is None


def test_a_title_at_the_top_level_is_read_too() -> None:
    found = contact({"id": 1, "title": "CFO", "properties": {}})
    assert found is not None
    assert found.title == "CFO"


def test_a_customer_keeps_no_portal_key() -> None:
    found = customer(
        {
            "customer": {
                "id": 5,
                "business_name": "Contoso Ltd",
                "disabled": True,
                "online_profile_url": "https://acme.example/?portal_key=secret",
                "properties": {"Entra Tenant ID": "t"},
            }
        }
    )
    assert found == Customer(5, "Contoso Ltd", True, {"Entra Tenant ID": "t"})
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"business_then_name": "B"}, "B"),
        ({"business_name": "", "fullname": "F"}, "F"),
        ({"firstname": "Ann", "lastname": "Lee"}, "Ann Lee"),
        ({}, ""),
    ],
)
def test_a_customer_has_the_first_name_it_has(body: dict[str, Any], name: str) -> None:
    found = customer({"id": 1, **body})
    assert found is not None
    assert found.name == name


def test_pages() -> None:
    meta = {"total_pages": 2, "total_entries": "51", "per_page": 50, "page": 1}
    found = page({"contacts": [{"id": 1}, "odd"], "meta": meta}, "contacts")
    assert found is not None
    assert (len(found.rows), found.total_entries, found.total_pages) == (1, 51, 2)
    bare = page({"contacts": []}, "contacts")
    assert bare is not None
    assert bare.total_entries is None
    assert page({"customers": []}, "contacts") is None
    assert page(None, "contacts") is None


def test_creation_sends_plain_fields_and_properties_without_blanks() -> None:
    changes = [change("name", "Ann"), change("email", "a@x.example"), change("mobile", ""), change("title", "CFO")]
    assert creation(5, [*changes, change("azure_license", "Basic"), change("azure_mfa_status", "")]) == {
        "customer_id": 5,
        "name": "Ann",
        "email": "a@x.example",
        "properties": {"title": "CFO", "azure_license": "Basic"},
    }
    assert creation(5, [change("name", "Ann")]) == {"customer_id": 5, "name": "Ann"}


FRESH = Contact(7, 5, name="Ann", phone="1", title="CEO", properties={"title": "CEO", "Other": "kept", "Old": "x"})


def test_an_update_sends_the_name_and_the_whole_properties_laid_over() -> None:
    assert replacement(FRESH, [change("phone", "2")]) == {
        "name": "Ann",
        "phone": "2",
        "properties": {"title": "CEO", "Other": "kept", "Old": "x"},
    }


def test_a_title_goes_both_ways() -> None:
    assert replacement(FRESH, [change("title", "CFO"), change("Old", ""), change("New", "n")]) == {
        "name": "Ann",
        "title": "CFO",
        "properties": {"title": "CFO", "Other": "kept", "Old": "", "New": "n"},
    }


def test_a_changed_name_replaces_the_fresh_one() -> None:
    assert replacement(FRESH, [change("name", "Anna")])["name"] == "Anna"


@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4),
    st.dictionaries(st.sampled_from(["name", "phone", "title", "A", "B"]), st.text(max_size=5)),
)
def test_no_property_is_ever_lost_by_an_update(kept: dict[str, str], changed: dict[str, str]) -> None:
    body = replacement(Contact(1, 1, properties=kept), [change(field, after) for field, after in changed.items()])
    sent: Any = body["properties"]
    assert kept.keys() <= sent.keys()
    assert all(sent[key] == changed.get(key, value) for key, value in kept.items() if key not in ("name", "phone"))


@pytest.mark.parametrize(
    ("field", "left", "right", "equal"),
    [
        ("phone", "+1 (217) 555-0143", "12175550143", True),
        ("mobile", "2175550143", "2175550144", False),
        ("phone", "", "", True),
        ("phone", "none", "call me", False),
        ("email", "Ann@X.example", "ann@x.example", True),
        ("name", " Ann  Lee ", "Ann Lee", True),
        ("name", "ann lee", "Ann Lee", False),
        ("name", "Rene\u0301", "Ren\u00e9", True),
        ("Custom", "a", "", False),
    ],
)
def test_equal_as_far_as_syncro_rewrites(field: str, left: str, right: str, equal: bool) -> None:
    assert same(field, left, right) is equal


def test_what_did_not_stick_is_named() -> None:
    answer = Contact(7, 5, name="Ann", phone="2175550143", properties={"Kept": "k"})
    changes = [change("name", "Ann"), change("phone", "(217) 555-0143"), change("Kept", "k"), change("Lost", "l")]
    assert unstuck(answer, [*changes, change("title", "CFO"), change("Empty", "")]) == ("Lost", "title")


SCORED = Customer(5, "Contoso", properties={"Reg No.": "77", "microsoft_secure_score": "41.0%"})


def test_an_update_of_a_customer_sends_the_whole_properties_laid_over_and_nothing_else() -> None:
    changes = [change("microsoft_secure_score", "52.5%"), change("azure_licensed_user_count", "12")]
    assert customer_replacement(SCORED, changes) == {
        "properties": {"Reg No.": "77", "microsoft_secure_score": "52.5%", "azure_licensed_user_count": "12"}
    }


def test_what_did_not_stick_to_a_customer_is_named() -> None:
    changes = [change("microsoft_secure_score", " 41.0% "), change("azure_licensed_user_count", "12")]
    assert unstuck(SCORED, changes) == ("azure_licensed_user_count",)


@pytest.mark.parametrize(
    ("body", "has_more"),
    [
        ({"id": 1}, False),
        ({"id": 1, "notes": None, "extension": "", "ticket_matching_emails": " "}, False),
        ({"id": 1, "notes": "Calls on Mondays"}, True),
        ({"id": 1, "extension": "12"}, True),
        ({"id": 1, "ticket_matching_emails": "old@contoso.example"}, True),
    ],
)
def test_what_is_typed_and_not_read_is_known_to_be_there(body: dict[str, object], has_more: bool) -> None:
    found = contact(body)
    assert found is not None
    assert found.has_more is has_more
