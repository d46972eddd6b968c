"""`entra-syncro customers policy ...`: a customer's rules, and changing them after a look at what that would change.

Rules may come as KEY=VALUE, from a TOML file, or be given back to the deployment (`--unset`). Nothing is written to
Syncro here.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, assert_never

import typer

from console import operations
from console.cli.context import acting, operate
from console.cli.output import Json, print_json, print_table, say, stdout
from console.cli.preview import WIDE
from console.operations import PolicyChange, Wish
from console.operations.errors import held, wrong_use
from console.operations.rules import Rule
from shared.domain.changes import Conflict, CreateContact, Excluded, NoChange, NotYet, Pinned, Plan, UpdateContact
from shared.domain.records import ConnectionStatus

app = typer.Typer(no_args_is_help=True, help="A customer's rules: who gets a contact, which fields.")

Customer = Annotated[int, typer.Argument(help="Syncro's number of the customer.")]
MOST = 40  # changed users that a terminal shows; the counts are always of all


@app.command()
def show(context: typer.Context, customer: Customer, as_json: Json = False) -> None:
    """Show every rule of a customer, and where it comes from.

    Example: entra-syncro customers policy show 34288071
    """
    shown = operate(context, lambda ports: operations.show_policy(ports, customer))
    if as_json:
        rules = {rule.key: {"value": rule.value, "from": _source(rule.own)} for rule in shown.rules}
        print_json({"customer_id": customer, "customer_name": shown.connection.customer_name, "rules": rules})
        return
    _show_rules(f"{shown.connection.customer_name}: rules", shown.rules)
    say(f"Change one: entra-syncro customers policy set {customer} KEY=VALUE (a look comes first, then a question)")


def _show_rules(title: str, rules: Sequence[Rule]) -> None:
    """On a narrow terminal only the customer's own say where they come from."""
    if stdout().width >= WIDE:
        lines = ((rule.key, rule.value or "-", _source(rule.own), rule.about) for rule in rules)
        print_table(title, ["rule", "value", "from", "what it is"], lines, empty="", whole="rule")
        return
    narrow = (("*" * rule.own + rule.key, rule.value or "-", rule.about) for rule in rules)
    print_table(title, ["rule", "value", "what it is"], narrow, empty="", whole="rule")
    own = sum(rule.own for rule in rules)
    say(f"Marked * are this customer's own: {own}. The others are the deployment's ([policy] in the settings).")


@app.command("set")
def set_(
    context: typer.Context,
    customer: Customer,
    rules: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE...", help="Rules, as `show` names them.")
    ] = None,
    unset: Annotated[list[str] | None, typer.Option(metavar="KEY", help="Take the deployment's rule again.")] = None,
    file: Annotated[Path | None, typer.Option(help="A TOML file with rules: custom_mappings, extra_skus, ...")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Save without a question.")] = False,
    as_json: Json = False,
) -> None:
    """Show what other rules would change, then save them. Writes nothing to Syncro.

    Example: entra-syncro customers policy set 34288071 domains=contoso.com authority.title=never --unset cron
    """
    wish = Wish(tuple(rules or ()), tuple(unset or ()), _document(file))
    if wish.is_empty:
        raise wrong_use(f"Say what to change: entra-syncro customers policy set {customer} KEY=VALUE")
    change = operate(context, lambda ports: operations.plan_policy(ports, customer, wish))
    if not as_json:
        _show(change)
    saved = bool(change.keys) and (yes or (not as_json and _asked(customer)))
    if saved:
        operate(context, lambda ports: operations.save_policy(ports, change, by=acting(context)))
    if as_json:
        print_json(_as_document(change, saved=saved))
    elif change.keys:
        _say_next(change, saved=saved)


def _document(file: Path | None) -> Mapping[str, Any] | None:
    if file is None:
        return None
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise wrong_use(f"There is no file {file}.") from None
    except ValueError as error:  # no TOML, or no text at all
        raise wrong_use(f"{file} is no TOML file: {error}") from None


