"""Every switch of the simulated Syncro: the default hurts, the other values do what they say."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.syncro.switches import SWITCHES, Switches, UnknownSwitchError
from tests.integration.sandbox_syncro.desk import Desk


def test_every_switch_starts_at_its_first_value_and_refuses_strange_ones() -> None:
    switches = Switches()
    assert switches.as_dict() == {name: values[0] for name, values in SWITCHES.items()}
    with pytest.raises(UnknownSwitchError, match="properties_on_put"):
        switches.set("proprties_on_put", "merge")
    with pytest.raises(UnknownSwitchError, match="replace, merge"):
        switches.move({"order": "id_ascending", "properties_on_put": "both"})
    assert switches["order"] == "id_descending"
    switches.move({"contact_page_size": 25})
    assert switches["contact_page_size"] == "25"


async def _properties_after(desk: Desk, sent: dict[str, Any], **seeded: str) -> Any:
    number = desk.contact(properties=seeded)
    return (await desk.put(f"/contacts/{number}", {"properties": sent})).json["properties"]


async def test_properties_on_put_may_merge(desk: Desk) -> None:
    desk.syncro.switches.set("properties_on_put", "merge")
    assert await _properties_after(desk, {"VIP": "1"}, azure_license="A") == {"azure_license": "A", "VIP": "1"}


async def test_properties_and_title_on_post_may_be_stored(desk: Desk) -> None:
    desk.syncro.switches.move({"properties_on_post": "stored", "title_on_post": "stored"})
    body = {"customer_id": desk.customer, "title": "Chef", "properties": {"VIP": "1"}}
    assert (await desk.post("/contacts", body)).json["properties"] == {"VIP": "1", "title": "Chef"}


async def test_undefined_property_keys(desk: Desk) -> None:
    assert await _properties_after(desk, {"Nope": "x"}) == {}
    desk.syncro.switches.set("undefined_property", "stored")
    assert await _properties_after(desk, {"Nope": "x"}) == {"Nope": "x"}
    desk.syncro.switches.set("undefined_property", "422")
    refused = await desk.put(f"/contacts/{desk.contact()}", {"properties": {"Nope": "x"}})
    assert refused.status == 422
    assert refused.json["errors"]
    desk.syncro.account.contact_fields.keep_only(["VIP"])
    assert (await desk.put(f"/contacts/{desk.contact()}", {"properties": {"azure_license": "x"}})).status == 422


@pytest.mark.parametrize(("mode", "kind"), [("id_number", int), ("id_string", str)])
async def test_drop_downs_may_speak_in_ids(desk: Desk, mode: str, kind: type) -> None:
    number = desk.contact()
    await desk.put(f"/contacts/{number}", {"properties": {"Site": "Remote"}})
    desk.syncro.switches.set("dropdown_value", mode)
    shown = (await desk.get(f"/contacts/{number}")).json["properties"]["Site"]
    assert isinstance(shown, kind)
    assert await _properties_after(desk, {"Site": "Remote"}) == {}
    assert await _properties_after(desk, {"Site": shown}) == {"Site": shown}


async def test_page_size_per_page_and_the_page_past_the_end(desk: Desk) -> None:
    for place in range(30):
        desk.contact(name=f"P{place}")
    desk.syncro.switches.move({"contact_page_size": "25", "page_past_end": "404"})
    assert (await desk.get("/contacts?per_page=7")).json["meta"]["per_page"] == 25
    assert (await desk.get("/contacts?page=3")).json == {"message": "Not found"}
    desk.syncro.switches.set("per_page", "honoured")
    assert len((await desk.get("/contacts?per_page=7")).json["contacts"]) == 7
    assert (await desk.get("/contacts?per_page=700")).json["meta"]["per_page"] == 100
    assert (await desk.get("/contacts?customer_id=1")).json["contacts"] == []


async def test_the_order_of_a_list(desk: Desk) -> None:
    old, middle, new = (desk.contact(name=name) for name in "abc")
    desk.clock.advance(1)
    await desk.put(f"/contacts/{middle}", {"name": "changed"})
    expected = {
        "id_descending": [new, middle, old],
        "id_ascending": [old, middle, new],
        "updated_at": [middle, new, old],
    }
    for order, ids in expected.items():
        desk.syncro.switches.set("order", order)
        assert [row["id"] for row in (await desk.get("/contacts")).json["contacts"]] == ids


async def test_rows_shift_between_pages_unless_drift_is_off(desk: Desk) -> None:
    numbers = [desk.contact(name=f"P{place}") for place in range(60)]

    async def both_pages() -> list[int]:
        first = (await desk.get("/contacts")).json["contacts"]
        await desk.post("/contacts", {"customer_id": desk.customer, "name": "late"})
        second = (await desk.get("/contacts?page=2")).json["contacts"]
        return [row["id"] for row in first + second]

    shifted = await both_pages()
    assert len(shifted) - len(set(shifted)) == 1
    desk.syncro.switches.set("drift", "off")
    steady = await both_pages()
    assert len(set(steady)) == len(steady) == 61
    assert set(numbers) < set(steady)


async def test_timestamps_phones_and_mail_may_be_normalised(desk: Desk) -> None:
    desk.syncro.switches.move({"timestamps": "utc", "contact_phone": "digits", "email_case": "lower"})
    body = {"customer_id": desk.customer, "phone": "+1 (217) 555", "email": "A.B@Contoso.example"}
    made = (await desk.post("/contacts", body)).json
    assert made["created_at"] == "2026-11-24T09:00:00.000Z"
    assert (made["phone"], made["email"]) == ("1217555", "a.b@contoso.example")


async def test_blank_names_and_duplicate_mails_may_be_refused(desk: Desk) -> None:
    body = {"customer_id": desk.customer, "email": "a@contoso.example"}
    first = (await desk.post("/contacts", body)).json["id"]
    desk.syncro.switches.move({"blank_name_on_post": "422", "duplicate_email": "422"})
    refused = await desk.post("/contacts", body | {"email": "A@contoso.example"})
    assert refused.json["errors"] == "Email has already been taken, Name can't be blank"
    assert (await desk.put(f"/contacts/{first}", {"email": "a@contoso.example"})).status == 200


async def test_a_contact_with_tickets_may_be_protected(desk: Desk) -> None:
    number = desk.contact()
    desk.syncro.add_ticket(number)
    desk.syncro.switches.set("delete_with_tickets", "422")
    assert (await desk.call("DELETE", f"/contacts/{number}")).status == 422
    desk.syncro.switches.set("delete_with_tickets", "200")
    assert (await desk.call("DELETE", f"/contacts/{number}")).status == 200


async def test_embedded_contacts_may_be_cut(desk: Desk) -> None:
    for place in range(30):
        desk.contact(name=f"P{place}")
    for value, count in (("complete", 30), ("first_25", 25)):
        desk.syncro.switches.set("embedded_contacts", value)
        shown = (await desk.get(f"/customers/{desk.customer}")).json["customer"]["contacts"]
        assert len(shown) == count


async def test_null_may_be_ignored(desk: Desk) -> None:
    number = desk.contact(phone="1", properties={"VIP": "1"})
    desk.syncro.switches.move({"null_on_put": "ignored", "properties_on_put": "merge"})
    kept = (await desk.put(f"/contacts/{number}", {"phone": None, "properties": {"VIP": None}})).json
    assert (kept["phone"], kept["properties"]) == ("1", {"VIP": "1"})


async def test_a_second_writer_comes_between_get_and_put(desk: Desk) -> None:
    number = desk.contact(phone="1", properties={"title": "Chef"})
    desk.syncro.switches.set("second_writer", "on")
    assert (await desk.get(f"/contacts/{number}")).json["properties"]["title"] == "Chef"
    changed = (await desk.put(f"/contacts/{number}", {"phone": "2"})).json
    assert changed["properties"]["title"] == "Changed by someone else"
    again = (await desk.put(f"/contacts/{number}", {"title": "Mine"})).json  # no GET before it: nobody came between
    assert again["properties"]["title"] == "Mine"
