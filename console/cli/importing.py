"""`entra-syncro customers import`: the customers of a file connected, or a consent link for each.

Every line has its result, on the screen, as JSON, or in a file of its own that only its owner may read. Next:
`console/operations/importing.py`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from console import operations
from console.cli.context import acting, operate
from console.cli.files import must_be_writable, write
from console.cli.many_rows import CONSENT_FOR_ALL, PREVIEW_ALL, Bar, counted, facts_of, show_failed, why_of
from console.cli.output import Json, complain, print_json, print_table, say
from console.cli.watching import bars
from console.operations import OperationError, OperatorPorts
from console.operations.errors import wrong_use
from console.operations.import_file import safe_cell
from console.operations.import_wishes import ImportRow, RowResult


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV with the columns customer and tenant (customers discover --csv).")],
    result: Annotated[Path | None, typer.Option(help="Also write the result of every line to this CSV file.")] = None,
    as_json: Json = False,
) -> None:
    """Connect the customers of a file, or make consent links. Run it again after any interruption.

    The tenant is its id (a GUID) or one of its domains; left blank, the customer counts as without Entra.

    Example: entra-syncro customers import customers.csv --result result.csv
    """
    if result is not None and result.resolve() == file.resolve():
        raise wrong_use("The result must go to another file than the one that is imported.")
    if result is not None:
        must_be_writable(result)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise wrong_use(f"The file {file} cannot be read: {error.strerror}.") from None
    done: list[ImportRow] = []
    try:
        rows = operate(context, lambda ports: _imported(ports, content, done, acting(context)))
    except BaseException:  # Ctrl-C too: links that were made are not made again
        if result is not None and done:
            write(result, _result_file(sorted(done, key=lambda row: row.line)), private=True)
            complain(f"Lines with a result so far: {len(done)} (see {result}). Import the same file again to go on.")
        raise
    if result is not None:
        write(result, _result_file(rows), private=True)
    if as_json:
        print_json([facts_of(row) for row in rows])
    else:
        _show_import(rows, result)
    if any(row.result is RowResult.FAILED for row in rows):
        raise OperationError("Some lines failed; correct them and import the same file again: nothing is done twice.")


async def _imported(ports: OperatorPorts, content: bytes, done: list[ImportRow], by: str) -> Sequence[ImportRow]:
    """`done` grows line by line, for whoever is interrupted."""
    with bars() as shown:
        bar = Bar(shown, "importing")
        return await operations.import_customers(
            ports, content, expect=bar.expect, told=bar.told, keep=done.append, by=by
        )


def _show_import(rows: Sequence[ImportRow], result: Path | None) -> None:
    waiting = [row for row in rows if row.result is RowResult.WAITING]
    connected = [row for row in rows if row.result is RowResult.CONNECTED]
    if connected:
        print_table(
            "Connected; nothing is written before you approve",
            ["customer", "name", "tenant calls itself", "domains"],
            ((r.customer_id, r.customer_name, r.tenant_name, ", ".join(r.tenant_domains)) for r in connected),
            empty="",
        )
    for row in waiting if result is None else ():
        say(f"{row.customer_id} {row.customer_name}: {row.link}")
    show_failed(
        (f"{row.line}: {row.customer_id or '?'}", row.customer_name, why_of(row.why, row.error, row.customer_id))
        for row in rows
        if row.result is RowResult.FAILED
    )
    say(f"Lines: {counted(row.result for row in rows)}.")
    if waiting:
        where = f"its link (see {result})" if result is not None else "its link"
        say(f"Send each customer's administrator {where}, or consent for all with one sign-in: {CONSENT_FOR_ALL}")
    if connected:
        say(f"Next: {PREVIEW_ALL}")


def _result_file(rows: Sequence[ImportRow]) -> bytes:
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow(["line", "customer", "name", "tenant", "result", "link", "why"])
    for row in rows:
        name, why = safe_cell(row.customer_name), safe_cell(why_of(row.why, row.error, row.customer_id))
        table.writerow([row.line, row.customer_id or "", name, row.tenant_id, row.result.value, row.link, why])
    return b"\xef\xbb\xbf" + out.getvalue().encode()
