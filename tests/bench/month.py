"""Thirty days of 200 tenants in minutes: is every subscription alive all the time, and what does it cost in calls?

The real registrar, keeper, control desk and delta polls over a Microsoft that enforces its limits, fails, loses
answers, challenges tokens and forgets subscriptions (`tests/support/strict_graph.py`), in virtual time. Processes die,
the secret is rotated and the memory is wiped on the way. To save idle wake-ups the registrar looks every minute (not
every 5 s) and leads for 5 minutes at a time (not 12 s); nothing that is counted depends on it. Next: `__main__.py`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from prometheus_client import CollectorRegistry

from receiver.addresses import Addresses, Door
from receiver.doorstep import Doorstep
from receiver.lifecycle import ControlDesk
from receiver.notes import Notes
from receiver.registrar import Registrar
from receiver.standing import Standings
from receiver.subscriptions import SubscriptionKeeper
from receiver.tenants import CHECK_EVERY, Tenants
from shared.runtime.metrics import RegistrarMetrics
from tests.bench.figures import Figure
from tests.support.clock import START
from tests.support.fake_onboarding import FakeDoor
from tests.support.fakes import World, worker_ports
from tests.support.registrar import LIFE, FakeInbox, FakeLeases, connection
from tests.support.strict_graph import LIMITS, StrictGraph, Weather
from tests.support.virtual_time import run_virtual
from worker.parts import WorkerSettings
from worker.polls import DeltaPolls

HOUR, DAY = 3600.0, 86_400.0
HOST = "https://hooks.example.net"
SECRETS = {1: b"the secret of the first day", 2: b"the secret of all later days"}


@dataclass(frozen=True)
class Plan:
    """What the month is made of. `lost`: subscriptions that somebody deletes. `looks`: seconds between two looks."""

    tenants: int = 200
    days: float = 30.0
    lost: int = 12
    looks: float = 60.0
    challenge_every: float = 900.0
    with_polls: bool = True
    seed: int = 20261124
    weather: Weather = field(default_factory=Weather)


@dataclass(frozen=True)
class Month:
    """What came of it. `dark`: tenant -> longest time without a subscription that nobody planted, after the first hour;
    `lost`: the same for those that somebody deleted. Seconds."""

    calls: Mapping[str, int]
    answers: Mapping[str, int]
    over_limit: Mapping[str, int]
    busiest: Mapping[str, int]
    dark: Mapping[str, float]
    lost: Mapping[str, float]
    mute: float
    hasty: int
    twins: int
    alone: int  # tenants that end with exactly one subscription
    polls: int


class Simulation:
    """One month. Build it inside a virtual loop."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.random = Random(plan.seed)
        self.world = World()
        self.graph = StrictGraph(self.world.clock, self.random, plan.weather)
        self.memory = self.world.memory
        self.inbox = FakeInbox()
        self.leases = FakeLeases()
        self.tenants = [str(UUID(int=number)) for number in range(1, plan.tenants + 1)]
        self.planted: dict[str, datetime] = {}

    async def run(self) -> Month:
        for number, tenant in enumerate(self.tenants, 1):
            await self.world.ledger.connections.save(connection(number, tenant))
            self.graph.expect(tenant)
        end = self.plan.days * DAY
        async with asyncio.TaskGroup() as group:
            chores = [
                group.create_task(self._challenge(), name="challenges"),
                group.create_task(self._mischief(end), name="mischief"),
            ]
            await self._processes(end)
            for chore in chores:
                chore.cancel()
        self.graph.close()
        return self._month()

    # --- the processes ----------------------------------------------------------------------------------------------

    async def _processes(self, end: float) -> None:
        """One after the other, killed in the midst of whatever they do; the secret changes with the second."""
        for share, secrets in ((0.03, 1), (0.25, 2), (0.5, 2), (0.75, 2), (1.0, 2)):
            accepted = {number: secret for number, secret in SECRETS.items() if number <= secrets}
            await self._process(accepted, until=share * end)
            if share == 0.5:
                self.memory.wipe()

    async def _process(self, secrets: Mapping[int, bytes], *, until: float) -> None:
        services = [self._registrar(secrets).run(asyncio.Event())]
        if self.plan.with_polls:
            ports = replace(worker_ports(self.world), changes=self.graph, leases=self.leases)
            services.append(DeltaPolls(ports, self._worker_settings()).run(asyncio.Event()))
        tasks = [asyncio.create_task(service, name="process") for service in services]
        clock = self.world.clock
        await asyncio.sleep(max(0.0, until - clock.monotonic()))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error
        self.leases.taken.clear()

    def _registrar(self, secrets: Mapping[int, bytes]) -> Registrar:
        clock, ledger = self.world.clock, self.world.ledger
        door = Door(f"{HOST}/graph/notifications", f"{HOST}/graph/lifecycle")
        doorstep, tenants = Doorstep(FakeDoor(), door, clock), Tenants()
        metrics = RegistrarMetrics(CollectorRegistry())
        keeper = SubscriptionKeeper(
            self.graph,
            self.graph,
            Notes(self.memory, clock),
            clock=clock,
            addresses=Addresses(door, secrets),
            doorstep=doorstep,
            lifetime=LIFE,
            metrics=metrics,
        )
        desk = ControlDesk(
            keeper,
            inbox=self.inbox,
            publisher=self.world.broker,
            connections=ledger.connections,
            owed=ledger.owed,
            tenants=tenants,
            clock=clock,
        )
        return Registrar(
            keeper,
            desk,
            standings=Standings(ledger.subscription_states, clock),
            doorstep=doorstep,
            connections=ledger.connections,
            leases=self.leases,
            tenants=tenants,
            clock=clock,
            metrics=metrics,
            interval=self.plan.looks,
            term=300.0,
        )

    def _worker_settings(self) -> WorkerSettings:
        return WorkerSettings(fingerprint_key=b"month", poll_every=self.plan.looks)

    # --- what happens to them ---------------------------------------------------------------------------------------

    async def _challenge(self) -> None:
        while True:
            await asyncio.sleep(self.plan.challenge_every)
            for event in self.graph.challenges():
                self.inbox.waiting.put_nowait(event)
            self.inbox.acked.clear()

    async def _mischief(self, end: float) -> None:
        """Subscriptions that somebody deletes, and tenants that fail for ten minutes."""
        moments = [
            *((self.random.uniform(2 * HOUR, end - 2 * HOUR), "lose") for _ in range(self.plan.lost)),
            *((self.random.uniform(0.0, end), "fail") for _ in range(self.plan.weather.bursts)),
        ]
        for moment, what in sorted(moments):
            await asyncio.sleep(max(0.0, moment - self.world.clock.monotonic()))
            tenant = self.random.choice(self.tenants)
            if what == "fail":
                self.graph.fail_for(tenant, 600.0)
            elif tenant not in self.planted:
                self.planted[tenant] = self.world.clock.now()
                self.graph.lose(tenant)

    # --- what came of it --------------------------------------------------------------------------------------------

    def _month(self) -> Month:
        lost: dict[str, float] = {}
        dark: dict[str, float] = {}
        for tenant, since, until in self.graph.darkness:
            seconds = (until - max(since, START + timedelta(hours=1))).total_seconds()
            if seconds > 0:
                kept = lost if since == self.planted.get(tenant) else dark
                kept[tenant] = max(seconds, kept.get(tenant, 0.0))
        return Month(
            calls=dict(self.graph.calls),
            answers=dict(self.graph.answers),
            over_limit=dict(self.graph.over_limit),
            busiest=dict(self.graph.busiest),
            dark=dark,
            lost=lost,
            mute=sum(seconds for _, seconds in self.graph.mute),
            hasty=len(self.graph.hasty),
            twins=self.graph.twins,
            alone=Counter(len(self.graph.living(tenant)) for tenant in self.tenants)[1],
            polls=self.graph.calls["delta"],
        )


