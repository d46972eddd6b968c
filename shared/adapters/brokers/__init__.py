"""The brokers: one address in, one broker out. The address's scheme chooses the adapter.

An address is never repeated in an error or a log, for it may hold a password. Next: `embedded.py`,
`rabbitmq.py`.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from shared.adapters.brokers.embedded import EmbeddedBroker, open_embedded_broker
from shared.domain.errors import Permanent
from shared.ports import Clock, Depths, Inbox, Publisher

__all__ = ["Broker", "EmbeddedBroker", "open_broker", "open_embedded_broker"]


class Broker(Publisher, Inbox, Depths, Protocol):
    """What every broker adapter is."""


def open_broker(url: str, clock: Clock, *, lazy: bool = False) -> AbstractAsyncContextManager[Broker]:
    """Open the broker at `url` (`embedded:PATH`, `embedded::memory:`, `amqp://...`). Raises Permanent for others.

    `lazy`: a server need not be there yet; a file must.
    """
    scheme, _, path = url.partition(":")
    if scheme == "embedded" and path:
        return open_embedded_broker(path, clock)
    if scheme in ("amqp", "amqps"):
        from shared.adapters.brokers.rabbitmq import open_rabbitmq_broker  # its library is loaded where it is used

        return open_rabbitmq_broker(url, clock, lazy=lazy)
    raise Permanent(
        "broker", "unsupported_url", "supported broker addresses: embedded:PATH, embedded::memory:, amqp://, amqps://"
    )
