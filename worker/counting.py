"""Turns look reports into metrics. Counts only; the log line of the same look is `worker/report.py`'s."""

from __future__ import annotations

from collections.abc import Callable

from shared.domain.messages import Lane
from shared.runtime.metrics import WorkerMetrics
from worker.parts import LookReport


def counting(metrics: WorkerMetrics) -> Callable[[LookReport], None]:
    """The `on_look` of a process that serves `/metrics`."""

    def count(look: LookReport) -> None:
        metrics.outcomes.labels(look.outcome, look.reason).inc()
        metrics.syncro_calls.labels(look.lane).inc(look.calls)
        metrics.syncro_writes.labels(look.outcome).inc(look.writes)
        if look.writes and look.lane == Lane.LIVE:
            metrics.hint_to_contact.observe(look.age)

    return count
