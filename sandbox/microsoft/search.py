"""Graph's `$search` on users: quoted clauses `"property:text"` joined by AND or OR.

The display name is searched by its words, every other property from its beginning. Needs the advanced query mode.
Next: listing.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sandbox.microsoft.errors import bad_request
from sandbox.microsoft.schema import State, value_of

Predicate = Callable[[State], bool]
_CLAUSE = re.compile(r'\s*"(\w+):((?:[^"\\]|\\.)+)"\s*(AND|OR)?')
_SEARCHABLE = {
    name.lower(): name for name in ("displayName", "givenName", "surname", "mail", "mailNickname", "userPrincipalName")
}


def parse_search(text: str, eventual: bool) -> Predicate:
    """The predicate of a `$search` text; GraphError 400 without the header or for another form."""
    if not eventual:
        raise bad_request(
            "Request with $search query parameter only works through MSGraph with a special request header: "
            "'ConsistencyLevel: eventual'",
            "Request_UnsupportedQuery",
        )
    alternatives: list[list[Predicate]] = [[]]
    at, joined = 0, True
    while at < len(text):
        match = _CLAUSE.match(text, at)
        if match is None or not joined or match[1].lower() not in _SEARCHABLE:
            raise _invalid(text)
        alternatives[-1].append(_clause(_SEARCHABLE[match[1].lower()], match[2]))
        joined = match[3] is not None
        if match[3] == "OR":
            alternatives.append([])
        at = match.end() if text[match.end() :].strip() else len(text)
    if not text.strip() or not alternatives[-1] or joined:
        raise _invalid(text)
    return lambda state: any(all(clause(state) for clause in group) for group in alternatives)


def _clause(name: str, text: str) -> Predicate:
    wanted = text.lower().replace("\\", "").strip()
    if name != "displayName":
        return lambda state: str(value_of(state, name) or "").lower().startswith(wanted)
    words = re.findall(r"\w+", wanted)

    def holds(state: State) -> bool:
        have = re.findall(r"\w+", str(value_of(state, name) or "").lower())
        return all(any(token.startswith(word) for token in have) for word in words)

    return holds


def _invalid(text: str) -> Exception:
    return bad_request(f"Syntax error: character is not valid at position 0 in '{text}'.", "BadRequest")
