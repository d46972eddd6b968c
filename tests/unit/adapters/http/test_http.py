"""What a lost connection means, and what a Retry-After says. The socket itself is tested in tests/integration."""

from __future__ import annotations

from unittest.mock import Mock

import aiohttp
import pytest

from shared.adapters.http import Answer, Request, retry_after
from shared.adapters.http_session import lost
from shared.domain.errors import Ambiguous, Transient

KEY = Mock(host="vendor.example", port=443, ssl=True)
GET = Request("syncro", "GET", "https://vendor.example/contacts?email=someone@example.com", "/contacts")
POST = Request("syncro", "POST", "https://vendor.example/contacts?secret=1", "/contacts", repeatable=False)

NOT_SENT: list[BaseException] = [
    aiohttp.ClientConnectorError(KEY, OSError(111, "refused")),
    aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "unknown")),
    aiohttp.ConnectionTimeoutError("slow"),
    aiohttp.InvalidURL("nonsense"),
]
AFTER_SENDING: list[tuple[BaseException, str]] = [
    (aiohttp.ServerDisconnectedError(), "connection_lost"),
    (aiohttp.ClientOSError(104, "reset"), "connection_lost"),
    (aiohttp.ClientPayloadError("cut"), "connection_lost"),
    (aiohttp.SocketTimeoutError("slow"), "timed_out"),
    (TimeoutError(), "timed_out"),
]


@pytest.mark.parametrize("error", NOT_SENT, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("request_", [GET, POST], ids=["read", "write"])
def test_what_never_left_is_plainly_transient(error: BaseException, request_: Request) -> None:
    failure = lost(request_, error)
    assert type(failure) is Transient
    assert failure.code == "unreachable"


@pytest.mark.parametrize(("error", "code"), AFTER_SENDING, ids=lambda value: getattr(value, "code", str(value)))
def test_a_lost_answer_is_ambiguous_only_for_what_must_not_be_repeated(error: BaseException, code: str) -> None:
    assert (type(lost(GET, error)), lost(GET, error).code) == (Transient, code)
    assert (type(lost(POST, error)), lost(POST, error).code) == (Ambiguous, code)


@pytest.mark.parametrize(
    "error", [*NOT_SENT, *(error for error, _ in AFTER_SENDING)], ids=lambda error: type(error).__name__
)
def test_no_address_query_or_foreign_text_is_in_an_error(error: BaseException) -> None:
    for request in (GET, POST):
        shown = str(lost(request, error))
        assert "example" not in shown
        assert "secret" not in shown
        assert "/contacts" in shown


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2.128", 2.128),
        ("3", 3.0),
        ("0", 0.0),
        ("", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e12", 86_400.0),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}) == seconds


def test_no_retry_after_is_none() -> None:
    assert retry_after({}) is None


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"cut', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_no_document(body: bytes) -> None:
    assert Answer(200, {}, body).document is None


def test_an_answer_does_not_show_its_body() -> None:
    assert "someone" not in repr(Answer(200, {}, b'{"mail":"someone@example.com"}'))
