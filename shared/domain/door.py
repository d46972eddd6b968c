"""What is wrong with our public address, seen from where we stand: one of a closed set, "" of nothing.

Our own look is only a hint (a network may not let us reach ourselves); Microsoft's handshake is the judge. Who looks is
`shared/adapters/door.py`; what each fault means for a person stands in `shared/domain/cures.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DoorFault(StrEnum):
    NONE = ""
    DNS = "dns"  # the name has no address
    REFUSED = "refused"  # nobody listens
    TLS_CHAIN = "tls_chain"  # self-signed, incomplete chain, wrong name, expired
    TLS = "tls"  # no common protocol or cipher
    NOT_200 = "not_200"
    WRONG_BODY = "wrong_body"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class DoorAnswer:
    """`status`: the HTTP status where one came, else None. `seconds`: how long it took."""

    fault: DoorFault
    status: int | None = None
    seconds: float = 0.0
