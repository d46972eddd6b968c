"""Every metric of every service, by name, on a registry that is passed in.

Labels are closed sets (a lane, an answer, a reason), never an id: neither tenants nor users appear here. The private
site serves the registry under `/metrics`.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

PREFIX = "entra_syncro"
ANSWER_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.6, 3.0)  # seconds
LATENCY_BUCKETS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)  # seconds
SIZE_BUCKETS = (1, 2, 5, 10, 20, 50, 100)  # users


class ReceiverMetrics:
    """What the public door counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.posts = Counter(
            f"{PREFIX}_posts", "POSTs answered on the public door, by status", ["status"], registry=registry
        )
        self.post_seconds = Histogram(
            f"{PREFIX}_post_seconds",
            "From the first byte of a POST to its answer",
            buckets=ANSWER_BUCKETS,
            registry=registry,
        )
        self.notifications = Counter(
            f"{PREFIX}_notifications",
            "Notifications accepted, by kind",
            ["kind"],
            registry=registry,
        )
        self.dropped = Counter(
            f"{PREFIX}_notifications_dropped", "Notifications dropped, by reason", ["reason"], registry=registry
        )
        self.commit_users = Histogram(
            f"{PREFIX}_commit_users", "Users in one published message", buckets=SIZE_BUCKETS, registry=registry
        )
        self.bytes_in_flight = Gauge(
            f"{PREFIX}_bytes_in_flight", "Bytes of POST bodies not yet answered", registry=registry
        )
        self.breaker_open = Gauge(
            f"{PREFIX}_receiver_breaker_open",
            "1 while the broker failed: POSTs get 503 at once",
            registry=registry,
        )


class RegistrarMetrics:
    """What the registrar does about subscriptions."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.actions = Counter(
            f"{PREFIX}_subscription_actions",
            "Subscriptions created, renewed, taken_over, replaced, deleted or failed",
            ["action"],
            registry=registry,
        )
        self.tenants = Gauge(
            f"{PREFIX}_subscription_tenants", "Tenants by state (good, waiting)", ["state"], registry=registry
        )


class WorkerMetrics:
    """What the worker does with hints."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.outcomes = Counter(
            f"{PREFIX}_looks", "Looks at users, by outcome and reason", ["outcome", "reason"], registry=registry
        )
        self.verdicts = Counter(
            f"{PREFIX}_verdicts",
            "What became of looks (done, retry, ...)",
            ["verdict"],
            registry=registry,
        )
        self.syncro_calls = Counter(f"{PREFIX}_syncro_calls", "Calls to Syncro, by lane", ["lane"], registry=registry)
        self.syncro_writes = Counter(
            f"{PREFIX}_syncro_writes", "Writes to Syncro, by action", ["action"], registry=registry
        )
        self.hint_to_contact = Histogram(
            f"{PREFIX}_hint_to_contact_seconds",
            "From the notification to the written contact, live hints only",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )


class Metrics:
    """All of them on one registry. Build it once per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.receiver = ReceiverMetrics(registry)
        self.registrar = RegistrarMetrics(registry)
        self.worker = WorkerMetrics(registry)
