"""Turns what the worker reports into metrics. Counts only; the log line of a look is `worker/report.py`'s."""

from __future__ import annotations

from collections.abc import Callable
from math import nan

from shared.domain.messages import Lane
from shared.ports import RESYNC
from shared.runtime.metrics import WorkerMetrics
from worker.parts import FullSyncs, LookReport, PollReport, WatchFigures

# A void link is no failure: full syncs make up for it.
_RESULTS = {"": "done", f"graph:{RESYNC}": "resync"}


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


def counting_polls(metrics: WorkerMetrics) -> Callable[[PollReport], None]:
    """The `on_poll` of such a process."""

    def count(poll: PollReport) -> None:
        metrics.delta_rounds.labels(_RESULTS.get(poll.code, "failed")).inc()
        metrics.delta_changes.labels("yes").inc(poll.announced)
        metrics.delta_changes.labels("no").inc(poll.unannounced)

    return count


def counting_figures(metrics: WorkerMetrics) -> Callable[[WatchFigures], None]:
    """The `on_figures` of such a process. What nobody knows shows as NaN, never as a good number."""

    def show(seen: WatchFigures) -> None:
        metrics.announced_share.set(_known(seen.announced))
        metrics.announced_share_worst.set(_known(seen.announced_worst))
        metrics.oldest_delta_poll.set(_known(seen.oldest_poll))
        metrics.subscription_left.set(_known(seen.subscription_left))
        metrics.unsubscribed.set(seen.unsubscribed)

    return show


def _known(value: float | None) -> float:
    return nan if value is None else value


def counting_letters(metrics: WorkerMetrics) -> Callable[[str, str], None]:
    """The `on_letter` of such a process."""

    def count(channel: str, result: str) -> None:
        metrics.notice_letters.labels(channel, result).inc()

    return count
