"""`entra-syncro status`: one look at everything, on one screen: what waits for a person, the work, the customers.

With many customers only those are listed that need somebody; the others are counted. What needs a person is worded in
`console/cli/attention.py`; `--watch` draws it anew in `console/cli/redrawing.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date
from typing import Annotated, assert_never

import typer
from rich.console import RenderableType
from rich.text import Text

from console import operations
from console.cli.attention import FEW, attention, names
from console.cli.context import operate
from console.cli.freshness import freshness_sentences, print_freshness
from console.cli.output import STATES, Json, print_json, sentence, stdout, table
from console.cli.redrawing import redraw, require_terminal
from console.operations import Status
from console.operations.errors import wrong_use
from console.operations.holding import decisions, has_expired, is_rejected
from shared.domain.records import Connection, ConnectionStatus, Hold

# What technicians call the lanes (lane, rung and lease are words for engineers).
WORK_NAMES = {"live": "changes", "backfill": "full sync", "control": "subscriptions", "dead": "failed, being filed"}

UNKNOWN = " unknown: "  # in every sentence about a report that could not be read, with what it leaves untouched
FITS = 12  # customers that are listed whether or not they need somebody
NOTHING = "-"


def status(
    context: typer.Context,
    seconds: Annotated[
        int | None,
        typer.Argument(
            metavar="[SECONDS]", min=1, max=3_600, help="Goes with --watch: pause between two looks; 5 if unset."
        ),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Stay and look again and again; Ctrl-C ends it.")] = False,
    everyone: Annotated[bool, typer.Option("--all", help="List every customer, also those in step.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Show for each customer how fast and how completely changes arrive.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what waits for a person, the work, and the customers.

    Example: entra-syncro status --watch 10
    """
    if watch:
        if fresh or as_json:
            raise wrong_use("--watch shows the usual page: leave out --fresh and --json.")
        require_terminal()
        pause = float(seconds or 5)
        with suppress(KeyboardInterrupt):
            operate(context, lambda ports: redraw(ports, pause, lambda seen: page(seen, everyone=everyone)), lazy=True)
        return
    if seconds is not None:
        raise wrong_use("A number of seconds goes with --watch: entra-syncro status --watch 10")
    seen = operate(context, operations.status)
    if as_json:
        print_json(seen)
    elif fresh:
        print_freshness(seen)
    else:
        for part in page(seen, everyone=everyone):
            stdout().print(part, soft_wrap=isinstance(part, Text))  # commands in a sentence are there to be copied


def page(seen: Status, *, everyone: bool) -> Iterator[RenderableType]:
    """Attention, work, customers, in this order."""
    waiting = list(attention(seen))
    yield sentence("Waits for a person:" if waiting else "Nothing waits for a person.", bold=True)
    yield from (sentence(f"  {each}") for each in waiting)
    yield sentence("Work:", bold=True)
    yield from (sentence(f"  {each}") for each in _at_work(seen))
    yield from _customers(seen, everyone=everyone)


def _at_work(seen: Status) -> Iterator[str]:
    waiting = ", ".join(f"{count} {WORK_NAMES.get(lane, lane)}" for lane, count in seen.waiting.items() if count)
    yield f"Waiting: {waiting or 'nothing'}."
    yield from freshness_sentences(seen)
    yield from _locked(seen)
    yield from _unknown(seen)


def _locked(seen: Status) -> Iterator[str]:
    """The one that ends first is named: somebody may want to prolong it."""
    if not seen.locked:
        return
    first = min(seen.locked, key=lambda each: (each.last_day is None, each.last_day or date.max))
    until = "for good" if first.last_day is None else f"until the end of {first.last_day}"
    named = f"contact {first.contact_id} ({first.customer_name}) by {first.by} {until}"
    yield f"Locked contacts: {len(seen.locked)}, {named}. All: entra-syncro customers pins"


def _unknown(seen: Status) -> Iterator[str]:
    """What reports could not say, each sentence once; whatever else a full sync noted stands in `runs show`."""
    named, told = names(seen), dict[str, list[str]]()
    for customer_id, notes in seen.notes.items():
        for note in notes:
            if UNKNOWN in note:
                told.setdefault(note, []).append(named[customer_id])
    for note, customers in told.items():
        more = f" and {len(customers) - FEW} more" if len(customers) > FEW else ""
        yield f"{note} ({', '.join(customers[:FEW])}{more})"


