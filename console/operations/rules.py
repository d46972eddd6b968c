"""A customer's rules as text, key by key, and texts as rules: what `customers policy` reads and writes. Pure.

Rules are kept whole; a key counts as the customer's own where it differs from the deployment's. What cannot be read is
refused with what is allowed. Next: `console/operations/policies.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from console.operations.errors import wrong_use
from shared.domain.guid import is_guid
from shared.domain.mapping import TABLE, owned_names, unread_attribute
from shared.domain.policy import Authority, CustomMapping, FieldNames, SkuLabel, SyncPolicy

SHORT = {"scope": "create_scope"}  # what people say for a key
LISTS = frozenset({"domains", "departments", "groups", "service_patterns"})
TABLES = frozenset({"custom_mappings", "extra_skus"})  # only from a file: one text has no room for them
_SECTIONS = ("authority", "fields")


@dataclass(frozen=True, slots=True)
class Rule:
    """`value`: as text, "" for none. `own`: the customer's own, else the deployment's. `about`: one sentence."""

    key: str
    value: str
    own: bool
    about: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for. `assignments`: KEY=VALUE each. `unset`: keys that are the deployment's again.

    `document`: rules from a file, as a table; those that it names are replaced.
    """

    assignments: Sequence[str] = ()
    unset: Sequence[str] = ()
    document: Mapping[str, Any] | None = None

    @property
    def is_empty(self) -> bool:
        return not self.assignments and not self.unset and not self.document


def rules_of(policy: SyncPolicy, deployment: SyncPolicy) -> tuple[Rule, ...]:
    """Every rule that holds for a customer, in the order of the settings."""
    ours, theirs = _flat(policy), _flat(deployment)
    return tuple(Rule(key, value, value != theirs.get(key, ""), _about(key)) for key, value in ours.items())


def changed_keys(before: SyncPolicy, after: SyncPolicy) -> Mapping[str, tuple[str, str]]:
    """Key -> its value before and after, of those that differ."""
    old, new = _flat(before), _flat(after)
    keys = dict.fromkeys([*new, *old])
    return {key: (old.get(key, ""), new.get(key, "")) for key in keys if old.get(key, "") != new.get(key, "")}


def applied(wish: Wish, policy: SyncPolicy, deployment: SyncPolicy) -> SyncPolicy:
    """The rules as asked for. Wrong use for an unknown key or a value that is not allowed, naming what is."""
    rules, base = policy.model_dump(mode="json"), deployment.model_dump(mode="json")
    for key in wish.unset:
        _unset(rules, base, _known(key.strip(), "unset"))
    for name, value in _sections(wish.document or {}).items():
        rules[name] = {**rules[name], **value} if name in _SECTIONS and isinstance(value, Mapping) else value
    for assignment in wish.assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise wrong_use(f'"{assignment}" is no rule. Write KEY=VALUE, for example authority.title=never')
        _set(rules, _known(key.strip(), "set"), value.strip())
    return _checked(rules)


def keys() -> tuple[str, ...]:
    """Every key that can be set in words."""
    plain = [name for name in SyncPolicy.model_fields if name not in {*TABLES, *_SECTIONS}]
    fields = [f"authority.{row.field}" for row in TABLE]
    return (*plain, *fields, *(f"fields.{name}" for name in FieldNames.model_fields))


def _known(key: str, verb: str) -> str:
    key = SHORT.get(key, key)
    if verb == "unset" and key in {*TABLES, *_SECTIONS}:
        return key
    if key in TABLES:
        raise wrong_use(f"{key} is a list of tables: write it into a TOML file and name that with --file")
    if key not in keys() and not (key.startswith("authority.") and verb == "unset"):
        raise wrong_use(f'There is no rule "{key}". Rules are: {", ".join((*keys(), *sorted(TABLES)))}')
    return key


def _set(rules: dict[str, Any], key: str, value: str) -> None:
    section, dot, name = key.partition(".")
    if dot:
        rules[section] = {**rules[section], name: value}
    else:
        rules[key] = _listed(key, value) if key in LISTS else value


