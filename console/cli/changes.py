"""`entra-syncro changes list|undo`: what was written to Syncro, and taking it back, as a plan first.

Without `--apply` nothing is written. A command that was stopped is repeated as it was: it finds what is left.
Next: `console/cli/undoing.py`, which shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from console import operations
from console.cli.context import acting, operate
from console.cli.moments import HELP, moment
from console.cli.output import Json, print_json, print_table, say
from console.cli.sync import OneCustomer
from console.cli.undoing import plan_document, show_done, show_plan
from console.operations import ChangePage, ChangeWish, OperatorPorts, ShownChange, ShownUndo, UndoWish
from console.operations import ShownUndone as Done
from console.operations.changes import CAUSES
from shared.domain.changes import FieldChange

app = typer.Typer(no_args_is_help=True, help="What was written to Syncro, and taking it back.")

CONNECT = "connect"  # since the customer was connected


# --- list -------------------------------------------------------------------------------------------------------------


@app.command("list")
def list_(
    context: typer.Context,
    contact: Annotated[int | None, typer.Option(help="Only of this contact (Syncro's number).")] = None,
    user: Annotated[
        str, typer.Option(help="Only of this user: address, object id, or with --customer a part of the name.")
    ] = "",
    customer: OneCustomer = None,
    field: Annotated[str, typer.Option(help="Only those of this field, such as phone.")] = "",
    run: Annotated[str, typer.Option(help="Only those of this run.")] = "",
    since: Annotated[str | None, typer.Option(help=f"Only those since: {HELP}")] = None,
    until: Annotated[str | None, typer.Option(help="Only those until then.")] = None,
    cause: Annotated[str, typer.Option(help=f"Only those with this cause: {', '.join(CAUSES)}.")] = "",
    before: Annotated[int | None, typer.Option(help="Only those older than this change: the next page.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 50,
    as_json: Json = False,
) -> None:
    """List what was written, newest first.

    Example: entra-syncro changes list --field phone --since 3d
    """

    async def found(ports: OperatorPorts) -> ChangePage:
        now = ports.clock.now()
        wish = ChangeWish(contact, user, customer, field, run, moment(since, now), moment(until, now), cause, before)
        return await operations.changes(ports, wish, limit=limit)

    page = operate(context, found)
    if as_json:
        print_json(page)
        return
    print_table(
        "Changes, times in UTC",
        ["change", "when, why", "customer, contact", "field: before -> after"],
        map(_row, page.changes),
        whole="change",
        empty="No such change was made.",
    )
    if page.older is not None:
        say(f"There are older ones: add --before {page.older}")
    if page.changes:
        say("Take one back (a plan first): entra-syncro changes undo CHANGE")


def _row(shown: ShownChange) -> Sequence[object]:
    entry = shown.entry
    why = [f"{entry.intended_at:%Y-%m-%d %H:%M:%S}", shown.cause, *([entry.run_id] if entry.run_id else [])]
    where = [shown.customer_name or str(entry.customer_id), str(entry.contact_id or "-")]
    fields = [_words(change) for change in entry.changes]
    head = {"create": ["contact made"], "delete": ["contact deleted"], "customer": ["the customer itself"]}
    state = [] if shown.state == "written" else [f"({shown.state})"]
    return entry.id, "\n".join(why), "\n".join(where), "\n".join([*head.get(entry.action, []), *fields, *state])


def _words(change: FieldChange) -> str:
    return f"{change.field}: {change.before or '(blank)'} -> {change.after or '(blank)'}"


# --- undo -------------------------------------------------------------------------------------------------------------


@app.command()
def undo(
    context: typer.Context,
    change: Annotated[int | None, typer.Argument(metavar="CHANGE", help="The number of one change, as listed.")] = None,
    contact: Annotated[int | None, typer.Option(help="Everything that was written to this contact.")] = None,
    user: Annotated[
        str, typer.Option(help="Everything written for this user: address, id, or with --customer a part of the name.")
    ] = "",
    run: Annotated[str, typer.Option(help="Everything that this run wrote.")] = "",
    customer: OneCustomer = None,
    since: Annotated[
        str | None,
        typer.Option(help='With --customer: everything since a day or minute, or "connect": since it was connected.'),
    ] = None,
    code: Annotated[str, typer.Option("--apply", metavar="CODE", help="Do what this code of a plan stands for.")] = "",
    as_json: Json = False,
) -> None:
    """Take changes back. First a plan and a code, then, with the code, for real.

    A value returns only where nobody changed it since. A contact that was made
    is deleted only if nobody touched it and nothing hangs on it. The customer is
    paused first, or its next full sync would write the same again.

    Example: entra-syncro changes undo --run 3f2a9c01b7de --apply 0b9a8ac4
    """
    typed = _Typed(change, contact, user, run, customer, since)
    if code:
        by = acting(context)

        async def undone(ports: OperatorPorts) -> Done:
            return await operations.undo(ports, typed.wish(ports), code, by=by)

        show_done(operate(context, undone), as_json=as_json)
        return

    async def planned(ports: OperatorPorts) -> tuple[ShownUndo, str]:
        return await operations.plan_undo(ports, typed.wish(ports)), typed.words(ports)

    shown, words = operate(context, planned)
    if as_json:
        print_json(plan_document(shown))
        return
    show_plan(shown, words)


class _Typed:
    """What is to be taken back, as it was typed."""

    def __init__(
        self, change: int | None, contact: int | None, user: str, run: str, customer: int | None, since: str | None
    ) -> None:
        self._change, self._contact, self._user, self._run = change, contact, user, run
        self._customer, self._since = customer, since

    def wish(self, ports: OperatorPorts) -> UndoWish:
        is_connect = (self._since or "").strip().lower() == CONNECT
        since = None if is_connect else moment(self._since, ports.clock.now())
        return UndoWish(self._change, self._contact, self._run, self._customer, since, is_connect, self._user)

    def words(self, ports: OperatorPorts) -> str:
        """To be typed again: "3d ago" would be another moment by then."""
        since = self.wish(ports).since
        told = since.isoformat() if since is not None else self._since
        options = {
            "--contact": self._contact,
            "--user": f'"{self._user}"' if self._user else "",
            "--run": self._run,
            "--customer": self._customer,
            "--since": f'"{told}"' if told else "",
        }
        first = [str(self._change)] if self._change is not None else []
        return " ".join([*first, *(f"{name} {value}" for name, value in options.items() if value)])
