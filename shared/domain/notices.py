"""What somebody must be told of: which causes stand now, and when one of them counts as new or as over. Pure.

A cause has a key, and one open notice per key is kept by the ledger (`shared.ports.Notices`): so each is told once,
until it is over. Sentences name customers and ids, and people only where the policy says so. Next:
`shared/domain/notice_causes.py` (each cause), `notice_letters.py` (what is sent), `worker/notices.py` (who sends it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from shared.domain.credential import CredentialInfo
from shared.domain.desk import LetterCount, Notice
from shared.domain.records import Connection, Hold, LastFull
from shared.domain.schedule import next_tick
from shared.domain.watching import Poll, SubscriptionState

SETTLED = timedelta(minutes=5)  # a cause that is gone for less may only have blinked
LONGEST_CALM = timedelta(hours=2)  # one that comes and goes must be gone for so long at last ...
COUNTED = timedelta(days=1)  # ... counted over this time
LONGEST_UNTOLD = timedelta(days=1)  # a notice that nobody could be told of is kept for so long after it is over
TELLS_ON = timedelta(days=1)  # a channel that failed goes on so long with what another one told
GATHER = timedelta(minutes=5)  # between two messages about causes of one kind, doubling ...
LONGEST_GATHER = timedelta(hours=1)  # ... up to this ...
GATHERED = timedelta(hours=6)  # ... while the last ones are not older than this
SUMMARY_UNTIL = timedelta(hours=12)  # a summary later than this waits for the next day
STATE_KEPT = 30 * 86_400.0  # seconds; a channel may have nothing to tell for long, and is not well for that


def channel_key(name: str) -> str:
    """Memory key: why a channel fails ("service:code"), "" when its last letter arrived.

    With `UNSURE` in front: the last letter was sent, and its answer was lost.
    """
    return f"notices:channel:{name}"


UNSURE = "?"


class NoticeKind(StrEnum):
    HELD = "held"
    STILL_HELD = "still-held"
    CONSENT = "consent"
    SYNCRO = "syncro"
    SIGN_IN = "sign-in"
    CREDENTIAL = "credential"
    CREDENTIAL_ENDS = "credential-ends"
    CONFLICTS = "conflicts"
    FAILED = "failed"
    STALE = "stale"
    SUMMARY = "summary"  # no cause: the day's summary, kept so that it goes out once


# Nothing is written, or something stops within days: worth looking at now.
RED = frozenset(
    {
        NoticeKind.STILL_HELD,
        NoticeKind.CONSENT,
        NoticeKind.SYNCRO,
        NoticeKind.SIGN_IN,
        NoticeKind.CREDENTIAL_ENDS,
        NoticeKind.STALE,
    }
)


# Seen, not decided by anybody: such a cause may come and go by itself.
_RESTLESS = frozenset({NoticeKind.CONSENT, NoticeKind.SYNCRO, NoticeKind.SIGN_IN, NoticeKind.STALE})


class PersonalData(StrEnum):
    NONE = "none"
    NAMES = "names"  # of people whose changes are held


@dataclass(frozen=True, slots=True)
class NoticePolicy:
    """`summary_at`: "08:00" by the clock of `zone`, "" for none. `failed_at`: numbers of failed changes, growing."""

    zone: str = "America/Los_Angeles"
    summary_at: str = "08:00"
    says_over: bool = True
    personal_data: PersonalData = PersonalData.NONE
    failed_at: tuple[int, ...] = (1, 10, 100, 1000)
    stale_after: timedelta = timedelta(hours=26)
    unpolled_after: timedelta = timedelta(hours=1)
    still_held_after: timedelta = timedelta(hours=24)
    cron: str = "0 1 * * *"  # of full syncs, for customers without a line of their own
    cron_zone: str = "America/Los_Angeles"


@dataclass(frozen=True, slots=True)
class Sight:
    """What is to be judged, as the stores have it at `now`.

    `stopped`: why nothing can be written anywhere, "" when all is well, None when nobody can tell. `failed`: failed
    changes that are open, counted. `conflicts`: customer id -> users that wait for a choice. `watching_since`: when we
    began to look; what stood still before is given time to catch up. `own_cron`: customer id -> its own line for full
    syncs. `stopped_since`: when it was first seen so, by whoever looks.
    """

    now: datetime
    watching_since: datetime
    connections: Sequence[Connection] = ()
    holds: Sequence[Hold] = ()
    states: Mapping[str, SubscriptionState] = field(default_factory=dict)
    polls: Mapping[str, Poll] = field(default_factory=dict)
    conflicts: Mapping[int, int] = field(default_factory=dict)
    failed: Sequence[LetterCount] = ()
    last_full: Mapping[int, LastFull] = field(default_factory=dict)
    own_cron: Mapping[int, str] = field(default_factory=dict)
    stopped: str | None = ""
    stopped_since: datetime | None = None
    credential: CredentialInfo | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that stands and that a person should know. `sentence`: what it is, and who does what next.

    `with_people`: the same with the names that today's policy lets a message have, "" where there are none. It is sent
    and kept nowhere, so that a policy that changes changes every message from then on.
    """

    key: str
    kind: NoticeKind
    customer_id: int | None
    sentence: str
    with_people: str = ""

    def notice(self, at: datetime, meant_for: Sequence[str] = ()) -> Notice:
        return Notice(
            self.key, self.kind.value, self.customer_id, self.sentence, at, meant_for=tuple(sorted(set(meant_for)))
        )

    @property
    def said(self) -> str:
        return self.with_people or self.sentence


