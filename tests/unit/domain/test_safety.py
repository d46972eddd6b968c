"""Brakes: what counts as what, how much passes, and that nothing is ever lost or invented on the way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.changes import (
    Conflict,
    ConflictReason,
    CreateContact,
    Excluded,
    ExclusionReason,
    FieldChange,
    Kind,
    NoChange,
    NotYet,
    Pinned,
    Plan,
    UpdateContact,
)
from shared.domain.nightly import BrakePolicy
from shared.domain.safety import (
    Brake,
    Excess,
    brake_of,
    brakes_of,
    code_of,
    hourly_limit,
    judge,
    limit,
    listing_code,
    parts,
    shrunken,
)

POLICY = BrakePolicy()
PREMIUM = "Microsoft 365 Business Premium"
CLEAR = FieldChange("azure_license", PREMIUM, "", Kind.OWNED, "why")
DELETION = FieldChange("azure_account_status", "Active", "Deleted since 2026-11-24", Kind.OWNED, "why")
NAME = FieldChange("name", "Anna Meier", "Anna Huber", Kind.PROFILE, "why")
EMAIL = FieldChange("email", "anna@contoso.example", "huber@contoso.example", Kind.PROFILE, "why")
CITY = FieldChange("city", "Rom", "Paris", Kind.PROFILE, "why")


def update(*changes: FieldChange, user: int = 1) -> UpdateContact:
    return UpdateContact(f"u{user}", 7, user, changes, "mail")


def updates(change: FieldChange, count: int) -> list[Plan]:
    return [update(change, user=number) for number in range(count)]


def creations(count: int) -> list[Plan]:
    return [
        CreateContact(f"n{number}", 7, (FieldChange("name", "", "X", Kind.PROFILE, "w"),), "w")
        for number in range(count)
    ]


# --- classes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "before", "after", "brake"),
    [
        ("azure_license", PREMIUM, "", Brake.CLEARS),
        ("azure_license", PREMIUM, "  ", Brake.CLEARS),
        ("azure_license", PREMIUM, "Microsoft 365 Business Basic", None),  # another licence is no clear
        ("azure_license", "", PREMIUM, None),
        ("azure_license", " ", "", None),
        ("azure_mfa_methods", "SMS", "", Brake.CLEARS),
        ("azure_mfa_status", "enabled", "disabled", None),
        ("azure_account_status", "Active", "Deleted since 2026-11-24", Brake.CLEARS),
        ("azure_account_status", "", "Deleted since 2026-11-24", Brake.CLEARS),
        ("azure_account_status", "Blocked since 2026-11-01", "Deleted since 2026-11-24", Brake.CLEARS),
        ("azure_account_status", "Deleted since 2026-11-23", "Deleted since 2026-11-24", None),
        ("azure_account_status", "Deleted since 2026-11-23", "Active", None),  # restored
        ("azure_account_status", "Active", "Blocked since 2026-11-24", None),
        ("name", "Anna Meier", "Anna Huber", Brake.IDENTITY),
        ("email", "a@contoso.example", "b@contoso.example", Brake.IDENTITY),
        ("name", "", "Anna Huber", None),
        ("email", " ", "b@contoso.example", None),
        ("city", "Rom", "Paris", None),
        ("phone", "1", "2", None),
    ],
)
def test_the_class_of_a_change(field: str, before: str, after: str, brake: Brake | None) -> None:
    assert brake_of(FieldChange(field, before, after, Kind.OWNED, "why")) is brake


@pytest.mark.parametrize(
    ("plan", "brakes"),
    [
        (update(CITY), set()),
        (update(CLEAR, DELETION, CITY), {Brake.CLEARS}),
        (update(NAME, EMAIL), {Brake.IDENTITY}),
        (update(NAME, CLEAR), {Brake.CLEARS, Brake.IDENTITY}),
        (*creations(1), {Brake.CREATIONS}),
        (NoChange("u1", 7, 1), set()),
        (Excluded("u1", 7, ExclusionReason.GUEST), set()),
        (Conflict("u1", 7, ConflictReason.ALIAS_ONLY, ()), set()),
        (Pinned("u1", 7, 1), set()),
        (NotYet("u1", 7), set()),
    ],
)
def test_the_classes_of_a_plan(plan: Plan, brakes: set[Brake]) -> None:
    assert brakes_of(plan) == brakes


# --- limits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("brake", "contacts", "passes", "in_an_hour"),
    [
        (Brake.CLEARS, 0, 3, 3),
        (Brake.CLEARS, 5, 3, 3),
        (Brake.CLEARS, 50, 5, 5),
        (Brake.CLEARS, 59, 5, 5),
        (Brake.CLEARS, 500, 25, 25),
        (Brake.CLEARS, 100_000, 25, 25),
        (Brake.IDENTITY, 0, 5, 5),
        (Brake.IDENTITY, 5, 5, 5),
        (Brake.IDENTITY, 50, 10, 10),
        (Brake.IDENTITY, 500, 100, 100),
        (Brake.CREATIONS, 5, None, 15),
        (Brake.CREATIONS, 50, None, 15),
        (Brake.CREATIONS, 500, None, 15),
        (Brake.LISTING, 5, None, None),
        (Brake.LISTING, 50, None, None),
        (Brake.LISTING, 500, None, None),
    ],
)
def test_how_many_contacts_pass(brake: Brake, contacts: int, passes: int | None, in_an_hour: int | None) -> None:
    assert limit(brake, contacts, POLICY) == passes
    assert hourly_limit(brake, contacts, POLICY) == in_an_hour


@pytest.mark.parametrize(
    ("contacts", "plans", "excess"),
    [
        (5, updates(CLEAR, 3), {}),
        (5, updates(CLEAR, 4), {Brake.CLEARS: Excess(4, 3)}),
        (50, updates(CLEAR, 5), {}),
        (50, updates(CLEAR, 6), {Brake.CLEARS: Excess(6, 5)}),
        (500, updates(CLEAR, 25), {}),
        (500, updates(CLEAR, 26), {Brake.CLEARS: Excess(26, 25)}),
        (500, updates(CLEAR, 500), {Brake.CLEARS: Excess(500, 25)}),
        (5, updates(DELETION, 4), {Brake.CLEARS: Excess(4, 3)}),
        (5, updates(NAME, 5), {}),
        (50, updates(NAME, 10), {}),
        (50, updates(EMAIL, 11), {Brake.IDENTITY: Excess(11, 10)}),
        (500, updates(NAME, 100), {}),
        (500, updates(NAME, 101), {Brake.IDENTITY: Excess(101, 100)}),
        (5, creations(500), {}),  # what a full sync creates was shown in the preview, or comes with its licences
        (50, creations(500), {}),
        (500, creations(500), {}),
        (500, updates(CITY, 500), {}),
        # a contact counts once, however many of its fields are cleared; clears and deletions count together
        (5, [update(CLEAR, DELETION, user=number) for number in range(3)], {}),
        (5, [*updates(CLEAR, 2), update(DELETION, user=8), update(DELETION, user=9)], {Brake.CLEARS: Excess(4, 3)}),
        # one class in excess says nothing about the other
        (50, [*updates(CLEAR, 6), *updates(NAME, 10)], {Brake.CLEARS: Excess(6, 5)}),
        (
            50,
            [update(CLEAR, NAME, user=number) for number in range(11)],
            {Brake.CLEARS: Excess(11, 5), Brake.IDENTITY: Excess(11, 10)},
        ),
        (50, [], {}),
    ],
)
def test_what_is_in_excess(contacts: int, plans: list[Plan], excess: dict[Brake, Excess]) -> None:
    assert judge(plans, contacts, POLICY) == excess


def test_all_numbers_are_settings() -> None:
    policy = BrakePolicy(
        clears_at_least=0,
        clears_share=0.29,
        clears_at_most=1000,
        identity_at_least=1,
        identity_share=0,
        creations_per_hour=2,
    )
    assert limit(Brake.CLEARS, 100, policy) == 29
    assert limit(Brake.CLEARS, 2, policy) == 0
    assert limit(Brake.IDENTITY, 500, policy) == 1
    assert hourly_limit(Brake.CREATIONS, 500, policy) == 2
    assert judge(updates(CLEAR, 1), 2, policy) == {Brake.CLEARS: Excess(1, 0)}
    assert (
        limit(Brake.CLEARS, 500, BrakePolicy(clears_at_least=10, clears_at_most=2)) == 2
    )  # the ceiling has the last word


# --- lists that shrank --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now", "halts"),
    [
        (0, 0, False),
        (0, 100, False),
        (1, 0, False),
        (2, 0, True),
        (5, 6, False),
        (5, 4, False),  # 20 %, but one person: the clears brake watches that
        (5, 3, True),
        (9, 8, False),
        (10, 9, False),
        (10, 8, True),
        (50, 41, False),
        (50, 40, True),
        (50, 20, True),
        (500, 401, False),
        (500, 400, True),
        (500, 0, True),
        (100_000, 80_001, False),
        (100_000, 80_000, True),
    ],
)
def test_a_list_that_shrank_by_a_fifth_halts(before: int, now: int, halts: bool) -> None:
    assert shrunken(before, now, POLICY) is halts


def test_exact_shares_are_exact() -> None:
    assert shrunken(100, 93, BrakePolicy(shrink_share=0.07))
    assert not shrunken(100, 94, BrakePolicy(shrink_share=0.07))
    assert shrunken(100, 98, BrakePolicy(shrink_share=0))
    assert not shrunken(100, 1, BrakePolicy(shrink_share=1))


# --- codes --------------------------------------------------------------------------------------------------------


def test_the_code_is_of_exactly_these_rows_of_this_customer() -> None:
    rows = [*updates(CLEAR, 4), *creations(2)]
    code = code_of(7, rows)
    assert len(code) == 8
    assert int(code, 16) >= 0
    assert code == code_of(7, [replace(row) for row in rows])
    others = {
        code_of(8, rows),
        code_of(7, rows[1:]),
        code_of(7, [*rows, update(CLEAR, user=9)]),
        code_of(7, [update(replace(CLEAR, before="Mail"), user=0), *rows[1:]]),
        code_of(7, []),
    }
    assert len(others | {code}) == 6


def test_the_code_of_a_deletion_outlives_midnight_and_the_reports_of_the_next_night() -> None:
    tomorrow = replace(DELETION, after="Deleted since 2026-11-25")
    assert code_of(7, [update(DELETION)]) == code_of(7, [update(tomorrow)])
    activity = FieldChange("azure_last_activity", "2026-11-01", "2026-11-24", Kind.REPORTED, "why")
    assert code_of(7, [update(CLEAR, activity)]) == code_of(7, [update(CLEAR)])


def test_a_yes_to_short_lists_is_to_these_numbers() -> None:
    codes = [listing_code(*numbers) for numbers in ((7, 40, 50), (8, 40, 50), (7, 41, 50), (7, 40, 51), (7, 50, 40))]
    assert len(set(codes)) == 5
    assert all(len(code) == 8 for code in codes)
    assert listing_code(7, 40, 50) == codes[0]


# --- what always holds --------------------------------------------------------------------------------------------

values = st.sampled_from(["", " ", "A", "B", "Active", "Deleted since 2026-11-24", "Blocked since 2026-11-24"])
changes = st.builds(
    FieldChange,
    field=st.sampled_from(["name", "email", "city", "azure_license", "azure_account_status", "azure_last_activity"]),
    before=values,
    after=values,
    kind=st.sampled_from(Kind),
    why=st.just("why"),
)
users = st.integers(1, 40).map("u{}".format)
several = st.lists(changes, min_size=1, max_size=6).map(tuple)
any_plan: st.SearchStrategy[Plan] = st.one_of(
    st.builds(UpdateContact, users, st.just(7), st.integers(1, 99), several, st.just("mail")),
    st.builds(CreateContact, users, st.just(7), several, st.just("why")),
    st.builds(NoChange, users, st.just(7), st.none() | st.integers(1, 99)),
    st.builds(Excluded, users, st.just(7), st.sampled_from(ExclusionReason)),
    st.builds(Conflict, users, st.just(7), st.sampled_from(ConflictReason), st.just(())),
    st.builds(Pinned, users, st.just(7), st.just(1)),
    st.builds(NotYet, users, st.just(7)),
)
classes = st.frozensets(st.sampled_from(Brake))
policies = st.builds(
    BrakePolicy,
    clears_at_least=st.integers(0, 30),
    clears_share=st.floats(0, 1),
    clears_at_most=st.integers(0, 30),
    identity_at_least=st.integers(0, 30),
    identity_share=st.floats(0, 1),
    shrink_share=st.floats(0, 1),
    shrink_at_least=st.integers(1, 10),
)


def changes_of(plan: Plan | None) -> list[FieldChange]:
    return list(plan.changes) if isinstance(plan, UpdateContact | CreateContact) else []


@given(plan=any_plan, held=classes)
def test_what_is_allowed_and_what_is_held_make_the_plan(plan: Plan, held: frozenset[Brake]) -> None:
    divided = parts(plan, held)
    if divided.held is None or divided.allowed is None:
        assert (divided.allowed or divided.held) == plan
        assert (divided.allowed is None) != (divided.held is None)
        return
    assert isinstance(plan, UpdateContact)
    together = [*changes_of(divided.allowed), *changes_of(divided.held)]
    assert sorted(together, key=repr) == sorted(plan.changes, key=repr)
    for part in (divided.allowed, divided.held):
        assert isinstance(part, UpdateContact | NoChange)
        assert (part.user_id, part.customer_id, part.contact_id) == (plan.user_id, 7, plan.contact_id)
        assert part.link == plan.link
        assert changes_of(part) == [each for each in plan.changes if each in changes_of(part)]  # the order of the plan


@given(plan=any_plan, held=classes)
def test_each_side_holds_its_classes_and_no_other(plan: Plan, held: frozenset[Brake]) -> None:
    divided = parts(plan, held)
    if divided.allowed is not None:
        assert not brakes_of(divided.allowed) & held
        assert parts(divided.allowed, held).held is None
    if divided.held is not None:
        assert brakes_of(divided.held) <= held
        assert brakes_of(divided.held) == brakes_of(plan) & held


@given(
    plans=st.lists(any_plan, max_size=40),
    more=st.lists(any_plan, max_size=20),
    contacts=st.integers(0, 300),
    policy=policies,
)
def test_more_plans_never_lift_an_excess(
    plans: list[Plan], more: list[Plan], contacts: int, policy: BrakePolicy
) -> None:
    before, after = judge(plans, contacts, policy), judge([*plans, *more], contacts, policy)
    assert before.keys() <= after.keys()
    assert all(after[brake].count >= excess.count for brake, excess in before.items())


@given(plans=st.lists(any_plan, max_size=40), contacts=st.integers(0, 300), more=st.integers(0, 300), policy=policies)
def test_more_contacts_never_make_an_excess(plans: list[Plan], contacts: int, more: int, policy: BrakePolicy) -> None:
    assert judge(plans, contacts + more, policy).keys() <= judge(plans, contacts, policy).keys()


@given(plans=st.lists(any_plan, max_size=40), contacts=st.integers(0, 300), policy=policies)
def test_once_the_excess_is_held_nothing_is_in_excess(plans: list[Plan], contacts: int, policy: BrakePolicy) -> None:
    held = judge(plans, contacts, policy)
    allowed = [divided.allowed for divided in (parts(plan, set(held)) for plan in plans) if divided.allowed]
    assert judge(allowed, contacts, policy) == {}
    assert all(excess.count > excess.limit for excess in held.values())


@given(before=st.integers(0, 10**6), now=st.integers(0, 10**6), fewer=st.integers(0, 10**6), policy=policies)
def test_a_shorter_list_is_never_more_believable(before: int, now: int, fewer: int, policy: BrakePolicy) -> None:
    if shrunken(before, now, policy):
        assert now < before
        assert shrunken(before, max(0, now - fewer), policy)


@given(data=st.data(), plans=st.lists(any_plan, max_size=12))
def test_the_order_of_rows_is_no_part_of_the_code(data: st.DataObject, plans: list[Plan]) -> None:
    assert code_of(7, data.draw(st.permutations(plans))) == code_of(7, plans)
