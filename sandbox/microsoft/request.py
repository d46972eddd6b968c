"""A Graph call freed from HTTP, so that a `$batch` item and a request of its own take the same way; and its answer.

Also the route table's entry and the OData spelling of paths (`users('id')`, `delta()`). Next: graph.py.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from sandbox.microsoft.tenant import Tenant
from sandbox.microsoft.throttle import Cost
from sandbox.microsoft.tokens import Identity

_KEY = re.compile(r"^(\$?\w+)\('([^']+)'\)$")
# servicePrincipals(appId='...'): an alternate key, kept as one segment `appId=...`
_ALTERNATE_KEY = re.compile(r"^(servicePrincipals|applications)\((appId)='([^']+)'\)$", re.IGNORECASE)
_ACTION = re.compile(
    r"^(?:microsoft\.graph\.)?(delta|restore|assignLicense|getByIds|reauthorize)(?:\(\))?$", re.IGNORECASE
)

READ_USERS = frozenset({"User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"})
WRITE_USERS = frozenset({"User.ReadWrite.All", "Directory.ReadWrite.All"})
READ_DIRECTORY = frozenset({"Directory.Read.All", "Directory.ReadWrite.All"})
READ_ORGANIZATION = READ_USERS | {"Organization.Read.All"}
READ_SKUS = READ_DIRECTORY | {"Organization.Read.All", "LicenseAssignment.Read.All"}


@dataclass(slots=True)
class GraphRequest:
    """`path` is relative to the version and decoded by segment; header names are lower case.

    `base` is the host's address as the caller reached it: every link of the answer begins with it.
    """

    method: str
    segments: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    tenant: Tenant
    identity: Identity
    version: str = "v1.0"
    base: str = ""
    batched: bool = False
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return "/" + "/".join(self.segments)

    @property
    def root(self) -> str:
        return f"{self.base}/{self.version}"

    def option(self, name: str) -> str | None:
        """A system query option, with or without its dollar sign, in any case."""
        wanted = {name.lower(), name.lower().removeprefix("$")}
        return next((value for key, value in self.query.items() if key.lower() in wanted), None)

    @property
    def eventual(self) -> bool:
        return self.headers.get("consistencylevel", "").lower() == "eventual"


@dataclass(slots=True)
class GraphResponse:
    """`body` None means no content; a str is text/plain."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[GraphRequest], Awaitable[GraphResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """`pattern`: segments, `{name}` for any; `needs`: one of these roles, empty for none."""

    method: str
    pattern: str
    handler: Handler
    needs: frozenset[str]
    cost: Cost

    def match(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        """The path's parameters if this is its route."""
        wanted = self.pattern.strip("/").split("/")
        return self._params(wanted, segments) if len(wanted) == len(segments) else None

    def begins_with(self, segments: tuple[str, ...]) -> bool:
        """Whether some longer or equal path of this route starts like this."""
        wanted = self.pattern.strip("/").split("/")[: len(segments)]
        return len(wanted) == len(segments) and self._params(wanted, segments) is not None

    @staticmethod
    def _params(wanted: list[str], segments: tuple[str, ...]) -> dict[str, str] | None:
        params: dict[str, str] = {}
        for want, have in zip(wanted, segments, strict=True):
            if want.startswith("{"):
                params[want.strip("{}")] = have
            elif want.lower() != have.lower():
                return None
        return params


def split_path(raw: str) -> tuple[str, ...]:
    """The decoded segments of an encoded path; `users('x')` becomes two, `microsoft.graph.delta()` plain `delta`."""
    segments: list[str] = []
    for part in raw.strip("/").split("/"):
        plain = unquote(part)
        keyed = _KEY.match(plain)
        alternate = _ALTERNATE_KEY.match(plain)
        action = _ACTION.match(plain)
        if keyed:
            segments += [keyed[1], keyed[2]]
        elif alternate:
            segments += [alternate[1], f"{alternate[2]}={alternate[3]}"]
        else:
            # the SDKs write the cast without its first word
            segments.append("microsoft.graph.user" if plain == "graph.user" else action[1] if action else plain)
    return tuple(segments)


def split_query(raw: str) -> dict[str, str]:
    return dict(parse_qsl(raw, keep_blank_values=True))
