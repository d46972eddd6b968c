"""What every private server shares: start, wait, kill, freeze, thaw, restart, and a certain end.

Blocking by nature: call it from `asyncio.to_thread` where a loop must go on. Next: `child.py`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.servers.child import END_WITHIN, Child

HOST = "127.0.0.1"
START_WITHIN = 60.0  # seconds; a loaded machine with two cores needs up to 25 for RabbitMQ
POLL = 0.05


class ServerError(Exception):
    """A server that is not installed or did not start, in one sentence for a person."""


class Server(ABC):
    """One private server. A context manager: leaving it kills the server and removes its folder.

    The port, the password and the data survive `kill` and `restart`.
    """

    name: str
    package: str

    def __init__(self) -> None:
        self.port = free_port()
        self.password = secrets.token_hex(12)
        self.folder = Path(tempfile.mkdtemp(prefix=f"entra-syncro-{self.name}-"))
        self._children: list[Child] = []
        self._prepared = False

    @property
    @abstractmethod
    def url(self) -> str:
        """The address as the settings want it, with user and password."""

    @abstractmethod
    def _prepare(self) -> None:
        """Write the configuration and make an empty data folder."""

    @abstractmethod
    def _launch(self) -> Sequence[Child]:
        """Start the processes; the server itself comes last."""

    @abstractmethod
    def _answers(self) -> bool:
        """Does it serve clients now?"""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- handles -------------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """Of the server itself."""
        return self._children[-1].pid

    @property
    def running(self) -> bool:
        return bool(self._children) and self._children[-1].alive

    def start(self) -> None:
        """Start it (again, on the same port and data) and wait until it serves clients. Raises ServerError."""
        if not self._prepared:
            self._prepare()
            self._prepared = True
        self._children = list(self._launch())
        deadline = time.monotonic() + START_WITHIN
        while not self._answers():
            if not self.running or time.monotonic() > deadline:
                said = self._children[-1].last_words()
                self.kill()
                raise ServerError(f"The private {self.name} did not start. Its last words: {said or 'none'}")
            time.sleep(POLL)

    def kill(self) -> None:
        """SIGKILL, at once; the data stays."""
        self._signal(signal.SIGKILL)
        for child in self._children:
            child.wait(END_WITHIN)
        self._children = []

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """An orderly end, or SIGKILL when that takes too long; the data stays."""
        for child in reversed(self._children):
            child.end(how)
        self.kill()

    def heal(self) -> None:
        """Whatever a test did to it: running and answering again."""
        self.thaw()
        if not self.running:
            self.kill()
            self.start()

    def restart(self) -> None:
        """An orderly end and a new start."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Kill it and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        for child in reversed(self._children):
            child.send(number)

    # --- for the servers' own files --------------------------------------------------------------------------------

    def _file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        return path

    def _spawn(
        self, command: Sequence[str | Path], *, user: str | None = None, environment: Mapping[str, str] | None = None
    ) -> Child:
        log = self.folder / f"{Path(command[0]).name}.log"
        return Child([str(word) for word in command], log, self.folder, user, environment or {})


def program(name: str, package: str, *places: str) -> Path:
    """The server's program, wherever Debian keeps it. Raises ServerError with the way to get it."""
    path = os.pathsep.join([*places, os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    if (found := shutil.which(name, path=path)) is None:
        raise ServerError(
            f"{name} is not installed, and this needs it. `make test` installs the package {package} when it runs as"
            f" root on Debian; elsewhere install {package} yourself."
        )
    return Path(found)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server((HOST, 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def exchange(port: int, request: bytes, size: int = 64) -> bytes:
    """Connect, say one thing and hear one thing; nothing heard is b""."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1.0) as connection:
        connection.sendall(request)
        return connection.recv(size)
    return b""


def is_root() -> bool:
    return os.geteuid() == 0
