"""What people chose for a user whose contact is not certain: what it answers, how long it holds, whom it concerns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.changes import Conflict, ConflictReason, CreateContact, Excluded, ExclusionReason, UpdateContact
from shared.domain.choosing import seen, standing_choices, still_holds, used_up
from shared.domain.contact import Contact
from shared.domain.desk import Choice, Chosen
from shared.domain.matching import Ambiguous, Found, Level, Match, NotFound, match
from shared.domain.plan import plan
from shared.domain.policy import CreateScope, SyncPolicy
from shared.domain.preview import outcome_of
from shared.domain.records import Link
from shared.domain.user import AnyUser, DirectoryUser, SoftDeleted
from tests.support.clock import START
from tests.support.people import CUSTOMER, a_contact, a_user
from tests.support.tenancy import TODAY, Tenancy
from tests.unit.domain.test_invariants import copy_of, outcomes, tenancies

MAIL = "anna@contoso.example"
ANNA = a_user("u1", mail=MAIL, user_principal_name="anna@upn.example")
TWICE = [a_contact(1, email=MAIL), a_contact(2, email=MAIL)]


def chosen(choice: Choice, *candidates: int, user_id: str = "u1") -> Chosen:
    return Chosen(CUSTOMER, user_id, choice, seen(candidates), "asked her", "ada", START)


def answer(
    user: AnyUser,
    contacts: Sequence[Contact],
    *choices: Chosen,
    linked: Mapping[int, str] | None = None,
    rivals: Sequence[DirectoryUser] = (),
) -> Match:
    links = dict(linked or {})
    return match(
        user,
        contacts,
        link=next((each for each, user_id in links.items() if user_id == user.id), None),
        linked=links,
        rivals=rivals,
        policy=SyncPolicy(),
        choices={each.user_id: each for each in choices},
    )


def planned(user: AnyUser, found: Match, **policy: Any) -> Any:
    return plan(user, found, customer_id=CUSTOMER, facts=None, policy=SyncPolicy(**policy), today=TODAY)


@pytest.mark.parametrize(
    ("choice", "linked", "there", "is_used_up"),
    [
        (Choice.CREATE, {"u1": 0}, (), True),  # seconds from the choice to the link
        (Choice.CREATE, {"u1": 60}, (), True),
        (Choice.CREATE, {"u1": -60}, (), False),  # it led nowhere, that is why the person chose
        (Choice.CREATE, {"u1": -60}, (2,), False),
        (Choice.CREATE, {"u1": -60}, (1, 2), True),  # made while the person chose, or by another clock
        (Choice.CREATE, {"u2": 60}, (1,), False),
        (Choice.CREATE, {}, (1,), False),
        (Choice.DISMISS, {"u1": 60}, (1,), False),
    ],
)
def test_a_chosen_contact_is_used_up_by_any_later_link_and_by_one_that_leads_somewhere(
    choice: Choice, linked: dict[str, int], there: tuple[int, ...], *, is_used_up: bool
) -> None:
    choices = {"u1": chosen(choice, 1, 2)}
    links = [Link(CUSTOMER, user, 1, "created", START + timedelta(seconds=late)) for user, late in linked.items()]
    assert used_up(choices, links, there) == (choices if is_used_up else {})
    assert standing_choices(choices, links, there) == ({} if is_used_up else choices)


# --- how long a choice holds --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "asked", "free", "holds"),
    [
        (Choice.CREATE, {1, 2}, {1, 2}, True),
        (Choice.CREATE, {2}, {2}, True),
        (Choice.CREATE, set(), set(), True),
        (Choice.CREATE, {1, 3}, {1, 3}, False),
        (Choice.CREATE, {1, 3}, {1}, True),
        (Choice.DISMISS, {1, 2}, {1}, True),
        (Choice.DISMISS, {1}, set(), True),
        (Choice.DISMISS, {1, 3}, {1}, False),
    ],
)
def test_a_choice_holds_until_something_new_is_in_question(
    choice: Choice, asked: set[int], free: set[int], holds: bool
) -> None:
    assert still_holds(chosen(choice, 1, 2), asked, free) is holds


def test_what_was_seen_does_not_depend_on_the_order_of_candidates() -> None:
    assert seen([2, 10, 1, 2]) == seen([1, 2, 10])
    assert seen([]) == ""


# --- a contact of its own -----------------------------------------------------------------------------------------


def test_a_contact_is_made_although_there_are_candidates() -> None:
    found = answer(ANNA, TWICE, chosen(Choice.CREATE, 1, 2))
    result = planned(ANNA, found)
    assert isinstance(result, CreateContact)
    assert (result.chosen_by, "asked her" in result.why) == ("ada", True)
    assert {"name": "Anna Meier", "email": MAIL}.items() <= {c.field: c.after for c in result.changes}.items()


def test_a_new_candidate_asks_again() -> None:
    result = answer(ANNA, [*TWICE, a_contact(3, email=MAIL)], chosen(Choice.CREATE, 1, 2))
    assert isinstance(result, Ambiguous)
    assert result.left is None


def test_a_candidate_that_became_another_users_does_not_ask_again() -> None:
    contacts = [*TWICE, a_contact(3, email=MAIL)]
    assert isinstance(answer(ANNA, contacts, chosen(Choice.CREATE, 1, 2), linked={3: "u9"}), NotFound)


@pytest.mark.parametrize(
    ("facts", "policy", "reason"),
    [
        ({"account_enabled": False}, {}, ExclusionReason.DISABLED),
        ({"mail": None}, {}, ExclusionReason.NO_ADDRESS),
        ({"sku_ids": ()}, {}, None),
        ({"user_type": "Guest"}, {}, None),
        ({}, {"create_scope": CreateScope.NONE}, None),
        ({}, {"domains": ("elsewhere.example",)}, None),
    ],
)
def test_only_what_a_contact_needs_is_against_a_chosen_one(
    facts: dict[str, Any], policy: dict[str, Any], reason: ExclusionReason | None
) -> None:
    user = replace(ANNA, **facts)
    result = planned(user, NotFound(chosen(Choice.CREATE)), **policy)
    assert (result.reason if isinstance(result, Excluded) else None) is reason
    assert isinstance(result, Excluded | CreateContact)


def test_whoever_is_gone_gets_none() -> None:
    gone = SoftDeleted("u1", START)
    assert planned(gone, NotFound(chosen(Choice.CREATE))) == Excluded("u1", CUSTOMER, ExclusionReason.GONE)


@pytest.mark.parametrize("choice", Choice)
def test_a_link_and_an_object_id_stand_above_any_choice(choice: Choice) -> None:
    by_link = answer(ANNA, TWICE, chosen(choice, 1, 2), linked={2: "u1"})
    by_id = answer(ANNA, [a_contact(1, properties={"azure_object_id": "u1"})], chosen(choice, 1))
    assert isinstance(by_link, Found)
    assert isinstance(by_id, Found)
    assert (by_link.contact.id, by_link.level, by_id.level) == (2, Level.LINK, Level.OBJECT_ID)


def test_contacts_that_carry_its_object_id_are_a_question_that_no_new_contact_answers() -> None:
    twice = [a_contact(each, properties={"azure_object_id": "u1"}) for each in (1, 2)]
    create, dismiss = (answer(ANNA, twice, chosen(each, 1, 2)) for each in Choice)
    assert isinstance(create, Ambiguous)
    assert isinstance(dismiss, Ambiguous)
    assert (create.left is None, dismiss.left is None) == (True, False)


def test_a_contact_that_the_person_saw_is_not_found_by_its_address_later() -> None:
    """The other of two took its own user's address meanwhile: that made nobody of the first."""
    one_left = [a_contact(1, email=MAIL), a_contact(2, email="bob@contoso.example")]
    assert isinstance(answer(ANNA, one_left, chosen(Choice.CREATE, 1, 2)), NotFound)
    unseen = answer(ANNA, [a_contact(3, email=MAIL)], chosen(Choice.CREATE, 1, 2))
    assert isinstance(unseen, Found)
    left = answer(ANNA, one_left, chosen(Choice.DISMISS, 1, 2))
    assert isinstance(left, Found), "leaving a question alone answers nothing"


