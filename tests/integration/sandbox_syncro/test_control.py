"""The control API: it arms faults, moves switches, lifts limits and shows every call; nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.syncro.switches import SWITCHES
from sandbox.world import World


@dataclass(slots=True)
class Room:
    """A running world and a client."""

    world: World
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        async with self.session.request(method, self.world.control.url + path, json=body) as response:
            assert response.status == status, await response.text()
            return await response.json()

    async def syncro(self, method: str, path: str, body: Any = None) -> int:
        headers = {"Authorization": self.world.syncro.token.secret}
        url = f"{self.world.syncro.url}/api/v1{path}"
        async with self.session.request(method, url, json=body, headers=headers) as response:
            return response.status


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with World.open(tmp_path) as world, aiohttp.ClientSession() as session:
        yield Room(world, session)


async def test_switches_of_both_vendors_move_together_or_not_at_all(room: Room) -> None:
    before = await room.ask("GET", "/switches")
    assert before["syncro"] == {name: values[0] for name, values in SWITCHES.items()}
    assert before["known"]["syncro"]["order"] == list(SWITCHES["order"])
    wanted = {"syncro": {"order": "id_ascending"}, "microsoft": {"replication_lag_s": 60}}
    after = await room.ask("PUT", "/switches", wanted)
    assert (after["syncro"]["order"], after["microsoft"]["replication_lag_s"]) == ("id_ascending", 60)
    mistakes: tuple[dict[str, Any], ...] = (
        {"syncro": {"order": "sideways"}, "microsoft": {"replication_lag_s": 5}},
        {"syncro": {"order": "updated_at"}, "microsoft": {"nonsense": 5}},
        {"other": {}},
        {"syncro": 1},
    )
    for bad in mistakes:
        assert (await room.ask("PUT", "/switches", bad, status=400))["error"]
    unchanged = await room.ask("GET", "/switches")
    assert unchanged == after
    assert (await room.ask("DELETE", "/switches")) == before
    known = (await room.ask("PUT", "/switches", {"syncro": {"ordr": "x"}}, status=400))["error"]
    assert "properties_on_put" in known
    known = (await room.ask("PUT", "/switches", {"microsoft": {"lag": 1}}, status=400))["error"]
    assert "replication_lag_s" in known


async def test_faults_of_both_vendors_are_armed_shown_and_cleared(room: Room) -> None:
    armed = await room.ask(
        "POST", "/faults", {"vendor": "syncro", "kind": "502_html", "method": "GET", "path": "/me$", "times": 2}
    )
    assert armed["syncro"][0]["times"] == 2
    assert await room.syncro("GET", "/me") == 502
    assert await room.syncro("GET", "/settings") == 200
    graph = await room.ask("POST", "/faults", {"vendor": "graph", "path": "/users", "status": 503, "times": 1})
    assert graph["microsoft"][0]["status"] == 503
    cleared = await room.ask("DELETE", "/faults")
    assert cleared == {"microsoft": [], "syncro": []}
    assert await room.syncro("GET", "/me") == 200
    for bad in ({"vendor": "syncro", "kind": "x"}, {"kind": "500_json"}, {"vendor": "graph", "colour": 1}):
        assert (await room.ask("POST", "/faults", bad, status=400))["error"]


async def test_limits_are_set_and_lifted(room: Room) -> None:
    shown = await room.ask("PUT", "/limits", {"syncro": {"per_minute": 2, "window_s": 0.3}})
    assert shown["syncro"] == {"per_minute": 2, "window_s": 0.3, "documented_per_minute": 180}
    assert [await room.syncro("GET", "/me") for _ in range(3)] == [200, 200, 429]
    await asyncio.sleep(0.35)
    assert await room.syncro("GET", "/me") == 200
    await room.ask("PUT", "/limits", {"syncro": {"per_minute": None}, "graph": {"throttling": False}})
    assert {await room.syncro("GET", "/me") for _ in range(10)} == {200}
    assert (await room.ask("GET", "/limits"))["graph"]["throttling"] is False
    assert (await room.ask("PUT", "/limits", {"syncro": {"per_minute": "many"}}, status=400))["error"]


async def test_calls_are_shown_by_service_method_path_and_time(room: Room) -> None:
    customer = room.world.info()["customers"][0]["id"]
    start = (await room.ask("GET", "/state"))["now"]
    await room.syncro("GET", f"/contacts?customer_id={customer}")
    await room.syncro("POST", "/contacts", {"customer_id": customer, "name": "Someone Private"})
    async with room.session.get(room.world.microsoft.graph_url + "/v1.0/users") as response:
        assert response.status == 401
    everything = await room.ask("GET", f"/calls?since={start}")
    assert {row["service"] for row in everything["calls"]} == {"syncro", "graph"}
    assert "Someone Private" not in str(everything)
    writes = await room.ask("GET", f"/calls?service=syncro&method=post&path=/contacts&customer_id={customer}")
    assert [row["status"] for row in writes["calls"]] == [200]
    assert writes["syncro"]["max_calls_in_60s"] == 2
    assert (writes["syncro"]["writes"], writes["syncro"]["creations"]) == (1, 1)
    assert (await room.ask("GET", "/calls?service=syncro&since=1"))["count"] == 1
    assert (await room.ask("GET", "/calls?colour=red", status=400))["error"]
    await room.ask("DELETE", "/calls")
    assert (await room.ask("GET", "/calls"))["count"] == 0


async def test_the_token_and_the_fields_are_what_an_administrator_leaves(room: Room) -> None:
    await room.ask("PUT", "/token", {"permissions": ["Customers - View Detail"]})
    assert await room.syncro("GET", "/contacts") == 200
    assert await room.syncro("GET", "/customers") == 401
    await room.ask("PUT", "/token", {"valid": False})
    assert await room.syncro("GET", "/me") == 401
    await room.ask("PUT", "/token", {})
    assert await room.syncro("GET", "/customers") == 200
    assert (await room.ask("PUT", "/token", {"permissions": ["All"]}, status=400))["error"]
    shown = await room.ask("PUT", "/fields", {"contact": ["VIP", "New One"]})
    assert shown["contact"] == ["VIP", "New One"]


async def test_lifecycle_replay_clock_and_deliveries_reach_the_simulated_microsoft(room: Room) -> None:
    tenant = room.world.info()["tenants"][0]["id"]
    assert await room.ask("POST", "/lifecycle", {"tenant": tenant}) == {"queued": 0}
    assert await room.ask("POST", "/replay", {"tenant": tenant, "user": "u", "count": 3}) == {"queued": 0}
    assert "known" in (await room.ask("POST", "/lifecycle", {"tenant": "x"}, status=400))["error"]
    before = (await room.ask("GET", "/state"))["now"]
    assert (await room.ask("POST", "/clock", {"advance_s": 3600}))["now"] > before
    assert (await room.ask("POST", "/clock", {"advance_s": -1}, status=400))["error"]
    assert (await room.ask("GET", "/deliveries?outcome=accepted"))["deliveries"] == []
    async with room.session.put(room.world.control.url + "/switches", data=b"{") as response:
        assert response.status == 400


async def test_unknown_paths_and_methods_are_answered_in_json(room: Room) -> None:
    assert await room.ask("GET", "/nonsense", status=404) == {"error": "GET /nonsense: Not Found"}
    assert await room.ask("PATCH", "/switches", status=405) == {"error": "PATCH /switches: Method Not Allowed"}
    async with room.session.put(room.world.control.url + "/switches", data="[" * 100_000) as response:
        assert (response.status, await response.json()) == (400, {"error": "the body is not JSON"})
    assert (await room.ask("POST", "/clock", {"advance_s": "1e400"}, status=400))["error"]


async def test_the_state_tells_the_address_of_graph_over_tls(room: Room) -> None:
    addresses = (await room.ask("GET", "/state"))["addresses"]
    assert addresses["graph_tls"] == room.world.microsoft.graph_tls_url != addresses["graph"]