def for_people(notices: Sequence[Notice]) -> Sequence[Notice]:
    """Without the day's summary, which is kept as a notice too."""
    return [notice for notice in notices if notice.kind != NoticeKind.SUMMARY]


def is_red(notice: Notice) -> bool:
    return notice.kind in RED


# --- which channel tells what --------------------------------------------------------------------------------


def has_heard(notice: Notice, channel: str) -> bool:
    """Of releases before revision 0005 no channel is known: what they told, they told over all."""
    return channel in notice.told_over or (notice.told_at is not None and not notice.told_over)


def is_due(notice: Notice, channel: str, now: datetime) -> bool:
    """Is it this channel's turn? While nobody was told, everybody's; then for a day that of those that failed.

    A channel that was set later is not flooded with what others told before.
    """
    if has_heard(notice, channel):
        return False
    if notice.told_at is None:
        return True
    return channel in notice.meant_for and now - notice.told_at < TELLS_ON


def is_ripe(notice: Notice, standing: Sequence[Notice], now: datetime) -> bool:
    """What is new waits while others of its kind were told just now: 140 customers are a few messages, not 140."""
    same = (each.told_at for each in standing if each.kind == notice.kind)
    told = sorted({at for at in same if at is not None and now - at < GATHERED})
    if notice.told_at is not None or not told:
        return True
    return now - told[-1] >= min(GATHER * 2.0 ** (len(told) - 1), LONGEST_GATHER)


# --- new and over --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """Against what is known: causes that are `new`, notices that are `over`, and since when each absent one is."""

    new: Sequence[Cause]
    over: Sequence[Notice]
    absent: Mapping[str, datetime]


def compare(
    causes: Sequence[Cause],
    standing: Sequence[Notice],
    absent: Mapping[str, datetime],
    now: datetime,
    *,
    keep_untold: bool,
    openings: Mapping[str, int] | None = None,
) -> Difference:
    """`absent`: key -> since when its cause was not seen, as the last comparison gave it. `openings`: how often it
    began in the last day.

    A notice is over when its cause was away for 5 minutes, and for longer the more often it comes and goes. One that
    nobody could be told of yet stays for a day (`keep_untold`): a channel that fails must not swallow it.
    """
    times = openings or {}
    seen, known = {cause.key for cause in causes}, {notice.key for notice in standing}
    away = {n.key: absent.get(n.key, now) for n in for_people(standing) if n.key not in seen}
    over = [
        notice
        for notice in standing
        if notice.key in away
        and now - away[notice.key] >= _patience(notice, times.get(notice.key, 1), keep_untold=keep_untold)
    ]
    return Difference([cause for cause in causes if cause.key not in known], over, away)


def _patience(notice: Notice, times: int, *, keep_untold: bool) -> timedelta:
    if keep_untold and notice.told_at is None:
        return LONGEST_UNTOLD
    again = min(times - 1, 10) if notice.kind in _RESTLESS else 0
    return min(SETTLED * 4.0 ** max(again, 0), LONGEST_CALM)


def summary_day(now: datetime, policy: NoticePolicy) -> date | None:
    """The day whose summary is due: today, from `summary_at` on by the clock of the zone, for 12 hours.

    A time that a spring day skips comes right after the gap; one that an autumn day has twice comes once.
    """
    if not policy.summary_at:
        return None
    today = now.astimezone(ZoneInfo(policy.zone)).date()
    return next((day for day in (today, today - timedelta(days=1)) if _is_due(day, now, policy)), None)


def _is_due(day: date, now: datetime, policy: NoticePolicy) -> bool:
    hour, minute = policy.summary_at.split(":")
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(policy.zone))
    cron = f"{int(minute)} {int(hour)} * * *"
    tick = next_tick(midnight - timedelta(seconds=1), cron=cron, zone=policy.zone)
    return tick is not None and tick <= now < tick + SUMMARY_UNTIL


def summary_key(day: date) -> str:
    return f"{NoticeKind.SUMMARY}:{day.isoformat()}"
