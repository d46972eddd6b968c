"""A private Redis: nothing is kept on disk, so that a restart comes back empty, the worst that we must survive."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.servers.child import Child
from sandbox.servers.process import HOST, Server, exchange, program


class RedisServer(Server):
    name = "redis"
    package = "redis-server"

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    def flush(self) -> None:
        """FLUSHALL: everything is gone at once."""
        self.command("FLUSHALL")

    def command(self, *words: str) -> bytes:
        """The raw answer to one command."""
        request = b"".join(_spelled(*line) for line in (("AUTH", self.password), words))
        answer = exchange(self.port, request, 4096)
        return answer.removeprefix(b"+OK\r\n")

    def _prepare(self) -> None:
        lines = [
            f"bind {HOST}",
            f"port {self.port}",
            f"requirepass {self.password}",
            f"dir {self.folder}",
            'save ""',
            "appendonly no",
            "daemonize no",
            "databases 64",
        ]
        self._file("redis.conf", "\n".join(lines) + "\n")

    def _launch(self) -> Sequence[Child]:
        return [self._spawn([program("redis-server", self.package), self.folder / "redis.conf"])]

    def _answers(self) -> bool:
        return exchange(self.port, b"*1\r\n$4\r\nPING\r\n").startswith((b"-NOAUTH", b"+PONG"))


def _spelled(*words: str) -> bytes:
    parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
    return f"*{len(words)}\r\n{''.join(parts)}".encode()
