"""`entra-syncro status`: one look at everything."""

from __future__ import annotations

from typing import assert_never

import typer

from console import operations
from console.cli.context import operate
from console.cli.output import STATES, Json, print_json, print_table, say
from console.operations import Status
from shared.domain.records import Connection, ConnectionStatus

# What technicians call the lanes (lane, rung and lease are words for engineers).
WORK_NAMES = {"live": "changes", "backfill": "full sync", "control": "subscriptions", "dead": "failed, being filed"}


# Why the whole account stands still, and who does what next.
STOPS = {
    "token": "Syncro refuses the API token. Make a new one and set syncro.api_token, then start again.",
    "permission": "Syncro's token lacks a permission: tick Customers - List/Search, View Detail and Edit for it.",
    "forbidden": "Syncro forbids the calls. Look at the token and the account in Syncro.",
    "too_many": "Syncro says that there are too many calls. It goes on by itself, at half the pace.",
}


def status(context: typer.Context, as_json: Json = False) -> None:
    """Show connections, waiting work, failed changes and what waits for a person."""
    seen = operate(context, operations.status)
    if as_json:
        print_json(seen)
        return
    print_table(
        "Customers",
        ["customer", "name", "state", "next"],
        (
            (
                c.customer_id,
                c.customer_name,
                STATES[c.status],
                _next(c, seen),
            )
            for c in seen.connections
        ),
        empty="No customer is connected yet: entra-syncro customers connect CUSTOMER --tenant TENANT-ID",
    )
    unapproved = [c.customer_id for c in seen.connections if c.status is ConnectionStatus.PREVIEW]
    if unapproved:
        say(f"Waiting for approval: {len(unapproved)}. Begin with: entra-syncro preview --customer {unapproved[0]}")
    if seen.stopped:
        say(f"Nothing is written at the moment: {STOPS.get(seen.stopped, seen.stopped.replace('_', ' '))}")
    if not seen.public_url:
        say("No notifications: receiver.public_url is not set, so changes wait for a sync that you start.")
    waiting = ", ".join(f"{count} {WORK_NAMES.get(lane, lane)}" for lane, count in seen.waiting.items() if count)
    say(f"Waiting: {waiting or 'nothing'}.")
    for customer_id, count in seen.unwritten.items():
        say(
            f"Customer {customer_id}: approved changes not yet written: {count}. If its full sync is over, they "
            f"changed since the approval: entra-syncro preview --customer {customer_id}"
        )
    if seen.failed_changes:
        say(f"Failed changes: {seen.failed_changes}. Look at them: entra-syncro dead-letters list")
    if seen.conflicts:
        say(f"Users that wait for a person's choice: {seen.conflicts}. Look: entra-syncro preview --customer CUSTOMER")


def _next(connection: Connection, seen: Status) -> str:
    """What happens next to this customer, and whose turn it is."""
    owed = {mark.customer_id: mark.reason for mark in seen.owed}.get(connection.customer_id)
    match connection.status:
        case ConnectionStatus.PREVIEW:
            return "yours: look at the plan and approve it"
        case ConnectionStatus.APPROVED if owed is not None:
            return f"a full sync by itself (not yet synced: {owed})"
        case ConnectionStatus.PAUSED if owed is not None:
            return f"paused by a person (not yet synced: {owed})"
        case ConnectionStatus.PAUSED:
            return "paused by a person"
        case ConnectionStatus.APPROVED | ConnectionStatus.DISCONNECTED:
            return "-"
        case _:
            assert_never(connection.status)
