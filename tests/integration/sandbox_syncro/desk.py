"""A simulated Syncro with a movable clock and a plain HTTP client beside it, for the tests of this folder."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from sandbox.syncro import Syncro
from tests.support.clock import FixedClock


@dataclass(slots=True)
class Answer:
    """What came back, read to the end; `json` is None for anything that is not JSON."""

    status: int
    text: str
    json: Any
    headers: Mapping[str, str]


@dataclass(slots=True)
class Desk:
    """`customer` is the id of one customer that is there from the start."""

    syncro: Syncro
    session: aiohttp.ClientSession
    clock: FixedClock
    customer: int = 0

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        """One call below /api/v1 with the account's token (unless `headers` says otherwise)."""
        headers = options.pop("headers", {"Authorization": f"Bearer {self.syncro.token.secret}"})
        url = f"{self.syncro.url}/api/v1{path}"
        async with self.session.request(method, url, json=body, headers=headers, **options) as response:
            text = await response.text()
            found = json.loads(text) if response.content_type == "application/json" else None
            return Answer(response.status, text, found, response.headers)

    async def get(self, path: str) -> Answer:
        return await self.call("GET", path)

    async def post(self, path: str, body: Any) -> Answer:
        return await self.call("POST", path, body)

    async def put(self, path: str, body: Any) -> Answer:
        return await self.call("PUT", path, body)

    def contact(self, name: str = "Avery Stone", **fields: Any) -> int:
        return self.syncro.add_contact(self.customer, name, **fields).id


@asynccontextmanager
async def open_desk() -> AsyncIterator[Desk]:
    clock = FixedClock()
    syncro = Syncro(now=clock.now, monotonic=clock.monotonic)
    await syncro.start()
    try:
        async with aiohttp.ClientSession() as session:
            desk = Desk(syncro, session, clock)
            desk.customer = syncro.add_customer("Contoso Ltd", email="info@contoso.example").id
            yield desk
    finally:
        await syncro.stop()
