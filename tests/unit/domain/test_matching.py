"""Which contact is a user's: every rule of matching, one line each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest

from shared.domain.changes import ConflictReason
from shared.domain.contact import Contact
from shared.domain.matching import Ambiguous, Found, Level, Match, NotFound, assign, contested_addresses, match
from shared.domain.policy import SyncPolicy
from shared.domain.user import AnyUser, DirectoryUser, SoftDeleted
from tests.support.clock import START
from tests.support.people import a_contact, a_user, somebody

POLICY = SyncPolicy()
MAIL = "anna@contoso.example"
ANNA = a_user("u1", mail=MAIL, user_principal_name="anna@upn.example", business_phones=("+1 425 555 0109",))


def answer(
    user: AnyUser,
    contacts: Sequence[Contact],
    *,
    link: int | None = None,
    linked: Mapping[int, str] | None = None,
    rivals: Sequence[DirectoryUser] = (),
    created_by_us: Collection[int] = (),
    gone: Collection[str] = (),
) -> Match:
    links = dict(linked or {}) | ({link: user.id} if link is not None else {})
    return match(
        user,
        contacts,
        link=link,
        linked=links,
        rivals=rivals,
        policy=POLICY,
        created_by_us=created_by_us,
        gone=gone,
    )


def owned(contact_id: int, user_id: str, **facts: Any) -> Contact:
    return a_contact(contact_id, properties={"azure_object_id": user_id}, **facts)


def found(result: Match) -> tuple[int, Level]:
    assert isinstance(result, Found), result
    return result.contact.id, result.level


def asked(result: Match) -> tuple[ConflictReason, dict[int, tuple[str, ...]]]:
    assert isinstance(result, Ambiguous), result
    return result.reason, {each.contact_id: each.because for each in result.candidates}


# --- the levels ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contacts", "link", "expected"),
    [
        ([a_contact(1), a_contact(2, email=MAIL)], 1, (1, Level.LINK)),
        ([owned(1, "u1"), a_contact(2, email=MAIL)], None, (1, Level.OBJECT_ID)),
        ([owned(1, " U1 "), a_contact(2, email=MAIL)], None, (1, Level.OBJECT_ID)),
        ([owned(1, "u1"), a_contact(2)], 2, (2, Level.LINK)),
        ([a_contact(1, email="anna@upn.example"), a_contact(2, email=MAIL)], None, (2, Level.MAIL)),
        ([a_contact(2, email=" Anna@CONTOSO.example ")], None, (2, Level.MAIL)),
        ([a_contact(1, email="Anna@UPN.example")], None, (1, Level.UPN)),
        ([a_contact(2, email=MAIL)], 99, (2, Level.MAIL)),
    ],
    ids=["ledger", "object-id", "object-id-case", "ledger-before-field", "mail-first", "case", "upn", "link-is-dead"],
)
def test_first_level_with_exactly_one_hit_wins(
    contacts: list[Contact], link: int | None, expected: tuple[int, Level]
) -> None:
    assert found(answer(ANNA, contacts, link=link)) == expected


def test_an_email_change_never_breaks_a_link() -> None:
    assert found(answer(a_user(mail="new@contoso.example"), [a_contact(1, email=MAIL)], link=1)) == (1, Level.LINK)


@pytest.mark.parametrize("contacts", [[], [a_contact(1, email="other@contoso.example")], [a_contact(1, title="CEO")]])
def test_nothing_in_common_is_not_found(contacts: list[Contact]) -> None:
    assert answer(a_user(job_title="CEO"), contacts) == NotFound()


def test_users_and_contacts_without_anything_never_meet() -> None:
    nobody = DirectoryUser("u9", proxy_addresses=("SMTP:", "SIP:x@y"), other_mails=("",), business_phones=("-",))
    assert answer(nobody, [Contact(1, 7), Contact(2, 7, phone="n/a")]) == NotFound()


# --- questions for a person ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contacts", "reason", "candidates"),
    [
        (
            [a_contact(1, email=MAIL), a_contact(2, email=MAIL.upper(), name="Meier, Anna")],
            ConflictReason.SEVERAL_CONTACTS,
            {2: ("mail", "name"), 1: ("mail",)},
        ),
        ([owned(1, "u1"), owned(2, "u1")], ConflictReason.SEVERAL_CONTACTS, {1: ("object id",), 2: ("object id",)}),
        ([a_contact(1, email="info@contoso.example")], ConflictReason.ALIAS_ONLY, {1: ("alias",)}),
        ([a_contact(1, email="anna@home.example")], ConflictReason.ALIAS_ONLY, {1: ("other mail",)}),
        ([a_contact(1, name="Meier, Anna")], ConflictReason.NAME_OR_PHONE_ONLY, {1: ("name",)}),
        ([a_contact(1, mobile="(425) 555-0109")], ConflictReason.NAME_OR_PHONE_ONLY, {1: ("phone",)}),
        (
            [
                a_contact(1, phone="4255550109", title="ceo"),
                a_contact(2, name="Anna Meier"),
                a_contact(3, phone="4255550109"),
                a_contact(4, name="Anna Meier", phone="425 555 0109", email="x@y.example"),
                a_contact(5, title="CEO"),
            ],
            ConflictReason.NAME_OR_PHONE_ONLY,
            {4: ("name", "phone"), 2: ("name",), 1: ("phone", "title"), 3: ("phone",)},
        ),
        ([owned(1, "u2", email=MAIL)], ConflictReason.LINKED_ELSEWHERE, {1: ("mail",)}),
        ([owned(1, "u2", email="info@contoso.example")], ConflictReason.LINKED_ELSEWHERE, {1: ("alias",)}),
    ],
)
def test_conflict(contacts: list[Contact], reason: ConflictReason, candidates: dict[int, tuple[str, ...]]) -> None:
    user = a_user(
        mail=MAIL,
        job_title="CEO",
        business_phones=("+1 425 555 0109",),
        proxy_addresses=("SMTP:anna@contoso.example", "smtp:Info@contoso.example", "SIP:anna@contoso.example"),
        other_mails=("anna@home.example",),
    )
    result = answer(user, contacts)
    assert asked(result) == (reason, candidates)
    assert isinstance(result, Ambiguous)
    assert [each.contact_id for each in result.candidates] == list(candidates), "the likeliest comes first"


@pytest.mark.parametrize("linked", [{1: "u2"}, {1: "U2"}])
def test_a_contact_linked_to_another_user_in_the_ledger_is_a_conflict(linked: dict[int, str]) -> None:
    reason, candidates = asked(answer(ANNA, [a_contact(1, email=MAIL)], linked=linked))
    assert (reason, list(candidates)) == (ConflictReason.LINKED_ELSEWHERE, [1])


def test_the_ledger_outranks_the_contacts_own_field() -> None:
    taken = owned(1, "u1", email=MAIL)
    assert asked(answer(ANNA, [taken], linked={1: "u2"}))[0] is ConflictReason.LINKED_ELSEWHERE


def test_what_a_user_held_who_is_gone_for_good_is_free_again() -> None:
    contact = owned(1, "u2", email=MAIL)
    assert found(answer(ANNA, [contact], linked={1: "u2"}, gone={"U2"})) == (1, Level.MAIL)


@pytest.mark.parametrize(
    "contact",
    [
        owned(1, "u2", name="Anna Meier"),
        owned(1, "u2", phone="+1 425 555 0109"),
        a_contact(1, name="Anna Meier", email="user2@contoso.example"),
        a_contact(1, phone="+1 425 555 0109", email="user2@contoso.example"),
    ],
)
def test_a_colleague_with_the_same_name_or_switchboard_is_no_question(contact: Contact) -> None:
    assert answer(ANNA, [contact], rivals=[somebody(2), ANNA]) == NotFound()


# --- rivals -------------------------------------------------------------------------------------------------------

TWIN = a_user("u2", mail=MAIL.upper(), user_principal_name="twin@upn.example")
TWIN_BY_UPN = a_user("u2", mail=None, user_principal_name=MAIL)


def test_two_users_on_one_level_are_a_conflict_for_both() -> None:
    contacts = [a_contact(1, email=MAIL)]
    for user in (ANNA, TWIN):
        reason, candidates = asked(answer(user, contacts, rivals=[TWIN, ANNA]))
        assert (reason, list(candidates)) == (ConflictReason.SEVERAL_USERS, [1])


def test_mail_beats_the_sign_in_name() -> None:
    contacts = [a_contact(1, email=MAIL)]
    assert found(answer(ANNA, contacts, rivals=[ANNA, TWIN_BY_UPN])) == (1, Level.MAIL)
    assert asked(answer(TWIN_BY_UPN, contacts, rivals=[ANNA, TWIN_BY_UPN]))[0] is ConflictReason.SEVERAL_USERS


def test_the_loser_is_asked_about_whether_or_not_the_winner_was_first() -> None:
    contacts = [a_contact(1, email=MAIL)]
    reason, _ = asked(answer(TWIN_BY_UPN, contacts, linked={1: "u1"}, rivals=[ANNA]))
    assert reason is ConflictReason.LINKED_ELSEWHERE
    assert asked(answer(TWIN_BY_UPN, [], rivals=[ANNA])) == (ConflictReason.SEVERAL_USERS, {})


def test_two_users_with_one_mail_are_not_both_created() -> None:
    assert asked(answer(ANNA, [], rivals=[TWIN])) == (ConflictReason.SEVERAL_USERS, {})
    assert asked(answer(TWIN, [], rivals=[ANNA])) == (ConflictReason.SEVERAL_USERS, {})


def test_an_administrators_second_account_does_not_keep_its_owner_from_being_created() -> None:
    admin = a_user("u2", mail=MAIL, user_principal_name="adm-anna@upn.example", sku_ids=())
    assert answer(ANNA, [], rivals=[admin]) == NotFound()
    assert asked(answer(admin, [], rivals=[ANNA])) == (ConflictReason.SEVERAL_USERS, {})


def test_two_excluded_accounts_with_one_mail_do_not_race_for_it_through_their_sign_in_names() -> None:
    pair = [a_user(each, mail=MAIL, user_principal_name=f"{each}@upn.example", sku_ids=()) for each in ("u1", "u2")]
    contacts = [a_contact(1, email="u1@upn.example"), a_contact(2, email="u2@upn.example")]
    for user in pair:
        assert asked(answer(user, contacts, rivals=pair))[0] is ConflictReason.SEVERAL_USERS


def test_a_user_is_no_rival_of_itself() -> None:
    assert found(answer(ANNA, [a_contact(1, email=MAIL)], rivals=[ANNA])) == (1, Level.MAIL)


# --- our own duplicates -------------------------------------------------------------------------------------------


def test_of_our_own_duplicates_the_lowest_is_adopted_and_the_others_reported() -> None:
    contacts = [a_contact(9, email=MAIL), a_contact(4, email=MAIL), a_contact(6, email=MAIL)]
    result = answer(ANNA, contacts, created_by_us={4, 6, 9, 77})
    assert result == Found(contacts[1], Level.MAIL, (6, 9))


def test_a_linked_contact_stays_and_its_twins_are_reported() -> None:
    result = answer(ANNA, [owned(4, "u1"), owned(6, "u1"), a_contact(8)], link=6, created_by_us={8})
    assert isinstance(result, Found)
    assert (result.contact.id, result.level, result.duplicates) == (6, Level.LINK, (4, 8))


def test_a_duplicate_that_somebody_else_made_is_a_question() -> None:
    contacts = [a_contact(4, email=MAIL), a_contact(6, email=MAIL)]
    assert asked(answer(ANNA, contacts, created_by_us={6}))[0] is ConflictReason.SEVERAL_CONTACTS


# --- users that are gone ------------------------------------------------------------------------------------------


def test_a_deleted_user_is_found_by_its_id_alone() -> None:
    deleted = SoftDeleted("u1", START)
    assert found(answer(deleted, [a_contact(1)], link=1)) == (1, Level.LINK)
    assert found(answer(deleted, [owned(1, "u1")])) == (1, Level.OBJECT_ID)
    assert answer(deleted, [a_contact(1, email=MAIL)]) == NotFound()
    assert asked(answer(deleted, [owned(1, "u1"), owned(2, "u1")]))[0] is ConflictReason.SEVERAL_CONTACTS


# --- what has to be asked before ----------------------------------------------------------------------------------


def test_the_addresses_whose_claimants_are_needed() -> None:
    contacts = [
        a_contact(1, name="Anna Meier", email="Somebody@contoso.example"),
        a_contact(2, phone="+1 425 555 0109"),
        owned(3, "u3", name="Anna Meier", email="third@contoso.example"),
        a_contact(4, email="unrelated@contoso.example"),
    ]
    addresses = contested_addresses(ANNA, contacts, link=None, linked={}, policy=POLICY)
    assert addresses == (MAIL, "anna@upn.example", "somebody@contoso.example")


@pytest.mark.parametrize(
    ("user", "contacts", "link"),
    [
        (ANNA, [a_contact(1)], 1),
        (ANNA, [owned(1, "u1")], None),
        (SoftDeleted("u1", START), [], None),
    ],
)
def test_a_linked_user_needs_to_ask_nobody(user: AnyUser, contacts: list[Contact], link: int | None) -> None:
    assert contested_addresses(user, contacts, link=link, linked={}, policy=POLICY) == ()


# --- all at once --------------------------------------------------------------------------------------------------


def test_assign_answers_for_everybody() -> None:
    users: list[AnyUser] = [ANNA, TWIN, somebody(3), somebody(4), SoftDeleted("u5", START)]
    contacts = [a_contact(1, email=MAIL), a_contact(2, email="user3@contoso.example"), a_contact(5), owned(6, "u4")]
    answers = assign(users, contacts, {5: "u5"}, POLICY)
    assert asked(answers["u1"])[0] is ConflictReason.SEVERAL_USERS
    assert asked(answers["u2"])[0] is ConflictReason.SEVERAL_USERS
    assert found(answers["u3"]) == (2, Level.MAIL)
    assert found(answers["u4"]) == (6, Level.OBJECT_ID)
    assert found(answers["u5"]) == (5, Level.LINK)


def test_assign_knows_what_we_made() -> None:
    contacts = [a_contact(1, email=MAIL), a_contact(2, email=MAIL)]
    assert assign([ANNA], contacts, {}, POLICY, created={1: "u1", 2: "u1"})["u1"] == Found(
        contacts[0], Level.MAIL, (2,)
    )


def test_a_thousand_users_are_assigned_in_seconds() -> None:
    users = [somebody(each, business_phones=("+1 425 555 0100",)) for each in range(1000)]
    contacts = [a_contact(each, email=f"user{each}@contoso.example", phone="425 555 0100") for each in range(500)]
    answers = assign(users, contacts, {}, POLICY)
    assert sum(isinstance(each, Found) for each in answers.values()) == 500
    assert sum(isinstance(each, NotFound) for each in answers.values()) == 500


# --- members and guests -------------------------------------------------------------------------------------------

GUEST = a_user("u3", mail=MAIL, user_type="Guest", user_principal_name="anna_upn.example#EXT#@other.example")


def test_a_guest_contests_no_members_address() -> None:
    """One person in two tenants of a customer: a member of one, a guest of the other."""
    contacts = [a_contact(1, email=MAIL)]
    assert found(answer(ANNA, contacts, rivals=[ANNA, GUEST])) == (1, Level.MAIL)
    assert answer(GUEST, contacts, rivals=[ANNA, GUEST]) == NotFound()
    assert answer(GUEST, contacts, linked={1: "u1"}, rivals=[ANNA, GUEST]) == NotFound()


def test_a_guest_who_has_the_contact_is_a_question_for_the_member() -> None:
    contacts = [a_contact(1, email=MAIL)]
    assert asked(answer(ANNA, contacts, linked={1: "u3"}, rivals=[GUEST]))[0] is ConflictReason.LINKED_ELSEWHERE
    elsewhere = [a_contact(2, email="other@contoso.example")]
    assert asked(answer(ANNA, elsewhere, linked={2: "u3"}, rivals=[GUEST]))[0] is ConflictReason.SEVERAL_USERS


def test_two_guests_with_one_address_are_a_question() -> None:
    other = a_user("u4", mail=MAIL, user_type="Guest", user_principal_name="x#EXT#@third.example")
    contacts = [a_contact(1, email=MAIL)]
    assert asked(answer(GUEST, contacts, rivals=[other]))[0] is ConflictReason.SEVERAL_USERS
