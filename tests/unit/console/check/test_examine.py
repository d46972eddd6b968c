"""The whole examination on fakes: what is healthy, each fault with its cure, nothing hidden by what is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from console import operations
from console.operations import OperationError
from console.operations.check import ProbeWish, check
from shared.domain.changes import FieldChange, Kind
from shared.domain.contact import Contact, Customer
from shared.domain.credential import CredentialInfo, CredentialKind
from shared.domain.door import DoorAnswer, DoorFault
from shared.domain.errors import Scope, StopTheLine, Transient
from shared.domain.findings import Checkup, Finding, Level, Organ
from shared.domain.messages import Lane, Reason
from shared.domain.permissions import ASKED
from shared.domain.policy import FieldNames, SyncPolicy
from shared.domain.records import ConnectionStatus, JournalEntry, WriteState
from shared.domain.watching import Poll, SubscriptionState
from shared.ports import Allowance, FieldDefinition
from tests.support.clock import START
from tests.support.desk import CUSTOMER, Desk, an_update
from tests.support.fake_channel import FakeChannel
from tests.support.fake_onboarding import FakeAccountReads
from tests.support.receiver import TENANT
from tests.support.virtual_time import run_virtual

NAMES = FieldNames()
CUSTOMER_FIELDS = (NAMES.secure_score, NAMES.licensed_users, NAMES.active_users, NAMES.tenant_id)
CONTACT_FIELDS = (
    NAMES.license,
    NAMES.mfa_status,
    NAMES.mfa_methods,
    NAMES.last_activity,
    NAMES.account_status,
    NAMES.object_id,
    NAMES.pin,
)
SOON = timedelta(hours=1)


class Clinic(Desk):
    """A healthy deployment with one approved customer."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.tie(status=ConnectionStatus.APPROVED)
        self.channels.append(FakeChannel("teams"))
        self.world.directory.roles = frozenset(ASKED)
        self.account.fields = [FieldDefinition(name, "text_field") for name in CUSTOMER_FIELDS]
        self.account.contacts = [Contact(101, CUSTOMER, properties=dict.fromkeys(CONTACT_FIELDS, ""))]
        self.skews.known = {"graph": 0.4, "syncro": -1.2}
        ledger = self.world.ledger
        ledger.polls.held[TENANT] = Poll(TENANT, "link", START, 120.0)
        ledger.subscription_states.held[TENANT] = SubscriptionState(TENANT, "s1", START + SOON, "", START)

    async def check(self, customer: int | None = None) -> Checkup:
        return await check(self.ports, customer=customer)

    def set(self, **ports: Any) -> None:
        self.ports = replace(self.ports, **ports)


def examined(
    folder: Path, spoil: Callable[[Clinic], object] = lambda _: None, *, customer: int | None = None
) -> Checkup:
    async def main() -> Checkup:
        clinic = Clinic(folder)
        spoil(clinic)
        return await clinic.check(customer)

    return run_virtual(main())


def ill(found: Checkup, level: Level = Level.RED) -> list[Finding]:
    return [finding for finding in found.findings if finding.level is level]


def test_a_healthy_deployment_is_green_all_over(tmp_path: Path) -> None:
    found = examined(tmp_path)
    assert [(finding.organ, finding.what) for finding in found.findings if finding.level is not Level.GREEN] == []
    assert {finding.organ for finding in found.findings} == set(Organ)
    assert (found.red, found.yellow) == (0, 0)


def stop(code: str, scope: Scope = Scope.ACCOUNT, service: str = "syncro") -> StopTheLine:
    return StopTheLine(service, code, scope=scope)


def no_consent(clinic: Clinic) -> None:
    clinic.world.directory.failures.append(stop("consent_missing", Scope.TENANT, "login"))


def without(*roles: str) -> Callable[[Clinic], None]:
    def spoil(clinic: Clinic) -> None:
        clinic.world.directory.roles -= set(roles)

    return spoil


def misnamed(clinic: Clinic) -> None:
    clinic.world.directory.absent[TENANT] = ("extension_1_x",)


