"""Delta rounds page by page, without a socket: what is asked, what ends a round, and what must not be believed."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from shared.adapters.graph.changes import GraphUserChanges
from shared.adapters.http import Answer
from shared.domain.errors import Permanent, StopTheLine, Transient
from shared.domain.user import SELECT
from shared.ports import RESYNC
from tests.support.vendor_stub import ScriptedHttp, StaticTokens, answer

BASE = "https://graph.example"
DELTA = f"{BASE}/v1.0/users/delta"
LINK = f"{DELTA}?$deltatoken=Az_9%2f%2Fx=="  # not one byte may be changed
MARK = f"v1:{sha256(' '.join([BASE, ','.join(SELECT)]).encode()).hexdigest()[:16]}|"
OURS = MARK + LINK


def page(*ids: str, following: str | None = None, end: str | None = None) -> Answer:
    body: dict[str, Any] = {"value": [{"id": each, "displayName": "Somebody"} for each in ids]}
    body |= {"@odata.nextLink": following} if following else {}
    return answer(200, body | ({"@odata.deltaLink": end} if end else {}))


def changes(*script: Answer) -> tuple[GraphUserChanges, ScriptedHttp]:
    http = ScriptedHttp(*script)
    return GraphUserChanges(http, StaticTokens(), BASE), http


async def test_now_asks_for_the_latest_link_of_what_a_look_reads() -> None:
    source, http = changes(page(end=LINK))
    assert await source.now("t") == OURS
    assert http.lines == [f"GET /v1.0/users/delta?$deltatoken=latest&$select={','.join(SELECT)}"]


async def test_now_follows_pages_to_the_link_and_ignores_who_is_on_them() -> None:
    source, http = changes(page("a", following=f"{DELTA}?$skiptoken=1"), page("b", end=LINK))
    assert await source.now("t") == OURS
    assert len(http.requests) == 2


async def test_a_round_follows_its_links_byte_for_byte_at_low_priority() -> None:
    following = f"{DELTA}?$skiptoken=x%2by&weird=%7B"
    source, http = changes(page("a", following=following), page("b", end=f"{DELTA}?$deltatoken=2"))
    changed = await source.since("t", OURS)
    assert [request.url for request in http.requests] == [LINK, following]
    assert (changed.user_ids, changed.link, changed.requests) == (("a", "b"), f"{MARK}{DELTA}?$deltatoken=2", 2)
    assert {request.headers["x-ms-throttle-priority"] for request in http.requests} == {"Low"}
    assert {request.template for request in http.requests} == {"/users/delta"}


async def test_empty_pages_end_nothing_and_repeats_are_one_user() -> None:
    source, _ = changes(
        page("A", "b", following=f"{DELTA}?$skiptoken=1"),
        page(following=f"{DELTA}?$skiptoken=2"),
        page("b", "a", "c", end=LINK),
    )
    assert (await source.since("t", OURS)).user_ids == ("a", "b", "c")


async def test_a_removed_user_is_one_that_changed() -> None:
    rows = [{"id": "a", "@removed": {"reason": "changed"}}, {"id": "b", "@removed": {"reason": "deleted"}}]
    source, _ = changes(answer(200, {"value": rows, "@odata.deltaLink": LINK}))
    assert (await source.since("t", OURS)).user_ids == ("a", "b")


@pytest.mark.parametrize(
    "void",
    [
        answer(410, {"error": {"code": "resyncRequired"}}, Location=f"{DELTA}?$deltatoken="),
        answer(400, {"error": {"code": "syncStateNotFound", "message": "The sync state generation is not found."}}),
        answer(404, {"error": {"code": "SyncStateNotFound"}}),
        answer(400, {"error": {"code": "resyncRequired"}}),
        answer(400, {"error": {"code": "DeltaTokenExpired"}}),
    ],
)
async def test_a_void_link_is_one_code_on_any_page_and_is_not_followed(void: Answer) -> None:
    for script in ([void], [page("a", following=f"{DELTA}?$skiptoken=1"), void]):
        source, http = changes(*script)
        with pytest.raises(Transient) as caught:
            await source.since("t", OURS)
        assert caught.value.code == RESYNC
        assert len(http.requests) == len(script)


@pytest.mark.parametrize("link", ["https://evil.example/v1.0/users/delta?$deltatoken=1", f"{BASE}.evil.example/x", ""])
async def test_a_token_never_goes_to_another_host(link: str) -> None:
    source, http = changes()
    with pytest.raises(Permanent, match="foreign_link"):
        await source.since("t", MARK + link)
    assert http.requests == []
    source, http = changes(page("a", following=link or "https://evil.example/"))
    with pytest.raises(Permanent, match="foreign_link"):
        await source.since("t", OURS)
    assert len(http.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"value": []},  # no link at all: not the end of the round
        {"value": None, "@odata.deltaLink": LINK},
        {"@odata.deltaLink": LINK},
        {"value": [{"displayName": "No id"}], "@odata.deltaLink": LINK},
        {"value": ["text"], "@odata.deltaLink": LINK},
        b"<html>",
    ],
)
async def test_an_answer_that_is_none_ends_no_round(body: object) -> None:
    source, _ = changes(answer(200, body))
    with pytest.raises(Transient, match="unreadable_answer"):
        await source.since("t", OURS)


async def test_pages_in_a_circle_end() -> None:
    circle = f"{DELTA}?$skiptoken=1"
    source, _ = changes(page("a", following=circle), page("b", following=circle))
    with pytest.raises(Transient, match="listing_without_end"):
        await source.since("t", OURS)


async def test_throttling_and_lost_consent_are_told_apart() -> None:
    source, _ = changes(answer(429, None, Retry_After="2.5"))
    with pytest.raises(Transient) as throttled:
        await source.since("t", OURS)
    assert throttled.value.retry_after == 2.5
    source, _ = changes(answer(403, {"error": {"code": "Authorization_RequestDenied"}}))
    with pytest.raises(StopTheLine):
        await source.since("t", OURS)


async def test_a_link_of_another_cloud_is_void() -> None:
    """Graph would never answer. One for other attributes: `test_attributes.py`."""
    link = await GraphUserChanges(ScriptedHttp(page(end=LINK)), StaticTokens(), BASE).now("t")
    http = ScriptedHttp(page("a", end=LINK))
    with pytest.raises(Transient) as caught:
        await GraphUserChanges(http, StaticTokens(), "https://graph.other.example").since("t", link)
    assert caught.value.code == RESYNC
    assert http.requests == []
    assert (await GraphUserChanges(http, StaticTokens(), f"{BASE}/").since("t", link)).user_ids == ("a",)


async def test_a_link_without_its_fields_is_void() -> None:
    source, http = changes()
    with pytest.raises(Transient, match=RESYNC):
        await source.since("t", LINK)
    assert http.requests == []


async def test_a_link_that_could_never_be_followed_is_not_given() -> None:
    """Else every round would end in a full sync."""
    source, _ = changes(page(end="https://evil.example/"))
    with pytest.raises(Permanent, match="foreign_link"):
        await source.now("t")
