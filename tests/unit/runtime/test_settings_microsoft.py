"""Settings about Microsoft: one credential of four, the clouds, and what consent links are made with."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.domain.credential import CredentialInfo, CredentialKind
from shared.runtime.credential import credential_info
from shared.runtime.settings import CREDENTIAL, SettingsError, load_settings
from tests.support.certificates import certificate_pem, key_pem, rsa_key

GUID = "11111111-2222-4333-8444-555555555555"
NOW = datetime(2027, 3, 1, tzinfo=UTC)
PASSWORD = "correct horse battery"
ALL_FOUR = ("graph.app_secret", "graph.certificate_file", "graph.assertion_file", "graph.managed_identity")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.upper().startswith("ENTRA_SYNCRO_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.pem").write_text(key_pem(rsa_key()) + certificate_pem(rsa_key(), 90, NOW))
    (tmp_path / "locked.pem").write_text(key_pem(rsa_key(), PASSWORD) + certificate_pem(rsa_key(), 90, NOW))
    (tmp_path / "assertion").write_text("e30.e30.x")


def complaint(**overrides: Any) -> str:
    with pytest.raises(SettingsError) as error:
        load_settings(needs=(CREDENTIAL,), **overrides)
    (line,) = error.value.lines
    return line


KINDS: list[tuple[dict[str, str], CredentialKind, datetime | None]] = [
    ({"app_secret": "s"}, CredentialKind.SECRET, None),
    ({"app_secret": "s", "app_secret_expires": "2027-03-31"}, CredentialKind.SECRET, datetime(2027, 3, 31, tzinfo=UTC)),
    ({"certificate_file": "app.pem"}, CredentialKind.CERTIFICATE, NOW + timedelta(days=90)),
    (
        {"certificate_file": "locked.pem", "certificate_password": PASSWORD},
        CredentialKind.CERTIFICATE,
        NOW + timedelta(days=90),
    ),
    ({"assertion_file": "assertion"}, CredentialKind.FEDERATED, None),
    ({"managed_identity": "system"}, CredentialKind.MANAGED_IDENTITY, None),
    ({"managed_identity": GUID}, CredentialKind.MANAGED_IDENTITY, None),
]


@pytest.mark.parametrize(("given", "kind", "ends"), KINDS)
@pytest.mark.parametrize("by_environment", [False, True])
def test_any_one_of_four_is_a_credential(
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, str],
    kind: CredentialKind,
    ends: datetime | None,
    by_environment: bool,
) -> None:
    """By the environment too: GRAPH__CERTIFICATE_FILE and GRAPH__ASSERTION_FILE name no secret to be read for them."""
    if by_environment:
        for name, value in given.items():
            monkeypatch.setenv(f"ENTRA_SYNCRO_GRAPH__{name.upper()}", value)
    graph: Any = {} if by_environment else given
    settings = load_settings(needs=(CREDENTIAL,), graph=graph)
    assert settings.graph.credential is kind
    assert credential_info(settings.graph) == CredentialInfo(kind, ends)


@pytest.mark.parametrize(("in_a_variable", "is_of_the_file"), [(None, True), ("another", False), ("", True)])
def test_where_the_secret_was_read_is_known_so_that_it_can_be_read_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, in_a_variable: str | None, is_of_the_file: bool
) -> None:
    """Not where another source won: the file says something else then."""
    file = tmp_path / "secret"
    file.write_text("in-the-file\n")
    monkeypatch.setenv("ENTRA_SYNCRO_GRAPH__APP_SECRET_FILE", str(file))
    if in_a_variable is not None:
        monkeypatch.setenv("ENTRA_SYNCRO_GRAPH__APP_SECRET", in_a_variable)
    graph = load_settings(needs=(CREDENTIAL,)).graph
    assert graph.app_secret.get_secret_value() == ("in-the-file" if is_of_the_file else "another")
    assert graph.secret_file == (file if is_of_the_file else None)


def test_none_is_one_complaint_that_names_all_four() -> None:
    line = complaint()
    assert line.startswith("graph.app_secret (set ENTRA_SYNCRO_GRAPH__APP_SECRET or ")
    assert "is missing" in line
    assert all(name in line for name in ALL_FOUR)


@pytest.mark.parametrize(
    "two",
    [
        {"app_secret": "hidden-value", "certificate_file": "app.pem"},
        {"app_secret": "hidden-value", "managed_identity": "system"},
        {"certificate_file": "app.pem", "assertion_file": "assertion"},
        {"app_secret": "hidden-value", "certificate_file": "app.pem", "assertion_file": "assertion"},
    ],
)
def test_two_are_one_complaint_that_names_them_and_all_four(two: dict[str, str]) -> None:
    line = complaint(graph=two)
    assert line.startswith(" and ".join(f"graph.{name}" for name in two) + " are set: keep one of ")
    assert all(name in line for name in ALL_FOUR)
    assert "hidden-value" not in line


@pytest.mark.parametrize(
    ("given", "key", "said"),
    [
        ({"certificate_file": "absent.pem"}, "graph.certificate_file", "cannot be read (FileNotFoundError)"),
        ({"certificate_file": "assertion"}, "graph.certificate_file", "no readable private key"),
        ({"certificate_file": "locked.pem"}, "graph.certificate_file", "needs graph.certificate_password"),
        ({"assertion_file": "absent"}, "graph.assertion_file", "there is no such file"),
        ({"managed_identity": "my-identity"}, "graph.managed_identity", 'must be "system" or the client id'),
        ({"app_secret_expires": "soon"}, "graph.app_secret_expires", ""),
        ({"cloud": "mars"}, "graph.cloud", "'global', 'us-gov-l4', 'us-gov-l5' or 'china'"),
    ],
)
def test_a_credential_that_cannot_work_is_said_at_the_start(given: dict[str, str], key: str, said: str) -> None:
    line = complaint(graph=given)
    assert line.startswith(f"{key} (set ENTRA_SYNCRO_GRAPH__")
    assert said in line


def test_a_certificate_that_has_ended_lets_the_process_start() -> None:
    Path("old.pem").write_text(key_pem(rsa_key()) + certificate_pem(rsa_key(), -1, NOW))
    settings = load_settings(needs=(CREDENTIAL,), graph={"certificate_file": "old.pem"})
    assert credential_info(settings.graph).expires_at == NOW - timedelta(days=1)


def test_what_is_announced_is_the_certificate_that_is_used_not_what_lies_there_now() -> None:
    settings = load_settings(needs=(CREDENTIAL,), graph={"certificate_file": "app.pem"})
    Path("app.pem").write_text(key_pem(rsa_key(2)) + certificate_pem(rsa_key(2), 900, NOW))
    assert settings.graph.certificate is not None
    assert settings.graph.certificate.private_key == key_pem(rsa_key())
    assert credential_info(settings.graph).expires_at == NOW + timedelta(days=90)
    assert "BEGIN" not in repr(settings)


@pytest.mark.parametrize("blank", ["certificate_file", "assertion_file", "app_secret_expires", "managed_identity"])
def test_a_blank_line_in_the_file_sets_nothing(blank: str) -> None:
    Path("entra-syncro.toml").write_text(f'[graph]\napp_secret = "s"\n{blank} = ""\n')
    assert load_settings(needs=()).graph.credential is CredentialKind.SECRET


def test_the_certificates_password_is_a_secret_and_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("password").write_text(f"{PASSWORD}\n")
    monkeypatch.setenv("ENTRA_SYNCRO_GRAPH__CERTIFICATE_PASSWORD_FILE", "password")
    settings = load_settings(needs=(), graph={"certificate_file": "locked.pem"})
    assert PASSWORD in settings.secret_values()
    assert PASSWORD not in repr(settings)


CLOUDS = [
    ("global", "https://login.microsoftonline.com", "https://graph.microsoft.com"),
    ("us-gov-l4", "https://login.microsoftonline.us", "https://graph.microsoft.us"),
    ("us-gov-l5", "https://login.microsoftonline.us", "https://dod-graph.microsoft.us"),
    ("china", "https://login.partner.microsoftonline.cn", "https://microsoftgraph.chinacloudapi.cn"),
]


@pytest.mark.parametrize(("cloud", "login", "graph"), CLOUDS)
def test_a_cloud_is_one_word(cloud: str, login: str, graph: str) -> None:
    settings = load_settings(needs=(), graph={"cloud": cloud})
    assert (settings.login.base_url, settings.graph.base_url) == (login, graph)
    assert settings.graph.scope == f"{graph}/.default"


def test_without_a_word_it_is_the_global_cloud() -> None:
    settings = load_settings(needs=())
    assert (settings.login.base_url, settings.graph.base_url, settings.graph.scope) == (
        "https://login.microsoftonline.com",
        "https://graph.microsoft.com",
        "https://graph.microsoft.com/.default",
    )


def test_an_address_that_is_set_wins_and_the_scope_stays_the_clouds() -> None:
    settings = load_settings(
        needs=(),
        graph={"cloud": "china", "base_url": "http://127.0.0.1:9/v1.0"},
        login={"base_url": "https://127.0.0.1:8"},
    )
    assert (settings.login.base_url, settings.graph.base_url) == ("https://127.0.0.1:8", "http://127.0.0.1:9")
    assert settings.graph.scope == "https://microsoftgraph.chinacloudapi.cn/.default"


@pytest.mark.parametrize("given", ["https://graph.example", "https://graph.example/", "https://graph.example/.default"])
def test_a_scope_always_asks_for_what_was_consented(given: str) -> None:
    assert load_settings(needs=(), graph={"scope": given}).graph.scope == "https://graph.example/.default"


def test_the_consent_desk_has_what_links_are_made_with() -> None:
    desk = load_settings(
        needs=(),
        graph={"app_id": GUID, "cloud": "us-gov-l4"},
        receiver={"public_url": "https://sync.example.net/", "secrets": {"k2": "x" * 16, "k7": "y" * 16}},
    ).consent_desk()
    assert desk.secrets == {2: b"x" * 16, 7: b"y" * 16}
    assert (desk.app_id, desk.public_url, desk.invite_days) == (GUID, "https://sync.example.net", 14)
    assert (desk.login_url, desk.scope) == ("https://login.microsoftonline.us", "https://graph.microsoft.us/.default")
    assert "xxxx" not in repr(desk)


def test_without_a_secret_that_all_machines_share_no_link_can_be_made() -> None:
    """Only the receiver must have it; its own start complains (`client_state_secrets`)."""
    desk = load_settings(needs=(), broker={"url": "amqp://guest:hidden@mq/"}).consent_desk()
    assert desk.secrets == {}


def test_polls_and_the_life_of_a_link_have_defaults_and_limits() -> None:
    settings = load_settings(needs=())
    assert (settings.polls.shortest, settings.polls.without_door, settings.polls.longest) == (120, 300, 600)
    assert settings.receiver.invite_days == 14
    assert complaint(polls={"without_door": 700.0}).startswith("polls.without_door (set ")
    assert complaint(receiver={"invite_days": 0}).startswith("receiver.invite_days (set ")
