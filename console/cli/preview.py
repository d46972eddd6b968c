"""`entra-syncro preview`: the full plan for one customer, before anything is written; or one line for each that waits.

One row per field that would change, with before, after and why; then who is left out and why. Ends with the
approval code. Of many customers: `console/cli/previews.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, assert_never

import typer

from console import operations
from console.cli.context import operate
from console.cli.output import Json, fields_of, print_json, print_table, say, stdout
from console.cli.previews import creations, preview_many
from console.operations import ShownPreview
from console.operations.errors import wrong_use
from shared.domain.changes import (
    Candidate,
    Conflict,
    CreateContact,
    Excluded,
    NoChange,
    NotYet,
    Pinned,
    UpdateContact,
)
from shared.domain.locks import told
from shared.domain.preview import PreviewRow
from shared.domain.records import ConnectionStatus

FEW = 3  # contacts, enough to see what a creation looks like and sets off
EMPTY = "Empty in Syncro, f"  # begins the why of a filled field; a contact that is yet to be made has none else
WIDE = 120  # characters, below which five columns fold too often to be read
Line = tuple[str, str, str, str, str]  # contact (on its first line only), field, before, after, why


def preview(
    context: typer.Context,
    customer: Annotated[int | None, typer.Option(help="Syncro's number of the customer.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every customer that waits for approval.")] = False,
    as_json: Json = False,
) -> None:
    """Show what would be written for a customer. Or, in short, for all that wait.

    Example: entra-syncro preview --customer 34288071
    """
    if (customer is None) is not everyone:
        raise wrong_use("Name a customer (--customer 34288071), or say --all; one of the two.")
    if customer is None:
        preview_many(context, as_json=as_json)
        return
    shown = operate(context, lambda ports: operations.preview(ports, customer))
    if as_json:
        print_json(document(shown))
        return
    show(shown)


def document(shown: ShownPreview) -> dict[str, object]:
    """The JSON form: every user once, with the changes that its plan holds."""
    return {
        "customer_id": shown.preview.customer_id,
        "customer_name": shown.connection.customer_name,
        "approval_code": shown.preview.code,
        "summary": dict(shown.preview.summary),
        "to_create": creations(shown),
        "syncro_calls": shown.forecast.calls,
        "saved_contacts": str(shown.saved_contacts),
        "second_writer": [trace.sentence for trace in shown.second_writer],
        "users": [
            {
                "user": row.user_label,
                "contact": row.contact_label,
                "kind": type(row.plan).__name__,
                **fields_of(row.plan),
            }
            for row in shown.preview.rows
        ],
    }


# Outcomes as a sentence counts them.
WORDS = {"update": "to update", "create": "to create", "excluded": "left out", "conflict": "for a person to choose"}


def show(shown: ShownPreview) -> None:
    name = shown.connection.customer_name
    rows = shown.preview.rows
    show_changes(f"{name}: what would be written", rows, empty=f"{name}: nothing would be written.")
    left_out = [line for row in rows if (line := left_out_line(row)) is not None]
    if left_out:
        print_table(f"{name}: left alone", ["user", "what", "why"], left_out, empty="")
    counts = ", ".join(f"{count} {WORDS.get(outcome, outcome)}" for outcome, count in shown.preview.summary.items())
    say(f"Users: {counts or 'none'}.")
    if shown.forecast.calls:
        say(f"Writing it takes about {shown.forecast.sentence}.")
    say(f"The contacts as they are now were saved to {shown.saved_contacts}")
    for sentence in (*choice_lines(shown), *second_writer_lines(shown), *creation_lines(shown)):
        say(sentence)
    for sentence in next_lines(shown):
        say(sentence)


def choice_lines(shown: ShownPreview) -> Iterator[str]:
    """How a person answers what the plan leaves open; it may be done before the approval."""
    waiting = [row for row in shown.preview.rows if isinstance(row.plan, Conflict) and row.plan.is_open]
    for row in waiting[:FEW]:
        where = f"entra-syncro conflicts show {shown.preview.customer_id} {row.plan.user_id}"
        yield f"To choose for {row.user_label}: {where}"
    if len(waiting) > FEW:
        yield f"{len(waiting) - FEW} more wait for a choice; --json shows their ids."


def second_writer_lines(shown: ShownPreview) -> Iterator[str]:
    """The traces, and what an approval needs then."""
    if not shown.second_writer:
        return
    yield "Another tool writes these contacts too, perhaps Syncro's own Entra sync:"
    for trace in shown.second_writer:
        yield f"- {trace.sentence}"
    yield (
        "Two tools would undo each other. Switch the other one off in Syncro (Admin, App Center). Its traces fade "
        "within 7 days; if it is off already, or if both shall write, the approval needs --second-writer-accepted."
    )


def creation_lines(shown: ShownPreview) -> Iterator[str]:
    """What a creation sets off in Syncro itself (its notification events reference, group Contact)."""
    count, customer_id, code = creations(shown), shown.preview.customer_id, shown.preview.code
    if not count:
        return
    yield (
        f"Contacts to create: {count}. Each may fire Syncro's notification event for a contact created on a customer "
        '(group "Contact" in your notification sets): switch it off first.'
    )
    if count > FEW and shown.connection.status is not ConnectionStatus.APPROVED:
        few = f"entra-syncro customers approve {customer_id} {code} --first {FEW}"
        yield f"To create {FEW} first and look at them: {few}"


def next_lines(shown: ShownPreview) -> Iterator[str]:
    """Whose turn it is. An approved customer needs the code only for rows that changed since their approval."""
    customer_id, code = shown.preview.customer_id, shown.preview.code
    approved = shown.connection.status is ConnectionStatus.APPROVED
    if shown.waiting:
        yield shown.waiting
        if shown.all_waits:
            return
    if approved and not shown.preview.digests:
        yield "Everything is in step; there is nothing to approve."
        return
    yield f"Approval code: {code}"
    if approved:
        yield f"Next: entra-syncro sync --customer {customer_id}"
        yield f"Rows that changed since their approval go with: entra-syncro customers approve {customer_id} {code}"
    else:
        yield f"Next: entra-syncro customers approve {customer_id} {code}"


def show_changes(title: str, rows: Sequence[PreviewRow], *, empty: str) -> None:
    show_lines(title, [line for row in rows for line in change_lines(row)], empty=empty)


def show_lines(title: str, lines: Sequence[Line], *, empty: str) -> None:
    """Contact, field, before, after, why; on a narrow terminal the contact stands above and the why below."""
    if not lines or stdout().width >= WIDE:
        print_table(title, ["contact", "field", "before", "after", "why"], lines, empty=empty)
        return
    reasons = list(dict.fromkeys(why for *_, why in lines))
    print_table(title, ["contact, field", "before", "after", "why"], narrow_lines(lines, reasons), empty=empty)
    for number, reason in enumerate(reasons, 1):
        say(f"why {number}: {reason}")


def narrow_lines(lines: Sequence[Line], reasons: Sequence[str]) -> Iterator[tuple[str, str, str, str]]:
    for contact, field, before, after, why in lines:
        if contact:
            yield (contact, "", "", "")
        yield (f"  {field}", before, after, str(reasons.index(why) + 1))


def change_lines(row: PreviewRow) -> Iterator[Line]:
    match row.plan:
        case CreateContact(changes=changes):
            label = f"{row.user_label} (new)"
            changes = tuple(replace(each, why=each.why.replace(EMPTY, "F")) for each in changes)
        case UpdateContact(changes=changes):
            label = row.contact_label or row.user_label
        case _:
            return
    for number, change in enumerate(changes):
        yield (label if number == 0 else "", change.field, change.before, change.after, change.why)


def choices(candidates: Sequence[Candidate]) -> str:
    """The contacts that a person may choose, and what speaks for each."""
    return ", ".join(
        f"contact {each.contact_id}" + (f" ({', '.join(each.because)})" if each.because else "") for each in candidates
    )


def left_out_line(row: PreviewRow) -> tuple[str, str, str] | None:
    match row.plan:
        case Excluded(reason=reason):
            return (row.user_label, "no contact", reason.value)
        case Conflict() if not row.plan.is_open:
            return (row.user_label, "left alone", f"by {row.plan.left_by}: {row.plan.why}")
        case Conflict(reason=reason, candidates=candidates):
            return (row.user_label, "a person must choose", f"{reason.value}: {choices(candidates)}")
        case Pinned(contact_id=contact_id):
            return (row.user_label, "locked contact", f"contact {contact_id} is {told(row.plan)}")
        case NotYet():
            return (row.user_label, "not yet known", "Entra does not show this user yet")
        case CreateContact() | UpdateContact() | NoChange():
            return None
        case _:
            assert_never(row.plan)
