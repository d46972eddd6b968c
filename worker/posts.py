"""One channel and how it fares: what it has sent and nobody has noted yet, and how long it rests after it failed.

What a channel has told is kept by the ledger. Between sending and noting it is kept here, so that a ledger that takes
no writes for an hour does not make a ticket every minute. Next: `worker/notices.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import structlog

from shared.domain.desk import Notice
from shared.domain.errors import Ambiguous, SyncError, Transient
from shared.domain.notice_letters import NoticeLetter, Purpose
from shared.domain.notices import STATE_KEPT, UNSURE, channel_key
from shared.ports import Channel, Clock, Memory
from worker.parts import WorkerSettings
from worker.sync import fault

log = structlog.get_logger("worker")
FIRST_REST = 60.0  # seconds after a failure, doubling ...
LONGEST_REST = 3600.0  # ... up to this
_DOUBLINGS = 10  # a longer rest is beyond the longest, and a power of a thousand failures beyond a float


class Sent(StrEnum):
    YES = "sent"
    UNSURE = "unsure"  # it went out and the answer was lost: a second one may be worse than none
    NO = "failed"


class Post:
    def __init__(self, channel: Channel, clock: Clock, memory: Memory, settings: WorkerSettings) -> None:
        self._channel = channel
        self._clock = clock
        self._memory = memory
        self._settings = settings
        self._unnoted: dict[tuple[str, datetime], tuple[Notice, bool]] = {}
        self._failures = 0
        self._not_before = float("-inf")  # monotonic seconds

    @property
    def name(self) -> str:
        return self._channel.name

    def wants(self, purpose: Purpose) -> bool:
        return self._channel.wants(purpose)

    def rests(self) -> bool:
        return self._clock.monotonic() < self._not_before

    # --- what it has sent -----------------------------------------------------------------------------------------

    def has_sent(self, notice: Notice) -> bool:
        """Sent, and not noted in the ledger yet."""
        return _mark(notice) in self._unnoted

    def unnoted(self) -> Sequence[tuple[Notice, bool]]:
        """Each with whether it is unsure that it arrived."""
        return list(self._unnoted.values())

    def noted(self, notice: Notice) -> None:
        self._unnoted.pop(_mark(notice), None)

    def forget(self) -> None:
        """Another worker tells now, and goes by the ledger."""
        self._unnoted.clear()

    # --- sending --------------------------------------------------------------------------------------------------

    async def tell(self, notices: Sequence[Notice], letter: NoticeLetter) -> None:
        sent = await self.send(letter)
        if sent is not Sent.NO:
            self._unnoted |= {_mark(notice): (notice, sent is Sent.UNSURE) for notice in notices}

    async def send(self, letter: NoticeLetter) -> Sent:
        """Never raises; a failure lets the channel rest, each time longer."""
        try:
            await self._channel.send(letter)
        except Ambiguous as error:
            sent = await self._unsure(error, letter)
        except SyncError as error:
            sent = await self._failed(error)
        except Exception as error:
            sent = await self._failed(fault(error))
        else:
            log.info("notice_sent", channel=self.name, purpose=letter.purpose.value, lines=len(letter.lines))
            await self._remember("")
            self._failures, sent = 0, Sent.YES
        self._settings.on_letter(self.name, sent.value)
        return sent

    async def _unsure(self, error: SyncError, letter: NoticeLetter) -> Sent:
        code = f"{error.service}:{error.code}"
        log.warning("notice_answer_lost", channel=self.name, code=code, letter_id=letter.letter_id)
        await self._remember(f"{UNSURE}{code}")
        return Sent.UNSURE

    async def _failed(self, error: SyncError) -> Sent:
        rest = min(FIRST_REST * 2.0 ** min(self._failures, _DOUBLINGS), LONGEST_REST)
        if isinstance(error, Transient) and error.retry_after is not None:
            rest = max(rest, min(error.retry_after, LONGEST_REST))
        self._failures += 1
        self._not_before = self._clock.monotonic() + rest
        code = f"{error.service}:{error.code}"
        log.warning("notice_not_sent", channel=self.name, code=code, detail=error.detail, wait_s=round(rest))
        await self._remember(code)
        return Sent.NO

    async def _remember(self, state: str) -> None:
        """For those who look how the channels fare. Each time, for a test by hand writes the same key."""
        try:
            await self._memory.remember(channel_key(self.name), state, ttl=STATE_KEPT)
        except SyncError as error:
            log.debug("notice_not_remembered", code=error.code)


def _mark(notice: Notice) -> tuple[str, datetime]:
    return notice.key, notice.opened_at
