"""A TCP proxy between us and a server that fails the way networks do, at the moment a test chooses.

`cut` ends what is open; `black_hole` keeps connections open and passes nothing on, `forget` does so to those that are
open now, as a router that lost its table; `refuse` also turns new ones away;
`swallow` lets the next request through, throws the answer away and cuts: executed, but nobody was told.
`target` may be moved to another port.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class TcpProxy:
    """Forwards bytes both ways until told otherwise."""

    def __init__(self, target_port: int) -> None:
        self.target = target_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._found = asyncio.Event()
        self._forgotten: set[asyncio.StreamWriter] = set()
        self._refusing = False
        self._swallow = b""
        self._to_swallow = 0
        self._swallowing: set[asyncio.StreamWriter] = set()
        self.connections = 0
        self.swallowed = 0
        self.port = 0

    def cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    def black_hole(self) -> None:
        self._passing.clear()

    def forget(self) -> None:
        self._found.clear()
        self._forgotten = set(self._writers)

    def refuse(self) -> None:
        self._refusing = True
        self.cut()

    def restore(self) -> None:
        self._refusing = False
        self._passing.set()
        self._found.set()
        self._forgotten.clear()

    def swallow(self, request_with: bytes, *, times: int = 1) -> None:
        """The answers to the next requests that contain these bytes are thrown away, and their connections cut."""
        self._swallow, self._to_swallow = request_with, times

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[TcpProxy]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.restore()
            self.cut()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._refusing:
            writer.transport.abort()
            return
        try:
            upstream, to_server = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, to_server}
        self._writers |= pair
        ways = [
            asyncio.create_task(self._pass(reader, to_server, writer), name="proxy:requests"),
            asyncio.create_task(self._pass(upstream, writer, None), name="proxy:answers"),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for end in pair:
                end.transport.abort()
            self._writers -= pair

    async def _pass(
        self, reader: asyncio.StreamReader, to: asyncio.StreamWriter, client: asyncio.StreamWriter | None
    ) -> None:
        """`client` is given on the way to the server."""
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                await self._passing.wait()
                if to in self._forgotten:
                    await self._found.wait()
                if client is not None and self._to_swallow and self._swallow in data:
                    self._to_swallow -= 1
                    self._swallowing.add(client)
                if client is None and to in self._swallowing:
                    self._swallowing.discard(to)
                    self.swallowed += 1
                    return
                to.write(data)
                await to.drain()
