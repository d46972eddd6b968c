"""What operators decide, in memory: failed changes and their replays, pins, choices, deeds, notices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from shared.domain.desk import (
    Chosen,
    Deed,
    JournalFilter,
    LetterCount,
    LetterFilter,
    Notice,
    Pin,
    Replay,
    ReplayState,
)
from shared.domain.messages import DeadLettered, SubscriptionTouched, UsersTouched, decode
from shared.domain.records import DeadLetter, JournalEntry


class Reach(Protocol):
    def reach(self) -> None: ...


class Written(Protocol):
    @property
    def written(self) -> Sequence[JournalEntry]: ...


@dataclass
class FakeDeadLetters:
    """`skipped`: letters that a replay discarded, for they were in step by then."""

    switch: Reach
    held: dict[str, DeadLetter] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)

    async def record(self, letter: DeadLettered) -> None:
        self.switch.reach()
        known, told = self.held.get(letter.letter_id), _fresh(letter)
        was_skipped = letter.letter_id in self.skipped
        if known is None:
            self.held[letter.letter_id] = told
        elif (known.last_seen < told.last_seen or (told.last_run and known.replay_id == told.last_run)) and (
            known.status in ("open", "claimed", "replayed") or was_skipped
        ):
            renewed = replace(
                known,
                error_class=told.error_class,
                detail=told.detail,
                attempts=told.attempts,
                last_seen=max(known.last_seen, told.last_seen),
                service=told.service,
                last_run=told.last_run,
            )
            if known.status == "replayed" or was_skipped:
                renewed = replace(renewed, status="open", settled_at=None, settled_by="", why="")
            self.skipped.discard(letter.letter_id)
            self.held[letter.letter_id] = renewed

    async def list(self, *, status: str | None = "open", limit: int = 100) -> Sequence[DeadLetter]:
        return await self.find(LetterFilter(status=status), limit=limit)

    async def find(self, wanted: LetterFilter, *, limit: int = 10_000) -> Sequence[DeadLetter]:
        self.switch.reach()
        found = [letter for letter in self.held.values() if _is_wanted(letter, wanted)]
        found.sort(key=lambda letter: letter.letter_id)
        return sorted(found, key=lambda letter: letter.last_seen, reverse=True)[:limit]

    async def counts(self) -> Sequence[LetterCount]:
        self.switch.reach()
        parts = Counter((e.service, e.error_class, e.tenant_id) for e in self.held.values() if e.status == "open")
        return [LetterCount(error_class, tenant, n, service) for (service, error_class, tenant), n in parts.items()]

    async def get(self, letter_id: str) -> DeadLetter | None:
        self.switch.reach()
        return self.held.get(letter_id)

    async def settle(self, letter_id: str, status: str, at: datetime, *, by: str = "", why: str = "") -> bool:
        self.switch.reach()
        letter = self.held.get(letter_id)
        allowed = {"open": ("parked",), "parked": ("open",)}.get(status, ("open", "parked"))
        if letter is None or letter.status not in allowed:
            return False
        ended = None if status == "open" else at
        self.skipped.discard(letter_id)
        self.held[letter_id] = replace(letter, status=status, settled_at=ended, settled_by=by, why=why)
        return True


def _fresh(letter: DeadLettered) -> DeadLetter:
    message = decode(letter.body)
    run_id = _storable(message.run_id) if isinstance(message, UsersTouched) else ""
    service, _, code = letter.error_class.rpartition(":")
    return DeadLetter(
        letter_id=letter.letter_id,
        body=letter.body,
        lane=letter.lane,
        tenant_id=(_storable(message.tenant_id) or None)
        if isinstance(message, UsersTouched | SubscriptionTouched)
        else None,
        user_ids=message.user_ids if isinstance(message, UsersTouched) else (),
        error_class=code.replace("\0", "?"),
        detail=letter.detail.replace("\0", "?"),
        attempts=letter.attempts,
        first_seen=letter.first_seen,
        last_seen=letter.last_seen,
        status="open",
        run_id=run_id,
        service=letter.service or service,
        last_run=run_id,
    )


def _storable(identity: str | None) -> str:
    return identity if identity is not None and len(identity) <= 64 and "\0" not in identity else ""


def _is_wanted(letter: DeadLetter, wanted: LetterFilter) -> bool:
    return (
        wanted.status in (None, letter.status)
        and (not wanted.tenant_ids or letter.tenant_id in wanted.tenant_ids)
        and wanted.error_class in ("", letter.error_class)
        and wanted.detail in ("", letter.detail)
        and wanted.run_id in ("", letter.run_id)
        and wanted.replay_id in ("", letter.replay_id)
        and wanted.service in ("", letter.service)
        and (wanted.since is None or letter.last_seen >= wanted.since)
        and (wanted.until is None or letter.last_seen <= wanted.until)
    )


@dataclass
class FakeReplays:
    """`places`: (replay, letter) -> the letter's `last_seen` when it was claimed; `ends`: what became of it there."""

    switch: Reach
    letters: FakeDeadLetters
    held: dict[str, Replay] = field(default_factory=dict)
    places: dict[tuple[str, str], datetime] = field(default_factory=dict)
    ends: dict[tuple[str, str], str] = field(default_factory=dict)

    async def begin(self, replay: Replay, letter_ids: Sequence[str]) -> int:
        self.switch.reach()
        if replay.replay_id in self.held:
            return sum(job == replay.replay_id for job, _ in self.places)
        wanted = list(dict.fromkeys(letter_ids))
        known = self.letters.held
        if not wanted or not all(each in known and known[each].status in ("open", "parked") for each in wanted):
            return 0
        claimed = {"status": "claimed", "replay_id": replay.replay_id, "settled_at": None, "settled_by": "", "why": ""}
        for letter_id in wanted:
            self.places[replay.replay_id, letter_id] = known[letter_id].last_seen
            known[letter_id] = replace(known[letter_id], **claimed)  # type: ignore[arg-type]  # fields by name
        self.held[replay.replay_id] = replay
        return len(wanted)

    async def claimed(self, replay_id: str, limit: int) -> Sequence[DeadLetter]:
        self.switch.reach()
        mine = [letter for job, letter in self.places if job == replay_id and (job, letter) not in self.ends]
        return [self.letters.held[letter_id] for letter_id in mine[:limit]]

    async def advance(self, replay_id: str, letter_id: str, status: str, at: datetime, *, why: str = "") -> None:
        self.switch.reach()
        key, job = (replay_id, letter_id), self.held.get(replay_id)
        if job is None or key not in self.places or self.ends.get(key, "released") != "released":
            return
        self.ends[key] = status
        is_handed_over = status == "replayed"
        count = "handed_over" if is_handed_over else "skipped"
        self.held[replay_id] = replace(job, **{count: getattr(job, count) + 1})
        letter = self.letters.held[letter_id]
        if letter.replay_id != replay_id or letter.status not in ("claimed", "open"):
            return
        letter = replace(letter, replays=letter.replays + is_handed_over)
        if letter.last_seen > self.places[key] or letter.last_run == replay_id:
            self.letters.held[letter_id] = replace(letter, status="open", settled_at=None, settled_by="", why="")
            return
        self.letters.held[letter_id] = replace(letter, status=status, settled_at=at, settled_by=job.by, why=why)
        if status == "discarded":
            self.letters.skipped.add(letter_id)

    async def finish(self, replay_id: str, at: datetime, state: ReplayState) -> bool:
        self.switch.reach()
        job = self.held.get(replay_id)
        is_running = job is not None and job.state is ReplayState.RUNNING
        if job is not None and is_running:
            self.held[replay_id] = replace(job, state=state, finished_at=at)
        for key in [key for key in self.places if key[0] == replay_id and key not in self.ends]:
            self.ends[key] = "released"
            letter = self.letters.held[key[1]]
            if letter.status == "claimed" and letter.replay_id == replay_id:
                self.letters.held[key[1]] = replace(letter, status="open")
        return is_running

    async def get(self, replay_id: str) -> Replay | None:
        self.switch.reach()
        return self.held.get(replay_id)

    async def running(self) -> Sequence[Replay]:
        self.switch.reach()
        jobs = [job for job in self.held.values() if job.state is ReplayState.RUNNING]
        return sorted(jobs, key=lambda job: (job.began_at, job.replay_id))

    async def recent(self, limit: int = 20) -> Sequence[Replay]:
        self.switch.reach()
        return sorted(self.held.values(), key=lambda job: job.began_at, reverse=True)[:limit]


