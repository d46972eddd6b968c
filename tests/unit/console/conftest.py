"""A desk for a test to sit at: the operations' ports on fakes; and a shell, the whole command over such a desk."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from console.cli import Table, main
from console.operations import OperatorPorts
from shared.runtime.sections import OperatorSettings
from tests.support.desk import Desk


@pytest.fixture
async def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered to the shell."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shell:
    """`entra-syncro ARGUMENTS` over a desk, with no settings and no servers. Watch only runs that end at once."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._runner = asyncio.Runner()
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.desk = self._runner.run(_made(folder))
        every_command()  # a command that is loaded later would still find its way to real settings
        for name, module in list(sys.modules.items()):
            if name.startswith("console.cli.") and name != "console.cli.context" and hasattr(module, "operate"):
                monkeypatch.setattr(module, "operate", self._operate)
        monkeypatch.setattr("console.cli.context.settings_of", lambda _: SimpleNamespace(operator=OperatorSettings()))
        monkeypatch.setattr("getpass.getuser", lambda: "ada")

    def __call__(self, *arguments: str) -> Said:
        self._monkeypatch.setattr(sys, "argv", ["entra-syncro", *arguments])
        try:
            main()
        except SystemExit as end:
            code = end.code
        said = self._capsys.readouterr()
        return Said(int(code or 0), said.out, said.err)

    def run(self, act: Awaitable[Any]) -> Any:
        """Something on the desk itself, on the shell's loop."""

        async def awaited() -> Any:
            return await act

        return self._runner.run(awaited())

    def close(self) -> None:
        self._runner.close()

    def _operate(
        self, context: object, action: Callable[[OperatorPorts], Awaitable[Any]], *, lazy: bool = False
    ) -> Any:
        return self.run(action(self.desk.ports))


@cache
def every_command() -> None:
    for name, late in Table.table.items():
        late.load(name)


async def _made(folder: Path) -> Desk:
    return Desk(folder)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    opened = Shell(tmp_path, monkeypatch, capsys)
    yield opened
    opened.close()
