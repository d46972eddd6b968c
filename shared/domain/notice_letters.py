"""What is sent to people: a subject and a few lines, the same for every channel. Pure.

How a letter looks in a mail, a card or a ticket is `shared/adapters/notices/`. Names come from other people's systems:
what would break a line or turn text round is taken out here, once.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from shared.domain.desk import Notice
from shared.domain.notices import NoticeKind, Sight, for_people, is_red
from shared.domain.records import ConnectionStatus

PRODUCT = "entra-syncro"
MOST = 25  # lines of one letter; the rest is counted
LONGEST = 600  # characters of a line
STATUS = "Everything at one glance: entra-syncro status"
DAY = timedelta(hours=26)  # a full sync younger than this counts as last night's
_DONE = "Nobody has to do anything about it any more."
_TRIED = "Failed changes that fail again are told again; nobody has to do anything until then."

_KINDS = {
    NoticeKind.HELD: "changes wait for approval",
    NoticeKind.STILL_HELD: "changes still wait for approval",
    NoticeKind.CONSENT: "the consent is lost",
    NoticeKind.SYNCRO: "Syncro refuses the API token",
    NoticeKind.SIGN_IN: "Microsoft refuses the app",
    NoticeKind.CREDENTIAL: "the app's credential ends soon",
    NoticeKind.CREDENTIAL_ENDS: "the app's credential ends",
    NoticeKind.CONFLICTS: "users wait for a choice",
    NoticeKind.FAILED: "failed changes",
    NoticeKind.STALE: "customers are not up to date",
}


class Purpose(StrEnum):
    CAUSES = "causes"  # something new that a person should do something about
    OVER = "over"
    SUMMARY = "summary"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class NoticeLetter:
    """`letter_id`: equal for letters that say the same. `lines`: one thing each. `closing`: who does what next."""

    letter_id: str
    purpose: Purpose
    subject: str
    lines: tuple[str, ...]
    closing: str
    at: datetime
    is_red: bool = False

    @property
    def text(self) -> str:
        """The body as plain text."""
        return "\n\n".join([*self.lines, self.closing]) + "\n"


def causes_letter(notices: Sequence[Notice], at: datetime, over: Collection[str] = ()) -> NoticeLetter:
    """`over`: keys of those that ended before anybody could be told."""
    last = _last_of_each_topic(notices)
    lines = [f"{_end_of(n)} meanwhile: {n.sentence}" if n.key in over else n.sentence for n in last]
    red = any(is_red(notice) and notice.key not in over for notice in last)
    return _letter("causes", Purpose.CAUSES, _subject(last), lines, STATUS, at, red=red, keys=[n.key for n in notices])


def over_letter(notices: Sequence[Notice], at: datetime) -> NoticeLetter:
    last = _last_of_each_topic(notices)
    lines = [f"{_end_of(notice)}: {notice.sentence}" for notice in last]
    is_proven = all(notice.kind != NoticeKind.FAILED for notice in last)
    closing = f"{_DONE if is_proven else _TRIED} {STATUS}"
    subject = f"{'Over' if is_proven else 'No longer open'}: {_subject(last)}"
    return _letter("over", Purpose.OVER, subject, lines, closing, at, keys=[n.key for n in notices])


def over_for_good(over: Sequence[Notice], standing: Sequence[Notice]) -> Sequence[Notice]:
    """Without those of which something stands on: fewer users that wait are not over, nor is another code of a stop."""
    left = {_matter(notice) for notice in standing}
    return [notice for notice in over if _matter(notice) not in left]


def _matter(notice: Notice) -> str:
    stops = (NoticeKind.SYNCRO, NoticeKind.SIGN_IN)
    return notice.kind if notice.kind in stops else topic_of(notice)


def _end_of(notice: Notice) -> str:
    """That failed changes are no longer open proves nothing: a replay has begun, or somebody discarded them."""
    return "Tried again or discarded" if notice.kind == NoticeKind.FAILED else "Over"


def trial_letter(at: datetime) -> NoticeLetter:
    lines = ["This is a test that somebody asked for with: entra-syncro notices test"]
    closing = "Nobody has to do anything: notices arrive here."
    letter = _letter("test", Purpose.TEST, "notices arrive here", lines, closing, at, keys=[at.isoformat()])
    return replace(letter, subject=f"Test: {letter.subject}")


def summary_letter(day: date, sight: Sight, standing: Sequence[Notice]) -> NoticeLetter:
    """The day's summary: what waits for a person, then how everything stands."""
    waiting = _last_of_each_topic(for_people(standing))
    head = f"{len(waiting)} {'thing waits' if len(waiting) == 1 else 'things wait'} for a person" if waiting else ""
    subject = f"{day.isoformat()}: {head or 'all is well'}"
    lines = [notice.sentence for notice in waiting] or ["Nothing waits for a person."]
    closing = f"{_figures(sight)} {STATUS}"
    red = any(map(is_red, waiting))
    return _letter("summary", Purpose.SUMMARY, subject, lines, closing, sight.now, red=red, keys=[day.isoformat()])


