"""The load generator, in a process of its own so that it does not take the receiver's turn; loopback only.

`python -m tests.bench.load PORT steady RATE SECONDS` sends that many POSTs a second, on time whatever the answers
do; `... full CONNECTIONS SECONDS` sends as fast as answers come. Prints one JSON object: statuses, latencies (ms),
how late the generator itself was (ms), notifications accepted, seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice

import aiohttp
import uvloop

from receiver.client_state import sign
from tests.support.receiver import SECRETS, body, change, guid

TENANTS = 20
SMALL, LARGE = 5, 100  # notifications in a POST
TIMEOUT = aiohttp.ClientTimeout(total=10)
MOST_IN_FLIGHT = 2_000  # a bound: later sends wait


@dataclass(slots=True)
class Tally:
    statuses: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    accepted: int = 0


def bodies(size: int) -> Sequence[bytes]:
    """POST bodies of `size` notifications, each of one tenant, users all different."""
    made = []
    for number in range(TENANTS * 2):
        tenant = guid(0xF000 + number % TENANTS)
        state = sign(SECRETS, tenant)
        made.append(body(*(change(number * size + n, tenant, clientState=state) for n in range(size))))
    return made


async def post(session: aiohttp.ClientSession, url: str, data: bytes, size: int, tally: Tally) -> None:
    began = time.perf_counter()
    try:
        async with session.post(url, data=data) as answer:
            await answer.read()
            status = str(answer.status)
    except (aiohttp.ClientError, TimeoutError) as error:
        status = type(error).__name__
    tally.latencies.append((time.perf_counter() - began) * 1000)
    tally.statuses[status] += 1
    tally.accepted += size if status == "202" else 0


async def steady(session: aiohttp.ClientSession, url: str, rate: float, seconds: float) -> Tally:
    tally, gate = Tally(), asyncio.Semaphore(MOST_IN_FLIGHT)
    posts = list(islice(cycle(bodies(SMALL)), int(rate * seconds)))

    async def one(data: bytes) -> None:
        async with gate:
            await post(session, url, data, SMALL, tally)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number, data in enumerate(posts):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tally.late.append(max(0.0, (time.perf_counter() - due) * 1000))
            group.create_task(one(data), name=f"post-{number}")
    return tally


async def full(session: aiohttp.ClientSession, url: str, connections: int, seconds: float) -> Tally:
    tally, source = Tally(), cycle(bodies(LARGE))
    ends = time.perf_counter() + seconds

    async def sender(source: Iterator[bytes]) -> None:
        while time.perf_counter() < ends:
            await post(session, url, next(source), LARGE, tally)

    async with asyncio.TaskGroup() as group:
        for number in range(connections):
            group.create_task(sender(source), name=f"sender-{number}")
    return tally


async def main(port: int, kind: str, amount: float, seconds: float) -> None:
    url = f"http://127.0.0.1:{port}/graph/notifications"
    connector = aiohttp.TCPConnector(limit=MOST_IN_FLIGHT)
    async with aiohttp.ClientSession(connector=connector, timeout=TIMEOUT) as session:
        warm = Tally()
        await post(session, url, bodies(SMALL)[0], SMALL, warm)
        began = time.perf_counter()
        if kind == "steady":
            tally = await steady(session, url, amount, seconds)
        else:
            tally = await full(session, url, int(amount), seconds)
        took = time.perf_counter() - began
    answer = {
        "statuses": dict(tally.statuses),
        "latencies_ms": tally.latencies,
        "late_ms": tally.late,
        "accepted": tally.accepted,
        "seconds": took,
    }
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4])))
