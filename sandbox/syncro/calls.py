"""Every call that the simulated Syncro received, refused ones included: what a test counts.

Keys of bodies are kept, values never. Next: `sandbox/syncro/limiter.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

WRITES = frozenset({"POST", "PUT", "DELETE", "PATCH"})
KEPT = 200_000


@dataclass(slots=True)
class Call:
    """One received call; `status` is None while it is under way and 0 when the connection was cut."""

    number: int
    at: str  # wall time, ISO 8601 UTC
    seconds: float  # monotonic seconds at arrival
    method: str
    path: str
    query: dict[str, str]
    address: str
    user_agent: str = ""
    customer_id: int | None = None
    contact_id: int | None = None
    status: int | None = None
    body_keys: list[str] = field(default_factory=list)
    property_keys: list[str] = field(default_factory=list)
    fault: str | None = None
    took: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Calls:
    """The calls in the order in which they arrived (the last 200,000 are kept)."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._next = 1

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls)

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, call: Call) -> None:
        call.number = self._next
        self._next += 1
        self._calls.append(call)
        if len(self._calls) > KEPT:
            del self._calls[: KEPT // 2]

    def clear(self) -> None:
        self._calls.clear()

    def select(
        self,
        since: int = 0,
        method: str = "",
        path: str = "",
        contact_id: int | None = None,
        customer_id: int | None = None,
    ) -> list[Call]:
        """Calls with a number above `since`, of that method, whose path contains `path`, about those objects."""
        return [
            call
            for call in self._calls
            if call.number > since
            and (not method or call.method == method.upper())
            and path in call.path
            and contact_id in (None, call.contact_id)
            and customer_id in (None, call.customer_id)
        ]

    def writes(self) -> list[Call]:
        """Calls by a writing method that the server answered with success."""
        return [call for call in self._calls if call.method in WRITES and call.status == 200]

    def max_calls_in(self, seconds: float = 60.0) -> int:
        """The largest number of calls received in any `seconds`, all addresses together."""
        best = first = 0
        times = [call.seconds for call in self._calls]
        for last, time in enumerate(times):
            while times[first] <= time - seconds:
                first += 1
            best = max(best, last - first + 1)
        return best
