"""Where a full pass stops for a person: lists too short to be believed, classes of changes in excess, releases.

What is held is stored before anything is handed over, so that the looks which follow leave it alone. A release counts
only for exactly what was shown; it is recorded before anything is done under it. Pure parts: `worker/divided.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.changes import row_digest
from shared.domain.errors import Permanent
from shared.domain.nightly import BrakePolicy
from shared.domain.preview import PreviewRow
from shared.domain.records import HeldRow, Hold, HoldState, ListSizes, RunState
from shared.domain.safety import Brake, code_of, listing_code, shrunken
from worker.divided import Divided, changed_since, divide, held_row, sentence, standing_of
from worker.parts import WorkerPorts, WorkerSettings
from worker.survey import Survey

_BY_ITSELF = "full sync"  # who settles a hold of which nothing is left


@dataclass(frozen=True, slots=True)
class Release:
    """A person's yes to `hold`, by its code."""

    hold: Hold
    by: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What one pass wants to know of the brakes. `standing`: the customer's open hold when the pass began."""

    survey: Survey
    run_id: str
    standing: Hold | None
    release: Release | None = None
    first: int | None = None

    @property
    def customer_id(self) -> int:
        return self.survey.customer_id


@dataclass(frozen=True, slots=True)
class Halt:
    hold: Hold
    stale: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """`hold`: as stored now, None when nothing waits. `stale`: why a release was not accepted, row by row."""

    allowed: tuple[PreviewRow, ...]
    hold: Hold | None
    stale: tuple[str, ...]


