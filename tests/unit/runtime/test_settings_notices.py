"""The settings of notices: nothing is needed, what is set is whole, secrets are known to the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.domain.notices import NoticePolicy, PersonalData
from shared.runtime.settings import Settings, SettingsError, load_settings

MAIL = {"host": "mail.example", "sender": "sync@msp.example", "to": "desk@msp.example, chief@msp.example"}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def loaded(**notices: Any) -> Settings:
    return load_settings(needs=(), notices=notices)


def complaint(**notices: Any) -> str:
    with pytest.raises(SettingsError) as failure:
        loaded(**notices)
    return str(failure.value)


def test_unset_nobody_is_told_and_rules_are_the_defaults() -> None:
    settings = loaded()
    assert settings.notices.policy(settings.nightly) == NoticePolicy()
    assert settings.notices.smtp.host == ""


def test_the_zone_of_the_summary_is_that_of_the_night_unless_it_is_set() -> None:
    settings = load_settings(needs=(), nightly={"zone": "Europe/Berlin"}, notices={"personal_data": "names"})
    policy = settings.notices.policy(settings.nightly)
    assert (policy.zone, policy.cron_zone, policy.personal_data) == (
        "Europe/Berlin",
        "Europe/Berlin",
        PersonalData.NAMES,
    )
    own = load_settings(needs=(), nightly={"zone": "Europe/Berlin"}, notices={"zone": "Asia/Tokyo"})
    assert own.notices.policy(own.nightly).zone == "Asia/Tokyo"


def test_several_addresses_with_commas() -> None:
    assert loaded(smtp=MAIL).notices.smtp.recipients == ("desk@msp.example", "chief@msp.example")


@pytest.mark.parametrize(
    ("notices", "said"),
    [
        ({"smtp": {**MAIL, "sender": ""}}, "notices.smtp.sender"),
        ({"smtp": {**MAIL, "to": " , "}}, "notices.smtp.to"),
        ({"smtp": {**MAIL, "to": "Desk <desk@msp.example>"}}, "must be plain e-mail addresses"),
        ({"smtp": {**MAIL, "to": "desk@msp.example\nBcc: all@msp.example"}}, "must be plain e-mail addresses"),
        ({"smtp": {**MAIL, "encryption": "none", "user": "sync"}}, "would travel in the clear"),
        ({"teams_url": "http://flow.example/secret-part"}, "must be an address that begins with https://"),
        ({"heartbeat_url": "hc.example/secret-part"}, "must be an address that begins with https://"),
        ({"summary": "8 o'clock"}, "must be a time of four digits"),
        ({"summary": "24:00"}, "must be a time of four digits"),
        ({"zone": "Mars"}, "is no time zone"),
        ({"failed_at": [0]}, "notices.failed_at"),
    ],
)
def test_what_is_refused_names_its_setting_and_no_secret(notices: dict[str, Any], said: str) -> None:
    lines = complaint(**notices)
    assert said in lines
    assert "secret-part" not in lines


def test_no_summary_and_a_mail_server_on_this_machine_without_encryption() -> None:
    settings = loaded(summary="", smtp={**MAIL, "host": "localhost", "encryption": "none", "user": "sync"})
    assert settings.notices.summary == ""


def test_the_log_knows_every_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("pass-word\n")
    monkeypatch.setenv("ENTRA_SYNCRO_NOTICES__SMTP__PASSWORD_FILE", str(tmp_path / "password"))
    settings = loaded(teams_url="https://flow.example/one", heartbeat_url="https://hc.example/two")
    secrets = settings.secret_values()
    assert {"pass-word", "https://flow.example/one", "https://hc.example/two"} <= set(secrets)
    assert "" not in secrets
    assert not any(secret in repr(settings) for secret in secrets)
