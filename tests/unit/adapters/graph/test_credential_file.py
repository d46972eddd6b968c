"""A credential in a file: when it is looked at, what is taken, and what a file that cannot be used leaves as it was."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.adapters.graph.credential_file import EVERY_SECONDS, SETTLED_SECONDS, CredentialFile
from shared.adapters.graph.credentials import ClientSecret, Credential
from tests.support.clock import FixedClock


class Bench:
    """A secret in a file; one that begins with "broken" cannot be used."""

    def __init__(self, file: Path) -> None:
        self.file, self.clock, self.reads = file, FixedClock(), 0
        self.age = 60.0  # seconds since the file was changed, at each look
        self.fault: Exception | None = None
        self.at_the_read: Callable[[], object] = bool
        file.write_text("first")
        self.credential = CredentialFile(
            file, ClientSecret("first"), self._read, monotonic=self.clock.monotonic, now=self._now
        )

    def in_use(self, seconds: float = EVERY_SECONDS) -> object:
        """What proves us so much later."""
        self.clock.advance(seconds)
        return self.credential.for_msal()

    def _now(self) -> float:
        return (self.file.stat().st_mtime if self.file.exists() else 0.0) + self.age

    def _read(self) -> Credential | str:
        self.reads += 1
        if self.fault is not None:
            raise self.fault
        if not self.file.exists():
            return "there is no file"
        text = self.file.read_text()
        self.at_the_read()
        return "it is broken" if text.startswith("broken") else ClientSecret(text)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "secret")


@pytest.fixture
def said() -> Iterator[list[MutableMapping[str, Any]]]:
    with capture_logs() as logs:
        yield logs


def test_a_new_file_is_taken_within_a_minute_and_an_old_one_is_not_read_again(bench: Bench) -> None:
    assert bench.in_use(1) == "first"
    bench.file.write_text("second")
    assert bench.in_use(EVERY_SECONDS - 2) == "first"
    assert bench.in_use(1) == bench.in_use() == bench.in_use() == "second"
    assert bench.reads == 1
    assert bench.credential.held == ClientSecret("second")


def test_what_changed_between_the_settings_and_the_first_look_is_not_missed(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "secret")
    bench.file.write_text("other")
    assert bench.in_use() == "other"


def test_a_file_renamed_over_the_old_one_is_another_although_it_is_as_long_and_as_old(bench: Bench) -> None:
    assert bench.in_use() == "first"
    new = bench.file.with_name("new")
    new.write_text("other")
    was = bench.file.stat()
    os.utime(new, ns=(was.st_atime_ns, was.st_mtime_ns))
    new.replace(bench.file)
    assert bench.in_use() == "other"


@pytest.mark.parametrize("how", ["broken", "gone"])
def test_a_file_that_cannot_be_used_changes_nothing_is_said_once_and_tried_again(
    bench: Bench, said: list[MutableMapping[str, Any]], how: str
) -> None:
    assert bench.in_use() == "first"
    if how == "gone":
        bench.file.unlink()
    else:
        bench.file.write_text("broken half")
    assert bench.in_use() == bench.in_use() == "first"
    bench.file.write_text("second")
    assert bench.in_use() == "second"
    events = [event["event"] for event in said]
    assert events == ["credential_file_unusable", "credential_file_taken"]
    assert "broken half" not in str(said)
    assert "second" not in str(said)


def test_the_same_content_written_anew_is_nothing_to_tell(bench: Bench, said: list[MutableMapping[str, Any]]) -> None:
    assert bench.in_use() == "first"
    bench.file.write_text("first")
    assert bench.in_use() == "first"
    assert said == []


def test_what_changed_just_now_is_left_for_the_next_look(bench: Bench) -> None:
    """Of a secret nobody can see that it is half of one."""
    bench.file.write_text("sec")
    for bench.age in (0.0, SETTLED_SECONDS - 0.1, -1.0):  # the last: the file is on a machine whose clock is ahead
        assert bench.in_use() == "first"
    assert bench.reads == 0
    bench.file.write_text("second")
    bench.age = SETTLED_SECONDS + 0.1
    assert bench.in_use() == "second"


def test_what_changes_while_it_is_read_is_left_for_the_next_look(bench: Bench) -> None:
    bench.file.write_text("sec")
    bench.at_the_read = lambda: bench.file.write_text("second")
    assert bench.in_use() == "first"
    bench.at_the_read = bool
    assert bench.in_use() == "second"


def test_a_fault_of_the_reading_leaves_the_one_before_in_use_and_is_logged(
    bench: Bench, said: list[MutableMapping[str, Any]]
) -> None:
    bench.fault = ZeroDivisionError("s3cret")
    bench.file.write_text("second")
    assert bench.in_use() == bench.in_use() == "first"
    (event,) = said
    assert (event["event"], event["why"]) == ("credential_file_unusable", "reading it failed (ZeroDivisionError)")
    bench.fault = None
    assert bench.in_use() == "second"
