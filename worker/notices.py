"""The service that tells people: once for each cause, once when it is over, and once a day how everything stands.

One worker leads. What it found goes into the ledger before it goes out: of two that lead for a moment the one that
opened a notice sends it. The ledger keeps who sent it: a channel that fails goes on alone, and one that has told it
never repeats it; only a kill between sending and noting makes a message come twice. No work of the worker waits for a
channel. Next: `worker/sights.py`, `worker/posts.py`, `shared/domain/notices.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import structlog

from shared.domain.desk import Notice
from shared.domain.errors import SyncError
from shared.domain.notice_causes import causes
from shared.domain.notice_letters import (
    NoticeLetter,
    Purpose,
    causes_letter,
    over_for_good,
    over_letter,
    summary_letter,
)
from shared.domain.notices import (
    COUNTED,
    SETTLED,
    Cause,
    NoticeKind,
    Sight,
    compare,
    for_people,
    has_heard,
    is_due,
    is_ripe,
    summary_day,
    summary_key,
)
from shared.runtime.services import pause
from worker.leading import lead_again
from worker.parts import WorkerPorts, WorkerSettings
from worker.posts import Post
from worker.sights import Sights
from worker.sync import fault
from worker.vigil import Vigil

log = structlog.get_logger("worker")
KEY = "notices"
OTHERS = timedelta(minutes=2)  # an untold notice that is younger may be in the hands of the worker that opened it
_TERM = 300.0  # seconds after which the key is asked for anew, in case it was lost

_Writer = Callable[[Sequence[Notice]], NoticeLetter]


class NoticeBoard:
    name = "notices"

    def __init__(self, ports: WorkerPorts, settings: WorkerSettings) -> None:
        self._ports = ports
        self._settings = settings
        self._sights = Sights(ports, settings)
        self._posts = [Post(channel, ports.clock, ports.memory, settings) for channel in ports.channels]
        self._vigil = Vigil(ports.clock, ports.memory)
        self._absent: Mapping[str, datetime] = {}
        self._ours: set[str] = set()  # keys of notices that we opened
        self._running = False

    def ready(self) -> bool:
        return self._running

    async def run(self, stop: asyncio.Event) -> None:
        self._running = True
        try:
            await lead_again(self._ports.leases, KEY, lambda: self._lead(stop), stop, not_ours=self._not_ours)
        finally:
            self._running = False

    def _not_ours(self, error: SyncError) -> None:
        log.debug("notices_not_ours", code=error.code)
        self._absent = {}
        self._ours.clear()
        self._sights.leave()
        self._vigil.leave()
        for post in self._posts:
            post.forget()

    async def _lead(self, stop: asyncio.Event) -> None:
        until = self._ports.clock.monotonic() + _TERM
        while not stop.is_set() and self._ports.clock.monotonic() < until:
            try:
                await self._round()
            except SyncError as error:
                log.warning("notices_unknown", code=error.code)
                self._begin_anew()
            except Exception as error:
                log.error("notices_failed", detail=fault(error).detail)
                self._begin_anew()
            await pause(stop, self._settings.notices_every)

    def _begin_anew(self) -> None:
        """What stood still while nobody could look is given time to catch up, and nothing is over by then."""
        self._absent = {}
        self._sights.break_off()
        self._vigil.break_off()

    # --- one round ----------------------------------------------------------------------------------------------

    async def _round(self) -> None:
        notices = self._ports.notices
        sight = await self._sights.look(await self._vigil.since())
        known = await notices.standing()
        found = causes(sight, self._settings.notices, known)
        keep, often = bool(self._names(Purpose.CAUSES)), await notices.openings(sight.now - COUNTED)
        difference = compare(found, known, self._absent, sight.now, keep_untold=keep, openings=often)
        self._absent = difference.absent
        await self._open(difference.new, sight.now)
        await self._end(difference.over, sight.now)
        await self._restate(found, known)
        said = {cause.key: cause.said for cause in found}
        standing = [replace(n, sentence=said.get(n.key, n.sentence)) for n in await notices.standing()]
        await self._tell(for_people(standing), sight.now)
        await self._summarise(sight, standing)
        await self._vigil.looked()

    async def _open(self, new: Sequence[Cause], now: datetime) -> None:
        for cause in new:
            if await self._ports.notices.open(cause.notice(now, self._names(Purpose.CAUSES))):
                log.info("notice_opened", key=cause.key, customer_id=cause.customer_id)
                self._ours.add(cause.key)

    async def _end(self, over: Sequence[Notice], now: datetime) -> None:
        for notice in over:
            await self._clear(notice, now)
        if not over or not self._settings.notices.says_over:
            return
        done = over_for_good(over, for_people(await self._ports.notices.standing()))
        await _together((post, self._say_over(post, done, now)) for post in self._posts)

    async def _say_over(self, post: Post, over: Sequence[Notice], now: datetime) -> None:
        heard = [notice for notice in over if has_heard(notice, post.name) or post.has_sent(notice)]
        if heard and post.wants(Purpose.OVER) and not post.rests():
            await post.send(over_letter(heard, now))

    async def _clear(self, notice: Notice, now: datetime) -> None:
        await self._ports.notices.clear(notice.key, now)
        self._ours.discard(notice.key)
        log.info("notice_over", key=notice.key, customer_id=notice.customer_id)

    async def _restate(self, found: Sequence[Cause], known: Sequence[Notice]) -> None:
        """Who lists what stands reads how it stands now: today's approval code, today's number."""
        kept = {notice.key: notice.sentence for notice in known}
        for cause in found:
            if kept.get(cause.key, cause.sentence) != cause.sentence:
                await self._ports.notices.restate(cause.key, cause.sentence)

    async def _tell(self, standing: Sequence[Notice], now: datetime) -> None:
        waiting = [notice for notice in standing if self._is_next(notice, standing, now)]
        ended = [notice for notice in waiting if notice.key in self._absent]
        here = [notice for notice in standing if notice.key not in self._absent]
        gone = {notice.key: notice for notice in over_for_good(ended, here)}
        for notice in ended:
            if notice.key not in gone:  # something of it stands on, and that says it all
                waiting.remove(notice)
                await self._clear(notice, now)
        told = await self._send(waiting, Purpose.CAUSES, lambda some: causes_letter(some, now, gone), now)
        for key in told.intersection(gone):  # told as over
            await self._clear(gone[key], now)

    def _is_next(self, notice: Notice, standing: Sequence[Notice], now: datetime) -> bool:
        """What another worker opened is left to it for a while."""
        left = timedelta(0) if notice.key in self._ours else OTHERS
        is_ours_to_tell = now - notice.opened_at >= left and is_ripe(notice, standing, now - left)
        return is_ours_to_tell and (notice.key not in self._absent or self._is_gone(notice, now))

    def _is_gone(self, notice: Notice, now: datetime) -> bool:
        """Over, and kept only because nobody could be told: one that may only blink is told when it is back."""
        return notice.told_at is None and now - self._absent[notice.key] >= SETTLED

    async def _summarise(self, sight: Sight, standing: Sequence[Notice]) -> None:
        """The day's summary is a notice too, so that it goes out once a day whatever is restarted."""
        day = summary_day(sight.now, self._settings.notices)
        if day is None or not self._names(Purpose.SUMMARY):
            return
        notice = await self._summary_notice(day, standing, sight.now)
        if notice is not None:
            await self._send([notice], Purpose.SUMMARY, lambda _: summary_letter(day, sight, standing), sight.now)

    async def _summary_notice(self, day: date, standing: Sequence[Notice], now: datetime) -> Notice | None:
        """None: another worker is at it."""
        key = summary_key(day)
        known = next((notice for notice in standing if notice.key == key), None)
        if known is not None:
            return known if now - known.opened_at >= OTHERS else None
        for notice in standing:
            if notice.kind == NoticeKind.SUMMARY:
                await self._ports.notices.clear(notice.key, now)
        meant_for = self._names(Purpose.SUMMARY)
        fresh = Notice(key, NoticeKind.SUMMARY.value, None, f"Summary of {day.isoformat()}", now, meant_for=meant_for)
        return fresh if await self._ports.notices.open(fresh) else None

    # --- sending ------------------------------------------------------------------------------------------------

    def _names(self, purpose: Purpose) -> tuple[str, ...]:
        return tuple(sorted(post.name for post in self._posts if post.wants(purpose)))

    async def _send(self, notices: Sequence[Notice], purpose: Purpose, write: _Writer, now: datetime) -> set[str]:
        """Over every channel that wants it, each what is its to tell. Gives the keys of those that went out."""
        told: set[str] = set()
        await _together((post, self._send_over(post, notices, purpose, write, now, told)) for post in self._posts)
        return told

    async def _send_over(
        self,
        post: Post,
        notices: Sequence[Notice],
        purpose: Purpose,
        write: _Writer,
        now: datetime,
        told: set[str],
    ) -> None:
        """What went out is written down at once; what a ledger did not take is written down in the next round."""
        missing = [notice for notice in notices if is_due(notice, post.name, now) and not post.has_sent(notice)]
        if missing and post.wants(purpose) and not post.rests():
            await post.tell(missing, write(missing))
        for notice, unsure in post.unnoted():
            await self._ports.notices.told(notice.key, now, post.name, unsure=unsure)
            post.noted(notice)
            told.add(notice.key)


async def _together(sending: Iterable[tuple[Post, Coroutine[None, None, None]]]) -> None:
    """Channels side by side: one that is slow or fails holds up and ends none of the others. Raises the ledger's."""
    lost: list[SyncError] = []

    async def alone(post: Post, send: Coroutine[None, None, None]) -> None:
        try:
            await send
        except SyncError as error:
            lost.append(error)
        except Exception as error:
            log.error("notices_failed", channel=post.name, detail=fault(error).detail)

    async with asyncio.TaskGroup() as group:
        for post, send in sending:
            group.create_task(alone(post, send), name=f"notices:{post.name}")
    if lost:
        raise lost[0]
