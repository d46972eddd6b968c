"""What an account tells about itself, from answers that a live one may give."""

from __future__ import annotations

from typing import Any

import pytest

from shared.adapters.syncro.account import SyncroAccount
from shared.domain.errors import StopTheLine, Transient
from shared.ports import FieldDefinition
from tests.support.vendor_stub import FreeAllowance, ScriptedHttp, TellTalePace, answer

NO_RIGHT = {"error": "Not authorized. Please ask account admin to update your group permissions."}
BAD_TOKEN = {"error": "Failed to authenticate account"}
NOT_FOUND = {"message": "Not found"}
INVALID = {"record": {}, "errors": "Name can't be blank"}


def account(*script: Any) -> tuple[SyncroAccount, ScriptedHttp]:
    http = ScriptedHttp(*script)
    return SyncroAccount(http, "https://acme.example", "secret", TellTalePace()), http


async def test_the_owner_is_named_and_the_token_in_the_answer_is_dropped() -> None:
    me = {"user_token": "SECRET", "user_name": "Joe Doe", "admin": False, "subdomain": "acme"}
    reads, _ = account(answer(200, me))
    owner = await reads.owner(FreeAllowance())
    assert (owner.user_name, owner.is_admin, owner.subdomain) == ("Joe Doe", False, "acme")
    assert "SECRET" not in f"{owner!r}{vars(reads)!r}"


async def test_a_me_without_subdomain_is_no_answer() -> None:
    reads, _ = account(answer(200, {"user_name": "Joe"}))
    with pytest.raises(Transient):
        await reads.whoami(FreeAllowance())


@pytest.mark.parametrize("key", ["content", "value"])
async def test_the_answers_of_a_drop_down_under_either_name(key: str) -> None:
    customers = {
        "customer_fields": [{"id": 11, "name": "Plan", "field_type": "select_box"}, {"id": 12, "name": "Reg No."}],
        "customer_field_answers": [{"id": 5, "customer_field_id": "11", key: "Gold"}, {"id": 6, key: "of nobody"}],
    }
    reads, http = account(answer(200, {"customers": customers}))
    assert await reads.customer_fields(FreeAllowance()) == [
        FieldDefinition("Plan", "select_box", ("Gold",)),
        FieldDefinition("Reg No.", ""),
    ]
    assert http.lines == ["GET /api/v1/settings"]


@pytest.mark.parametrize("body", [{}, {"customers": None}, {"customers": {"customer_fields": None}}])
async def test_settings_without_customer_fields_are_no_answer_and_not_no_fields(body: object) -> None:
    reads, _ = account(answer(200, body))
    with pytest.raises(Transient):
        await reads.customer_fields(FreeAllowance())


@pytest.mark.parametrize(
    ("answers", "may"),
    [
        ([answer(401, NO_RIGHT)], False),
        ([answer(422, INVALID)], True),  # it got as far as the values
        ([answer(404, NOT_FOUND), answer(401, NO_RIGHT)], True),  # rights are asked first
        ([answer(404, NOT_FOUND), answer(404, NOT_FOUND)], None),
        ([answer(404), answer(404)], None),  # Syncro's own 404 may be empty
    ],
)
async def test_whether_the_token_may_edit(answers: list[Any], may: bool | None) -> None:
    reads, http = account(*answers)
    allowance = FreeAllowance()
    assert await reads.may_edit(allowance) is may
    assert http.lines[0] == "PUT /api/v1/contacts/0"
    assert allowance.spent == len(answers)


@pytest.mark.parametrize("answers", [[answer(401, BAD_TOKEN)], [answer(404, NOT_FOUND), answer(401, BAD_TOKEN)]])
async def test_a_token_that_is_refused_says_nothing_about_the_right(answers: list[Any]) -> None:
    reads, _ = account(*answers)
    with pytest.raises(StopTheLine) as caught:
        await reads.may_edit(FreeAllowance())
    assert caught.value.code == "token"