def expiring(days: float, kind: CredentialKind = CredentialKind.SECRET) -> Callable[[Clinic], None]:
    return lambda clinic: clinic.set(credential=lambda: CredentialInfo(kind, START + timedelta(days=days)))


def door(fault: DoorFault, status: int | None = None) -> Callable[[Clinic], None]:
    def spoil(clinic: Clinic) -> None:
        clinic.door.answer = DoorAnswer(fault, status)

    return spoil


def skewed(seconds: float) -> Callable[[Clinic], None]:
    def spoil(clinic: Clinic) -> None:
        clinic.skews.known["graph"] = seconds

    return spoil


def token_refused(clinic: Clinic) -> None:
    clinic.account.failure = stop("token")


def lacks_edit(clinic: Clinic) -> None:
    clinic.account.edit = False


def limited(clinic: Clinic) -> None:
    clinic.customers.held.pop(CUSTOMER)


def lacks_a_customer_field(clinic: Clinic) -> None:
    clinic.account.fields = [field for field in clinic.account.fields if field.name != NAMES.tenant_id]


def a_drop_down(clinic: Clinic) -> None:
    clinic.account.fields[0] = FieldDefinition(NAMES.secure_score, "select_box", ("high", "low"))


def ledger_away(clinic: Clinic) -> None:
    clinic.world.ledger.away = True


def state_away(clinic: Clinic) -> None:
    clinic.world.memory.away = clinic.world.pace.away = True


class NoBroker:
    async def depths(self) -> dict[Lane, int]:
        raise Transient("broker", "unreachable", "no connection")


def broker_away(clinic: Clinic) -> None:
    clinic.set(depths=NoBroker())


def unsubscribed(clinic: Clinic) -> None:
    state = SubscriptionState(TENANT, None, None, "graph:quota_tenant", START)
    clinic.world.ledger.subscription_states.held[TENANT] = state


def run_out(clinic: Clinic) -> None:
    clinic.world.ledger.subscription_states.held[TENANT] = SubscriptionState(TENANT, "s1", START - SOON, "", START)


def not_polled(clinic: Clinic) -> None:
    clinic.world.ledger.polls.held[TENANT] = Poll(TENANT, "link", START - SOON, 120.0)


def poll_refused(clinic: Clinic) -> None:
    clinic.world.ledger.polls.held[TENANT] = Poll(
        TENANT, "l", START, 120.0, code="graph:permission_missing", since=START
    )


def put_back_thrice(clinic: Clinic) -> None:
    change = FieldChange("title", "Boss", "CFO", Kind.PROFILE, "why")
    entry = JournalEntry(
        CUSTOMER, "u1", 101, "update", (change,), Reason.DELTA, "t", START, state=WriteState.WRITTEN, settled_at=START
    )
    clinic.world.ledger.journal.written += [replace(entry, intended_at=START - n * SOON) for n in (3, 2, 1, 0)]


