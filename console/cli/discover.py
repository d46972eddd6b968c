"""`entra-syncro customers discover`: which tenant each Syncro customer may belong to, shown or written to a file.

Writes nothing but the file that is named, and never over one that is there. Next: `console/cli/importing.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from console import operations
from console.cli.context import operate
from console.cli.files import must_be_writable, write
from console.cli.many_rows import Bar, ask_to_sign_in, facts_of
from console.cli.output import Json, plain, print_json, print_table, say
from console.cli.watching import bars
from console.operations import OperatorPorts
from console.operations.errors import wrong_use
from console.operations.import_file import written
from shared.domain.discovery import Discovery, Proposal


def discover(
    context: typer.Context,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write the file that customers import takes.")] = None,
    partner: Annotated[bool, typer.Option("--partner", help="Sign in and use your partner relationships too.")] = False,
    as_json: Json = False,
) -> None:
    """Propose which Entra tenant each Syncro customer belongs to. Writes nothing but the file you name.

    Example: entra-syncro customers discover --csv customers.csv
    """
    if csv_file is not None and csv_file.exists():
        raise wrong_use(f"There is a file {csv_file} already, maybe with your corrections. Name another one.")
    if csv_file is not None:
        must_be_writable(csv_file)
    found = operate(context, lambda ports: _discovered(ports, partner=partner))
    if csv_file is not None:
        write(csv_file, written(found))
    if as_json:
        proposals = [{**facts_of(each), "is_plain": each.is_plain} for each in found.proposals]
        print_json({"proposals": proposals, "unplaced": plain(found.unplaced), "settled": found.settled})
        return
    _show_discovery(found)
    if csv_file is not None:
        say(f"Written to {csv_file}. Look through it, correct it, then: entra-syncro customers import {csv_file}")
    elif found.proposals:
        say("To connect them, write them to a file first: entra-syncro customers discover --csv customers.csv")


async def _discovered(ports: OperatorPorts, *, partner: bool) -> Discovery:
    if partner:
        await ports.partner.sign_in(ask_to_sign_in)
    related = await ports.partner.customers() if partner else ()
    with bars() as shown:
        bar = Bar(shown, "asking Microsoft about domains")
        return await operations.discover(ports, related=related, expect=bar.expect, told=bar.told)


def _show_discovery(found: Discovery) -> None:
    print_table(
        "Proposals",
        ["customer", "name", "tenant", "by", "why"],
        (
            (each.customer_id, each.customer_name, _tenant(each), each.confidence.value, "\n".join(_whys(each)))
            for each in found.proposals
        ),
        whole=("customer", "tenant"),
        empty="No tenant was found for any customer that is not connected yet.",
    )
    if found.unplaced:
        print_table(
            "Without Entra, or unknown",
            ["customer", "name", "why"],
            ((each.customer_id, each.customer_name, each.why) for each in found.unplaced),
            empty="",
        )
    plain_ones = sum(each.is_plain for each in found.proposals)
    say(
        f"Proposals: {len(found.proposals)}, of them {plain_ones} with nothing to choose. Without a tenant: "
        f"{len(found.unplaced)}. Left out (connected, without Entra or disabled): {found.settled}."
    )


def _tenant(each: Proposal) -> str:
    return f"{each.tenant_id}\n{each.tenant_name}" if each.tenant_name else each.tenant_id


def _whys(each: Proposal) -> Iterator[str]:
    yield each.why
    yield from (f"but {rival}" for rival in each.rivals)
