"""Who acts, and the record of what was done: every acting operation says by whom, and notes a deed when it is done.

A face passes the name in (`by`): the command line the one of `actor`, the web pages the one that signed in. What was
written to Syncro stands in the journal, with the same name; a deed says what a person ordered or decided. Next:
`console/operations/ports.py`.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence

from console.operations.ports import OperatorPorts
from shared.domain.desk import Deed


def actor(name: str = "") -> str:
    """`name` (the setting operator.name), else the login name, else its number (a container has no name for it)."""
    if name.strip():
        return name.strip()
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


async def note(ports: OperatorPorts, by: str, what: str, customer_id: int | None = None, **facts: str | int) -> None:
    """Record what was done. `what`: a static word; `facts`: ids, counts and reasons, never values of fields.

    `by` "": whoever this process runs as.
    """
    await ports.deeds.note(Deed(by or actor(), what, ports.clock.now(), customer_id, facts))


async def recent_deeds(ports: OperatorPorts, customer_id: int | None = None, *, limit: int = 100) -> Sequence[Deed]:
    """Newest first; of every customer with None."""
    return await ports.deeds.recent(customer_id=customer_id, limit=limit)
