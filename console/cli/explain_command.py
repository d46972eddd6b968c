"""`entra-syncro explain`: everything about one person or contact on one page, from where it is known to what blocks it.

What blocks stands last, next to the prompt; nothing is written. How failures are worded is `console/cli/explain.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated

import typer

from console import operations
from console.cli.attention import stop_sentence
from console.cli.context import operate
from console.cli.explain import explain as words_of
from console.cli.output import STATES, Json, fields_of, plain, print_json, print_table, say, stdout
from console.cli.preview import WIDE
from console.cli.steps import WRITES, show_steps
from console.cli.sync import OneCustomer
from console.operations import Explained, Place
from console.operations.errors import wrong_use
from shared.domain.records import JournalEntry
from shared.domain.ruling import Ruling

HOW = {
    "object-id": "by the Entra object id that it carries",
    "mail": "by the mail address",
    "upn": "by the sign-in name",
    "created": "made by us",
    "person": "chosen by a person",
}


def explain(
    context: typer.Context,
    who: Annotated[
        str,
        typer.Argument(
            metavar="USER|CONTACT", help="An Entra user (object id or address), or a contact (Syncro's number)."
        ),
    ],
    customer: OneCustomer = None,
    as_json: Json = False,
) -> None:
    """Show all about a person or contact, and what blocks it.

    Example: entra-syncro explain anna.meier@contoso.com
    """
    told = operate(context, lambda ports: operations.explain_person(ports, who, customer))
    if as_json:
        print_json(document(told))
    else:
        for place in told.places:
            _show(place, told.seen_at)
        for sentence in _about_all(told):
            say(sentence)
    if not told.places:
        raise wrong_use(_nobody(told))


def document(told: Explained) -> dict[str, object]:
    """The JSON form: failures as the sentence that a person would read, a failed change without its body."""
    return {
        "asked": told.asked,
        "contact_id": told.contact_id,
        "seen_at": plain(told.seen_at),
        "stopped": told.stopped,
        "places": [_place_document(place) for place in told.places],
        "unlinked": plain(told.unlinked),
        "not_asked": [
            {"customer_id": each.customer_id, "customer_name": each.customer_name, "why": words_of(each.error)}
            for each in told.unasked
        ],
    }


def _place_document(place: Place) -> dict[str, object]:
    return {**fields_of(place), "steps_failed": words_of(place.steps_failed) if place.steps_failed else None}


def _show(place: Place, now: datetime) -> None:
    tied = place.connection
    label = place.explanation.user_label if place.explanation else place.user_id
    print_table(f"{label} at {tied.customer_name} ({tied.customer_id})", ["", "known"], _known(place, now), empty="")
    if place.explanation is not None:
        show_steps(place.explanation)
        _show_fields(place.explanation.fields)
    elif place.steps_failed is not None:
        say(f"What would happen now cannot be told. {words_of(place.steps_failed)}")
    if place.blocks:
        say(f"In the way at {tied.customer_name}:")
        for sentence in place.blocks:
            say(f"  {sentence}")
    else:
        say(f"Nothing is in the way at {tied.customer_name}.")


def _known(place: Place, now: datetime) -> Iterator[tuple[str, str]]:
    link = place.link
    yield "state", STATES[place.connection.status]
    yield "tenant", place.tenant_id
    yield "user", place.user_id
    if link is None:
        yield "contact", "none is linked"
    else:
        how = HOW.get(link.how, link.how)
        yield "contact", f"{link.contact_id}, {how}, since {link.linked_at:%Y-%m-%d}"
    yield "user notified", _when(place.announced_at, "no notification in the last hour")
    yield "tenant notified", _when(place.notified_at, "no notification in the last 30 days")
    yield "last read", _when(place.read_at, "not in the last day")
    yield "last written", "\n".join(map(_written, place.writes)) or "never"


def _when(at: datetime | None, never: str) -> str:
    return never if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _written(entry: JournalEntry) -> str:
    fields = ", ".join(change.field for change in entry.changes)
    by = f" by {entry.by}" if entry.by else ""
    return f"{entry.intended_at:%m-%d %H:%M} {entry.action}{by}: {fields} ({WRITES[entry.state]})"


def _show_fields(fields: Sequence[Ruling]) -> None:
    """On a narrow terminal the rules stand below the values, each once."""
    title, columns = "The rule behind every field", ["field", "Syncro has", "Entra has"]
    if not fields or stdout().width >= WIDE:
        rows = ((each.field, each.before, each.after, _ruled(each)) for each in fields)
        print_table(title, [*columns, "rule, why"], rows, empty="")
        return
    rules = list(dict.fromkeys(map(_ruled, fields)))
    lines = ((each.field, each.before, each.after, str(rules.index(_ruled(each)) + 1)) for each in fields)
    print_table(title, [*columns, "rule"], lines, empty="", whole="field")
    for number, rule in enumerate(rules, 1):
        say(f"rule {number}: {rule}")


def _ruled(ruling: Ruling) -> str:
    return f"{'written' if ruling.changes else 'stays'}, {ruling.rule.value}: {ruling.why}"


def _about_all(told: Explained) -> Iterator[str]:
    for entry in told.unlinked:
        yield f"In the journal of contact {told.contact_id}: {_written(entry)}"
    for each in told.unasked:
        yield f"{each.customer_name} (customer {each.customer_id}) could not be asked. {words_of(each.error)}"
    if told.stopped:
        yield stop_sentence(told.stopped)


def _nobody(told: Explained) -> str:
    if told.contact_id is not None:
        return (
            f"Contact {told.contact_id} is linked to nobody, and no user of its customer has its address; nobody's "
            "change writes it."
        )
    return (
        f"No connected tenant knows {told.asked}. Check the address or the object id in the Entra admin center; a user "
        "made a moment ago may take a minute to appear."
    )
