"""Shapes and rules of the customer, phone, settings, me and search calls."""

from __future__ import annotations

from tests.integration.sandbox_syncro.desk import Desk


async def test_customers_are_wrapped_and_embed_their_contacts(desk: Desk) -> None:
    number = desk.contact()
    listed = (await desk.get("/customers")).json
    assert listed["meta"] == {"total_pages": 1, "total_entries": 2, "per_page": 100, "page": 1}
    contoso, walk_in = listed["customers"]
    assert [row["id"] for row in contoso["contacts"]] == [number]
    assert (walk_in["fullname"], walk_in["business_then_name"]) == ("Walkin Customer", "Walkin Customer")
    detail = (await desk.get(f"/customers/{desk.customer}")).json["customer"]
    assert set(contoso) < set(detail)
    assert detail["since_updated_at"] == detail["updated_at"]


async def test_a_customer_is_made_changed_and_deleted(desk: Desk) -> None:
    made = await desk.post(
        "/customers",
        {"business_name": "Real Business", "phone": "555-0999", "get_billing": True, "properties": {"Reg No.": "9"}},
    )
    customer = made.json["customer"]
    assert (made.status, customer["phone"]) == (200, "5550999")
    assert customer["properties"] == {"Reg No.": "9", "notification_billing": "1"}
    path = f"/customers/{customer['id']}"
    changed = await desk.put(path, {"no_email": True, "properties": {"azure_tenant_id": "t", "Service Level": "Gold"}})
    assert changed.json["customer"]["properties"] == {"azure_tenant_id": "t", "Service Level": "Gold"}
    assert changed.json["customer"]["business_name"] == "Real Business"
    assert changed.json["customer"]["no_email"] is True
    assert (await desk.get("/customers/latest")).json["customer"]["id"] == customer["id"]
    gone = await desk.call("DELETE", path)
    assert gone.json == {"message": "Customer was deleted from the system."}
    assert (await desk.get(path)).status == 404


async def test_a_bad_customer_email_is_422_with_an_array(desk: Desk) -> None:
    body = {"business_name": "Real Business", "email": "it is not an email"}
    refused = await desk.post("/customers", body)
    texts = ["Email is not an email", 'Email Only able to parse up to "it is not an email"']
    assert (refused.status, refused.json) == (422, {"success": False, "message": texts, "params": body})
    again = await desk.put(f"/customers/{desk.customer}", {"email": "xxx"})
    assert (again.status, again.json) == (422, {"success": False, "message": ["Email is not an email"]})


async def test_the_list_of_customers_has_its_filters(desk: Desk) -> None:
    second = desk.syncro.add_customer("Contoso Overseas", email="sea@contoso.example")
    disabled = desk.syncro.add_customer("Gone Ltd")
    disabled.disabled = True

    async def ids(query: str) -> list[int]:
        return [row["id"] for row in (await desk.get(f"/customers?{query}")).json["customers"]]

    assert await ids("business_name=contoso") == [second.id, desk.customer]
    assert await ids("query=sea@") == [second.id]
    assert await ids("email=info@contoso.example") == [desk.customer]
    assert await ids(f"id[]={desk.customer}&id[]={second.id}&not_id[]={second.id}") == [desk.customer]
    assert await ids("sort=business_name ASC&business_name=contoso") == [desk.customer, second.id]
    assert disabled.id not in await ids("")
    assert disabled.id in await ids("include_disabled=true")
    found = (await desk.get("/customers/autocomplete?query=overs")).json
    assert list(found) == ["customers"]
    assert [row["id"] for row in found["customers"]] == [second.id]


async def test_phones_are_rows_of_digits(desk: Desk) -> None:
    path = f"/customers/{desk.customer}/phones"
    made = (await desk.post(path, {"label": "Fax", "number": "(222) 000-222"})).json
    assert (made["number"], made["customer_id"]) == ("222000222", desk.customer)
    assert (await desk.put(f"{path}/{made['id']}", {"number": "1-2"})).json["number"] == "12"
    refused = await desk.post(path, {"number": ""})
    params = {"customer_id": str(desk.customer), "number": ""}
    assert refused.json == {"success": False, "message": ["Number can't be blank"], "params": params}
    assert len((await desk.get(path)).json["phones"]) == 1
    assert (await desk.call("DELETE", f"{path}/{made['id']}")).json == {"success": True}
    assert (await desk.call("DELETE", f"{path}/{made['id']}")).status == 404


async def test_me_and_settings(desk: Desk) -> None:
    me = (await desk.get("/me")).json
    assert (me["subdomain"], me["permissions"]["customer"]["write"]) == ("sandbox", True)
    assert me["user_token"]
    settings = (await desk.get("/settings")).json
    names = {field["name"] for field in settings["customers"]["customer_fields"]}
    assert {"azure_tenant_id", "Reg No."} <= names
    assert "contacts" not in settings


async def test_search_lags_behind(desk: Desk) -> None:
    number = desk.contact(name="Nora Findme", email="nora@contoso.example")
    assert (await desk.get("/search?query=findme")).json == {"quick_result": None, "results": [], "error": None}
    desk.clock.advance(30)
    (hit,) = (await desk.get("/search?query=findme")).json["results"]
    assert (hit["table"]["_id"], hit["table"]["_type"], hit["table"]["_index"]) == (number, "contact", "contacts")
    assert hit["table"]["_source"]["table"]["email"] == "nora@contoso.example"
    await desk.call("DELETE", f"/contacts/{number}")
    assert len((await desk.get("/search?query=findme")).json["results"]) == 1
    desk.syncro.switches.set("search_lag", "0")
    assert (await desk.get("/search?query=findme")).json["results"] == []


async def test_texts_of_a_customer_are_empty_rather_than_null(desk: Desk) -> None:
    customer = (await desk.post("/customers", {"business_name": "Bare"})).json["customer"]
    texts = ("firstname", "lastname", "address", "address_2", "city", "state", "zip", "notification_email")
    assert [customer[name] for name in (*texts, "invoice_cc_emails", "referred_by")] == [""] * 10
    assert [customer[name] for name in ("email", "notes", "phone", "mobile")] == [None] * 4
    cleared = await desk.put(f"/customers/{customer['id']}", {"business_name": None, "city": None})
    assert (cleared.json["customer"]["business_name"], cleared.json["customer"]["city"]) == ("", "")
