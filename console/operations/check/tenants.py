"""Each tenant: consent, permissions in a token acquired now, Entra ID P1, and the attributes that rules ask for.

A permission that this tenant cannot use (sign-in reports without P1, fallbacks with it) is not asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from console.operations.check.patient import Patient, of_error
from console.operations.ports import OperatorPorts
from shared.domain.cure import for_customer
from shared.domain.errors import SyncError
from shared.domain.findings import Finding, Level, Organ
from shared.domain.permissions import USES, missing_optional, missing_required
from shared.domain.policy import SyncPolicy
from shared.domain.records import Connection

_WITH_P1 = frozenset({"AuditLog.Read.All"})
_WITHOUT_P1 = frozenset({"Reports.Read.All", "Policy.Read.All"})
_BY_GROUP = "GroupMember.Read.All"
_WHEN_SET = "UserAuthenticationMethod.Read.All"  # sensitive: a setting asks for it, and a full sync names it then


@dataclass(frozen=True, slots=True)
class Tenant:
    """`ties`: the connections to it, never none."""

    tenant_id: str
    ties: tuple[Connection, ...]

    @property
    def subject(self) -> str:
        return ", ".join(f"{tied.customer_name} ({tied.customer_id})" for tied in self.ties)

    @property
    def customer(self) -> int | None:
        return self.ties[0].customer_id if len(self.ties) == 1 else None

    def finding(self, level: Level, organ: Organ, what: str, cure: str = "", **details: object) -> Finding:
        return Finding(level, organ, what, cure, self.customer, self.tenant_id, self.subject, details)


def tenants_of(patient: Patient) -> tuple[Tenant, ...]:
    """Each once, in the order of the connections."""
    ties: dict[str, list[Connection]] = {}
    for tied in patient.connections:
        for tenant_id in tied.tenants:
            ties.setdefault(tenant_id, []).append(tied)
    return tuple(Tenant(tenant_id, tuple(every)) for tenant_id, every in ties.items())


async def tenant(ports: OperatorPorts, patient: Patient, one: Tenant) -> Sequence[Finding]:
    try:
        roles = await ports.directory.prove(one.tenant_id)
    except SyncError as error:
        return [_of_error(one, error)]
    required = [_missing(one, role, Level.RED) for role in missing_required(roles)]
    try:
        premium = await ports.products.has_premium(one.tenant_id)
        lacking = [] if required else await ports.directory.lacking(one.tenant_id)
    except SyncError as error:
        return [*required, _of_error(one, error)]
    rules = [patient.policies[tied.customer_id] for tied in one.ties if tied.customer_id in patient.policies]
    optional = [_missing(one, role, Level.YELLOW) for role in _useful(roles, premium, rules)]
    found = [*required, *optional, *_lacking(one, lacking), *_premium(one, premium, rules)]
    if found:
        return found
    what = "Consent is given, no permission is missing, Entra ID P1 is there."
    return [one.finding(Level.GREEN, Organ.TENANT, what, premium=premium)]


def _of_error(one: Tenant, error: SyncError) -> Finding:
    plain = of_error(Organ.TENANT, error)
    cure = for_customer(plain.cure, one.customer)
    return one.finding(plain.level, Organ.TENANT, plain.what, cure, **plain.details)


def _missing(one: Tenant, role: str, level: Level) -> Finding:
    # The consent stands where only an optional one is missing: there the link must be asked for.
    anew = "" if level is Level.RED else " --new-link"
    cure = (
        f"1. You, in the Entra admin center of your own tenant: App registrations, the app, API permissions, add the "
        f"application permission {role}. 2. An administrator of the customer grants consent again by the link that "
        f"entra-syncro customers connect CUSTOMER{anew} prints. 3. entra-syncro check"
    )
    effect = "Nothing works without it." if level is Level.RED else "Its fields stay as they are."
    what = f"The consent lacks {role}, needed {USES[role]}. {effect}"
    return one.finding(level, Organ.TENANT, what, for_customer(cure, one.customer), permission=role)


def _useful(roles: Collection[str], premium: bool | None, rules: Sequence[SyncPolicy]) -> Iterator[str]:
    by_group = any(getattr(policy, "groups", ()) for policy in rules)
    for role in missing_optional(roles):
        if role == _WHEN_SET or (role == _BY_GROUP and not by_group):
            continue
        if (role in _WITH_P1 and premium is False) or (role in _WITHOUT_P1 and premium is not False):
            continue
        yield role


def _lacking(one: Tenant, names: Sequence[str]) -> Iterator[Finding]:
    """A typing mistake looks the same as an app that is not there: only people can tell them apart."""
    if not names:
        return
    what = f"The tenant has no such attribute: {', '.join(names)}. Its fields stay as they are; all else works."
    cure = (
        "1. You: compare the name with Entra (it is extension_, the id of the app that registered it without hyphens, "
        "and its name) and correct custom_mappings: entra-syncro customers policy show CUSTOMER. 2. If it is right, an "
        "administrator of the customer consents to that app in this tenant. 3. entra-syncro check"
    )
    yield one.finding(Level.YELLOW, Organ.TENANT, what, for_customer(cure, one.customer), attributes=list(names))


def _premium(one: Tenant, premium: bool | None, rules: Sequence[SyncPolicy]) -> Iterator[Finding]:
    """That it cannot be told is said by the missing permission."""
    if premium is not False:
        return
    fields = rules[0].fields if rules else SyncPolicy().fields
    what = (
        f"The tenant has no Entra ID P1: {fields.last_activity} comes from the usage report (up to two days old, "
        f"unknown while names are concealed), {fields.mfa_status} from the per-user state, {fields.mfa_methods} stays "
        f"unknown unless facts.methods_per_user is set."
    )
    cure = (
        "Nobody has to: all else works, and unknown is never written as disabled. Business Premium, or any product "
        "with Entra ID P1, in the customer's tenant gives the exact values."
    )
    yield one.finding(Level.YELLOW, Organ.TENANT, what, cure, premium=False)
