"""One address for several receivers: each TCP connection goes to the next one that accepts it.

What a load balancer does, no more: bytes pass through unread. Next: `crew.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count

HOST = "127.0.0.1"
CHUNK = 65_536


@dataclass(slots=True)
class Forwarder:
    """`served` counts connections per target port."""

    targets: Sequence[int]
    port: int = 0
    served: dict[int, int] = field(default_factory=dict)
    _turn: count[int] = field(default_factory=count)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        try:
            other = await self._next()
            if other is not None:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_pump(reader, other[1]), name="forwarder:in")
                    group.create_task(_pump(other[0], writer), name="forwarder:out")
        finally:
            writer.close()

    async def _next(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        first = next(self._turn)
        for step in range(len(self.targets)):
            target = self.targets[(first + step) % len(self.targets)]
            with suppress(OSError):
                connection = await asyncio.open_connection(HOST, target)
                self.served[target] = self.served.get(target, 0) + 1
                return connection
        return None


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # a side that hung up ends both
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def forwarding(targets: Sequence[int]) -> AsyncIterator[Forwarder]:
    """On a free port of loopback. Connections that are open at the end are cut."""
    forwarder = Forwarder(targets)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(forwarder.carry(reader, writer), name="forwarder:connection")
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, HOST, 0)
    forwarder.port = server.sockets[0].getsockname()[1]
    try:
        yield forwarder
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
