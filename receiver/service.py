"""The receiver's services, built from ports and settings: public door, registrar, private site.

The only place in this room that sees everything at once. The caller (`console/cli/run.py`) gets adapters from
`shared/runtime/wiring.py`, adds other rooms' services and hands all of them to the supervisor.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from prometheus_client import CollectorRegistry

from receiver.addresses import Addresses, Door
from receiver.app import LIFECYCLE_PATH, NOTIFICATIONS_PATH, private_app, public_app
from receiver.body import BodyReader
from receiver.breaker import Breaker
from receiver.client_state import Secrets
from receiver.connect import ConnectSite
from receiver.doorstep import Doorstep
from receiver.group_commit import GroupCommit
from receiver.lifecycle import ControlDesk
from receiver.notes import Notes
from receiver.recovery import Recovery, Refusals
from receiver.registrar import IdleRegistrar, Registrar
from receiver.site import PublicSite, Site
from receiver.standing import Standings
from receiver.subscriptions import SubscriptionKeeper
from receiver.tenants import Tenants
from receiver.webhook import Webhook
from shared.domain.consent import ConsentDesk
from shared.ports import (
    Apart,
    Clock,
    Connections,
    Deeds,
    Depths,
    Directory,
    DoorProbe,
    Inbox,
    Invites,
    Leases,
    Memory,
    Organizations,
    OwedMarks,
    Publisher,
    SubscriptionReads,
    SubscriptionStates,
    SubscriptionWrites,
)
from shared.runtime.health import Health
from shared.runtime.metrics import Metrics, ReceiverMetrics, RegistrarMetrics
from shared.runtime.services import Service
from shared.runtime.settings import PrivateSettings, ReceiverSettings


@dataclass(frozen=True, slots=True)
class RegistrarPorts:
    """What the registrar may ask of the outside world."""

    connections: Connections
    reads: SubscriptionReads
    writes: SubscriptionWrites
    memory: Memory
    leases: Leases
    inbox: Inbox
    owed: OwedMarks
    publisher: Publisher
    states: SubscriptionStates
    door: DoorProbe


@dataclass(frozen=True, slots=True)
class ConsentPorts:
    """What the consent flow may ask of the outside world, and what its links are made with."""

    desk: ConsentDesk
    invites: Invites
    connections: Connections
    directory: Directory
    organizations: Organizations
    apart: Apart
    deeds: Deeds


def build(
    settings: ReceiverSettings,
    *,
    secrets: Secrets,
    publisher: Publisher,
    probe: Depths | None,
    registrar: RegistrarPorts,
    clock: Clock,
    metrics: Metrics,
    consent: ConsentPorts | None = None,
) -> list[Service]:
    """The public door, then the registrar (which needs the door open for its handshakes), then the recovery."""
    refusals = Refusals(clock)
    public = build_public(
        settings,
        secrets=secrets,
        publisher=publisher,
        probe=probe,
        clock=clock,
        metrics=metrics.receiver,
        consent=consent,
        refusals=refusals,
    )
    return [
        public,
        build_registrar(settings, secrets=secrets, ports=registrar, clock=clock, metrics=metrics.registrar),
        Recovery(refusals, public.ready, memory=registrar.memory, clock=clock),
    ]


def build_public(
    settings: ReceiverSettings,
    *,
    secrets: Secrets,
    publisher: Publisher,
    probe: Depths | None,
    clock: Clock,
    metrics: ReceiverMetrics,
    consent: ConsentPorts | None = None,
    refusals: Refusals | None = None,
) -> PublicSite:
    """The service "receiver". Without `consent`, or without a public address, no consent link leads here."""
    breaker = Breaker()
    metrics.breaker_open.set_function(lambda: 0.0 if breaker.closed else 1.0)
    hints = GroupCommit(publisher, clock=clock, breaker=breaker, metrics=metrics, timeout=settings.confirm_timeout)
    bodies = BodyReader(
        metrics=metrics,
        limit=settings.body_limit,
        in_flight=settings.bytes_in_flight,
        timeout=settings.body_timeout,
    )
    webhook = Webhook(secrets=secrets, hints=hints, bodies=bodies, clock=clock, metrics=metrics, refusals=refusals)
    connect = ConnectSite(consent, desk=consent.desk, clock=clock) if consent and consent.desk.public_url else None
    return PublicSite(
        lambda: public_app(webhook, body_limit=settings.body_limit, connect=connect),
        settings.host,
        settings.port,
        webhook=webhook,
        hints=hints,
        breaker=breaker,
        probe=probe,
    )


def build_registrar(
    settings: ReceiverSettings, *, secrets: Secrets, ports: RegistrarPorts, clock: Clock, metrics: RegistrarMetrics
) -> Service:
    """The service "registrar"."""
    if not settings.public_url:
        return IdleRegistrar()
    door = Door(settings.public_url + NOTIFICATIONS_PATH, settings.public_url + LIFECYCLE_PATH)
    doorstep, tenants = Doorstep(ports.door, door, clock), Tenants()
    keeper = SubscriptionKeeper(
        ports.reads,
        ports.writes,
        Notes(ports.memory, clock),
        clock=clock,
        addresses=Addresses(door, secrets),
        doorstep=doorstep,
        lifetime=timedelta(minutes=settings.subscription_minutes),
        metrics=metrics,
    )
    return Registrar(
        keeper,
        _desk(keeper, tenants, ports, clock),
        standings=Standings(ports.states, clock),
        doorstep=doorstep,
        connections=ports.connections,
        leases=ports.leases,
        tenants=tenants,
        clock=clock,
        metrics=metrics,
        interval=settings.interval,
    )


def _desk(keeper: SubscriptionKeeper, tenants: Tenants, ports: RegistrarPorts, clock: Clock) -> ControlDesk:
    return ControlDesk(
        keeper,
        inbox=ports.inbox,
        publisher=ports.publisher,
        connections=ports.connections,
        owed=ports.owed,
        tenants=tenants,
        clock=clock,
    )


def build_private(settings: PrivateSettings, *, health: Health, registry: CollectorRegistry) -> Site:
    """The service "private". Every process has one; hand it to the supervisor as `lasting`."""
    return Site("private", lambda: private_app(health, registry), settings.host, settings.port, patience=1.0)
