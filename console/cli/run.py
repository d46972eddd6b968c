"""Puts processes together: the one file that sees the receiver, the worker and the console at once.

`run all` builds every service and hands them to the supervisor; commands find their ports in `opening.py`.
Rules live in the rooms, adapters in `shared/runtime/wiring.py`; nothing is decided here.
"""

from __future__ import annotations

import hmac
import sys
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from importlib import import_module
from math import nan
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from prometheus_client import CollectorRegistry

import receiver.service
import worker.service
from console.cli.desk import operator_desk
from console.operations import Begun, Explanation, OperatorPorts, Step, Supposed
from shared.domain.billing import BillingReport
from shared.domain.desk import Chosen
from shared.domain.errors import Transient
from shared.domain.messages import Reason
from shared.domain.policy import SyncPolicy
from shared.domain.preview import Preview
from shared.domain.undo_steps import Undone, UndoPlan
from shared.ports import LEASE_TAKEN, Leases
from shared.runtime.health import Health
from shared.runtime.heartbeat import Heartbeat
from shared.runtime.logging import configure_logging
from shared.runtime.metrics import Metrics
from shared.runtime.services import Limits, Service
from shared.runtime.settings import CREDENTIAL, Settings, load_settings
from shared.runtime.supervisor import Supervisor
from shared.runtime.watch import Watch
from shared.runtime.wiring import Adapters, open_adapters
from worker.billing import Billing
from worker.counting import counting, counting_figures, counting_full_syncs, counting_letters, counting_polls
from worker.explaining import Explaining
from worker.fullpass import FullPass
from worker.leading import leading
from worker.parts import LookReport, WorkerPorts, WorkerSettings
from worker.undoing import Undoing


class Role(StrEnum):
    """Which services a process runs. One machine needs only `all`."""

    ALL = "all"
    RECEIVER = "receiver"
    WORKER = "worker"


__all__ = ["LookReport", "Role", "operator_ports", "run", "serve", "supervisor"]

PATIENCE = 30.0  # seconds to wait for a full sync of the same customer that a worker is making
# What a service would load only when it is used. A package that is replaced under a running process would give it the
# new release's modules then, beside the old one's.
LATE = (
    "shared.adapters.door",
    "shared.adapters.graph.login_session",
    "shared.adapters.graph.managed_identity",
    "shared.adapters.http_session",
)
HEAD_START = 3.0  # seconds: the worker's own drain ends before the supervisor would cut it off while it settles
GRAPH = ("graph.app_id", CREDENTIAL)
SYNCRO = ("syncro.subdomain", "syncro.api_token")
NEEDS = {Role.ALL: GRAPH + SYNCRO, Role.RECEIVER: GRAPH, Role.WORKER: GRAPH + SYNCRO}


def run(
    context: typer.Context,
    role: Annotated[Role, typer.Argument(help="Which services: all, or the receiver or worker alone.")] = Role.ALL,
) -> None:
    """Run the services until SIGTERM or Ctrl-C.

    Example: entra-syncro run all
    """
    config = context.find_root().params.get("config")
    settings = load_settings(Path(config) if config else None, needs=NEEDS[role])
    configure_logging(settings.log, secrets=settings.secret_values())
    for name in LATE:
        import_module(name)
    sys.exit(uvloop.run(serve(settings, role)))


async def serve(settings: Settings, role: Role) -> int:
    """Open what is there, run the services, close everything. Gives the exit code. Servers may come later."""
    async with open_adapters(settings, lazy=True) as adapters:
        return await supervisor(settings, adapters, role).run()


