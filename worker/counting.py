"""Turns what the worker reports into metrics. Counts only; the log line of a look is `worker/report.py`'s."""

from __future__ import annotations

from collections.abc import Callable

from shared.domain.messages import Lane
from shared.runtime.metrics import WorkerMetrics
from worker.parts import FullSyncs, LookReport


def counting(metrics: WorkerMetrics) -> Callable[[LookReport], None]:
    """The `on_look` of a process that serves `/metrics`."""

    def count(look: LookReport) -> None:
        metrics.outcomes.labels(look.outcome, look.reason).inc()
        metrics.syncro_calls.labels(look.lane).inc(look.calls)
        metrics.syncro_writes.labels(look.outcome).inc(look.writes)
        if look.writes and look.lane == Lane.LIVE:
            metrics.hint_to_contact.observe(look.age)

    return count


def counting_full_syncs(metrics: WorkerMetrics) -> Callable[[FullSyncs], None]:
    """The `on_schedule` of such a process. (Its `on_run` is `metrics.full_sync_seconds.observe`.)"""

    def show(standing: FullSyncs) -> None:
        metrics.full_sync_customers.set(standing.customers)
        metrics.holds.set(standing.holds)
        metrics.oldest_full_sync.set(standing.oldest or 0.0)

    return show
