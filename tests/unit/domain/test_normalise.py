"""What counts as the same although it is written differently."""

from __future__ import annotations

import pytest

from shared.domain import normalise


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Smith, John", "John Smith"),
        ("SMITH,  john", "John   Smith"),
        ("Müller, Jörg", "Jo\u0308rg Mu\u0308ller"),
        ("\uff2aohn Smith", "John Smith"),
        (" John\u00a0Smith ", "john smith"),
        ("STRASSE", "straße"),
        ("", None),
        ("   ", ""),
    ],
)
def test_names_are_the_same(one: str | None, other: str | None) -> None:
    assert normalise.same_name(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("John Smith", "Jon Smith"), ("John Smith", "Smith John"), ("Smith, John, Jr.", "John Smith Jr."), ("", "John")],
)
def test_names_are_not_the_same(one: str, other: str) -> None:
    assert not normalise.same_name(one, other)


@pytest.mark.parametrize("value", [",", ", John", "John,", ",,", "a,b,c", "\u200b"])
def test_odd_commas_in_a_name_are_only_characters(value: str) -> None:
    assert normalise.same_name(value, value)
    assert not normalise.same_name(value, "John Smith")


@pytest.mark.parametrize(
    ("value", "region", "expected"),
    [
        ("(425) 555-0109", "US", "+14255550109"),
        ("425.555.0109", "US", "+14255550109"),
        ("+1 425 555 0109", "DE", "+14255550109"),
        ("030 / 123 456", "DE", "+4930123456"),
        ("+49 (0)30 123456", "US", "+4930123456"),
        ("657.325.3258 x330", "US", "+16573253258;ext=330"),
        ("+1 657 325 3258 ext. 330", "US", "+16573253258;ext=330"),
        ("425 555 0109 / 425 555 0110", "US", "42555501094255550110"),
        ("extension 7", "US", "7"),
        ("n/a", "US", ""),
        ("-", "US", ""),
        (None, "US", ""),
        ("425 555 0109", "XX", "4255550109"),
        ("9" * 100_000, "US", "9" * 100_000),
    ],
)
def test_phones(value: str | None, region: str, expected: str) -> None:
    assert normalise.phone(value, region) == expected


def test_another_extension_is_another_phone() -> None:
    assert not normalise.same_phone("425 555 0109 x1", "425 555 0109 x2", "US")
    assert normalise.same_phone("425 555 0109 x1", "+14255550109 ext 1", "US")


def test_a_corrected_capital_is_a_change_in_text_and_none_in_an_address() -> None:
    assert not normalise.same_text("sales manager", "Sales Manager")
    assert normalise.same_email(" Anna@Contoso.example", "anna@contoso.example")


@pytest.mark.parametrize("blank", ["", None, "  ", "\t\r\n", "\u00a0"])
def test_absent_null_and_empty_are_one(blank: str | None) -> None:
    assert normalise.same_text(blank, "")
    assert normalise.same_email(blank, None)
    assert normalise.same_name(blank, "")
    assert normalise.same_phone(blank, None, "US")
