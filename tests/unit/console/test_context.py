"""What every command starts with: settings are read once, however often a command asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.main import get_command

from console.cli import app, context
from shared.runtime.settings import Settings, SettingsError, load_settings


def test_a_command_reads_its_settings_once_and_the_next_command_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read: list[Path | None] = []

    def reading(file: Path | None = None) -> Settings:
        read.append(file)
        return load_settings(file, needs=())

    monkeypatch.setattr(context, "load_settings", reading)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "other.toml"
    command = get_command(app)
    for operator in ("ada", "bob"):
        file.write_text(f'[operator]\nname = "{operator}"\n')
        root = typer.Context(command, info_name="entra-syncro")
        root.params["config"] = str(file)
        of_command = typer.Context(command, parent=typer.Context(command, parent=root))
        assert context.acting(of_command) == operator
        assert context.settings_of(of_command) is context.settings_of(root)
    assert read == [file, file]


def test_settings_that_cannot_be_read_are_not_remembered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    root = typer.Context(get_command(app), info_name="entra-syncro")
    for _ in range(2):
        with pytest.raises(SettingsError):
            context.settings_of(root)
