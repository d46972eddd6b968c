"""Help and wrong use of every command there is: readable on 80 columns, with an example that really parses."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from console.cli import app

WIDTH = 80
EXAMPLE = "Example: "

Path = tuple[str, ...]


def walk(command: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, (*path, name))


ROOT = get_command(app)
EVERY = dict(walk(ROOT))
GROUPS = [path for path, command in EVERY.items() if hasattr(command, "commands")]
LEAVES = [path for path in EVERY if path not in GROUPS]


def named(path: Path) -> str:
    return " ".join(("entra-syncro", *path))


def shown(*arguments: str) -> Any:
    """`terminal_width`: what the parser leaves of a terminal's 80 columns; its own runner would take all of them."""
    return CliRunner().invoke(app, list(arguments), prog_name="entra-syncro", terminal_width=WIDTH - 2)


def examples(path: Path) -> list[str]:
    lines = (EVERY[path].help or "").splitlines()
    return [line.strip().removeprefix(EXAMPLE) for line in lines if line.strip().startswith(EXAMPLE)]


def test_the_walk_finds_commands_on_every_level() -> None:
    assert {("status",), ("runs", "list"), ("customers", "policy", "set")} <= set(LEAVES)
    assert (("customers", "policy") in GROUPS, len(LEAVES) > 30) == (True, True)


@pytest.mark.parametrize("path", EVERY, ids=named)
def test_help_fits_80_columns_and_names_the_command(path: Path) -> None:
    said = shown(*path, "--help")
    assert said.exit_code == 0
    assert max(map(len, said.output.splitlines())) <= WIDTH
    assert said.output.startswith(f"Usage: {named(path)} ")


@pytest.mark.parametrize("path", EVERY, ids=named)
def test_every_command_begins_with_one_line_that_says_what_it_does(path: Path) -> None:
    summary, _, more = (EVERY[path].help or "").partition("\n")
    assert summary.endswith(".")
    assert not more or more.startswith("\n"), "the summary ends with its line"


@pytest.mark.parametrize("path", GROUPS, ids=named)
def test_a_list_of_commands_cuts_no_summary_off(path: Path) -> None:
    listed = shown(*path, "--help").output.partition("Commands:\n")[2].rstrip().splitlines()
    assert len(listed) == sum(not inner.hidden for inner in EVERY[path].commands.values()), "one line for each"
    assert [line for line in listed if line.endswith("...")] == []


@pytest.mark.parametrize("path", LEAVES, ids=named)
def test_every_option_and_argument_says_what_it_is(path: Path) -> None:
    silent = [each.name for each in EVERY[path].params if each.name != "help" and not (each.help or "").strip()]
    assert silent == []


@pytest.mark.parametrize("path", LEAVES, ids=named)
def test_every_command_shows_an_example_that_parses(path: Path) -> None:
    given = examples(path)
    assert given, f"{named(path)} has no line that begins with {EXAMPLE!r}"
    for line in given:
        words = shlex.split(line)
        assert words[0] == "entra-syncro"
        command, rest = ROOT, words[1:]
        while hasattr(command, "commands"):
            command, rest = command.commands[rest[0]], rest[1:]
        assert command.help == EVERY[path].help, "the example is one of another command"
        command.make_context("example", list(rest))  # raises what the shell would be told


@pytest.mark.parametrize("path", LEAVES, ids=named)
def test_an_unknown_option_is_code_2_with_the_way_to_help(path: Path) -> None:
    said = shown(*path, "--no-such-option")
    assert (said.exit_code, said.stdout) == (2, "")
    assert "--no-such-option" in said.stderr
    assert "--help" in said.stderr


@pytest.mark.parametrize("path", GROUPS, ids=named)
def test_a_group_alone_lists_its_commands(path: Path) -> None:
    said = shown(*path)
    assert all(name in said.output for name, inner in EVERY[path].commands.items() if not inner.hidden)


@pytest.mark.parametrize("path", GROUPS, ids=named)
def test_an_unknown_command_is_code_2_with_the_way_to_help(path: Path) -> None:
    said = shown(*path, "no-such-command")
    assert (said.exit_code, said.stdout) == (2, "")
    assert "no-such-command" in said.stderr
    assert "--help" in said.stderr


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("sta", {"status"}), ("runs ", {"list", "show", "approve", "reject"}), ("status --wa", {"--watch"})],
)
def test_a_shell_is_told_what_may_come_next(
    typed: str, offered: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"entra-syncro {typed}"
    monkeypatch.setenv("_ENTRA_SYNCRO_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - (not words.endswith(" "))))
    with pytest.raises(SystemExit):
        app(prog_name="entra-syncro")
    assert set(capsys.readouterr().out.split()) == offered
