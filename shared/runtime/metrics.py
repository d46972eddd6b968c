"""Every metric of every service, by name, on a registry that is passed in.

Labels are closed sets (a lane, an answer, a reason), never an id: neither tenants nor users appear here. The private
site serves the registry under `/metrics`.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

PREFIX = "entra_syncro"
ANSWER_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.6, 3.0)  # seconds
LATENCY_BUCKETS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)  # seconds
RUN_BUCKETS = (1.0, 10.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0)  # seconds
SIZE_BUCKETS = (1, 2, 5, 10, 20, 50, 100)  # users


class _Maker:
    """Makes metrics of one registry, every name with our prefix."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", text, labels, registry=self._registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", text, labels, registry=self._registry)

    def histogram(self, name: str, text: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(f"{PREFIX}_{name}", text, buckets=buckets, registry=self._registry)


class ReceiverMetrics:
    """What the public door counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        make = _Maker(registry)
        self.posts = make.counter("posts", "POSTs answered on the public door, by status", "status")
        self.post_seconds = make.histogram(
            "post_seconds", "From the first byte of a POST to its answer", ANSWER_BUCKETS
        )
        self.notifications = make.counter("notifications", "Notifications accepted, by kind", "kind")
        self.dropped = make.counter("notifications_dropped", "Notifications dropped, by reason", "reason")
        self.commit_users = make.histogram("commit_users", "Users in one published message", SIZE_BUCKETS)
        self.bytes_in_flight = make.gauge("bytes_in_flight", "Bytes of POST bodies not yet answered")
        self.breaker_open = make.gauge("receiver_breaker_open", "1 while the broker failed: POSTs get 503 at once")


class RegistrarMetrics:
    """What the registrar does about subscriptions."""

    def __init__(self, registry: CollectorRegistry) -> None:
        make = _Maker(registry)
        self.actions = make.counter(
            "subscription_actions",
            "Subscriptions created, renewed, taken_over, replaced, deleted or failed",
            "action",
        )
        self.tenants = make.gauge("subscription_tenants", "Tenants by state (good, waiting)", "state")


class WorkerMetrics:
    """What the worker does with hints."""

    def __init__(self, registry: CollectorRegistry) -> None:
        make = _Maker(registry)
        self.outcomes = make.counter("looks", "Looks at users, by outcome and reason", "outcome", "reason")
        self.syncro_calls = make.counter("syncro_calls", "Calls to Syncro, by lane", "lane")
        self.syncro_writes = make.counter("syncro_writes", "Writes to Syncro, by action", "action")
        self.hint_to_contact = make.histogram(
            "hint_to_contact_seconds",
            "From the notification to the written contact, live hints only",
            LATENCY_BUCKETS,
        )
        self.full_sync_seconds = make.histogram(
            "full_sync_seconds", "From the start of a full sync to the end of its last look", RUN_BUCKETS
        )
        self.full_sync_customers = make.gauge("full_sync_customers", "Approved customers, which have full syncs")
        self.oldest_full_sync = make.gauge(
            "oldest_full_sync_seconds", "Age of the oldest among the customers' newest full syncs that are done"
        )
        self.delta_rounds = make.counter("delta_rounds", "Delta polls, by result (done, resync, failed)", "result")
        self.delta_changes = make.counter(
            "delta_changes", "Changes that delta polls found, by whether a notification announced them", "announced"
        )
        self.announced_share = make.gauge(
            "announced_share", "Share of the last day's changes that notifications announced (0 to 1), all tenants"
        )
        self.announced_share_worst = make.gauge(
            "announced_share_worst", "The same of the tenant that is worst off, among those with 10 changes or more"
        )
        self.oldest_delta_poll = make.gauge(
            "oldest_delta_poll_seconds", "Age of the oldest among the tenants' newest complete delta polls"
        )
        self.subscription_left = make.gauge(
            "subscription_left_seconds", "Time until the first of the living subscriptions ends unless it is renewed"
        )
        self.unsubscribed = make.gauge("tenants_without_subscription", "Tenants whose subscription does not work")
        self.notice_letters = make.counter(
            "notice_letters", "Letters with notices, by channel and result (sent, unsure, failed)", "channel", "result"
        )
        self.holds = make.gauge("brakes_open", "Customers for whom a brake holds changes until a person approves")


class Metrics:
    """All of them on one registry. Build it once per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.receiver = ReceiverMetrics(registry)
        self.registrar = RegistrarMetrics(registry)
        self.worker = WorkerMetrics(registry)
        self.credential_left = _Maker(registry).gauge(
            "credential_left_seconds", "Time until the app's secret or certificate ends; NaN when nobody can tell"
        )
