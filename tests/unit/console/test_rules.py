"""Rules as text and texts as rules: what is allowed, what is refused with which words, and whose a rule is."""

from __future__ import annotations

from typing import Any

import pytest

from console.operations import OperationError
from console.operations.rules import Wish, applied, changed_keys, keys, rules_of
from shared.domain.policy import Authority, CreateScope, LeaverRule, NameFormat, SyncPolicy

GROUP = "00000001-0000-4000-8000-000000000000"
SKU = "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46"


def after(*assignments: str, policy: SyncPolicy | None = None, **wish: Any) -> SyncPolicy:
    return applied(Wish(assignments, **wish), policy or SyncPolicy(), SyncPolicy(default_region="DE"))


@pytest.mark.parametrize(
    ("assignment", "rules"),
    [
        ("scope=members", {"create_scope": CreateScope.MEMBERS}),
        ("create_scope=none", {"create_scope": CreateScope.NONE}),
        ("domains=a.example, b.example", {"domains": ("a.example", "b.example")}),
        ("domains=", {"domains": ()}),
        ('departments=["Sales, East", "IT"]', {"departments": ("Sales, East", "IT")}),
        (f"groups={GROUP.upper()}", {"groups": (GROUP,)}),
        ("service_patterns=svc*,admin", {"service_patterns": ("svc*", "admin")}),
        ("authority.title=never", {"authority": {"title": Authority.NEVER}}),
        ("name_format=keep", {"name_format": NameFormat.KEEP}),
        ("default_region=AT", {"default_region": "AT"}),
        ("cron=0 3 * * *", {"cron": "0 3 * * *"}),
        ("blocked=nothing", {"blocked": LeaverRule.NOTHING}),
        (" deleted = nothing", {"deleted": LeaverRule.NOTHING}),
    ],
)
def test_a_rule_in_words(assignment: str, rules: dict[str, Any]) -> None:
    assert after(assignment) == SyncPolicy(**rules)


def test_a_custom_field_may_have_another_name_at_one_customer() -> None:
    assert after("fields.license=Licence").fields.license == "Licence"


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("scop=members", ["scop", "create_scope", "authority.title", "custom_mappings"]),
        ("authority.titel=never", ["authority.titel", "authority.title"]),
        ("scope=all", ["create_scope", "'licensed'", "'members'", "'none'"]),
        ("authority.title=always", ["authority.title", "overwrite, fill-blank or never"]),
        ("name_format=last-first", ["name_format", "display-name"]),
        ("default_region=Austria", ["default_region", "two capital letters"]),
        ("groups=Sales", ["groups", "object id"]),
        ("cron=every day", ["cron"]),
        ("blocked=delete", ["blocked", "status or nothing"]),
        ("departments=[oops", ["departments", "commas"]),
        ("custom_mappings=x", ["custom_mappings", "--file"]),
        ("scope", ["KEY=VALUE"]),
        ("fields.license=", ["fields.license", "display name"]),
    ],
)
def test_what_is_not_allowed_is_refused_with_what_is(assignment: str, words: list[str]) -> None:
    with pytest.raises(OperationError) as refused:
        after(assignment)
    assert refused.value.exit_code == 2
    assert [word for word in words if word not in refused.value.message] == []


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"custom_mapping": []}, ["custom_mapping", "custom_mappings"]),
        ({"custom_mappings": [{"attribute": "department"}]}, ["custom_mappings.0.field"]),
        ({"custom_mappings": [{"attribute": "departement", "field": "Team"}]}, ["departement", "extensionAttribute1"]),
        ({"custom_mappings": [{"attribute": "extension_1_x", "field": "Team"}]}, ["extension_1_x", "extension_APPID_"]),
        ({"custom_mappings": [{"attribute": "department", "field": "azure_license"}]}, ["azure_license"]),
        ({"extra_skus": [{"sku_id": "SPB", "label": "Mine", "rank": 5}]}, ["SPB", "GUID"]),
        ({"authority": "never"}, ["authority"]),
        ({"policy": "all"}, ["policy"]),
    ],
)
def test_a_file_is_checked_as_well(document: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(OperationError) as refused:
        after(document=document)
    assert refused.value.exit_code == 2
    assert [word for word in words if word not in refused.value.message] == []


def test_a_file_brings_tables_and_a_part_of_the_settings_file_will_do() -> None:
    document = {
        "custom_mappings": [{"attribute": "extensionAttribute3", "field": "Team", "authority": "fill-blank"}],
        "extra_skus": [{"sku_id": SKU, "label": "Mine", "rank": 5}],
        "authority": {"Team": "never"},
    }
    before = SyncPolicy(authority={"title": Authority.NEVER})
    made = after(document=document, policy=before)
    assert made == after(document={"policy": document}, policy=before)
    assert [mapping.field for mapping in made.custom_mappings] == ["Team"]
    assert made.authority == {"title": Authority.NEVER, "Team": Authority.NEVER}  # a table is laid over, not replaced
    assert after(policy=made, unset=("custom_mappings", "authority.Team", "extra_skus")) == before


def test_unset_takes_the_deployments_rule_again() -> None:
    before = SyncPolicy(authority={"title": Authority.NEVER}, domains=("a.example",))
    assert after(policy=before, unset=("domains", "authority.title")) == SyncPolicy()
    assert after(policy=before, unset=("default_region",)).default_region == "DE"
    deployment = SyncPolicy(authority={"title": Authority.FILL_BLANK})
    made = applied(Wish(unset=("authority.title",)), before, deployment)
    assert made.authority_of("title") is Authority.FILL_BLANK


def test_what_is_set_counts_after_what_is_unset() -> None:
    assert after("domains=b.example", unset=("domains",), policy=SyncPolicy(domains=("a",))).domains == ("b.example",)


def test_a_rule_is_the_customers_own_where_it_differs_from_the_deployments() -> None:
    policy = SyncPolicy(name_format=NameFormat.KEEP, authority={"title": Authority.NEVER}, default_region="DE")
    rules = {rule.key: rule for rule in rules_of(policy, SyncPolicy(default_region="DE"))}
    assert [key for key, rule in rules.items() if rule.own] == ["authority.title", "name_format"]
    assert rules["authority.title"].value == "never"
    assert rules["default_region"].value == "DE"
    assert [key for key, rule in rules.items() if not rule.about.endswith(".")] == []
    assert set(keys()) <= rules.keys()


def test_every_key_can_be_set_to_what_it_is() -> None:
    """What `show` prints may be typed back."""
    policy = SyncPolicy(domains=("a.example", "b.example"), authority={"title": Authority.NEVER}, groups=(GROUP,))
    printed = {rule.key: rule.value for rule in rules_of(policy, SyncPolicy())}
    made = after(*(f"{key}={printed[key]}" for key in keys()), policy=SyncPolicy())
    assert changed_keys(policy, made) == {}


def test_changed_keys_name_both_values() -> None:
    assert changed_keys(SyncPolicy(), SyncPolicy(domains=("a.example",), authority={"city": Authority.NEVER})) == {
        "domains": ("", "a.example"),
        "authority.city": ("overwrite", "never"),
    }
