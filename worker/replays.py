"""The service that tries failed changes again, as operators ordered it: one after the other, on the slow lane.

One worker leads. A letter is published first and recorded after: a crash in between publishes the same bytes again
and loses none. Where a wiped store lets two lead for a term, both may publish a letter; the ledger counts it once, and
the second look finds nothing to write. A letter whose users were brought in step since is skipped. Nothing is handed
over while the slow lane is full, and a job that was cancelled stops before its next letter. What is claimed is decided
by the ledger (`Replays.begin`), what a letter becomes by `shared/domain/letters.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from shared.domain.desk import Replay, ReplayState
from shared.domain.errors import SyncError
from shared.domain.letters import again, in_step_since
from shared.domain.messages import Lane
from shared.domain.records import ConnectionStatus, DeadLetter, LastFull
from shared.ports import LEASE_TAKEN
from shared.runtime.services import pause
from worker.leading import leading
from worker.marks import Marks
from worker.parts import WorkerPorts, WorkerSettings

log = structlog.get_logger("worker")
KEY = "replays"
IN_STEP = "Its users were brought in step since."
UNREADABLE = "It cannot be read."
_TERM = 60.0  # seconds after which the key is asked for anew, also while waiting for room: it may have been lost
_BATCH = 20  # letters read from the ledger at once; a full sync that ends meanwhile is noticed with the next ones


@dataclass(frozen=True, slots=True)
class _Standing:
    """When customers had their last full sync that is done, as read for one batch."""

    full: Mapping[int, LastFull]
    approved: Mapping[str, Sequence[int]]  # tenant -> its approved customers

    def of(self, tenant_id: str | None) -> Sequence[datetime | None]:
        last = [self.full.get(customer_id) for customer_id in self.approved.get(tenant_id or "", ())]
        return [None if each is None else each.done_began_at for each in last]


class LetterReplays:
    name = "replays"

    def __init__(self, ports: WorkerPorts, settings: WorkerSettings) -> None:
        self._ports = ports
        self._settings = settings
        self._marks = Marks(ports.memory, ports.clock, settings.fingerprint_key)
        self._running = False

    def ready(self) -> bool:
        return self._running

    async def run(self, stop: asyncio.Event) -> None:
        self._running = True
        try:
            while not await pause(stop, self._settings.replays_every):
                await self._round(stop)
        finally:
            self._running = False

    async def _round(self, stop: asyncio.Event) -> None:
        """The oldest job first. Without any, nobody asks for the lead."""
        try:
            if not await self._ports.replays.running():
                return
            async with leading(self._ports.leases, KEY):
                until = self._ports.clock.monotonic() + _TERM
                for job in await self._ports.replays.running():
                    await self._work(job, stop, until)
        except SyncError as error:  # another one leads, or a store is away: asked again in the next round
            say = log.debug if error.code == LEASE_TAKEN else log.warning
            say("replays_interrupted", code=error.code)

    async def _work(self, job: Replay, stop: asyncio.Event, until: float) -> None:
        while not stop.is_set() and self._ports.clock.monotonic() < until:
            letters = await self._ports.replays.claimed(job.replay_id, _BATCH)
            if not letters:
                if await self._is_running(job):
                    await self._ports.replays.finish(job.replay_id, self._ports.clock.now(), ReplayState.DONE)
                    log.info("replay_done", replay_id=job.replay_id)
                return
            standing = await self._standing(letters)
            for letter in letters:
                if not await self._may_go_on(job, stop, until):
                    return
                await self._try_again(job, letter, standing, stop)

    async def _may_go_on(self, job: Replay, stop: asyncio.Event, until: float) -> bool:
        """There is room, nobody stopped us meanwhile, the term lasts, and the operator still wants it."""
        while not stop.is_set() and self._ports.clock.monotonic() < until:
            if not await self._is_running(job):
                return False
            if (await self._ports.depths.depths()).get(Lane.BACKFILL, 0) < self._settings.replay_room:
                return True
            await pause(stop, self._settings.replays_every)
        return False

    async def _is_running(self, job: Replay) -> bool:
        now = await self._ports.replays.get(job.replay_id)
        return now is not None and now.state is ReplayState.RUNNING

    async def _try_again(self, job: Replay, letter: DeadLetter, standing: _Standing, stop: asyncio.Event) -> None:
        replays, clock = self._ports.replays, self._ports.clock
        if not await self._is_ours(job, letter):
            return
        if await self._is_in_step(letter, standing):
            await replays.advance(job.replay_id, letter.letter_id, "discarded", clock.now(), why=IN_STEP)
            return
        work = again(letter, job.replay_id, job.began_at)
        if work is None:
            await replays.advance(job.replay_id, letter.letter_id, "parked", clock.now(), why=UNREADABLE)
            return
        await self._ports.publisher.publish(*work)
        await replays.advance(job.replay_id, letter.letter_id, "replayed", clock.now())
        log.info("letter_tried_again", replay_id=job.replay_id, letter_id=letter.letter_id)
        await pause(stop, self._settings.replay_pause)

    async def _is_ours(self, job: Replay, letter: DeadLetter) -> bool:
        """Another leader may have handed it over while this one was frozen, and it may have been given back."""
        now = await self._ports.dead_letters.get(letter.letter_id)
        return now is not None and (now.status, now.replay_id) == ("claimed", job.replay_id)

    async def _is_in_step(self, letter: DeadLetter, standing: _Standing) -> bool:
        tenant_id = letter.tenant_id or ""
        reads = {user: await self._marks.last_read(tenant_id, user) for user in letter.user_ids}
        return in_step_since(letter, reads, standing.of(letter.tenant_id))

    async def _standing(self, letters: Sequence[DeadLetter]) -> _Standing:
        approved: dict[str, Sequence[int]] = {}
        for tenant_id in {letter.tenant_id for letter in letters if letter.tenant_id}:
            tied = await self._ports.connections.of_tenant(tenant_id)
            approved[tenant_id] = [each.customer_id for each in tied if each.status is ConnectionStatus.APPROVED]
        return _Standing(await self._ports.runs.full(), approved)
