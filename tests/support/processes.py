"""Real processes for the end-to-end tests: the sandbox and `entra-syncro` itself, talked to over HTTP and signals.

Every process gets its own folder and writes its output to files there; all of them are ended by their own id when the
block ends. Every wait is bounded. Next: `tests/e2e/outside.py`, which moves the sandbox.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import requests

from tests.support.warm import run_warm

COMMAND = (sys.executable, "-c", "from console.cli import main; main()")
_FOREIGN = ("ENTRA_SYNCRO_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
_START = 30.0  # seconds
_END = 30.0  # seconds


def eventually(check: Callable[[], bool], within: float, what: str, every: float = 0.1) -> float:
    """Look again and again; gives the seconds it took, AssertionError naming `what` when it never was so."""
    began = time.monotonic()
    while not check():
        if time.monotonic() - began > within:
            raise AssertionError(f"not within {within:g} s: {what}")
        time.sleep(every)
    return time.monotonic() - began


def free_port() -> int:
    """Below the ports that systems give out by themselves: no connection of anybody takes it before it is used."""
    while True:
        with suppress(OSError), socket.create_server(("127.0.0.1", random.randrange(12_000, 32_000))) as taken:
            port: int = taken.getsockname()[1]
            return port


def plain_session() -> requests.Session:
    """A session that nothing in the environment can redirect."""
    session = requests.Session()
    session.trust_env = False
    return session


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours without any setting of this machine; wide output, so that no sentence is folded."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return kept | {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "COLUMNS": "300"} | dict(extra or {})


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that ended. `json` reads its standard output."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Process:
    """One started process, its output in files."""

    def __init__(self, args: Sequence[str], folder: Path, name: str, environment: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._popen = self._start(args, folder, out, err, environment)

    @staticmethod
    def _start(
        args: Sequence[str], folder: Path, out: IO[bytes], err: IO[bytes], environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*COMMAND, *args], cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    @property
    def out(self) -> str:
        return self._out.read_text("utf-8")

    @property
    def err(self) -> str:
        return self._err.read_text("utf-8")

    @property
    def events(self) -> list[dict[str, Any]]:
        """The log, event by event; a line that is still being written is left out."""
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{") and line.endswith("}")]

    def signal(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def wait(self, within: float = _END) -> int:
        """The exit code; AssertionError when it does not end in time."""
        try:
            return self._popen.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"process still runs after {within:g} s; its log ends {self.err[-2000:]}") from None

    def kill(self) -> None:
        """SIGKILL; nothing of it gets a chance to say goodbye."""
        if self.running:
            self._popen.kill()
        self._popen.wait(_END)


def run_command(
    args: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None, timeout: float = 120.0
) -> Finished:
    """The program from its start to its end; a deployment's commands (`Product.cli`) need not load it each time."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [*COMMAND, *args],
        cwd=folder,
        env=clean_environment(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


@contextmanager
def sandbox_process(folder: Path) -> Iterator[dict[str, Any]]:
    """`entra-syncro sandbox --json`: gives the JSON that it printed."""
    process = Process(["sandbox", "--json"], folder, "sandbox", clean_environment())
    try:
        eventually(lambda: process.out.endswith("\n") or not process.running, _START, "the sandbox tells its addresses")
        assert process.running, process.err
        yield json.loads(process.out)
    finally:
        if process.running:
            process.signal(signal.SIGTERM)
            try:
                process.wait()
            finally:
                process.kill()


@dataclass(slots=True)
class Product:
    """One deployment of ours: settings, data folder, the processes started from it."""

    environment: dict[str, str]
    folder: Path
    public: str
    private: str
    processes: list[Process] = field(default_factory=list)

    def cli(self, *args: str, timeout: float = 120.0, **other: str) -> Finished:
        """A command with this deployment's settings; `other` replaces single variables ("" removes one)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        done = run_warm(args, self.folder, clean_environment(self._settings(other)), timeout)
        return Finished(done.returncode, done.stdout, done.stderr)

    def start(self, other: Mapping[str, str] | None = None, *, ready: bool = True) -> Process:
        """`run all`, with single variables replaced; returns once every service is ready (unless told not to wait)."""
        name = f"run-{len(self.processes)}"
        process = Process(("run", "all"), self.folder, name, clean_environment(self._settings(other or {})))
        self.processes.append(process)
        if ready:
            eventually(lambda: self.is_ready() or not process.running, _START, "every service is ready")
            assert process.running, process.err
        return process

    def is_ready(self) -> bool:
        try:
            return self.readiness().status_code == 200
        except requests.ConnectionError:
            return False

    def readiness(self) -> requests.Response:
        with plain_session() as session:
            return session.get(f"{self.private}/readyz", timeout=5)

    def stop(self, process: Process) -> None:
        process.signal(signal.SIGTERM)
        assert process.wait() == 0, process.err[-2000:]

    @property
    def spoken(self) -> str:
        """Everything that the services ever wrote to standard output and error."""
        return "\n".join(process.out + process.err for process in self.processes)

    def _settings(self, other: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in (self.environment | dict(other)).items() if value}


def product_environment(info: Mapping[str, Any], folder: Path, receiver: int, private: int) -> dict[str, str]:
    """What an operator would set, pointed at a sandbox."""
    values = {
        "DATA_DIR": str(folder / "data"),
        "GRAPH__BASE_URL": info["graph"],
        "GRAPH__APP_ID": info["app_id"],
        "GRAPH__APP_SECRET": info["app_secret"],
        "LOGIN__BASE_URL": info["login"],
        "LOGIN__CA_FILE": info["ca_file"],
        "SYNCRO__SUBDOMAIN": "sandbox",
        "SYNCRO__BASE_URL": info["syncro"],
        "SYNCRO__API_TOKEN": info["syncro_token"],
        "RECEIVER__HOST": "127.0.0.1",
        "RECEIVER__PORT": str(receiver),
        "RECEIVER__PUBLIC_URL": f"http://127.0.0.1:{receiver}",
        "RECEIVER__INTERVAL": "0.5",
        "PRIVATE__PORT": str(private),
    }
    return {f"ENTRA_SYNCRO_{name}": value for name, value in values.items()}


def faster(factor: float) -> dict[str, str]:
    """Windows and rungs divided by `factor`, the pace multiplied by it (only a simulated Syncro allows that)."""
    values = {
        "SYNCRO__PACE_PER_MINUTE": str(round(120 * factor)),
        "SYNCRO__BACKFILL_PER_MINUTE": str(round(80 * factor)),
        "RETRY__RUNGS": json.dumps([rung / factor for rung in (10.0, 60.0, 300.0, 1800.0, 7200.0)]),
        "RETRY__UNCOUNTED_DELAY": str(2.0 / factor),
        "COALESCE__FIRST_WINDOW": str(2.0 / factor),
        "COALESCE__LAST_WINDOW": str(30.0 / factor),
        "COALESCE__COVERED_AFTER": str(1.0 / factor),
        "COALESCE__CONFIRM_AFTER": str(60.0 / factor),
    }
    return {f"ENTRA_SYNCRO_{name}": value for name, value in values.items()}


HURRY = faster(200)  # for what only prepares a test


@contextmanager
def product(
    info: Mapping[str, Any], folder: Path, secret: str, settings: Mapping[str, str] | None = None
) -> Iterator[Product]:
    """A deployment with an empty data folder. Nothing runs yet; whatever was started is gone after the block."""
    receiver, private = free_port(), free_port()
    environment = product_environment(info, folder, receiver, private) | dict(settings or {})
    environment["ENTRA_SYNCRO_RECEIVER__SECRETS__K1"] = secret
    made = Product(environment, folder, f"http://127.0.0.1:{receiver}", f"http://127.0.0.1:{private}")
    try:
        yield made
    finally:
        for process in made.processes:
            process.kill()
