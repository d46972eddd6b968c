"""`explain`: who is meant by a word, what is told about each place, and what stands in the way with who does what."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from console.operations import Explanation, OperationError, Step, explain_person
from shared.domain.changes import Candidate, Conflict, ConflictReason, FieldChange, Kind
from shared.domain.contact import Contact
from shared.domain.desk import Choice, Chosen, Pin
from shared.domain.errors import Scope, StopTheLine, SyncError, Transient
from shared.domain.messages import Reason
from shared.domain.records import STOPPED_KEY, ConnectionStatus, HeldRow, JournalEntry, Link, WriteState
from shared.domain.ruling import Rule, Ruling
from shared.domain.user import DirectoryUser
from shared.domain.watching import Poll, SubscriptionState, announced_key, notified_key, read_key
from tests.support.clock import START
from tests.support.desk import CUSTOMER, Desk, a_body, a_hold
from tests.support.receiver import OTHER, TENANT, guid
from tests.unit.console.conftest import Shell

ANNA, BEN = guid(1), guid(2)
CONTACT = 101
NO_CONSENT = StopTheLine("login", "consent", "consent is missing", scope=Scope.TENANT)
RULINGS = (
    Ruling("city", "Bonn", "Ulm", Rule.OVERWRITE, True, "Differs from city in Entra, and Entra decides this field."),
    Ruling("phone", "+1 217 555 0111", "", Rule.BLANK, False, "businessPhones is blank in Entra."),
)


async def known(desk: Desk) -> None:
    """Anna at customer 7, linked to contact 101; 8 has another tenant that knows Ben alone."""
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.tie(8, OTHER, status=ConnectionStatus.APPROVED)
    desk.world.directory.put(TENANT, DirectoryUser(ANNA, mail="anna@contoso.example"))
    desk.world.directory.put(OTHER, DirectoryUser(BEN, user_principal_name="ben@north.example"))
    await desk.ports.links.link(Link(CUSTOMER, ANNA, CONTACT, "mail", START))
    desk.passes.explanation = Explanation("Anna Meier", (Step("read", "Entra has this user now."),), RULINGS)


async def places(desk: Desk, who: str, customer_id: int | None = None) -> list[tuple[int, str, str]]:
    told = await explain_person(desk.ports, who, customer_id)
    return [(place.connection.customer_id, place.tenant_id, place.user_id) for place in told.places]


# --- who is meant -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", [ANNA, ANNA.upper(), "anna@contoso.example", " ANNA@Contoso.Example ", str(CONTACT)])
async def test_one_person_by_id_address_or_contact(desk: Desk, who: str) -> None:
    await known(desk)
    assert await places(desk, who) == [(CUSTOMER, TENANT, ANNA)]


async def test_an_unlinked_user_is_found_by_asking_the_tenants(desk: Desk) -> None:
    await known(desk)
    assert await places(desk, BEN) == await places(desk, "ben@north.example") == [(8, OTHER, BEN)]


async def test_a_linked_user_costs_no_question_to_other_customers_tenants(desk: Desk) -> None:
    await known(desk)
    await explain_person(desk.ports, ANNA)
    assert {tenant for _, tenant, _ in desk.world.directory.reads} == {TENANT}


async def test_every_customer_of_the_tenant_is_told(desk: Desk) -> None:
    await known(desk)
    desk.tie(9, TENANT, status=ConnectionStatus.APPROVED)
    assert await places(desk, ANNA) == [(CUSTOMER, TENANT, ANNA), (9, TENANT, ANNA)]
    assert await places(desk, ANNA, 9) == [(9, TENANT, ANNA)]


async def test_a_linked_user_that_no_tenant_knows_any_more_is_told_all_the_same(desk: Desk) -> None:
    await known(desk)
    desk.world.directory.people[TENANT].clear()
    assert await places(desk, ANNA) == [(CUSTOMER, TENANT, ANNA)]


async def test_an_unlinked_contact_is_found_by_its_address(desk: Desk) -> None:
    await known(desk)
    desk.contact_probe.contacts[5] = Contact(5, 8, email="Ben@north.example")
    told = await explain_person(desk.ports, "5")
    assert [(place.user_id, place.link) for place in told.places] == [(BEN, None)]


async def test_a_lost_consent_of_one_customer_hides_nobody_else(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await known(desk)
    claimants = desk.world.directory.claimants

    async def asked(tenant_id: str, address: str) -> Any:
        if tenant_id == TENANT:
            raise NO_CONSENT
        return await claimants(tenant_id, address)

    monkeypatch.setattr(desk.world.directory, "claimants", asked)
    told = await explain_person(desk.ports, "ben@north.example")
    assert [place.user_id for place in told.places] == [BEN]
    assert [(each.customer_id, each.error) for each in told.unasked] == [(CUSTOMER, NO_CONSENT)]


@pytest.mark.parametrize(
    ("who", "words"),
    [("Anna Meier", "object id or address"), ("999", "Syncro knows no contact 999"), ("6", "customer 77")],
)
async def test_what_names_nobody_is_wrong_use(desk: Desk, who: str, words: str) -> None:
    await known(desk)
    desk.contact_probe.contacts[6] = Contact(6, 77)
    with pytest.raises(OperationError, match=words) as caught:
        await explain_person(desk.ports, who)
    assert caught.value.exit_code == 2


# --- what is told -------------------------------------------------------------------------------------------------


async def test_hints_reads_and_writes_are_those_of_this_user(desk: Desk) -> None:
    await known(desk)
    memory, journal = desk.ports.memory, desk.world.ledger.journal
    await memory.remember(announced_key(TENANT, ANNA), START.isoformat(), ttl=60)
    await memory.remember(read_key(TENANT, ANNA), (START + timedelta(seconds=3)).isoformat(), ttl=60)
    change = FieldChange("city", "", "Ulm", Kind.PROFILE, "Empty.")
    for user in (ANNA, BEN):
        entry = JournalEntry(CUSTOMER, user, CONTACT, "update", (change,), Reason.NOTIFICATION, "t", START)
        await journal.settle(await journal.intend(entry), WriteState.WRITTEN, at=START)
    await memory.remember(notified_key(TENANT), (START + timedelta(seconds=5)).isoformat(), ttl=60)
    (place,) = (await explain_person(desk.ports, ANNA)).places
    assert (place.announced_at, place.read_at) == (START, START + timedelta(seconds=3))
    assert place.notified_at == START + timedelta(seconds=5)
    assert [entry.user_id for entry in place.writes] == [ANNA]
    assert (place.blocks, place.explanation) == ((), desk.passes.explanation)


@pytest.mark.parametrize("error", [NO_CONSENT, Transient("syncro", "timeout")])
async def test_what_the_ledger_knows_is_told_while_a_vendor_is_away(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: SyncError
) -> None:
    await known(desk)

    async def fails(customer_id: int, user_id: str) -> Explanation:
        raise error

    monkeypatch.setattr(desk.passes, "explain", fails)
    (place,) = (await explain_person(desk.ports, ANNA)).places
    assert (place.explanation, place.steps_failed, place.link is not None) == (None, error, True)


async def in_the_way(desk: Desk) -> str:
    (place,) = (await explain_person(desk.ports, ANNA, CUSTOMER)).places
    return "\n".join(place.blocks)


CONFLICT = Conflict(ANNA, CUSTOMER, ConflictReason.SEVERAL_CONTACTS, (Candidate(1, ()), Candidate(2, ())))


async def test_whatever_blocks_is_named_with_who_does_what(desk: Desk) -> None:
    await known(desk)
    ports = desk.ports
    desk.letter("l1", a_body(1))
    desk.letter("l2", a_body(2), "replayed")
    await ports.conflicts.open(CONFLICT, START)
    await ports.conflicts.open(replace(CONFLICT, user_id=BEN), START)
    await ports.pins.pin(Pin(CUSTOMER, CONTACT, "VIP", "ada", START))
    hold = a_hold()
    await ports.holds.open(replace(hold, rows=(HeldRow(ANNA, "Anna", CONTACT, "d", hold.rows[0].changes),)))
    await ports.owed.mark(CUSTOMER, "resumed after a pause", START)
    said = await in_the_way(desk)
    for words in (
        "locked for good by ada: VIP. Unlock it: entra-syncro customers unpin 101",
        f"several contacts share this address. Look: entra-syncro conflicts show 7 {ANNA}",
        "held by a brake. Look at it: entra-syncro runs show 0b9a8ac4",
        "failed 15 times (Syncro refused the values). When the cause is gone: entra-syncro dead-letters replay l1",
        "not yet synced (resumed after a pause)",
    ):
        assert words in said
    assert "l2" not in said
    assert len(said.splitlines()) == 5


async def test_what_is_over_or_about_others_blocks_nothing(desk: Desk) -> None:
    await known(desk)
    ports = desk.ports
    await ports.pins.pin(Pin(CUSTOMER, CONTACT, "VIP", "ada", START, until=START))
    await ports.pins.pin(Pin(CUSTOMER, 5, "VIP", "ada", START))
    await ports.holds.open(a_hold())
    await ports.conflicts.open(replace(CONFLICT, user_id=BEN), START)
    assert await in_the_way(desk) == ""


async def test_a_choice_that_was_made_is_told_or_done(desk: Desk) -> None:
    await known(desk)
    await desk.ports.conflicts.open(CONFLICT, START)
    chosen = Chosen(CUSTOMER, ANNA, Choice.DISMISS, "1 2", "a shared mailbox", "ada", START)
    await desk.ports.choices.choose(chosen)
    said = await in_the_way(desk)
    assert said.startswith("ada left the choice of a contact alone: a shared mailbox. To be asked again: ")
    assert said.endswith(f"entra-syncro conflicts reopen 7 {ANNA}")
    await desk.ports.choices.choose(replace(chosen, choice=Choice.CREATE))
    assert await in_the_way(desk) == ""


@pytest.mark.parametrize(
    ("status", "words"),
    [(ConnectionStatus.PREVIEW, "entra-syncro preview --customer 7"), (ConnectionStatus.PAUSED, "resume 7")],
)
async def test_a_customer_that_is_not_written_blocks(desk: Desk, status: ConnectionStatus, words: str) -> None:
    await known(desk)
    desk.tie(status=status)
    assert words in await in_the_way(desk)


async def test_a_tenant_that_cannot_be_heard_is_told_with_its_cure_once(desk: Desk) -> None:
    await known(desk)
    code = "graph:handshake_refused"
    await desk.ports.subscription_states.save(SubscriptionState(TENANT, None, None, code, START))
    await desk.ports.polls.save(Poll(TENANT, None, None, 300.0, code=code))
    said = await in_the_way(desk)
    assert said.startswith("Changes may come late: ")
    assert len(said.splitlines()) == 1


# --- as a shell sees it -------------------------------------------------------------------------------------------


def test_the_page_names_every_fields_rule_and_fits(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.cli.output.PIPE_WIDTH", 80)
    shell.run(known(shell.desk))
    said = shell("explain", "anna@contoso.example")
    assert said.code == 0
    for words in ("Anna Meier at Customer 7 (7)", "101, by the mail address", "written, overwrite", "blank in"):
        assert words in said.out
    assert "Nothing is in the way at Customer 7." in said.out
    assert "rule 1: written, overwrite: Differs from city in Entra" in said.out
    assert max(len(line) for line in said.out.splitlines() if not line.startswith("rule ")) <= 80


def test_a_program_gets_places_rules_and_reasons(shell: Shell) -> None:
    shell.run(known(shell.desk))
    shell.desk.letter("l1", a_body(1))
    shell.run(shell.desk.ports.memory.remember(STOPPED_KEY, "token", ttl=60))
    told = shell("explain", ANNA, "--json").json
    (place,) = told["places"]
    assert told["stopped"] == "token"
    assert [field["rule"] for field in place["explanation"]["fields"]] == ["overwrite", "blank in Entra"]
    assert "body" not in place["failed"][0]
    assert (place["steps_failed"], len(place["blocks"])) == (None, 1)


def test_that_everything_stands_still_is_said(shell: Shell) -> None:
    shell.run(known(shell.desk))
    shell.run(shell.desk.ports.memory.remember(STOPPED_KEY, "token", ttl=60))
    assert "set syncro.api_token" in shell("explain", ANNA).out


def test_nobody_is_code_2_with_where_to_look(shell: Shell) -> None:
    shell.run(known(shell.desk))
    shell.desk.contact_probe.contacts[5] = Contact(5, CUSTOMER)
    for who, words in ((guid(9), "Entra admin center"), ("5", "Contact 5 is linked to nobody")):
        said = shell("explain", who)
        assert (said.code, words in said.err) == (2, True)
