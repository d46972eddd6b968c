"""Shapes and rules of the contact calls with every switch at its default."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.sandbox_syncro.desk import Desk

EVERY_KEY = {
    "id", "name", "address1", "address2", "city", "state", "zip", "email", "phone", "mobile", "latitude", "longitude",
    "customer_id", "account_id", "notes", "created_at", "updated_at", "vendor_id", "properties", "opt_out", "extension",
    "processed_phone", "processed_mobile", "ticket_matching_emails",
}  # fmt: skip


async def test_a_new_contact_is_a_flat_200_with_every_key(desk: Desk) -> None:
    body = {
        "customer_id": str(desk.customer),
        "name": "Łukasz Żółć",
        "email": "L@contoso.example",
        "phone": "+1 (217) 555-0143",
    }
    made = await desk.post("/contacts", body | {"title": "Chef", "properties": {"azure_license": "x"}, "nonsense": 1})
    assert made.status == 200
    assert set(made.json) == EVERY_KEY
    assert (made.json["name"], made.json["email"]) == ("Łukasz Żółć", "L@contoso.example")
    assert (made.json["phone"], made.json["processed_phone"]) == ("+1 (217) 555-0143", "12175550143")
    assert made.json["properties"] == {}  # title and properties of a POST are ignored
    assert made.json["created_at"] == "2026-11-24T03:00:00.000-06:00"
    assert made.headers["Content-Type"] == "application/json; charset=utf-8"
    assert made.headers["Cache-Control"] == "no-store"
    assert made.headers["X-Request-Id"]
    assert (await desk.get(f"/contacts/{made.json['id']}")).json == made.json


async def test_put_is_partial_for_fields_and_replaces_properties(desk: Desk) -> None:
    number = desk.contact(phone="1", properties={"azure_license": "A", "VIP": "1", "title": "Old"})
    desk.clock.advance(5)
    changed = await desk.put(f"/contacts/{number}", {"name": "New", "properties": {"azure_license": "B", "Nope": "x"}})
    assert changed.status == 200
    assert (changed.json["name"], changed.json["phone"]) == ("New", "1")
    assert changed.json["properties"] == {"azure_license": "B"}
    assert changed.json["updated_at"] == "2026-11-24T03:00:05.000-06:00"
    titled = await desk.put(f"/contacts/{number}", {"title": "CFO", "mobile": None, "phone": ""})
    assert titled.json["properties"] == {"azure_license": "B", "title": "CFO"}
    assert (titled.json["phone"], titled.json["mobile"]) == ("", None)
    assert "title" not in titled.json


async def test_put_takes_back_a_whole_get_and_moves_only_by_customer_id(desk: Desk) -> None:
    other = desk.syncro.add_customer("Other").id
    number = desk.contact(email="a@b.example", properties={"VIP": "1"})
    whole = (await desk.get(f"/contacts/{number}")).json
    back = await desk.put(f"/contacts/{number}", whole | {"account_id": 5, "opt_out": True})
    assert {**back.json, "updated_at": ""} == {**whole, "updated_at": ""}
    moved = await desk.put(f"/contacts/{number}", {"customer_id": other})
    assert moved.json["customer_id"] == other


async def test_values_of_properties_end_as_text(desk: Desk) -> None:
    number = desk.contact()
    sent = {"VIP": True, "Badge No.": 17, "azure_license": None, "azure_object_id": ["x"], "Site": "Branch"}
    shown = (await desk.put(f"/contacts/{number}", {"properties": sent})).json["properties"]
    assert shown == {"VIP": "1", "Badge No.": "17", "azure_license": "", "Site": "Branch"}
    refused = (await desk.put(f"/contacts/{number}", {"properties": {"Site": "Nowhere"}})).json["properties"]
    assert refused == {}


async def test_a_bad_email_is_422_with_the_attempted_record_and_one_text(desk: Desk) -> None:
    body = {"customer_id": desk.customer, "name": "Bad Email", "email": "xxx"}
    refused = await desk.post("/contacts", body)
    assert refused.status == 422
    assert refused.json["errors"] == "Email is not an email"
    assert set(refused.json["record"]) == EVERY_KEY
    assert refused.json["record"]["id"] is None
    assert refused.json["record"]["created_at"] is None
    assert (refused.json["record"]["email"], refused.json["record"]["properties"]) == ("xxx", {})
    assert (await desk.get("/contacts")).json["meta"]["total_entries"] == 0


@pytest.mark.parametrize("blank", [None, ""])
async def test_a_contact_needs_a_customer(desk: Desk, blank: Any) -> None:
    number = desk.contact(name="Boba Fett")
    refused = await desk.put(f"/contacts/{number}", {"name": "Other", "customer_id": blank, "email": "x y"})
    assert refused.status == 422
    assert refused.json["errors"] == "Customer can't be blank, Email is not an email"
    assert refused.json["record"]["id"] == number
    assert (await desk.get(f"/contacts/{number}")).json["name"] == "Boba Fett"


async def test_unknown_things_are_404_not_found(desk: Desk) -> None:
    for method, path, body in (
        ("GET", "/contacts/1", None),
        ("PUT", "/contacts/1", {"name": "x"}),
        ("DELETE", "/contacts/1", None),
        ("POST", "/contacts", {"customer_id": 1, "name": "x"}),
        ("GET", "/customers/1", None),
        ("GET", "/nothing/here", None),
        ("PATCH", f"/contacts/{desk.contact()}", {"name": "x"}),
    ):
        answer = await desk.call(method, path, body)
        assert (answer.status, answer.json) == (404, {"message": "Not found"}), path


async def test_delete_is_hard(desk: Desk) -> None:
    number = desk.contact()
    desk.syncro.add_ticket(number)
    assert (await desk.get(f"/tickets?contact_id={number}")).json["meta"]["total_entries"] == 1
    gone = await desk.call("DELETE", f"/contacts/{number}")
    assert (gone.status, gone.json) == (200, {"success": True})
    assert (await desk.get(f"/contacts/{number}")).status == 404


async def test_tickets_are_opened_for_a_contact(desk: Desk) -> None:
    number = desk.contact()
    made = await desk.post("/tickets", {"customer_id": desk.customer, "contact_id": number, "subject": "Help"})
    assert made.json["ticket"]["contact_id"] == number
    assert made.json["ticket"]["id"] > 2**31
    assert (await desk.get(f"/tickets/{made.json['ticket']['id']}")).json == made.json


async def test_ids_pass_the_32_bit_line(desk: Desk) -> None:
    numbers = [desk.contact(name=f"P{place}") for place in range(40)]
    assert min(numbers) < 2**31 < max(numbers)


async def test_a_list_shows_fifty_newest_first_with_meta(desk: Desk) -> None:
    other = desk.syncro.add_customer("Other").id
    desk.syncro.add_contact(other, "Elsewhere")
    numbers = [desk.contact(name=f"P{place}") for place in range(60)]
    first = (await desk.get(f"/contacts?customer_id={desk.customer}&per_page=5")).json
    second = (await desk.get(f"/contacts?customer_id={desk.customer}&page=2")).json
    assert first["meta"] == {"total_pages": 2, "total_entries": 60, "per_page": 50, "page": 1}
    assert [row["id"] for row in first["contacts"] + second["contacts"]] == sorted(numbers, reverse=True)
    past = (await desk.get(f"/contacts?customer_id={desk.customer}&page=3")).json
    assert (past["contacts"], past["meta"]["page"]) == ([], 3)
    assert (await desk.get("/contacts?customer_id=1")).json["contacts"] == []


async def test_page_and_filters_may_come_in_the_body_of_a_get(desk: Desk) -> None:
    for place in range(51):
        desk.contact(name=f"P{place}")
    page = await desk.call("GET", "/contacts", {"page": 2, "customer_id": desk.customer})
    assert [row["name"] for row in page.json["contacts"]] == ["P0"]


async def test_duplicate_emails_are_allowed(desk: Desk) -> None:
    desk.contact(email="one@contoso.example")
    again = await desk.post("/contacts", {"customer_id": desk.customer, "email": "one@contoso.example"})
    assert again.status == 200


async def test_a_body_that_is_no_json_is_400_and_a_form_is_read(desk: Desk) -> None:
    headers = {"Authorization": desk.syncro.token.secret, "Content-Type": "application/json"}
    broken = await desk.call("POST", "/contacts", headers=headers, data=b"{")
    assert broken.status == 400
    number = desk.contact()
    form = {"title": "Chef", "properties[Badge No.]": "7"}
    sent = await desk.call("PUT", f"/contacts/{number}", headers={"Authorization": headers["Authorization"]}, data=form)
    assert sent.json["properties"] == {"Badge No.": "7", "title": "Chef"}
