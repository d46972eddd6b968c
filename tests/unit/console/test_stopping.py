"""Ctrl-C at any moment is one sentence and exit code 130; files are refused before the work; complaints are plain."""

from __future__ import annotations

import asyncio
import builtins
import csv
import signal
import sys
from pathlib import Path

import pytest

from console import start
from console.cli.output import stdout
from console.cli.stopping import is_stop
from sandbox.story.msp import MSP
from shared.domain.contact import Customer
from tests.support.desk import CUSTOMER
from tests.support.receiver import OTHER, TENANT
from tests.unit.console.conftest import Shell


@pytest.mark.parametrize(
    ("error", "stops"),
    [
        (KeyboardInterrupt(), True),
        (asyncio.CancelledError(), True),
        (BaseExceptionGroup("", [ValueError(), BaseExceptionGroup("", [KeyboardInterrupt()])]), True),
        (ExceptionGroup("", [ValueError()]), False),
        (SystemExit(2), False),
    ],
)
def test_an_interruption_is_known_wherever_it_surfaces(error: BaseException, stops: bool) -> None:
    assert is_stop(error) is stops


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), BaseExceptionGroup("", [KeyboardInterrupt()]), asyncio.CancelledError()]
)
@pytest.mark.parametrize(
    "arguments",
    [("preview", "--all"), ("customers", "consent", "--partner", "--all"), ("status",), ("customers", "list")],
    ids=" ".join,
)
def test_ctrl_c_is_one_sentence_and_130(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], error: BaseException
) -> None:
    def operate(*_: object, **__: object) -> None:
        raise error

    for name in ("previews", "consent", "status", "customers"):
        monkeypatch.setattr(sys.modules[f"console.cli.{name}"], "operate", operate)
    said = shell(*arguments)
    assert (said.code, said.out, said.err.count("\n")) == (130, "", 1)
    assert "run the same command again" in said.err


def test_an_interrupted_import_leaves_what_was_done_in_its_result_file(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    desk = shell.desk
    for number in (CUSTOMER, 8):
        desk.customers.put(Customer(number, f"Customer {number}"))
    prove = desk.ports.directory.prove

    async def interrupted(tenant_id: str) -> object:
        if tenant_id == OTHER:
            await asyncio.sleep(0.05)
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(60)
        return await prove(tenant_id)

    monkeypatch.setattr(desk.ports.directory, "prove", interrupted)
    path, result = tmp_path / "customers.csv", tmp_path / "result.csv"
    path.write_text(f"customer,tenant\n99,x\n8,{OTHER}\n{CUSTOMER},{TENANT}\n")
    said = shell("customers", "import", str(path), "--result", str(result))
    assert said.code == 130
    assert str(result) in said.err
    rows = list(csv.DictReader(result.read_text(encoding="utf-8-sig").splitlines()))
    assert [row["customer"] for row in rows][-1:] == [str(CUSTOMER)]
    assert "8" not in [row["customer"] for row in rows]


@pytest.mark.parametrize("option", ["discover", "import"])
def test_a_file_without_a_folder_is_refused_before_the_work(shell: Shell, tmp_path: Path, option: str) -> None:
    gone, source = tmp_path / "none" / "x.csv", tmp_path / "customers.csv"
    source.write_text(f"customer,tenant\n7,{TENANT}\n")
    words = ["discover", "--csv", str(gone)] if option == "discover" else ["import", str(source), "--result", str(gone)]
    said = shell("customers", *words)
    assert said.code == 2
    assert said.err == f"The file {gone} cannot be written: its folder does not exist.\n"
    assert shell.desk.world.pace.calls == []


def test_an_unknown_scenario_of_the_sandbox_names_the_known_ones(shell: Shell) -> None:
    said = shell("sandbox", "--scenario", "foo")
    assert (said.code, said.err) == (2, "There is no scenario foo. Known: default, empty, msp.\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("preview", "--customer", "abc"), "whole number"), (("run", "nothing"), "'nothing' is not one of")],
)
def test_a_wrong_argument_is_told_plainly(shell: Shell, arguments: tuple[str, ...], words: str) -> None:
    said = shell(*arguments)
    assert (said.code, words in said.err) == (2, True)
    assert "Value error" not in said.err
    assert "Input" not in said.err


@pytest.mark.parametrize(("columns", "width"), [("90", 90), (None, 150)])
def test_piped_output_is_as_wide_as_columns_says(
    monkeypatch: pytest.MonkeyPatch, columns: str | None, width: int
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert stdout().width == width


def test_ctrl_c_while_the_commands_load_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def loading(name: str, *_: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(builtins, "__import__", loading)
    with pytest.raises(SystemExit) as end:
        start.main()
    monkeypatch.undo()
    assert (end.value.code, capsys.readouterr().err) == (130, "Stopped before anything was done.\n")


def test_some_customers_of_the_simulated_provider_are_clean() -> None:
    plain = [one for one in MSP if not one.trouble and not any("title" in card.properties for card in one.cards)]
    assert 15 <= len(plain) <= 30