@dataclass
class FakeJournalSearch:
    switch: Reach
    journal: Written

    async def search(self, wanted: JournalFilter, limit: int = 100) -> Sequence[JournalEntry]:
        self.switch.reach()
        return [entry for entry in reversed(self.journal.written) if _matches(entry, wanted)][:limit]

    async def get(self, entry_id: int) -> JournalEntry | None:
        self.switch.reach()
        return next((entry for entry in self.journal.written if entry.id == entry_id), None)


def _matches(entry: JournalEntry, wanted: JournalFilter) -> bool:
    return (
        wanted.customer_id in (None, entry.customer_id)
        and wanted.user_id in ("", entry.user_id)
        and wanted.contact_id in (None, entry.contact_id)
        and wanted.run_id in ("", entry.run_id)
        and wanted.trace_id in ("", entry.trace_id)
        and wanted.cause in ("", entry.cause.value)
        and (not wanted.field or any(change.field == wanted.field for change in entry.changes))
        and (wanted.since is None or entry.intended_at >= wanted.since)
        and (wanted.until is None or entry.intended_at <= wanted.until)
        and (wanted.before_id is None or (entry.id or 0) < wanted.before_id)
    )


@dataclass
class FakePins:
    switch: Reach
    held: dict[tuple[int, int], Pin] = field(default_factory=dict)

    async def pin(self, pin: Pin) -> None:
        self.switch.reach()
        self.held[pin.customer_id, pin.contact_id] = pin

    async def unpin(self, customer_id: int, contact_id: int) -> bool:
        self.switch.reach()
        return self.held.pop((customer_id, contact_id), None) is not None

    async def of_customer(self, customer_id: int) -> Sequence[Pin]:
        return [pin for pin in await self.all() if pin.customer_id == customer_id]

    async def all(self) -> Sequence[Pin]:
        self.switch.reach()
        return [self.held[key] for key in sorted(self.held)]


