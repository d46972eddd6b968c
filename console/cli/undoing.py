"""What an undo shows: the plan with who does what next, what was done, and both as documents.

On a narrow terminal the contact stands above its fields. Next: `console/cli/changes.py`, which has the commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from console.cli.explain import explain
from console.cli.output import STATES, complain, plain, print_json, print_table, say, stdout
from console.cli.preview import WIDE
from console.operations import OperationError, ShownUndo
from console.operations import ShownUndone as Done
from shared.domain.undo_steps import Left, Recreate, Remove, Restore, Step

ALL_OF_IT = "the whole contact"
Line = tuple[str, str, str, str]  # contact ("" for the one above), field, and two more


def show_plan(shown: ShownUndo, words: str) -> None:
    plan = shown.plan
    chosen = f"changes chosen: {shown.entries}, the oldest of {shown.oldest:%Y-%m-%d %H:%M} UTC"
    say(f"{shown.customer_name} ({STATES[shown.status]}), {chosen}.")
    rows = [row for step in plan.steps for row in step_rows(step, plan.names)]
    _show_lines("Would be taken back", ("now", "becomes"), rows, empty="Nothing would be taken back.")
    _show_left(plan.left, "Would be left as it is", plan.names)
    for sentence in shown.next:
        say(sentence)
    if plan.steps:
        say("Nothing was written. To take it back (the code is good for a day):")
        say(f"  entra-syncro changes undo {words} --apply {plan.code}")


def show_done(shown: Done, *, as_json: bool) -> None:
    done = shown.done
    if as_json:
        print_json(done_document(shown))
    else:
        rows = [row for step in done.steps for row in step_rows(step, {})]
        empty = "Nothing was left to take back."
        _show_lines("Taken back", ("was", "is"), rows, empty=empty)
        _show_left(done.left, "Left as it is", {})
        if done.steps:
            say(f"What was written for it: entra-syncro changes list --run {done.undo_id}")
        for sentence in shown.next:
            say(sentence)
    if done.stopped is not None:
        complain(explain(done.stopped))
        raise OperationError("Stopped before the end. Repeat the same command: it goes on with what is left.")


def _show_lines(title: str, columns: tuple[str, str], lines: Sequence[Line], *, empty: str) -> None:
    """A column for the contact would fold the names of the fields."""
    if not lines or stdout().width >= WIDE:
        print_table(title, ["contact", "field", *columns], lines, empty=empty)
    else:
        print_table(title, ["contact, field", *columns], _narrow(lines), empty=empty)


def _narrow(lines: Sequence[Line]) -> Iterator[tuple[str, str, str]]:
    above = ""
    for contact, field, *values in lines:
        if contact and contact != above:
            yield (contact.replace("\n", " "), "", "")
            above = contact
        yield (f"  {field}", values[0], values[1])


def step_rows(step: Step, names: Mapping[int, str]) -> Iterator[Line]:
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
        _show_lines(title, ("now", "why"), rows, empty="")


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