@pytest.mark.parametrize(
    ("spoil", "organ", "what", "cure"),
    [
        (token_refused, Organ.SYNCRO_TOKEN, "owner was deactivated", "Admin, API Tokens, New Token"),
        (lacks_edit, Organ.SYNCRO_TOKEN, "Customers - Edit", "Tick Customers - Edit"),
        (limited, Organ.SYNCRO_TOKEN, f"Customer 7 ({CUSTOMER})", "Security Groups"),
        (lacks_a_customer_field, Organ.CUSTOMER_FIELDS, "azure_tenant_id", "azure_tenant_id (text field)"),
        (a_drop_down, Organ.CUSTOMER_FIELDS, "microsoft_secure_score", "text field"),
        (no_consent, Organ.TENANT, "does not know the app", f"customers connect {CUSTOMER} prints the link"),
        (without("User.Read.All"), Organ.TENANT, "User.Read.All", "API permissions, add the application permission"),
        (door(DoorFault.DNS), Organ.PUBLIC_ADDRESS, "has no address", "public DNS"),
        (door(DoorFault.NOT_200, 404), Organ.PUBLIC_ADDRESS, "Its status was 404", "/graph/lifecycle"),
        (door(DoorFault.WRONG_BODY, 200), Organ.PUBLIC_ADDRESS, "another text", "byte for byte"),
        (door(DoorFault.TLS_CHAIN), Organ.PUBLIC_ADDRESS, "not trusted", "whole chain"),
        (door(DoorFault.TIMEOUT), Organ.PUBLIC_ADDRESS, "10 seconds", "firewall"),
        (expiring(6), Organ.SETTINGS, "client secret is valid until 2026-11-30", "New client secret"),
        (expiring(-1), Organ.SETTINGS, "has ended on 2026-11-23", "New client secret"),
        (expiring(3, CredentialKind.CERTIFICATE), Organ.SETTINGS, "certificate", "Certificates, Upload"),
        (skewed(600), Organ.CLOCKS, "600 s ahead of the clock of graph", "NTP"),
        (skewed(-600), Organ.CLOCKS, "600 s behind", "NTP"),
        (broker_away, Organ.QUEUE, "Cannot be used", "broker.url"),
        (state_away, Organ.STATE, "Cannot be used", "ENTRA_SYNCRO_STATE__URL"),
        (ledger_away, Organ.LEDGER, "Cannot be used", "ledger.url"),
        (unsubscribed, Organ.NOTIFICATIONS, "no room for another subscription", "another vendor's app"),
        (run_out, Organ.NOTIFICATIONS, "run out", "entra-syncro run all"),
        (not_polled, Organ.POLLS, "last asked for at 2026-11-24 08:00", "entra-syncro run all"),
        (poll_refused, Organ.POLLS, "lacks a permission", "grant consent"),
        (put_back_thrice, Organ.SECOND_WRITER, "changed back 3 times", "switches the user sync off"),
    ],
)
def test_each_fault_is_one_red_finding_with_its_cure(
    tmp_path: Path, spoil: Callable[[Clinic], object], organ: Organ, what: str, cure: str
) -> None:
    found = ill(examined(tmp_path, spoil))
    assert [finding.organ for finding in found] == [organ]
    assert what in found[0].what
    assert cure in found[0].cure


def no_door(clinic: Clinic) -> None:
    clinic.set(public_url="")


def without_p1(clinic: Clinic) -> None:
    clinic.products.premium[TENANT] = False


def without_date(clinic: Clinic) -> None:
    clinic.set(credential=lambda: CredentialInfo(CredentialKind.SECRET))


def unshown(clinic: Clinic) -> None:
    clinic.account.contacts = [Contact(101, CUSTOMER, properties={NAMES.license: ""})]


def unproved(clinic: Clinic) -> None:
    clinic.account.edit = None


def silent(clinic: Clinic) -> None:
    clinic.skews.known.clear()


@pytest.mark.parametrize(
    ("spoil", "organ", "what", "cure"),
    [
        (no_door, Organ.PUBLIC_ADDRESS, "not set", "polling every 5 minutes"),
        (without_p1, Organ.TENANT, "no Entra ID P1: azure_last_activity", "unknown is never written"),
        (without("AuditLog.Read.All"), Organ.TENANT, "AuditLog.Read.All", "grants consent again"),
        (misnamed, Organ.TENANT, "no such attribute: extension_1_x", "custom_mappings"),
        (without_date, Organ.SETTINGS, "nobody told when it ends", "graph.app_secret_expires"),
        (expiring(20), Organ.SETTINGS, "20 days", "New client secret"),
        (skewed(45), Organ.CLOCKS, "45 s ahead", "NTP"),
        (silent, Organ.CLOCKS, "No service answered", "answers"),
        (unshown, Organ.CONTACT_FIELDS, "azure_mfa_status, azure_mfa_methods", "--probe-contact ID"),
        (unproved, Organ.SYNCRO_TOKEN, "could not be told without writing", "--probe-contact ID"),
    ],
)
def test_what_works_though_less_is_yellow_and_not_red(
    tmp_path: Path, spoil: Callable[[Clinic], object], organ: Organ, what: str, cure: str
) -> None:
    found = examined(tmp_path, spoil)
    assert found.red == 0
    yellow = ill(found, Level.YELLOW)
    assert [finding.organ for finding in yellow] == [organ]
    assert what in yellow[0].what
    assert cure in yellow[0].cure


