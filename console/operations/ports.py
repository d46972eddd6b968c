"""What the operations need from the outside, handed in by `console/cli/run.py`.

`Passes` is the worker's full pass seen from here: the console never imports the worker. Next: the operations
themselves, one file each.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shared import ports
from shared.domain.messages import Reason
from shared.domain.preview import Preview


class Passes(Protocol):
    """One full pass over one customer."""

    async def preview(self, customer_id: int) -> Preview:
        """must: write nothing, anywhere"""

    async def begin(self, customer_id: int, *, reason: Reason, run_id: str) -> int:
        """Publish every user that differs and give their number. must: start the run record first"""


@dataclass(frozen=True, slots=True)
class OperatorPorts:
    """`data_dir` is where the contacts of a customer are saved before its first write; `public_url` may be ""."""

    clock: ports.Clock
    publisher: ports.Publisher
    depths: ports.Depths
    pace: ports.Pace
    directory: ports.Directory
    syncro_customers: ports.Customers
    connections: ports.Connections
    approvals: ports.Approvals
    links: ports.Links
    memory: ports.Memory
    owed: ports.OwedMarks
    dead_letters: ports.DeadLetters
    conflicts: ports.Conflicts
    runs: ports.Runs
    passes: Passes
    data_dir: Path
    public_url: str
