"""A private PostgreSQL. It refuses to run as root, so root starts it as the package's own user."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from sandbox.servers.child import Child
from sandbox.servers.process import HOST, START_WITHIN, Server, ServerError, is_root, program

USER = "entra_syncro"
_SYSTEM_USER = "postgres"


class PostgresServer(Server):
    name = "postgresql"
    package = "postgresql"

    def __init__(self) -> None:
        super().__init__()
        self._numbers = count(1)

    @property
    def url(self) -> str:
        """Of the first database, which is empty at the start."""
        return self._url("postgres")

    def fresh_url(self) -> str:
        """Of a further, empty database."""
        name = f"fresh{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name}")
        return self._url(name)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement as superuser and give what psql prints, unadorned."""
        words = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement, self._url(database)]
        done = subprocess.run(
            [str(self._program(words[0])), *words[1:]], capture_output=True, text=True, timeout=30, check=False
        )
        if done.returncode:
            raise ServerError(f"PostgreSQL refused a statement: {done.stderr.strip()}")
        return done.stdout.strip()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for every client to leave."""
        super().stop(how)

    def _url(self, database: str) -> str:
        return f"postgresql://{USER}:{self.password}@{HOST}:{self.port}/{database}"

    def _program(self, name: str) -> Path:
        versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: float(one.parent.name))
        return program(name, self.package, *[str(one) for one in reversed(versions)])

    def _prepare(self) -> None:
        secret = self._file("password", self.password)
        if is_root():
            self.folder.chmod(0o700)
            for path in (self.folder, secret):
                shutil.chown(path, _SYSTEM_USER, _SYSTEM_USER)
        initdb = self._spawn(
            [
                self._program("initdb"),
                *("-D", self.folder / "data", "-U", USER, "-E", "UTF8", "--locale=C.UTF-8"),
                *("-A", "scram-sha-256", f"--pwfile={secret}", "--no-sync"),
            ],
            user=self._user,
        )
        initdb.wait(START_WITHIN)
        if not (self.folder / "data" / "postgresql.conf").exists():
            raise ServerError(f"The private postgresql has no data folder. initdb said: {initdb.last_words()}")
        with (self.folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.write(_CONFIGURATION.format(host=HOST, port=self.port))

    @property
    def _user(self) -> str | None:
        return _SYSTEM_USER if is_root() else None

    def _launch(self) -> Sequence[Child]:
        # After SIGKILL the file names a pid that may belong to somebody else by now.
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        return [self._spawn([self._program("postgres"), "-D", self.folder / "data"], user=self._user)]

    def _answers(self) -> bool:
        command = [str(self._program("pg_isready")), "-q", "-h", HOST, "-p", str(self.port), "-t", "1"]
        return subprocess.run(command, env={"PATH": os.defpath}, timeout=10, check=False).returncode == 0


# The last value of a name counts. Without fsync a commit survives SIGKILL (the kernel has it), not a power cut.
_CONFIGURATION = """
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
fsync = off
shared_buffers = 16MB
max_connections = 60
"""
