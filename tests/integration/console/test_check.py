"""The doctor against the simulated vendors, over real HTTP: planted faults, each found and named with its cure."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from console import operations
from console.cli.demo.stage import Engine, demo_settings, free_port
from console.cli.run import operator_ports
from console.operations import OperatorPorts
from console.operations.check import ProbeWish, check
from sandbox.control_onboarding import own_sync
from sandbox.syncro.fields import AZURE_CONTACT_FIELDS, AZURE_CUSTOMER_FIELDS
from sandbox.syncro.tokens import DETAIL, EDIT, LIST
from shared.domain.credential import CredentialInfo, CredentialKind
from shared.domain.findings import Checkup, Finding, Level, Organ
from shared.runtime.wiring import open_adapters
from tests.integration.console.conftest import UNLIMITED, Office
from tests.support.vendor_stub import stub_server

RIGHTS = frozenset({LIST, DETAIL, EDIT})


@dataclass
class Clinic:
    """An office whose first customer is connected, with a public address that answers as it should."""

    office: Office
    ports: OperatorPorts

    async def check(self, **asked: Any) -> Checkup:
        return await check(self.ports, **asked)

    @property
    def tenant(self) -> Any:
        return self.office.world.microsoft.tenants[self.office.tenant]

    def fields(self, kind: str, *names: str) -> None:
        account = self.office.world.syncro.account
        (account.contact_fields if kind == "contact" else account.customer_fields).keep_only(names)


async def handshake(request: web.Request) -> web.Response:
    return web.Response(text=request.query.get("validationToken", ""))


@pytest.fixture
async def clinic(office: Office) -> AsyncIterator[Clinic]:
    office.world.syncro.token.permissions = RIGHTS
    await operations.connect(office.ports, office.customer, office.tenant)
    in_time = CredentialInfo(CredentialKind.SECRET, datetime.now(UTC) + timedelta(days=300))
    async with stub_server(handshake) as stub:
        yield Clinic(office, replace(office.ports, public_url=stub.base_url, credential=lambda: in_time))


def ill(found: Checkup, level: Level = Level.RED) -> list[Finding]:
    return [finding for finding in found.findings if finding.level is level]


def dead(office: Office) -> None:
    office.world.syncro.token.valid = False


def deactivated(office: Office) -> None:
    office.world.syncro.token.is_owner_active = False


def may_only(*rights: str) -> Callable[[Clinic], None]:
    def spoil(clinic: Clinic) -> None:
        clinic.office.world.syncro.token.permissions = frozenset(rights)

    return spoil


def limited(clinic: Clinic) -> None:
    others = set(clinic.office.world.customer_ids.values()) - {clinic.office.customer}
    clinic.office.world.syncro.token.customer_ids = frozenset(others)


def lacks_a_customer_field(clinic: Clinic) -> None:
    clinic.fields("customer", *AZURE_CUSTOMER_FIELDS[:-1])


def no_consent(clinic: Clinic) -> None:
    clinic.tenant.consented = False


def no_role(clinic: Clinic) -> None:
    clinic.tenant.roles = ("AuditLog.Read.All", "Organization.Read.All", "SecurityEvents.Read.All")


def address(url: str) -> Callable[[Clinic], None]:
    def spoil(clinic: Clinic) -> None:
        clinic.ports = replace(clinic.ports, public_url=url)

    return spoil


def self_signed(clinic: Clinic) -> None:
    """The simulated login's certificate comes from an authority that nobody else knows."""
    clinic.ports = replace(clinic.ports, public_url=clinic.office.world.microsoft.login_url)


def expiring(clinic: Clinic) -> None:
    soon = datetime.now(UTC) + timedelta(days=3)
    clinic.ports = replace(clinic.ports, credential=lambda: CredentialInfo(CredentialKind.SECRET, soon))


def ten_minutes_off(clinic: Clinic) -> None:
    clinic.office.world.microsoft.switches.change({"date_skew_s": -600.0})


