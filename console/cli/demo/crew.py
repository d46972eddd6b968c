"""The processes of the distributed demo: receivers and workers, started as a deployment starts them.

Each is `entra-syncro run ROLE` with its settings in the environment. What a worker did is read from its own log, the
only account that outlives a SIGKILL. Next: `distributed.py`.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import aiohttp

from console.cli.run import LookReport, Role
from console.operations import OperationError
from sandbox.servers.child import Child
from shared.runtime.settings import Settings

READY_WITHIN = 60.0  # seconds
POLL = 0.05  # seconds
LOOKS = ("user_synced", "user_failed")
_FIELDS = {one.name for one in fields(LookReport)}


@dataclass(slots=True)
class Member:
    """One process. `users`: whom it looked at, as (tenant id, user id); `last_look`: monotonic, 0.0 for never."""

    name: str
    role: Role
    private_port: int
    child: Child
    log: Path
    on_look: Callable[[LookReport], None]
    users: set[tuple[str, str]] = field(default_factory=set)
    look_times: list[float] = field(default_factory=list)
    _read: int = 0

    async def until_ready(self, http: aiohttp.ClientSession) -> None:
        """Raises OperationError when it ends or never gets ready."""
        deadline = time.monotonic() + READY_WITHIN
        while not await self._is_ready(http):
            if not self.child.alive or time.monotonic() > deadline:
                raise OperationError(f"{self.name} did not get ready. Its last words: {self.child.last_words()}")
            await asyncio.sleep(POLL)

    async def _is_ready(self, http: aiohttp.ClientSession) -> bool:
        try:
            async with http.get(f"http://127.0.0.1:{self.private_port}/readyz") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def catch_up(self) -> None:
        """Read what the process logged since the last time; half a line is left for the next."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            event = _event(line)
            if event.get("event") in LOOKS:
                self._note(event)

    def _note(self, event: Mapping[str, Any]) -> None:
        known = {name: value for name, value in event.items() if name in _FIELDS}
        look = LookReport(**({"customer_id": None, "run_id": None} | known | {"fields": tuple(event["fields"])}))
        self.users.add((look.tenant_id, look.user_id))
        self.look_times.append(time.monotonic())
        self.on_look(look)


def _event(line: bytes) -> Mapping[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:  # the interpreter's own words
        return {}
    return event if isinstance(event, dict) else {}


@dataclass(slots=True)
class Crew:
    """All processes; `looks` grows like that of the single-process stage, a moment later."""

    settings: Settings
    folder: Path
    looks: list[LookReport]
    members: list[Member] = field(default_factory=list)

    def start(self, name: str, role: Role, private_port: int, **environment: str) -> Member:
        log = self.folder / f"{name.replace(' ', '-')}.log"
        variables = {**common_environment(self.settings), "ENTRA_SYNCRO_PRIVATE__PORT": str(private_port)}
        child = Child(
            [sys.executable, "-m", "console.cli", "run", role.value], log, None, None, {**variables, **environment}
        )
        member = Member(name, role, private_port, child, log, self.looks.append)
        self.members.append(member)
        return member

    async def until_ready(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http, asyncio.TaskGroup() as group:
            for member in self.members:
                group.create_task(member.until_ready(http), name=f"demo:ready:{member.name}")

    @property
    def workers(self) -> Sequence[Member]:
        return [member for member in self.members if member.role is Role.WORKER]

    async def listen(self) -> None:
        """Follow the workers' logs, for ever."""
        while True:
            for member in self.workers:
                member.catch_up()
            await asyncio.sleep(POLL)

    def end(self) -> None:
        """An orderly end of all that still run, at once; then SIGKILL."""
        for member in self.members:
            member.child.send(signal.SIGTERM)
        for member in self.members:
            member.child.wait(15.0)
            member.child.send(signal.SIGKILL)
            member.child.wait(5.0)


def common_environment(settings: Settings) -> dict[str, str]:
    """What every process of the deployment is told; secrets in the environment, never on a command line."""
    return {
        "ENTRA_SYNCRO_DATA_DIR": str(settings.data_dir),
        "ENTRA_SYNCRO_GRAPH__BASE_URL": settings.graph.base_url,
        "ENTRA_SYNCRO_GRAPH__APP_ID": settings.graph.app_id,
        "ENTRA_SYNCRO_GRAPH__APP_SECRET": settings.graph.app_secret.get_secret_value(),
        "ENTRA_SYNCRO_LOGIN__BASE_URL": settings.login.base_url,
        "ENTRA_SYNCRO_LOGIN__CA_FILE": str(settings.login.ca_file),
        "ENTRA_SYNCRO_SYNCRO__BASE_URL": settings.syncro.base_url,
        "ENTRA_SYNCRO_SYNCRO__API_TOKEN": settings.syncro.api_token.get_secret_value(),
        "ENTRA_SYNCRO_SYNCRO__PACE_PER_MINUTE": str(settings.syncro.pace_per_minute),
        "ENTRA_SYNCRO_BROKER__URL": settings.broker.url,
        "ENTRA_SYNCRO_STATE__URL": settings.state.url,
        "ENTRA_SYNCRO_LEDGER__URL": settings.ledger.url,
        "ENTRA_SYNCRO_RECEIVER__HOST": "127.0.0.1",
        "ENTRA_SYNCRO_RECEIVER__INTERVAL": str(settings.receiver.interval),
        "ENTRA_SYNCRO_RECEIVER__SECRETS__K1": settings.receiver.secrets["k1"].get_secret_value(),
    }
