"""The service that tells people: once for each cause, once when it is over, and once a day how everything stands.

One worker leads. What it found goes into the ledger before it goes out: of two that lead for a moment the one that
opened a notice sends it. A notice that could not be sent stays untold and is tried again by whoever leads, so it is
sent twice after a kill between sending and noting, never lost. A channel that fails rests by itself; no work of the
worker waits for any. Next: `worker/sights.py`, `worker/posts.py`, `shared/domain/notices.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import structlog

from shared.domain.desk import Notice
from shared.domain.errors import SyncError
from shared.domain.notice_causes import causes
from shared.domain.notice_letters import NoticeLetter, Purpose, causes_letter, over_letter, summary_letter
from shared.domain.notices import NoticeKind, Sight, compare, for_people, summary_day, summary_key
from shared.runtime.services import pause
from worker.leading import lead_again
from worker.parts import WorkerPorts, WorkerSettings
from worker.posts import Post
from worker.sights import Sights
from worker.sync import fault

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
        self._absent: Mapping[str, datetime] = {}
        self._watching_since: datetime | None = None  # None: nobody could look, or another one did
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
        self._begin_anew()

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
        self._absent, self._watching_since = {}, None

    # --- one round ----------------------------------------------------------------------------------------------

    async def _round(self) -> None:
        self._watching_since = self._watching_since or self._ports.clock.now()
        sight = await self._sights.look(self._watching_since)
        standing = await self._ports.notices.standing()
        found = causes(sight, self._settings.notices, standing)
        keep = any(post.wants(Purpose.CAUSES) for post in self._posts)
        difference = compare(found, standing, self._absent, sight.now, keep_untold=keep)
        self._absent = difference.absent
        opened = [cause.notice(sight.now) for cause in difference.new]
        ours = {notice.key for notice in opened if await self._open(notice)}
        await self._end(difference.over, sight.now)
        said = {cause.key: cause.sentence for cause in found}
        now = [replace(n, sentence=said.get(n.key, n.sentence)) for n in await self._ports.notices.standing()]
        await self._tell(for_people(now), ours, sight.now)
        await self._summarise(sight, now)

    async def _open(self, notice: Notice) -> bool:
        is_ours = await self._ports.notices.open(notice)
        if is_ours:
            log.info("notice_opened", key=notice.key, customer_id=notice.customer_id)
        return is_ours

    async def _end(self, over: Sequence[Notice], now: datetime) -> None:
        for notice in over:
            await self._ports.notices.clear(notice.key, now)
            log.info("notice_over", key=notice.key, customer_id=notice.customer_id)
            for post in self._posts:
                post.forget(notice)
        told = [notice for notice in over if notice.told_at is not None]
        if told and self._settings.notices.says_over:
            letter = over_letter(told, now)
            await _together({p.name: p.send(letter) for p in self._posts if p.wants(Purpose.OVER) and not p.rests()})

    async def _tell(self, standing: Sequence[Notice], ours: Collection[str], now: datetime) -> None:
        waiting = [n for n in standing if n.told_at is None and (n.key in ours or now - n.opened_at >= OTHERS)]
        gone = {notice.key for notice in waiting if notice.key in self._absent}
        await self._send(waiting, Purpose.CAUSES, lambda some: causes_letter(some, now, gone), now)

    async def _summarise(self, sight: Sight, standing: Sequence[Notice]) -> None:
        """The day's summary is a notice too, so that it goes out once a day whatever is restarted."""
        day = summary_day(sight.now, self._settings.notices)
        if day is None or not any(post.wants(Purpose.SUMMARY) for post in self._posts):
            return
        notice = await self._summary_notice(day, standing, sight.now)
        if notice is not None:
            await self._send([notice], Purpose.SUMMARY, lambda _: summary_letter(day, sight, standing), sight.now)

    async def _summary_notice(self, day: date, standing: Sequence[Notice], now: datetime) -> Notice | None:
        """None: it was sent, or another worker is at it."""
        key = summary_key(day)
        known = next((notice for notice in standing if notice.key == key), None)
        if known is not None:
            return known if known.told_at is None and now - known.opened_at >= OTHERS else None
        for notice in standing:
            if notice.kind == NoticeKind.SUMMARY:
                await self._ports.notices.clear(notice.key, now)
        fresh = Notice(key, NoticeKind.SUMMARY.value, None, f"Summary of {day.isoformat()}", now)
        return fresh if await self._ports.notices.open(fresh) else None

    # --- sending ------------------------------------------------------------------------------------------------

    async def _send(self, notices: Sequence[Notice], purpose: Purpose, write: _Writer, now: datetime) -> None:
        """Over every channel that wants it, each what it has not sent yet; what all have sent is told."""
        posts = [post for post in self._posts if post.wants(purpose)]
        if not posts or not notices:
            return
        await _together({post.name: self._send_over(post, notices, write) for post in posts if not post.rests()})
        for notice in notices:
            if all([await post.has_sent(notice) for post in posts]):
                await self._ports.notices.told(notice.key, now)
                for post in posts:
                    post.forget(notice)

    async def _send_over(self, post: Post, notices: Sequence[Notice], write: _Writer) -> bool:
        missing = [notice for notice in notices if not await post.has_sent(notice)]
        if not missing or not await post.send(write(missing)):
            return False
        for notice in missing:
            await post.mark_sent(notice)
        return True


async def _together(sending: Mapping[str, Coroutine[Any, Any, object]]) -> None:
    """Channels side by side: a slow one holds up none of the others."""
    async with asyncio.TaskGroup() as group:
        for name, each in sending.items():
            group.create_task(each, name=f"notices:{name}")
