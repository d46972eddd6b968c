"""Settings: where they come from, and what is said when one is missing or wrong."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from shared.runtime.settings import Settings, SettingsError, describe, load_settings

COMPLETE = {
    "ENTRA_SYNCRO_GRAPH__APP_ID": "11111111-1111-1111-1111-111111111111",
    "ENTRA_SYNCRO_GRAPH__APP_SECRET": "graph-secret-value",
    "ENTRA_SYNCRO_SYNCRO__SUBDOMAIN": "acme",
    "ENTRA_SYNCRO_SYNCRO__API_TOKEN": "syncro-token-value",
}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.upper().startswith("ENTRA_SYNCRO_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def lines(**overrides: object) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load_settings(**overrides)  # type: ignore[arg-type]  # wrong types are what is tested
    return list(error.value.lines)


def test_every_missing_setting_gets_one_line_with_variable_key_and_meaning() -> None:
    said = lines()
    assert [line.split(" ")[0] for line in said] == [
        "graph.app_id",
        "graph.app_secret",
        "syncro.subdomain",
        "syncro.api_token",
    ]
    assert said[3] == (
        "syncro.api_token (set ENTRA_SYNCRO_SYNCRO__API_TOKEN or ENTRA_SYNCRO_SYNCRO__API_TOKEN_FILE, or "
        "syncro.api_token in entra-syncro.toml): is missing. API token of Syncro (Admin, API Tokens)."
    )


def test_a_process_asks_only_for_what_it_needs() -> None:
    assert load_settings(needs=()).receiver.port == 8080


@pytest.mark.usefixtures("complete")
@pytest.mark.parametrize("attribute", ["departement", "extension_0c4f1b2e-9d7a-4c55-b1f0-a6d3e8c72b19_badge"])
def test_an_attribute_that_is_never_read_is_no_rule(attribute: str) -> None:
    """Nobody would ever say that it is lacking: it is not even asked for."""
    mappings = [{"attribute": "department", "field": "Team"}, {"attribute": attribute, "field": "Badge"}]
    (said,) = lines(policy={"custom_mappings": mappings})
    assert said.startswith("policy.custom_mappings (set ENTRA_SYNCRO_POLICY__CUSTOM_MAPPINGS, or ")
    assert f'"{attribute}" is no attribute that is read. Take a plain one' in said
    assert len(load_settings(policy={"custom_mappings": mappings[:1]}).policy.custom_mappings) == 1


@pytest.mark.usefixtures("complete")
def test_defaults_follow_from_few_settings() -> None:
    settings = load_settings()
    assert settings.syncro.base_url == "https://acme.syncromsp.com"
    assert settings.broker.url == "embedded:data/broker.db"
    assert settings.state.url == "embedded:data/state.db"
    assert settings.ledger.url == "embedded:data/ledger.db"
    assert (settings.syncro.pace_per_minute, settings.syncro.burst, settings.syncro.backfill_per_minute) == (
        120,
        10,
        80,
    )
    assert settings.private.host == "127.0.0.1"


def test_arguments_beat_environment_beats_secret_file_beats_toml(complete: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "entra-syncro.toml").write_text('[syncro]\nsubdomain = "file"\nburst = 4\npace_per_minute = 60\n')
    complete.setenv("ENTRA_SYNCRO_SYNCRO__BURST", "6")
    settings = load_settings(syncro={"pace_per_minute": 90})
    assert settings.syncro.subdomain == "acme"
    assert settings.syncro.burst == 6
    assert settings.syncro.pace_per_minute == 90


def test_any_secret_may_lie_in_a_file(complete: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for number, variable in enumerate(("SYNCRO__API_TOKEN", "RECEIVER__SECRETS__K3", "BROKER__URL")):
        file = tmp_path / f"secret{number}"
        file.write_text(f"value number {number} in a file\n")
        complete.delenv(f"ENTRA_SYNCRO_{variable}", raising=False)
        complete.setenv(f"ENTRA_SYNCRO_{variable}_FILE", str(file))
    settings = load_settings()
    assert settings.syncro.api_token.get_secret_value() == "value number 0 in a file"
    assert settings.client_state_secrets() == {3: b"value number 1 in a file"}
    assert settings.broker.url == "value number 2 in a file"


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("SYNCRO__PACE_PER_MINUTE", "161", "syncro.pace_per_minute"),
        ("SYNCRO__PACE_PER_MINUTE", "many-secret-words", "syncro.pace_per_minute"),
        ("SYNCRO__SUBDOMAIN", "https://acme.syncromsp.com/secret", "syncro.subdomain"),
        ("SYNCRO__SUBDOMIAN", "secret", "syncro.subdomian"),
        ("RECEIVER__PUBLIC_URL", "http://secret.example.net", "receiver.public_url"),
        ("RECEIVER__PUBLIC_URL", "secret.example.net", "receiver.public_url"),
        ("RECEIVER__SUBSCRIPTION_MINUTES", "41001", "receiver.subscription_minutes"),
        ("RECEIVER__SECRETS__K1", "secret", "receiver.secrets"),
        ("RECEIVER__SECRETS__FIRST", "secret secret secret", "receiver.secrets"),
        ("LOG__LEVEL", "secret", "log.level"),
        ("SYNCRO__API_TOKEN_FILE", "/nowhere/at-all", "ENTRA_SYNCRO_SYNCRO__API_TOKEN_FILE"),
        ("GRAPH", "{secret", "environment"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not_shown(
    complete: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    complete.setenv(f"ENTRA_SYNCRO_{variable}", value)
    (line,) = lines()
    assert line.startswith(expected)
    assert "secret" not in line.replace("secrets", "").replace("Secrets", "").replace("SECRETS", "")


@pytest.mark.usefixtures("complete")
def test_a_simulated_syncro_on_this_machine_may_be_driven_faster() -> None:
    settings = load_settings(syncro={"base_url": "http://127.0.0.1:9", "pace_per_minute": 5000})
    assert settings.syncro.pace_per_minute == 5000
    assert lines(syncro={"base_url": "http://127.0.0.1.example.net", "pace_per_minute": 5000})


@pytest.mark.usefixtures("complete")
def test_files_that_are_missing_or_broken_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        load_settings(tmp_path / "absent.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[syncro\nsubdomain = ")
    with pytest.raises(SettingsError, match=r"broken\.toml"):
        load_settings(broken)


@pytest.mark.usefixtures("complete")
def test_the_client_state_secret_is_generated_once_and_kept_private(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path / "new" / "data")
    first = settings.client_state_secrets()
    assert first == load_settings(data_dir=tmp_path / "new" / "data").client_state_secrets()
    (file,) = (tmp_path / "new" / "data").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(first[1]) == 64


@pytest.mark.usefixtures("complete")
def test_machines_that_share_a_queue_must_share_the_secret() -> None:
    settings = load_settings(broker={"url": "amqp://guest:hidden@mq/"})
    with pytest.raises(SettingsError, match="RECEIVER__SECRETS__K1"):
        settings.client_state_secrets()
    assert set(settings.secret_values()) == {"hidden", "graph-secret-value", "syncro-token-value"}


@pytest.mark.usefixtures("complete")
def test_no_secret_shows_in_a_representation() -> None:
    shown = repr(load_settings())
    assert "graph-secret-value" not in shown
    assert "syncro-token-value" not in shown


@pytest.mark.parametrize(("key", "variable", "about"), list(describe()))
def test_every_setting_has_a_sentence(key: str, variable: str, about: str) -> None:
    assert variable == "ENTRA_SYNCRO_" + key.upper().replace(".", "__")
    assert about.endswith(".") or "..." in about


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError):
        setattr(load_settings(needs=()), "data_dir", Path("/elsewhere"))  # noqa: B010 - else the type checker stops it
    assert Settings.model_config["extra"] == "forbid"


@pytest.mark.parametrize(
    ("section", "pasted", "kept"),
    [
        ("graph", "https://graph.microsoft.us/v1.0/", "https://graph.microsoft.us"),
        ("graph", "http://127.0.0.1:8081", "http://127.0.0.1:8081"),
        ("syncro", "https://acme.syncromsp.com/api/v1", "https://acme.syncromsp.com"),
    ],
)
def test_an_address_pasted_with_its_version_is_understood(section: str, pasted: str, kept: str) -> None:
    overrides: dict[str, Any] = {section: {"base_url": pasted}}
    settings = load_settings(needs=(), **overrides)
    assert getattr(settings, section).base_url == kept


def test_a_subdomain_may_have_a_second_label() -> None:
    settings = load_settings(needs=(), syncro={"subdomain": "acme.shield"})
    assert settings.syncro.base_url == "https://acme.shield.syncromsp.com"
