"""The rule behind every field, changed or not: each kind of rule has its word, and no ruling contradicts the plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import mapping
from shared.domain.changes import CreateContact, Plan
from shared.domain.contact import Contact
from shared.domain.facts import Facts
from shared.domain.matching import Found, Level, NotFound
from shared.domain.plan import plan
from shared.domain.policy import Authority, CustomMapping, LeaverRule, NameFormat, SyncPolicy
from shared.domain.ruling import Decision, Rule, Ruling, changes_of, rulings
from shared.domain.safety import Brake
from shared.domain.user import AnyUser, DirectoryUser, SoftDeleted
from tests.support.clock import START

TODAY = date(2026, 11, 24)
BASIC = "3b555118-da6a-4418-894f-7df1e2096870"  # Microsoft 365 Business Basic
ANNA = DirectoryUser(
    "u1", display_name="Anna Meier", given_name="Anna", surname="Meier", mail="anna@contoso.example", city="Ulm",
    job_title="Chief", sku_ids=(BASIC,),
)  # fmt: skip
LIKE_HER = Contact(
    5, 7, name="Anna Meier", email="anna@contoso.example", city="Ulm", title="Chief", phone="+1 217 555 0111",
    properties={
        "title": "Chief", "azure_license": "Microsoft 365 Business Basic", "azure_account_status": "Active",
        "azure_object_id": "u1", "azure_mfa_status": "enabled",
    },
)  # fmt: skip


def ruled(
    user: AnyUser = ANNA,
    contact: Contact | None = LIKE_HER,
    *,
    policy: SyncPolicy | None = None,
    facts: Facts | None = None,
    lacking: frozenset[str] = frozenset(),
    unkept: frozenset[str] = frozenset(),
    **more: Any,
) -> tuple[Plan, dict[str, Ruling]]:
    """As `worker/explaining.py` asks. `contact` None: a creation. `unkept`: what Syncro did not keep before."""
    policy = policy or SyncPolicy()
    found = Found(contact, Level.LINK) if contact is not None else NotFound()

    def decided(missing: frozenset[str]) -> Plan:
        return plan(user, found, customer_id=7, facts=facts, policy=policy, today=TODAY, missing_fields=missing)

    possible, blank = decided(lacking | unkept), contact or Contact(0, 7)
    decision = Decision(user, blank, possible, decided(frozenset()), facts, policy, lacking, **more)
    return possible, {ruling.field: ruling for ruling in rulings(decision)}


def told(field: str, **asked: Any) -> tuple[Rule, bool]:
    ruling = ruled(**asked)[1][field]
    return ruling.rule, ruling.changes


CHANGED = replace(LIKE_HER, city="Bonn", properties={**LIKE_HER.properties, "azure_license": "Old"})
BLOCKED = replace(ANNA, account_enabled=False)
GONE = SoftDeleted("u1", START)
BADGE = f"extension_{'0a1b' * 8}_badge"
BADGED = SyncPolicy(custom_mappings=(CustomMapping(attribute=BADGE.upper(), field="Badge"),))
FILLING = SyncPolicy(authority={"city": Authority.FILL_BLANK})


@pytest.mark.parametrize(
    ("field", "asked", "expected"),
    [
        ("city", {"contact": CHANGED}, (Rule.OVERWRITE, True)),
        ("city", {}, (Rule.OVERWRITE, False)),
        ("phone", {}, (Rule.BLANK, False)),
        ("Badge", {"policy": BADGED}, (Rule.BLANK, False)),
        ("Badge", {"policy": BADGED, "user": replace(ANNA, lacking=(BADGE,))}, (Rule.UNKNOWN, False)),
        ("city", {"contact": CHANGED, "policy": SyncPolicy(authority={"city": Authority.NEVER})}, (Rule.NEVER, False)),
        ("city", {"contact": CHANGED, "policy": FILLING},
         (Rule.FILL_BLANK, False)),
        ("city", {"contact": replace(LIKE_HER, city=""), "policy": FILLING},
         (Rule.FILL_BLANK, True)),
        ("name", {"contact": replace(LIKE_HER, name="A. M."), "policy": SyncPolicy(name_format=NameFormat.KEEP)},
         (Rule.NEVER, False)),
        ("azure_license", {"contact": CHANGED}, (Rule.OWNED, True)),
        ("azure_license", {}, (Rule.OWNED, False)),
        ("azure_mfa_status", {}, (Rule.UNKNOWN, False)),
        ("azure_mfa_status", {"facts": Facts(START, mfa_status="disabled")}, (Rule.OWNED, True)),
        ("azure_mfa_methods", {"facts": Facts(START, mfa_status="disabled")}, (Rule.UNKNOWN, False)),
        ("azure_account_status", {"user": BLOCKED}, (Rule.OWNED, True)),
        ("azure_account_status", {"user": BLOCKED, "policy": SyncPolicy(blocked=LeaverRule.NOTHING)},
         (Rule.NEVER, False)),
        ("azure_license", {"contact": CHANGED, "lacking": frozenset({"azure_license"})}, (Rule.MISSING, False)),
        ("city", {"contact": CHANGED, "unkept": frozenset({"city"})}, (Rule.NOT_KEPT, False)),
        ("azure_license", {"contact": CHANGED, "is_frozen": True}, (Rule.FROZEN, False)),
        ("city", {"contact": CHANGED, "is_frozen": True}, (Rule.OVERWRITE, True)),
        ("azure_license", {"user": replace(ANNA, sku_ids=()), "held": frozenset({Brake.CLEARS})}, (Rule.HELD, False)),
        ("city", {"contact": CHANGED, "held": frozenset({Brake.CLEARS})}, (Rule.OVERWRITE, True)),
        ("city", {"contact": None, "held": frozenset({Brake.CREATIONS})}, (Rule.HELD, False)),
        ("azure_license", {"contact": None, "is_frozen": True}, (Rule.OWNED, True)),
        ("azure_license", {"user": GONE}, (Rule.OWNED, True)),
        ("azure_license", {"user": GONE, "policy": SyncPolicy(deleted=LeaverRule.NOTHING)}, (Rule.NEVER, False)),
        ("city", {"user": GONE}, (Rule.GONE, False)),
        ("azure_object_id", {"user": GONE}, (Rule.GONE, False)),
    ],
)  # fmt: skip
def test_every_rule_has_its_word(field: str, asked: dict[str, Any], expected: tuple[Rule, bool]) -> None:
    assert told(field, **asked) == expected


def test_a_locked_contact_has_the_last_word_over_every_field() -> None:
    locked = replace(CHANGED, properties={**CHANGED.properties, "azure_sync_off": "by Ada"})
    _, fields = ruled(contact=locked)
    assert {(ruling.rule, ruling.changes) for ruling in fields.values()} == {(Rule.LOCKED, False)}


words = st.sampled_from(["", "Ulm", "Bonn"])


@given(
    user=st.one_of(
        st.builds(lambda city, title, on: replace(ANNA, city=city, job_title=title, account_enabled=on),
                  words, words, st.booleans()),
        st.just(GONE),
    ),
    contact=st.one_of(
        st.none(),
        st.builds(lambda city, name, lic: replace(LIKE_HER, city=city, name=name, properties={"azure_license": lic}),
                  words, words, words),
    ),
    authority=st.dictionaries(st.sampled_from(["city", "name", "title"]), st.sampled_from(Authority)),
    lacking=st.frozensets(st.sampled_from(["azure_license", "azure_object_id"])),
)  # fmt: skip
def test_what_is_said_to_change_is_exactly_what_is_planned(
    user: AnyUser, contact: Contact | None, authority: dict[str, Authority], lacking: frozenset[str]
) -> None:
    policy = SyncPolicy(authority=authority)
    planned, fields = ruled(user, contact, policy=policy, lacking=lacking)
    assert {name for name, ruling in fields.items() if ruling.changes} == {c.field for c in changes_of(planned)}
    if contact is not None or isinstance(planned, CreateContact):
        rows = [row.field for row, _ in mapping.rows(policy)]
        assert list(fields) == [*rows, *mapping.owned_names(policy.fields)[:-1]]
    assert all(ruling.why.endswith(".") for ruling in fields.values())
