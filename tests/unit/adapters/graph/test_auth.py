"""Tokens: one acquisition for many callers, what is forgotten and when, and no secret in sight."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import msal
import pytest
import requests

from shared.adapters.graph.auth import TokenSource, roles
from shared.adapters.graph.credentials import ClientSecret
from shared.domain.errors import Scope, StopTheLine, SyncError, Transient
from tests.support.clock import FixedClock

SECRET = "very-secret-value"


class FakeMsal:
    """Stands for MSAL: builds applications that answer by `reply`, keeps what it was built with."""

    def __init__(self) -> None:
        self.built: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.replies: Callable[[str], object] = lambda _: {
            "access_token": f"token-{len(self.asked)}",
            "expires_in": 3599,
        }
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, app_id: str, **options: Any) -> FakeApp:
        self.built.append({"app_id": app_id, **options})
        return FakeApp(self, options["authority"])


class FakeApp:
    def __init__(self, owner: FakeMsal, authority: str) -> None:
        self._owner = owner
        self._authority = authority

    def acquire_token_for_client(self, scopes: list[str]) -> object:
        self._owner.gate.wait(5)
        self._owner.asked.append(f"{self._authority} {scopes[0]}")
        return self._owner.replies(self._authority)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeMsal:
    built = FakeMsal()
    monkeypatch.setattr(msal, "ConfidentialClientApplication", built)
    return built


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
async def tokens(fake: FakeMsal, clock: FixedClock) -> AsyncIterator[TokenSource]:
    source = TokenSource("app", ClientSecret(SECRET), monotonic=clock.monotonic)
    yield source
    await source.aclose()


async def test_concurrent_callers_share_one_acquisition(tokens: TokenSource, fake: FakeMsal) -> None:
    fake.gate.clear()
    callers = [asyncio.create_task(tokens.token("t"), name=f"caller-{number}") for number in range(20)]
    other = asyncio.create_task(tokens.token("u"), name="other")
    await asyncio.sleep(0)
    fake.gate.set()
    assert len(set(await asyncio.gather(*callers))) == 1
    assert await other
    assert sorted(fake.asked) == [
        "https://login.microsoftonline.com/t https://graph.microsoft.com/.default",
        "https://login.microsoftonline.com/u https://graph.microsoft.com/.default",
    ]


async def test_a_cancelled_caller_leaves_the_acquisition_to_the_others(tokens: TokenSource, fake: FakeMsal) -> None:
    fake.gate.clear()
    first = asyncio.create_task(tokens.token("t"), name="first")
    second = asyncio.create_task(tokens.token("t"), name="second")
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    fake.gate.set()
    assert await second == "token-1"
    assert first.cancelled()


async def test_a_token_is_held_for_minutes_then_msal_is_asked_again(
    tokens: TokenSource, fake: FakeMsal, clock: FixedClock
) -> None:
    assert await tokens.token("t") == await tokens.token("t") == "token-1"
    clock.advance(299)
    assert await tokens.token("t") == "token-1"
    clock.advance(2)
    assert await tokens.token("t") == "token-2"
    assert len(fake.built) == 1, "the application, and MSAL's own cache with it, is kept"


async def test_a_replaced_credential_gets_an_application_of_its_own(fake: FakeMsal, clock: FixedClock) -> None:
    """What MSAL remembers, tokens and refusals, was had by the old one."""

    class Replaced:
        value = "old"

        def for_msal(self) -> Mapping[str, Any]:
            return {"private_key": self.value}

    credential = Replaced()
    source = TokenSource("app", credential, monotonic=clock.monotonic)
    await source.token("t")
    credential.value = "new"
    assert await source.token("t") == "token-1", "a token that is held is still good"
    clock.advance(301)
    await source.token("t")
    clock.advance(301)
    await source.token("t")
    assert [built["client_credential"]["private_key"] for built in fake.built] == ["old", "new"]
    await source.aclose()


async def test_a_token_near_its_end_is_not_held(tokens: TokenSource, fake: FakeMsal) -> None:
    fake.replies = lambda _: {"access_token": f"token-{len(fake.asked)}", "expires_in": 200}
    assert await tokens.token("t") == "token-1"
    assert await tokens.token("t") == "token-2"


async def test_renewing_forgets_the_application_and_its_replays(tokens: TokenSource, fake: FakeMsal) -> None:
    stale = await tokens.token("t")
    assert await tokens.renew("t", stale) == "token-2"
    assert len(fake.built) == 2
    assert fake.built[0]["http_cache"] is not fake.built[1]["http_cache"]


async def test_a_token_that_another_caller_has_replaced_is_not_thrown_away(tokens: TokenSource, fake: FakeMsal) -> None:
    stale = await tokens.token("t")
    fresh = await asyncio.gather(*(tokens.renew("t", stale) for _ in range(8)))
    assert set(fresh) == {"token-2"}
    assert len(fake.asked) == 2


async def test_renewing_without_a_stale_token_always_asks(tokens: TokenSource, fake: FakeMsal) -> None:
    await tokens.token("t")
    assert await tokens.renew("t") == "token-2"
    assert await tokens.renew("t") == "token-3"


async def test_a_failure_is_not_remembered_here(tokens: TokenSource, fake: FakeMsal) -> None:
    fake.replies = lambda _: {"error": "unauthorized_client", "error_codes": [700016]}
    with pytest.raises(StopTheLine):
        await tokens.token("t")
    fake.replies = lambda _: {"access_token": "cured", "expires_in": 3599}
    assert await tokens.token("t") == "cured"


def raising(error: Exception) -> Callable[[str], object]:
    def reply(_: str) -> object:
        raise error

    return reply


def unknown_tenant(status: int) -> Callable[[str], object]:
    def reply(_: str) -> object:
        try:
            raise ValueError(f"OIDC Discovery failed on https://x. HTTP status: {status}, Error: {SECRET}")
        except ValueError:
            raise ValueError("Unable to get authority configuration") from None

    return reply


FAILURES: list[tuple[Callable[[str], object], type[SyncError], str, Scope | None]] = [
    (lambda _: {"error": "x", "error_codes": [7000222]}, StopTheLine, "secret_expired", Scope.ACCOUNT),
    (lambda _: {"error": "x", "error_codes": [65001]}, StopTheLine, "consent_missing", Scope.TENANT),
    (unknown_tenant(400), StopTheLine, "tenant_unknown", Scope.TENANT),
    (unknown_tenant(429), Transient, "login_unavailable", None),
    (raising(ValueError("no json")), Transient, "unreadable_answer", None),
    (raising(json.JSONDecodeError("no json", SECRET, 0)), Transient, "unreadable_answer", None),
    (raising(requests.ConnectionError(SECRET)), Transient, "login_unavailable", None),
    (raising(requests.Timeout(SECRET)), Transient, "login_unavailable", None),
    (raising(requests.HTTPError(SECRET)), Transient, "login_unavailable", None),
    (
        raising(msal.exceptions.MsalServiceError("HTTP Error: 503", error=None, error_description=None)),
        Transient,
        "login_unavailable",
        None,
    ),
    (raising(KeyError("token_endpoint")), Transient, "login_unavailable", None),
    (raising(AttributeError("odd")), Transient, "login_unavailable", None),
    (lambda _: None, Transient, "login_unavailable", None),
]


@pytest.mark.parametrize(("reply", "family", "code", "scope"), FAILURES)
async def test_every_failure_has_its_family_and_shows_no_secret(
    tokens: TokenSource,
    fake: FakeMsal,
    reply: Callable[[str], object],
    family: type[SyncError],
    code: str,
    scope: Scope | None,
) -> None:
    fake.replies = reply
    with pytest.raises(family) as failure:
        await tokens.token("t")
    assert failure.value.code == code
    assert getattr(failure.value, "scope", None) == scope
    assert SECRET not in repr(failure.value)
    assert failure.value.__cause__ is None


@pytest.mark.parametrize(
    ("login", "discovery"),
    [
        ("https://login.microsoftonline.com", True),
        ("https://login.microsoftonline.us/", True),
        ("https://login.partner.microsoftonline.cn", True),
        ("https://login.chinacloudapi.cn", True),
        ("https://127.0.0.1:8443", False),
        ("https://login.sovereign.example", False),
    ],
)
async def test_only_known_hosts_are_verified_by_discovery(fake: FakeMsal, login: str, discovery: bool) -> None:
    source = TokenSource("app", ClientSecret(SECRET), login, "https://graph.example/.default", "/nowhere/ca.pem")
    await source.token("t")
    built = fake.built[0]
    assert built["authority"] == f"{login.rstrip('/')}/t"
    assert built["instance_discovery"] is discovery
    assert built["client_credential"] == SECRET
    assert fake.asked[0].endswith(" https://graph.example/.default")
    session = built["http_client"]
    assert session.trust_env is False, "REQUESTS_CA_BUNDLE would override verify"
    assert session.verify == "/nowhere/ca.pem"
    await source.aclose()


def test_a_secret_does_not_show() -> None:
    assert SECRET not in repr(ClientSecret(SECRET))


def token_with(payload: object) -> str:
    return f"e30.{base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip('=')}.sig"


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (token_with({"roles": ["User.Read.All"]}), {"User.Read.All"}),
        (token_with({"roles": ["A", "B"], "tid": "é"}), {"A", "B"}),
        (token_with({}), set()),
        (token_with({"roles": None}), set()),
        (token_with([]), set()),
        ("", set()),
        ("a.b", set()),
        ("a.!!!.c", set()),
        ("a.YWJj.c", set()),
    ],
)
def test_roles(token: str, expected: set[str]) -> None:
    assert roles(token) == expected
