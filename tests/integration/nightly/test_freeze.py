"""A freeze lets licences and counts wait, in full syncs and in single ones; the schedule writes them when it is over.

Only the clock of our processes moves on to the day after it: the schedule has no other reason to begin anything.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from shared.adapters.clock import SystemClock
from shared.domain.messages import Reason
from shared.domain.records import RunState
from shared.ports import Clock
from shared.runtime.wiring import Adapters, open_adapters
from tests.integration.nightly.conftest import WITHIN, Ward, eventually

pytestmark = pytest.mark.timeout(120)

LICENSED = "azure_licensed_user_count"


@dataclass(frozen=True, slots=True)
class Ahead:
    """The clock of the machine, so much later."""

    by: timedelta
    real: Clock = field(default_factory=SystemClock)

    def now(self) -> datetime:
        return self.real.now() + self.by

    def monotonic(self) -> float:
        return self.real.monotonic()


def _days(ward: Ward) -> tuple[str, ...]:
    """Today and tomorrow, so that a test over midnight stays inside."""
    today = datetime.now(ZoneInfo(ward.settings.nightly.zone)).date()
    return tuple(str((today + timedelta(days=ahead)).day) for ahead in (0, 1))


def _freeze(ward: Ward) -> None:
    days = _days(ward)
    billing = ward.settings.billing.model_copy(update={"freeze": days})
    ward.settings = ward.settings.model_copy(update={"billing": billing})
    ward.extra["BILLING__FREEZE"] = '["{}", "{}"]'.format(*days)


async def _is_done_by_schedule(ward: Ward) -> bool:
    run = await ward.newest_run()
    return run.reason is Reason.RECONCILE and run.state is RunState.DONE


async def test_licences_and_counts_wait_for_the_end_of_a_freeze_and_are_written_after_a_restart(ward: Ward) -> None:
    _freeze(ward)
    leaver, changer = ward.licensed()[:2]
    had, counted = (ward.licence(leaver), ward.licence(changer)), ward.own_fields()[LICENSED]
    await ward.take_licences([leaver, changer])
    await ward.admin.patch(ward.tenant, changer, jobTitle="Changed in a freeze")
    async with ward.services():
        done = await ward.reconcile()
        assert done.returncode == 0, done.stderr
        alone = await ward.command("sync", "--customer", str(ward.customer), "--user", leaver)
        assert alone.returncode == 0, alone.stderr
    contact = ward.contact_of(changer)
    assert contact is not None
    assert contact.properties["title"] == "Changed in a freeze"
    assert (ward.licence(leaver), ward.licence(changer)) == had
    assert ward.own_fields()[LICENSED] == counted
    (full,) = [run for run in await ward.ports.runs.recent(ward.customer, 2) if run.full]
    assert any("until the freeze is over" in note for note in full.notes)

    writes = ward.writes()
    async with ward.services():  # a restart while it is frozen still: nobody is due
        await asyncio.sleep(2)
    assert ward.writes() == writes

    over = timedelta(days=2)
    ward.world.microsoft.clock.advance(over)
    async with open_adapters(ward.settings) as adapters:
        ward.adapters = _ahead(adapters, over)
        async with ward.services():
            await eventually(partial(_is_done_by_schedule, ward), WITHIN)
    assert (ward.licence(leaver), ward.licence(changer)) == ("", "")
    assert ward.own_fields()[LICENSED] == str(int(counted) - 2)
    assert ward.writes() == writes + 3  # two contacts and the customer


def _ahead(adapters: Adapters, by: timedelta) -> Adapters:
    return replace(adapters, clock=Ahead(by))
