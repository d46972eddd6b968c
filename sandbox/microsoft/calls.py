"""The list of every call the simulated Microsoft received, for the control API, the demo and the tests.

One record per HTTP request, and one per item of a `$batch`. Bodies and tokens are not kept. Next: graph.py.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One received call: `service` is login, graph, reports or partner, `tenant` an id or "", `duration_s` seconds."""

    at: datetime
    service: str
    tenant: str
    method: str
    path: str
    status: int
    duration_s: float
    batched: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"at": self.at.isoformat()}
