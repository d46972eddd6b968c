"""Failed changes as a desk sees them: grouped by cause, tried again, and what became of them. Pure.

A letter is only "look at this user": whatever is tried again is read afresh, so an old letter cannot write old values.
What each state means for a person is said here once, what a cause means in `letter_causes.py`; who shows it is
`console/operations/letters.py`, who hands letters over again is `worker/replays.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import assert_never

from shared.domain.cure import Cure
from shared.domain.letter_causes import cure_of_letter
from shared.domain.letter_ids import replay_trace
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

CAP = 3  # times that a letter is tried again before a person must insist
_TWO_CLOCKS = timedelta(seconds=1)  # a failure and a read may have been dated by different machines
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def is_parked(letter: DeadLetter) -> bool:
    """Tried again so often that only a person who insists gets another try."""
    return letter.status == "parked" or (letter.status == "open" and letter.replays >= CAP)


def state_of(letter: DeadLetter) -> str:
    """One or two words for a table."""
    if is_parked(letter):
        return "parked"
    return {"claimed": "being tried again", "replayed": "tried again"}.get(letter.status, letter.status)


# --- groups -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LetterGroup:
    """Failed changes of one cause. `service`: "" where it is not known. `tenants`: tenant id -> letters, "" for those
    that name none. `users`: different ones. `parked`: those among `letters` that were tried again too often."""

    error_class: str
    detail: str
    cure: Cure
    letters: int
    users: int
    parked: int
    tenants: Mapping[str, int]
    first_seen: datetime
    last_seen: datetime
    service: str = ""


def grouped(letters: Iterable[DeadLetter]) -> Sequence[LetterGroup]:
    """The largest group first."""
    causes: dict[tuple[str, str, str], list[DeadLetter]] = {}
    for letter in letters:
        causes.setdefault((letter.service, letter.error_class, letter.detail), []).append(letter)
    groups = [_group(alike) for alike in causes.values()]
    return sorted(groups, key=lambda group: (-group.letters, group.service, group.error_class, group.detail))


def _group(letters: Sequence[DeadLetter]) -> LetterGroup:
    any_of_them = letters[0]
    service, error_class, detail = any_of_them.service, any_of_them.error_class, any_of_them.detail
    return LetterGroup(
        error_class=error_class,
        detail=detail,
        cure=cure_of_letter(error_class, detail, service),
        letters=len(letters),
        users=len({user for letter in letters for user in letter.user_ids}),
        parked=sum(map(is_parked, letters)),
        tenants=dict(Counter(letter.tenant_id or "" for letter in letters).most_common()),
        first_seen=min(letter.first_seen for letter in letters),
        last_seen=max(letter.last_seen for letter in letters),
        service=service,
    )


# --- trying again -----------------------------------------------------------------------------------------------


def is_readable(letter: DeadLetter) -> bool:
    return isinstance(decode(letter.body), UsersTouched | SubscriptionTouched)


def again(
    letter: DeadLetter, replay_id: str, began_at: datetime
) -> tuple[UsersTouched | SubscriptionTouched, Lane] | None:
    """The letter as fresh work, with its attempts at zero; None for bytes that nobody can read.

    The same letter of the same replay gives the same bytes: what is handed over twice by a crash is one and the same.
    `began_at` is when the replay began: a read that succeeded since then answers it.
    """
    message = decode(letter.body)
    users = len(message.user_ids) if isinstance(message, UsersTouched) else 1
    trace_id = replay_trace(replay_id, letter.letter_id, users=users)
    fresh: dict[str, object] = {"attempt": 0, "noticed_at": began_at, "trace_id": trace_id}
    match message:
        case UsersTouched():
            told = {"reason": Reason.REPLAY, "run_id": replay_id, "confirm": False, "facts_at": None}
            return message.model_copy(update=fresh | told), Lane.BACKFILL
        case SubscriptionTouched():
            return message.model_copy(update=fresh), Lane.CONTROL
        case DeadLettered() | Unreadable():
            return None
        case _:
            assert_never(message)


def in_step_since(
    letter: DeadLetter, reads: Mapping[str, datetime | None], full_syncs: Sequence[datetime | None]
) -> bool:
    """Was everything that the letter asks for looked at with success after it failed?

    `reads`: user -> when the read of the last look began that succeeded at every customer. `full_syncs`: when the
    newest full sync that is done began, of every approved customer of the tenant; a look of it that failed has left
    a letter of its own.
    """
    if not letter.user_ids:
        return False
    failed = letter.last_seen + _TWO_CLOCKS
    if full_syncs and all(began is not None and began > failed for began in full_syncs):
        return True
    moments = [reads.get(user) for user in letter.user_ids]
    return all(moment is not None and moment > failed for moment in moments)


# --- the code of a selection ------------------------------------------------------------------------------------


def cut_off(now: datetime) -> datetime:
    """`now` as a code can carry it: rounded up to a millisecond, so that what is there already is in."""
    return now if now.microsecond % 1000 == 0 else now + timedelta(microseconds=1000 - now.microsecond % 1000)


def selection_code(letters: Iterable[DeadLetter], until: datetime) -> str:
    """What an operator approves: the cut-off, and a digest over exactly these letters."""
    told = sorted(f"{letter.letter_id} {letter.last_seen.astimezone(UTC).isoformat()}" for letter in letters)
    return f"{_in_36(round(until.timestamp() * 1000))}-{sha256(chr(10).join(told).encode()).hexdigest()[:8]}"


def cut_off_of(code: str) -> datetime | None:
    """None for what is no code."""
    moment, dash, digest = code.strip().lower().partition("-")
    if not dash or not moment or len(digest) != 8 or not set(moment) <= set(_DIGITS) or len(moment) > 10:
        return None
    try:
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(moment, 36))
    except OverflowError:
        return None


def _in_36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"


# --- what became of them ----------------------------------------------------------------------------------------


class Result(StrEnum):
    """What a replay gave for one letter, in words for people; the one that tells most is first."""

    FAILED = "failed again"
    UNREADABLE = "cannot be read"
    WAITING = "not tried yet"
    LOOKING = "being looked at"
    CHOICE = "for a person to choose"
    HELD = "held"
    SYNCED = "synced"
    NOTHING = "nothing to do"
    SKIPPED = "in step since"


_RESULTS: Mapping[str, Result] = {
    "failed": Result.FAILED,
    "retrying": Result.LOOKING,
    "conflict": Result.CHOICE,
    "held": Result.HELD,
    "create": Result.SYNCED,
    "update": Result.SYNCED,
}
_ENDED = frozenset(Result) - {Result.WAITING, Result.LOOKING}


def result_of(letter: DeadLetter, outcomes: Mapping[str, str], *, is_over: bool = False) -> Result:
    """`outcomes`: user -> how the newest look of this replay ended, as run records name it. `is_over`: every letter of
    the replay had its turn, so that one which is open again failed meanwhile, though not by a look of this replay.
    """
    found = [_RESULTS.get(outcomes[user], Result.NOTHING) for user in letter.user_ids if user in outcomes]
    if not found and letter.status in ("claimed", "open", "parked", "discarded"):
        return _without_look(letter.status, is_over)
    if letter.user_ids and len(found) < len(letter.user_ids):
        found.append(Result.LOOKING)
    order = list(Result)
    return min(found, key=order.index, default=Result.NOTHING)


def _without_look(status: str, is_over: bool) -> Result:
    if status == "discarded":
        return Result.SKIPPED
    if not is_over or status == "claimed":
        return Result.WAITING
    return Result.FAILED if status == "open" else Result.UNREADABLE


def has_ended(result: Result) -> bool:
    return result in _ENDED
