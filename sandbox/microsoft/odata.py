"""Graph's `$filter` on users: a small OData parser that yields a predicate, and the vendor's refusals.

Knows eq, ne, in, not, and, or, parentheses, startsWith, endsWith, any() and $count on collections, and comparisons of
dates. What needs the advanced query mode (`ConsistencyLevel: eventual` and `$count=true`) is marked, what is unknown is
a 400. Next: listing.py.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.microsoft.errors import GraphError, bad_request
from sandbox.microsoft.schema import State, canonical, kind_of, value_of

Predicate = Callable[[State], bool]
Compare = Callable[[Any, Any], Any]
MAX_OR_CLAUSES = 15
_ORDER: dict[str, Compare] = {"ge": operator.ge, "gt": operator.gt, "le": operator.le, "lt": operator.lt}
_TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|([()=,:/])|(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?|[^\s()=,:/']+))")
_NO_PLAIN_FILTER = {"mobilePhone", "businessPhones", "streetAddress", "postalCode", "officeLocation", "companyName"}


@dataclass(frozen=True, slots=True)
class Filter:
    """`or_clauses`: how many alternatives the search expression has (the service caps them)."""

    predicate: Predicate
    advanced: bool
    or_clauses: int


@dataclass(frozen=True, slots=True)
class _Literal:
    value: Any


def parse_filter(text: str) -> Filter:
    """The filter of a `$filter` text; GraphError 400 when it cannot be read."""
    parser = _Parser(text)
    try:
        predicate = parser.expression()
    except RecursionError as error:
        raise bad_request("The recursion limit has been exceeded.", "BadRequest") from error
    parser.finish()
    return Filter(predicate, parser.advanced, parser.alternatives)


def check_allowed(wanted: Filter, advanced_mode: bool) -> None:
    """The service's limits outside the advanced query mode."""
    if advanced_mode:
        return
    if wanted.or_clauses > MAX_OR_CLAUSES:
        raise bad_request(
            "Too many child clauses specified in search filter expression containing 'OR' operators: "
            f"{wanted.or_clauses}. Max allowed: {MAX_OR_CLAUSES}.",
            "Request_UnsupportedQuery",
        )
    if wanted.advanced:
        raise bad_request(
            "Unsupported or invalid query filter clause specified for property.", "Request_UnsupportedQuery"
        )


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0
        self.advanced = False
        self.alternatives = 0

    def expression(self) -> Predicate:
        terms = [self._conjunction()]
        while self._accept("or"):
            terms.append(self._conjunction())
        if len(terms) == 1:
            return terms[0]
        self.alternatives += len(terms)
        return lambda state: any(term(state) for term in terms)

    def finish(self) -> None:
        if self._at != len(self._tokens):
            raise self._invalid()

    def _conjunction(self) -> Predicate:
        terms = [self._unary()]
        while self._accept("and"):
            terms.append(self._unary())
        return terms[0] if len(terms) == 1 else lambda state: all(term(state) for term in terms)

    def _unary(self) -> Predicate:
        if self._accept("not"):
            self.advanced = True
            inner = self._unary()
            return lambda state: not inner(state)
        if self._accept("("):
            inner = self.expression()
            self._expect(")")
            return inner
        return self._clause()

    def _clause(self) -> Predicate:
        first = self._word()
        if first.lower() in ("startswith", "endswith") and self._accept("("):
            return self._text_function(first.lower())
        name = self._property(first)
        if self._accept("/"):
            return self._count(name) if self._accept("$count") else self._any(name)
        word = self._word().lower()
        if word == "in":
            return self._in(name)
        if word in _ORDER and kind_of(name) == "datetime":
            return self._moment(name, _ORDER[word])
        if word not in ("eq", "ne"):
            raise self._invalid()
        # these properties are filterable in the advanced mode only
        self.advanced = self.advanced or word == "ne" or name in _NO_PLAIN_FILTER
        wanted = self._literal(name)
        return lambda state: _equal(value_of(state, name), wanted) == (word == "eq")

    def _text_function(self, function: str) -> Predicate:
        name = self._property(self._word())
        self._expect(",")
        wanted = str(self._literal(name)).lower()
        self._expect(")")
        if function == "endswith":
            self.advanced = True
            return lambda state: str(value_of(state, name) or "").lower().endswith(wanted)
        return lambda state: str(value_of(state, name) or "").lower().startswith(wanted)

    def _in(self, name: str) -> Predicate:
        self._expect("(")
        values = [self._literal(name)]
        while self._accept(","):
            values.append(self._literal(name))
        self._expect(")")
        self.alternatives += len(values) if len(values) > 1 else 0
        return lambda state: any(_equal(value_of(state, name), value) for value in values)

    def _count(self, name: str) -> Predicate:
        """How many entries a collection has; served by the advanced mode only."""
        compare = {"eq": operator.eq, "ne": operator.ne, **_ORDER}.get(self._word().lower())
        number = self._word()
        if compare is None or kind_of(name) not in ("strings", "objects") or not number.isdecimal():
            raise self._invalid()
        self.advanced = True
        return lambda state: bool(compare(len(value_of(state, name)), int(number)))

    def _moment(self, name: str, compare: Compare) -> Predicate:
        wanted = _instant(self._literal(name))
        if wanted is None:
            raise self._invalid()

        def holds(state: State) -> bool:
            have = _instant(value_of(state, name))
            return have is not None and bool(compare(have, wanted))

        return holds

    def _any(self, name: str) -> Predicate:
        if self._word().lower() != "any" or kind_of(name) not in ("strings", "objects"):
            raise self._invalid()
        self._expect("(")
        variable = self._word()
        self._expect(":")
        test = self._element_test(variable)
        self._expect(")")
        return lambda state: any(test(entry) for entry in value_of(state, name))

    def _element_test(self, variable: str) -> Callable[[Any], bool]:
        word = self._word()
        if word.lower() in ("startswith", "endswith"):
            self._expect("(")
            self._expect(variable)
            self._expect(",")
            wanted = str(self._literal("")).lower()
            self._expect(")")
            self.advanced = self.advanced or word.lower() == "endswith"
            return lambda entry: getattr(str(entry).lower(), word.lower())(wanted) is True
        if word != variable:
            raise self._invalid()
        member = self._word() if self._accept("/") else None
        if self._word().lower() != "eq":
            raise self._invalid()
        value = self._literal("")
        return lambda entry: _equal(entry.get(member) if member else entry, value)

    def _property(self, word: str) -> str:
        name = canonical(word)
        if name is None:
            raise bad_request(
                f"Invalid filter clause: Could not find a property named '{word}' on type 'microsoft.graph.user'.",
                "BadRequest",
            )
        return name

    def _literal(self, name: str) -> Any:
        token = self._next()
        if isinstance(token, _Literal):
            return token.value
        lowered = token.lower()
        if lowered in ("true", "false", "null"):
            if lowered != "null" and kind_of(name) == "string" and name:
                raise self._invalid()
            return {"true": True, "false": False, "null": None}[lowered]
        if re.fullmatch(r"[0-9a-fA-F-]{36}|-?\d+|\d{4}-\d\d-\d\dT?.*", token):
            return token
        raise self._invalid()

    def _word(self) -> str:
        token = self._next()
        if isinstance(token, _Literal):
            raise self._invalid()
        return token

    def _next(self) -> str | _Literal:
        if self._at >= len(self._tokens):
            raise self._invalid()
        self._at += 1
        return self._tokens[self._at - 1]

    def _accept(self, word: str) -> bool:
        if self._at < len(self._tokens):
            token = self._tokens[self._at]
            if isinstance(token, str) and token.lower() == word:
                self._at += 1
                return True
        return False

    def _expect(self, word: str) -> None:
        if not self._accept(word.lower()):
            raise self._invalid()

    def _invalid(self) -> GraphError:
        return bad_request(
            f"Invalid filter clause: Syntax error at position {self._at} in '{self._text}'.", "BadRequest"
        )


def _tokens(text: str) -> list[str | _Literal]:
    tokens: list[str | _Literal] = []
    at = 0
    stripped = text.rstrip()
    while at < len(stripped):
        match = _TOKEN.match(stripped, at)
        if match is None:
            raise bad_request("Invalid filter clause: There is an unterminated string literal.", "BadRequest")
        if match[1] is not None:
            tokens.append(_Literal(match[1].replace("''", "'")))
        else:
            tokens.append(match[2] or match[3])
        at = match.end()
    return tokens


def _instant(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _equal(have: Any, wanted: Any) -> bool:
    # the directory compares text without regard to case
    if isinstance(have, str) and isinstance(wanted, str):
        return have.lower() == wanted.lower()
    return type(have) is type(wanted) and bool(have == wanted)