def _asked(customer: int) -> bool:
    if not sys.stdin.isatty():
        raise wrong_use(
            "Nothing was saved: there is no terminal to ask. If this is what you want, say it again with --yes."
        )
    if not typer.confirm("Save these rules?", err=True):
        raise held(f"Nothing was saved. The rules stay: entra-syncro customers policy show {customer}")
    return True


# --- for people ---------------------------------------------------------------------------------------------------


def _show(change: PolicyChange) -> None:
    name = change.connection.customer_name
    if not change.keys:
        say(f"{name} has these rules already; there is nothing to save.")
        return
    print_table(
        f"{name}: rules",
        ["rule", "now", "then"],
        ((key, before or "-", after or "-") for key, (before, after) in change.keys.items()),
        empty="",
        whole="rule",
    )
    print_table(
        f"{name}: what would be done differently",
        ["user", "now", "then"],
        ((row.user_label, told(row.before), told(row.after)) for row in change.rows[:MOST]),
        empty=f"{name}: nothing would be done differently, as things are.",
    )
    if len(change.rows) > MOST:
        say(f"Users not shown here: {len(change.rows) - MOST} (all of them with --json).")
    counts = ", ".join(f"{outcome} {now} -> {then}" for outcome, (now, then) in (change.counts or {}).items())
    say(f"Users for whom something changes: {len(change.rows)}. All users: {counts or 'none'}.")
    if change.lacking:
        say(
            f"The tenant has no such attribute: {', '.join(change.lacking)}. Nothing is written from it. Compare the "
            "name with Entra; if it is right, the app that owns it has to be consented in the customer's tenant."
        )
    if "deleted" in change.keys:
        say("Deleted users are looked up by full syncs alone; they are not among the users above.")


def told(plan: Plan) -> str:
    """A plan in a few words."""
    match plan:
        case CreateContact(changes=changes):
            return f"create with {_fields(changes)}"
        case UpdateContact(changes=changes):
            return f"write {_fields(changes)}"
        case NoChange(contact_id=contact_id):
            return "in step" if contact_id is not None else "nothing to do"
        case Excluded(reason=reason):
            return f"no contact: {reason}"
        case Conflict(reason=reason):
            return f"a person must choose: {reason}" if plan.is_open else f"left alone by {plan.left_by}"
        case Pinned():
            return "locked contact"
        case NotYet():
            return "not yet known"
        case _:
            assert_never(plan)


def _fields(changes: Sequence[Any]) -> str:
    return ", ".join(f'{each.field} "{each.after}"' for each in changes)


def _say_next(change: PolicyChange, *, saved: bool) -> None:
    customer, name = change.connection.customer_id, change.connection.customer_name
    if not saved:
        return
    say(f"Saved. Nothing was written to Syncro for {name} by this.")
    match change.connection.status:
        case ConnectionStatus.APPROVED:
            say("Changes follow these rules from now on, and the next full sync writes the rest. To start one:")
            say(f"entra-syncro sync --customer {customer}")
        case ConnectionStatus.PREVIEW:
            say(f"An earlier approval code is void. Next: entra-syncro preview --customer {customer}")
        case ConnectionStatus.PAUSED:
            say(f"The customer is paused; they hold from: entra-syncro customers resume {customer}")
        case ConnectionStatus.DISCONNECTED:
            say(f"The customer is not connected: entra-syncro customers connect {customer}")
        case _:
            assert_never(change.connection.status)


# --- for programs -------------------------------------------------------------------------------------------------


def _as_document(change: PolicyChange, *, saved: bool) -> dict[str, object]:
    return {
        "customer_id": change.connection.customer_id,
        "customer_name": change.connection.customer_name,
        "saved": saved,
        "rules": {key: {"before": before, "after": after} for key, (before, after) in change.keys.items()},
        "attributes_not_there": list(change.lacking),
        "counts": {key: {"before": now, "after": then} for key, (now, then) in (change.counts or {}).items()},
        "users": [
            {"user_id": row.user_id, "user": row.user_label, "before": told(row.before), "after": told(row.after)}
            for row in change.rows
        ],
    }


def _source(own: bool) -> str:
    return "customer" if own else "deployment"
