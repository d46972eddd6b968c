"""One process of a server or a deployment, and a certain end for it.

Signals go to the process that was started here and its descendants, by pid. It has a keeper, a small shell that kills
it (and removes its folder) when this process is gone, even by SIGKILL. Next: `process.py`.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

END_WITHIN = 20.0  # seconds for an orderly end, then SIGKILL

# Waits for the end of its standard input, which comes when nobody holds the other end of the pipe any more.
_KEEPER = 'cat >/dev/null; kill -KILL "-$1" 2>/dev/null; sleep 0.3; [ -z "$2" ] || rm -rf -- "$2"'


class Child:
    """One process in a session of its own, its output in a file, and its keeper.

    `folder`: what the keeper removes when this process dies first, None for nothing.
    """

    def __init__(
        self, command: Sequence[str], log: Path, folder: Path | None, user: str | None, environment: Mapping[str, str]
    ) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={**_environment(), **environment},
                start_new_session=True,
                user=user,
                group=None if user is None else pwd.getpwnam(user).pw_gid,
                extra_groups=None if user is None else [],
            )
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "keeper", str(self.pid), str(folder or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """To the process and all its descendants: a frozen PostgreSQL whose backends went on would be no freeze."""
        if not self.alive:
            return
        for pid in descendants(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def end(self, how: signal.Signals) -> None:
        if self.alive:
            self._process.send_signal(how)
            self.wait(END_WITHIN)

    def wait(self, seconds: float) -> None:
        """Give up waiting after `seconds`; the keeper is let go once the process is dead."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            self._dismiss_keeper()

    def last_words(self) -> str:
        return " ".join(self._log.read_text(encoding="utf-8", errors="replace").split())[-600:]

    def _dismiss_keeper(self) -> None:
        # Killed, not closed: at the end of its input it would remove the folder that a restart still needs.
        self._keeper.kill()
        self._keeper.wait()
        if self._keeper.stdin is not None:
            self._keeper.stdin.close()


def descendants(pid: int) -> list[int]:
    """The process first, then its children and theirs, as they are now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it ended meanwhile
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found.extend(children.get(one, []))
    return found


def _environment() -> dict[str, str]:
    """The least that the servers need; nothing of this shell may reach them."""
    return {"PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
