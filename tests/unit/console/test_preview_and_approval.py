"""Preview and approval: what is saved, who may read it, and that nothing starts without the latest code."""

from __future__ import annotations

import csv
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from console.operations import OperationError, approve, preview
from console.operations.cleanness import outcomes
from shared.domain.contact import Contact
from shared.domain.errors import Transient
from shared.domain.records import ConnectionStatus
from tests.support.desk import CUSTOMER, Desk, a_creation, a_hold, an_update


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


async def test_a_preview_is_proposed_with_its_code_rows_and_summary(desk: Desk) -> None:
    desk.tie()
    desk.passes.plans = [an_update(), a_creation()]
    shown = await preview(desk.ports, CUSTOMER)
    proposed = desk.world.ledger.approvals.proposals[CUSTOMER]
    assert proposed.digest == shown.preview.code
    assert set(proposed.rows) == {"u1", "u2"}
    assert outcomes(proposed.summary) == {"create": 1, "update": 1}
    assert proposed.approved_at is None


async def test_a_preview_whose_contacts_cannot_be_saved_cannot_be_approved(desk: Desk) -> None:
    desk.tie()
    desk.passes.plans = [an_update()]
    desk.ports.data_dir.joinpath("previews").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="previews"):
        await preview(desk.ports, CUSTOMER)
    assert not desk.world.ledger.approvals.proposals


async def test_a_preview_starts_nothing(desk: Desk) -> None:
    desk.tie()
    desk.passes.plans = [an_update()]
    await preview(desk.ports, CUSTOMER)
    assert desk.status_of() is ConnectionStatus.PREVIEW
    assert not desk.passes.begun
    assert not desk.world.broker.published