FAULTS: list[tuple[Callable[[Clinic], None], Organ, str, str]] = [
    (lambda clinic: dead(clinic.office), Organ.SYNCRO_TOKEN, "wrong or has expired", "API Tokens, New Token"),
    (lambda clinic: deactivated(clinic.office), Organ.SYNCRO_TOKEN, "owner was deactivated", "Admin, Users"),
    (may_only(LIST, EDIT), Organ.SYNCRO_TOKEN, "Customers - View Detail", "Tick Customers - View Detail"),
    (may_only(DETAIL, EDIT), Organ.SYNCRO_TOKEN, "Customers - List/Search", "Tick Customers - List/Search"),
    (may_only(LIST, DETAIL), Organ.SYNCRO_TOKEN, "Customers - Edit", "Tick Customers - Edit"),
    (limited, Organ.SYNCRO_TOKEN, "does not see connected customers", "Security Groups"),
    (lacks_a_customer_field, Organ.CUSTOMER_FIELDS, "azure_tenant_id", "azure_tenant_id (text field)"),
    (no_consent, Organ.TENANT, "does not know the app", "entra-syncro customers connect"),
    (no_role, Organ.TENANT, "User.Read.All", "grants consent again"),
    (address("https://no-such-name.invalid"), Organ.PUBLIC_ADDRESS, "no address", "public DNS"),
    (self_signed, Organ.PUBLIC_ADDRESS, "not trusted", "public authority"),
    (expiring, Organ.SETTINGS, "valid until", "New client secret"),
    (ten_minutes_off, Organ.CLOCKS, "600 s ahead of the clock of", "NTP"),
]


@pytest.mark.parametrize(("spoil", "organ", "what", "cure"), FAULTS)
async def test_a_planted_fault_is_the_one_red_finding_and_names_its_cure(
    clinic: Clinic, spoil: Callable[[Clinic], None], organ: Organ, what: str, cure: str
) -> None:
    spoil(clinic)
    found = ill(await clinic.check())
    assert [finding.organ for finding in found] == [organ]
    assert what in found[0].what
    assert cure in found[0].cure
    assert not clinic.office.world.syncro.calls.writes() or organ is Organ.SYNCRO_TOKEN


