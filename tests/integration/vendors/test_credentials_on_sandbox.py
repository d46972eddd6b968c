"""Each credential by its settings alone: wired as a process is, proved in a tenant of the simulated Microsoft."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest

from console.cli.demo.stage import Engine, demo_settings
from sandbox.world import World
from shared.adapters.graph import credential_file
from shared.domain.credential import CredentialKind
from shared.domain.errors import Scope, StopTheLine
from shared.runtime import logging
from shared.runtime.settings import CREDENTIAL, load_settings
from shared.runtime.wiring import Adapters, open_adapters
from tests.support.certificates import certificate_pem, key_pem, rsa_key
from tests.support.platform import open_platform


@dataclass(frozen=True)
class Stage:
    world: World
    folder: Path

    @property
    def tenant(self) -> str:
        return self.world.companies[0].tenant_id

    @property
    def certificate_file(self) -> Path:
        return self.folder / "app.pem"

    @property
    def certificate(self) -> dict[str, str]:
        self.certificate_file.write_text(key_pem(rsa_key(), "password") + certificate_pem(rsa_key()))
        return {"certificate_file": str(self.certificate_file), "certificate_password": "password"}

    @property
    def assertion_file(self) -> Path:
        return self.folder / "assertion"

    def assertion(self, seconds: float = 600.0) -> str:
        """As the sandbox wants one: about the app, not yet over, signed by anybody."""
        claims = {"sub": self.world.microsoft.app_id, "exp": int(time.time() + seconds)}
        return jwt.encode(claims, "k" * 32, algorithm="HS256")

    @asynccontextmanager
    async def process(self, credential: Mapping[str, Any]) -> AsyncIterator[Adapters]:
        microsoft = self.world.microsoft
        settings = load_settings(
            needs=("graph.app_id", CREDENTIAL),
            data_dir=self.folder / "data",
            graph={"base_url": microsoft.graph_url, "app_id": microsoft.app_id, **credential},
            login={"base_url": microsoft.login_url, "ca_file": microsoft.ca_file},
            syncro={"subdomain": "sandbox", "base_url": self.world.syncro.url, "api_token": "unused"},
        )
        async with open_adapters(settings) as adapters:
            yield adapters


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.chdir(tmp_path)  # no settings file of this machine
    async with World.open(tmp_path / "sandbox") as world:
        yield Stage(world, tmp_path)


async def test_a_secret(stage: Stage) -> None:
    async with stage.process({"app_secret": stage.world.microsoft.app_secret}) as adapters:
        assert "User.Read.All" in await adapters.directory.prove(stage.tenant)
        assert adapters.credential.kind is CredentialKind.SECRET


async def test_a_certificate(stage: Stage) -> None:
    async with stage.process(stage.certificate) as adapters:
        assert "User.Read.All" in await adapters.directory.prove(stage.tenant)
        assert adapters.credential.kind is CredentialKind.CERTIFICATE
        assert adapters.credential.expires_at is not None


async def test_a_certificate_that_is_replaced_while_we_run(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credential_file, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(credential_file, "SETTLED_SECONDS", 0.0)
    async with stage.process(stage.certificate) as adapters:
        await adapters.directory.prove(stage.tenant)
        before = adapters.credential.expires_at
        assert before is not None
        stage.certificate_file.write_text("half of a certif")
        assert "User.Read.All" in await adapters.directory.prove(stage.tenant)
        assert adapters.credential.expires_at == before
        stage.certificate_file.write_text(key_pem(rsa_key(2), "password") + certificate_pem(rsa_key(2), days=700))
        assert "User.Read.All" in await adapters.directory.prove(stage.tenant)
        after = adapters.credential.expires_at
        assert after is not None
        assert after > before


async def test_a_secret_whose_file_is_replaced_while_we_run(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credential_file, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(credential_file, "SETTLED_SECONDS", 0.0)
    file = stage.folder / "secret"
    file.write_text("wrong\n")
    log = logging.Redactor()
    monkeypatch.setattr(logging, "_redactor", log)
    monkeypatch.setenv("ENTRA_SYNCRO_GRAPH__APP_SECRET_FILE", str(file))
    async with stage.process({}) as adapters:
        with pytest.raises(StopTheLine) as failure:
            await adapters.directory.prove(stage.tenant)
        assert failure.value.code == "secret_wrong"
        file.write_text(f"{stage.world.microsoft.app_secret}\n")
        assert "User.Read.All" in await adapters.directory.prove(stage.tenant)
        assert log.text(stage.world.microsoft.app_secret) == logging.REDACTED


async def test_an_assertion_that_the_platform_rewrites(stage: Stage) -> None:
    stage.assertion_file.write_text(stage.assertion())
    async with stage.process({"assertion_file": str(stage.assertion_file)}) as adapters:
        assert "User.Read.All" in await adapters.directory.prove(stage.tenant)
        stage.assertion_file.write_text("no assertion")
        with pytest.raises(StopTheLine) as failure:
            await adapters.directory.prove(stage.tenant)
        assert (failure.value.scope, failure.value.code) == (Scope.ACCOUNT, "assertion_refused")
        stage.assertion_file.write_text(stage.assertion())
        assert "User.Read.All" in await adapters.directory.prove(stage.tenant)


@pytest.mark.parametrize(
    ("cloud", "audience"),
    [
        ("global", "api://AzureADTokenExchange"),
        ("us-gov-l4", "api://AzureADTokenExchangeUSGov"),
        ("us-gov-l5", "api://AzureADTokenExchangeUSGov"),
        ("china", "api://AzureADTokenExchangeChina"),
    ],
)
async def test_a_managed_identity(stage: Stage, monkeypatch: pytest.MonkeyPatch, cloud: str, audience: str) -> None:
    asked_of_the_sandbox = {"scope": "https://graph.microsoft.com/.default"}
    async with open_platform(monkeypatch) as platform:
        platform.token = stage.assertion
        settings = {"managed_identity": "system", "cloud": cloud, **asked_of_the_sandbox}
        async with stage.process(settings) as adapters:
            assert "User.Read.All" in await adapters.directory.prove(stage.tenant)
        assert platform.asked[0]["resource"] == audience


@pytest.mark.parametrize(
    ("kind", "number", "code"),
    [
        ("secret", 7000222, "secret_expired"),
        ("secret", 7000215, "secret_wrong"),
        ("certificate", 700027, "certificate_refused"),
        ("certificate", 7000214, "certificate_refused"),
        ("assertion", 700213, "assertion_refused"),
        ("assertion", 700024, "assertion_expired"),
    ],
)
async def test_a_credential_that_is_refused_stops_the_account(stage: Stage, kind: str, number: int, code: str) -> None:
    stage.assertion_file.write_text(stage.assertion())
    credential = {
        "secret": {"app_secret": stage.world.microsoft.app_secret},
        "certificate": stage.certificate,
        "assertion": {"assertion_file": str(stage.assertion_file)},
    }[kind]
    stage.world.microsoft.switches.change({"login_errors": {"*": number}})
    async with stage.process(credential) as adapters:
        with pytest.raises(StopTheLine) as failure:
            await adapters.directory.prove(stage.tenant)
    assert (failure.value.scope, failure.value.code) == (Scope.ACCOUNT, code)


async def test_every_vendor_tells_how_far_our_clock_is_off(stage: Stage) -> None:
    async with stage.process({"app_secret": stage.world.microsoft.app_secret}) as adapters:
        assert adapters.skews.skews() == {}
        await adapters.organizations.organization(stage.tenant)
        await adapters.finder.tenant_of("nobody.example")
        skews = adapters.skews.skews()
    assert set(skews) == {"graph", "login"}
    assert all(abs(skew) < 60 for skew in skews.values())


async def test_a_settings_file_of_a_real_deployment_does_not_get_into_the_demo(stage: Stage) -> None:
    lines = "\n".join(f'{name} = "{value}"' for name, value in stage.certificate.items())
    (stage.folder / "entra-syncro.toml").write_text(
        f'[graph]\ncloud = "china"\nscope = "https://other.example"\n{lines}\n'
    )
    settings = demo_settings(stage.world, stage.folder / "demo", Engine())
    assert settings.graph.credential is CredentialKind.SECRET
    assert settings.graph.scope == "https://graph.microsoft.com/.default"
    async with open_adapters(settings) as adapters:
        assert "User.Read.All" in await adapters.directory.prove(stage.tenant)
