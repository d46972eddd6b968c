"""A store that this process needs, as a service: is it there, and does it answer?

A server may come after us and go at any moment; whoever needs it waits by himself, so this only tells, in `/readyz`
and by one line in the log. It ends the process for one thing: a store that only a person can mend (a ledger made by a
newer release) and that was never usable. Next: `console/cli/run.py` says which stores.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from shared.domain.errors import Permanent, SyncError
from shared.runtime.services import pause

log = structlog.get_logger("store")
EVERY = 5.0  # seconds between two looks at a store that answers
AGAIN = 1.0  # and at one that does not


class Watch:
    """`ask` returns when the store answers, and raises Transient or Permanent within a bounded time."""

    def __init__(self, name: str, ask: Callable[[], Awaitable[object]]) -> None:
        self.name = name
        self._ask = ask
        self._answers: bool | None = None  # None: not known yet

    def ready(self) -> bool:
        return self._answers is True

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._look()
            await pause(stop, EVERY if self._answers else AGAIN)

    async def _look(self) -> None:
        try:
            await self._ask()
        except SyncError as error:
            self._away(error)
        else:
            if not self._answers:
                log.info("store_answers", store=self.name)
            self._answers = True

    def _away(self, error: SyncError) -> None:
        if isinstance(error, Permanent) and not self._answers:
            log.error("store_unusable", store=self.name, code=error.code, detail=error.detail)
            raise error
        if self._answers is not False:
            log.warning("store_away", store=self.name, code=error.code, detail=error.detail)
        self._answers = False
