"""Commands that are loaded when they are called: help and `--version` need none of them, and no command the others.

The table itself is `console/cli/__init__.py`; it holds the sentence that the list of commands shows of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, cast

import typer
from typer.main import get_group

from console.cli.stopping import Commands


@dataclass(frozen=True, slots=True)
class Late:
    """Which file of this folder has a command or a group of them, by which name, and the first sentence of its help."""

    module: str
    attribute: str
    summary: str
    hidden: bool = False

    def load(self, name: str) -> Any:
        """The command as the parser knows it."""
        found = getattr(import_module(f"console.cli.{self.module}"), self.attribute)
        parent = typer.Typer(add_completion=False, rich_markup_mode=None)
        if isinstance(found, typer.Typer):
            parent.add_typer(found, name=name, hidden=self.hidden)
        else:
            parent.command(name, hidden=self.hidden)(found)
        return get_group(parent).commands[name]


class LateCommands(Commands):
    """A group whose commands are named in `table` and loaded one by one."""

    table: ClassVar[Mapping[str, Late]] = {}

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = cast(Any, _Loading(self.table))

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.table)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        rows = [(name, late.summary) for name, late in self.table.items() if not late.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class _Loading(Mapping[str, Any]):
    """What the parser takes for the dictionary of commands."""

    def __init__(self, table: Mapping[str, Late]) -> None:
        self._table = table
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = self._table[name].load(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)