def supervisor(
    settings: Settings,
    adapters: Adapters,
    role: Role = Role.ALL,
    *,
    on_look: Callable[[LookReport], None] | None = None,
) -> Supervisor:
    """Every service of this role, and the private site that outlives them. `on_look` also sees each look."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    health = Health()
    watchers = [counting(metrics.worker), *([on_look] if on_look else [])]
    services: list[Service] = []
    if role is not Role.WORKER:
        services += receiver_services(settings, adapters, metrics)
    # After the door, which needs neither and must not wait for them; before all the others, which can do nothing yet.
    services[1:1] = stores(adapters)
    if role is not Role.RECEIVER:
        chosen = replace(
            worker_settings(settings, watchers),
            on_run=metrics.worker.full_sync_seconds.observe,
            on_schedule=counting_full_syncs(metrics.worker),
            on_poll=counting_polls(metrics.worker),
            on_figures=counting_figures(metrics.worker),
            on_letter=counting_letters(metrics.worker),
            credential=adapters.credential_now,
        )
        services += worker.service.build(worker_ports(adapters), chosen)
    if adapters.beacon is not None:
        services.append(Heartbeat(adapters.beacon, health.ready))
    _show_credential(metrics, adapters)
    private = receiver.service.build_private(settings.private, health=health, registry=registry)
    limits = Limits(unready=settings.shutdown.unready, drain=settings.shutdown.drain, settle=settings.shutdown.settle)
    return Supervisor(services, health=health, lasting=[private], limits=limits)


def _show_credential(metrics: Metrics, adapters: Adapters) -> None:
    """A date alone: how far away it is, is asked when the metrics are read."""

    def left() -> float:
        ends = adapters.credential.expires_at  # of what is in use now
        return nan if ends is None else (ends - adapters.clock.now()).total_seconds()

    metrics.credential_left.set_function(left)


def stores(adapters: Adapters) -> Sequence[Service]:
    """The broker is not among them: whoever needs it is ready or not by its own connection."""
    return Watch("ledger", adapters.ledger.probe), Watch("state", partial(adapters.state.memory.recall, "readiness"))


def receiver_services(settings: Settings, adapters: Adapters, metrics: Metrics) -> Sequence[Service]:
    return receiver.service.build(
        settings.receiver,
        secrets=settings.client_state_secrets(),
        publisher=adapters.broker,
        probe=adapters.broker,
        registrar=receiver.service.RegistrarPorts(
            connections=adapters.ledger.connections,
            reads=adapters.subscription_reads,
            writes=adapters.subscription_writes,
            memory=adapters.state.memory,
            leases=adapters.state.leases,
            inbox=adapters.broker,
            owed=adapters.ledger.owed,
            publisher=adapters.broker,
            states=adapters.ledger.subscription_states,
            door=adapters.door,
        ),
        clock=adapters.clock,
        metrics=metrics,
        consent=consent_ports(settings, adapters),
    )


def consent_ports(settings: Settings, adapters: Adapters) -> receiver.service.ConsentPorts:
    return receiver.service.ConsentPorts(
        desk=settings.consent_desk(),
        invites=adapters.ledger.invites,
        connections=adapters.ledger.connections,
        directory=adapters.directory,
        organizations=adapters.organizations,
        apart=adapters.ledger.apart,
        deeds=adapters.ledger.deeds,
    )


def worker_ports(adapters: Adapters) -> WorkerPorts:
    ledger, state = adapters.ledger, adapters.state
    return WorkerPorts(
        clock=adapters.clock,
        publisher=adapters.broker,
        inbox=adapters.broker,
        depths=adapters.broker,
        leases=state.leases,
        pace=state.pace,
        memory=state.memory,
        directory=adapters.directory,
        reports=adapters.reports,
        contacts=adapters.contacts,
        customers=adapters.syncro_customers,
        account=adapters.account,
        connections=ledger.connections,
        policies=ledger.policies,
        approvals=ledger.approvals,
        links=ledger.links,
        owed=ledger.owed,
        journal=ledger.journal,
        dead_letters=ledger.dead_letters,
        conflicts=ledger.conflicts,
        runs=ledger.runs,
        holds=ledger.holds,
        sizes=ledger.sizes,
        changes=adapters.changes,
        polls=ledger.polls,
        subscription_states=ledger.subscription_states,
        groups=adapters.groups,
        replays=ledger.replays,
        pins=ledger.pins,
        choices=ledger.choices,
        deeds=ledger.deeds,
        notices=ledger.notices,
        channels=adapters.channels,
    )


def worker_settings(settings: Settings, watchers: Sequence[Callable[[LookReport], None]] = ()) -> WorkerSettings:
    def tell(look: LookReport) -> None:
        for watcher in watchers:
            watcher(look)

    # Every worker of a deployment must make the same fingerprints; all of them know the Syncro token.
    token = settings.syncro.api_token.get_secret_value().encode()
    return WorkerSettings(
        fingerprint_key=hmac.digest(token, b"entra-syncro fingerprint", "sha256"),
        retry=settings.retry,
        coalesce=settings.coalesce,
        brakes=settings.brakes,
        nightly=settings.nightly,
        billing=settings.billing,
        polls=settings.polls,
        notices=settings.notices.policy(settings.nightly),
        has_door=bool(settings.receiver.public_url),
        backfill_per_minute=settings.syncro.backfill_per_minute,
        drain=max(1.0, settings.shutdown.drain - HEAD_START),
        in_flight=settings.worker.in_flight,
        lease_ttl=settings.worker.lease_ttl,
        write_takes=settings.syncro.timeout,
        lease_wait=settings.worker.lease_wait,
        pace_wait=settings.worker.pace_wait,
        replay_pause=60.0 / settings.worker.replays_per_minute,
        on_look=tell,
    )


@dataclass(frozen=True, slots=True)
class WorkerPasses:
    """The worker's full pass and what belongs to it, as the operations know it (`console.operations.Passes`)."""

    leases: Leases
    full_pass: FullPass
    explaining: Explaining
    books: Billing

    async def preview(self, customer_id: int, policy: SyncPolicy | None = None) -> Preview:
        return (await self.full_pass.preview(customer_id, policy)).preview

    async def compare(self, customer_id: int, policy: SyncPolicy) -> tuple[Preview, Preview]:
        before, after = await self.full_pass.compare(customer_id, policy)
        return before.preview, after.preview

    async def begin(
        self,
        customer_id: int,
        *,
        reason: Reason,
        run_id: str,
        release: str | None = None,
        first: int | None = None,
        by: str = "",
    ) -> Begun:
        async with _alone(self.leases, customer_id):
            made = await self.full_pass.full_pass(
                customer_id, reason=reason, run_id=run_id, release=release, first=first, by=by
            )
        return Begun(
            planned=made.published,
            considered=made.considered,
            hold=made.hold,
            halted=made.halted,
            stale=made.stale,
            forecast=made.forecast,
        )

    async def explain(self, customer_id: int, user_id: str) -> Explanation:
        told = await self.explaining.explain(customer_id, user_id)
        return Explanation(told.user_label, tuple(Step(step.name, step.sentence) for step in told.steps), told.fields)

    async def suppose(
        self, customer_id: int, user_id: str, *, contact_id: int | None = None, chosen: Chosen | None = None
    ) -> Supposed:
        told = await self.explaining.suppose(customer_id, user_id, contact_id=contact_id, chosen=chosen)
        return Supposed(told.user_label, told.contact, told.now, told.then, told.seen)

    async def billing(self, customer_id: int) -> BillingReport:
        return await self.books.report(customer_id)

    async def clear(self, customer_id: int, code: str, by: str) -> int:
        return await self.books.clear(customer_id, code, by)


