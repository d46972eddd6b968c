"""Contacts, customers and the account without a socket: what is sent, spent, compared and refused."""

from __future__ import annotations

from typing import Any

import pytest

from shared.adapters.dry_run import DryRunContacts, Recorded
from shared.adapters.http import Answer, Request
from shared.adapters.syncro.account import SyncroAccount
from shared.adapters.syncro.contacts import SyncroContacts
from shared.adapters.syncro.customers import SyncroCustomers
from shared.domain.changes import FieldChange, Kind
from shared.domain.contact import Contact, Customer
from shared.domain.errors import Ambiguous, Permanent, Scope, StopTheLine, SyncError, Transient
from tests.support.vendor_stub import FreeAllowance, ScriptedHttp, TellTalePace, answer

BASE = "https://acme.example"
TOKEN = "T-very-secret"
NOT_FOUND = answer(404, {"message": "Not found"})


def contacts(http: ScriptedHttp, pace: TellTalePace | None = None) -> SyncroContacts:
    return SyncroContacts(http, BASE, TOKEN, pace or TellTalePace())


def change(field: str, after: str) -> FieldChange:
    return FieldChange(field, "", after, Kind.PROFILE, "because")


def row(number: int, **other: Any) -> dict[str, Any]:
    return {"id": number, "customer_id": 5, "name": f"Person {number}", "properties": {}} | other


def page(*ids: int, total: int, pages: int = 1, key: str = "contacts") -> Answer:
    meta = {"total_pages": pages, "total_entries": total, "per_page": 2, "page": 1}
    return answer(200, {key: [row(number) for number in ids], "meta": meta})


async def ids(http: ScriptedHttp, allowance: FreeAllowance | None = None) -> list[int]:
    return [found.id for found in await contacts(http).listing(allowance or FreeAllowance(), 5)]


# --- listing ---------------------------------------------------------------------------------------------------------


async def test_pages_are_read_by_customer_until_meta_says_so() -> None:
    http = ScriptedHttp(page(1, 2, total=3, pages=2), page(3, total=3, pages=2))
    allowance = FreeAllowance()
    assert await ids(http, allowance) == [1, 2, 3]
    assert http.lines == [f"GET /api/v1/contacts?customer_id=5&page={number}" for number in (1, 2)]
    assert allowance.spent == 2
    assert {request.headers["Authorization"] for request in http.requests} == {f"Bearer {TOKEN}"}
    assert {request.template for request in http.requests} == {"/contacts"}


async def test_a_customer_without_contacts() -> None:
    assert await ids(ScriptedHttp(page(total=0, pages=0))) == []


async def test_a_row_that_slid_onto_the_next_page_makes_the_pass_void() -> None:
    grown = [page(9, 1, total=4, pages=2), page(2, 3, total=4, pages=2)]
    http = ScriptedHttp(page(1, 2, total=3, pages=2), page(2, 3, total=4, pages=2), *grown)
    assert await ids(http) == [9, 1, 2, 3]


async def test_a_row_that_fell_between_the_pages_makes_the_pass_void() -> None:
    http = ScriptedHttp(
        page(1, 2, total=4, pages=2),
        page(4, total=4, pages=2),
        page(1, 2, total=4, pages=2),
        page(3, 4, total=4, pages=2),
    )
    assert await ids(http) == [1, 2, 3, 4]


async def test_a_row_deleted_between_two_passes_does_not_count() -> None:
    http = ScriptedHttp(
        page(1, 2, total=3, pages=2), page(2, total=3, pages=2), page(2, 3, total=3, pages=2), page(4, total=3, pages=2)
    )
    assert await ids(http) == [2, 3, 4]


async def test_a_listing_that_never_stands_still_is_transient() -> None:
    http = ScriptedHttp(*[page(1, total=2)] * 4)
    with pytest.raises(Transient) as failure:
        await ids(http)
    assert failure.value.code == "listing_unstable"
    assert len(http.requests) == 4


@pytest.mark.parametrize("end", [page(total=2, pages=9), NOT_FOUND], ids=["empty", "404"])
async def test_a_page_past_the_end_ends_the_pass(end: Answer) -> None:
    assert await ids(ScriptedHttp(page(1, 2, total=2, pages=9), end)) == [1, 2]


@pytest.mark.parametrize(
    "only",
    [
        answer(200, {"contacts": []}),
        answer(200, {"message": "odd"}),
        answer(200, b"<html>log in</html>"),
        answer(200, {"contacts": [{"name": "no id"}], "meta": {"total_entries": 1}}),
        answer(504, b"<html>gateway time-out</html>"),
    ],
)
async def test_a_listing_that_cannot_be_read_is_transient(only: Answer) -> None:
    with pytest.raises(Transient) as failure:
        await ids(ScriptedHttp(only))
    assert not isinstance(failure.value, Ambiguous)


