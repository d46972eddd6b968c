"""A full pass over one customer: survey it, then hand over only the users that differ, as ordinary hints.

No contact is written here: the hints take the one write path and are planned again from fresh reads. Lists too short
to be believed halt the customer, changes in excess wait for a person (`worker/holding.py`). What needs no look
(conflicts, links of contacts in step) is noted in the ledger, and the customer's own fields are written
(`worker/totals.py`). The customer is owed while a pass is under way, so that a killed one is made again. Next:
`worker/handing.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from shared.domain.errors import Permanent, SyncError, Transient
from shared.domain.forecast import Forecast, forecast_of
from shared.domain.freeze import without_frozen
from shared.domain.messages import Lane, Reason
from shared.domain.policy import SyncPolicy
from shared.domain.preview import PreviewRow, is_write
from shared.domain.records import Connection, ConnectionStatus, Hold, Run, RunState
from worker.connected import connected
from worker.handing import Choice, Handing, chosen
from worker.holding import Asked, Holding, Judged, Release
from worker.leavers import Leavers
from worker.notes import news_of_products, notes_of
from worker.noting import Noting, asking_for_something
from worker.parts import WorkerPorts, WorkerSettings
from worker.record import Record
from worker.survey import Survey, Surveyor
from worker.sync import fault
from worker.totals import Totals, TotalsReport

log = structlog.get_logger("worker")
UNFINISHED = "a full sync has not finished"
OWN_FIELDS_FAILED = "The customer's own fields could not be written, the next full sync tries again"


@dataclass(frozen=True, slots=True)
class PassReport:
    """`published`: users handed over, all confirmed by the broker. The run ends when each has an outcome.

    `considered`: users put through the planner. `hold`: what waits for a person now. `halted`: a list was too short,
    and nothing was handed over. `stale`: why a released code was not accepted, row by row. `forecast`: what the looks
    will cost, the listing included. `activity`: users among `published` whose last activity alone moved.
    """

    run_id: str
    survey: Survey
    published: int
    considered: int
    hold: Hold | None
    halted: bool
    stale: tuple[str, ...]
    forecast: Forecast
    activity: int = 0


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of one pass. `activity_cap`: most users handed over for their last activity alone, None: all."""

    release: Release | None = None
    first: int | None = None
    activity_days: int = 1
    activity_cap: int | None = None


