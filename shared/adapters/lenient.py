"""Reading what vendors send without trusting it: wrong types, nulls and missing keys become "nothing", never a crash.

Pure. Nothing here decides what is required; the `wire.py` of each vendor does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Json = Mapping[str, Any]


def mapping(value: object) -> Json:
    """A JSON object, or an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[Json]:
    """The objects of a JSON array, anything else left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: object) -> str | None:
    """A scalar as text, None for null, arrays and objects."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else None


def texts(value: object) -> tuple[str, ...]:
    """The strings of an array; a null array is an empty one."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def integer(value: object) -> int | None:
    """A whole number, also when it came as a string of up to 18 digits."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18 else None


def moment(value: object) -> datetime | None:
    """An ISO 8601 time with 0 to 7 fraction digits and any offset, as aware UTC; without an offset it is UTC."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value.strip())
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):  # an offset can push the first and the last day out of range
        return None


def document(body: bytes) -> object | None:
    """The JSON value in a body, None when it is no JSON (an HTML page of a gateway, a cut answer)."""
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value