async def answered(status: int, text: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    return handle


@pytest.mark.parametrize(
    ("status", "text", "what", "cure"),
    [
        (404, "nothing here", "status was 404", "/graph/notifications"),
        (200, "welcome", "another text", "byte for byte"),
    ],
)
async def test_a_public_address_that_answers_otherwise(
    clinic: Clinic, status: int, text: str, what: str, cure: str
) -> None:
    async with stub_server(await answered(status, text)) as stub:
        address(stub.base_url)(clinic)
        (found,) = ill(await clinic.check())
    assert found.organ is Organ.PUBLIC_ADDRESS
    assert what in found.what
    assert cure in found.cure


@asynccontextmanager
async def without(office: Office, folder: Path, **away: str) -> AsyncIterator[OperatorPorts]:
    """The same deployment with one store that nobody serves."""
    settings = demo_settings(office.world, folder, Engine(**away), UNLIMITED)
    async with open_adapters(settings, lazy=True) as adapters:
        yield operator_ports(settings, adapters)


@pytest.mark.parametrize(
    ("store", "url", "organ"),
    [
        ("broker", "amqp://guest:guest@127.0.0.1:{port}/", Organ.QUEUE),
        ("state", "redis://127.0.0.1:{port}/0", Organ.STATE),
        ("ledger", "postgresql://nobody@127.0.0.1:{port}/nothing", Organ.LEDGER),
    ],
)
async def test_a_store_that_is_away_is_red_and_the_rest_is_still_looked_at(
    clinic: Clinic, tmp_path: Path, store: str, url: str, organ: Organ
) -> None:
    async with without(clinic.office, tmp_path / "other", **{store: url.format(port=free_port())}) as ports:
        clinic.ports = replace(clinic.ports, depths=ports.depths) if store == "broker" else clinic.ports
        if store == "state":
            clinic.ports = replace(clinic.ports, memory=ports.memory, pace=ports.pace)
        if store == "ledger":
            clinic.ports = replace(
                clinic.ports,
                ledger_probe=ports.ledger_probe,
                connections=ports.connections,
                journal=ports.journal,
                policies=ports.policies,
            )
        found = await clinic.check()
    assert [finding.organ for finding in ill(found)] == [organ]
    assert f"{store}.url" in ill(found)[0].cure
    assert Organ.PUBLIC_ADDRESS in {finding.organ for finding in ill(found, Level.GREEN)}


async def test_syncro_s_own_sync_is_found_and_the_approval_refused(clinic: Clinic) -> None:
    office = clinic.office
    account = office.world.syncro.account
    for contact in account.contacts_of(office.customer):
        contact.created_at -= timedelta(days=400)
        contact.updated_at -= timedelta(days=400)
    quiet = await clinic.check(customer=office.customer)
    assert not [finding for finding in ill(quiet) if finding.organ is Organ.SECOND_WRITER]
    own_sync(office.world.microsoft, office.world.syncro, office.tenant, office.customer)
    (found,) = ill(await clinic.check(customer=office.customer))
    assert found.organ is Organ.SECOND_WRITER
    assert "--second-writer-accepted" in found.cure
    await operations.preview(clinic.ports, office.customer)
    with pytest.raises(operations.OperationError) as caught:
        await operations.approve(clinic.ports, office.customer, None, by="ada")
    assert caught.value.exit_code == 3


async def test_no_p1_is_yellow_and_says_which_fields_it_concerns(clinic: Clinic) -> None:
    assert not clinic.tenant.premium
    found = await clinic.check(customer=clinic.office.customer)
    assert found.red == 0
    yellow = next(finding for finding in ill(found, Level.YELLOW) if "P1" in finding.what)
    assert "azure_last_activity" in yellow.what


def probe_contact(clinic: Clinic) -> int:
    """In the customer that is not connected (the walk-in one)."""
    syncro = clinic.office.world.syncro
    owner = min(syncro.account.customers)
    site = syncro.account.contact_fields.get("Site")
    assert site is not None
    properties = {"Badge No.": "12", "Site": str(min(site.options))}  # a drop-down: stored by the id of its answer
    return syncro.add_contact(owner, "Probe Contact", properties, phone="217 555 0100").id


@pytest.mark.parametrize("on_put", ["replace", "merge"])
@pytest.mark.parametrize("undefined", ["dropped", "422"])
async def test_a_probe_finds_a_missing_contact_field_and_puts_the_contact_back(
    clinic: Clinic, on_put: str, undefined: str
) -> None:
    clinic.fields(
        "contact", *[name for name in AZURE_CONTACT_FIELDS if name != "azure_mfa_status"], "Badge No.", "Site"
    )
    clinic.office.world.syncro.switches.move({"properties_on_put": on_put, "undefined_property": undefined})
    number = probe_contact(clinic)
    before = clinic.office.contact(number)
    values, properties = dict(before.values), dict(before.properties)
    found = await clinic.check(wish=ProbeWish(number))
    (red,) = ill(found)
    assert "azure_mfa_status" in red.what
    assert "enabled; disabled" in red.cure
    after = clinic.office.contact(number)
    assert (after.values, {k: v for k, v in after.properties.items() if v}) == (values, properties)
    assert any(finding.details.get("properties") == on_put for finding in found.findings)


async def test_the_command_on_a_running_healthy_deployment_ends_with_0(clinic: Clinic) -> None:
    """Connected, previewed, approved and served: nothing is red; yellow is only what is documented to be."""
    office = clinic.office
    async with office.services():
        await operations.preview(office.ports, office.customer)
        await operations.approve(office.ports, office.customer, None, by="test")
        said = await office.command("check", "--json")
        page = await office.command("check")
    found = json.loads(said.stdout)
    red = [finding for finding in found["findings"] if finding["level"] == "red"]
    yellow = {finding["organ"] for finding in found["findings"] if finding["level"] == "yellow"}
    assert (red, said.returncode, page.returncode) == ([], 0, 0), said.stderr
    assert yellow <= {"settings", "public address", "Syncro contact fields", "tenant", "notifications", "polls"}
    assert "Nothing is red." in page.stdout


async def test_the_command_on_a_sick_one_ends_with_1_though_a_store_is_away(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead(clinic.office)
    monkeypatch.setenv("ENTRA_SYNCRO_BROKER__URL", f"amqp://127.0.0.1:{free_port()}/")
    said = await clinic.office.command("check", "--json")
    assert said.returncode == 1
    red = [finding["organ"] for finding in json.loads(said.stdout)["findings"] if finding["level"] == "red"]
    assert red == ["queue", "Syncro token"]
