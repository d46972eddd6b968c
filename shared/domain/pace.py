"""How many calls to Syncro may be made when: GCRA as pure arithmetic over one small record.

A record holds, per track, the *theoretical arrival time* (TAT): the moment at which everything granted so far would
be worked off at an even pace. A call costs one interval; it is granted while the TAT stays within the burst. So in
any window the granted calls are at most window / interval + burst. A grant may be spent up to `MAX_SLOT_AGE` later,
hence the interval is (60 + MAX_SLOT_AGE) / pace: the promise holds for the calls as they are *made*.
All times are seconds of one monotonic clock. Next: `shared/adapters/state/pace.py` keeps the record,
`redis_pace.py` beside it says the same in Lua.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.domain.messages import Lane

PACE_PER_MINUTE = 120
BACKFILL_PER_MINUTE = 80
BURST = 10
CEILING_PER_MINUTE = 160  # Syncro refuses above 180 per address, and the customer's other tools call from there too
MAX_SLOT_AGE = 1.0
SLOW_FACTOR = 2
SLOW_SECONDS = 600.0
HAIR = 1e-6  # a wait shorter than a microsecond is no wait


@dataclass(frozen=True, slots=True)
class PaceRule:
    """Calls per minute for all, for the backfill lane alone, and how many may come at once."""

    per_minute: float
    backfill_per_minute: float
    burst: int

    def __post_init__(self) -> None:
        if self.per_minute <= 0 or self.backfill_per_minute <= 0 or self.burst < 1:
            raise ValueError("pace, backfill pace and burst must be positive")

    def capped(self, ceiling: float) -> PaceRule:
        """The same rule, its pace at most `ceiling` and its backfill pace at most its pace."""
        pace = min(self.per_minute, ceiling)
        return replace(self, per_minute=pace, backfill_per_minute=min(self.backfill_per_minute, pace))


@dataclass(frozen=True, slots=True)
class Track:
    """One GCRA: its TAT, and the sum of all seconds ever given back (they moved later claims forward)."""

    tat: float
    refunded: float = 0.0


@dataclass(frozen=True, slots=True)
class PaceRecord:
    """What all processes share. `born`: grants from before it belong to a record that was lost."""

    shared: Track
    backfill: Track
    born: float
    slow_until: float | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The piece of a track that a grant took: it ends at `end`, each call `cost` seconds of it."""

    end: float
    cost: float
    refunded: float


@dataclass(frozen=True, slots=True)
class Slots:
    """Calls granted together at one moment; void `MAX_SLOT_AGE` seconds later."""

    calls: int
    granted_at: float
    shared: Claim
    backfill: Claim | None

    def is_void(self, now: float) -> bool:
        return now - self.granted_at > MAX_SLOT_AGE


@dataclass(frozen=True, slots=True)
class Granted:
    record: PaceRecord
    slots: Slots


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: ask again in `seconds`. The record is to be kept all the same (it may have been missing)."""

    record: PaceRecord
    seconds: float


@dataclass(frozen=True, slots=True)
class _Limit:
    """One track's terms for one grant: seconds per call, and how far the TAT may lie ahead."""

    cost: float
    ahead: float

    def fitting(self, calls: int) -> int:
        return max(1, min(calls, int(self.ahead / self.cost + HAIR)))


def reserve(record: PaceRecord | None, rule: PaceRule, calls: int, lane: Lane, now: float) -> Granted | Wait:
    """Grant up to `calls` together (never more than the lane's share of the burst), or say how long to wait."""
    known = _known(record, rule, now)
    shared = _shared_limit(known, rule, lane, now)
    backfill = _backfill_limit(known, rule, now) if lane is Lane.BACKFILL else None
    fit = min(limit.fitting(calls) for limit in (shared, backfill) if limit)
    wait = max(
        _wait(known.shared, shared, fit, now),
        _wait(known.backfill, backfill, fit, now) if backfill else 0.0,
    )
    if wait > HAIR:
        return Wait(known, wait)
    return _grant(known, shared, backfill, fit, now)


def give_back(record: PaceRecord | None, rule: PaceRule, slots: Slots, unspent: int, now: float) -> PaceRecord:
    """Return calls that were never made: exactly what they still hold of the future, never more."""
    known = _known(record, rule, now)
    if slots.granted_at < known.born:
        return known
    return replace(
        known,
        shared=_refund(known.shared, slots.shared, unspent, now),
        backfill=_refund(known.backfill, slots.backfill, unspent, now) if slots.backfill else known.backfill,
    )


def slow_down(record: PaceRecord | None, rule: PaceRule, now: float) -> PaceRecord:
    """Syncro refused: every call costs twice as much for the next ten minutes."""
    return replace(_known(record, rule, now), slow_until=now + SLOW_SECONDS)


def _known(record: PaceRecord | None, rule: PaceRule, now: float) -> PaceRecord:
    """A missing record, or one from a future that cannot be, reads as "burst spent"."""
    spent = rule.burst * _interval(rule.per_minute)
    if record is not None and record.born <= now and record.shared.tat - now <= 4 * spent:
        return record
    return PaceRecord(
        shared=Track(now + spent),
        backfill=Track(now + rule.burst / 2 * _interval(rule.backfill_per_minute)),
        born=now,
    )


def _interval(per_minute: float) -> float:
    return (60.0 + MAX_SLOT_AGE) / per_minute


def _cost(record: PaceRecord, per_minute: float, now: float) -> float:
    slow = record.slow_until is not None and now < record.slow_until
    return _interval(per_minute) * (SLOW_FACTOR if slow else 1)


def _shared_limit(record: PaceRecord, rule: PaceRule, lane: Lane, now: float) -> _Limit:
    # The room ahead is counted at full speed: after a refusal the burst shrinks as well.
    share = 0.5 if lane is Lane.BACKFILL else 1.0
    cost = _cost(record, rule.per_minute, now)
    return _Limit(cost, max(cost, share * rule.burst * _interval(rule.per_minute)))


def _backfill_limit(record: PaceRecord, rule: PaceRule, now: float) -> _Limit:
    cost = _cost(record, rule.backfill_per_minute, now)
    return _Limit(cost, max(cost, rule.burst / 2 * _interval(rule.backfill_per_minute)))


def _wait(track: Track, limit: _Limit, calls: int, now: float) -> float:
    return max(track.tat, now) + calls * limit.cost - limit.ahead - now


def _grant(record: PaceRecord, shared: _Limit, backfill: _Limit | None, calls: int, now: float) -> Granted:
    shared_track, shared_claim = _claim(record.shared, shared, calls, now)
    backfill_track, backfill_claim = record.backfill, None
    if backfill is not None:
        backfill_track, backfill_claim = _claim(record.backfill, backfill, calls, now)
    return Granted(
        replace(record, shared=shared_track, backfill=backfill_track),
        Slots(calls, now, shared_claim, backfill_claim),
    )


def _claim(track: Track, limit: _Limit, calls: int, now: float) -> tuple[Track, Claim]:
    end = max(track.tat, now) + calls * limit.cost
    return replace(track, tat=end), Claim(end, limit.cost, track.refunded)


def _refund(track: Track, claim: Claim, unspent: int, now: float) -> Track:
    # Only the part that still lies ahead: what time has worked off is a full bucket again, and giving it back once
    # more would overfill it. Refunds since the grant may have moved the claim; counting all of them is the safe side.
    end = claim.end - (track.refunded - claim.refunded)
    amount = max(0.0, min(end - now, unspent * claim.cost))
    return Track(track.tat - amount, track.refunded + amount)
