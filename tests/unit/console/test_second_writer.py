"""Another tool writes the same contacts: the preview shows it, and an approval needs a person who knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from console import operations
from console.operations import OperationError
from shared.domain.changes import NoChange, UpdateContact
from shared.domain.contact import Contact
from shared.domain.records import Connection, ConnectionStatus
from shared.domain.second_writer import SUMMARY_KEY
from tests.support.clock import START
from tests.support.desk import CUSTOMER, Desk, a_creation, an_update
from tests.unit.console.conftest import Shell

YEAR, MINUTE = timedelta(days=365), timedelta(minutes=1)


def bulk(desk: Desk, count: int = 5) -> None:
    """So many contacts of users were changed an hour ago, at once and by nobody of us."""
    users = range(1, count + 1)
    at = START - 60 * MINUTE
    desk.passes.contacts = tuple(Contact(n, CUSTOMER, created_at=START - YEAR, updated_at=at) for n in users)
    others: list[UpdateContact | NoChange] = [NoChange(f"u{n}", CUSTOMER, n, "mail") for n in users if n > 1]
    desk.passes.plans = [an_update("u1", 1), *others]


async def approve(desk: Desk, *, accepted: bool = False, code: str | None = None) -> None:
    await operations.approve(desk.ports, CUSTOMER, code, by="ada", second_writer_accepted=accepted)


async def test_a_preview_shows_the_traces_and_its_approval_is_refused(desk: Desk) -> None:
    desk.tie()
    bulk(desk)
    shown = await operations.preview(desk.ports, CUSTOMER)
    assert [trace.times for trace in shown.second_writer] == [5]
    for code in (None, shown.preview.code):
        with pytest.raises(OperationError) as caught:
            await approve(desk, code=code)
        assert caught.value.exit_code == 3
        assert "--second-writer-accepted" in caught.value.message
    assert desk.status_of() is ConnectionStatus.PREVIEW
    assert not desk.passes.begun


async def test_accepted_it_goes_on_and_the_ledger_remembers_that_it_was(desk: Desk) -> None:
    desk.tie()
    bulk(desk)
    await operations.preview(desk.ports, CUSTOMER)
    await approve(desk, accepted=True)
    latest = await desk.ports.approvals.latest(CUSTOMER)
    assert latest is not None
    assert (latest.summary[SUMMARY_KEY], latest.approved_by) == (5, "ada")
    assert desk.status_of() is ConnectionStatus.APPROVED


async def test_once_it_is_switched_off_a_new_preview_is_approved_without_a_word(desk: Desk) -> None:
    desk.tie()
    bulk(desk)
    await operations.preview(desk.ports, CUSTOMER)
    bulk(desk, count=4)
    await operations.preview(desk.ports, CUSTOMER)
    await approve(desk)
    assert desk.status_of() is ConnectionStatus.APPROVED


async def test_a_customer_with_a_second_writer_is_not_clean(desk: Desk) -> None:
    desk.tie()
    bulk(desk)
    done = await operations.approve_clean(desk.ports, by="ada")
    assert [each.why for each in done.rest] == ["another tool writes these contacts too"]
    assert not done.runs


async def test_contacts_that_appear_after_the_connection_are_traces_and_those_from_before_are_not(desk: Desk) -> None:
    tied: Connection = desk.tie()
    made = START - MINUTE
    desk.passes.contacts = tuple(Contact(n, CUSTOMER, created_at=made, updated_at=made) for n in (1, 2, 3))
    desk.passes.plans = [a_creation("u9"), *(NoChange(f"u{n}", CUSTOMER, n, "mail") for n in (1, 2, 3))]
    assert not (await operations.preview(desk.ports, CUSTOMER)).second_writer
    await desk.ports.connections.save(replace(tied, connected_at=START - YEAR))
    assert (await operations.preview(desk.ports, CUSTOMER)).second_writer


def test_on_the_command_line(shell: Shell) -> None:
    shell.desk.tie()
    bulk(shell.desk)
    said = shell("preview", "--customer", str(CUSTOMER))
    assert "Another tool writes these contacts too" in said.out
    assert "--second-writer-accepted" in said.out
    assert shell("preview", "--customer", str(CUSTOMER), "--json").json["second_writer"]
    refused = shell("customers", "approve", str(CUSTOMER), "--yes")
    assert refused.code == 3
    assert "--second-writer-accepted" in refused.err
    assert shell("customers", "approve", str(CUSTOMER), "--yes", "--second-writer-accepted", "--json").code == 0


def test_for_all_customers_at_once_it_cannot_be_accepted(shell: Shell) -> None:
    assert shell("customers", "approve", "--all", "--only-clean", "--second-writer-accepted").code == 2
