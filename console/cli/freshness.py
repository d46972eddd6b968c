"""How fast and how completely changes arrive, in words and as a table.

Figures come from `console/operations/freshness.py`. Microsoft's own delay is not ours and not in them; what its
notifications never told shows as "announced".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from console.cli.output import print_table
from console.operations import Status
from shared.domain.cure import for_customer
from shared.domain.cures import cure_of_code
from shared.domain.freshness import Freshness, Spread
from shared.domain.watching import Coverage

FEW = 3  # customers named in one sentence
LOW = 0.9  # share of changes announced below which it is worth a sentence
ENOUGH = 10  # changes that a share must speak of


def freshness_sentences(seen: Status) -> Iterator[str]:
    if not seen.public_url:
        yield (
            "No notifications: receiver.public_url is not set, so changes are asked for every few minutes "
            "(polls.without_door)."
        )
    fresh = seen.freshness_all
    if fresh is None:
        return
    if fresh.notified or fresh.polled:
        yield f"Written in the last 24 hours: {_written(fresh)}."
    if fresh.coverage.found:
        yield (
            f"Of {fresh.coverage.found} changes in the last 24 hours, {_share(fresh.coverage)} were announced by "
            f"notifications.{_low(fresh)}"
        )


def _written(fresh: Freshness) -> str:
    parts = [("after a notification", fresh.notified), ("found by asking", fresh.polled)]
    return "; ".join(f"{spread.count} {what}, {_times(spread)}" for what, spread in parts if spread is not None)


def _times(spread: Spread) -> str:
    return f"half within {_span(spread.p50)}, 95 % within {_span(spread.p95)}, the slowest {_span(spread.longest)}"


def _low(fresh: Freshness) -> str:
    now = fresh.coverage_now.share
    if now is None or now >= LOW or fresh.coverage_now.found < ENOUGH:
        return ""
    return (
        f" In this hour and the last only {now:.0%}: Microsoft's notifications lag or fail, so it is asked more often."
    )


def problem_sentences(seen: Status) -> Iterator[str]:
    """Each cause once, with the customers it is about and what to do."""
    names = {c.customer_id: f"{c.customer_name} ({c.customer_id})" for c in seen.connections}
    concerned: dict[str, list[int]] = {}
    for customer_id, fresh in seen.freshness.items():
        for code in fresh.problems:
            concerned.setdefault(code, []).append(customer_id)
    for code, numbers in concerned.items():
        customers = [names[number] for number in numbers]
        more = f" and {len(customers) - FEW} more" if len(customers) > FEW else ""
        cure = cure_of_code(code)
        number = numbers[0] if len(numbers) == 1 else None
        yield f"{', '.join(customers[:FEW])}{more}: {cure.what} {for_customer(cure.who_does_what, number)}"


TITLE = (
    "The last 24 hours. Notified, asked: changes that a notification told of or that\n"
    "asking found, written half within / 95 % within / the slowest. Announced: how\n"
    "many of them notifications told of (and in this hour and the last); a change is\n"
    "judged one poll after it was found."
)


def print_freshness(seen: Status) -> None:
    print_table(
        TITLE,
        ["customer", "name", "notified", "asked", "announced", "last"],
        _rows(seen),
        empty="No customer is approved yet: entra-syncro status",
    )


def _rows(seen: Status) -> Iterator[tuple[object, ...]]:
    names: Mapping[int, str] = {c.customer_id: c.customer_name for c in seen.connections}
    for customer_id, fresh in seen.freshness.items():
        cells = (_cell(fresh.notified), _cell(fresh.polled), _announced(fresh), _last(fresh, seen))
        yield customer_id, names[customer_id], *cells


def _cell(spread: Spread | None) -> str:
    return (
        "-"
        if spread is None
        else f"{spread.count}: {_span(spread.p50)} / {_span(spread.p95)} / {_span(spread.longest)}"
    )


def _announced(fresh: Freshness) -> str:
    if not fresh.coverage.found:
        return "not judged yet"
    now = f" ({fresh.coverage_now.share:.0%})" if fresh.coverage_now.share is not None else ""
    return f"{_share(fresh.coverage)} of {fresh.coverage.found}{now}"


def _last(fresh: Freshness, seen: Status) -> str:
    lines = [("notified", fresh.last_notification), ("asked", fresh.last_poll)]
    said = [f"{what} {_span((seen.seen_at - at).total_seconds())} ago" for what, at in lines if at is not None]
    if fresh.unpolled_since is not None:
        said.append(f"never asked, for {_span((seen.seen_at - fresh.unpolled_since).total_seconds())}")
    if fresh.subscription_expires_at is not None:
        said.append(f"subscribed until {_day(fresh.subscription_expires_at)}")
    return "\n".join(said) or "-"


def _share(coverage: Coverage) -> str:
    return "-" if coverage.share is None else f"{coverage.share:.0%}"


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"


def _span(seconds: float) -> str:
    """In the unit that a person would say it in."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
