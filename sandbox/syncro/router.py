"""The table of calls: method and path to handler, permission and the record that the path names.

Doubled slashes are tolerated, as by the real server. Next: `sandbox/syncro/routes_contacts.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sandbox.syncro.calls import Call
from sandbox.syncro.tokens import Token

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Ask:
    """One admitted call: merged parameters, the ids in its path, its token and its record in the list of calls."""

    params: dict[str, Any]
    ids: tuple[int, ...]
    token: Token
    call: Call


@dataclass(frozen=True, slots=True)
class Route:
    """`subject` names what the first id is: contact, customer, ticket or nothing."""

    method: str
    pattern: str
    permission: str | None
    handler: Callable[[Ask], Any]
    subject: str = ""
    regex: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        text = re.escape(PREFIX + self.pattern).replace(r"\{id\}", r"([0-9]{1,18})")
        object.__setattr__(self, "regex", re.compile(f"^{text}$"))


class Router:
    """Finds the route of a call; the first that fits wins."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = list(routes)

    def find(self, method: str, path: str) -> tuple[Route, tuple[int, ...]] | None:
        for route in self._routes:
            hit = route.regex.match(path) if route.method == method else None
            if hit is not None:
                return route, tuple(int(group) for group in hit.groups())
        return None


def plain_path(path: str) -> str:
    return re.sub(r"/{2,}", "/", path).rstrip("/") or "/"
