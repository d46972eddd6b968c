"""`entra-syncro changes list|undo`: what was written to Syncro, and taking it back, as a plan first.

Without `--apply` nothing is written. A command that was stopped is repeated as it was: it finds what is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated

import typer

from console import operations
from console.cli.context import acting, operate
from console.cli.explain import explain
from console.cli.moments import HELP, moment
from console.cli.output import STATES, Json, complain, plain, print_json, print_table, say
from console.cli.sync import OneCustomer
from console.operations import ChangePage, ChangeWish, OperationError, OperatorPorts, ShownChange, ShownUndo, UndoWish
from console.operations import ShownUndone as Done
from console.operations.changes import CAUSES
from shared.domain.changes import FieldChange
from shared.domain.undo_steps import Left, Recreate, Remove, Restore, Step

app = typer.Typer(no_args_is_help=True, help="What was written to Syncro, and taking it back.")

CONNECT = "connect"  # since the customer was connected
ALL_OF_IT = "the whole contact"


# --- list -------------------------------------------------------------------------------------------------------------


@app.command("list")
def list_(
    context: typer.Context,
    contact: Annotated[int | None, typer.Option(help="Only of this contact (Syncro's number).")] = None,
    user: Annotated[str, typer.Option(help="Only of this user (object id).")] = "",
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
    typed = _Typed(change, contact, run, customer, since)
    if code:
        by = acting(context)

        async def undone(ports: OperatorPorts) -> Done:
            return await operations.undo(ports, typed.wish(ports), code, by=by)

        _show_done(operate(context, undone), as_json=as_json)
        return

    async def planned(ports: OperatorPorts) -> tuple[ShownUndo, str]:
        return await operations.plan_undo(ports, typed.wish(ports)), typed.words(ports)

    shown, words = operate(context, planned)
    if as_json:
        print_json(plan_document(shown))
        return
    _show_plan(shown, words)


class _Typed:
    """What is to be taken back, as it was typed."""

    def __init__(
        self, change: int | None, contact: int | None, run: str, customer: int | None, since: str | None
    ) -> None:
        self._change, self._contact, self._run = change, contact, run
        self._customer, self._since = customer, since

    def wish(self, ports: OperatorPorts) -> UndoWish:
        is_connect = (self._since or "").strip().lower() == CONNECT
        since = None if is_connect else moment(self._since, ports.clock.now())
        return UndoWish(self._change, self._contact, self._run, self._customer, since, is_connect)

    def words(self, ports: OperatorPorts) -> str:
        """To be typed again: "3d ago" would be another moment by then."""
        since = self.wish(ports).since
        told = since.isoformat() if since is not None else self._since
        options = {
            "--contact": self._contact,
            "--run": self._run,
            "--customer": self._customer,
            "--since": f'"{told}"' if told else "",
        }
        first = [str(self._change)] if self._change is not None else []
        return " ".join([*first, *(f"{name} {value}" for name, value in options.items() if value)])


def _show_plan(shown: ShownUndo, words: str) -> None:
    plan = shown.plan
    chosen = f"changes chosen: {shown.entries}, the oldest of {shown.oldest:%Y-%m-%d %H:%M} UTC"
    say(f"{shown.customer_name} ({STATES[shown.status]}), {chosen}.")
    print_table(
        "Would be taken back",
        ["contact", "field", "now", "becomes"],
        (row for step in plan.steps for row in step_rows(step, plan.names)),
        empty="Nothing would be taken back.",
    )
    _show_left(plan.left, "Would be left as it is", plan.names)
    for sentence in shown.next:
        say(sentence)
    if plan.steps:
        say("Nothing was written. To take it back (the code is good for a day):")
        say(f"  entra-syncro changes undo {words} --apply {plan.code}")


def _show_done(shown: Done, *, as_json: bool) -> None:
    done = shown.done
    if as_json:
        print_json(done_document(shown))
    else:
        rows = [row for step in done.steps for row in step_rows(step, {})]
        empty = "Nothing was left to take back."
        print_table("Taken back", ["contact", "field", "was", "is"], rows, empty=empty)
        _show_left(done.left, "Left as it is", {})
        if done.steps:
            say(f"What was written for it: entra-syncro changes list --run {done.undo_id}")
        for sentence in shown.next:
            say(sentence)
    if done.stopped is not None:
        complain(explain(done.stopped))
        raise OperationError("Stopped before the end. Repeat the same command: it goes on with what is left.")


def step_rows(step: Step, names: Mapping[int, str]) -> Iterator[Sequence[str]]:
    label = _label(step.contact_id, names)
    match step:
        case Restore():
            for number, change in enumerate(step.changes):
                yield (label if number == 0 else "", change.field, change.before, change.after or "(blank)")
        case Remove():
            name = next((change.before for change in step.changes if change.field == "name"), "")
            yield (label, ALL_OF_IT, name, "deleted for good")
        case Recreate():
            name = next((change.after for change in step.changes if change.field == "name"), "")
            under = "a new number" if step.new_id is None else f"number {step.new_id}"
            yield (label, ALL_OF_IT, "deleted", f"{name}, back under {under}")


def _show_left(left: Iterable[Left], title: str, names: Mapping[int, str]) -> None:
    rows = [(_label(each.contact_id, names), each.field or ALL_OF_IT, each.now, _reason(each)) for each in left]
    if rows:
        print_table(title, ["contact", "field", "now", "why"], rows, empty="")


def _reason(left: Left) -> str:
    return f"{left.why.value} ({left.detail})" if left.detail else left.why.value


def _label(contact_id: int | None, names: Mapping[int, str]) -> str:
    if contact_id is None:
        return "-"
    return f"{contact_id}\n{names[contact_id]}" if names.get(contact_id) else str(contact_id)


# --- json -------------------------------------------------------------------------------------------------------------


def plan_document(shown: ShownUndo) -> dict[str, object]:
    return {
        "customer_id": shown.plan.customer_id,
        "customer_name": shown.customer_name,
        "status": shown.status.value,
        "changes": shown.entries,
        "oldest": plain(shown.oldest),
        "code": shown.plan.code,
        "steps": [_step(step) for step in shown.plan.steps],
        "left": [_left(each) for each in shown.plan.left],
        "next": list(shown.next),
    }


def done_document(shown: Done) -> dict[str, object]:
    done = shown.done
    return {
        "customer_id": shown.customer_id,
        "customer_name": shown.customer_name,
        "undo_id": done.undo_id,
        "paused": done.paused,
        "steps": [_step(step) for step in done.steps],
        "left": [_left(each) for each in done.left],
        "stopped": explain(done.stopped) if done.stopped is not None else None,
        "next": list(shown.next),
    }


def _step(step: Step) -> dict[str, object]:
    told = plain(step)
    return {"kind": type(step).__name__.lower(), **(told if isinstance(told, dict) else {})}


def _left(left: Left) -> dict[str, object]:
    told = plain(left)
    return {**(told if isinstance(told, dict) else {}), "reason": left.why.name.lower()}
