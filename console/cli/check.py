"""`entra-syncro check`: the doctor. Every organ with its findings, the worst first, each with who does what where.

Nothing is written, save to a contact that `--probe-contact` names, and that is put back. Exit code 1 on any red line.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from console.cli.context import acting, operate
from console.cli.output import Json, print_json, say, stdout
from console.operations.check import ProbeWish
from console.operations.check import check as examine
from console.operations.errors import wrong_use
from shared.domain.findings import Checkup, Finding, Level, Organ

NARROW, WIDE = 60, 100  # columns of a line; a sentence longer than the second is hard to read
FEW = 5  # customers named in one line
COMMAND = re.compile(r"entra-syncro(?: [a-z-]+){1,2}(?: (?:--[a-z-]+|[A-Z-]{2,}|\d+))*")
STEP = re.compile(r"\n| (?=[1-9]\. )")
SIGNS = {Level.RED: "RED", Level.YELLOW: "YELLOW", Level.GREEN: "ok"}


def check(
    context: typer.Context,
    customer: Annotated[
        int | None, typer.Option(help="Look at this customer alone, and closely (its contacts and users are read).")
    ] = None,
    probe_contact: Annotated[
        int | None,
        typer.Option(help="Syncro's number of a contact made for this: its fields are written, read and put back."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="The probe may take a contact of a connected customer.")] = False,
    as_json: Json = False,
) -> None:
    """Look at all that is needed and say who must do what. Writes nothing without --probe-contact.

    Example: entra-syncro check --customer 34288071
    """
    if yes and probe_contact is None:
        raise wrong_use("--yes goes with a probe: entra-syncro check --probe-contact ID --yes")
    wish = None if probe_contact is None else ProbeWish(probe_contact, yes=yes, by=acting(context))
    found = operate(context, lambda ports: examine(ports, customer=customer, wish=wish), lazy=True)
    if as_json:
        print_json(document(found))
    else:
        show(found)
    if found.red:
        raise typer.Exit(1)


def document(found: Checkup) -> dict[str, object]:
    """The JSON form; its keys stay as they are."""
    return {"findings": [_row(finding) for finding in found.findings], "red": found.red, "yellow": found.yellow}


def _row(finding: Finding) -> dict[str, object]:
    row: dict[str, object] = {"level": finding.level, "organ": finding.organ}
    if finding.customer is not None:
        row["customer"] = finding.customer
    if finding.tenant is not None:
        row["tenant"] = finding.tenant
    return {**row, "what": finding.what, "cure": finding.cure, "details": finding.details}


def show(found: Checkup) -> None:
    width = max(NARROW, min(WIDE, stdout().width))
    for line in lines(found, width):
        say(line)


def lines(found: Checkup, width: int) -> Iterator[str]:
    """As a person reads them. What is the same for many customers is said once."""
    for cure, alike in _alike(found.findings):
        yield from _paragraph(alike, cure, width)
    many = "" if found.red == 1 else "s"
    if found.red:
        yield f"{found.red} red finding{many}, {found.yellow} yellow. Cure the red first, from the top."
    elif found.yellow:
        yield f"Nothing is red. Yellow: {found.yellow}; it works, though less than it could."
    else:
        yield "All is well."


def _alike(findings: Sequence[Finding]) -> Iterator[tuple[str, list[Finding]]]:
    """Findings with the same words, in their order, and the cure that holds for all of them."""
    groups: dict[tuple[Level, Organ, str, str], list[Finding]] = {}
    for finding in findings:
        cure = finding.cure if finding.customer is None else finding.cure.replace(str(finding.customer), "CUSTOMER")
        groups.setdefault((finding.level, finding.organ, finding.what, cure), []).append(finding)
    for (*_, cure), alike in groups.items():
        yield (cure if len(alike) > 1 else alike[0].cure), alike


def _paragraph(alike: Sequence[Finding], cure: str, width: int) -> Iterator[str]:
    first = alike[0]
    about = _about([finding.subject for finding in alike if finding.subject])
    head = f"{SIGNS[first.level]:<7}{first.organ.value}{about}: {first.what}"
    yield from _wrapped(head, width, first="", rest=" " * 7)
    sign = "-> "
    for step in _steps(cure):
        yield from _wrapped(step, width, first=f"{'':7}{sign}", rest=" " * 13)
        sign = "   "


def _steps(cure: str) -> list[str]:
    """Each numbered step, and each thing of a list, on a line of its own."""
    return [step.strip() for step in STEP.split(cure) if step.strip()]


def _about(subjects: Sequence[str]) -> str:
    if not subjects:
        return ""
    more = f" and {len(subjects) - FEW} more" if len(subjects) > FEW else ""
    return f" of {', '.join(subjects[:FEW])}{more}"


def _wrapped(text: str, width: int, *, first: str, rest: str) -> list[str]:
    """No word and no command is broken: names, addresses and commands are there to be copied."""
    whole = COMMAND.sub(lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    wrapped = textwrap.wrap(
        whole, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in wrapped]
