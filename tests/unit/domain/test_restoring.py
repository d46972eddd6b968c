"""What survives a restore: of two words about one customer the stricter, and every lock that holds."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from shared.domain.desk import Choice, Chosen, Pin
from shared.domain.onboarding import Invite, InviteState, WithoutEntra
from shared.domain.protections import Protects, protections
from shared.domain.records import Connection, ConnectionStatus, Link, ListSizes, WriteState
from shared.domain.restoring import Carried, Standing, carried
from tests.support.clock import START
from tests.support.ledger import a_hold, an_entry

LATER = START + timedelta(hours=1)
NOW = START + timedelta(hours=2)
A, B = "tenant-a", "tenant-b"
PIN = Pin(7, 101, "legal hold", "kim", START)
NOTHING = Standing(connections={}, apart={}, pins={}, choices={}, holds={}, rules={}, links={})
WRITES = ConnectionStatus.APPROVED


def tied(status: str, tenant: str = A, *, with_all: bool = False, at: Any = START) -> Connection:
    return Connection(7, "Contoso", tenant, ConnectionStatus(status), START, at, (), with_all)


def ledger(**parts: Any) -> Standing:
    return replace(NOTHING, **parts)


def after(carry: Carried, backup: Connection | None) -> Connection | None:
    return carry.connections[0] if carry.connections else backup


@pytest.mark.parametrize(
    ("today", "then", "status"),
    [
        ("approved", "approved", "approved"),
        ("paused", "approved", "paused"),
        ("preview", "approved", "preview"),  # a tenant was added, say: nobody has seen what it would change
        ("disconnected", "approved", "disconnected"),
        ("approved", "paused", "paused"),
        ("approved", "preview", "preview"),
        ("approved", "disconnected", "disconnected"),
        ("paused", "preview", "preview"),
        ("preview", "paused", "preview"),
        ("disconnected", "preview", "disconnected"),
    ],
)
def test_of_two_words_about_a_customer_the_stricter_holds(today: str, then: str, status: str) -> None:
    present, backup = tied(today, at=LATER), tied(then)
    ledgers = ledger(connections={7: present}), ledger(connections={7: backup})
    carry = carried(*ledgers, NOW)
    kept = after(carry, backup)
    assert kept is not None
    assert kept.status.value == status
    told = [] if status == then else ["waiting for approval" if status == "preview" else status]
    if (today, then) == ("paused", "preview"):
        told = ["was paused, and waits for approval now"]
    assert [each.what.value for each in protections(carry, *ledgers)] == told


@pytest.mark.parametrize(
    ("today", "then", "status"),
    [
        ("approved", "approved", "preview"),
        ("paused", "approved", "preview"),
        ("disconnected", "paused", "disconnected"),
    ],
)
def test_an_approval_for_another_tenant_is_none(today: str, then: str, status: str) -> None:
    carry = carried(ledger(connections={7: tied(today, B)}), ledger(connections={7: tied(then, A)}), NOW)
    (kept,) = carry.connections
    assert (kept.status.value, kept.tenant_id, kept.changed_at) == (status, B, NOW)


def test_what_nobody_spoke_about_stands_as_it_was_and_what_was_connected_since_is_not_brought_back() -> None:
    assert carried(NOTHING, ledger(connections={7: tied("approved")}), NOW).connections == ()
    assert carried(ledger(connections={7: tied("paused")}), NOTHING, NOW).connections == ()


def test_one_that_a_person_paused_alone_after_the_switch_does_not_go_on_with_the_others() -> None:
    alone, by_switch = tied("paused", at=LATER), tied("paused", with_all=True)
    carry = carried(ledger(connections={7: alone}), ledger(connections={7: by_switch}), NOW)
    assert carry.connections == (alone,)
    assert carried(ledger(connections={7: by_switch}), ledger(connections={7: alone}), NOW).connections == ()


def test_a_customer_that_has_no_entra_is_disconnected() -> None:
    apart = WithoutEntra(7, "Contoso", LATER)
    carry = carried(ledger(apart={7: apart}), ledger(connections={7: tied("approved")}), NOW)
    assert [each.status for each in carry.connections] == [ConnectionStatus.DISCONNECTED]
    assert carry.apart == (apart,)


@pytest.mark.parametrize(
    ("now", "then", "kept"),
    [
        (PIN, None, True),
        (PIN, PIN, False),
        (PIN, replace(PIN, until=NOW + timedelta(days=1)), True),
        (replace(PIN, until=NOW + timedelta(days=1)), PIN, False),
        (replace(PIN, until=NOW + timedelta(days=2)), replace(PIN, until=NOW + timedelta(days=1)), True),
        (replace(PIN, until=NOW), None, False),  # over
        (None, PIN, False),  # unlocked since: the backup's lock holds, whoever wants it off says so again
    ],
)
def test_the_longer_lock_holds(now: Pin | None, then: Pin | None, kept: bool) -> None:
    present = ledger(pins={(7, 101): now} if now else {})
    assert carried(present, ledger(pins={(7, 101): then} if then else {}), NOW).pins == ((now,) if kept else ())


def test_a_creation_that_was_decided_and_is_no_more_is_asked_again_and_what_was_left_alone_stays() -> None:
    create = Chosen(7, "cora", Choice.CREATE, "d0", "new here", "kim", START)
    left = replace(create, user_id="dora", choice=Choice.DISMISS)
    backup = ledger(connections={7: tied("approved")}, choices={(7, "cora"): create})
    used_up = ledger(connections={7: tied("approved")}, choices={(7, "dora"): left})
    carry = carried(used_up, backup, NOW)
    assert (carry.forgotten, carry.choices) == (((7, "cora"),), (left,))
    unknown = carried(NOTHING, backup, NOW)
    assert unknown.forgotten == ()


@given(
    present=some.dictionaries(some.integers(1, 5), some.integers(1, 5), max_size=5),
    backup=some.dictionaries(some.integers(1, 5), some.integers(1, 5), max_size=5),
)
def test_links_of_now_win_and_no_contact_has_two_users(present: dict[int, int], backup: dict[int, int]) -> None:
    def links(known: dict[int, int]) -> dict[tuple[int, str], Link]:
        unique = {contact: user for user, contact in known.items()}
        return {(7, f"u{user}"): Link(7, f"u{user}", contact, "mail", START) for contact, user in unique.items()}

    now, then = links(present), links(backup)
    carry = carried(ledger(links=now), ledger(links=then), NOW)
    end = {key: each for key, each in then.items() if key not in carry.unlinked}
    for each in carry.links:  # as the ledger does: it refuses a contact that another user holds
        assert each.contact_id not in {other.contact_id for key, other in end.items() if key != (7, each.user_id)}
        end[7, each.user_id] = each
    assert end.items() >= now.items()


def test_links_and_rules_that_were_taken_back_since_are_not_brought_back() -> None:
    known = ledger(connections={7: tied("approved")})
    backup = replace(known, links={(7, "anna"): Link(7, "anna", 100, "person", START)}, rules={7: {"cron": "x"}})
    carry = carried(known, backup, NOW)
    assert (carry.unlinked, carry.unruled) == (((7, "anna"),), (7,))
    unknown = carried(NOTHING, backup, NOW)
    assert (unknown.unlinked, unknown.unruled) == ((), ())


def test_what_brakes_count_by_is_of_now_and_each_write_comes_along_once() -> None:
    backup = ledger(
        connections={7: tied("approved")},
        sizes={7: ListSizes(7, 10, 10, START)},
        approved={(7, "anna"): "d1", (7, "bert"): "d2"},
        writes=(replace(an_entry("anna"), id=1),),
    )
    made = replace(an_entry("cora", action="create"), id=8, undoes=5)
    present = replace(
        backup,
        sizes={7: ListSizes(7, 100, 100, LATER)},
        approved={(7, "bert"): "d2", (7, "cora"): "d3"},
        writes=(
            replace(an_entry("anna"), id=3, state=WriteState.WRITTEN),
            replace(an_entry("bert"), id=4),
            replace(an_entry("dora"), id=7, undoes=4),
            made,
        ),
    )
    carry = carried(present, backup, NOW)
    assert carry.sizes == (ListSizes(7, 100, 100, LATER),)
    assert (carry.settled, carry.approved) == (((7, "anna"),), {(7, "cora"): "d3"})
    assert carry.writes == (replace(an_entry("bert"), id=4), replace(made, undoes=None))


@pytest.mark.parametrize("then", InviteState)
@pytest.mark.parametrize("today", InviteState)
def test_a_consent_link_that_was_used_up_or_withdrawn_opens_nothing_again(
    today: InviteState, then: InviteState
) -> None:
    invite = Invite("nonce", 9, "Nine", "", START, NOW)
    present, backup = (ledger(invites={"nonce": replace(invite, state=each)}) for each in (today, then))
    carry = carried(present, backup, NOW)
    end = carry.invites[0].state if carry.invites else then
    if end is InviteState.OPEN:
        assert today is InviteState.OPEN
    assert [each.what for each in protections(carry, present, backup)] == [Protects.INVITE] * len(carry.invites)
    assert carried(NOTHING, backup, NOW).invites == ()


def test_a_pause_that_becomes_a_wait_for_approval_is_told() -> None:
    present, backup = ledger(connections={7: tied("paused", at=LATER)}), ledger(connections={7: tied("preview")})
    carry = carried(present, backup, NOW)
    (told,) = protections(carry, present, backup)
    assert (carry.connections, told.what, told.stands) == ((), Protects.PAUSE_OVER, ConnectionStatus.PREVIEW)
    moved = ledger(connections={7: tied("paused", B)})
    (told,) = protections(carried(moved, backup, NOW), moved, backup)
    assert (told.what, told.why) == (Protects.PREVIEW, "it was paused")


# --- whole ledgers ------------------------------------------------------------------------------------------------

CUSTOMERS, USERS, CONTACTS = (7,), ("anna", "bert"), (101, 102)


@some.composite
def standings(draw: some.DrawFn) -> Standing:
    """A customer with two users and two contacts, in any state that a ledger can be in; approved rather often."""
    numbers = [each for each in CUSTOMERS if draw(some.integers(0, 9))]
    pairs = [(number, user) for number in numbers for user in USERS]
    statuses, tenants = some.sampled_from((*ConnectionStatus, *[WRITES] * 6)), some.sampled_from((A, A, A, A, B))
    ends = some.sampled_from((None, START, NOW + timedelta(days=1), NOW + timedelta(days=2)))
    made = some.sampled_from(("mail", "person"))
    links: dict[tuple[int, str], Link] = {}
    for number, user in pairs:
        contact = draw(some.sampled_from((None, *CONTACTS)))
        if contact and contact not in {each.contact_id for key, each in links.items() if key[0] == number}:
            links[number, user] = Link(number, user, contact, draw(made), START)
    return Standing(
        connections={
            each: replace(tied(draw(statuses), draw(tenants), with_all=draw(some.booleans())), customer_id=each)
            for each in numbers
        },
        apart={each: WithoutEntra(each, "Contoso", START) for each in CUSTOMERS if not draw(some.integers(0, 5))},
        pins={
            (number, contact): Pin(number, contact, "x", "kim", START, draw(ends))
            for number in CUSTOMERS
            for contact in CONTACTS
            if draw(some.booleans())
        },
        choices={
            key: Chosen(*key, draw(some.sampled_from(Choice)), draw(some.sampled_from(("d0", "d1"))), "", "kim", START)
            for key in pairs
            if draw(some.booleans())
        },
        holds={each: a_hold(draw(some.sampled_from(("c0", "c1"))), each) for each in numbers if draw(some.booleans())},
        rules={each: {"cron": draw(some.sampled_from("xy"))} for each in numbers if draw(some.booleans())},
        links=links,
        approved={key: draw(some.sampled_from(("r0", "r1"))) for key in pairs if draw(some.booleans())},
    )


def laid(carry: Carried, backup: Standing) -> Standing:
    """What an adapter makes of it, step by step."""
    choices = {key: each for key, each in backup.choices.items() if key not in carry.forgotten}
    links = {key: each for key, each in backup.links.items() if key not in carry.unlinked}
    approved = {key: each for key, each in backup.approved.items() if key not in carry.settled}
    return replace(
        backup,
        connections={**backup.connections, **{each.customer_id: each for each in carry.connections}},
        apart={**backup.apart, **{each.customer_id: each for each in carry.apart}},
        pins={**backup.pins, **{(each.customer_id, each.contact_id): each for each in carry.pins}},
        choices=choices | {(each.customer_id, each.user_id): each for each in carry.choices},
        holds={**backup.holds, **{each.customer_id: each for each in carry.holds}},
        rules={key: each for key, each in backup.rules.items() if key not in carry.unruled} | dict(carry.rules),
        links=links | {(each.customer_id, each.user_id): each for each in carry.links},
        approved=approved | dict(carry.approved),
    )


def may_write(known: Standing, number: int, user: str, contact: int | None) -> object:
    """Whether this user's contact may be written (None: made), as plainly as it can be said; and by which terms."""
    tied_now = known.connections.get(number)
    if tied_now is None or tied_now.status is not WRITES or number in known.apart:
        return False
    if contact is not None and (number, contact) in known.pins and known.pins[number, contact].holds(NOW):
        return False
    link, chosen = known.links.get((number, user)), known.choices.get((number, user))
    if link is not None and link.contact_id != contact:
        return False
    if any(
        each.contact_id == contact and key != (number, user) for key, each in known.links.items() if key[0] == number
    ):
        return False
    if link is None and chosen is not None and chosen.choice is Choice.DISMISS:
        return False
    if link is None and contact is None and chosen is None:
        return False  # whether one is made is another question; nobody ordered it
    return (tied_now.tenants, known.rules.get(number), known.approved.get((number, user)))


@some.composite
def pairs_of_ledgers(draw: some.DrawFn) -> tuple[Standing, Standing]:
    """Most of it is as it was when the backup was made."""
    present, other = draw(standings()), draw(standings())
    changed = draw(some.sets(some.sampled_from([each.name for each in fields(Standing)]), min_size=1, max_size=3))
    return present, replace(present, **{name: getattr(other, name) for name in changed})


@settings(max_examples=400)
@given(pairs_of_ledgers())
def test_nothing_is_written_after_it_that_was_not_written_right_before(ledgers: tuple[Standing, Standing]) -> None:
    present, backup = ledgers
    after = laid(carried(present, backup, NOW), backup)
    for number in present.connections:  # of others nobody spoke
        assert number not in present.holds or number in after.holds
        for user in USERS:
            for contact in (None, *CONTACTS):
                allowed = may_write(after, number, user, contact)
                assert allowed is False or allowed == may_write(present, number, user, contact)
    linked = [(each.customer_id, each.contact_id) for each in after.links.values()]
    assert len(linked) == len(set(linked))
