"""How the command line speaks: tables for people, one JSON document for programs, one sentence for an error.

Every reading command takes `--json`. Nothing else of ours writes to standard output.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.domain.records import ConnectionStatus

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


PIPE_WIDTH = 150  # characters of a line when nobody's terminal says how wide it is
BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # they turn the rest of a line round

# What a ledger says of a connection, in the words of technicians.
STATES = {
    ConnectionStatus.PREVIEW: "waiting for approval",
    ConnectionStatus.APPROVED: "approved",
    ConnectionStatus.PAUSED: "paused",
    ConnectionStatus.DISCONNECTED: "disconnected",
}


def stdout() -> Console:
    """As wide as the terminal, or as COLUMNS says where somebody set it; a pipe without either is `PIPE_WIDTH` wide."""
    width = None if sys.stdout.isatty() else shutil.get_terminal_size((PIPE_WIDTH, 24)).columns
    return Console(highlight=False, width=width)


def stderr() -> Console:
    return Console(stderr=True, highlight=False)


def fields_of(value: Any) -> dict[str, object]:
    """The fields of a dataclass as JSON has them, for a document that adds to them or leaves some out."""
    named = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {name: plain(item) for name, item in named.items() if not isinstance(item, bytes)}


def plain(value: object) -> object:
    """Dataclasses, enums, times and paths as JSON has them; bytes never leave."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return fields_of(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):  # a datetime is one too
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items() if not isinstance(item, bytes)}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value if not isinstance(item, bytes)]
    if isinstance(value, bytes):
        return None
    return value


def print_json(value: object) -> None:
    typer.echo(json.dumps(plain(value), ensure_ascii=False, indent=2))


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    empty: str,
    whole: str | Collection[str] = (),
) -> None:
    """Values are printed as plain text: a name in square brackets is no markup.

    `whole`: the columns whose values are there to be copied, never broken into lines.
    """
    made = table(title, columns, rows, whole=whole)
    if made.row_count:
        stdout().print(made)
    else:
        say(empty)


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, whole: str | Collection[str] = ()
) -> Table:
    """The same, for a page that is drawn by somebody else."""
    unbroken = {whole} if isinstance(whole, str) else set(whole)
    made = Table(title=title, title_justify="left", header_style="bold", expand=False)
    for column in columns:
        made.add_column(column, overflow="fold", no_wrap=column in unbroken)
    for row in rows:
        made.add_row(*(Text(harmless(str(cell))) for cell in row))
    return made


def harmless(text: str) -> str:
    """Names come from other people's directories: what would steer a terminal is replaced, all else stays."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _steers(each) else each for each in text)


def _steers(each: str) -> bool:
    return each in BIDI or (unicodedata.category(each) == "Cc" and each not in "\n\t")


def say(sentence: str) -> None:
    """One sentence, never broken into lines: commands and paths in it are there to be copied."""
    stdout().print(Text(harmless(sentence)), soft_wrap=True)


def sentence(text: str, *, bold: bool = False) -> Text:
    """The same, for a page that is drawn by somebody else."""
    return Text(harmless(text), style="bold" if bold else "")


def complain(sentence: str) -> None:
    """One sentence on standard error, above the bars if some are shown: they stand in for `sys.stderr` meanwhile."""
    sys.stderr.write(f"{harmless(sentence)}\n")