async def test_an_ignored_filter_is_noticed() -> None:
    foreign = answer(200, {"contacts": [row(1), row(2, customer_id=6)], "meta": {"total_entries": 2, "total_pages": 1}})
    with pytest.raises(Permanent) as failure:
        await ids(ScriptedHttp(foreign))
    assert failure.value.code == "filter_ignored"


# --- get -------------------------------------------------------------------------------------------------------------


async def test_get_gives_none_only_for_a_404() -> None:
    http = ScriptedHttp(answer(200, row(7)), NOT_FOUND, answer(404))
    adapter = contacts(http)
    found = await adapter.get(FreeAllowance(), 7)
    assert found is not None
    assert found.id == 7
    assert await adapter.get(FreeAllowance(), 7) is None
    assert await adapter.get(FreeAllowance(), 7) is None
    assert http.requests[0].template == "/contacts/{id}"


@pytest.mark.parametrize(
    ("step", "family", "code"),
    [
        (answer(404, b"<html>no such account</html>"), Transient, "unreadable_answer"),
        (answer(200, b"null"), Transient, "unreadable_answer"),
        (answer(200, {}), Transient, "unreadable_answer"),
        (answer(401, {"error": "Not authorized. Please ask"}), StopTheLine, "permission"),
        (answer(401, {"error": "Failed to authenticate account"}), StopTheLine, "token"),
        (answer(500, {}), Transient, "service_fault"),
        (Transient("syncro", "timed_out"), Transient, "timed_out"),
    ],
)
async def test_get_raises_for_everything_else(step: Answer | SyncError, family: type[SyncError], code: str) -> None:
    with pytest.raises(family) as failure:
        await contacts(ScriptedHttp(step)).get(FreeAllowance(), 7)
    assert failure.value.code == code
    assert TOKEN not in str(failure.value)


# --- too many --------------------------------------------------------------------------------------------------------

TOO_MANY = [
    answer(429, {"error": "too many"}),
    answer(429, b"<html>"),
    answer(200, {"error": "We received a high number of requests"}),
]


@pytest.mark.parametrize("step", TOO_MANY)
async def test_too_many_is_told_to_the_pace_and_stops_the_account(step: Answer) -> None:
    pace = TellTalePace()
    with pytest.raises(StopTheLine) as failure:
        await contacts(ScriptedHttp(step), pace).get(FreeAllowance(), 7)
    assert (failure.value.scope, failure.value.code, failure.value.retry_after) == (Scope.ACCOUNT, "too_many", 30.0)
    assert pace.refusals == 1


async def test_a_pace_that_cannot_be_told_hides_nothing() -> None:
    pace = TellTalePace(broken=Transient("state", "unreachable"))
    with pytest.raises(StopTheLine):
        await contacts(ScriptedHttp(TOO_MANY[0]), pace).get(FreeAllowance(), 7)


# --- create ----------------------------------------------------------------------------------------------------------

NEW = [change("name", "Ann"), change("email", "a@x.example"), change("title", "CFO"), change("azure_license", "Basic")]
STORED = {"title": "CFO", "azure_license": "Basic"}


async def test_creation_is_one_call_when_everything_sticks() -> None:
    http = ScriptedHttp(answer(200, row(9, name="Ann", email="a@x.example", properties=STORED)))
    allowance = FreeAllowance()
    written = await contacts(http).create(allowance, 5, NEW)
    assert (written.contact.id, written.unstuck, allowance.spent) == (9, (), 1)
    assert http.lines == ["POST /api/v1/contacts"]
    assert http.requests[0].repeatable is False


async def test_ignored_properties_are_sent_once_more() -> None:
    http = ScriptedHttp(
        answer(200, row(9, name="Ann", email="a@x.example", properties={"default": "d"})),
        answer(200, row(9, name="Ann", email="a@x.example", properties=STORED)),
    )
    allowance = FreeAllowance()
    written = await contacts(http).create(allowance, 5, NEW)
    assert (written.unstuck, allowance.spent, written.contact.title) == ((), 2, "CFO")
    assert http.lines == ["POST /api/v1/contacts", "PUT /api/v1/contacts/9"]
    assert http.bodies[1] == {"name": "Ann", "title": "CFO", "properties": {"default": "d"} | STORED}


