"""One log chain for our events and for the libraries' own: UTC, JSON or console, on standard error.

Static event names and ids pass through; secrets do not (a last net: no caller should ever hand one over), and of an
exception only its class and its frames are shown, because messages of libraries may quote a body. The access log of
aiohttp stays off: every POST writes one event of its own (`receiver/webhook.py`).
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, TextIO

import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars, merge_contextvars
from structlog.typing import EventDict, Processor, WrappedLogger

from shared.runtime.settings import LogSettings

__all__ = ["bind_contextvars", "bound_contextvars", "clear_contextvars", "configure_logging", "hide"]

REDACTED = "[redacted]"
_SECRET_KEY = re.compile(
    r"secret|token|password|passwd|authorization|cookie|api_?key|client_?state|credential|private_?key", re.IGNORECASE
)
_IN_TEXT = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), r"\1 " + REDACTED),
    (re.compile(r"(?i)([a-z][a-z0-9+.-]*://)[^/\s:@]*:[^/\s@]+@"), r"\1" + REDACTED + "@"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*)?"), REDACTED),
)
MIN_SECRET = 6  # characters; a shorter "secret" would redact ordinary words
_QUIET_LIBRARIES = ("aiohttp", "aio_pika", "aiormq", "msal", "urllib3", "asyncio", "alembic", "sqlalchemy")


class Redactor:
    """The last net: values under telling names, known secret values anywhere, bearer tokens and URL passwords."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._known: re.Pattern[str] | None = None
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Values that are hidden from now on. From any thread; those before stay hidden."""
        self._secrets |= {secret for secret in secrets if len(secret) >= MIN_SECRET}
        known = sorted(self._secrets, key=len, reverse=True)
        self._known = re.compile("|".join(re.escape(secret) for secret in known)) if known else None

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: self._clean(key, value) for key, value in event.items()}

    def _clean(self, key: str, value: object) -> object:
        if key not in ("event", "_record", "_from_structlog") and _SECRET_KEY.search(key) and not _countable(value):
            return REDACTED
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {str(name): self._clean(str(name), inner) for name, inner in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._clean("", inner) for inner in value]
        return value

    def text(self, value: str) -> str:
        if self._known is not None:
            value = self._known.sub(REDACTED, value)
        for pattern, replacement in _IN_TEXT:
            value = pattern.sub(replacement, value)
        return value


_redactor = Redactor()  # the process has one log; `configure_logging` puts its own here


def hide(*secrets: str) -> None:
    """A secret that is read while we run (its file was replaced) is in no line of the log from now on."""
    _redactor.add(*secrets)


def _countable(value: object) -> bool:
    """Numbers and flags under a telling name ("client_state": 3 dropped) are counts, not secrets."""
    return value is None or isinstance(value, (bool, int, float))


def first_line_only(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """For events of libraries: below its sentence asyncio shows a lost task, what its exception said included."""
    event["event"] = str(event["event"]).partition("\n")[0]
    return event


def frames_only(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by its class and frames: where it happened, never what it said."""
    info = event.pop("exc_info", None)
    error = _exception(info)
    if error is not None:
        event["error_class"] = type(error).__name__
        event["frames"] = [
            f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}:{frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)[-12:]
        ]
    event.pop("stack_info", None)
    return event


def _exception(
    info: bool | BaseException | tuple[type[BaseException], BaseException, TracebackType | None] | None,
) -> BaseException | None:
    if isinstance(info, BaseException):
        return info
    if isinstance(info, tuple):
        return info[1]
    return sys.exc_info()[1] if info else None


def _chain(redactor: Redactor) -> list[Processor]:
    return [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        frames_only,
        redactor,
    ]


def _renderer(style: Literal["json", "console"], stream: TextIO) -> list[Any]:
    if style == "json":
        return [structlog.processors.JSONRenderer(ensure_ascii=False)]
    return [structlog.dev.ConsoleRenderer(colors=stream.isatty())]


def configure_logging(
    wish: LogSettings,
    *,
    quiet: bool = False,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Set up both structlog and the standard library's root logger. Call once, before the first event.

    `quiet` is for commands whose output is the answer itself: warnings and errors only. `secrets` are the values that
    must never be shown (`settings.secret_values()`).
    """
    global _redactor
    out = stream or sys.stderr
    _redactor = Redactor(secrets)
    chain = _chain(_redactor)
    root = logging.getLogger()
    root.handlers[:] = [_handler(wish, chain, out)]
    root.setLevel(max(logging.WARNING, _number(wish.level)) if quiet else _number(wish.level))
    for library in _QUIET_LIBRARIES:
        logging.getLogger(library).setLevel(max(logging.WARNING, root.level))
    logging.getLogger("aiohttp.access").disabled = True
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *chain, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _handler(wish: LogSettings, chain: list[Processor], out: TextIO) -> logging.Handler:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[first_line_only, *chain],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderer(wish.format, out)],
        )
    )
    return handler


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]
