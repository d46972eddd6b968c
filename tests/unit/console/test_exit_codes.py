"""What `entra-syncro` answers to a shell: 0 done, 1 failed, 2 wrong use, 3 held; and what it says on which stream."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import console.cli
from console.cli import main
from console.operations import OperationError
from console.operations.errors import held, wrong_use
from shared.domain.errors import Permanent, Scope, StopTheLine, Transient
from shared.runtime.settings import SettingsError


def code_of(error: BaseException | None, monkeypatch: pytest.MonkeyPatch) -> int | str | None:
    def app() -> None:
        if error is not None:
            raise error

    monkeypatch.setattr(console.cli, "app", app)
    try:
        main()
    except SystemExit as end:
        return end.code
    return 0


def _caused(error: OperationError, cause: BaseException) -> OperationError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (OperationError("It failed."), 1, ["It failed."]),
        (wrong_use("Not like this."), 2, ["Not like this."]),
        (held("Look at the plan."), 3, ["Look at the plan."]),
        (SettingsError(["syncro.api_token is missing", "graph.app_id is missing"]), 2, ["api_token", "app_id"]),
        (Transient("graph", "timeout"), 1, ["try again"]),
        (Permanent("syncro", "rejected"), 1, ["Syncro refused the values."]),
        (StopTheLine("login", "consent", scope=Scope.TENANT), 1, ["administrator"]),
        (StopTheLine("syncro", "token", scope=Scope.ACCOUNT), 1, ["syncro.api_token"]),
        (Permanent("state", "unsupported_url"), 2, ["ENTRA_SYNCRO_STATE__URL"]),
        (PermissionError(13, "Permission denied"), 1, ["Permission denied"]),
        (ExceptionGroup("unhandled errors", [ExceptionGroup("inner", [held("Look.")])]), 3, ["Look."]),
        (_caused(OperationError("Saved."), Transient("syncro", "timeout")), 1, ["Saved.", "Syncro: timeout"]),
        (KeyboardInterrupt(), 130, []),
        (None, 0, []),
    ],
)  # fmt: skip
def test_every_failure_has_its_code_and_a_sentence_on_standard_error(
    error: BaseException | None,
    code: int,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert code_of(error, monkeypatch) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert all(word in said.err for word in words)
    assert "Traceback" not in said.err


def test_what_nobody_foresaw_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        code_of(ZeroDivisionError(), monkeypatch)


@pytest.mark.parametrize(
    "arguments",
    [
        ["preview"],
        ["preview", "--customer", "seven"],
        ["customers", "approve", "7"],
        ["nonsense"],
        ["customers", "approve"],
        ["customers", "approve", "--all"],
        ["customers", "approve", "--only-clean"],
        ["customers", "approve", "7", "0b9a8ac4", "--all"],
        ["customers", "approve", "7", "0b9a8ac4", "--only-clean"],
        ["customers", "approve", "7", "0b9a8ac4", "--first", "0"],
        ["customers", "approve", "--all", "--only-clean", "--first", "3"],
        ["sync"],
        ["sync", "--customer", "7", "--all"],
        ["sync", "--user", "84bd8158-6d4d-4958-8b9f-9d6445542f95"],
        ["sync", "--all", "--user", "84bd8158-6d4d-4958-8b9f-9d6445542f95"],
        ["reconcile"],
        ["reconcile", "--customer", "7", "--all"],
        ["full-sync"],
        ["runs", "show"],
        ["runs", "list", "--limit", "0"],
        ["runs", "approve"],
        ["runs", "reject", "0b9a8ac4"],
        ["billing-check", "--clear", "0b9a8ac4"],
        ["billing-check", "--customer", "7", "--clear", "0b9a8ac4", "--before", "2026-12-01"],
        ["dead-letters", "replay"],
        ["failed", "replay", "l1", "--all"],
        ["--config", "nowhere.toml", "status"],
    ],
)
def test_wrong_use_is_code_2_before_anything_is_opened(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["entra-syncro", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_missing_settings_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["entra-syncro", "status"])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert "ENTRA_SYNCRO_SYNCRO__API_TOKEN" in said
    assert not list(tmp_path.iterdir())
