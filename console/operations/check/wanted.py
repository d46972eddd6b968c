"""The custom fields that Syncro must have, and how a person makes them: exact names, types, answers. Pure.

Syncro's API cannot create a custom field, so the words here are all that helps. Text fields are asked for everywhere;
where somebody wants a drop-down, only exactly these answers work.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shared.domain.contact import PLAIN_FIELDS
from shared.domain.licences import LABELS
from shared.domain.mfa import DISABLED, ENABLED
from shared.domain.policy import FieldNames, SyncPolicy

_TEXT = "entra-syncro check"


@dataclass(frozen=True, slots=True)
class Wanted:
    """`answers`: what a drop-down must offer, () where only a text field will do. `sample`: a value that fits."""

    name: str
    answers: tuple[str, ...] = ()
    sample: str = _TEXT

    @property
    def sentence(self) -> str:
        if not self.answers:
            return f"{self.name} (text field)"
        return f"{self.name} (text field, or a drop-down with exactly: {'; '.join(self.answers)})"


def customer_fields(policies: Iterable[SyncPolicy]) -> tuple[Wanted, ...]:
    """Each name once, in the order of the rules."""
    names = [name for policy in policies for name in _of_customer(policy.fields)]
    return tuple(Wanted(name) for name in dict.fromkeys(names))


def contact_fields(policies: Iterable[SyncPolicy]) -> tuple[Wanted, ...]:
    """Each name once; the fields of custom mappings come last."""
    found: dict[str, Wanted] = {}
    for policy in policies:
        for wanted in _of_contact(policy):
            found.setdefault(wanted.name, wanted)
    return tuple(found.values())


def instructions(kind: str, missing: Iterable[Wanted]) -> str:
    """One field a line. `kind`: "customers" or "contacts"; Syncro's pages call them organizations and end users too."""
    where = "Customers (organizations)" if kind == "customers" else "Contacts (end users)"
    fields = "".join(f"\n- {wanted.sentence}" for wanted in missing)
    return (
        f"An administrator does this in Syncro, the API cannot: 1. Admin, {where}, Custom Fields. 2. Add, spelt "
        f"exactly like this:{fields}\n3. entra-syncro check. Or name the fields that you have in policy.fields of the "
        "settings."
    )


def _of_customer(names: FieldNames) -> tuple[str, ...]:
    return (names.secure_score, names.licensed_users, names.active_users, names.tenant_id)


def _of_contact(policy: SyncPolicy) -> Iterable[Wanted]:
    names = policy.fields
    labels = (*LABELS, *(row.label for row in policy.extra_skus))
    yield Wanted(names.license, tuple(dict.fromkeys(labels)), LABELS[0])
    yield Wanted(names.mfa_status, (ENABLED, DISABLED), ENABLED)
    yield Wanted(names.mfa_methods, sample="Phone (mobile)")
    yield Wanted(names.last_activity, sample="2026-01-31")
    yield Wanted(names.account_status, sample="Active")
    yield Wanted(names.object_id, sample="00000000-0000-0000-0000-000000000000")
    yield Wanted(names.pin)
    for mapping in policy.custom_mappings:
        if mapping.field not in PLAIN_FIELDS:
            yield Wanted(mapping.field)
