"""The preview as a person and as a program sees it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from console.cli import output
from console.cli.output import plain
from console.cli.preview import (
    change_lines,
    choice_lines,
    creation_lines,
    document,
    left_out_line,
    next_lines,
    show,
)
from console.operations import ShownPreview
from shared.domain.changes import (
    Candidate,
    Conflict,
    ConflictReason,
    Excluded,
    ExclusionReason,
    FieldChange,
    Kind,
    NoChange,
    NotYet,
    Pinned,
    Plan,
)
from shared.domain.contact import Contact
from shared.domain.forecast import Forecast
from shared.domain.preview import Preview, PreviewRow
from shared.domain.records import Connection, ConnectionStatus
from tests.support.clock import START
from tests.support.desk import CUSTOMER, a_creation, an_update
from tests.support.receiver import TENANT

COST = Forecast(calls=4, minutes=1)
CONFLICT = Conflict("u3", CUSTOMER, ConflictReason.SEVERAL_CONTACTS, (Candidate(5, ("name",)), Candidate(6, ())))
EVERY_PLAN: Sequence[Plan] = (
    an_update(),
    a_creation(),
    CONFLICT,
    Excluded("u4", CUSTOMER, ExclusionReason.GUEST),
    Pinned("u5", CUSTOMER, 9),
    NotYet("u6", CUSTOMER),
    NoChange("u7", CUSTOMER, 10),
)


def shown(plans: Sequence[Plan] = EVERY_PLAN, contact: str = "[bold]Zoë[/]") -> ShownPreview:
    rows = tuple(PreviewRow(f"User {plan.user_id}", contact, plan) for plan in plans)
    tied = Connection(CUSTOMER, "Contoso", TENANT, ConnectionStatus.PREVIEW, START, START)
    return ShownPreview(
        tied, Preview(CUSTOMER, rows, (Contact(1, CUSTOMER, name="kept out"),)), Path("saved.csv"), COST
    )


def printed(width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: ShownPreview) -> str:
    monkeypatch.setattr(output, "PIPE_WIDTH", width)
    show(what)
    return capsys.readouterr().out


def test_what_writing_it_costs_is_said_before_it_is_approved(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Writing it takes about 4 Syncro calls, 1 minute" in printed(150, monkeypatch, capsys, shown())
    nothing = replace(shown(()), forecast=Forecast(0, 0))
    assert "Writing it takes" not in printed(150, monkeypatch, capsys, nothing)


def test_the_document_names_every_user_once_with_its_changes() -> None:
    made = json.loads(json.dumps(plain(document(shown()))))
    assert made["customer_id"] == CUSTOMER
    assert made["customer_name"] == "Contoso"
    assert made["approval_code"] == shown().preview.code
    assert made["summary"] == dict(shown().preview.summary)
    assert made["saved_contacts"] == "saved.csv"
    assert made["syncro_calls"] == 4
    assert [user["kind"] for user in made["users"]] == [type(plan).__name__ for plan in EVERY_PLAN]
    change = made["users"][0]["changes"][0]
    assert (change["field"], change["before"], change["after"]) == ("phone", "", "+1 217 555 0111")
    assert change["why"]
    assert made["users"][2]["candidates"][0]["contact_id"] == 5


def test_the_document_holds_no_contact_that_is_left_as_it_is() -> None:
    assert "kept out" not in json.dumps(plain(document(shown())))


@pytest.mark.parametrize("width", [80, 100, 150])
def test_a_page_shows_field_before_after_and_why_and_ends_with_the_next_command(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = printed(width, monkeypatch, capsys, shown())
    for words in ("contact", "field", "before", "after", "why", "[bold]Zoë[/]", "User u2 (new)", "+1 217 555 0111"):
        assert words in page
    assert "businessPhones" in page
    code = shown().preview.code
    assert page.rstrip().splitlines()[-1] == f"Next: entra-syncro customers approve {CUSTOMER} {code}"
    assert f"Approval code: {code}" in page
    assert max(len(line) for line in page.splitlines() if line[:1] in "│┃┏┡└") <= width


def test_on_80_columns_every_change_is_one_line_and_each_why_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    many = [an_update(f"u{n}", n, f"+1 217 555 01{n}") for n in range(10, 20)]
    page = printed(80, monkeypatch, capsys, shown(many))
    assert page.count("filled from businessPhones") == 1
    assert sum("  phone" in line and "+1 217" in line for line in page.splitlines()) == len(many)


def creating(count: int, **facts: Any) -> ShownPreview:
    made = shown([a_creation(f"u{n}") for n in range(count)])
    return replace(made, connection=replace(made.connection, **facts))


def test_a_preview_says_how_many_contacts_it_creates_and_what_that_may_set_off() -> None:
    (said,) = creation_lines(creating(3))
    assert said.startswith("Contacts to create: 3.")
    assert 'group "Contact"' in said
    assert "switch it off first" in said
    assert document(creating(3))["to_create"] == 3
    assert not list(creation_lines(creating(0)))


def test_many_creations_may_begin_with_a_few() -> None:
    many = creating(4)
    *_, said = creation_lines(many)
    assert f"entra-syncro customers approve {CUSTOMER} {many.preview.code} --first 3" in said
    assert len(list(creation_lines(creating(4, status=ConnectionStatus.APPROVED)))) == 1


def test_a_new_contact_had_no_blank_to_fill() -> None:
    why = "Empty in Syncro, filled from city in Entra."
    change = FieldChange("city", "", "Rom", Kind.PROFILE, why)
    new, old = replace(a_creation(), changes=(change,)), replace(an_update(), changes=(change,))
    told = [line[-1] for plan in (new, old) for line in change_lines(PreviewRow("User", "", plan))]
    assert told == ["Filled from city in Entra.", why]


def test_what_a_brake_holds_already_is_the_next_step() -> None:
    held = "Contoso: waiting for approval: 1 new contact. Look at it: entra-syncro runs show 0b9a8ac4"
    some = replace(creating(2, status=ConnectionStatus.APPROVED), waiting=held)
    first, *others = next_lines(some)
    assert first == held
    assert f"Next: entra-syncro sync --customer {CUSTOMER}" in others
    assert [*next_lines(replace(some, all_waits=True))] == [held]


def test_those_left_alone_are_listed_with_their_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = printed(150, monkeypatch, capsys, shown())
    for words in (
        "is a guest",
        "a person must choose",
        "contact 5 (name), contact 6",
        "locked contact",
        "contact 9",
        "not yet known",
    ):
        assert words in page
    assert "User u7" not in page


def test_nothing_to_write_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Contoso: nothing would be written." in printed(80, monkeypatch, capsys, shown([]))


def test_no_word_of_the_inside_reaches_the_page(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = printed(150, monkeypatch, capsys, shown()).lower()
    assert not [word for word in ("digest", "lease", "lane", "rung", "quorum", "hint") if word in page.split()]


@pytest.mark.parametrize("plan", [an_update(), a_creation(), NoChange("u7", CUSTOMER, 10)])
def test_who_is_written_or_in_step_is_not_left_out(plan: Plan) -> None:
    assert left_out_line(PreviewRow("User", "", plan)) is None


def test_an_approved_customer_in_step_has_nothing_to_approve() -> None:
    in_step = shown([NoChange("u1", CUSTOMER, 5)])
    in_step = replace(in_step, connection=replace(in_step.connection, status=ConnectionStatus.APPROVED))
    assert list(next_lines(in_step)) == ["Everything is in step; there is nothing to approve."]


def test_an_approved_customer_that_differs_is_synced_or_its_held_changes_approved() -> None:
    differing = shown()
    differing = replace(differing, connection=replace(differing.connection, status=ConnectionStatus.APPROVED))
    code = differing.preview.code
    assert list(next_lines(differing)) == [
        f"Approval code: {code}",
        f"Next: entra-syncro sync --customer {CUSTOMER}",
        f"Rows that changed since their approval go with: entra-syncro customers approve {CUSTOMER} {code}",
    ]


def test_each_open_question_of_a_plan_has_its_command_and_one_left_alone_has_none() -> None:
    open_ones = [Conflict(f"u{number}", CUSTOMER, ConflictReason.ALIAS_ONLY, ()) for number in range(5)]
    left = Conflict("u9", CUSTOMER, ConflictReason.ALIAS_ONLY, (), "ada", "leaves in May")
    said = list(choice_lines(shown([*open_ones, left])))
    assert said[0].endswith(f"entra-syncro conflicts show {CUSTOMER} u0")
    assert (len(said), said[-1]) == (4, "2 more wait for a choice; --json shows their ids.")
    assert not list(choice_lines(shown([left])))


def test_what_people_decided_is_told_with_their_names() -> None:
    left = Conflict("u1", CUSTOMER, ConflictReason.ALIAS_ONLY, (), "ada", "leaves in May")
    locked = Pinned("u2", CUSTOMER, 9, "ben", None, "VIP")
    told = [left_out_line(PreviewRow("Anna", "", plan)) for plan in (left, locked)]
    assert told == [
        ("Anna", "left alone", "by ada: leaves in May"),
        ("Anna", "locked contact", "contact 9 is locked by ben: VIP"),
    ]