class FullPass:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings, lane: Lane = Lane.BACKFILL) -> None:
        self._ports = ports
        self._settings = settings
        self._surveyor = Surveyor(ports, settings, lane)
        self._holding = Holding(ports, settings)
        self._leavers = Leavers(ports, settings)
        self._handing = Handing(ports)
        self._noting = Noting(ports)
        self._totals = Totals(ports, settings)

    async def preview(self, customer_id: int, policy: SyncPolicy | None = None) -> Survey:
        """What a full pass would do, every row of it; changes nothing anywhere. Any status will do.

        `policy`: by these rules instead of the customer's own.
        """
        return await self._surveyor.survey(await connected(self._ports, customer_id), policy=policy)

    async def compare(self, customer_id: int, policy: SyncPolicy) -> tuple[Survey, Survey]:
        """The same by the customer's own rules and by `policy`, from one reading."""
        return await self._surveyor.compared(await connected(self._ports, customer_id), policy)

    async def full_pass(
        self,
        customer_id: int,
        *,
        reason: Reason,
        run_id: str,
        release: str | None = None,
        first: int | None = None,
        by: str = "",
        activity_days: int | None = None,
        activity_cap: int | None = None,
    ) -> PassReport:
        """Every hint is safe in the broker on return.

        `release`: the approval code of what is held, released as the decision of `by` if that is still exactly what
        it was. `first`: so many contacts may be created, the others wait. `activity_days`: None is the setting's, and
        one where that leaves it to the night. Permanent "not_approved" for a customer that is not; "unknown_code",
        "approval_expired" and "already_decided" for such a code. A pass that fails leaves the customer owed.
        """
        connection = await self._approved(customer_id)
        days = activity_days or self._days
        wish = Wish(await self._holding.release(customer_id, release, by), first, days, activity_cap)
        now = self._ports.clock.now()
        generation = await self._ports.owed.mark(customer_id, UNFINISHED, now)
        record = Record(self._ports, Run(run_id, customer_id, reason, 0, now, state=RunState.READING, full=True))
        await record.begin()
        try:
            report = await self._made(connection, record, wish)
        except SyncError as error:
            await self._failed(record, error)
            raise
        except Exception as error:
            ours = fault(error)
            await self._failed(record, ours)
            raise ours from error
        if not report.halted:
            await self._ports.owed.clear(customer_id, generation)
        return report

    @property
    def _days(self) -> int:
        days = self._settings.nightly.activity_days
        return 1 if days == "auto" else days

    async def _failed(self, record: Record, error: SyncError) -> None:
        run = record.run
        log.warning(
            "full_pass_failed", customer_id=run.customer_id, run_id=run.run_id, code=error.code, detail=error.detail
        )
        await record.failed(error)

    async def _approved(self, customer_id: int) -> Connection:
        connection = await connected(self._ports, customer_id)
        if connection.status is not ConnectionStatus.APPROVED:
            raise Permanent("worker", "not_approved", "this customer is waiting for approval or paused")
        return connection

    async def _made(self, connection: Connection, record: Record, wish: Wish) -> PassReport:
        customer_id, run = connection.customer_id, record.run
        has_row = await self._noting.approved_users(customer_id)
        survey = await self._surveyor.survey(connection, asking_for_something(has_row))
        standing = await self._ports.holds.of_customer(customer_id)
        asked = Asked(survey, run.run_id, standing, wish.release, wish.first)
        halt = await self._holding.halt(asked)
        if halt is not None:
            await record.halted(survey, halt.hold)
            return self._report(record.run, survey, Judged((), halt.hold, halt.stale), Choice())
        survey = await self._leavers.joined(survey)
        asked = replace(asked, survey=survey)
        await self._noting.note(survey, has_row)
        judged = await self._holding.judge(asked, self._trimmed(survey))
        totals = await self._own_fields(survey, run, judged.hold)
        field = survey.policy.fields.last_activity
        choice = chosen(judged.allowed, field, days=wish.activity_days, cap=wish.activity_cap)
        await self._noting.settle_rows(customer_id, filter(has_row, choice.left))
        await self._hand_over(record, survey, choice, judged, totals)
        return self._report(record.run, survey, judged, choice)

    async def _own_fields(self, survey: Survey, run: Run, hold: Hold | None) -> TotalsReport:
        """Trouble with the customer's own fields never keeps its contacts waiting: the next pass tries them again."""
        try:
            return await self._totals.write(survey, reason=run.reason, run_id=run.run_id, hold=hold)
        except Transient as error:
            log.warning("totals_failed", customer_id=run.customer_id, run_id=run.run_id, code=error.code)
            return TotalsReport(notes=(f"{OWN_FIELDS_FAILED} ({error.code}).",))

    def _trimmed(self, survey: Survey) -> list[PreviewRow]:
        """The rows that write, without what a freeze lets wait."""
        writes = [row for row in survey.preview.rows if is_write(row.plan)]
        if not self._is_frozen():
            return writes
        field = survey.policy.fields.license
        thawed = (replace(row, plan=without_frozen(row.plan, field)) for row in writes)
        return [row for row in thawed if is_write(row.plan)]

    def _is_frozen(self) -> bool:
        return self._settings.is_frozen(self._ports.clock.now())

    async def _hand_over(
        self, record: Record, survey: Survey, choice: Choice, judged: Judged, totals: TotalsReport
    ) -> None:
        """The run is recorded first, so that no outcome comes before it."""
        users = choice.with_unseen(survey.unseen)
        news = await news_of_products(self._ports.memory, survey)
        notes = notes_of(survey, news=news, hold=judged.hold, carried=choice.carried, is_frozen=self._is_frozen())
        run = record.run
        await record.working(survey, len(users), judged.hold, totals, (*notes, *totals.notes))
        await self._handing.hand_over(survey, users, choice.plans, reason=run.reason, run_id=run.run_id)
        if not users:
            await self._ports.runs.finish(run.run_id, self._ports.clock.now())

    def _report(self, run: Run, survey: Survey, judged: Judged, choice: Choice) -> PassReport:
        per_minute = self._settings.backfill_per_minute
        log.info(
            "full_pass",
            customer_id=run.customer_id,
            run_id=run.run_id,
            users=survey.considered,
            published=run.planned,
            held=run.held,
            graph_calls=run.graph_calls,
            syncro_calls=run.syncro_calls,
            state=run.state,
        )
        return PassReport(
            run_id=run.run_id,
            survey=survey,
            published=run.planned,
            considered=survey.considered,
            hold=judged.hold,
            halted=run.state is RunState.HALTED,
            stale=judged.stale,
            forecast=forecast_of(choice.plans, listing_calls=survey.calls, per_minute=per_minute),
            activity=len(choice.activity),
        )
