"""Credentials as MSAL takes them: what is fetched afresh, what is tried again, and no value in sight."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
import requests

from shared.adapters.graph import managed_identity
from shared.adapters.graph.auth import TokenSource
from shared.adapters.graph.credentials import AssertionFile, ClientCertificate, ClientSecret
from shared.adapters.graph.managed_identity import ManagedIdentity
from shared.domain.errors import Scope, StopTheLine, Transient

AUDIENCE = "api://AzureADTokenExchange"
GUID = "11111111-2222-4333-8444-555555555555"


def test_no_credential_shows_its_value() -> None:
    assert "hidden" not in repr(ClientSecret("hidden"))
    assert "hidden" not in repr(ClientCertificate("hidden-key", "hidden-certificate"))


def test_a_certificate_is_given_without_a_thumbprint() -> None:
    """With one, MSAL would sign by SHA-1."""
    assert ClientCertificate("key", "cert").for_msal() == {"private_key": "key", "public_certificate": "cert"}


def test_an_assertion_is_read_at_every_use(tmp_path: Path) -> None:
    file = tmp_path / "assertion"
    file.write_text("first.a.b\n")
    ask = AssertionFile(file).for_msal()["client_assertion"]
    assert ask() == "first.a.b"
    file.write_text("second.a.b\n")
    assert ask() == "second.a.b"


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe", b"x" * 70_000])
def test_without_an_assertion_the_account_stops(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "assertion"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(StopTheLine) as failure:
        AssertionFile(file).read()
    assert (failure.value.code, failure.value.scope) == ("assertion_unreadable", Scope.ACCOUNT)
    assert str(tmp_path) not in str(failure.value)


async def test_what_an_assertion_says_reaches_the_caller_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not as "the sign-in service is away", which would be waited for in vain."""

    class Application:
        def __init__(self, app_id: str, *, client_credential: Any, **_: object) -> None:
            self._ask = client_credential["client_assertion"]

        def acquire_token_for_client(self, scopes: list[str]) -> object:
            return self._ask()

    monkeypatch.setattr("msal.ConfidentialClientApplication", Application)
    source = TokenSource("app", AssertionFile(tmp_path / "absent"))
    with pytest.raises(StopTheLine) as failure:
        await source.token("t")
    await source.aclose()
    assert failure.value.code == "assertion_unreadable"


Reply = Exception | tuple[int, object]


@dataclass
class Platform:
    """Stands for the session to a platform's identity service: unmodified MSAL asks it."""

    replies: Iterable[Reply] = ()
    asked: list[dict[str, str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get(self, url: str, *, params: dict[str, str], headers: dict[str, str]) -> requests.Response:
        self.asked.append({"url": url, **params})
        reply = next(iter(self.replies))
        if isinstance(reply, Exception):
            raise reply
        answer = requests.Response()
        answer.status_code, body = reply
        answer._content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return answer


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Platform:
    standing = Platform()
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IMDS_ENDPOINT", "MSI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(managed_identity, "_platform_session", lambda: standing)
    return standing


def good(token: str, seconds: int = 86_400) -> tuple[int, object]:
    return 200, {"access_token": token, "expires_in": str(seconds), "resource": AUDIENCE, "token_type": "Bearer"}


def identity(client_id: str = "") -> tuple[ManagedIdentity, list[float]]:
    waits: list[float] = []
    return ManagedIdentity(AUDIENCE, client_id, sleep=waits.append), waits


@pytest.mark.parametrize(("client_id", "named"), [("", None), (GUID, GUID)])
def test_the_token_of_a_managed_identity_is_our_assertion(
    platform: Platform, client_id: str, named: str | None
) -> None:
    platform.replies = iter([good("their-token")])
    one, waits = identity(client_id)
    assert one.for_msal()["client_assertion"]() == "their-token"
    (asked,) = platform.asked
    assert (asked["resource"], asked.get("client_id")) == (AUDIENCE, named)
    assert waits == []


def test_it_is_kept_as_long_as_it_lives(platform: Platform) -> None:
    platform.replies = iter([good("first"), good("second")])
    one, _ = identity()
    assert [one.read(), one.read()] == ["first", "first"]
    assert len(platform.asked) == 1


@pytest.mark.parametrize(
    "trouble", [requests.ConnectTimeout("away"), requests.HTTPError("status 429"), (200, b"<html>")], ids=str
)
def test_a_service_that_is_unwell_is_asked_again(platform: Platform, trouble: Reply) -> None:
    platform.replies = iter([trouble, trouble, good("at-last")])
    one, waits = identity()
    assert one.read() == "at-last"
    assert len(platform.asked) == 3
    assert waits == [0.5, 2.0]


def test_it_is_not_asked_for_ever(platform: Platform) -> None:
    platform.replies = iter([requests.ConnectionError("hidden address")] * 9)
    one, waits = identity()
    with pytest.raises(Transient) as failure:
        one.read()
    assert failure.value.code == "managed_identity_unavailable"
    assert len(platform.asked) == len(waits) + 1 == 3
    assert "hidden" not in str(failure.value)
    assert failure.value.__context__ is None or "hidden" not in str(failure.value.__context__)


def test_a_machine_without_the_identity_stops_the_account_at_once(platform: Platform) -> None:
    platform.replies = iter([(400, {"error": "invalid_request", "error_description": "Identity not found"})])
    one, waits = identity(GUID)
    with pytest.raises(StopTheLine) as failure:
        one.read()
    assert (failure.value.code, failure.value.scope) == ("managed_identity_refused", Scope.ACCOUNT)
    assert waits == []