@pytest.mark.parametrize("role", ["Reports.Read.All", "Policy.Read.All", "GroupMember.Read.All"])
def test_a_permission_that_this_tenant_cannot_use_is_not_asked_for(tmp_path: Path, role: str) -> None:
    found = examined(tmp_path, without(role))
    assert (found.red, found.yellow) == (0, 0)


def test_without_p1_the_fallbacks_permissions_are_asked_for_and_the_reports_are_not(tmp_path: Path) -> None:
    def spoil(clinic: Clinic) -> None:
        without_p1(clinic)
        without("AuditLog.Read.All", "Reports.Read.All")(clinic)

    roles = [finding.details.get("permission") for finding in ill(examined(tmp_path, spoil), Level.YELLOW)]
    assert roles == ["Reports.Read.All", None]


@pytest.mark.parametrize("store", [ledger_away, state_away, broker_away])
def test_a_store_that_is_away_hides_nothing_else(tmp_path: Path, store: Callable[[Clinic], None]) -> None:
    def spoil(clinic: Clinic) -> None:
        store(clinic)
        door(DoorFault.DNS)(clinic)
        expiring(1)(clinic)

    red = {finding.organ for finding in ill(examined(tmp_path, spoil))}
    assert {Organ.PUBLIC_ADDRESS, Organ.SETTINGS} < red
    assert len(red) == 3


def test_what_cannot_be_looked_at_says_so_and_is_no_green(tmp_path: Path) -> None:
    found = examined(tmp_path, state_away)
    tokens = [finding for finding in found.findings if finding.organ is Organ.SYNCRO_TOKEN]
    assert [finding.level for finding in tokens] == [Level.YELLOW]
    assert Organ.CUSTOMER_FIELDS not in {finding.organ for finding in found.findings}


class NoDetail(FakeAccountReads):
    async def some_contacts(self, allowance: Allowance) -> list[Contact]:
        raise stop("permission")


def test_a_view_detail_that_is_missing_is_named_alone(tmp_path: Path) -> None:
    async def main() -> Checkup:
        clinic = Clinic(tmp_path)

        clinic.set(account=NoDetail(fields=clinic.account.fields))
        return await clinic.check()

    found = run_virtual(main())
    assert [finding.details.get("permission") for finding in ill(found)] == ["Customers - View Detail"]


def test_an_organ_that_never_answers_is_one_finding(tmp_path: Path) -> None:
    def spoil(clinic: Clinic) -> None:
        clinic.world.directory.latency = 10_000.0

    red = ill(examined(tmp_path, spoil))
    assert [finding.organ for finding in red] == [Organ.TENANT]
    assert "No answer within 60 seconds" in red[0].what


def test_edit_is_proved_by_a_write_of_ours(tmp_path: Path) -> None:
    def spoil(clinic: Clinic) -> None:
        unproved(clinic)
        put_back_thrice(clinic)

    found = examined(tmp_path, spoil)
    assert not [finding for finding in found.findings if finding.organ is Organ.SYNCRO_TOKEN and finding.cure]


def test_a_contact_field_that_kept_what_we_wrote_is_there_and_one_that_did_not_is_red(tmp_path: Path) -> None:
    def spoil(clinic: Clinic) -> None:
        clinic.account.contacts = []
        changes = tuple(FieldChange(name, "", "x", Kind.OWNED, "why") for name in CONTACT_FIELDS)
        entry = JournalEntry(
            CUSTOMER, "u1", 1, "update", changes, Reason.DELTA, "t", START, state=WriteState.WRITTEN,
            unstuck=(NAMES.license,),
        )  # fmt: skip
        clinic.world.ledger.journal.written.append(entry)

    found = examined(tmp_path, spoil)
    assert [finding.what for finding in ill(found)] == [
        "Syncro did not keep what was written into contact fields: azure_license."
    ]
    assert "Microsoft 365 Business Premium)" in ill(found)[0].cure


