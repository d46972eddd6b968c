"""The file for `customers import`, as spreadsheets save it; one that is not understood is refused whole."""

from __future__ import annotations

import contextlib
import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.operations import OperationError
from console.operations.import_file import UNDECIDED, ImportLine, read_lines, written
from shared.domain.contact import Customer
from shared.domain.discovery import Found, discover

TENANT, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
PLAIN = (ImportLine(2, "5", "contoso.example"), ImportLine(3, "Fabrikam", ""))


@pytest.mark.parametrize(
    "content",
    [
        b"customer,tenant\n5,contoso.example\nFabrikam,\n",
        b"\xef\xbb\xbfcustomer,tenant\r\n5,contoso.example\r\nFabrikam,\r\n",
        b"customer;tenant\r\n5;contoso.example\r\nFabrikam;\r\n",
        b"customer\ttenant\n5\tcontoso.example\nFabrikam\t\n",
        b'"customer","tenant"\n"5"," contoso.example "\n"Fabrikam",""\n',
        b"Customer,TENANT,,\n5,contoso.example,,\nFabrikam,,,\n,,,\n",
        "customer;tenant\n5;contoso.example\nFabrikam;\n".encode("utf-16"),
        b"why,tenant,customer\nx,contoso.example,5\ny,,Fabrikam\n",
    ],
)
def test_every_way_of_saving_says_the_same(content: bytes) -> None:
    assert read_lines(content) == PLAIN


def test_a_spreadsheets_own_first_line_names_the_delimiter() -> None:
    found = read_lines(b"sep=;\r\ncustomer;tenant\r\n5;contoso.example\r\nFabrikam;\r\n")
    assert [(each.customer, each.tenant) for each in found] == [("5", "contoso.example"), ("Fabrikam", "")]


def test_the_old_windows_code_page_is_read() -> None:
    (only,) = read_lines("customer;tenant\nMüller;\n".encode("cp1252"))
    assert only.customer == "Müller"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"5,contoso.example\n", "not known: 5"),
        (b"customer,tenant,colour\n5,x,red\n", "not known: colour"),
        (b"customer,name\n5,Contoso\n", "lacks the column tenant"),
        (b"customer,tenant,tenant\n5,a,b\n", "tenant twice"),
        (b"customer,tenant\n" + b"x" * (5 * 1024 * 1024), "larger"),
        (b'customer,tenant\n5,"' + b"y" * 200_000, "no CSV"),
    ],
)
def test_a_file_that_is_not_understood_is_refused_whole(content: bytes, what: str) -> None:
    with pytest.raises(OperationError, match=what) as caught:
        read_lines(content)
    assert caught.value.exit_code == 2


def test_a_line_with_too_many_or_too_few_cells_is_kept_for_its_own_result() -> None:
    found = read_lines(b"customer,tenant,why\n5,x\n6,x,y,z\n7,x,y\n8,x,y,\n")
    assert [each.is_whole for each in found] == [False, False, True, True]


@given(st.binary(max_size=400))
def test_no_content_does_anything_but_be_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(OperationError):
        assert all(each.number > 1 for each in read_lines(b"customer,tenant\n" + content))


def a_discovery() -> bytes:
    customers = [
        Customer(5, "Contoso", email="a@contoso.example"),
        Customer(6, "=Fabrikam, Inc", email="a@fabrikam.example", properties={"Website": "fabrikam-labs.example"}),
        Customer(7, "Nobody"),
    ]
    tenants = {"contoso.example": TENANT, "fabrikam.example": OTHER, "fabrikam-labs.example": TENANT[:-1] + "2"}
    return written(discover(customers, Found(tenants)))


def test_what_discover_writes_import_reads() -> None:
    found = {each.customer: each for each in read_lines(a_discovery())}
    assert {number: each.tenant for number, each in found.items()} == {"5": TENANT, "6": UNDECIDED, "7": UNDECIDED}
    assert all(each.is_whole for each in found.values())


def test_a_choice_is_left_to_a_person_with_all_that_may_be_chosen() -> None:
    rows = {row["customer"]: row for row in csv.DictReader(io.StringIO(a_discovery().decode("utf-8-sig")))}
    assert OTHER in rows["6"]["why"]
    assert TENANT[:-1] + "2" in rows["6"]["why"]
    assert "no domain" in rows["7"]["why"]


def test_a_name_never_becomes_a_formula_of_the_spreadsheet() -> None:
    rows = {row["customer"]: row for row in csv.DictReader(io.StringIO(a_discovery().decode("utf-8-sig")))}
    assert rows["6"]["name"] == "'=Fabrikam, Inc"