# --- customers ----------------------------------------------------------------------------------------------------


def _customers(seen: Status, *, everyone: bool) -> Iterator[RenderableType]:
    if not seen.connections:
        what = "." if seen.consents else ": entra-syncro customers connect CUSTOMER"
        yield sentence(f"No customer is connected yet{what}")
        return
    whole = everyone or len(seen.connections) <= FITS
    listed = [c for c in seen.connections if whole or _needs_somebody(c, seen)]
    if listed:
        rows = (
            (c.customer_id, c.customer_name, f"{STATES[c.status]}{_last_full(c, seen)}", _next(c, seen)) for c in listed
        )
        yield table("Customers", ["customer", "name", "state, last full sync", "next"], rows)
    if len(listed) < len(seen.connections):
        others = [c for c in seen.connections if c not in listed]
        yield sentence(f"Other customers: {_counted(others, seen)}. List them: entra-syncro status --all")
    if seen.without_entra:
        yield sentence(f"Customers without Entra, counted apart: {len(seen.without_entra)}.")


def _needs_somebody(connection: Connection, seen: Status) -> bool:
    return connection.status in (ConnectionStatus.PREVIEW, ConnectionStatus.PAUSED) or _next(
        connection, seen
    ).startswith("yours")


def _counted(others: Sequence[Connection], seen: Status) -> str:
    """ "120 in step, 3 disconnected, 2 a full sync is reading"."""
    kinds = Counter(_kind(each, seen) for each in others)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())


def _kind(connection: Connection, seen: Status) -> str:
    if connection.status is ConnectionStatus.DISCONNECTED:
        return STATES[connection.status]
    if connection.customer_id in seen.reading:
        return "being read"
    return "not yet synced" if any(mark.customer_id == connection.customer_id for mark in seen.owed) else "in step"


def _last_full(connection: Connection, seen: Status) -> str:
    """A line of its own about the last complete one, in UTC; "" where none was begun."""
    full = seen.last_full.get(connection.customer_id)
    if full is None:
        return ""
    return f"\n{full.done_began_at:%m-%d %H:%M}" if full.done_began_at else "\nnot complete yet"


def _next(connection: Connection, seen: Status) -> str:
    """What happens next to this customer, and whose turn it is."""
    owed = {mark.customer_id: mark.reason for mark in seen.owed}.get(connection.customer_id)
    hold = next((hold for hold in seen.holds if hold.customer_id == connection.customer_id), None)
    choices = seen.choices.get(connection.customer_id, 0)
    match connection.status:
        case ConnectionStatus.PREVIEW:
            return "yours: look at the plan and approve it"
        case ConnectionStatus.APPROVED if connection.customer_id in seen.reading:
            return "a full sync is reading"
        case ConnectionStatus.APPROVED if hold is not None and (owed is None or decisions(hold, seen.seen_at)):
            return _decide(hold, seen)
        case ConnectionStatus.APPROVED if owed is not None:
            return f"a full sync by itself (not yet synced: {owed})"
        case ConnectionStatus.PAUSED if owed is not None:
            return f"paused by a person (not yet synced: {owed})"
        case ConnectionStatus.PAUSED:
            return "paused by a person"
        case ConnectionStatus.APPROVED if choices:
            return f"yours: choose for {choices} user{'s' if choices > 1 else ''} (above)"
        case ConnectionStatus.APPROVED | ConnectionStatus.DISCONNECTED:
            return NOTHING
        case _:
            assert_never(connection.status)


def _decide(hold: Hold, seen: Status) -> str:
    if decisions(hold, seen.seen_at):
        return "yours: approve or reject what is held"
    if is_rejected(hold, seen.seen_at):
        return "yours: correct the cause of what was rejected, then a full sync (above)"
    if has_expired(hold, seen.seen_at):
        return "yours: a full sync renews the approval code (above)"
    return "yours: a full sync lists what is held (above)"
