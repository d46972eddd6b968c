"""The table: every contact field, where it comes from, how it is written."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain import mapping
from shared.domain.contact import PLAIN_FIELDS
from shared.domain.policy import Authority, CustomMapping, NameFormat, SyncPolicy
from tests.support.people import a_user

POLICY = SyncPolicy()

BADGE = f"extension_{'0a1b' * 8}_badge"


def wished(policy: SyncPolicy = POLICY, **facts: Any) -> dict[str, str]:
    user = a_user(**facts)
    return {row.field: row.read(user, policy) for row, _ in mapping.rows(policy)}


def test_every_plain_field_has_one_row_in_the_order_of_previews() -> None:
    assert tuple(row.field for row in mapping.TABLE) == PLAIN_FIELDS


@pytest.mark.parametrize(
    ("facts", "field", "expected"),
    [
        ({"business_phones": ("+1 425 555 0109", "+1 425 555 0110")}, "phone", "+1 425 555 0109"),
        ({"business_phones": ()}, "phone", ""),
        ({"business_phones": ("n/a",)}, "phone", ""),
        ({"mobile_phone": " +1 (425) 555-0109 x12 "}, "mobile", "+1 (425) 555-0109 x12"),
        ({"job_title": "CEO  & Founder"}, "title", "CEO  & Founder"),
        ({"street_address": "1 Main St"}, "address1", "1 Main St"),
        ({"street_address": "1 Main St"}, "address2", ""),
        ({"street_address": "\r\n1 Main St\r\n\r\n Suite 4 \nFloor 2"}, "address1", "1 Main St"),
        ({"street_address": "\r\n1 Main St\r\n\r\n Suite 4 \nFloor 2"}, "address2", "Suite 4, Floor 2"),
        ({"city": "Bellevue"}, "city", "Bellevue"),
        ({"state": "WA"}, "state", "WA"),
        ({"postal_code": "98004"}, "zip", "98004"),
        ({"mail": "Anna@Contoso.example"}, "email", "Anna@Contoso.example"),
        ({"mail": "nobody"}, "email", ""),
        ({"mail": None, "user_principal_name": "anna@contoso.example"}, "email", ""),
    ],
)
def test_field(facts: dict[str, Any], field: str, expected: str) -> None:
    assert wished(**facts)[field] == expected


@pytest.mark.parametrize(
    ("given", "surname", "display", "name_format", "expected"),
    [
        ("Anna", "Meier", "Meier, Anna (IT)", NameFormat.FIRST_LAST, "Anna Meier"),
        ("Anna", None, "Meier, Anna (IT)", NameFormat.FIRST_LAST, "Meier, Anna (IT)"),
        (" ", "Meier", "Reception", NameFormat.FIRST_LAST, "Reception"),
        ("Anna", "Meier", "Meier, Anna (IT)", NameFormat.DISPLAY_NAME, "Meier, Anna (IT)"),
        ("Anna", "Meier", "Meier, Anna (IT)", NameFormat.KEEP, "Anna Meier"),
        ("Anna", None, None, NameFormat.FIRST_LAST, "Anna"),
    ],
)
def test_name(
    given: str | None, surname: str | None, display: str | None, name_format: NameFormat, expected: str
) -> None:
    facts = {"given_name": given, "surname": surname, "display_name": display}
    assert wished(SyncPolicy(name_format=name_format), **facts)["name"] == expected


@pytest.mark.parametrize(
    ("usage_location", "country", "expected"),
    [
        ("DE", "US", "DE"),
        ("de", None, "DE"),
        (None, "AT", "AT"),
        (None, "Austria", "GB"),
        ("ZZ", None, "GB"),
        (None, None, "GB"),
    ],
)
def test_region(usage_location: str | None, country: str | None, expected: str) -> None:
    user = a_user(usage_location=usage_location, country=country)
    assert mapping.region(user, SyncPolicy(default_region="GB")) == expected


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("department", "Sales"),
        ("DEPARTMENT", "Sales"),
        ("extensionAttribute3", "B-17"),
        ("onPremisesExtensionAttributes.extensionAttribute3", "B-17"),
        ("extension_0a1b_costCenter", "4711"),
        ("otherMails", "a@x.example, b@x.example"),
        ("accountEnabled", "yes"),
        ("extensionAttribute4", ""),
        ("noSuchThing", ""),
    ],
)
def test_custom_mappings_reach_any_attribute(attribute: str, expected: str) -> None:
    policy = SyncPolicy(custom_mappings=(CustomMapping(attribute=attribute, field="Cost centre"),))
    wishes = wished(
        policy,
        department="Sales",
        other_mails=("a@x.example", "", "b@x.example"),
        extensions={"extensionAttribute3": "B-17", "extension_0a1b_costCenter": "4711"},
    )
    assert wishes["Cost centre"] == expected


def test_a_custom_mapping_may_take_over_a_plain_field_and_none_reaches_an_owned_one() -> None:
    policy = SyncPolicy(
        custom_mappings=(
            CustomMapping(attribute="department", field="title", authority=Authority.FILL_BLANK),
            CustomMapping(attribute="department", field="azure_license"),
            CustomMapping(attribute="department", field="azure_sync_off"),
        )
    )
    table = {row.field: (row.attribute, authority) for row, authority in mapping.rows(policy)}
    assert table["title"] == ("department", Authority.FILL_BLANK)
    assert table.keys() == set(PLAIN_FIELDS)


@pytest.mark.parametrize(
    ("attribute", "is_read", "selected"),
    [
        (BADGE, True, True),
        (f" {BADGE.upper()} ", True, True),
        ("department", True, False),
        ("extensionAttribute15", True, False),
        ("extension_0a1b_badge", False, False),  # half an app's id
        (f"{BADGE}&$expand=manager", False, False),  # it becomes part of an address
        (f"{BADGE}é", False, False),
        ("departement", False, False),
    ],
)
def test_which_attributes_are_read_and_which_have_to_be_selected(attribute: str, is_read: bool, selected: bool) -> None:
    policy = SyncPolicy(custom_mappings=(CustomMapping(attribute=attribute, field="X"),) * 2)
    assert mapping.is_attribute(attribute) is is_read
    assert mapping.extensions_of(policy) == ((attribute.strip(),) if selected else ())


def test_every_attribute_name_is_one_that_a_user_has() -> None:
    user = a_user()
    assert all(hasattr(user, attribute) for attribute in mapping._ATTRIBUTES.values())