@dataclass
class FakeChoices:
    switch: Reach
    held: dict[tuple[int, str], Chosen] = field(default_factory=dict)

    async def choose(self, chosen: Chosen) -> None:
        self.switch.reach()
        self.held[chosen.customer_id, chosen.user_id] = chosen

    async def of_customer(self, customer_id: int) -> Mapping[str, Chosen]:
        self.switch.reach()
        return {user_id: chosen for (customer, user_id), chosen in self.held.items() if customer == customer_id}

    async def forget(self, customer_id: int, user_id: str) -> None:
        self.switch.reach()
        self.held.pop((customer_id, user_id), None)


@dataclass
class FakeDeeds:
    """Oldest first."""

    switch: Reach
    noted: list[Deed] = field(default_factory=list)

    async def note(self, deed: Deed) -> None:
        self.switch.reach()
        self.noted.append(replace(deed, id=len(self.noted) + 1))

    async def recent(self, *, customer_id: int | None = None, limit: int = 100) -> Sequence[Deed]:
        self.switch.reach()
        return [deed for deed in reversed(self.noted) if customer_id in (None, deed.customer_id)][:limit]


@dataclass
class FakeNotices:
    """Every notice that there ever was, as it stands."""

    switch: Reach
    held: list[Notice] = field(default_factory=list)

    async def open(self, notice: Notice) -> bool:
        self.switch.reach()
        if any(each.key == notice.key and each.cleared_at is None for each in self.held):
            return False
        self.held.append(notice)
        return True

    async def told(self, key: str, at: datetime, channel: str, *, unsure: bool = False) -> None:
        self.switch.reach()
        self.held = [_told(each, at, channel, unsure=unsure) if _stands(each, key) else each for each in self.held]

    async def restate(self, key: str, sentence: str) -> None:
        self.switch.reach()
        self.held = [replace(each, sentence=sentence) if _stands(each, key) else each for each in self.held]

    async def openings(self, since: datetime) -> Mapping[str, int]:
        self.switch.reach()
        return Counter(each.key for each in self.held if each.opened_at >= since)

    async def clear(self, key: str, at: datetime) -> None:
        self.switch.reach()
        self.held = [replace(each, cleared_at=at) if _stands(each, key) else each for each in self.held]

    async def standing(self) -> Sequence[Notice]:
        self.switch.reach()
        open_ones = [each for each in self.held if each.cleared_at is None]
        return sorted(open_ones, key=lambda each: each.opened_at)


def _told(notice: Notice, at: datetime, channel: str, *, unsure: bool) -> Notice:
    over, unsure_over = notice.told_over, notice.unsure_over
    return replace(
        notice,
        told_at=notice.told_at or at,
        told_over=tuple(dict.fromkeys([*over, channel])),
        unsure_over=tuple(dict.fromkeys([*unsure_over, channel])) if unsure else unsure_over,
    )


def _stands(notice: Notice, key: str) -> bool:
    return notice.key == key and notice.cleared_at is None
