"""`entra-syncro status`: one look at everything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, assert_never

import typer

from console import operations
from console.cli.context import operate
from console.cli.freshness import freshness_sentences, print_freshness
from console.cli.output import STATES, Json, print_json, print_table, say
from console.operations import Status
from console.operations.holding import decisions, has_expired, is_rejected, waiting_sentence
from console.operations.status import Turn
from shared.domain.records import Connection, ConnectionStatus, Hold

# What technicians call the lanes (lane, rung and lease are words for engineers).
WORK_NAMES = {"live": "changes", "backfill": "full sync", "control": "subscriptions", "dead": "failed, being filed"}

UNKNOWN = " unknown: "  # in every sentence about a report that could not be read, with what it leaves untouched
FEW = 3  # customers named in one sentence

# Why the whole account stands still, and who does what next.
STOPS = {
    "token": "Syncro refuses the API token. Make a new one and set syncro.api_token, then start again.",
    "permission": "Syncro's token lacks a permission: tick Customers - List/Search, View Detail and Edit for it.",
    "forbidden": "Syncro forbids the calls. Look at the token and the account in Syncro.",
    "too_many": "Syncro says that there are too many calls. It goes on by itself, at half the pace.",
}


def status(
    context: typer.Context,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Show for each customer how fast and how completely changes arrive.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show connections, waiting work, failed changes and what waits for a person."""
    seen = operate(context, operations.status)
    if as_json:
        print_json(seen)
        return
    if fresh:
        print_freshness(seen)
        return
    print_table(
        "Customers",
        ["customer", "name", "state, last full sync", "next"],
        (
            (c.customer_id, c.customer_name, f"{STATES[c.status]}{_last_full(c, seen)}", _next(c, seen))
            for c in seen.connections
        ),
        empty="No customer is connected yet" + ("." if seen.consents else ": entra-syncro customers connect CUSTOMER"),
    )
    for sentence in sentences(seen):
        say(sentence)


def sentences(seen: Status) -> Iterator[str]:
    """What a table cannot say; first whatever waits for a person."""
    yield from _for_a_person(seen)
    yield from _at_work(seen)
    if seen.failed_changes:
        yield f"Failed changes: {seen.failed_changes}. Look at them: entra-syncro dead-letters list"
    if seen.choices:
        yield f"Users that wait for a person's choice: {seen.conflicts}. {_where_to_choose(seen)}"
    yield from _unknown(seen)


def _where_to_choose(seen: Status) -> str:
    first, *others = map(str, seen.choices)
    more = f" (then {', '.join(others[:FEW])}{' and more' if len(others) > FEW else ''})" if others else ""
    return f"Look: entra-syncro preview --customer {first}{more}"


def _unknown(seen: Status) -> Iterator[str]:
    """What reports could not say, each sentence once; whatever else a full sync noted stands in `runs show`."""
    names, told = _names(seen), dict[str, list[str]]()
    for customer_id, notes in seen.notes.items():
        for note in notes:
            if UNKNOWN in note:
                told.setdefault(note, []).append(names[customer_id])
    for note, customers in told.items():
        more = f" and {len(customers) - FEW} more" if len(customers) > FEW else ""
        yield f"{note} ({', '.join(customers[:FEW])}{more})"


def _for_a_person(seen: Status) -> Iterator[str]:
    unapproved = [c.customer_id for c in seen.connections if c.status is ConnectionStatus.PREVIEW]
    if unapproved:
        yield f"Waiting for approval: {len(unapproved)}. Begin with: entra-syncro preview --customer {unapproved[0]}"
    if seen.consents:
        yield f"Consents: {_whose_turn(seen)}: entra-syncro customers list"
    names = _names(seen)
    for hold in seen.holds:
        yield waiting_sentence(hold, names.get(hold.customer_id, f"customer {hold.customer_id}"), seen.seen_at)
        if hold.code in seen.rejections:
            yield f"  {seen.rejections[hold.code]}"


def _whose_turn(seen: Status) -> str:
    """Yours first."""
    texts = {
        Turn.YOURS: ("waits for your confirmation", "wait for your confirmation"),
        Turn.ADMINISTRATOR: ("waits for an administrator", "wait for an administrator"),
        Turn.AGAIN: ("came to nothing", "came to nothing"),
    }
    counts = [(seen.consents[turn], texts[turn]) for turn in Turn if turn in seen.consents]
    return ", ".join(f"{count} {one if count == 1 else many}" for count, (one, many) in counts)


def _names(seen: Status) -> dict[int, str]:
    return {c.customer_id: f"{c.customer_name} ({c.customer_id})" for c in seen.connections}


def _at_work(seen: Status) -> Iterator[str]:
    if seen.stopped:
        yield f"Nothing is written at the moment: {STOPS.get(seen.stopped, seen.stopped.replace('_', ' '))}"
    yield from freshness_sentences(seen)
    waiting = ", ".join(f"{count} {WORK_NAMES.get(lane, lane)}" for lane, count in seen.waiting.items() if count)
    yield f"Waiting: {waiting or 'nothing'}."
    is_held = {hold.customer_id for hold in seen.holds}
    for customer_id, count in seen.unwritten.items():
        what = f"Customer {customer_id}: approved changes not yet written: {count}."
        if customer_id in is_held:
            yield f"{what} First decide about what is held (above)."
        else:
            yield (
                f"{what} If its full sync is over, they changed since the approval: "
                f"entra-syncro preview --customer {customer_id}"
            )


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
            return f"yours: choose for {choices} user{'s' if choices > 1 else ''} (below)"
        case ConnectionStatus.APPROVED | ConnectionStatus.DISCONNECTED:
            return "-"
        case _:
            assert_never(connection.status)


def _decide(hold: Hold, seen: Status) -> str:
    if decisions(hold, seen.seen_at):
        return "yours: approve or reject what is held"
    if is_rejected(hold, seen.seen_at):
        return "yours: correct the cause of what was rejected, then a full sync (below)"
    if has_expired(hold, seen.seen_at):
        return "yours: a full sync renews the approval code (below)"
    return "yours: a full sync lists what is held (below)"
