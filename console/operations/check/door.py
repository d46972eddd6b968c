"""The public address, as this machine can see it: Microsoft's handshake played against ourselves.

A network may not let a machine reach its own public address, so what is found here is a hint; Microsoft's own
handshake, told by `notices.py`, is the judge.
"""

from __future__ import annotations

from collections.abc import Sequence

from console.operations.check.patient import AGAIN, sentence
from console.operations.ports import OperatorPorts
from shared.domain.cures import cure_of_code
from shared.domain.door import DoorFault
from shared.domain.findings import Finding, Level, Organ

PATH = "/graph/notifications"
_NONE = (
    "Nobody has to: changes are found by polling every 5 minutes, and consent works by pasting the answer's address. "
    "For changes within seconds, publish the receiver over https and set receiver.public_url."
)
_HINT = "If only this machine cannot reach it (no way back in from inside), Microsoft's own handshake decides."


async def public_address(ports: OperatorPorts) -> Sequence[Finding]:
    if not ports.public_url:
        return [Finding(Level.YELLOW, Organ.PUBLIC_ADDRESS, "receiver.public_url is not set.", _NONE)]
    address = f"{ports.public_url.rstrip('/')}{PATH}"
    answer = await ports.door.knock(address)
    if answer.fault is DoorFault.NONE:
        what = f"{ports.public_url} answers Microsoft's handshake ({answer.seconds:.1f} s)."
        return [Finding(Level.GREEN, Organ.PUBLIC_ADDRESS, what)]
    code = f"door:{answer.fault.value}"
    cure = cure_of_code(code)
    what = sentence(cure.what) + (f" Its status was {answer.status}." if answer.status not in (None, 200) else "")
    details = {"code": code, "status": answer.status, "address": address}
    return [
        Finding(Level.RED, Organ.PUBLIC_ADDRESS, what, f"{cure.who_does_what} {_HINT} {AGAIN}", details=details),
    ]