def _listed(key: str, value: str) -> list[str]:
    """Words between commas, or a JSON list where a word has a comma in it."""
    if not value.startswith("["):
        return [word.strip() for word in value.split(",") if word.strip()]
    try:
        words = json.loads(value)
    except ValueError:
        words = None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise wrong_use(f'{key}: write words between commas, or a JSON list such as ["Sales, East", "IT"]')
    return words


def _unset(rules: dict[str, Any], base: Mapping[str, Any], key: str) -> None:
    section, dot, name = key.partition(".")
    if not dot:
        rules[key] = base[key]
    elif name in base[section]:
        rules[section] = {**rules[section], name: base[section][name]}
    else:
        rules[section] = {each: value for each, value in rules[section].items() if each != name}


def _sections(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A part of the settings file may be copied as it is, its `[policy]` included."""
    inner = document.get("policy") if document.keys() == {"policy"} else document
    known = SyncPolicy.model_fields.keys()
    unknown = sorted(inner.keys() - known) if isinstance(inner, Mapping) else ["policy"]
    if unknown or not isinstance(inner, Mapping):
        raise wrong_use(f"The file has no such rule: {', '.join(unknown)}. Rules are: {', '.join(known)}")
    return inner


def _checked(rules: Mapping[str, Any]) -> SyncPolicy:
    try:
        policy = SyncPolicy.model_validate(rules)
    except ValidationError as error:
        details = error.errors(include_input=False)
        raise wrong_use(
            " ".join(_complaint([str(part) for part in each["loc"]], each["msg"]) for each in details)
        ) from None
    complaint = _beyond_types(policy)
    if complaint:
        raise wrong_use(complaint)
    return policy


def _complaint(path: Sequence[str], message: str) -> str:
    """Pydantic's message names what is allowed, and the setting's own sentence what is meant."""
    key = ".".join(path)
    said = message.removeprefix("Value error, ").removesuffix(".")
    return f"{key}: {said[:1].lower()}{said[1:]}. {_about('.'.join(path[:2]))}"


def _beyond_types(policy: SyncPolicy) -> str:
    """What would be kept and never do anything, "" when all is well."""
    writable = [*(row.field for row in TABLE), *(mapping.field for mapping in policy.custom_mappings)]
    for field in policy.authority:
        if field not in writable:
            return f"authority.{field}: no such field. Fields are: {', '.join(writable)}"
    for mapping in policy.custom_mappings:
        if mapping.field in owned_names(policy.fields):
            return f'custom_mappings: "{mapping.field}" is kept by entra-syncro itself. Choose another field.'
    if unread := unread_attribute(policy):
        return f"custom_mappings: {unread}"
    for sku in policy.extra_skus:
        if not is_guid(sku.sku_id):
            return f'extra_skus: "{sku.sku_id}" is no product id (a GUID; runs show names unknown ones).'
    return ""


# --- as text ------------------------------------------------------------------------------------------------------


def _flat(policy: SyncPolicy) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name in SyncPolicy.model_fields:
        value = getattr(policy, name)
        if name == "authority":
            fields = dict.fromkeys([*(row.field for row in TABLE), *policy.authority])
            flat |= {f"authority.{field}": policy.authority_of(field).value for field in fields}
        elif isinstance(value, FieldNames):
            flat |= {f"fields.{field}": str(getattr(value, field)) for field in FieldNames.model_fields}
        else:
            flat[name] = _text(value)
    return flat


def _text(value: object) -> str:
    match value:
        case CustomMapping():
            return f"{value.attribute} to {value.field} ({value.authority.value})"
        case SkuLabel():
            return f"{value.label} ({value.sku_id}, rank {value.rank})"
        case tuple():
            return ", ".join(map(_text, value))
        case _:
            return str(value)


def _about(key: str) -> str:
    section, dot, name = key.partition(".")
    if section == "authority" and dot:
        return f"Who wins on {name}: {_words(Authority)} (a word)."
    fields = FieldNames.model_fields if section == "fields" and dot else SyncPolicy.model_fields
    found = fields.get(name if section == "fields" and dot else section)
    return (found.description if found is not None else None) or ""


def _words(words: type[Authority]) -> str:
    plain = [word.value for word in words]
    return f"{', '.join(plain[:-1])} or {plain[-1]}"
