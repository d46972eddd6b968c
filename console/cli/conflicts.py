"""`entra-syncro conflicts list|show|resolve|reopen`: users whose contact is a question, and a person's answer.

A link and a creation are shown first and done with the code that was shown; leaving a question alone is done at once.
Next: `console/operations/conflicts.py` and `resolving.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from console import operations
from console.cli.answering import document, follow, left_document, say_left, told
from console.cli.context import acting, operate
from console.cli.output import Json, print_json, print_table, say
from console.cli.sync import OneCustomer, Watch
from console.operations import Answer, OperatorPorts, Question, ShownCandidate, ShownConflict, Standing
from console.operations.errors import wrong_use

app = typer.Typer(no_args_is_help=True, help="Users whose contact a person must choose.")

Customer = Annotated[int, typer.Argument(help="Syncro's number of the customer.")]
User = Annotated[str, typer.Argument(help="The Entra user (object id, as the list shows it).")]
SHARED_CURE = "Let each customer take its part of the tenant: entra-syncro customers policy set {0} domains=DOMAIN"


@app.command("list")
def list_(
    context: typer.Context,
    customer: OneCustomer = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what people left alone.")] = False,
    as_json: Json = False,
) -> None:
    """List users whose contact a person must choose.

    Example: entra-syncro conflicts list --customer 34288071
    """
    found = operate(context, lambda ports: operations.conflicts(ports, customer, include_left=everything))
    if as_json:
        print_json(found)
        return
    print_table(
        "Conflicts",
        ["user, customer", "question, contacts (likeliest first)"],
        ((_who(each), "\n".join((_what(each), *map(_candidate, each.candidates)))) for each in found),
        whole="user, customer",
        empty="No user waits for a person's choice. Of a customer that waits for approval, its preview says who does.",
    )
    waiting = next((each for each in found if each.standing is Standing.OPEN), None)
    if waiting is not None:
        say(f"Look at one: entra-syncro conflicts show {waiting.customer_id} {waiting.user_id}")


@app.command()
def show(context: typer.Context, customer: Customer, user: User, as_json: Json = False) -> None:
    """Show one user's question and every answer to it.

    Example: entra-syncro conflicts show 34288071 84bd8158-6d4d-4958-8b9f-9d6445542f95
    """
    found = operate(context, lambda ports: operations.conflict(ports, customer, user))
    if as_json:
        print_json(found)
        return
    say(f"{found.user_label} ({found.user_id}) at {found.customer_name} ({customer}): {found.reason}.")
    print_table(
        "Contacts in question, the likeliest first",
        ["contact", "name, e-mail", "agrees in", "linked to"],
        (
            (each.contact_id, "\n".join(filter(None, (each.label, each.email))), ", ".join(each.because), each.holder)
            for each in found.candidates
        ),
        whole="contact",
        empty="No contact is in question: several users claim an address that no contact has yet.",
    )
    for sentence in answers(found):
        say(sentence)


@app.command()
def resolve(
    context: typer.Context,
    customer: Customer,
    user: User,
    contact: Annotated[int | None, typer.Option("--contact", help="This contact is the user's.")] = None,
    new: Annotated[bool, typer.Option("--create", help="None of them is: make a contact.")] = False,
    dismiss: Annotated[bool, typer.Option("--dismiss", help="Leave it alone until another contact comes up.")] = False,
    why: Annotated[str, typer.Option(help="For whoever asks later; needed with --dismiss.")] = "",
    code: Annotated[
        str | None, typer.Option("--apply", metavar="CODE", help="Do what was shown under this code.")
    ] = None,
    watch: Watch = True,
    as_json: Json = False,
) -> None:
    """Choose a user's contact. Shows what would be written; --apply CODE does it.

    Example: entra-syncro conflicts resolve 34288071 84bd8158-6d4d-4958-8b9f-9d6445542f95 --contact 90117723
    """
    if (contact is not None) + new + dismiss != 1:
        raise wrong_use("Say one of --contact NUMBER, --create or --dismiss.")
    by = acting(context)
    if dismiss:
        if code is not None:
            raise wrong_use("--dismiss writes nothing to Syncro and needs no code: leave out --apply.")
        left = operate(context, lambda ports: operations.leave_alone(ports, customer, user, by=by, why=why))
        say_left(left, as_json=as_json)
        return
    answer = operate(context, lambda ports: _answer(ports, customer, user, contact, code, by, why))
    if as_json:
        print_json(document(answer))
    else:
        for sentence in told(answer):
            say(sentence)
        if answer.started is not None and watch:
            follow(context, answer)


@app.command()
def reopen(context: typer.Context, customer: Customer, user: User, as_json: Json = False) -> None:
    """Take back what was chosen for a user, and look again.

    That is a creation still to come, or leaving the question alone.

    Example: entra-syncro conflicts reopen 34288071 84bd8158-6d4d-4958-8b9f-9d6445542f95
    """
    by = acting(context)
    asked = operate(context, lambda ports: operations.ask_again(ports, customer, user, by=by))
    if as_json:
        print_json(left_document(asked))
        return
    say(f"What was chosen for user {asked.user_id} is taken back{_was(asked.why)}.")
    if asked.started is not None:
        say(f"The user is looked at now (run {asked.started.run_id}). Then: entra-syncro conflicts list")
    else:
        say(f"Look at the plan: entra-syncro preview --customer {customer}")


async def _answer(
    ports: OperatorPorts, customer: int, user: str, contact: int | None, code: str | None, by: str, why: str
) -> Answer:
    if contact is not None:
        if code is None:
            return await operations.plan_link(ports, customer, user, contact)
        return await operations.link_user(ports, customer, user, contact, code, by=by)
    if code is None:
        return await operations.plan_create(ports, customer, user, by=by, why=why)
    return await operations.create_for(ports, customer, user, code, by=by, why=why)


# --- the list and one question ------------------------------------------------------------------------------------


def _who(each: ShownConflict) -> str:
    name = [each.user_label] if each.user_label != each.user_id else []
    return "\n".join((*name, each.user_id, f"{each.customer_name} ({each.customer_id})"))


def _what(each: ShownConflict) -> str:
    lines = [f"{each.question.value}, since {each.since:%Y-%m-%d}" if each.since else each.question.value]
    if each.question is Question.SHARED:
        lines.append(f"also at {', '.join(each.others)}")
    elif each.standing is Standing.OPEN:
        lines.append(each.reason)
    if each.standing is Standing.LEFT:
        lines.append(f"left alone by {each.left_by}: {each.why}")
    return "\n".join(lines)


def _candidate(each: ShownCandidate) -> str:
    because = f" ({', '.join(each.because)})" if each.because else ""
    return f"contact {each.contact_id}{because}"


def answers(found: ShownConflict) -> Iterator[str]:
    """Each answer as a command to copy, the likeliest contact in it."""
    resolve_it = f"entra-syncro conflicts resolve {found.customer_id} {found.user_id}"
    if found.standing is Standing.LEFT:
        yield f"{found.left_by} left it alone: {found.why}. Nobody asks about it until another contact comes up."
        yield f"To be asked again: entra-syncro conflicts reopen {found.customer_id} {found.user_id}"
        return
    if found.question is Question.SHARED:
        yield f"The user has a contact at {', '.join(found.others)} too, and each is billed by itself."
        yield SHARED_CURE.format(found.customer_id)
        yield f'If both are right: {resolve_it} --dismiss --why "works for both"'
        return
    for each in found.candidates:
        if not each.is_free:
            yield f"Contact {each.contact_id} is {each.holder}'s; it can be linked once Entra has deleted that user."
    free = next((each.contact_id for each in found.candidates if each.is_free), None)
    if free is not None:
        yield f"One of them is this user's: {resolve_it} --contact {free}"
    yield f"None of them is, make a contact: {resolve_it} --create"
    yield f'Leave it alone: {resolve_it} --dismiss --why "..."'


def _was(why: str) -> str:
    return f" (it was: {why})" if why else ""
