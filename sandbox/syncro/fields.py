"""Custom fields of the account and what becomes of the `properties` that a caller sends.

Keys are display names, compared exactly; values end as text. Defining a field is done in Syncro's pages, never by
the API. Next: `sandbox/syncro/account.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.syncro.rejected import RejectedError
from sandbox.syncro.switches import Switches

SYSTEM_KEYS = ("title", "notification_billing", "notification_reports", "notification_marketing")
AZURE_CONTACT_FIELDS = (
    "azure_license",
    "azure_mfa_status",
    "azure_mfa_methods",
    "azure_last_activity",
    "azure_account_status",
    "azure_object_id",
    "azure_sync_off",
)
AZURE_CUSTOMER_FIELDS = (
    "microsoft_secure_score",
    "azure_licensed_user_count",
    "azure_active_user_count",
    "azure_tenant_id",
)


@dataclass(slots=True)
class Field:
    """One definition; `options` (answer id -> text) only for a `select_box`."""

    id: int
    name: str
    field_type: str = "text_field"
    options: dict[int, str] = field(default_factory=dict)


class Fields:
    """The custom fields of one kind of record."""

    def __init__(self, first_id: int, names: Iterable[str]) -> None:
        self._next = first_id
        self._by_name: dict[str, Field] = {}
        for name in names:
            self.define(name)

    def define(self, name: str, field_type: str = "text_field", options: Iterable[str] = ()) -> Field:
        made = Field(self._next, name, field_type)
        made.options = {self._next * 10 + place: text for place, text in enumerate(options, start=1)}
        self._next += 1
        self._by_name[name] = made
        return made

    def remove(self, name: str) -> None:
        self._by_name.pop(name, None)

    def keep_only(self, names: Iterable[str]) -> None:
        """Exactly these are defined afterwards: others go, missing ones come as text fields."""
        wanted = list(names)
        for name in set(self._by_name) - set(wanted):
            self.remove(name)
        for name in wanted:
            if name not in self._by_name:
                self.define(name)

    def get(self, name: str) -> Field | None:
        return self._by_name.get(name)

    def all(self) -> list[Field]:
        return list(self._by_name.values())

    def accept(self, sent: Mapping[str, Any], switches: Switches) -> dict[str, str]:
        """What is stored of the sent properties; raises `RejectedError` where the switch says 422."""
        stored: dict[str, str] = {}
        for key, value in sent.items():
            if isinstance(value, (dict, list)):
                continue  # arrays and objects are silently ignored
            if value is None and switches.is_on("null_on_put", "ignored"):
                continue
            known = self._by_name.get(key)
            if known is None and key not in SYSTEM_KEYS:
                if switches.is_on("undefined_property", "422"):
                    raise RejectedError(422, [f"Properties {key} is not a custom field"])
                if switches.is_on("undefined_property", "dropped"):
                    continue
            text = _option(known, value, switches) if known and known.options else as_text(value)
            if text is not None:
                stored[key] = text
        return stored

    def show(self, stored: Mapping[str, str], switches: Switches) -> dict[str, Any]:
        """Stored properties in their wire form."""
        return {key: self._shown(key, value, switches) for key, value in stored.items()}

    def _shown(self, key: str, value: str, switches: Switches) -> Any:
        known = self._by_name.get(key)
        if known is None or not known.options or not value:
            return value
        if switches.is_on("dropdown_value", "text"):
            return known.options.get(int(value), "")
        return int(value) if switches.is_on("dropdown_value", "id_number") else value


def as_text(value: Any) -> str:
    """Every captured value is text, flags included."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)


def _option(known: Field, value: Any, switches: Switches) -> str | None:
    """The answer id of a drop-down choice as text; None (not stored) for anything that is no choice."""
    if value in (None, ""):
        return ""
    if switches.is_on("dropdown_value", "text"):
        return next((str(number) for number, text in known.options.items() if text == value), None)
    digits = str(value)
    return digits if digits.isdecimal() and int(digits) in known.options else None
