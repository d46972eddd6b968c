"""What a delivery of RabbitMQ says in our words: a message of ours, unreadable bytes, or a letter from the dead lane.

A message that reached its delivery limit was moved to the dead queue by the broker itself, as it was; the ledger
wants a `DeadLettered`, so it is wrapped here. Pure. Next: `amqp_consumer.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from aio_pika.abc import AbstractIncomingMessage

from shared.adapters.brokers.topology import DELIVERY_LIMIT
from shared.domain.messages import DeadLettered, Lane, Unreadable, decode
from shared.ports import AnyMessage

NOT_BEFORE = "not-before"  # our own header, for delays beyond the longest rung
_LIMIT_REACHED = "delivery_limit"
_EXPIRED = "expired"  # on a rung: no death, only the end of a delay
_WORN_OUT = "every process that took this message died or hung with it in hand"


def read(incoming: AbstractIncomingMessage, lane: Lane, now: datetime) -> AnyMessage | Unreadable:
    """Never raises."""
    died = _death(incoming) if lane is Lane.DEAD else None
    if died is None:
        return decode(incoming.body)
    identity = incoming.message_id.encode() if incoming.message_id else incoming.body
    return DeadLettered(
        letter_id=sha256(identity).hexdigest()[:32],  # the same letter, however often it is delivered
        body=incoming.body,
        lane=_lane(died),
        error_class=str(died["reason"]),
        detail=_WORN_OUT if died["reason"] == _LIMIT_REACHED else "the broker moved it here by itself",
        attempts=DELIVERY_LIMIT if died["reason"] == _LIMIT_REACHED else 0,
        first_seen=incoming.timestamp or now,
        last_seen=now,
    )


def still_to_wait(incoming: AbstractIncomingMessage, now: datetime) -> float:
    """Seconds, for a delay that was longer than the longest rung; else 0."""
    until = incoming.headers.get(NOT_BEFORE)
    if not isinstance(until, str):
        return 0.0
    try:
        return max(0.0, (datetime.fromisoformat(until) - now).total_seconds())
    except (ValueError, TypeError):  # not written by us
        return 0.0


def _death(incoming: AbstractIncomingMessage) -> Mapping[str, Any] | None:
    """The broker's own record of this death, None for what was published to the dead lane by us."""
    return next((death for death in _deaths(incoming) if death.get("reason", _EXPIRED) != _EXPIRED), None)


def _deaths(incoming: AbstractIncomingMessage) -> Iterator[Mapping[str, Any]]:
    deaths = incoming.headers.get("x-death")
    if isinstance(deaths, list):
        yield from (death for death in deaths if isinstance(death, Mapping))


def _lane(death: Mapping[str, Any]) -> Lane:
    keys = death.get("routing-keys")
    try:
        return Lane(str(keys[0])) if keys else Lane.LIVE
    except (ValueError, TypeError, IndexError, KeyError):
        return Lane.LIVE