class Holding:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings) -> None:
        self._ports = ports
        self._policy = settings.brakes

    async def release(self, customer_id: int, code: str | None, by: str) -> Release | None:
        """Permanent "unknown_code", "approval_expired" or "already_decided" for a code that nobody may release."""
        if code is None:
            return None
        holds = await self._ports.holds.list(code=code, state=None)
        mine = [hold for hold in holds if hold.customer_id == customer_id]
        if not mine:
            raise Permanent("worker", "unknown_code", "no full sync of this customer holds anything by this code")
        hold = next((each for each in mine if each.state is HoldState.OPEN), mine[0])
        if hold.state in (HoldState.APPROVED, HoldState.REJECTED):
            raise Permanent("worker", "already_decided", f"this code was {hold.state.value} already")
        if hold.expires_at <= self._ports.clock.now():
            raise Permanent("worker", "approval_expired", "what was held is too old; a new full sync gives a new code")
        return Release(hold, by)

    async def halt(self, asked: Asked) -> Halt | None:
        """None when both lists are believed; their lengths are remembered then."""
        sizes = sizes_of(asked.survey, self._ports.clock.now())
        short = short_lists(await self._ports.sizes.last(asked.customer_id), sizes, self._policy)
        if short:
            hold = self._listing_hold(asked, sizes, short)
            if not await self._is_approved(hold, asked.release):
                await self._ports.holds.open(hold)
                return Halt(hold, _other_lists(asked.release))
        await self._ports.sizes.save(sizes)
        return None

    async def judge(self, asked: Asked, rows: Sequence[PreviewRow]) -> Judged:
        """`rows`: everything that the pass would write. What is held is in the ledger on return."""
        divided = await self._divided(asked, rows)
        if not divided.held:
            await self._lift(asked)
            return Judged(divided.allowed, None, _stale(asked.release, ()))
        hold = self._class_hold(asked, divided)
        if await self._is_approved(hold, asked.release):
            return Judged(tuple(rows), None, ())
        await self._ports.holds.open(hold)
        return Judged(divided.allowed, hold, _stale(asked.release, hold.rows))

    async def _divided(self, asked: Asked, rows: Sequence[PreviewRow]) -> Divided:
        contacts, standing = len(asked.survey.preview.contacts), standing_of(asked.standing)
        first = asked.first
        divided = divide(rows, contacts=contacts, policy=self._policy, standing=standing, first=first)
        if divided.brakes.keys() <= standing.keys():
            return divided
        exempt = await self._exempt(asked, divided.held)
        return divide(rows, contacts=contacts, policy=self._policy, standing=standing, exempt=exempt, first=first)

    async def _exempt(self, asked: Asked, held: Sequence[PreviewRow]) -> frozenset[str]:
        """Users whose very row a person approved. They are asked for only when something is in excess."""
        approvals, customer_id = self._ports.approvals, asked.customer_id
        if await approvals.pending(customer_id) == 0:
            return frozenset()
        waiting = {row.plan.user_id for row in held}
        whole = [row.plan for row in asked.survey.preview.rows if row.plan.user_id in waiting]
        return frozenset(
            [
                plan.user_id
                for plan in whole
                if await approvals.approved_row(customer_id, plan.user_id) == row_digest(plan)
            ]
        )

    async def _is_approved(self, hold: Hold, release: Release | None) -> bool:
        """By this release, or by one of which a pass was killed before it could do what was allowed."""
        holds, now = self._ports.holds, self._ports.clock.now()
        if release is not None and release.hold.code == hold.code:
            await holds.open(hold)
            return await holds.settle(hold.customer_id, hold.code, HoldState.APPROVED, release.by, now)
        earlier = await holds.list(code=hold.code, state=HoldState.APPROVED)
        valid = [each for each in earlier if each.customer_id == hold.customer_id and each.expires_at > now]
        return bool(valid) and not await self._is_used(valid[0])

    async def _is_used(self, approved: Hold) -> bool:
        """A yes is good for one full sync that ends: what goes missing again afterwards is another question."""
        decided = approved.settled_at
        run = await self._ports.runs.get(approved.run_id) if approved.run_id else None
        if run is not None and run.state is RunState.DONE and run.finished_at and decided and run.finished_at > decided:
            return True
        last = (await self._ports.runs.full()).get(approved.customer_id)
        return bool(last and last.done_began_at and decided and last.done_began_at > decided)

    async def _lift(self, asked: Asked) -> None:
        hold = asked.standing
        if hold is not None:
            now = self._ports.clock.now()
            await self._ports.holds.settle(hold.customer_id, hold.code, HoldState.LIFTED, _BY_ITSELF, now)

    def _listing_hold(self, asked: Asked, sizes: ListSizes, short: Mapping[str, tuple[int, int]]) -> Hold:
        """Classes that are held already stay so when the list is believed again."""
        classes = {brake.value: pair for brake, pair in _pairs(asked.standing).items()}
        told = (f"The list of {name} has {now} entries, {before} before." for name, (now, before) in short.items())
        code = listing_code(asked.customer_id, sizes.users, sizes.contacts)
        return self._hold(asked, code, {Brake.LISTING.value: next(iter(short.values())), **classes}, (), " ".join(told))

    def _class_hold(self, asked: Asked, divided: Divided) -> Hold:
        brakes = {brake.value: (each.count, each.limit) for brake, each in divided.brakes.items()}
        detail = " ".join(sentence(brake, each) for brake, each in divided.brakes.items())
        code = code_of(asked.customer_id, (row.plan for row in divided.held))
        return self._hold(asked, code, brakes, tuple(map(held_row, divided.held)), detail)

    def _hold(
        self, asked: Asked, code: str, brakes: Mapping[str, tuple[int, int]], rows: tuple[HeldRow, ...], detail: str
    ) -> Hold:
        now = self._ports.clock.now()
        expires_at = now + timedelta(hours=self._policy.approval_hours)
        return Hold(asked.customer_id, code, asked.run_id, brakes, rows, detail, now, expires_at)


def short_lists(before: ListSizes | None, now: ListSizes, policy: BrakePolicy) -> Mapping[str, tuple[int, int]]:
    """Name of a list that shrank too much to be believed -> (entries now, entries before)."""
    if before is None:
        return {}
    both = {"users": (now.users, before.users), "contacts": (now.contacts, before.contacts)}
    return {name: pair for name, pair in both.items() if shrunken(pair[1], pair[0], policy)}


def sizes_of(survey: Survey, now: datetime) -> ListSizes:
    """How long the two lists of a survey are."""
    return ListSizes(survey.customer_id, survey.considered, len(survey.preview.contacts), now)


def _pairs(hold: Hold | None) -> Mapping[Brake, tuple[int, int]]:
    told = hold.brakes if hold is not None else {}
    return {brake: told[brake.value] for brake in standing_of(hold)}


def _is_listing(release: Release) -> bool:
    return Brake.LISTING.value in release.hold.brakes


def _other_lists(release: Release | None) -> tuple[str, ...]:
    if release is None:
        return ()
    return (f"You saw: {release.hold.detail} The lists are of another length now.",)


def _stale(release: Release | None, rows: Sequence[HeldRow]) -> tuple[str, ...]:
    """Approving a list's length says nothing about the changes that follow from it."""
    if release is None or _is_listing(release):
        return ()
    return changed_since(release.hold, rows)
