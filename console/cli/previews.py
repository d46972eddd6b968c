"""`entra-syncro preview --all`: one line per customer that waits for approval, with its code; and who failed and why.

Each customer was previewed as by its own command. Next: `entra-syncro customers approve --all --only-clean`, which
approves those whose plan overwrites nothing.
"""

from __future__ import annotations

import typer

from console import operations
from console.cli.context import operate
from console.cli.explain import explain
from console.cli.output import print_json, print_table, say
from console.cli.watching import bars
from console.operations import ManyPreviews, OperationError, OperatorPorts, ShownPreview
from console.operations.preview_many import NotPreviewed, PreviewedCustomer
from shared.domain.changes import Conflict, CreateContact, Excluded, UpdateContact


def preview_many(context: typer.Context, *, as_json: bool) -> None:
    """Raises OperationError (code 1) when a customer could not be previewed."""
    found = operate(context, _previewed)
    if as_json:
        print_json(_document(found))
    else:
        _show(found)
    if found.failed:
        raise OperationError("Some customers could not be previewed; the others are not touched by it.")


async def _previewed(ports: OperatorPorts) -> ManyPreviews:
    with bars() as shown:
        bar = shown.add_task("making previews", total=None)
        return await operations.preview_all(
            ports, expect=lambda count: shown.update(bar, total=count), told=lambda: shown.advance(bar)
        )


def creations(shown: ShownPreview) -> int:
    return _count(shown, CreateContact)


def _count(shown: ShownPreview, kind: type) -> int:
    return sum(isinstance(row.plan, kind) for row in shown.preview.rows)


def _show(found: ManyPreviews) -> None:
    print_table(
        "Waiting for approval",
        ["customer", "name", "create", "update", "clean", "code"],
        (_line(each) for each in found.previews),
        whole=("customer", "code"),
        empty="No customer waits for approval.",
    )
    if found.failed:
        rows = ((each.customer_id, each.customer_name, _why(each)) for each in found.failed)
        print_table("Failed", ["customer", "name", "why, and who does what next"], rows, empty="")
    clean = sum(not each.unclean for each in found.previews)
    say(f"Previewed: {len(found.previews)}, of them {clean} clean. Failed: {len(found.failed)}.")
    if clean:
        say("Approve the clean ones: entra-syncro customers approve --all --only-clean")
    if clean < len(found.previews):
        say("Look at each of the others: entra-syncro preview --customer CUSTOMER")


def _line(each: PreviewedCustomer) -> tuple[object, ...]:
    shown = each.shown
    return (
        shown.preview.customer_id,
        shown.connection.customer_name,
        creations(shown),
        _count(shown, UpdateContact),
        "\n".join(each.short) or "yes",
        shown.preview.code,
    )


def _document(found: ManyPreviews) -> dict[str, object]:
    return {
        "previews": [_facts(each) for each in found.previews],
        "failed": [
            {"customer_id": each.customer_id, "customer_name": each.customer_name, "why": _why(each)}
            for each in found.failed
        ],
    }


def _facts(each: PreviewedCustomer) -> dict[str, object]:
    shown = each.shown
    return {
        "customer_id": shown.preview.customer_id,
        "customer_name": shown.connection.customer_name,
        "create": creations(shown),
        "update": _count(shown, UpdateContact),
        "choose": _count(shown, Conflict),
        "left_out": _count(shown, Excluded),
        "is_clean": not each.unclean,
        "unclean": list(each.unclean),
        "syncro_calls": shown.forecast.calls,
        "approval_code": shown.preview.code,
        "saved_contacts": str(shown.saved_contacts),
    }


def _why(each: NotPreviewed) -> str:
    return explain(each.error, each.customer_id) if each.error is not None else each.why
