"""Commands as processes of their own, without the second and a half of CPU that loading our modules takes each time.

One process per test process has every module loaded and starts no thread, opens no file, reads no setting. For each
command it forks a child, which gets the command's arguments, environment, folder and output, and runs
`console.cli.main` as the installed program does: own memory, own signals, own exit code, and SIGKILL ends it like any
other. What is about the start of the program itself goes without this (`processes.run_command`). All of them end with
the test process. `python -m tests.support.warm SOCKET` is the loaded process. Next: `tests/support/processes.py`.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

_REQUEST = 1 << 20  # bytes, arguments and environment together
_LOADING = 60.0  # seconds; a busy machine
_NOT_NEEDED = ("console.cli.__main__", "console.cli.demo")


# --- this side ------------------------------------------------------------------------------------------------------


class Loaded:
    """The loaded process; it lives as long as its standard input is open."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="warm-")
        self._path = f"{self._folder.name}/socket"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.warm", self._path],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"loaded\n", "the commands could not be loaded"

    def run(
        self, args: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Until it ends; subprocess.TimeoutExpired, and its end, after so many seconds."""
        with (
            socket.socket(socket.AF_UNIX) as line,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            line.settimeout(timeout)
            line.connect(self._path)
            request = {"args": list(args), "folder": str(folder), "environment": dict(environment)}
            socket.send_fds(line, [json.dumps(request).encode() + b"\n"], [out.fileno(), err.fileno()])
            try:
                code = int(line.recv(16))
            except TimeoutError:  # closing the line kills the command
                raise subprocess.TimeoutExpired(list(args), timeout) from None
            return subprocess.CompletedProcess(list(args), code, _read(out), _read(err))

    def close(self) -> None:
        self._process.communicate(timeout=_LOADING)
        self._folder.cleanup()


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


_loading = threading.Lock()


@cache
def _loaded() -> Loaded:
    loaded = Loaded()
    atexit.register(loaded.close)
    return loaded


def run_warm(
    args: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """`entra-syncro ARGS` in that folder, with that environment and no other. From any thread."""
    with _loading:
        loaded = _loaded()
    return loaded.run(args, folder, environment, timeout)


# --- the loaded process ---------------------------------------------------------------------------------------------


def _load() -> None:
    package = importlib.import_module("console.cli")
    for module in pkgutil.iter_modules(package.__path__, "console.cli."):
        if module.name not in _NOT_NEEDED:
            importlib.import_module(module.name)
    assert threading.active_count() == 1, "a process with threads cannot be forked safely"


def _serve(path: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who serve a line
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path)
        door.listen(64)
        print("loaded", flush=True)
        while True:
            ready, _, _ = select.select([door.fileno(), 0], [], [])
            if 0 in ready:
                return
            line, _ = door.accept()
            if os.fork() == 0:
                door.close()
                _leave(_attend, line)
            line.close()


def _attend(line: socket.socket) -> int:
    """One command from its request to its exit code. Who hangs up first wants it killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, (out, err) = _request(line)
    child = os.fork()
    if child == 0:
        line.close()
        _leave(_command, request, out, err)
    end = os.pidfd_open(child)
    ready, _, _ = select.select([end, line.fileno()], [], [])
    if end not in ready:
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(BrokenPipeError):
        line.sendall(str(code).encode())
    return 0


def _request(line: socket.socket) -> tuple[dict[str, Any], list[int]]:
    text, files, _, _ = socket.recv_fds(line, _REQUEST, 2)
    while not text.endswith(b"\n"):
        text += line.recv(_REQUEST)
    request: dict[str, Any] = json.loads(text)
    return request, files


def _command(request: dict[str, Any], out: int, err: int) -> int:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.closerange(3, 64)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = ["entra-syncro", *request["args"]]
    sys.modules["__main__"].__package__ = None  # else help would name this file as the program
    from console.cli import main

    main()
    return 0


def _leave(act: Any, *arguments: Any) -> None:
    """Ends this process as Python's own end would, with what `act` gives or exits with."""
    code = 1
    try:
        code = act(*arguments)
    except SystemExit as end:
        code = _exit_code(end)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def _exit_code(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(end.code, file=sys.stderr)
    return 1


if __name__ == "__main__":
    _load()
    _serve(sys.argv[1])