def test_a_rival_that_a_person_chose_a_contact_for_counts_though_it_is_out_of_scope() -> None:
    rival = a_user("u2", mail=MAIL, user_principal_name="u2@x.example", sku_ids=())
    assert answer(ANNA, [], rivals=[rival]) == NotFound()
    result = answer(ANNA, [], chosen(Choice.CREATE, user_id="u2"), rivals=[rival])
    assert isinstance(result, Ambiguous)
    assert result.reason is ConflictReason.SEVERAL_USERS


@pytest.mark.parametrize("facts", [{"account_enabled": False}, {"user_type": "Guest", "account_enabled": False}])
def test_a_rival_that_never_gets_the_chosen_contact_does_not_count(facts: dict[str, Any]) -> None:
    rival = a_user("u2", mail=MAIL, user_principal_name="u2@x.example", **facts)
    assert answer(ANNA, [], chosen(Choice.CREATE, user_id="u2"), rivals=[rival]) == NotFound()


# --- left alone ---------------------------------------------------------------------------------------------------


def test_what_a_person_left_alone_is_no_open_question() -> None:
    result = planned(ANNA, answer(ANNA, TWICE, chosen(Choice.DISMISS, 1, 2)))
    assert isinstance(result, Conflict)
    assert (result.is_open, result.left_by, result.why) == (False, "ada", "asked her")
    assert outcome_of(result) == "left alone"


