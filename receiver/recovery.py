"""After any period in which notifications were refused (5xx), every tenant's changes are asked for at once.

Microsoft sends a refused notification again, later and later, and drops it in the end; so as soon as the broker
confirms again, a moment is left in Memory and the worker's delta polls begin. The start of the process counts as such a
period: nobody answered before. Periods that come again and again are answered less and less often, so that a broker
that flaps does not wear out Microsoft's limits; the last of them always is. A store that is away is asked again until
it takes the moment. Next: `worker/polls.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from shared.domain.errors import SyncError
from shared.domain.watching import POLL_WANTED_KEY
from shared.ports import Clock, Memory
from shared.runtime.services import pause

log = structlog.get_logger("receiver")
LOOK_EVERY = 1.0  # seconds
QUIET = 2.0  # seconds without a refusal end a period
LONGEST = 60.0  # seconds after which an unending period is answered by a poll all the same
RARELY, RAREST = 60.0, 600.0  # seconds between two answers: at first, and at most; doubled while periods keep coming
KEPT_FOR = 86_400.0
_START = float("-inf")  # as if refusals had begun before the process did


class Refusals:
    """The notifications that were refused, as the webhook counts them and `Recovery` reads them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._first: float | None = _START
        self._last = float("-inf")
        self._answered = float("-inf")
        self._gap = RARELY

    def refused(self) -> None:
        self._last = self._clock.monotonic()
        if self._first is None:
            self._first = self._last

    @property
    def over(self) -> bool:
        """A period began, has ended or lasts too long to wait for its end, and the last answer is long enough ago."""
        now = self._clock.monotonic()
        if self._first is None or now - self._answered < self._gap:
            return False
        return now - self._last >= QUIET or now - self._first >= LONGEST

    def answered(self, until: float) -> None:
        """Everything refused before `until` (monotonic seconds) is covered by a poll."""
        if self._first != _START:
            is_calm = until - self._answered >= 2 * self._gap
            self._gap = RARELY if is_calm else min(2 * self._gap, RAREST)
            self._answered = until
        self._first = None if self._last < until else self._last


class Recovery:
    """A service. `confirms`: does the broker confirm now?"""

    name = "recovery"

    def __init__(self, refusals: Refusals, confirms: Callable[[], bool], *, memory: Memory, clock: Clock) -> None:
        self._refusals = refusals
        self._confirms = confirms
        self._memory = memory
        self._clock = clock
        self._failing = False

    def ready(self) -> bool:
        return True

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if self._refusals.over and self._confirms():
                await self._want_polls()
            await pause(stop, LOOK_EVERY)

    async def _want_polls(self) -> None:
        began = self._clock.monotonic()
        try:
            await self._memory.remember(POLL_WANTED_KEY, self._clock.now().isoformat(), ttl=KEPT_FOR)
        except SyncError as error:
            if not self._failing:
                log.warning("polls_not_asked_for", code=error.code)
            self._failing = True
            return
        self._failing = False
        self._refusals.answered(began)
        log.info("polls_asked_for")
