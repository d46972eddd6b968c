"""Which contact is this user's? Found, not found, or a question for a person. Nothing here writes or plans.

Levels, first with exactly one hit wins: the linked object id (ledger, then the contact's own field), `mail`,
`userPrincipalName`. Everything weaker (an alias, another mail, a name, a phone) only ever proposes.

The answer never depends on who was looked at first. That holds because a user looks not only at the contacts but
also at its *rivals*, the other users with a claim to the same address, and decides by what stands in the directory:

- `mail` beats `userPrincipalName`; on one level nobody wins, and a person is asked for all of them;
- where no contact has the address yet, a rival counts if it holds a contact or would get one, so that an
  administrator's second account does not keep its owner from being created;
- a guest contests no member's address: of one person in two tenants of a customer, the member is the one;
- a contact that somebody else holds or claims by e-mail is no evidence for anybody else by name, phone or alias;
- a rival for whom a person chose a contact of its own would get one, whatever the rules of scope say.

A person's choice of a contact of its own speaks about the contacts that the person saw, by whatever address they
would be found: which of them others write first must not matter. A link and an object id stand above it.

`match` answers for one user, `assign` for all of a customer at once, by the very same rules. Next:
`shared/domain/plan.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from shared.domain import normalise
from shared.domain.changes import Candidate, ConflictReason
from shared.domain.choosing import NO_CHOICES, still_holds
from shared.domain.contact import Contact
from shared.domain.desk import Choice, Chosen
from shared.domain.evidence import Evidence, own_addresses
from shared.domain.policy import SyncPolicy
from shared.domain.roster import Roster
from shared.domain.scope import exclusion, exclusion_of_chosen, is_guest
from shared.domain.user import AnyUser, DirectoryUser


class Level(StrEnum):
    """By what a contact was found."""

    LINK = "link"  # the ledger
    OBJECT_ID = "object-id"  # the contact's own field
    MAIL = "mail"
    UPN = "upn"


@dataclass(frozen=True, slots=True)
class Found:
    """`duplicates`: further contacts that carry its object id or that we made for it; reported, left alone."""

    contact: Contact
    level: Level
    duplicates: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class NotFound:
    """No contact, and no doubt about it. `chosen`: a person said so, None when nobody had to."""

    chosen: Chosen | None = None


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A person has to choose; best candidate first, none at all when several users want a contact that is not there.

    `left`: the choice of a person who left it as it is, None while it waits for one.
    """

    reason: ConflictReason
    candidates: tuple[Candidate, ...] = ()
    left: Chosen | None = None


Match = Found | NotFound | Ambiguous
Claimants = Callable[[str], Sequence[DirectoryUser]]  # address key -> users whose mail or UPN it is


def match(
    user: AnyUser,
    contacts: Iterable[Contact],
    *,
    link: int | None,
    linked: Mapping[int, str],
    rivals: Sequence[DirectoryUser],
    policy: SyncPolicy,
    created_by_us: Collection[int] = (),
    gone: Collection[str] = (),
    choices: Mapping[str, Chosen] = NO_CHOICES,
) -> Match:
    """The answer for one user of one customer.

    `contacts`: all of the customer, or the linked one alone. `link`: the ledger's contact for this user. `linked`:
    every link of the customer, contact id -> user id. `rivals`: the directory's users for the addresses that
    `contested_addresses` names (the user itself may be among them). `created_by_us`: ids that our journal made for
    this very user. `gone`: ids of users deleted for good; what they held is free again. `choices`: what people chose
    for this user and for others, by user id.
    """
    roster = Roster(contacts, linked, policy, gone)
    return _Look(user, roster, _by_address(rivals), link, frozenset(created_by_us), choices).answer()


def assign(
    users: Sequence[AnyUser],
    contacts: Iterable[Contact],
    links: Mapping[int, str],
    policy: SyncPolicy,
    *,
    created: Mapping[int, str] | None = None,
    gone: Collection[str] = (),
    choices: Mapping[str, Chosen] = NO_CHOICES,
) -> Mapping[str, Match]:
    """User id -> answer, for all users of one customer: no contact is ever found for two of them.

    `links` and `created` (what our journal made): contact id -> user id.
    """
    answer = assigner(users, contacts, links, policy, created=created, gone=gone, choices=choices)
    return {user.id: answer(user) for user in users}


