"""What a full sync costs at both vendors while nothing drifts, counted in the calls that the vendors received.

Requests for facts and listing are those of the call plan; tokens and later looks are apart. Ten people are brought in
step by the real services; a thousand contacts are first given what looks would have written. Next:
`tests/bench/night.py`, which has 100,000 users.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from math import ceil
from pathlib import Path

import pytest

from console import operations
from console.cli.demo.people import open_administrator
from console.cli.run import operator_ports, worker_ports, worker_settings
from console.cli.sync import watch_runs
from sandbox.crowd import found
from sandbox.world import World
from shared.domain.changes import UpdateContact
from shared.domain.contact import Contact
from shared.domain.messages import Reason
from shared.domain.plan import apply_to
from shared.runtime.settings import Settings
from shared.runtime.wiring import open_adapters
from tests.integration.console.conftest import updates
from tests.integration.nightly.conftest import CALM, WITHIN, Ward, night_settings
from worker.fullpass import FullPass

pytestmark = pytest.mark.timeout(120)

BY_LOOKS = 10  # users that the services bring in step
FREE = 600_000  # calls a minute: nothing here is about the pace


def _free(settings: Settings) -> Settings:
    """A look is taken to answer what was noticed this long before it: less than the window, or none ever does."""
    pace = {"pace_per_minute": FREE, "backfill_per_minute": FREE, "burst": 1_000}
    coalesce = settings.coalesce.model_copy(update={"covered_after": settings.coalesce.first_window / 2})
    return settings.model_copy(update={"syncro": settings.syncro.model_copy(update=pace), "coalesce": coalesce})


@asynccontextmanager
async def _company(folder: Path, users: int, *, premium: bool) -> AsyncIterator[Ward]:
    """A customer with as many contacts as users, not connected yet."""
    async with World.open(folder / "sandbox", "empty") as world:
        world.syncro.limiter.per_minute = None
        world.microsoft.switches.change(CALM)
        crowd = found(world, 1, users=users, premium=premium)
        world.microsoft.tenants[crowd.tenant_id].names_concealed = False
        settings = _free(night_settings(world, folder / "data"))
        info = world.info() | {"tenants": [{"id": crowd.tenant_id}]}
        async with open_adapters(settings) as adapters, open_administrator(info) as admin:
            ports = operator_ports(settings, adapters)
            yield Ward(world, settings, adapters, ports, admin, crowd.tenant_id, crowd.customer_id, crowd=crowd)


async def _bring_in_step(ward: Ward) -> None:
    """Of many, the contacts get what a first full sync would have written: its looks would take minutes."""
    shown = await ward.previewed()
    if len(shown.preview.rows) > BY_LOOKS:
        _write(ward, updates(shown))
        shown = await operations.preview(ward.ports, ward.customer)
    async with ward.services(), asyncio.timeout(WITHIN):
        await watch_runs(
            ward.ports, [await operations.approve(ward.ports, ward.customer, shown.preview.code, by="test")]
        )


def _write(ward: Ward, plans: Sequence[UpdateContact]) -> None:
    for plan in plans:
        contact = ward.contact(plan.contact_id)
        wanted = apply_to(Contact(contact.id, ward.customer, properties=contact.properties), plan.changes)
        contact.properties.update(wanted.properties)


def _graph_requests(ward: Ward) -> int:
    """Tokens apart; what goes in a batch is one request with it."""
    calls = ward.world.microsoft.calls
    return sum(call.tenant == ward.tenant and call.service != "login" and not call.batched for call in calls)


@pytest.mark.parametrize(
    ("users", "premium", "requests"),
    [
        pytest.param(10, True, 3, id="10 users, P1"),
        pytest.param(10, False, 4, id="10 users, no P1"),
        pytest.param(1_000, True, 5, id="1,000 users, P1"),
        pytest.param(1_000, False, 5, id="1,000 users, no P1"),
    ],
)
async def test_a_full_sync_in_which_nothing_differs_costs_its_lists_alone(
    tmp_path: Path, users: int, premium: bool, requests: int
) -> None:
    async with _company(tmp_path, users, premium=premium) as ward:
        await _bring_in_step(ward)
        assert all(ward.contact_of(ward.crowd.user_id(number)) for number in range(users))
        assert users > BY_LOOKS or ward.writes() >= users

        microsoft, syncro = ward.world.microsoft, ward.world.syncro
        page_size = int(str(syncro.switches["contact_page_size"]))
        microsoft.calls.clear()
        syncro.calls.clear()
        full_pass = FullPass(worker_ports(ward.adapters), worker_settings(ward.settings))
        report = await full_pass.full_pass(ward.customer, reason=Reason.RECONCILE, run_id="second")

        assert (report.considered, report.published, report.hold) == (users, 0, None)
        assert _graph_requests(ward) == requests
        assert len(syncro.calls) == ceil(users / page_size)
        assert {(call.method, call.path) for call in syncro.calls} == {("GET", "/api/v1/contacts")}
        run = await ward.newest_run()
        assert (run.graph_calls, run.syncro_calls) == (requests, ceil(users / page_size))
