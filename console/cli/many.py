"""`entra-syncro customers discover|import|consent`: many customers at once, from finding their tenants to consent.

Puts the three beside the other commands of `customers`; each lives in a file of its own.
"""

from __future__ import annotations

import typer

from console.cli.consent import consent
from console.cli.discover import discover
from console.cli.importing import import_


def register(app: typer.Typer) -> None:
    app.command()(discover)
    app.command("import")(import_)
    app.command()(consent)
