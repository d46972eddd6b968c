"""What a contact was before a probe, on disk until it is so again: a killed probe must leave a way back.

Readable by its owner alone: it holds personal data. Next: `console/operations/check/probe.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.domain.contact import Contact


@dataclass(frozen=True, slots=True)
class Before:
    """The plain fields that a probe touches, and all custom fields."""

    plain: Mapping[str, str]
    properties: Mapping[str, str]


def before(contact: Contact) -> Before:
    return Before({"name": contact.name, "phone": contact.phone}, dict(contact.properties))


def keep(data_dir: Path, contact_id: int, values: Before) -> None:
    """Durable when it returns."""
    path = _path(data_dir, contact_id)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump({"plain": dict(values.plain), "properties": dict(values.properties)}, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())


def kept(data_dir: Path, contact_id: int) -> Before | None:
    """None when nothing was left behind. A file cut off by the kill was written before anything else was."""
    try:
        found = json.loads(_path(data_dir, contact_id).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return Before(found["plain"], found["properties"])


def forget(data_dir: Path, contact_id: int) -> None:
    _path(data_dir, contact_id).unlink(missing_ok=True)


def unfinished(data_dir: Path) -> list[int]:
    """Contacts that a probe has not put back."""
    names = (path.stem.removeprefix("contact-") for path in data_dir.glob("probes/contact-*.json"))
    return sorted(int(name) for name in names if name.isdecimal())


def _path(data_dir: Path, contact_id: int) -> Path:
    return data_dir / "probes" / f"contact-{contact_id}.json"
