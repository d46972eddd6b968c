"""Who gets a contact, and the reason why somebody does not."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.changes import ExclusionReason
from shared.domain.policy import CreateScope, SyncPolicy
from shared.domain.scope import belongs, exclusion
from tests.support.people import FREE_SKU, a_user


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({}, None),
        ({"user_type": None}, None),
        ({"user_type": "member"}, None),
        ({"account_enabled": False}, ExclusionReason.DISABLED),
        ({"user_type": "Guest"}, ExclusionReason.GUEST),
        ({"user_principal_name": "jo_x.example#EXT#@contoso.example"}, ExclusionReason.GUEST),
        ({"mail": None, "user_principal_name": "anna@contoso.example"}, ExclusionReason.NO_ADDRESS),
        ({"mail": " "}, ExclusionReason.NO_ADDRESS),
        ({"mail": "anna"}, ExclusionReason.NO_ADDRESS),
        ({"sku_ids": ()}, ExclusionReason.NO_LICENCE),
        ({"sku_ids": (FREE_SKU,)}, ExclusionReason.NO_LICENCE),
        ({"user_principal_name": "Sync_SRV01_0a1b@contoso.example"}, ExclusionReason.SERVICE_ACCOUNT),
        ({"mail": "svc-backup@contoso.example"}, ExclusionReason.SERVICE_ACCOUNT),
        ({"mail": "NoReply@contoso.example"}, ExclusionReason.SERVICE_ACCOUNT),
        ({"mail": "svcetlana@contoso.example"}, None),
        ({"mail": "sadmin@contoso.example"}, None),
        ({"account_enabled": False, "user_type": "Guest", "sku_ids": ()}, ExclusionReason.DISABLED),
    ],
)
def test_licensed(facts: dict[str, Any], reason: ExclusionReason | None) -> None:
    assert exclusion(a_user(**facts), SyncPolicy()) is reason


def test_members_need_no_licence() -> None:
    policy = SyncPolicy(create_scope=CreateScope.MEMBERS)
    assert exclusion(a_user(sku_ids=()), policy) is None
    assert exclusion(a_user(sku_ids=(), user_type="Guest"), policy) is ExclusionReason.GUEST


def test_nobody_is_created_when_creating_is_off_and_the_count_is_of_those_who_would_be() -> None:
    policy = SyncPolicy(create_scope=CreateScope.NONE)
    assert exclusion(a_user(), policy) is ExclusionReason.CREATES_OFF
    assert exclusion(a_user(account_enabled=False), policy) is ExclusionReason.DISABLED


@pytest.mark.parametrize(
    ("domains", "mail", "reason"),
    [
        (("contoso.example",), "anna@CONTOSO.example", None),
        (("@Contoso.example",), "anna@contoso.example", None),
        (("fabrikam.example",), "anna@contoso.example", ExclusionReason.OUT_OF_DOMAIN),
        (("contoso.example",), "anna@sub.contoso.example", ExclusionReason.OUT_OF_DOMAIN),
    ],
)
def test_domains(domains: tuple[str, ...], mail: str, reason: ExclusionReason | None) -> None:
    assert exclusion(a_user(mail=mail), SyncPolicy(domains=domains)) is reason


@pytest.mark.parametrize(
    ("department", "reason"),
    [
        ("Sales", None),
        (" SALES ", None),
        ("IT", ExclusionReason.OUT_OF_DEPARTMENT),
        (None, ExclusionReason.OUT_OF_DEPARTMENT),
    ],
)
def test_departments(department: str | None, reason: ExclusionReason | None) -> None:
    assert exclusion(a_user(department=department), SyncPolicy(departments=("sales",))) is reason


def test_service_patterns_are_a_setting() -> None:
    assert exclusion(a_user(mail="admin@contoso.example"), SyncPolicy(service_patterns=())) is None
    policy = SyncPolicy(service_patterns=("Robot?",))
    assert exclusion(a_user(mail="robot1@contoso.example"), policy) is ExclusionReason.SERVICE_ACCOUNT


SALES, LABS = (f"0000000{number}-0000-4000-8000-00000000000a" for number in (1, 2))


@pytest.mark.parametrize(
    ("groups", "member_of", "reason"),
    [
        ((), None, None),
        ((SALES,), (SALES,), None),
        ((SALES.upper(), LABS), (LABS,), None),
        ((SALES,), (LABS,), ExclusionReason.OUT_OF_GROUP),
        ((SALES,), (), ExclusionReason.OUT_OF_GROUP),
        ((SALES,), None, ExclusionReason.GROUPS_UNKNOWN),
    ],
)
def test_groups(groups: tuple[str, ...], member_of: tuple[str, ...] | None, reason: ExclusionReason | None) -> None:
    assert exclusion(a_user(group_ids=member_of), SyncPolicy(groups=groups)) is reason


def test_a_group_is_named_by_its_object_id() -> None:
    with pytest.raises(ValueError, match="object id"):
        SyncPolicy(groups=("Sales",))


@pytest.mark.parametrize(
    ("facts", "mine"),
    [
        ({}, True),
        ({"sku_ids": (), "account_enabled": False}, True),
        ({"mail": "anna@other.example"}, False),
        ({"mail": "anna@other.example", "group_ids": None}, False),
        ({"department": "IT"}, False),
        ({"group_ids": ()}, False),
        ({"group_ids": None}, None),
    ],
)
def test_the_part_of_a_shared_tenant_asks_neither_for_licences_nor_for_sign_in(
    facts: dict[str, Any], mine: bool | None
) -> None:
    policy = SyncPolicy(domains=("contoso.example",), departments=("Sales",), groups=(SALES,))
    user = a_user(**{"department": "Sales", "group_ids": (SALES,), **facts})
    assert belongs(user, policy) is mine
