"""Which failed change a failure belongs to: one of its own, or the one whose replay failed again. Pure.

A replay hands a letter over under a trace that names it (`replay_trace`); when the look it asked for is given up as
well, `letter_id_of` finds the letter by that trace, and the ledger opens it again instead of adding another. A letter
of several users fails user by user, so each of those gets one of its own, the same one after every further replay of
it. Hints of different traces are never packed together when they are replays (`worker/parcels.py`). Next:
`shared/domain/records.py` (DeadLetter).
"""

from __future__ import annotations

from hashlib import sha256

from shared.domain.messages import Reason, UsersTouched, encode

_MARK = ":"
_SEVERAL = "several"
_FRONT = 23  # characters of a replay id: a trace has room for 64 in all


def replay_trace(replay_id: str, letter_id: str, *, users: int) -> str:
    """The trace under which a replay hands a letter over, the same however often it does.

    At most 64 characters with a letter id of ours (32); neither id holds a colon.
    """
    front = replay_id[:_FRONT]
    parts = [front, letter_id] if users == 1 else [front, letter_id, _SEVERAL]
    return _MARK.join(parts)


def letter_id_of(message: UsersTouched) -> str:
    """Of a message with one user that was given up. The same message gives the same letter, however often it fails."""
    match message.trace_id.split(_MARK) if message.reason is Reason.REPLAY else []:
        case [_, letter_id]:
            return letter_id
        case [_, letter_id, str()]:
            return _digest(f"{letter_id}{_MARK}{message.user_ids[0]}".encode())
        case _:
            return _digest(encode(message))


def _digest(body: bytes) -> str:
    return sha256(body).hexdigest()[:32]
