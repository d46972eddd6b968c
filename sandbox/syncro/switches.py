"""The unknowns of the Syncro API as switches: every one starts at the value that hurts a careless client most.

A switch only takes the values listed here; anything else is refused with the known ones named. Faults are not
switches (see `faults.py`). Next: `sandbox/syncro/account.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

SWITCHES: Mapping[str, tuple[str, ...]] = {
    "properties_on_put": ("replace", "merge"),
    "properties_on_post": ("ignored", "stored"),
    "title_on_post": ("ignored", "stored"),
    "undefined_property": ("dropped", "stored", "422"),
    "dropdown_value": ("text", "id_number", "id_string"),
    "contact_page_size": ("50", "25"),
    "per_page": ("ignored", "honoured"),
    "page_past_end": ("empty", "404"),
    "order": ("id_descending", "id_ascending", "updated_at"),
    "drift": ("on", "off"),
    "limit_answer": ("429_json", "429_retry_after", "429_html", "200_error"),
    "limit_window": ("sliding", "fixed", "block"),
    "bad_token": ("failed_to_authenticate", "other_text"),
    "auth_order": ("permission_first", "existence_first"),
    "timestamps": ("local_offset", "utc"),
    "contact_phone": ("kept", "digits"),
    "email_case": ("kept", "lower"),
    "blank_name_on_post": ("accepted", "422"),
    "duplicate_email": ("accepted", "422"),
    "delete_with_tickets": ("200", "422"),
    "embedded_contacts": ("complete", "first_25"),
    "null_on_put": ("clears", "ignored"),
    "search_lag": ("30", "0"),
    # The sheet gives this one no default; "on" would make every update a fight, so it starts "off".
    "second_writer": ("off", "on"),
}


class UnknownSwitchError(ValueError):
    """No such switch, or no such value of it; the text names the known ones."""


class Switches:
    """The current value of every switch."""

    def __init__(self) -> None:
        self._values = {name: values[0] for name, values in SWITCHES.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def is_on(self, name: str, value: str) -> bool:
        return self._values[name] == value

    def set(self, name: str, value: object) -> None:
        """Move one switch; raises `UnknownSwitchError`."""
        self._check(name, value)
        self._values[name] = str(value)

    def move(self, wanted: Mapping[str, object]) -> None:
        """Move several or, when one of them is unknown, none."""
        self.check(wanted)
        for name, value in wanted.items():
            self._values[name] = str(value)

    def check(self, wanted: Mapping[str, object]) -> None:
        """Raises `UnknownSwitchError` for the first one that cannot be moved."""
        for name, value in wanted.items():
            self._check(name, value)

    def reset(self) -> None:
        self._values = {name: values[0] for name, values in SWITCHES.items()}

    def as_dict(self) -> dict[str, str]:
        return dict(self._values)

    @staticmethod
    def known() -> dict[str, list[str]]:
        return {name: list(values) for name, values in SWITCHES.items()}

    @staticmethod
    def _check(name: str, value: object) -> None:
        if name not in SWITCHES:
            raise UnknownSwitchError(f"unknown switch {name!r}; known: {', '.join(SWITCHES)}")
        if str(value) not in SWITCHES[name]:
            raise UnknownSwitchError(f"switch {name!r} takes {', '.join(SWITCHES[name])}, not {value!r}")
