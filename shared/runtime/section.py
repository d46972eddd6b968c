"""What every section of the settings is made of: a frozen model, and addresses as people paste them.

Next: `shared/runtime/sections.py`, `shared/runtime/graph_section.py`.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _address(value: object) -> object:
    """An http(s) address without a trailing slash. Blank stays blank."""
    if not isinstance(value, str) or not value:
        return value
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address that begins with https:// (or http:// on this machine)")
    return value.rstrip("/")


def loopback(address: str) -> bool:
    """Is this address on this machine (a simulated vendor)?"""
    host = urlsplit(address).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False  # a name, even one that begins with 127


def without(path: str) -> BeforeValidator:
    """People paste the address with its version; adapters add that themselves."""
    return BeforeValidator(lambda value: value.rstrip("/").removesuffix(path) if isinstance(value, str) else value)


Address = Annotated[str, BeforeValidator(_address)]
