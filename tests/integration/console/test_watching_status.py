"""`status --watch` on a real terminal: it draws, looks again, and ends with code 0 and a clean screen on Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import subprocess
import termios
import time
from pathlib import Path

from tests.support.processes import COMMAND, clean_environment

WITHIN = 60.0  # seconds; a start on a busy machine
CTRL_C = b"\x03"


def read_until(terminal: int, count: int, words: bytes) -> bytes:
    """What a person would have seen by the time `words` came `count` times."""
    seen, end = b"", time.monotonic() + WITHIN
    while seen.count(words) < count:
        assert time.monotonic() < end, seen.decode(errors="replace")
        if select.select([terminal], [], [], 0.5)[0]:
            seen += os.read(terminal, 65_536)
    return seen


def rest_of(terminal: int) -> bytes:
    """Until the other side is closed, which Linux tells as an error."""
    seen = b""
    while True:
        try:
            more = os.read(terminal, 65_536)
        except OSError:
            return seen
        if not more:
            return seen
        seen += more


def test_watching_ends_cleanly_on_ctrl_c(tmp_path: Path) -> None:
    variables = {
        "ENTRA_SYNCRO_DATA_DIR": str(tmp_path / "data"),
        "ENTRA_SYNCRO_GRAPH__APP_ID": "84bd8158-6d4d-4958-8b9f-9d6445542f95",
        "ENTRA_SYNCRO_GRAPH__APP_SECRET": "a secret of nobody",
        "ENTRA_SYNCRO_SYNCRO__SUBDOMAIN": "nobody",
        "ENTRA_SYNCRO_SYNCRO__API_TOKEN": "a token of nobody",
        "TERM": "xterm",
        "COLUMNS": "80",
        "LINES": "40",
    }
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "status", "--watch", "1"],
        cwd=tmp_path,
        env=clean_environment(variables),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_own_terminal,
    )
    os.close(theirs)
    try:
        first = read_until(terminal, 2, b"Nothing waits for a person.")
        assert b"every 1 s; Ctrl-C ends the watching only." in first
        os.write(terminal, CTRL_C)
        last = rest_of(terminal)
        assert process.wait(WITHIN) == 0, last
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(WITHIN)
        os.close(terminal)
    assert b"Traceback" not in first + last
    assert b"\x1b[?1049l" in last


def _own_terminal() -> None:
    """The terminal's Ctrl-C reaches only those who have it for a controlling one."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
