"""The limit of calls, the armed faults and the list of received calls."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from sandbox.syncro.faults import BadFaultError, read_fault
from sandbox.syncro.limiter import Limiter
from tests.integration.sandbox_syncro.desk import Desk


def _arm(desk: Desk, **description: Any) -> None:
    desk.syncro.faults.arm(read_fault(description))


async def test_call_181_of_a_minute_is_refused_and_the_window_slides(desk: Desk) -> None:
    for _ in range(90):
        assert (await desk.get("/me")).status == 200
    desk.clock.advance(30)
    for _ in range(90):
        assert (await desk.get("/me")).status == 200
    refused = await desk.get("/me")
    assert (refused.status, refused.json) == (429, {"error": "Too many requests"})
    assert "Retry-After" not in refused.headers
    desk.clock.advance(30)
    assert (await desk.get("/me")).status == 200
    assert desk.syncro.calls.max_calls_in(60) == 181


async def test_the_refusal_has_four_forms(desk: Desk) -> None:
    desk.syncro.limiter.per_minute = 0
    desk.syncro.switches.set("limit_answer", "429_retry_after")
    assert (await desk.get("/me")).headers["Retry-After"] == "60"
    desk.syncro.switches.set("limit_answer", "429_html")
    page = await desk.get("/me")
    assert (page.status, page.headers["Content-Type"], page.json) == (429, "text/html; charset=utf-8", None)
    desk.syncro.switches.set("limit_answer", "200_error")
    odd = await desk.get("/me")
    assert odd.status == 200
    assert "high number of requests" in odd.json["error"]
    desk.syncro.limiter.per_minute = None
    assert "user_id" in (await desk.get("/me")).json


def test_a_fixed_window_starts_anew_at_the_minute() -> None:
    limiter = Limiter(per_minute=2)
    assert [limiter.refuse_for("a", now, "fixed") for now in (58.0, 59.0)] == [None, None]
    assert limiter.refuse_for("a", 59.5, "fixed") == pytest.approx(0.5)
    assert limiter.refuse_for("a", 60.0, "fixed") is None
    assert limiter.refuse_for("b", 59.9, "fixed") is None


def test_a_breach_may_block_for_a_whole_window() -> None:
    limiter = Limiter(per_minute=2)
    assert [limiter.refuse_for("a", now, "block") for now in (0.0, 1.0, 2.0)] == [None, None, 60.0]
    assert limiter.refuse_for("a", 61.0, "block") == pytest.approx(1.0)
    assert limiter.refuse_for("a", 62.0, "block") is None


def test_a_client_that_hammers_stays_out_of_a_sliding_window() -> None:
    limiter = Limiter(per_minute=2)
    for now in range(0, 120, 10):
        limiter.refuse_for("a", float(now), "sliding")
    assert limiter.refuse_for("a", 121.0, "sliding") == pytest.approx(49.0)


@pytest.mark.parametrize(
    ("kind", "status", "content"),
    [
        ("500_json", 500, "application/json"),
        ("502_html", 502, "text/html"),
        ("504_html", 504, "text/html"),
        ("429", 429, "application/json"),
        ("401_token", 401, "application/json"),
        ("401_permission", 401, "application/json"),
        ("404", 404, "application/json"),
        ("200_html", 200, "text/html"),
        ("200_error", 200, "application/json"),
    ],
)
async def test_a_fault_spoils_the_answer_once(desk: Desk, kind: str, status: int, content: str) -> None:
    _arm(desk, kind=kind, method="get", path="/me$")
    assert (await desk.get("/settings")).status == 200
    spoiled = await desk.get("/me")
    assert (spoiled.status, spoiled.headers["Content-Type"].split(";")[0]) == (status, content)
    assert "user_id" in (await desk.get("/me")).json


@pytest.mark.parametrize(("position", "left"), [("before", 0), ("after", 1)])
async def test_a_reset_comes_before_or_after_the_commit(desk: Desk, position: str, left: int) -> None:
    _arm(desk, kind="reset", method="POST", position=position)
    with pytest.raises(aiohttp.ClientConnectionError):
        await desk.post("/contacts", {"customer_id": desk.customer, "name": "Avery"})
    assert len(desk.syncro.account.contacts) == left
    await asyncio.sleep(0)
    (call,) = desk.syncro.calls.select(method="POST")
    assert (call.status, call.fault, call.contact_id is not None) == (0, "reset", bool(left))


async def test_a_500_after_the_commit_has_taken_effect(desk: Desk) -> None:
    number = desk.contact()
    _arm(desk, kind="500_json", position="after", times=None)
    assert (await desk.put(f"/contacts/{number}", {"name": "New"})).status == 500
    assert desk.syncro.account.contacts[number].values["name"] == "New"
    desk.syncro.faults.clear()
    assert (await desk.get(f"/contacts/{number}")).status == 200


async def test_a_slow_answer_may_have_committed_before_the_caller_gave_up(desk: Desk) -> None:
    _arm(desk, kind="slow", seconds=0.4, position="after", method="POST")
    with pytest.raises(asyncio.TimeoutError):
        await desk.call("POST", "/contacts", {"customer_id": desk.customer}, timeout=aiohttp.ClientTimeout(total=0.1))
    assert len(desk.syncro.account.contacts) == 1


async def test_skip_and_times_count(desk: Desk) -> None:
    _arm(desk, kind="500_json", skip=1, times=2)
    assert [(await desk.get("/me")).status for _ in range(4)] == [200, 500, 500, 200]


async def test_rows_come_and_go_between_two_pages(desk: Desk) -> None:
    numbers = [desk.contact(name=f"P{place}") for place in range(60)]
    path = f"/contacts?customer_id={desk.customer}"
    for kind, missed in (("drift_insert", 0), ("drift_delete", 1)):
        before = set(desk.syncro.account.contacts)
        _arm(desk, kind=kind, path="/contacts$")
        rows = (await desk.get(path)).json["contacts"] + (await desk.get(f"{path}&page=2")).json["contacts"]
        standing = before & set(desk.syncro.account.contacts)
        assert len(standing - {row["id"] for row in rows}) == missed
    assert len(numbers) == 60


async def test_a_second_writer_as_a_fault(desk: Desk) -> None:
    number = desk.contact(phone="1")
    _arm(desk, kind="second_writer", method="PUT", field="phone", value="999")
    changed = (await desk.put(f"/contacts/{number}", {"name": "New"})).json
    assert (changed["name"], changed["phone"]) == ("New", "999")


@pytest.mark.parametrize(
    "description",
    [
        {"kind": "explode"},
        {},
        {"kind": "404", "position": "later"},
        {"kind": "404", "path": "("},
        {"kind": "404", "x": 1},
    ],
)
def test_a_fault_that_is_not_understood_is_refused(description: dict[str, Any]) -> None:
    with pytest.raises(BadFaultError):
        read_fault(description)


async def test_calls_tell_who_was_touched_by_which_keys_and_no_value(desk: Desk) -> None:
    number = desk.contact()
    await desk.get(f"/contacts?customer_id={desk.customer}")
    await desk.put(f"/contacts/{number}", {"name": "Secret Person", "properties": {"azure_license": "x"}})
    listing, write = desk.syncro.calls
    assert (listing.customer_id, listing.query) == (desk.customer, {"customer_id": str(desk.customer)})
    assert (write.contact_id, write.customer_id, write.status) == (number, desk.customer, 200)
    assert (write.body_keys, write.property_keys) == (["name", "properties"], ["azure_license"])
    assert "Secret Person" not in str(write.as_dict())
    assert desk.syncro.calls.writes() == [write]
    assert desk.syncro.calls.select(contact_id=number) == [write]
    assert desk.syncro.calls.select(since=1, path="/contacts") == [write]


@pytest.mark.parametrize("body", [b"{oops", b"[" * 100_000, b"\xff{"], ids=["broken", "nested too deep", "not text"])
async def test_a_body_that_is_no_json_is_a_400(desk: Desk, body: bytes) -> None:
    headers = {"Authorization": desk.syncro.token.secret, "Content-Type": "application/json"}
    refused = await desk.call("POST", "/contacts", headers=headers, data=body)
    assert (refused.status, refused.json) == (400, {"error": "There was a problem in the JSON you submitted"})
    assert (await desk.get("/contacts")).json["meta"]["total_entries"] == 0