def test_leaving_alone_changes_nothing_where_there_is_no_question() -> None:
    assert answer(ANNA, [], chosen(Choice.DISMISS, 1)) == NotFound()


def test_leaving_alone_ends_with_a_new_candidate_whoever_holds_it() -> None:
    contacts = [*TWICE, a_contact(3, email=MAIL)]
    result = planned(ANNA, answer(ANNA, contacts, chosen(Choice.DISMISS, 1, 2), linked={3: "u9"}))
    assert isinstance(result, Conflict)
    assert (result.is_open, outcome_of(result)) == (True, "conflict")


# --- whatever people chose, the order of hints does not matter -------------------------------------------------------


@st.composite
def chosen_tenancies(draw: st.DrawFn) -> Tenancy:
    """People chose for some users, having seen all contacts or some of them."""
    tenancy = draw(tenancies())
    guests = draw(st.lists(st.booleans(), min_size=len(tenancy.users), max_size=len(tenancy.users)))
    tenancy.users = [
        replace(user, user_type="Guest") if guest else user for user, guest in zip(tenancy.users, guests, strict=True)
    ]
    for user in tenancy.users:
        choice = draw(st.sampled_from([None, None, Choice.CREATE, Choice.CREATE, Choice.DISMISS]))
        if choice is not None:
            saw = draw(st.just(list(tenancy.contacts)) | st.lists(st.sampled_from([1, 2, 3, 4])))
            tenancy.choices[user.id] = chosen(choice, *saw, user_id=user.id)
    return tenancy


def copied(tenancy: Tenancy) -> Tenancy:
    made = copy_of(tenancy)
    made.choices = dict(tenancy.choices)
    return made


crowd = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@crowd
@given(chosen_tenancies(), st.data())
def test_order_and_duplicates_of_hints_do_not_matter_with_choices(tenancy: Tenancy, data: st.DataObject) -> None:
    people = list(tenancy.users)
    in_order, shuffled = copied(tenancy), copied(tenancy)
    for user in people:
        in_order.hint(user)
    again = data.draw(st.lists(st.sampled_from(people), max_size=4))
    for user in data.draw(st.permutations(people + again)):
        shuffled.hint(user)
    in_order.full_pass()
    shuffled.full_pass()
    assert in_order.state() == shuffled.state()
    written = in_order.writes
    assert outcomes(in_order) == outcomes(shuffled)
    assert in_order.writes == written, "a second full pass writes nothing"


@crowd
@given(chosen_tenancies())
def test_the_joint_answer_is_the_answer_of_each_with_choices(tenancy: Tenancy) -> None:
    assert tenancy.answers() == {user.id: tenancy.answer(user) for user in tenancy.users}


@crowd
@given(chosen_tenancies())
def test_nobody_gets_a_second_contact_and_no_contact_a_second_user(tenancy: Tenancy) -> None:
    for user in tenancy.users:
        tenancy.hint(user)
    plans = tenancy.full_pass()
    made = Counter(tenancy.made.values())
    assert set(made.values()) <= {1}
    held = Counter(each.contact_id for each in plans.values() if isinstance(each, UpdateContact))
    assert set(held.values()) <= {1}
