"""A customer in a box: a directory, its contacts and links, and what happens when hints or a full pass arrive.

The real `match`, `assign`, `plan` and `apply_to`, and nothing else of ours: what the worker does around them (lease,
journal, pace) changes no answer. One tenant, one customer, one moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from shared.domain import normalise
from shared.domain.changes import CreateContact, NoChange, Plan, UpdateContact
from shared.domain.contact import Contact
from shared.domain.desk import Chosen, Pin
from shared.domain.matching import Match, assign, contested_addresses, match
from shared.domain.plan import apply_to, plan
from shared.domain.policy import SyncPolicy
from shared.domain.user import DirectoryUser

TODAY = date(2026, 11, 24)


@dataclass
class Tenancy:
    """`links`: contact id -> user id. `made`: what we created, contact id -> user id. `writes` counts them.

    `choices`: user id -> what a person chose; one that made a contact is over. `locks`: contact id -> pin.
    """

    users: Sequence[DirectoryUser]
    contacts: dict[int, Contact]
    links: dict[int, str]
    policy: SyncPolicy = field(default_factory=SyncPolicy)
    made: dict[int, str] = field(default_factory=dict)
    writes: int = 0
    choices: dict[str, Chosen] = field(default_factory=dict)
    locks: dict[int, Pin] = field(default_factory=dict)

    def hint(self, user: DirectoryUser) -> Plan:
        """A live look at one user."""
        return self._carry_out(user, self.answer(user))

    def full_pass(self) -> dict[str, Plan]:
        answers = self.answers()
        return {user.id: self._carry_out(user, answers[user.id]) for user in self.users}

    def answers(self) -> Mapping[str, Match]:
        return assign(
            self.users, self.contacts.values(), self.links, self.policy, created=self.made, choices=self.choices
        )

    def answer(self, user: DirectoryUser) -> Match:
        link = min((each for each, user_id in self.links.items() if user_id == user.id), default=None)
        contacts = list(self.contacts.values())
        asked = contested_addresses(user, contacts, link=link, linked=self.links, policy=self.policy)
        return match(
            user,
            contacts,
            link=link,
            linked=self.links,
            rivals=[rival for rival in self.users if set(asked) & _addresses(rival)],
            policy=self.policy,
            created_by_us={each for each, user_id in self.made.items() if user_id == user.id},
            choices=self.choices,
        )

    def state(self) -> tuple[dict[object, object], dict[str, object]]:
        """What Syncro and the ledger hold, with creations named by their user (their numbers depend on order)."""
        names: dict[int, object] = {each: self.made.get(each, each) for each in self.contacts}
        contacts = {names[each]: _content(contact) for each, contact in self.contacts.items()}
        return contacts, {user_id: names.get(each) for each, user_id in self.links.items()}

    def _carry_out(self, user: DirectoryUser, found: Match) -> Plan:
        planned = plan(user, found, customer_id=7, facts=None, policy=self.policy, today=TODAY, locks=self.locks)
        match planned:
            case CreateContact(changes=changes):
                number = max(self.contacts, default=0) + 1
                self.contacts[number] = apply_to(Contact(number, 7), changes)
                self.made[number] = self.links[number] = user.id
                self.choices.pop(user.id, None)
                self.writes += 1
            case UpdateContact(contact_id=contact_id, changes=changes):
                self.contacts[contact_id] = apply_to(self.contacts[contact_id], changes)
                self.links[contact_id] = user.id
                self.writes += 1
            case NoChange(contact_id=int(contact_id)):
                self.links[contact_id] = user.id
            case _:
                pass
        return planned


def _addresses(user: DirectoryUser) -> set[str]:
    return {normalise.email(user.mail), normalise.email(user.user_principal_name)}


def _content(contact: Contact) -> object:
    plain = tuple(str(getattr(contact, each)) for each in ("name", "email", "phone", "mobile", "title"))
    return plain, tuple(sorted((contact.properties or {}).items()))
