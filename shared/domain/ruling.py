"""Which rule stands behind every field of one user's contact, changed or not, as `shared/domain/plan.py` decided. Pure.

It decides nothing: what changes is taken from the plan, and only why the rest stays is told here. Values are for the
person who asked. Next: `worker/explaining.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from shared.domain import mapping, normalise
from shared.domain.changes import CreateContact, FieldChange, Pinned, Plan, UpdateContact
from shared.domain.contact import Contact
from shared.domain.facts import Facts
from shared.domain.policy import Authority, LeaverRule, NameFormat, SyncPolicy
from shared.domain.safety import Brake, brake_of
from shared.domain.user import AnyUser, DirectoryUser


class Rule(StrEnum):
    """The rule that had the last word on a field. The values are shown."""

    OVERWRITE = "overwrite"
    FILL_BLANK = "fill-blank"
    NEVER = "never"
    OWNED = "owned"
    UNKNOWN = "unknown"
    BLANK = "blank in Entra"
    GONE = "user is gone"
    LOCKED = "locked contact"
    MISSING = "missing field"
    NOT_KEPT = "not kept by Syncro"
    FROZEN = "frozen"
    HELD = "held by a brake"


@dataclass(frozen=True, slots=True)
class Ruling:
    """One field. `after` is what Entra has for it, "" where it has nothing; it is written only where `changes`."""

    field: str
    before: str
    after: str
    rule: Rule
    changes: bool
    why: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about one user, and from what.

    `contact`: the one that was found, a blank one for a creation. `whole`: what the rules ask for; `plan`: the same
    without what Syncro lacks or is known not to keep. `held`: classes that a brake holds.
    """

    user: AnyUser
    contact: Contact
    plan: Plan
    whole: Plan
    facts: Facts | None
    policy: SyncPolicy
    lacking: frozenset[str] = frozenset()
    held: frozenset[Brake] = frozenset()
    is_frozen: bool = False


def rulings(decision: Decision) -> tuple[Ruling, ...]:
    """Every field that we know, profile first, in the order in which previews show them."""
    wanted = {change.field: change for change in changes_of(decision.whole)}
    ruled = [*_profile(decision, wanted), *_owned(decision, wanted)]
    return tuple(_last_word(decision, ruling, wanted.get(ruling.field)) for ruling in ruled)


def changes_of(plan: Plan) -> tuple[FieldChange, ...]:
    return plan.changes if isinstance(plan, CreateContact | UpdateContact) else ()


# --- what the rules say of a field --------------------------------------------------------------------------------


def _profile(decision: Decision, wanted: Mapping[str, FieldChange]) -> Iterator[Ruling]:
    for row, authority in mapping.rows(decision.policy):
        before = decision.contact.value(row.field)
        if not isinstance(decision.user, DirectoryUser):
            yield _stays(row.field, before, "", Rule.GONE, "Nobody's values any more; the contact keeps them.")
            continue
        after = row.read(decision.user, decision.policy)
        if (change := wanted.get(row.field)) is not None:
            yield Ruling(row.field, change.before, change.after, Rule(authority.value), True, change.why)
        else:
            yield _stays(row.field, before, after, *_why_it_stays(decision, row, authority, before, after))


def _why_it_stays(
    decision: Decision, row: mapping.Row, authority: Authority, before: str, after: str
) -> tuple[Rule, str]:
    if isinstance(decision.user, DirectoryUser) and mapping.is_lacking(decision.user, row.attribute):
        return Rule.UNKNOWN, f"The tenant has no attribute {row.attribute}, and unknown changes nothing."
    if not normalise.text(after):
        return Rule.BLANK, f"{row.attribute} is blank in Entra, and a blank erases nothing."
    if row.field == "name" and decision.policy.name_format is NameFormat.KEEP:
        return Rule.NEVER, "Names of known contacts are kept (name_format is keep)."
    if authority is Authority.NEVER:
        return Rule.NEVER, "This customer's rules never write this field."
    assert isinstance(decision.user, DirectoryUser)  # noqa: S101 - the caller has told the others apart
    if row.same(before, after, mapping.region(decision.user, decision.policy)):
        return Rule(authority.value), f"Says the same as {row.attribute} in Entra already."
    return Rule.FILL_BLANK, "Written only where Syncro has nothing, and it has something."


def _owned(decision: Decision, wanted: Mapping[str, FieldChange]) -> Iterator[Ruling]:
    for field in mapping.owned_names(decision.policy.fields)[:-1]:  # the pin is people's
        before = decision.contact.value(field)
        if (change := wanted.get(field)) is not None:
            yield Ruling(field, change.before, change.after, Rule.OWNED, True, change.why)
        else:
            yield _owned_stays(decision, field, before)


def _owned_stays(decision: Decision, field: str, before: str) -> Ruling:
    names, policy, user = decision.policy.fields, decision.policy, decision.user
    if not isinstance(user, DirectoryUser):
        if field not in (names.license, names.account_status):
            return _stays(field, before, "", Rule.GONE, "The contact keeps what was known last.")
        if policy.deleted is LeaverRule.NOTHING:
            return _stays(field, before, "", Rule.NEVER, "This customer's rules leave deleted users' contacts alone.")
    elif field == names.account_status and not user.account_enabled and policy.blocked is LeaverRule.NOTHING:
        return _stays(field, before, "", Rule.NEVER, "This customer's rules leave blocked users' contacts alone.")
    elif field in _reported(decision) and _reported(decision)[field] is None:
        return _stays(field, before, "", Rule.UNKNOWN, "No report of the last 24 hours tells; unknown changes nothing.")
    return _stays(field, before, before, Rule.OWNED, "Says what is true already.")


def _reported(decision: Decision) -> Mapping[str, str | None]:
    names, facts = decision.policy.fields, decision.facts
    return {
        names.mfa_status: facts.mfa_status if facts else None,
        names.mfa_methods: facts.mfa_methods if facts else None,
        names.last_activity: facts.last_activity if facts else None,
    }


def _stays(field: str, before: str, after: str, rule: Rule, why: str) -> Ruling:
    return Ruling(field, before, after, rule, False, why)


# --- what has the last word over them -----------------------------------------------------------------------------


def _last_word(decision: Decision, ruling: Ruling, change: FieldChange | None) -> Ruling:
    if isinstance(decision.plan, Pinned):
        return replace(ruling, rule=Rule.LOCKED, changes=False, why="The contact is locked: only people write it.")
    if change is None:
        return ruling
    rule = _stopped_by(decision, change)
    return ruling if rule is None else replace(ruling, rule=rule, changes=False, why=_STOPPED[rule])


def _stopped_by(decision: Decision, change: FieldChange) -> Rule | None:
    if change.field in decision.lacking:
        return Rule.MISSING
    if change.field not in {each.field for each in changes_of(decision.plan)}:
        return Rule.NOT_KEPT
    is_new = isinstance(decision.plan, CreateContact)
    if (Brake.CREATIONS if is_new else brake_of(change)) in decision.held:
        return Rule.HELD
    if decision.is_frozen and not is_new and change.field == decision.policy.fields.license:
        return Rule.FROZEN
    return None


_STOPPED = {
    Rule.MISSING: "Syncro has no such custom field. Make it in Syncro under Admin, Custom Fields; it is then filled.",
    Rule.NOT_KEPT: "Syncro did not keep this very value; it is tried again after 30 days, or when another is wanted.",
    Rule.HELD: "A person decides about it first (below).",
    Rule.FROZEN: "Licences wait until the freeze is over (billing.freeze).",
}