def test_the_fields_of_every_customer_s_own_rules_are_looked_for(tmp_path: Path) -> None:
    def spoil(clinic: Clinic) -> None:
        fields = NAMES.model_copy(update={"tenant_id": "Entra Tenant"})
        clinic.world.ledger.policies.held[CUSTOMER] = SyncPolicy(fields=fields)

    assert "Entra Tenant" in ill(examined(tmp_path, spoil))[0].what


def test_one_customer_is_looked_at_closely_and_the_others_are_not(tmp_path: Path) -> None:
    def spoil(clinic: Clinic) -> None:
        clinic.tie(8, "00000000-0000-0000-0000-000000000008", ConnectionStatus.APPROVED)
        put_back_twice(clinic)
        clinic.passes.plans = [an_update(contact_id=101, before="Boss", after="CFO")]

    found = examined(tmp_path, spoil, customer=CUSTOMER)
    tenants = {finding.tenant for finding in found.findings if finding.tenant}
    assert tenants == {TENANT}
    assert [finding.organ for finding in ill(found)] == [Organ.SECOND_WRITER]


def put_back_twice(clinic: Clinic) -> None:
    """The third time shows in the plan alone."""
    change = FieldChange("phone", "Boss", "CFO", Kind.PROFILE, "why")
    entry = JournalEntry(CUSTOMER, "u1", 101, "update", (change,), Reason.DELTA, "t", START, state=WriteState.WRITTEN)
    clinic.world.ledger.journal.written += [replace(entry, intended_at=START - n * SOON) for n in (3, 2, 1)]


def test_an_unknown_customer_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(OperationError) as caught:
        examined(tmp_path, customer=12345)
    assert caught.value.exit_code == 2


def test_a_second_writer_that_was_accepted_stays_yellow(tmp_path: Path) -> None:
    async def main() -> Checkup:
        clinic = Clinic(tmp_path)
        put_back_thrice(clinic)
        await operations.preview(clinic.ports, CUSTOMER)
        await operations.approve(clinic.ports, CUSTOMER, None, by="ada", second_writer_accepted=True)
        return await clinic.check()

    found = asyncio.run(main())
    yellow = [finding for finding in found.findings if finding.organ is Organ.SECOND_WRITER]
    assert [finding.level for finding in yellow] == [Level.YELLOW]
    assert "accepted by ada" in yellow[0].what


def test_nothing_is_written_without_a_probe_and_a_probe_is_told_with_the_rest(tmp_path: Path) -> None:
    async def main() -> Checkup:
        clinic = Clinic(tmp_path)
        clinic.customers.put(Customer(99, "Nobody's"))
        clinic.contact_probe.contacts[4711] = Contact(4711, 99, "Probe")
        clinic.contact_probe.defined = set(CONTACT_FIELDS)
        unproved(clinic)
        assert (await clinic.check()).yellow == 1
        assert not clinic.contact_probe.puts
        return await check(clinic.ports, wish=ProbeWish(4711))

    found = asyncio.run(main())
    assert (found.red, found.yellow) == (0, 0)  # it has written, so that right is proved too
    assert any("as it was before the probe" in finding.what for finding in found.findings)


def test_a_probe_that_was_killed_is_red_until_it_is_put_back(tmp_path: Path) -> None:
    (tmp_path / "probes").mkdir()
    (tmp_path / "probes" / "contact-4711.json").write_text("{}")
    red = ill(examined(tmp_path))
    assert "check --probe-contact 4711 --yes" in red[0].cure


def test_syncro_that_cannot_be_reached_is_one_finding(tmp_path: Path) -> None:
    def spoil(clinic: Clinic) -> None:
        clinic.account.failure = Transient("syncro", "unreachable")

    assert [finding.organ for finding in ill(examined(tmp_path, spoil))] == [Organ.SYNCRO_TOKEN]