def simulate(plan: Plan) -> Month:
    async def scenario() -> Month:
        return await Simulation(plan).run()

    return run_virtual(scenario())


def measure(plan: Plan) -> list[Figure]:
    """The month as figures of the bench; every promise is a figure with `at_most`."""
    month = simulate(plan)
    what = f"{plan.tenants} tenants, {plan.days:g} days"
    limits = [
        Figure(f"month_busiest_{kind}", f"{kind} calls, busiest {LIMITS[kind][0]:g} s", most, "calls", LIMITS[kind][1])
        for kind, most in sorted(month.busiest.items())
    ]
    calls = [
        Figure(f"month_calls_{verb}", f"{verb} calls, {what}", count, "calls")
        for verb, count in sorted(month.calls.items())
    ]
    return [
        *calls,
        *limits,
        Figure("month_over_limit", "calls over a limit", sum(month.over_limit.values()), "calls", 0),
        Figure("month_dark_s", "longest without a subscription", max(month.dark.values(), default=0.0), "s", 0),
        Figure(
            "month_lost_s",
            "longest until a deleted one was replaced",
            max(month.lost.values(), default=0.0),
            "s",
            CHECK_EVERY + 3 * plan.looks + 600.0,
        ),
        Figure("month_mute_s", "subscriptions with a token that ran out", month.mute, "s", 0),
        Figure("month_hasty", "renewed twice within 10 minutes", month.hasty, "times", 0),
        Figure("month_not_alone", "tenants without exactly one at the end", plan.tenants - month.alone, "tenants", 0),
    ]
