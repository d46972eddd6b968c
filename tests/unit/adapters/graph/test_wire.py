"""Graph's JSON, in all its moods, into our values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.graph.wire import directory_user, soft_deleted, subscription
from shared.adapters.lenient import moment
from shared.domain.errors import Transient
from shared.domain.user import SELECT, DirectoryUser

ADELE: dict[str, Any] = {
    "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users/$entity",
    "id": "87d349ed-44d7-43e1-9a83-5f2406dee5bd",
    "displayName": "Adele Vance",
    "givenName": "Adele",
    "surname": "Vance",
    "mail": "AdeleV@contoso.com",
    "userPrincipalName": "AdeleV@contoso.com",
    "otherMails": [],
    "proxyAddresses": ["SMTP:AdeleV@contoso.com", "smtp:adele@contoso.com"],
    "businessPhones": ["+1 425 555 0109"],
    "mobilePhone": None,
    "streetAddress": "205 108th Ave. NE, Suite 400",
    "city": "Bellevue",
    "accountEnabled": False,
    "userType": None,
    "assignedLicenses": [{"disabledPlans": [], "skuId": "C7DF2760-2c81-4ef7-b578-5b5392b571df"}],
    "onPremisesExtensionAttributes": {"extensionAttribute1": "red", "extensionAttribute2": None},
    "extension_0123456789abcdef_badge": 77,
    "extension_0123456789abcdef_driver": True,
    "extension_0123456789abcdef_none": None,
}


def test_a_whole_user() -> None:
    user = directory_user(ADELE)
    assert (user.id, user.display_name, user.mobile_phone) == (ADELE["id"], "Adele Vance", None)
    assert user.business_phones == ("+1 425 555 0109",)
    assert user.account_enabled is False
    assert user.user_type is None
    assert user.sku_ids == ("c7df2760-2c81-4ef7-b578-5b5392b571df",)
    assert user.extensions == {
        "extensionAttribute1": "red",
        "extension_0123456789abcdef_badge": "77",
        "extension_0123456789abcdef_driver": "true",
    }


def test_a_user_of_whom_only_the_id_is_known() -> None:
    assert directory_user({"id": "x"}) == DirectoryUser(id="x", user_type=None)


def test_every_selected_attribute_but_the_wrong_type() -> None:
    nulls: dict[str, Any] = dict.fromkeys(SELECT)
    odd: dict[str, Any] = {name: {"odd": []} for name in SELECT}
    for body in (nulls, odd):
        user = directory_user(body | {"id": "x"})
        assert (user.mail, user.other_mails, user.business_phones, user.sku_ids) == (None, (), (), ())


@pytest.mark.parametrize("body", [{}, {"id": None}, {"id": ""}, {"id": 5}])
def test_without_an_id_nothing_can_be_said(body: dict[str, Any]) -> None:
    with pytest.raises(Transient) as failure:
        directory_user(body)
    assert failure.value.code == "unreadable_answer"


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
SHAPES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(max_size=4), SCALARS, max_size=2)


@given(st.dictionaries(st.sampled_from(SELECT), SHAPES, max_size=6))
def test_no_shape_breaks_the_parser(body: dict[str, Any]) -> None:
    assert directory_user(body | {"id": "x"}).id == "x"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T18:23:45Z",
        "2026-11-20T18:23:45.0Z",
        "2026-11-20T18:23:45.000Z",
        "2026-11-20T18:23:45.0000000Z",
        "2026-11-20T19:23:45.0000000+01:00",
        "2026-11-20T12:23:45-06:00",
        "2026-11-20T18:23:45",
        " 2026-11-20T18:23:45+00:00 ",
    ],
)
def test_every_form_of_a_time(text: str) -> None:
    found = moment(text)
    assert found == datetime(2026, 11, 20, 18, 23, 45, tzinfo=UTC)
    assert found is not None
    assert found.tzinfo is UTC


@pytest.mark.parametrize("digits", range(8))
def test_fractions_of_0_to_7_digits(digits: int) -> None:
    fraction = "." + "1234567"[:digits] if digits else ""
    found = moment(f"2026-11-20T18:23:45{fraction}Z")
    assert found is not None
    assert found.microsecond == int("1234567"[: min(digits, 6)].ljust(6, "0") if digits else 0)


@pytest.mark.parametrize(
    "value",
    ["", "yesterday", None, 5, "2026-13-01T00:00:00Z", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"],
)
def test_what_is_no_time(value: object) -> None:
    assert moment(value) is None


def test_a_deleted_user() -> None:
    found = soft_deleted({"id": "x", "deletedDateTime": "2026-11-20T18:23:45.1Z"})
    assert (found.id, found.deleted_at.year) == ("x", 2026)
    with pytest.raises(Transient):
        soft_deleted({"id": "x"})


@pytest.mark.parametrize("resource", ["users", "/users", "Users", "/Users/", "USERS"])
def test_a_resource_has_one_form(resource: str) -> None:
    body = {"id": "s", "resource": resource, "expirationDateTime": "2026-11-20T18:23:45Z"}
    assert subscription(body).resource == "users"


def test_a_null_filled_subscription() -> None:
    found = subscription(
        {
            "id": "s",
            "resource": "Users",
            "changeType": "updated,deleted",
            "notificationUrl": "https://hooks.example.net/n",
            "lifecycleNotificationUrl": "",
            "expirationDateTime": "2026-11-20T18:23:45Z",
            "clientState": None,
        }
    )
    assert (found.lifecycle_url, found.change_type) == (None, "updated,deleted")
    with pytest.raises(Transient):
        subscription({"id": "s", "resource": "users"})