def assigner(
    users: Sequence[AnyUser],
    contacts: Iterable[Contact],
    links: Mapping[int, str],
    policy: SyncPolicy,
    *,
    created: Mapping[int, str] | None = None,
    gone: Collection[str] = (),
    choices: Mapping[str, Chosen] = NO_CHOICES,
) -> Callable[[AnyUser], Match]:
    """The same, one user at a time: for a tenant whose answers need not all be kept."""
    roster = Roster(contacts, links, policy, gone)
    claimants = _by_address([user for user in users if isinstance(user, DirectoryUser)])
    link_of = {user_id: contact_id for contact_id, user_id in sorted(links.items(), reverse=True)}
    made_for: dict[str, set[int]] = {}
    for contact_id, user_id in (created or {}).items():
        made_for.setdefault(user_id, set()).add(contact_id)

    def answer(user: AnyUser) -> Match:
        ours = frozenset(made_for.get(user.id, ()))
        return _Look(user, roster, claimants, link_of.get(user.id), ours, choices).answer()

    return answer


def contested_addresses(
    user: AnyUser,
    contacts: Iterable[Contact],
    *,
    link: int | None,
    linked: Mapping[int, str],
    policy: SyncPolicy,
    gone: Collection[str] = (),
) -> tuple[str, ...]:
    """The addresses whose claimants `match` has to know for this user; none for one that is linked already."""
    return _Look(user, Roster(contacts, linked, policy, gone), lambda _: (), link, frozenset(), NO_CHOICES).questions()


