"""Directory extensions on every path that reads users: selected where a rule asks, left out where a tenant has none.

`Entra` answers like Graph: one name that it does not know spoils the whole request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from shared.adapters.graph.attributes import LACKING_SECONDS, WantedAttributes
from shared.adapters.graph.changes import GraphUserChanges
from shared.adapters.graph.directory import GraphDirectory
from shared.adapters.graph.reports import GraphReports
from shared.adapters.http import Answer, Request
from shared.domain.errors import Permanent, SyncError, Transient
from shared.domain.nightly import FactsPolicy
from shared.domain.user import SELECT, DirectoryUser
from shared.ports import RESYNC
from tests.support.clock import FixedClock
from tests.support.vendor_stub import StaticTokens, answer
from tests.support.virtual_time import LoopClock, run_virtual

BASE = "https://graph.example"
DELTA = f"{BASE}/v1.0/users/delta"
BADGE, GRADE = (f"extension_{'ab' * 16}_{name}" for name in ("badge", "grade"))
USER = {"id": "u1", "mail": "u1@contoso.example"}


class Entra:
    """One tenant that `has` some extensions; every user carries "x" in each. `faults`: statuses of the next calls,
    `item_faults` of the next ones inside a batch.
    """

    def __init__(self, *has: str) -> None:
        self.has = set(has)
        self.asked: list[str] = []  # path and query of each request, those in a batch behind it
        self.faults: list[int] = []
        self.item_faults: list[int] = []

    async def send(self, request: Request) -> Answer:
        path = request.url.removeprefix(f"{BASE}/v1.0")
        self.asked.append(path)
        if self.faults:
            return answer(self.faults.pop(0), {"error": {"code": "serviceNotAvailable"}})
        if path != "/$batch":
            return answer(*self._one(path))
        assert isinstance(request.json, dict)
        items = []
        for each in request.json["requests"]:
            self.asked.append(each["url"])
            status, body = (self.item_faults.pop(0), None) if self.item_faults else self._one(each["url"])
            items.append({"id": each["id"], "status": status, "body": body})
        return answer(200, {"responses": items})

    def forget(self) -> None:
        self.asked.clear()

    def _one(self, path: str) -> tuple[int, Any]:
        selected = parse_qs(urlsplit(unquote(path)).query).get("$select", [""])[0].split(",")
        names = [name for name in selected if name.casefold().startswith("extension_")]
        if not set(names) <= self.has:
            return 400, {"error": {"code": "BadRequest", "message": "Could not find a property named 'x'."}}
        if path.startswith(("/subscribedSkus", "/policies", "/security")):
            return 403, {"error": {"code": "Authorization_RequestDenied"}}
        row = USER | dict.fromkeys(names, "x")
        if path.startswith("/users/u1"):
            return 200, row
        link = {"@odata.deltaLink": f"{DELTA}?$deltatoken={'.'.join(names) or 'plain'}"} if "delta" in path else {}
        return 200, {"value": [row], **link}


class Rules:
    """What the rules of all customers of a tenant want now."""

    def __init__(self, *names: str) -> None:
        self.names = names

    async def of(self, tenant_id: str) -> tuple[str, ...]:
        return self.names


class Bench:
    """Every adapter that reads users, over one Entra and one memory of what a tenant lacks."""

    def __init__(self, entra: Entra, rules: Rules) -> None:
        self.entra, self.rules, self.clock = entra, rules, FixedClock()
        tokens = StaticTokens()
        monotonic = self.clock.monotonic
        self.attributes = WantedAttributes(entra, tokens, BASE, rules.of, monotonic=monotonic)
        self.directory = GraphDirectory(entra, tokens, BASE, self.attributes)
        self.changes = GraphUserChanges(entra, tokens, BASE, self.attributes)
        self.reports = GraphReports(entra, tokens, BASE, FactsPolicy(), LoopClock(), self.attributes)

    def later(self, seconds: float) -> None:
        self.clock.advance(seconds)


async def by_id(bench: Bench) -> DirectoryUser:
    read = (await bench.directory.users("t", ["u1"]))["u1"]
    assert isinstance(read, DirectoryUser)
    return read


async def by_listing(bench: Bench) -> DirectoryUser:
    (user,) = [user async for user in bench.directory.listing("t")]
    return user


async def by_address(bench: Bench) -> DirectoryUser:
    return (await bench.directory.claimants("t", "u1@contoso.example"))[0]


async def by_reading(bench: Bench) -> DirectoryUser:
    return (await bench.reports.read("t")).users[0]


READERS = pytest.mark.parametrize("read", [by_id, by_listing, by_address, by_reading])
Reader = Callable[[Bench], Awaitable[DirectoryUser]]


def selected(path: str) -> list[str]:
    return parse_qs(urlsplit(unquote(path)).query)["$select"][0].split(",")


@READERS
def test_what_rules_ask_for_is_selected_once_on_every_path(read: Reader) -> None:
    async def main() -> None:
        entra = Entra(BADGE, GRADE)
        user = await read(Bench(entra, Rules(BADGE, GRADE, BADGE.upper())))
        assert user.extensions[GRADE] == "x"
        assert user.lacking == ()
        asked = [selected(path) for path in entra.asked if "$select=id,display" in path]
        assert [len(each) - len(SELECT) for each in asked] == [2]

    run_virtual(main())


@READERS
def test_what_the_tenant_does_not_have_is_left_out_alone_and_called_unknown(read: Reader) -> None:
    async def main() -> None:
        entra = Entra(BADGE)
        bench = Bench(entra, Rules(BADGE, GRADE))
        user = await read(bench)
        assert (user.extensions, user.lacking) == ({BADGE: "x"}, (GRADE,))
        entra.forget()
        assert (await read(bench)).lacking == (GRADE,)
        assert not [path for path in entra.asked if GRADE in path]

    run_virtual(main())


@READERS
def test_a_tenant_without_such_rules_is_read_as_ever(read: Reader) -> None:
    async def main() -> None:
        entra = Entra()
        await read(Bench(entra, Rules()))
        (asked,) = [selected(path) for path in entra.asked if "$select=id,display" in path]
        assert asked == list(SELECT)

    run_virtual(main())


def test_a_new_rule_counts_from_the_next_read_on() -> None:
    async def main() -> None:
        bench = Bench(Entra(BADGE), Rules())
        assert (await by_id(bench)).extensions == {}
        bench.rules.names = (BADGE,)
        assert (await by_id(bench)).extensions == {BADGE: "x"}

    run_virtual(main())


def test_what_a_tenant_lacked_is_tried_again_after_a_while() -> None:
    async def main() -> None:
        bench = Bench(Entra(), Rules(BADGE))
        assert (await by_id(bench)).lacking == (BADGE,)
        bench.entra.has.add(BADGE)
        bench.later(LACKING_SECONDS - 1)
        assert (await by_id(bench)).extensions == {}
        bench.later(1)
        assert (await by_id(bench)).extensions == {BADGE: "x"}

    run_virtual(main())


def test_rules_that_nobody_saved_yet_are_read_too_and_not_remembered() -> None:
    async def main() -> None:
        bench = Bench(Entra(GRADE), Rules())
        assert (await bench.reports.read("t", [GRADE])).users[0].extensions == {GRADE: "x"}
        assert await bench.directory.lacking("t", [GRADE, BADGE]) == (BADGE,)
        assert (await by_reading(bench)).extensions == {}
        bench.entra.forget()
        assert await bench.directory.lacking("t") == ()
        assert bench.entra.asked == []

    run_virtual(main())


def test_a_full_reading_says_what_it_did_not_find() -> None:
    async def main() -> None:
        reading = await Bench(Entra(), Rules(BADGE)).reports.read("t")
        assert len(reading.users) == 1
        (told,) = [sentence for sentence in reading.unknown if BADGE in sentence]
        assert "stays as it is" in told

    run_virtual(main())


@pytest.mark.parametrize(("faults", "item_faults"), [([503], []), ([400, 503], []), ([], [400, 503])])
def test_trouble_is_never_taken_for_an_attribute_that_is_not_there(faults: list[int], item_faults: list[int]) -> None:
    """Of the read itself, and of the question that follows a refusal: as a whole, and for one name."""

    async def main() -> None:
        bench = Bench(Entra(BADGE), Rules(BADGE))
        bench.entra.faults, bench.entra.item_faults = list(faults), list(item_faults)
        with pytest.raises(SyncError) as caught:
            await by_id(bench)
        assert caught.value.code == "service_fault"
        assert (await by_id(bench)).extensions == {BADGE: "x"}

    run_virtual(main())


def test_a_refusal_for_another_cause_stays_one() -> None:
    async def main() -> None:
        bench = Bench(Entra(BADGE), Rules(BADGE))
        bench.entra.faults = [400]
        with pytest.raises(Permanent):
            await by_listing(bench)

    run_virtual(main())


# --- delta links --------------------------------------------------------------------------------------------------


def test_a_link_taken_before_a_rule_asked_for_more_is_void() -> None:
    """Graph would go on telling of the old attributes alone."""

    async def main() -> None:
        bench = Bench(Entra(BADGE), Rules())
        link = await bench.changes.now("t")
        bench.rules.names = (BADGE,)
        with pytest.raises(Transient) as caught:
            await bench.changes.since("t", link)
        assert caught.value.code == RESYNC
        link = await bench.changes.now("t")
        assert link.endswith(BADGE)
        assert (await bench.changes.since("t", link)).user_ids == ("u1",)

    run_virtual(main())


def test_a_link_is_for_the_same_names_in_any_order_and_in_any_letters() -> None:
    """Customers come in any order, and each spells as it likes."""

    async def main() -> None:
        bench = Bench(Entra(BADGE, GRADE, BADGE.upper()), Rules(BADGE, GRADE))
        link = await bench.changes.now("t")
        bench.rules.names = (GRADE, BADGE.upper())
        assert (await bench.changes.since("t", link)).user_ids == ("u1",)

    run_virtual(main())


def test_a_link_without_what_the_tenant_lacks_outlives_a_restart() -> None:
    """Else every start would cost each such tenant a full sync."""

    async def main() -> None:
        entra, rules = Entra(BADGE), Rules(BADGE, GRADE)
        link = await Bench(entra, rules).changes.now("t")
        restarted = Bench(entra, rules)
        assert (await restarted.changes.since("t", link)).user_ids == ("u1",)
        restarted.later(LACKING_SECONDS)
        assert (await restarted.changes.since("t", link)).user_ids == ("u1",)
        restarted.later(LACKING_SECONDS)
        entra.has.add(GRADE)
        with pytest.raises(Transient, match=RESYNC):
            await restarted.changes.since("t", link)

    run_virtual(main())


def test_a_link_for_an_attribute_that_was_taken_away_is_void_when_graph_refuses_it() -> None:
    async def main() -> None:
        bench = Bench(Entra(BADGE), Rules(BADGE))
        link = await bench.changes.now("t")
        bench.entra.faults = [400]
        with pytest.raises(Permanent):  # the attribute is there, so this refusal means something else
            await bench.changes.since("t", link)
        bench.entra.has.clear()
        bench.entra.faults = [400]
        with pytest.raises(Transient, match=RESYNC):
            await bench.changes.since("t", link)

    run_virtual(main())
