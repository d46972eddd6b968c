"""Approving without a code: the latest preview in one sentence, and a question.

Whoever is no person at a terminal names the code, or says beforehand with `--yes` that the preview was read. A plan
that was shown to nobody needs its own preview first. Next: `console/operations/previews.py`.
"""

from __future__ import annotations

import sys

import typer

from console import operations
from console.cli.context import operate
from console.cli.output import complain
from console.cli.preview import WORDS
from console.operations import LatestPreview
from console.operations.cleanness import outcomes, remembered
from console.operations.errors import held, wrong_use


def agreed(context: typer.Context, customer: int, *, yes: bool) -> str:
    """The code of the latest preview, once a person said yes to it. Standard output stays a document."""
    latest = operate(context, lambda ports: operations.latest_preview(ports, customer))
    code = latest.approval.digest
    if yes:
        return code
    if not sys.stdin.isatty():
        raise wrong_use(
            f"Nobody can be asked here. Name the preview's code: entra-syncro customers approve {customer} {code} "
            "(or say --yes for the latest preview)."
        )
    complain(sentence(latest))
    if not typer.confirm("Approve this?", err=True):
        raise held(f"Nothing was approved. Look at the plan: entra-syncro preview --customer {customer}")
    return code


def sentence(latest: LatestPreview) -> str:
    summary = latest.approval.summary
    counts = ", ".join(f"{count} {WORDS.get(outcome, outcome)}" for outcome, count in outcomes(summary).items())
    found = remembered(summary)
    mind = "".join(f" Mind: {each}." for each in (found.sentences() if found is not None else ()))
    minutes = int(latest.age.total_seconds() // 60)
    return f"{latest.customer_name}: preview {latest.approval.digest}, {minutes} min old: {counts or 'no users'}.{mind}"
