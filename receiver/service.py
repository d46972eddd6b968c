"""The receiver's services, built from ports and settings: public door, registrar, private site.

The only place in this room that sees everything at once. The caller (`console/cli/run.py`) gets adapters from
`shared/runtime/wiring.py`, adds other rooms' services and hands all of them to the supervisor.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from prometheus_client import CollectorRegistry

from receiver.app import LIFECYCLE_PATH, NOTIFICATIONS_PATH, private_app, public_app
from receiver.body import BodyReader
from receiver.breaker import Breaker
from receiver.client_state import Secrets
from receiver.group_commit import GroupCommit
from receiver.lifecycle import ControlDesk
from receiver.registrar import IdleRegistrar, Registrar
from receiver.site import PublicSite, Site
from receiver.subscriptions import Door, SubscriptionKeeper
from receiver.tenants import Tenants
from receiver.webhook import Webhook
from shared.ports import (
    Clock,
    Connections,
    Depths,
    Inbox,
    Leases,
    Memory,
    OwedMarks,
    Publisher,
    SubscriptionReads,
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


def build(
    settings: ReceiverSettings,
    *,
    secrets: Secrets,
    publisher: Publisher,
    probe: Depths | None,
    registrar: RegistrarPorts,
    clock: Clock,
    metrics: Metrics,
) -> list[Service]:
    """The public door, then the registrar (which needs the door open for its handshakes)."""
    return [
        build_public(
            settings, secrets=secrets, publisher=publisher, probe=probe, clock=clock, metrics=metrics.receiver
        ),
        build_registrar(settings, secrets=secrets, ports=registrar, clock=clock, metrics=metrics.registrar),
    ]


def build_public(
    settings: ReceiverSettings,
    *,
    secrets: Secrets,
    publisher: Publisher,
    probe: Depths | None,
    clock: Clock,
    metrics: ReceiverMetrics,
) -> PublicSite:
    """The service "receiver"."""
    breaker = Breaker()
    metrics.breaker_open.set_function(lambda: 0.0 if breaker.closed else 1.0)
    hints = GroupCommit(publisher, clock=clock, breaker=breaker, metrics=metrics, timeout=settings.confirm_timeout)
    bodies = BodyReader(
        metrics=metrics,
        limit=settings.body_limit,
        in_flight=settings.bytes_in_flight,
        timeout=settings.body_timeout,
    )
    webhook = Webhook(secrets=secrets, hints=hints, bodies=bodies, clock=clock, metrics=metrics)
    return PublicSite(
        lambda: public_app(webhook, body_limit=settings.body_limit),
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
    keeper, tenants = _keeper(settings, secrets, ports, clock, metrics), Tenants()
    return Registrar(
        keeper,
        _desk(keeper, tenants, ports, clock),
        connections=ports.connections,
        leases=ports.leases,
        tenants=tenants,
        clock=clock,
        metrics=metrics,
        interval=settings.interval,
    )


def _keeper(
    settings: ReceiverSettings, secrets: Secrets, ports: RegistrarPorts, clock: Clock, metrics: RegistrarMetrics
) -> SubscriptionKeeper:
    return SubscriptionKeeper(
        ports.reads,
        ports.writes,
        ports.memory,
        clock=clock,
        secrets=secrets,
        door=Door(settings.public_url + NOTIFICATIONS_PATH, settings.public_url + LIFECYCLE_PATH),
        lifetime=timedelta(minutes=settings.subscription_minutes),
        metrics=metrics,
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
