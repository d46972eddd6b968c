"""The usage report: dates by name, and the files that say nothing."""

from __future__ import annotations

import asyncio

import pytest

from shared.adapters.graph.reports.usage import CONCEALED, EMPTY, UsageReport, usage_report
from shared.domain.errors import Transient
from tests.support.report_graph import HEADS, usage_file, usage_line

HIDDEN = "FE7CC8C15246EDCCA289C9A4022762F7"


def parsed(body: bytes) -> UsageReport:
    return asyncio.run(usage_report(body))


def test_the_newest_of_all_services_by_lower_case_name() -> None:
    body = usage_file(
        usage_line("Kim@Contoso.example", "2026-11-19", "2026-11-21"),
        usage_line("sam@contoso.example", "2026-11-20", "2026-11-02"),
        usage_line("idle@contoso.example"),
    )
    assert parsed(body) == UsageReport({"kim@contoso.example": "2026-11-21", "sam@contoso.example": "2026-11-20"})


def test_deleted_users_and_cut_lines_are_left_out() -> None:
    body = usage_file(
        usage_line("gone@contoso.example", "2026-11-19", deleted="True"),
        "2026-11-22,cut@contoso",
        usage_line("", "2026-11-19"),
        usage_line("kim@contoso.example", "2026-11-19"),
        usage_line("odd@contoso.example", "19.11.2026", "20261119"),
    )
    assert parsed(body).dates == {"kim@contoso.example": "2026-11-19"}


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([usage_line(HIDDEN, "2026-11-19"), usage_line("0" * 32, "2026-11-19")], CONCEALED),
        ([usage_line("nobody", "2026-11-19")], CONCEALED),
        ([], EMPTY),
        ([usage_line("gone@contoso.example", "2026-11-19", deleted="True")], EMPTY),
    ],
)
def test_files_that_say_nothing_about_anybody(lines: list[str], why: str) -> None:
    assert parsed(usage_file(*lines)) == UsageReport({}, why)


def test_one_hidden_name_conceals_nobody_else() -> None:
    body = usage_file(usage_line(HIDDEN, "2026-11-19"), usage_line("kim@contoso.example", "2026-11-18"))
    assert parsed(body).dates["kim@contoso.example"] == "2026-11-18"
    assert parsed(body).why_unknown == ""


def test_quoted_cells_and_names_in_other_scripts() -> None:
    line = '2026-11-22,kim@contoso.example,"Kim, ""K"" 金",False,2026-11-19,,"A+B"'
    assert parsed(usage_file(line)).dates == {"kim@contoso.example": "2026-11-19"}


def test_a_file_without_a_mark_at_its_beginning() -> None:
    body = f"{HEADS}\n{usage_line('kim@contoso.example', '2026-11-19')}\n".encode()
    assert parsed(body).dates == {"kim@contoso.example": "2026-11-19"}


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b"a,b,c\n1,2,3\n", b"\xff\xfe\x00"])
def test_what_is_no_report(body: bytes) -> None:
    with pytest.raises(Transient) as failure:
        parsed(body)
    assert failure.value.code == "unreadable_answer"
