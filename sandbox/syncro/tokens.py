"""API tokens: how a call carries one and what it may do.

A missing permission is a 401, not a 403, and a token may be limited to some customers without saying so.
Next: `sandbox/syncro/answers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

LIST, DETAIL = "Customers - List/Search", "Customers - View Detail"
CREATE, EDIT, DELETE = "Customers - Create", "Customers - Edit", "Customers - Delete"
TICKETS_LIST, TICKETS_CREATE = "Tickets - List/Search", "Tickets - Create"
ASSETS_LIST, GLOBAL_ADMIN = "Assets - List/Search", "Global Admin"
ALL_PERMISSIONS = frozenset(
    {LIST, DETAIL, CREATE, EDIT, DELETE, TICKETS_LIST, TICKETS_CREATE, ASSETS_LIST, GLOBAL_ADMIN}
)
DEFAULT_OWNER = "Sandbox Technician"


@dataclass(slots=True)
class Token:
    """One token; `customer_ids` None means every customer. It does nothing once its `owner` is deactivated."""

    secret: str
    permissions: frozenset[str] = ALL_PERMISSIONS
    customer_ids: frozenset[int] | None = None
    valid: bool = True
    expires: datetime | None = None
    owner: str = DEFAULT_OWNER
    is_owner_active: bool = True

    def may(self, permission: str | None) -> bool:
        return permission is None or permission in self.permissions

    def sees(self, customer_id: int) -> bool:
        return self.customer_ids is None or customer_id in self.customer_ids


class Tokens:
    """The tokens of the account."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}

    def add(self, token: Token) -> Token:
        self._tokens[token.secret] = token
        return token

    def get(self, secret: str) -> Token | None:
        return self._tokens.get(secret)

    def admit(self, headers: Mapping[str, str], params: Mapping[str, Any], now: datetime) -> Token | None:
        """The token of a call (header with or without scheme, else `api_key`), None for a bad or expired one."""
        token = self._tokens.get(carried(headers, params))
        if token is None or not token.valid or not token.is_owner_active:
            return None
        return None if token.expires is not None and token.expires <= now else token


def carried(headers: Mapping[str, str], params: Mapping[str, Any]) -> str:
    text = headers.get("Authorization", "").strip()
    if not text:
        return str(params.get("api_key", ""))
    scheme, _, rest = text.partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else text
