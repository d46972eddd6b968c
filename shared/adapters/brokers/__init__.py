"""The brokers: one address in, one broker out. The address's scheme chooses the adapter.

An address is never repeated in an error or a log, for it may hold a password. Next: `embedded.py`.
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


def open_broker(url: str, clock: Clock) -> AbstractAsyncContextManager[Broker]:
    """Open the broker at `url` (`embedded:PATH` or `embedded::memory:`). Raises Permanent for another address."""
    scheme, _, path = url.partition(":")
    if scheme == "embedded" and path:
        return open_embedded_broker(path, clock)
    raise Permanent("broker", "unsupported_url", "supported broker addresses: embedded:PATH, embedded::memory:")
