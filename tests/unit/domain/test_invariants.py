"""What holds for every directory, every set of contacts and every order of hints."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain import normalise
from shared.domain.changes import CreateContact, Kind, NoChange, Pinned, UpdateContact
from shared.domain.contact import PLAIN_FIELDS, Contact
from shared.domain.matching import Found, Level, NotFound, assign
from shared.domain.plan import apply_to, plan
from shared.domain.policy import Authority, CustomMapping, NameFormat, SyncPolicy
from shared.domain.user import DirectoryUser
from tests.support.people import FREE_SKU, PREMIUM_SKU
from tests.support.tenancy import TODAY, Tenancy

often = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# --- anything at all ----------------------------------------------------------------------------------------------

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["", "  ", "Smith, John", "John Smith", "+1 425 555 0109 x3", "030/123456", "n/a", "a\nb\r\nc", "x" * 5000]
)
maybe = st.none() | text
texts = st.lists(text, max_size=3).map(tuple)

users = st.builds(
    DirectoryUser,
    id=text,
    display_name=maybe,
    given_name=maybe,
    surname=maybe,
    mail=maybe | st.just("a@x.example"),
    user_principal_name=maybe,
    other_mails=texts,
    proxy_addresses=texts,
    business_phones=texts,
    mobile_phone=maybe,
    street_address=maybe,
    city=maybe,
    state=maybe,
    postal_code=maybe,
    country=maybe,
    usage_location=maybe | st.sampled_from(["DE", "us", "XX"]),
    job_title=maybe,
    department=maybe,
    account_enabled=st.booleans(),
    user_type=st.sampled_from([None, "Member", "Guest"]),
    sku_ids=st.lists(st.sampled_from([PREMIUM_SKU, FREE_SKU, "", "x"])).map(tuple),
    extensions=st.dictionaries(st.just("extensionAttribute1"), text),
)
contacts = st.builds(
    Contact,
    id=st.integers(1, 9),
    customer_id=st.just(7),
    properties=st.dictionaries(
        st.sampled_from(["azure_license", "azure_account_status", "azure_object_id", "Role", "title"]), text
    ),
    **dict.fromkeys(PLAIN_FIELDS, text),
)
policies = st.builds(
    SyncPolicy,
    name_format=st.sampled_from(NameFormat),
    authority=st.dictionaries(st.sampled_from(PLAIN_FIELDS), st.sampled_from(Authority)),
    default_region=st.sampled_from(["US", "DE", "XX"]),
    custom_mappings=st.just((CustomMapping(attribute="extensionAttribute1", field="Role"),)),
)


def planned_for(user: DirectoryUser, contact: Contact, policy: SyncPolicy, today: date = TODAY) -> Any:
    return plan(user, Found(contact, Level.LINK), customer_id=7, facts=None, policy=policy, today=today)


@often
@given(users, contacts, policies)
def test_a_blank_never_erases_and_no_change_is_empty(user: DirectoryUser, contact: Contact, policy: SyncPolicy) -> None:
    result = planned_for(user, contact, policy)
    for change in result.changes if isinstance(result, UpdateContact) else ():
        assert change.kind is Kind.OWNED or normalise.text(change.after)
        assert change.before != change.after
        assert change.before == contact.value(change.field)
        assert change.why


@often
@given(users, contacts, policies)
def test_planning_against_the_planned_result_gives_no_change(
    user: DirectoryUser, contact: Contact, policy: SyncPolicy
) -> None:
    result = planned_for(user, contact, policy)
    if isinstance(result, UpdateContact):
        after = apply_to(contact, result.changes)
        assert planned_for(user, after, policy, date(2027, 1, 1)) == NoChange(user.id, 7, contact.id, "link")


@often
@given(users, policies)
def test_planning_against_a_creation_gives_no_change(user: DirectoryUser, policy: SyncPolicy) -> None:
    everybody = replace(user, account_enabled=True, user_type="Member", mail="p@x.example", sku_ids=(PREMIUM_SKU,))
    person = replace(everybody, user_principal_name="p@x.example")
    result = plan(person, NotFound(), customer_id=7, facts=None, policy=policy, today=TODAY)
    assert isinstance(result, CreateContact)
    assert isinstance(planned_for(person, apply_to(Contact(5, 7), result.changes), policy), NoChange)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(users, max_size=4, unique_by=lambda each: each.id), st.lists(contacts, max_size=4), policies)
def test_nothing_ever_raises(people: list[DirectoryUser], cards: list[Contact], policy: SyncPolicy) -> None:
    answers = assign(people, cards, {}, policy)
    for user in people:
        plan(user, answers[user.id], customer_id=7, facts=None, policy=policy, today=TODAY)


def test_lists_that_are_null_after_all_are_empty() -> None:
    hollow: Any = None
    user = DirectoryUser(
        "u1",
        mail="a@x.example",
        other_mails=hollow,
        proxy_addresses=hollow,
        business_phones=hollow,
        sku_ids=hollow,
        extensions=hollow,
    )
    contact = Contact(1, 7, name=hollow, email=hollow, phone=hollow, properties=hollow)
    policy = SyncPolicy(custom_mappings=(CustomMapping(attribute="extensionAttribute1", field="Role"),))
    answers = assign([user], [contact], {}, policy)
    assert answers == {"u1": NotFound()}
    assert {each.field for each in planned_for(user, contact, policy).changes} == {
        "email",
        "azure_account_status",
        "azure_object_id",
    }
    number: Any = 4
    assert Contact(1, 7, properties={"OS": number}).value("OS") == "4"


# --- a small, crowded customer, in which everybody gets in everybody's way ---------------------------------------

ADDRESSES = ("a@x.example", "b@x.example", "C@x.example")
address = st.sampled_from(ADDRESSES)


@st.composite
def tenancies(draw: st.DrawFn) -> Tenancy:
    people = [draw(crowded(number)) for number in range(draw(st.integers(1, 4)))]
    ids = [user.id for user in people]
    cards: dict[int, Contact] = {}
    for number in range(1, 1 + draw(st.integers(0, 4))):
        holder = draw(st.sampled_from(["", "", "", "stranger", *ids]))
        cards[number] = Contact(
            number,
            7,
            name=draw(st.sampled_from(["Ann Lee", "Lee, Ann", "Bob Ray", "Front desk"])),
            email=draw(st.just("") | address.map(str.upper) | st.just("front@x.example")),
            phone=draw(st.sampled_from(["", "425 555 0100"])),
            properties={"azure_object_id": holder} if holder else {},
        )
    links = dict(zip(draw(st.permutations(list(cards))), ids, strict=False)) if draw(st.booleans()) else {}
    return Tenancy(people, cards, {each: links[each] for each in links if draw(st.booleans())})


def crowded(number: int) -> st.SearchStrategy[DirectoryUser]:
    return st.builds(
        DirectoryUser,
        id=st.just(f"u{number}"),
        display_name=st.sampled_from(["Ann Lee", "Bob Ray", f"Person {number}"]),
        mail=st.none() | address,
        user_principal_name=st.just(f"u{number}@x.example") | address,
        other_mails=st.just(()) | address.map(lambda each: (each,)),
        proxy_addresses=st.just(()) | address.map(lambda each: (f"smtp:{each}",)),
        business_phones=st.sampled_from([(), ("+1 425 555 0100",)]),
        account_enabled=st.sampled_from([True, True, False]),
        sku_ids=st.sampled_from([(PREMIUM_SKU,), (PREMIUM_SKU,), ()]),
    )


def copy_of(tenancy: Tenancy) -> Tenancy:
    return Tenancy(tenancy.users, dict(tenancy.contacts), dict(tenancy.links), tenancy.policy)


def outcomes(tenancy: Tenancy) -> dict[str, object]:
    """What a full pass says to each user, without the numbers that depend on the order of creations."""
    return {user_id: getattr(each, "reason", type(each)) for user_id, each in tenancy.full_pass().items()}


@settings(max_examples=80, deadline=None)
@given(tenancies())
def test_two_users_never_claim_one_contact(tenancy: Tenancy) -> None:
    answers = assign(tenancy.users, tenancy.contacts.values(), tenancy.links, tenancy.policy)
    found = Counter(each.contact.id for each in answers.values() if isinstance(each, Found))
    assert set(found.values()) <= {1}


@settings(max_examples=80, deadline=None)
@given(tenancies())
def test_the_joint_answer_is_the_answer_of_each(tenancy: Tenancy) -> None:
    answers = assign(tenancy.users, tenancy.contacts.values(), tenancy.links, tenancy.policy)
    assert answers == {user.id: tenancy.answer(user) for user in tenancy.users}


@settings(max_examples=120, deadline=None)
@given(tenancies(), st.data())
def test_duplicates_and_order_of_hints_do_not_matter_after_one_full_pass(tenancy: Tenancy, data: st.DataObject) -> None:
    people = list(tenancy.users)
    in_order, shuffled = copy_of(tenancy), copy_of(tenancy)
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


@settings(max_examples=40, deadline=None)
@given(tenancies())
def test_a_hint_that_comes_twice_is_one_hint(tenancy: Tenancy) -> None:
    once, twice = copy_of(tenancy), copy_of(tenancy)
    for user in tenancy.users:
        once.hint(user)
        twice.hint(user)
        twice.hint(user)
    assert once.state() == twice.state()
    assert once.writes == twice.writes


@settings(max_examples=40, deadline=None)
@given(tenancies())
def test_a_pinned_contact_is_never_written(tenancy: Tenancy) -> None:
    pinned = {
        number: replace(contact, properties={**contact.properties, "azure_sync_off": "x"})
        for number, contact in tenancy.contacts.items()
    }
    after = Tenancy(tenancy.users, dict(pinned), dict(tenancy.links))
    plans = after.full_pass()
    assert {number: after.contacts[number] for number in pinned} == pinned
    assert not any(isinstance(each, UpdateContact) for each in plans.values())
    assert all(each.contact_id in pinned for each in plans.values() if isinstance(each, Pinned))
