"""The record of one pass as it goes: reading, working, halted or failed. Looks add what they cost themselves.

The record of a pass that was killed stays as it was until the next pass of that customer, which is owed, closes it.
Next: `worker/settle.py`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from shared.domain.errors import SyncError
from shared.domain.records import Hold, Run, RunState
from worker.parts import WorkerPorts
from worker.survey import Survey
from worker.totals import TotalsReport

_LOOKS_END = timedelta(hours=24)  # by then every look of a run has ended, its retries too
_FEW = 5  # earlier runs of the customer


class Record:
    """`run`: as it was recorded last, with what the pass itself spent."""

    def __init__(self, ports: WorkerPorts, run: Run) -> None:
        self._runs = ports.runs
        self._clock = ports.clock
        self.run = run

    async def begin(self) -> None:
        """Call it under the customer's lease: no other pass is reading then, whatever its record says.

        One that is still working although a later one is done was killed while it handed users over.
        """
        now, replaced = self._clock.now(), False
        for earlier in await self._runs.recent(self.run.customer_id, _FEW):
            is_over = replaced or now - earlier.started_at > _LOOKS_END
            if earlier.full and (earlier.state is RunState.READING or (earlier.state is RunState.WORKING and is_over)):
                await self._runs.finish(earlier.run_id, now, RunState.FAILED)
            replaced = replaced or (earlier.full and earlier.state is RunState.DONE)
        await self.write()

    async def write(self) -> None:
        await self._runs.start(self.run)

    async def working(
        self, survey: Survey, planned: int, hold: Hold | None, totals: TotalsReport, notes: tuple[str, ...]
    ) -> None:
        """Everything is read and judged; `planned` users are about to be handed over."""
        self.run = replace(
            self._read(survey, notes),
            state=RunState.WORKING,
            planned=planned,
            held=len(hold.rows) if hold else 0,
            syncro_calls=survey.calls + totals.calls,
            writes=totals.writes,
        )
        await self.write()

    async def halted(self, survey: Survey, hold: Hold) -> None:
        self.run = self._read(survey, (f"Halted, code {hold.code}: {hold.detail}",))
        await self.write()
        await self._runs.finish(self.run.run_id, self._clock.now(), RunState.HALTED)
        self.run = replace(self.run, state=RunState.HALTED)

    async def failed(self, error: SyncError) -> None:
        """As far as the ledger can still be told: the customer stays owed either way."""
        reason = f"The full sync failed at {error.service}: {error.code}."
        self.run = replace(self.run, notes=(*self.run.notes, reason))
        with suppress(SyncError):
            await self.write()
            await self._runs.finish(self.run.run_id, self._clock.now(), RunState.FAILED)

    def _read(self, survey: Survey, notes: tuple[str, ...]) -> Run:
        return replace(
            self.run,
            considered=survey.considered,
            graph_calls=survey.reading.requests,
            syncro_calls=survey.calls,
            notes=notes,
        )
