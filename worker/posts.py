"""One channel and how it fares: what it has sent, and how long it rests after it failed.

A notice counts as told once every channel has sent it. What this one has sent is kept in Memory as well, so that a
restart does not repeat it; Memory lost, it is repeated, never swallowed. Next: `worker/notices.py`.
"""

from __future__ import annotations

import structlog

from shared.domain.desk import Notice
from shared.domain.errors import SyncError, Transient
from shared.domain.notice_letters import NoticeLetter, Purpose
from shared.domain.notices import channel_key
from shared.ports import Channel, Clock, Memory
from worker.parts import WorkerSettings
from worker.sync import fault

log = structlog.get_logger("worker")
FIRST_REST = 60.0  # seconds after a failure, doubling ...
LONGEST_REST = 3600.0  # ... up to this
KEPT = 7 * 86_400.0  # seconds for which is remembered what was sent
_STATE_KEPT = 2 * 86_400.0


class Post:
    def __init__(self, channel: Channel, clock: Clock, memory: Memory, settings: WorkerSettings) -> None:
        self._channel = channel
        self._clock = clock
        self._memory = memory
        self._settings = settings
        self._sent: set[str] = set()
        self._failures = 0
        self._not_before = float("-inf")  # monotonic seconds

    @property
    def name(self) -> str:
        return self._channel.name

    def wants(self, purpose: Purpose) -> bool:
        return self._channel.wants(purpose)

    def rests(self) -> bool:
        return self._clock.monotonic() < self._not_before

    async def has_sent(self, notice: Notice) -> bool:
        mark = self._mark(notice)
        if mark not in self._sent and await self._recalled(mark):
            self._sent.add(mark)
        return mark in self._sent

    async def mark_sent(self, notice: Notice) -> None:
        mark = self._mark(notice)
        self._sent.add(mark)
        await self._remember(mark, "1", KEPT)

    def forget(self, notice: Notice) -> None:
        """It is told or over: nobody asks for it any more."""
        self._sent.discard(self._mark(notice))

    async def send(self, letter: NoticeLetter) -> bool:
        """Never raises; a failure lets the channel rest, each time longer."""
        try:
            await self._channel.send(letter)
        except SyncError as error:
            await self._failed(error)
            return False
        except Exception as error:
            await self._failed(fault(error))
            return False
        log.info("notice_sent", channel=self.name, purpose=letter.purpose.value, lines=len(letter.lines))
        self._settings.on_letter(self.name, "sent")
        if self._failures:
            await self._remember(channel_key(self.name), "", _STATE_KEPT)
        self._failures = 0
        return True

    async def _failed(self, error: SyncError) -> None:
        rest = min(FIRST_REST * 2**self._failures, LONGEST_REST)
        if isinstance(error, Transient) and error.retry_after is not None:
            rest = max(rest, min(error.retry_after, LONGEST_REST))
        self._failures += 1
        self._not_before = self._clock.monotonic() + rest
        code = f"{error.service}:{error.code}"
        log.warning("notice_not_sent", channel=self.name, code=code, detail=error.detail, wait_s=round(rest))
        self._settings.on_letter(self.name, "failed")
        await self._remember(channel_key(self.name), code, _STATE_KEPT)

    def _mark(self, notice: Notice) -> str:
        return f"notices:sent:{self.name}:{notice.key}:{notice.opened_at.isoformat()}"

    async def _recalled(self, mark: str) -> bool:
        try:
            return bool(await self._memory.recall(mark))
        except SyncError:
            return False

    async def _remember(self, key: str, value: str, ttl: float) -> None:
        try:
            await self._memory.remember(key, value, ttl=ttl)
        except SyncError as error:
            log.debug("notice_not_remembered", code=error.code)