async def test_a_preview_tells_what_a_brake_holds_already(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.passes.plans = [an_update("u0")]
    assert (await preview(desk.ports, CUSTOMER)).waiting == ""
    await desk.ports.holds.open(a_hold("0b9a8ac4"))
    shown = await preview(desk.ports, CUSTOMER)
    assert ("entra-syncro runs approve 0b9a8ac4" in shown.waiting, shown.all_waits) == (True, True)
    desk.passes.plans = [an_update("u0"), an_update("u1")]
    assert not (await preview(desk.ports, CUSTOMER)).all_waits


async def test_an_unconnected_customer_is_told_how_to_connect(desk: Desk) -> None:
    with pytest.raises(OperationError, match=f"entra-syncro customers connect {CUSTOMER}"):
        await preview(desk.ports, CUSTOMER)


async def test_the_contacts_are_saved_with_their_custom_fields_as_columns(desk: Desk) -> None:
    desk.tie()
    desk.passes.contacts = (
        Contact(1, CUSTOMER, name="Zoë Brûlé", title="Cook", properties={"title": "Cook", "azure_license": "Basic"}),
        Contact(2, CUSTOMER, name="Ben", properties={"favourite colour": "red"}),
    )
    rows = table((await preview(desk.ports, CUSTOMER)).saved_contacts)
    assert [row["name"] for row in rows] == ["Zoë Brûlé", "Ben"]
    assert rows[0] | {"azure_license": "Basic", "title": "Cook", "favourite colour": "", "id": "1"} == rows[0]
    assert rows[1]["favourite colour"] == "red"


async def test_nobody_but_the_owner_may_read_the_saved_contacts(desk: Desk) -> None:
    desk.tie()
    saved = (await preview(desk.ports, CUSTOMER)).saved_contacts
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert stat.S_IMODE(saved.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("+1 (217) 555-0111", "+1 (217) 555-0111"),
        ("+49 30 1234 x12", "+49 30 1234 x12"),
        ("-", "-"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3+cmd|x", "'-2+3+cmd|x"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
async def test_a_cell_that_a_spreadsheet_would_run_becomes_text(desk: Desk, value: str, cell: str) -> None:
    desk.tie()
    desk.passes.contacts = (Contact(1, CUSTOMER, name=value, properties={"note": value}),)
    row = table((await preview(desk.ports, CUSTOMER)).saved_contacts)[0]
    assert (row["name"], row["note"]) == (cell, cell)


async def test_a_custom_fields_own_name_is_no_formula_either(desk: Desk) -> None:
    desk.tie()
    desk.passes.contacts = (Contact(1, CUSTOMER, properties={"=evil()": "x"}),)
    assert table((await preview(desk.ports, CUSTOMER)).saved_contacts)[0]["'=evil()"] == "x"


async def test_the_right_code_approves_and_starts_the_first_full_sync(desk: Desk) -> None:
    desk.tie()
    desk.passes.plans = [an_update(), a_creation()]
    shown = await preview(desk.ports, CUSTOMER)
    started = await approve(desk.ports, CUSTOMER, shown.preview.code, by="ada")
    assert desk.status_of() is ConnectionStatus.APPROVED
    assert desk.passes.begun == [(CUSTOMER, started.run_id)]
    assert started.planned == 2
    assert desk.world.ledger.approvals.proposals[CUSTOMER].approved_by == "ada"
    assert not desk.world.ledger.owed.held  # the pass that began covers it


async def test_without_a_code_the_preview_of_the_last_hour_is_meant(desk: Desk) -> None:
    desk.tie()
    desk.passes.plans = [an_update()]
    with pytest.raises(OperationError, match="no preview of the last hour") as caught:
        await approve(desk.ports, CUSTOMER, None, by="ada")
    assert caught.value.exit_code == 3
    await preview(desk.ports, CUSTOMER)
    await approve(desk.ports, CUSTOMER, None, by="ada")
    assert desk.status_of() is ConnectionStatus.APPROVED


async def test_without_a_code_an_old_preview_is_not_approved(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.tie()
    desk.passes.plans = [an_update()]
    await preview(desk.ports, CUSTOMER)
    monkeypatch.setattr("console.operations.previews.FRESH", timedelta(seconds=-1))
    with pytest.raises(OperationError) as caught:
        await approve(desk.ports, CUSTOMER, None, by="ada")
    assert caught.value.exit_code == 3
    assert desk.status_of() is ConnectionStatus.PREVIEW


async def test_a_code_of_an_older_preview_is_held(desk: Desk) -> None:
    desk.tie()
    desk.passes.plans = [an_update()]
    old = (await preview(desk.ports, CUSTOMER)).preview.code
    desk.passes.plans = [an_update(after="+1 217 555 0222")]
    await preview(desk.ports, CUSTOMER)
    with pytest.raises(OperationError) as caught:
        await approve(desk.ports, CUSTOMER, old, by="ada")
    assert caught.value.exit_code == 3
    assert f"entra-syncro preview --customer {CUSTOMER}" in caught.value.message
    assert desk.status_of() is ConnectionStatus.PREVIEW
    assert not desk.passes.begun


async def test_approving_without_any_preview_is_held(desk: Desk) -> None:
    desk.tie()
    with pytest.raises(OperationError, match="no preview to approve") as caught:
        await approve(desk.ports, CUSTOMER, "12345678", by="ada")
    assert caught.value.exit_code == 3


async def test_a_first_sync_that_cannot_start_keeps_the_approval_and_is_owed(desk: Desk) -> None:
    desk.tie()
    shown = await preview(desk.ports, CUSTOMER)
    desk.passes.broken = Transient("syncro", "unreachable")
    with pytest.raises(OperationError, match="approval is saved") as caught:
        await approve(desk.ports, CUSTOMER, shown.preview.code, by="ada")
    assert isinstance(caught.value.__cause__, Transient)
    assert desk.status_of() is ConnectionStatus.APPROVED
    assert CUSTOMER in desk.world.ledger.owed.held


async def test_a_first_sync_that_was_halted_leaves_the_customer_owed(desk: Desk) -> None:
    desk.tie()
    shown = await preview(desk.ports, CUSTOMER)
    desk.passes.halted = True
    started = await approve(desk.ports, CUSTOMER, shown.preview.code, by="ada")
    assert started.halted
    assert CUSTOMER in desk.world.ledger.owed.held


async def test_a_first_few_creations_are_asked_of_the_pass(desk: Desk) -> None:
    desk.tie()
    desk.passes.plans = [a_creation()]
    shown = await preview(desk.ports, CUSTOMER)
    await approve(desk.ports, CUSTOMER, shown.preview.code, by="ada", first=3)
    assert desk.passes.asked == [(None, 3, "ada")]