@dataclass(frozen=True, slots=True)
class _Look:
    """One user against the contacts of one customer."""

    user: AnyUser
    roster: Roster
    claimants: Claimants
    link: int | None
    made_for_it: frozenset[int]
    choices: Mapping[str, Chosen]

    def answer(self) -> Match:
        certain = self._by_id()
        if certain is not None or not isinstance(self.user, DirectoryUser):
            return self._left_alone(certain or NotFound())
        found = self._by_mail(self.user) or self._by_upn(self.user) or self._by_hints(self.user) or NotFound()
        chosen = self._chosen(Choice.CREATE, found)
        return NotFound(chosen) if chosen is not None else self._left_alone(found)

    def _left_alone(self, found: Match) -> Match:
        chosen = self._chosen(Choice.DISMISS, found)
        return replace(found, left=chosen) if chosen is not None and isinstance(found, Ambiguous) else found

    def _chosen(self, choice: Choice, found: Match) -> Chosen | None:
        """What a person chose for this user, if that is it and it still holds."""
        chosen = self.choices.get(self.user.id)
        if chosen is None or chosen.choice is not choice:
            return None
        asked = in_question(found)
        free = [each for each in asked if self.roster.is_free_for(self.user.id, self.roster.by_id[each])]
        return chosen if still_holds(chosen, asked, free) else None

    def questions(self) -> tuple[str, ...]:
        if self._by_id() is not None or not isinstance(self.user, DirectoryUser):
            return ()
        weak = (self.roster.by_id[contact_id] for contact_id in sorted(self._hints(self.user)))
        keys = (*own_addresses(self.user), *(normalise.email(contact.email) for contact in weak))
        return tuple(dict.fromkeys(key for key in keys if key))

    # --- the levels -------------------------------------------------------------------------------------------

    def _by_id(self) -> Match | None:
        linked = self.roster.by_id.get(self.link) if self.link is not None else None
        if linked is not None:
            return self._found(linked, Level.LINK)
        return self._only(self.roster.carrying(self.user.id), Level.OBJECT_ID)

    def _by_mail(self, user: DirectoryUser) -> Match | None:
        mail, _ = own_addresses(user)
        hits = self.roster.with_email(mail)
        rivals = [rival for rival in self._contenders(user, mail) if normalise.email(rival.mail) == mail]
        if is_guest(user) and not all(map(is_guest, rivals)):
            return None
        if rivals and (hits or not self._outranks(user, rivals)):
            return self._contested(hits)
        return self._only(hits, Level.MAIL)

    def _outranks(self, user: DirectoryUser, rivals: Sequence[DirectoryUser]) -> bool:
        """May this user create a contact with an address that is others' mail too? If none of them will ever."""
        return exclusion(user, self.roster.policy) is None and not any(
            exclusion(rival, self.roster.policy) is None or self._is_certain(rival) for rival in rivals
        )

    def _by_upn(self, user: DirectoryUser) -> Match | None:
        mail, upn = own_addresses(user)
        if upn == mail:
            return None
        hits = self.roster.with_email(upn)
        return self._contested(hits) if self._contenders(user, upn) else self._only(hits, Level.UPN)

    def _by_hints(self, user: DirectoryUser) -> Match | None:
        """Nothing here ever finds: it asks a person, or says that there is nothing to ask."""
        hints = {each: why for each, why in self._hints(user).items() if not self._is_claimed(each)}
        free = [each for each in hints if self.roster.is_free_for(user.id, self.roster.by_id[each])]
        by_mail = [each for each in free if {"alias", "other mail"} & set(hints[each])]
        taken = [each for each in hints if each not in free and "alias" in hints[each]]
        if by_mail:
            return self._ask(ConflictReason.ALIAS_ONLY, free)
        if taken:
            return self._ask(ConflictReason.LINKED_ELSEWHERE, [*taken, *free])
        return self._ask(ConflictReason.NAME_OR_PHONE_ONLY, free) if free else None

    # --- what hits mean ---------------------------------------------------------------------------------------

    def _only(self, hits: Sequence[Contact], level: Level) -> Match | None:
        """Exactly one free hit, or several that are all our own doing: found. Otherwise a person is asked."""
        free = [contact for contact in hits if self.roster.is_free_for(self.user.id, contact)]
        if not hits:
            return None
        if not free:
            return self._ask(ConflictReason.LINKED_ELSEWHERE, [contact.id for contact in hits])
        if len(hits) == 1 or self.made_for_it.issuperset(contact.id for contact in hits):
            return self._found(free[0], level)
        return self._ask(ConflictReason.SEVERAL_CONTACTS, [contact.id for contact in hits])

    def _found(self, contact: Contact, level: Level) -> Found:
        """The roster is in order of ids: whoever is asked, and however often, the lowest is adopted."""
        ours = self.made_for_it | {carrying.id for carrying in self.roster.carrying(self.user.id)}
        return Found(contact, level, tuple(sorted((ours & self.roster.by_id.keys()) - {contact.id})))

    def _contested(self, hits: Sequence[Contact]) -> Ambiguous:
        """Several users have a claim; if the contact is another's already, that is the thing to say."""
        is_taken = bool(hits) and not any(self.roster.is_free_for(self.user.id, contact) for contact in hits)
        reason = ConflictReason.LINKED_ELSEWHERE if is_taken else ConflictReason.SEVERAL_USERS
        return self._ask(reason, [contact.id for contact in hits])

    def _contenders(self, user: DirectoryUser, address: str) -> list[DirectoryUser]:
        """Rivals that count. A guest with a contact does even for a member: which of them is right, a person says."""
        rivals = self._rivals(address)
        return rivals if is_guest(user) else [r for r in rivals if not is_guest(r) or self._is_certain(r)]

    def _is_certain(self, rival: DirectoryUser) -> bool:
        """It holds a contact, or a person chose one for it that is yet to be made."""
        chosen = self.choices.get(rival.id)
        is_due = chosen is not None and chosen.choice is Choice.CREATE and exclusion_of_chosen(rival) is None
        return is_due or self.roster.holds_one(rival.id)

    def _rivals(self, address: str) -> list[DirectoryUser]:
        mine = self.user.id.lower()
        return [rival for rival in self.claimants(address) if rival.id.lower() != mine] if address else []

    def _is_claimed(self, contact_id: int) -> bool:
        return bool(self._rivals(normalise.email(self.roster.by_id[contact_id].email)))

    # --- candidates -------------------------------------------------------------------------------------------

    def _hints(self, user: DirectoryUser) -> dict[int, tuple[str, ...]]:
        """Contact id -> what agrees, for every contact with more than a title in common.

        A contact that another user holds is only worth a word when it carries an alias of this one.
        """
        evidence = Evidence(user, self.roster)
        hits = evidence.aliases | {
            each
            for each in evidence.other_mails | evidence.names | evidence.phones
            if self.roster.is_free_for(user.id, self.roster.by_id[each])
        }
        return {each: evidence.of(each) for each in sorted(hits)}

    def _ask(self, reason: ConflictReason, contact_ids: Iterable[int]) -> Ambiguous:
        if not isinstance(self.user, DirectoryUser):
            return Ambiguous(reason, tuple(Candidate(each, ("object id",)) for each in contact_ids))
        evidence = Evidence(self.user, self.roster)
        ranked = sorted(contact_ids, key=lambda each: (*evidence.rank(each), each))
        return Ambiguous(reason, tuple(Candidate(each, evidence.of(each)) for each in ranked))


def in_question(found: Match) -> tuple[int, ...]:
    """The contacts of which an answer speaks: the one that was found, or those among which a person chooses."""
    match found:
        case Found(contact=contact):
            return (contact.id,)
        case Ambiguous(candidates=candidates):
            return tuple(each.contact_id for each in candidates)
        case NotFound():
            return ()
        case _:
            assert_never(found)


def _by_address(users: Iterable[DirectoryUser]) -> Claimants:
    """An index of users by each address that is theirs by `mail` or sign-in name."""
    found: dict[str, dict[str, DirectoryUser]] = {}
    for user in users:
        for address in own_addresses(user):
            found.setdefault(address, {})[user.id] = user
    return lambda address: tuple(found.get(address, {}).values())
