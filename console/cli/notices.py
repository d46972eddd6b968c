"""`entra-syncro notices list|test`: what people were told of and is not over, and whether notices arrive."""

from __future__ import annotations

from typing import Annotated, assert_never

import typer

from console import operations
from console.cli.context import acting, operate
from console.cli.output import Json, print_json, print_table, say
from console.operations import ChannelTrial, ShownNotice, TrialResult

app = typer.Typer(no_args_is_help=True, help="What people are told, and by which channels.")

NAMES = {"smtp": "mail", "teams": "Teams", "ticket": "ticket in Syncro"}
_SHORT = {**NAMES, "ticket": "ticket"}


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
    if any(each.notice.unsure_over for each in seen.notices):
        say("A question mark: it was sent, and no answer came back. See whether the message is there.")
    for channel in seen.channels:
        if channel.code:
            fares = "nobody can tell whether the last message arrived" if channel.is_unsure else "notices do not arrive"
            say(f"{_name(channel.name)}: {fares}. {channel.what} {channel.who_does_what}")
    if not seen.channels:
        say(operations.NONE_SET)


def _told(shown: ShownNotice) -> str:
    """One thing a line, so that the sentence beside it has room."""
    notice = shown.notice
    when = f"{notice.told_at:%m-%d %H:%M}" if notice.told_at else "not yet"
    over = [f"{_SHORT.get(name, name)}{'?' if name in notice.unsure_over else ''}" for name in notice.told_over]
    return "\n".join([when, *over, *(["(urgent)"] if shown.is_red else [])])


@app.command("test")
def try_out(
    context: typer.Context,
    channel: Annotated[str, typer.Option(help="Only this one: smtp, teams or ticket.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Really open a ticket in Syncro.")] = False,
    as_json: Json = False,
) -> None:
    """Send a test message over each channel that is set.

    Mail and Teams get it at once. For a ticket it only says what it would do, until --yes: then a ticket named "Test"
    is opened in Syncro, resolved already, so that nobody has to close it.

    Example: entra-syncro notices test --channel ticket --yes
    """
    by = acting(context)
    tried = operate(context, lambda ports: operations.try_channels(ports, channel, opens_tickets=yes, by=by))
    if as_json:
        print_json(tried)
    else:
        for each in tried:
            say(f"{_name(each.name)}: {_answered(each)}")
    if any(each.code for each in tried):
        raise typer.Exit(1)


def _answered(trial: ChannelTrial) -> str:
    match trial.result:
        case TrialResult.SENT:
            return "taken. See that the message is there."
        case TrialResult.SHOWN:
            return f"not sent. {trial.what} {trial.who_does_what}"
        case TrialResult.UNSURE:
            return f"no answer. {trial.what} {trial.who_does_what}"
        case TrialResult.FAILED:
            return f"failed. {trial.what} {trial.who_does_what}"
        case _:
            assert_never(trial.result)


def _name(channel: str) -> str:
    return NAMES.get(channel, channel)
