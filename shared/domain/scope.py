"""Who gets a contact: the rules of creation, the same in every path, each exclusion with its reason.

Only creation asks here. A user who has a contact is kept in step whatever the scope says, for a rule change is no
leaving. Next: `shared/domain/matching.py`.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from shared.domain import normalise
from shared.domain.changes import ExclusionReason
from shared.domain.licences import has_paid_licence
from shared.domain.mapping import address
from shared.domain.policy import CreateScope, SyncPolicy
from shared.domain.user import DirectoryUser


def exclusion(user: DirectoryUser, policy: SyncPolicy) -> ExclusionReason | None:
    """The first reason against a contact for this user, or None: it may be created.

    `creating is off` comes last, so that its count is of those who would have got one.
    """
    rules = (
        (not user.account_enabled, ExclusionReason.DISABLED),
        (is_guest(user), ExclusionReason.GUEST),
        (not address(user), ExclusionReason.NO_ADDRESS),
        (_lacks_licence(user, policy), ExclusionReason.NO_LICENCE),
        (_is_service_account(user, policy), ExclusionReason.SERVICE_ACCOUNT),
        (not _in_domain(user, policy), ExclusionReason.OUT_OF_DOMAIN),
        (not _in_department(user, policy), ExclusionReason.OUT_OF_DEPARTMENT),
        (_in_group(user, policy) is False, ExclusionReason.OUT_OF_GROUP),
        (_in_group(user, policy) is None, ExclusionReason.GROUPS_UNKNOWN),
        (policy.create_scope is CreateScope.NONE, ExclusionReason.CREATES_OFF),
    )
    return next((reason for applies, reason in rules if applies), None)


def exclusion_of_chosen(user: DirectoryUser) -> ExclusionReason | None:
    """The same where a person chose a contact for this user: only what a contact needs counts, the scope does not."""
    if not user.account_enabled:
        return ExclusionReason.DISABLED
    return None if address(user) else ExclusionReason.NO_ADDRESS


def belongs(user: DirectoryUser, policy: SyncPolicy) -> bool | None:
    """Is this user of the part of a shared tenant that the rules choose? None: its groups are not known."""
    if not (_in_domain(user, policy) and _in_department(user, policy)):
        return False
    return _in_group(user, policy)


def is_guest(user: DirectoryUser) -> bool:
    """An external user stays one when the tenant calls it a member: its sign-in name says so."""
    external = "#ext#" in normalise.email(user.user_principal_name)
    return external or normalise.folded(user.user_type) == "guest"


def _lacks_licence(user: DirectoryUser, policy: SyncPolicy) -> bool:
    return policy.create_scope is CreateScope.LICENSED and not has_paid_licence(user.sku_ids)


def _is_service_account(user: DirectoryUser, policy: SyncPolicy) -> bool:
    addresses = (user.user_principal_name, user.mail)
    local_parts = {normalise.email(each).partition("@")[0] for each in addresses} - {""}
    return any(fnmatchcase(part, pattern.casefold()) for part in local_parts for pattern in policy.service_patterns)


def _in_domain(user: DirectoryUser, policy: SyncPolicy) -> bool:
    domain = normalise.email(user.mail).rpartition("@")[2]
    return not policy.domains or domain in {normalise.email(each).removeprefix("@") for each in policy.domains}


def _in_department(user: DirectoryUser, policy: SyncPolicy) -> bool:
    department = normalise.folded(user.department)
    return not policy.departments or department in {normalise.folded(each) for each in policy.departments}


def _in_group(user: DirectoryUser, policy: SyncPolicy) -> bool | None:
    if not policy.groups:
        return True
    return None if user.group_ids is None else not set(user.group_ids).isdisjoint(policy.groups)