async def test_a_plain_field_that_did_not_stick_asks_for_no_second_call() -> None:
    http = ScriptedHttp(answer(200, row(9, name="Ann", email="", properties=STORED)))
    assert (await contacts(http).create(FreeAllowance(), 5, NEW)).unstuck == ("email",)


async def test_a_field_that_syncro_lacks_is_reported() -> None:
    bare = row(9, name="Ann", email="a@x.example")
    http = ScriptedHttp(answer(200, bare), answer(200, bare | {"properties": {"title": "CFO"}}))
    assert (await contacts(http).create(FreeAllowance(), 5, NEW)).unstuck == ("azure_license",)


@pytest.mark.parametrize(
    "step",
    [
        answer(200, b"<html>"),
        answer(200, {"message": "odd"}),
        answer(200, b""),
        answer(500, {}),
        answer(504, b"<html>"),
        Ambiguous("syncro", "timed_out"),
    ],
)
async def test_creation_is_ambiguous_when_no_readable_answer_came_back(step: Answer | SyncError) -> None:
    with pytest.raises(Ambiguous):
        await contacts(ScriptedHttp(step)).create(FreeAllowance(), 5, NEW)


@pytest.mark.parametrize(
    ("step", "family", "code"),
    [
        (Transient("syncro", "unreachable"), Transient, "unreachable"),
        (answer(422, {"record": {"email": "xxx"}, "errors": "Email is not an email"}), Permanent, "invalid_email"),
        (NOT_FOUND, Permanent, "not_found"),
        (answer(401, {"error": "Not authorized."}), StopTheLine, "permission"),
        (answer(429, {}), StopTheLine, "too_many"),
        (answer(200, {"error": "high number of requests"}), StopTheLine, "too_many"),
    ],
)
async def test_creation_is_not_ambiguous_when_it_certainly_did_not_happen(
    step: Answer | SyncError, family: type[SyncError], code: str
) -> None:
    with pytest.raises(family) as failure:
        await contacts(ScriptedHttp(step)).create(FreeAllowance(), 5, NEW)
    assert (type(failure.value), failure.value.code) == (family, code)


@pytest.mark.parametrize(
    "step",
    [answer(500, {}), answer(429, {}), answer(422, {"errors": "Properties odd"}), Transient("syncro", "unreachable")],
)
async def test_a_creation_that_could_not_be_completed_must_not_be_repeated(step: Answer | SyncError) -> None:
    with pytest.raises(Ambiguous) as failure:
        await contacts(ScriptedHttp(answer(200, row(9)), step)).create(FreeAllowance(), 5, NEW)
    assert failure.value.code == "creation_incomplete"


# --- update ----------------------------------------------------------------------------------------------------------

FRESH = Contact(7, 5, name="Ann", title="CEO", properties={"title": "CEO", "Other": "kept"})


async def test_an_update_is_one_put_compared_with_its_answer() -> None:
    kept = {"title": "CEO", "Other": "kept"}
    http = ScriptedHttp(answer(200, row(7, name="Ann", phone="2175550143", properties=kept)))
    allowance = FreeAllowance()
    changes = [change("phone", "(217) 555-0143"), change("azure_license", "Basic")]
    written = await contacts(http).update(allowance, FRESH, changes)
    assert (written.unstuck, allowance.spent) == (("azure_license",), 1)
    assert http.lines == ["PUT /api/v1/contacts/7"]
    assert http.bodies[0] == {
        "name": "Ann",
        "phone": "(217) 555-0143",
        "properties": kept | {"azure_license": "Basic"},
    }


@pytest.mark.parametrize("step", [answer(500, {}), answer(200, b"<html>"), answer(200, {"message": "odd"})])
async def test_an_update_without_a_readable_answer_may_have_happened(step: Answer) -> None:
    with pytest.raises(Ambiguous):
        await contacts(ScriptedHttp(step)).update(FreeAllowance(), FRESH, [change("phone", "2")])


async def test_an_update_of_a_vanished_contact_needs_a_new_look() -> None:
    with pytest.raises(Permanent) as failure:
        await contacts(ScriptedHttp(NOT_FOUND)).update(FreeAllowance(), FRESH, [change("phone", "2")])
    assert failure.value.code == "not_found"


async def test_the_call_is_spent_right_before_the_request() -> None:
    allowance = FreeAllowance()

    def check(_: Request) -> Answer:
        assert allowance.spent == 1
        return answer(200, row(7))

    await contacts(ScriptedHttp(check)).get(allowance, 7)


# --- customers and account -------------------------------------------------------------------------------------------


