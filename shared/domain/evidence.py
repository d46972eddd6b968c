"""In what the contacts of a customer agree with one user: the words a person reads beside a candidate.

Agreement is no match: whether a contact is found, proposed or ignored is for `shared.domain.matching` to say. Next:
`shared/domain/matching.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from shared.domain import mapping, normalise
from shared.domain.roster import Roster
from shared.domain.user import DirectoryUser


class Evidence:
    """Sets of contact ids, one per kind of agreement."""

    def __init__(self, user: DirectoryUser, roster: Roster) -> None:
        mail, upn = own_addresses(user)
        proxies = map(normalise.email, user.proxy_addresses or ())
        aliases = {each.removeprefix("smtp:") for each in proxies if each.startswith("smtp:")} - {mail, upn}
        others = {normalise.email(each) for each in user.other_mails or ()} - {mail, upn} - aliases
        self.mails = _with(roster, {mail})
        self.upns = _with(roster, {upn}) - self.mails
        self.aliases = _with(roster, aliases)
        self.other_mails = _with(roster, others)
        self.names = roster.with_name_of(user)
        self.phones = roster.with_phone_of(user)
        self.titles = roster.with_title_of(user)
        self.object_ids = frozenset(contact.id for contact in roster.carrying(user.id))

    def of(self, contact_id: int) -> tuple[str, ...]:
        """What agrees, strongest first."""
        every = {
            "object id": self.object_ids,
            "mail": self.mails,
            "upn": self.upns,
            "alias": self.aliases,
            "other mail": self.other_mails,
            "name": self.names,
            "phone": self.phones,
            "title": self.titles,
        }
        return tuple(word for word, contact_ids in every.items() if contact_id in contact_ids)

    def rank(self, contact_id: int) -> tuple[bool, bool, bool]:
        """Sorts the likeliest first: name, then phone, then title."""
        return (contact_id not in self.names, contact_id not in self.phones, contact_id not in self.titles)


def own_addresses(user: DirectoryUser) -> tuple[str, str]:
    """The keys of `mail` and `userPrincipalName`, "" where there is none."""
    return normalise.email(mapping.address(user)), normalise.email(user.user_principal_name)


def _with(roster: Roster, addresses: Iterable[str]) -> frozenset[int]:
    return frozenset(contact.id for address in addresses for contact in roster.with_email(address))
