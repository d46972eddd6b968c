"""What people said no to, remembered when a full sync finds the very same again. Next: `console/operations/runs.py`."""

from __future__ import annotations

from console.operations.holding import is_rejected, rejected_before
from console.operations.ports import OperatorPorts
from shared.domain.records import Hold, HoldState


async def rejection(ports: OperatorPorts, hold: Hold | None) -> str:
    """The sentence about the newest rejection of exactly what an open `hold` stands for, "" where there is none.

    "" as well while the hold itself still tells it.
    """
    if hold is None or hold.state is not HoldState.OPEN or is_rejected(hold, ports.clock.now()):
        return ""
    rejected = await ports.holds.list(code=hold.code, state=HoldState.REJECTED)
    mine = next((each for each in rejected if each.customer_id == hold.customer_id), None)
    return rejected_before(mine) if mine is not None else ""
