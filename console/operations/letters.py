"""Failed changes (dead letters): what was given up, and giving it another try.

Operators browse the ledger, never the queue. A body is shown only as what `decode` makes of it: ids and times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never
from uuid import uuid4

from console.operations.errors import OperationError, wrong_use
from console.operations.ports import OperatorPorts
from shared.domain.messages import (
    DeadLettered,
    Lane,
    Reason,
    SubscriptionTouched,
    Unreadable,
    UsersTouched,
    decode,
)
from shared.domain.records import DeadLetter


async def letters(ports: OperatorPorts, *, include_settled: bool = False, limit: int = 100) -> Sequence[DeadLetter]:
    return await ports.dead_letters.list(status=None if include_settled else "open", limit=limit)


async def replay(ports: OperatorPorts, letter_id: str) -> DeadLetter:
    """Put a failed change back to work with its attempts at zero.

    Publish first, settle after: a crash in between replays it twice, which is harmless, and never loses it.
    """
    letter = await ports.dead_letters.get(letter_id)
    if letter is None:
        raise wrong_use(f"There is no failed change {letter_id}. List them: entra-syncro dead-letters list")
    if letter.status != "open":
        raise OperationError(f"Failed change {letter_id} was {letter.status} already.")
    replayed = await _put_back(ports, letter)
    if replayed is None:
        raise OperationError(f"Failed change {letter_id} was settled by somebody else just now.")
    return replayed


async def replay_all(ports: OperatorPorts) -> Sequence[DeadLetter]:
    """Every open letter that can be read; unreadable ones stay where they are."""
    readable = [letter for letter in await letters(ports, limit=10_000) if _is_readable(letter)]
    again = [await _put_back(ports, letter) for letter in readable]
    return [letter for letter in again if letter is not None]


async def _put_back(ports: OperatorPorts, letter: DeadLetter) -> DeadLetter | None:
    """None: another operator settled it meanwhile."""
    message, lane = _fresh(ports, letter)
    await ports.publisher.publish(message, lane)
    now = ports.clock.now()
    if not await ports.dead_letters.settle(letter.letter_id, "replayed", now):
        return None
    return replace(letter, status="replayed", settled_at=now)


def _is_readable(letter: DeadLetter) -> bool:
    return isinstance(decode(letter.body), UsersTouched | SubscriptionTouched)


def _fresh(ports: OperatorPorts, letter: DeadLetter) -> tuple[UsersTouched | SubscriptionTouched, Lane]:
    message = decode(letter.body)
    fresh = {"attempt": 0, "noticed_at": ports.clock.now(), "trace_id": uuid4().hex}
    match message:
        case UsersTouched():
            return message.model_copy(update={**fresh, "reason": Reason.REPLAY, "confirm": False}), Lane.LIVE
        case SubscriptionTouched():
            return message.model_copy(update=fresh), Lane.CONTROL
        case DeadLettered() | Unreadable():
            raise OperationError(
                f"Failed change {letter.letter_id} cannot be read ({letter.detail}), so it cannot be replayed. "
                "Its bytes are kept in the ledger; please report it to the makers."
            )
        case _:
            assert_never(message)
