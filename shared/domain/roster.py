"""The contacts of one customer, indexed for matching: who holds which, and which agree with a user in what.

An index and nothing more: it gives hits and never says what they mean. Next: `shared/domain/matching.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property

from shared.domain import mapping, normalise
from shared.domain.contact import Contact
from shared.domain.policy import NameFormat, SyncPolicy
from shared.domain.user import DirectoryUser

Index = Mapping[str, tuple[Contact, ...]]


class Roster:
    """`linked`: contact id -> user id as the ledger has it. `gone`: users whose hold on a contact has ended."""

    def __init__(
        self,
        contacts: Iterable[Contact],
        linked: Mapping[int, str],
        policy: SyncPolicy,
        gone: Collection[str] = (),
    ) -> None:
        self.by_id = {contact.id: contact for contact in sorted(contacts, key=lambda each: each.id)}
        self.policy = policy
        self._linked = linked
        self._gone = frozenset(map(_id, gone))
        self._phones: dict[str, Index] = {}

    # --- who holds what ---------------------------------------------------------------------------------------

    def holder(self, contact: Contact) -> str:
        """The user to whom a contact is linked, "" if free. What people decided (the ledger) outranks the field."""
        for user_id in (self._linked.get(contact.id), contact.value(self.policy.fields.object_id)):
            key = _id(user_id)
            if key and key not in self._gone:
                return key
        return ""

    def is_free_for(self, user_id: str, contact: Contact) -> bool:
        return self.holder(contact) in ("", _id(user_id))

    def holds_one(self, user_id: str) -> bool:
        return _id(user_id) in self._holders

    @cached_property
    def _holders(self) -> frozenset[str]:
        return frozenset(self.holder(contact) for contact in self.by_id.values())

    # --- what agrees ------------------------------------------------------------------------------------------

    def carrying(self, user_id: str) -> tuple[Contact, ...]:
        """Contacts whose object id field names this user, whoever holds them."""
        return self._object_ids.get(_id(user_id), ())

    def with_email(self, address: str) -> tuple[Contact, ...]:
        """`address` as a key (`normalise.email`)."""
        return self._emails.get(address, ())

    def with_name_of(self, user: DirectoryUser) -> frozenset[int]:
        formats = (NameFormat.FIRST_LAST, NameFormat.DISPLAY_NAME)
        keys = {normalise.name(mapping.person_name(user, name_format)) for name_format in formats}
        return _ids(self._names, keys)

    def with_phone_of(self, user: DirectoryUser) -> frozenset[int]:
        """Numbers of both sides are read the way the user's country writes them."""
        region = mapping.region(user, self.policy)
        keys = {normalise.phone(each, region) for each in (*(user.business_phones or ()), user.mobile_phone)}
        return _ids(self._phones_in(region), keys)

    def with_title_of(self, user: DirectoryUser) -> frozenset[int]:
        return _ids(self._titles, {normalise.folded(user.job_title)})

    @cached_property
    def _object_ids(self) -> Index:
        return self._index(lambda contact: (_id(contact.value(self.policy.fields.object_id)),))

    @cached_property
    def _emails(self) -> Index:
        return self._index(lambda contact: (normalise.email(contact.email),))

    @cached_property
    def _names(self) -> Index:
        return self._index(lambda contact: (normalise.name(contact.name),))

    @cached_property
    def _titles(self) -> Index:
        return self._index(lambda contact: (normalise.folded(contact.title),))

    def _phones_in(self, region: str) -> Index:
        if region not in self._phones:
            self._phones[region] = self._index(
                lambda contact: {normalise.phone(each, region) for each in (contact.phone, contact.mobile)}
            )
        return self._phones[region]

    def _index(self, keys: Callable[[Contact], Iterable[str]]) -> Index:
        found: dict[str, list[Contact]] = {}
        for contact in self.by_id.values():
            for key in keys(contact):
                if key:
                    found.setdefault(key, []).append(contact)
        return {key: tuple(contacts) for key, contacts in found.items()}


def _id(user_id: str | None) -> str:
    """Object ids are GUIDs: their case and the white space around them mean nothing."""
    return (user_id or "").strip().lower()


def _ids(index: Index, keys: Iterable[str]) -> frozenset[int]:
    return frozenset(contact.id for key in keys for contact in index.get(key, ()))