@asynccontextmanager
async def _alone(leases: Leases, customer_id: int) -> AsyncIterator[None]:
    """Under the lease that the workers' own passes take: two at once would list and hand over everything twice."""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(leading(leases, f"full-pass:{customer_id}", wait=PATIENCE))
        except Transient as error:
            if error.code != LEASE_TAKEN:
                raise
            detail = (
                "a full sync of this customer is under way (entra-syncro runs list), or somebody is taking its changes "
                "back: wait until that has ended, then repeat the command"
            )
            raise Transient("worker", "under_way", detail, counted=False) from None
        yield


def worker_passes(settings: Settings, adapters: Adapters) -> WorkerPasses:
    ports, chosen = worker_ports(adapters), worker_settings(settings)
    return WorkerPasses(ports.leases, FullPass(ports, chosen), Explaining(ports, chosen), Billing(ports, chosen))


@dataclass(frozen=True, slots=True)
class WorkerUndos:
    """The worker's way to take writes back, as the operations know it (`console.operations.ports.Undos`)."""

    leases: Leases
    undoing: Undoing

    async def plan(self, customer_id: int, chosen: Collection[int]) -> UndoPlan:
        return await self.undoing.plan(customer_id, chosen)

    async def undo(self, customer_id: int, chosen: Collection[int], code: str, by: str) -> Undone:
        async with _alone(self.leases, customer_id):
            return await self.undoing.undo(customer_id, chosen, code, by)


def worker_undos(settings: Settings, adapters: Adapters) -> WorkerUndos:
    ports = worker_ports(adapters)
    return WorkerUndos(ports.leases, Undoing(ports, worker_settings(settings), adapters.ledger.journal_search))


def operator_ports(settings: Settings, adapters: Adapters) -> OperatorPorts:
    return operator_desk(settings, adapters, worker_passes(settings, adapters), worker_undos(settings, adapters))