def _figures(sight: Sight) -> str:
    states = Counter(each.status for each in sight.connections)
    approved = [e.customer_id for e in sight.connections if e.status is ConnectionStatus.APPROVED]
    fulls = [sight.last_full[each] for each in approved if each in sight.last_full]
    fresh = sum(1 for f in fulls if f.done_began_at is not None and sight.now - f.done_began_at <= DAY)
    parts = [
        f"Customers approved: {len(approved)}, with a full sync since yesterday: {fresh}.",
        f"Waiting for approval: {states[ConnectionStatus.PREVIEW]}." if states[ConnectionStatus.PREVIEW] else "",
        f"Paused: {states[ConnectionStatus.PAUSED]}." if states[ConnectionStatus.PAUSED] else "",
        f"Failed changes: {sum(each.letters for each in sight.failed)}.",
        f"Users that wait for a choice: {sum(sight.conflicts.values())}.",
        "Whether Syncro takes changes could not be seen." if sight.stopped is None else "",
    ]
    return " ".join(part for part in parts if part)


def _subject(notices: Sequence[Notice]) -> str:
    kinds = list(dict.fromkeys(NoticeKind(notice.kind) for notice in notices))
    if len(notices) == 1:
        name, colon, _ = notices[0].sentence.partition(": ")
        about = f"{name}: " if colon and notices[0].customer_id is not None else ""
        return f"{about}{_KINDS[kinds[0]]}"
    return f"{len(notices)} notices: {', '.join(_KINDS[kind] for kind in kinds)}"


def _last_of_each_topic(notices: Sequence[Notice]) -> Sequence[Notice]:
    """Of notices that grow out of each other the gravest alone; red ones first, else in their order."""
    last: dict[str, Notice] = {}
    for notice in notices:
        topic = topic_of(notice)
        known = last.get(topic)
        last[topic] = notice if known is None or _weight(notice) >= _weight(known) else known
    return sorted(last.values(), key=lambda notice: not is_red(notice))


def topic_of(notice: Notice) -> str:
    """Equal for notices of which the graver one says it all."""
    match notice.kind:
        case NoticeKind.FAILED:
            return notice.key.rpartition(":")[0]
        case NoticeKind.HELD | NoticeKind.STILL_HELD:
            return f"held:{notice.customer_id}"
        case NoticeKind.CONFLICTS:
            return f"conflicts:{notice.customer_id}"
        case NoticeKind.CREDENTIAL | NoticeKind.CREDENTIAL_ENDS:
            return "credential"
        case _:
            return notice.key


def _weight(notice: Notice) -> int:
    _, *others = notice.key.split(":")
    match notice.kind:
        case NoticeKind.FAILED:
            return int(others[-1]) if others and others[-1].isdigit() else 0
        case NoticeKind.CONFLICTS:  # the customer's number, and behind it how many, from the second notice on
            return int(others[1]) if len(others) > 1 and others[1].isdigit() else 1
        case _:
            return int(is_red(notice))


def _letter(
    word: str,
    purpose: Purpose,
    subject: str,
    lines: Sequence[str],
    closing: str,
    at: datetime,
    *,
    keys: Sequence[str],
    red: bool = False,
) -> NoticeLetter:
    shown = [clean(line) for line in lines[:MOST]]
    if len(lines) > MOST:
        shown.append(f"And {len(lines) - MOST} more: entra-syncro notices list")
    name = "-".join([word, f"{at:%Y%m%dT%H%M%S}", *(_plain(key) for key in sorted(keys)[:1])])
    return NoticeLetter(name, purpose, f"{PRODUCT}: {clean(subject, 150)}", tuple(shown), clean(closing), at, red)


def clean(text: str, longest: int = LONGEST) -> str:
    """One line, without characters that control a terminal or the direction of text."""
    kept = "".join(" " if unicodedata.category(each) in ("Cc", "Zl", "Zp") else each for each in text)
    kept = "".join(each for each in kept if unicodedata.category(each) != "Cf" or each == "\u200d")
    kept = " ".join(kept.split())
    return kept if len(kept) <= longest else f"{kept[: longest - 1]}…"


def _plain(key: str) -> str:
    return "".join(each if each.isascii() and each.isalnum() else "-" for each in key)[:60]
