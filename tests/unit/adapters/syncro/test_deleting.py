"""What hangs on a contact, and its deletion, without a socket."""

from __future__ import annotations

from typing import Any

import pytest

from shared.adapters.dry_run import DryRunContacts, Recorded
from shared.adapters.http import Answer
from shared.adapters.syncro.contacts import SyncroContacts
from shared.domain.contact import Contact
from shared.domain.errors import Ambiguous, Permanent, StopTheLine, SyncError, Transient
from tests.support.vendor_stub import FreeAllowance, ScriptedHttp, TellTalePace, answer

ANN, BEN = Contact(7, 5, email="Ann@x.example"), Contact(8, 5)
MISSING = answer(401, {"error": "Not authorized. Please ask account admin to update your group permissions."})


def adapter(*script: Answer | SyncError) -> tuple[SyncroContacts, ScriptedHttp]:
    http = ScriptedHttp(*script)
    return SyncroContacts(http, "https://acme.example", "T-very-secret", TellTalePace()), http


def page(key: str, *rows: dict[str, Any]) -> Answer:
    meta = {"total_pages": 1, "total_entries": len(rows), "per_page": 25, "page": 1}
    return answer(200, {key: [{"id": number, **row} for number, row in enumerate(rows, 1)], "meta": meta})


NOTHING = page("tickets"), page("assets"), page("portal_users")


async def test_three_listings_are_asked_for_one_contact_and_for_many() -> None:
    contacts, http = adapter(*NOTHING, *NOTHING)
    assert await contacts.attached(FreeAllowance(), 5, [ANN]) == {}
    allowance = FreeAllowance()
    assert await contacts.attached(allowance, 5, [ANN, BEN]) == {}
    assert allowance.spent == 3
    assert http.lines == [
        "GET /api/v1/tickets?contact_id=7&page=1",
        "GET /api/v1/customer_assets?customer_id=5&page=1",
        "GET /api/v1/portal_users?customer_id=5&page=1",
        "GET /api/v1/tickets?customer_id=5&page=1",
        "GET /api/v1/customer_assets?customer_id=5&page=1",
        "GET /api/v1/portal_users?customer_id=5&page=1",
    ]


async def test_nobody_is_asked_about_nobody() -> None:
    contacts, http = adapter()
    assert (await contacts.attached(FreeAllowance(), 5, []), http.lines) == ({}, [])


async def test_each_contact_has_what_hangs_on_it_and_others_do_not_count() -> None:
    contacts, _ = adapter(
        page("tickets", {"contact_id": 7}, {"contact_id": 99}, {"contact_id": None}),
        page("assets", {"contact_id": 8}, {"contact_id": 7}),
        page(
            "portal_users",
            {"contact_id": None, "email": "ann@X.example"},
            {"contact_id": 8, "email": "b@x.example"},
            {"contact_id": 9, "email": ""},
        ),
    )
    found = await contacts.attached(FreeAllowance(), 5, [ANN, BEN])
    assert found == {7: {"ticket", "asset", "portal login"}, 8: {"asset", "portal login"}}


@pytest.mark.parametrize(
    ("key", "row"),
    [
        ("tickets", {"subject": "no word about a contact"}),
        ("tickets", {"contact_id": {"id": 7}}),
        ("assets", {"name": "LAPTOP-7"}),
        ("assets", {"contact_id": "Ann Lee"}),
        ("portal_users", {"email": "somebody@x.example"}),  # Ann's, perhaps, under another address
        ("portal_users", {"contact_id": None}),
        ("portal_users", {"contact_id": None, "email": " "}),
    ],
)
async def test_a_row_that_does_not_say_whose_it_is_shows_nothing(key: str, row: dict[str, Any]) -> None:
    keys = ("tickets", "assets", "portal_users")
    contacts, _ = adapter(*(page(each, row) if each == key else page(each) for each in keys))
    with pytest.raises(Transient) as failure:
        await contacts.attached(FreeAllowance(), 5, [ANN])
    assert failure.value.code == "unreadable_answer"


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_what_the_token_may_not_see_is_never_taken_for_nothing(number: int) -> None:
    contacts, _ = adapter(*NOTHING[:number], MISSING)
    with pytest.raises(StopTheLine) as failure:
        await contacts.attached(FreeAllowance(), 5, [ANN])
    assert failure.value.code == "permission"


async def test_a_listing_that_cannot_be_read_is_never_taken_for_nothing() -> None:
    contacts, _ = adapter(answer(200, {"tickets": []}))
    with pytest.raises(Transient):
        await contacts.attached(FreeAllowance(), 5, [ANN])


async def test_a_contact_is_deleted_by_one_call() -> None:
    contacts, http = adapter(answer(200, {"success": True}))
    allowance = FreeAllowance()
    await contacts.delete(allowance, 7)
    assert (http.lines, http.requests[0].template, allowance.spent) == (
        ["DELETE /api/v1/contacts/7"],
        "/contacts/{id}",
        1,
    )
    assert not http.requests[0].repeatable


async def test_one_that_is_gone_already_is_no_trouble() -> None:
    contacts, _ = adapter(answer(404, {"message": "Not found"}))
    await contacts.delete(FreeAllowance(), 7)


@pytest.mark.parametrize(
    ("step", "family"),
    [
        (answer(422, {"errors": "Cannot delete record because dependent tickets exist"}), Permanent),
        (answer(200, {"success": False}), Ambiguous),
        (answer(200, b"<html>log in</html>"), Ambiguous),
        (answer(404, b"<html>no such account</html>"), Transient),
        (answer(502, b"<html>"), Ambiguous),
        (MISSING, StopTheLine),
    ],
)
async def test_a_deletion_never_claims_more_than_it_knows(step: Answer, family: type[SyncError]) -> None:
    contacts, _ = adapter(step)
    with pytest.raises(family):
        await contacts.delete(FreeAllowance(), 7)


async def test_a_dry_run_deletes_nothing() -> None:
    contacts, http = adapter(*NOTHING)
    dry = DryRunContacts(contacts)
    assert await dry.attached(FreeAllowance(), 5, [ANN]) == {}
    await dry.delete(FreeAllowance(), 7)
    assert (dry.recorded, len(http.requests)) == ((Recorded(0, 7, ()),), 3)
