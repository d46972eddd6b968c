"""`entra-syncro notices list|test`: what people were told of and is not over, and whether notices arrive."""

from __future__ import annotations

from typing import Annotated

import typer

from console import operations
from console.cli.context import acting, operate
from console.cli.output import Json, print_json, print_table, say
from console.operations import ChannelState, ShownNotice

app = typer.Typer(no_args_is_help=True, help="What people are told, and by which channels.")

NAMES = {"smtp": "mail", "teams": "Teams", "ticket": "ticket in Syncro"}


@app.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """List what people were told of and is not over. And how the channels fare.

    Example: entra-syncro notices list
    """
    seen = operate(context, operations.notices)
    if as_json:
        print_json(seen)
        return
    print_table(
        "Notices that stand, times in UTC",
        ["since", "told", "what, and who does what next"],
        ((f"{n.notice.opened_at:%m-%d %H:%M}", _told(n), n.notice.sentence) for n in seen.notices),
        whole="since",
        empty="Nothing stands that anybody must be told of.",
    )
    for channel in seen.channels:
        if channel.code:
            say(f"{_name(channel)}: notices do not arrive. {channel.what} {channel.who_does_what}")
    if not seen.channels:
        say(operations.NONE_SET)


def _told(shown: ShownNotice) -> str:
    when = f"{shown.notice.told_at:%m-%d %H:%M}" if shown.notice.told_at else "not yet"
    return f"{when} (urgent)" if shown.is_red else when


@app.command("test")
def try_out(
    context: typer.Context,
    channel: Annotated[str, typer.Option(help="Only this one: smtp, teams or ticket.")] = "",
    as_json: Json = False,
) -> None:
    """Send a test message over each channel that is set.

    A ticket is really opened in Syncro; close it there afterwards.

    Example: entra-syncro notices test --channel teams
    """
    by = acting(context)
    tried = operate(context, lambda ports: operations.try_channels(ports, channel, by=by))
    if as_json:
        print_json(tried)
    else:
        for each in tried:
            say(_answered(each))
    if any(each.code for each in tried):
        raise typer.Exit(1)


def _answered(channel: ChannelState) -> str:
    if channel.code:
        return f"{_name(channel)}: failed. {channel.what} {channel.who_does_what}"
    return f"{_name(channel)}: taken. See that the message is there."


def _name(channel: ChannelState) -> str:
    return NAMES.get(channel.name, channel.name)