async def test_customers_are_listed_with_the_disabled_ones() -> None:
    rows = [{"id": 1, "business_name": "A"}, {"id": 2, "business_name": "B", "disabled": True}]
    http = ScriptedHttp(answer(200, {"customers": rows, "meta": {"total_entries": 2, "total_pages": 1}}))
    found = await SyncroCustomers(http, BASE, TOKEN, TellTalePace()).listing(FreeAllowance())
    assert [(customer.name, customer.disabled) for customer in found] == [("A", False), ("B", True)]
    assert http.lines == ["GET /api/v1/customers?include_disabled=true&page=1"]


async def test_one_customer_comes_wrapped() -> None:
    http = ScriptedHttp(answer(200, {"customer": {"id": 5, "business_name": "A"}}), NOT_FOUND, answer(200, {}))
    adapter = SyncroCustomers(http, BASE, TOKEN, TellTalePace())
    found = await adapter.get(FreeAllowance(), 5)
    assert found is not None
    assert found.name == "A"
    assert await adapter.get(FreeAllowance(), 5) is None
    with pytest.raises(Transient):
        await adapter.get(FreeAllowance(), 5)


CONTOSO = Customer(5, "Contoso", properties={"Reg No.": "77", "microsoft_secure_score": "41.0%"})


async def test_an_update_of_a_customer_is_one_put_compared_with_its_answer() -> None:
    http = ScriptedHttp(answer(200, {"customer": {"id": 5, "properties": {"Reg No.": "77", "score": "52.5%"}}}))
    allowance = FreeAllowance()
    adapter = SyncroCustomers(http, BASE, TOKEN, TellTalePace())
    changes = [change("score", "52.5%"), change("azure_licensed_user_count", "12")]
    written = await adapter.update(allowance, CONTOSO, changes)
    assert (written.customer.value("score"), written.unstuck) == ("52.5%", ("azure_licensed_user_count",))
    assert (http.lines, allowance.spent) == (["PUT /api/v1/customers/5"], 1)
    assert http.requests[0].template == "/customers/{id}"
    assert http.requests[0].repeatable is False
    assert http.bodies[0] == {"properties": {**CONTOSO.properties, "score": "52.5%", "azure_licensed_user_count": "12"}}


@pytest.mark.parametrize(
    ("step", "family"),
    [
        (answer(500, {}), Ambiguous),
        (answer(200, b"<html>"), Ambiguous),
        (answer(200, {"message": "odd"}), Ambiguous),
        (answer(422, {"success": False, "message": ["Properties odd"]}), Permanent),
        (NOT_FOUND, Permanent),
        (answer(429, {}), StopTheLine),
    ],
)
async def test_an_update_of_a_customer_that_fails(step: Answer, family: type[SyncError]) -> None:
    adapter = SyncroCustomers(ScriptedHttp(step), BASE, TOKEN, TellTalePace())
    with pytest.raises(family) as failure:
        await adapter.update(FreeAllowance(), CONTOSO, [change("score", "1")])
    assert type(failure.value) is family


async def test_whoami_keeps_nothing_but_the_subdomain() -> None:
    me = answer(200, {"user_token": "T-other-secret", "user_email": "joe@example.com", "subdomain": "acme"})
    adapter = SyncroAccount(ScriptedHttp(me, answer(200, {"user_token": "x"})), BASE, TOKEN, TellTalePace())
    assert await adapter.whoami(FreeAllowance()) == "acme"
    assert "other-secret" not in repr(vars(adapter))
    with pytest.raises(Transient):
        await adapter.whoami(FreeAllowance())


# --- dry run ---------------------------------------------------------------------------------------------------------


async def test_a_dry_run_reads_truly_and_writes_nothing() -> None:
    http = ScriptedHttp(answer(200, row(7)), page(7, total=1))
    dry = DryRunContacts(contacts(http))
    allowance = FreeAllowance()
    assert (await dry.get(allowance, 7)) == Contact(7, 5, name="Person 7")
    assert len(await dry.listing(allowance, 5)) == 1
    changes = (change("phone", "2"), change("title", "CFO"), change("azure_license", "Basic"))
    updated = await dry.update(allowance, FRESH, changes)
    created = await dry.create(allowance, 5, changes)
    assert (updated.unstuck, created.unstuck) == ((), ())
    assert (updated.contact.phone, updated.contact.title) == ("2", "CFO")
    assert updated.contact.properties == {"title": "CFO", "Other": "kept", "azure_license": "Basic"}
    assert created.contact.id < 0
    assert created.contact.customer_id == 5
    assert dry.recorded == (Recorded(5, 7, changes), Recorded(5, None, changes))
    assert [request.method for request in http.requests] == ["GET", "GET"]
    assert allowance.spent == 2
