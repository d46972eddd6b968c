"""The log chain: one shape for everybody, and no secret comes through it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from shared.runtime.logging import REDACTED, bound_contextvars, configure_logging, hide
from shared.runtime.settings import LogSettings

SECRET = "s3cr3t-value-of-the-tests"


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logging(LogSettings(level="info", format="json"), secrets=[SECRET, "a"], stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("aiohttp.access").disabled = False
    structlog.reset_defaults()


def entries(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_our_events_and_the_libraries_share_one_shape(out: io.StringIO) -> None:
    with bound_contextvars(trace_id="t1"):
        structlog.get_logger("ours").info("post_answered", users=3)
        logging.getLogger("library").warning("lost %s", "connection")
    ours, theirs = entries(out)
    assert (ours["event"], ours["users"], ours["level"], ours["logger"]) == ("post_answered", 3, "info", "ours")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("lost connection", "warning", "library")
    for entry in (ours, theirs):
        assert entry["trace_id"] == "t1"
        assert str(entry["timestamp"]).endswith("Z")


@pytest.mark.parametrize(
    "fields",
    [
        {"api_token": "x" * 10},
        {"authorization": "x"},
        {"nested": {"client_secret": "x" * 10}},
        {"clientState": "k1.abc"},
        {"note": f"it is {SECRET}!"},
        {"several": [f"{SECRET}"]},
        {"note": "Bearer abcdefghijklmnop"},
        {"note": "amqp://user:hunter22@mq:5672/"},
        {"note": "eyJhbGciOiJub25l.eyJzdWIiOiIxMjM0.sig"},
    ],
)
def test_secrets_are_redacted_wherever_they_hide(out: io.StringIO, fields: dict[str, object]) -> None:
    structlog.get_logger("ours").warning("something", **fields)
    text = out.getvalue()
    assert REDACTED in text
    for hidden in (SECRET, "xxxxxxxxxx", "hunter22", "abcdefghijklmnop", "eyJzdWIi", "k1.abc"):
        assert hidden not in text


def test_a_secret_that_is_read_later_is_hidden_from_then_on_beside_those_before(out: io.StringIO) -> None:
    hide("its-successor", "b")
    structlog.get_logger("ours").warning("something", note=f"{SECRET}, then its-successor, by b")
    logging.getLogger("library").warning("its-successor")
    ours, theirs = entries(out)
    assert (ours["note"], theirs["event"]) == (f"{REDACTED}, then {REDACTED}, by b", REDACTED)


def test_counts_and_ids_come_through(out: io.StringIO) -> None:
    structlog.get_logger("ours").info("dropped", client_state=3, tenant_id="t", tokens=2, dropped={"client_state": 1})
    (entry,) = entries(out)
    assert (entry["client_state"], entry["tenant_id"], entry["tokens"]) == (3, "t", 2)
    assert entry["dropped"] == {"client_state": 1}


def test_an_exception_is_its_class_and_frames_never_its_message(out: io.StringIO) -> None:
    for logger in (structlog.get_logger("ours"), logging.getLogger("library")):
        try:
            raise ValueError("Ada Lovelace, +1 555 0100")
        except ValueError:
            logger.exception("went_wrong")
    assert "Lovelace" not in out.getvalue()
    for entry in entries(out):
        assert entry["error_class"] == "ValueError"
        assert "test_logging.py" in str(entry["frames"])


async def test_a_lost_task_is_logged_without_what_its_exception_said(out: io.StringIO) -> None:
    loop, lost = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
    lost.set_exception(ValueError("anna@contoso.example"))
    loop.default_exception_handler(
        {"message": "Task exception was never retrieved", "exception": lost.exception(), "future": lost}
    )
    (entry,) = entries(out)
    assert (entry["event"], entry["error_class"]) == ("Task exception was never retrieved", "ValueError")
    assert "anna" not in out.getvalue()


def test_levels_and_silence(out: io.StringIO) -> None:
    structlog.get_logger("ours").debug("unseen")
    logging.getLogger("aiohttp.access").error("GET /?validationToken=x")
    logging.getLogger("aio_pika").info("chatter")
    assert out.getvalue() == ""
    configure_logging(LogSettings(level="debug"), quiet=True, stream=out)
    structlog.get_logger("ours").info("unseen")
    assert out.getvalue() == ""


def test_the_console_form_is_for_people(out: io.StringIO) -> None:
    configure_logging(LogSettings(format="console"), stream=out)
    structlog.get_logger("ours").info("post_answered", users=3)
    assert "post_answered" in out.getvalue()
    assert "users=3" in out.getvalue()
