"""What an answer to a question comes to, as it is shown: the plan, its code, who does what next; and its document.

Next: `console/cli/conflicts.py`, which has the commands.
"""

from __future__ import annotations

from collections.abc import Iterator

import typer

from console.cli.context import operate
from console.cli.output import fields_of, plain, print_json, say
from console.cli.preview import EMPTY, show_lines
from console.cli.watching import done_sentence, watch_run
from console.operations import Act, Answer, Left
from console.operations.errors import held
from shared.domain.records import ConnectionStatus


def told(answer: Answer) -> Iterator[str]:
    name, tied = f"{answer.user_label} ({answer.user_id})", answer.connection
    if answer.act is Act.LINK:
        yield f"{name}: contact {answer.contact_id} ({answer.contact_label}) at {tied.customer_name}."
        if answer.instead_of:
            yield f"It was the contact of user {answer.instead_of}, whom Entra has deleted."
    else:
        yield f"{name}: a contact of its own at {tied.customer_name}."
        if answer.seen:
            yield f"These are not this user's: {', '.join(map(str, answer.seen))}."
    if answer.started is None and answer.changes:
        _show_changes(answer)
    yield answer.sentence
    yield from _next(answer)


def _show_changes(answer: Answer) -> None:
    label = f"{answer.user_label} (new)" if answer.act is Act.CREATE else answer.contact_label
    lines = [
        (label if number == 0 else "", each.field, each.before, each.after, each.why.replace(EMPTY, "F"))
        for number, each in enumerate(answer.changes)
    ]
    show_lines("What would be written", lines, empty="")


def _next(answer: Answer) -> Iterator[str]:
    tied = answer.connection
    if answer.started is not None:
        yield f"Decided. The user is looked at now (run {answer.started.run_id})."
    elif answer.is_decided and tied.status is ConnectionStatus.APPROVED:
        yield "That is decided already; the next look at the user carries it out."
    elif answer.is_decided:
        look = f"entra-syncro preview --customer {tied.customer_id}"
        yield f"Decided; nothing is written for this customer yet. Look at the plan: {look}"
    else:
        how = "--create" if answer.contact_id is None else f"--contact {answer.contact_id}"
        command = f"entra-syncro conflicts resolve {tied.customer_id} {answer.user_id} {how}"
        yield f"Nothing is decided yet. Do it: {command} --apply {answer.code}"


def follow(context: typer.Context, answer: Answer) -> None:
    started = answer.started
    if started is None:
        return
    run = operate(context, lambda ports: watch_run(ports, started))
    say(done_sentence([run]))
    if "held" in run.outcomes:
        raise held("It waits for approval. See what is held, and how it is approved: entra-syncro status")


def document(answer: Answer) -> dict[str, object]:
    """The JSON form: with the customer's number and name, as every document has them."""
    made = fields_of(answer)
    tied = answer.connection
    del made["connection"]
    return {"customer_id": tied.customer_id, "customer_name": tied.customer_name, **made}


def left_document(left: Left) -> dict[str, object]:
    return {
        "customer_id": left.connection.customer_id,
        "customer_name": left.connection.customer_name,
        "user_id": left.user_id,
        "why": left.why,
        "started": plain(left.started),
    }


def say_left(left: Left, *, as_json: bool) -> None:
    if as_json:
        print_json(left_document(left))
        return
    say(f"Left alone: user {left.user_id} at {left.connection.customer_name}. Nothing is written for this user.")
    again = f"entra-syncro conflicts reopen {left.connection.customer_id} {left.user_id}"
    say(f"You are asked again when another contact comes up. To be asked at once: {again}")
