"""A site as a service: listen, answer, and on stop close the door first and then answer what is in hand.

The receiver's readiness is its broker's: a probe that succeeded after the start, and a closed breaker, or else a
probe that succeeds again (without traffic nothing else would close the breaker). Next: `receiver/service.py`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import structlog
from aiohttp import web

from receiver.breaker import Breaker
from receiver.group_commit import GroupCommit
from receiver.webhook import Webhook
from shared.domain.errors import SyncError
from shared.ports import Depths
from shared.runtime.services import pause

log = structlog.get_logger("site")
KEEP_ALIVE = 75.0  # seconds; Graph reuses its connections
LINGER = 2.0  # seconds in which the rest of a refused body is thrown away, so that the sender can read why
PROBE_EVERY = 1.0  # seconds
PROBE_TIMEOUT = 1.5  # seconds


class Site:
    """One listening application. `port` is the real one once it listens (also when 0 was asked for)."""

    def __init__(self, name: str, app: Callable[[], web.Application], host: str, port: int, *, patience: float) -> None:
        self._name = name
        self._app = app  # built at every start: an application object serves one run
        self._host = host
        self._wanted = port
        self._patience = patience  # seconds for requests in hand at the end
        self._port: int | None = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def port(self) -> int:
        return self._port or self._wanted

    def ready(self) -> bool:
        return self._port is not None

    async def run(self, stop: asyncio.Event) -> None:
        runner = web.AppRunner(
            self._app(),
            access_log=None,
            keepalive_timeout=KEEP_ALIVE,
            shutdown_timeout=self._patience,
            lingering_time=LINGER,
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._host, self._wanted, backlog=1024)
            await self._listen(site)
            self._port = runner.addresses[0][1]
            log.info("site_listens", site=self._name, host=self._host, port=self._port)
            await self.serve(stop)
        finally:
            self._port = None
            await runner.cleanup()

    async def _listen(self, site: web.TCPSite) -> None:
        """A port in use or an address of another machine ends the process: the log must say which."""
        try:
            await site.start()
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else type(error).__name__
            log.error("site_cannot_listen", site=self._name, host=self._host, port=self._wanted, reason=reason)
            raise

    async def serve(self, stop: asyncio.Event) -> None:
        """What happens while the door is open."""
        await stop.wait()


class PublicSite(Site):
    """The public door: ready while its broker takes messages."""

    def __init__(
        self,
        app: Callable[[], web.Application],
        host: str,
        port: int,
        *,
        webhook: Webhook,
        hints: GroupCommit,
        breaker: Breaker,
        probe: Depths | None,
        patience: float = 5.0,
    ) -> None:
        super().__init__("receiver", app, host, port, patience=patience)
        self._webhook = webhook
        self._hints = hints
        self._breaker = breaker
        self._probe = probe
        self._answered = False  # the broker, since the start

    def ready(self) -> bool:
        return super().ready() and self._answered and self._breaker.closed

    def waiting_for(self) -> str:
        return f"{self._webhook.answering} POSTs being answered, {self._hints.in_flight} messages being confirmed"

    async def run(self, stop: asyncio.Event) -> None:
        await super().run(stop)
        await self._hints.close()

    async def serve(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if not (self._answered and self._breaker.closed) and await self._broker_answers():
                self._answered = True
                if not self._breaker.closed:
                    self._breaker.trust()
                log.info("broker_answers")
            await pause(stop, PROBE_EVERY)

    async def _broker_answers(self) -> bool:
        if self._probe is None:
            return True  # nothing to ask: let the next POST be the trial
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                await self._probe.depths()
        except (SyncError, TimeoutError):
            return False
        return True
