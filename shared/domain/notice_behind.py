"""Customers that are not up to date: no full sync for too long, or Microsoft not asked for its changes. Pure.

What stood still while nobody worked is given time to catch up, but that is no reason to call it over: a notice that
stands goes on until the customer is up to date, and while the reason of it is told elsewhere. Next:
`notice_letters.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.domain.desk import Notice
from shared.domain.notices import Cause, NoticeKind, NoticePolicy, Sight
from shared.domain.records import Connection, ConnectionStatus
from shared.domain.schedule import next_tick

CATCHING_UP = timedelta(hours=2)  # for full syncs that were missed while nobody worked


def behind(
    sight: Sight,
    policy: NoticePolicy,
    names: Mapping[int, str],
    standing: Sequence[Notice],
    *,
    excused: Collection[str],
) -> Iterator[Cause]:
    """`excused`: tenants that are behind for a reason that is told already. Of them nothing new begins."""
    known = {notice.key: notice for notice in standing if notice.kind == NoticeKind.STALE}
    for each in sight.connections:
        if each.status is not ConnectionStatus.APPROVED:
            continue
        key = f"{NoticeKind.STALE}:{each.customer_id}"
        kept, is_excused = known.get(key), bool(set(excused).intersection(each.tenants))
        said = "" if is_excused and kept is None else _said(each, sight, policy, is_known=kept is not None)
        if said:
            what = f"{names[each.customer_id]}: {said} See why: entra-syncro check --customer {each.customer_id}"
            yield Cause(key, NoticeKind.STALE, each.customer_id, what)
        elif is_excused and kept is not None:  # a poll that is refused is one, but brings nothing up to date
            yield Cause(key, NoticeKind.STALE, each.customer_id, kept.sentence)


def _said(connection: Connection, sight: Sight, policy: NoticePolicy, *, is_known: bool) -> str:
    if is_known:  # time to catch up was given before it was told
        sight = replace(sight, watching_since=min(sight.watching_since, connection.changed_at))
    return " ".join(why for why in (_unsynced(connection, sight, policy), _unpolled(connection, sight, policy)) if why)


def last_done(connection: Connection, sight: Sight) -> datetime | None:
    last = sight.last_full.get(connection.customer_id)
    return last.done_began_at if last is not None else None


def is_late(connection: Connection, sight: Sight, policy: NoticePolicy) -> bool:
    """Before its own line for full syncs is asked: is the last one done older than a night's?"""
    since = max(last_done(connection, sight) or connection.changed_at, connection.changed_at)
    return sight.now - since > policy.stale_after


def _unsynced(connection: Connection, sight: Sight, policy: NoticePolicy) -> str:
    if not is_late(connection, sight, policy) or sight.now - sight.watching_since < CATCHING_UP:
        return ""
    done = last_done(connection, sight)
    since = max(done or connection.changed_at, connection.changed_at)
    line = sight.own_cron.get(connection.customer_id) or policy.cron
    tick = next_tick(since, cron=line, zone=policy.cron_zone)  # a customer may have full syncs once a week
    if tick is None or sight.now < tick + CATCHING_UP:
        return ""
    return f"no full sync was done since {done:%Y-%m-%d %H:%M} UTC." if done else "no full sync was ever done."


def _unpolled(connection: Connection, sight: Sight, policy: NoticePolicy) -> str:
    oldest: datetime | None = None
    for tenant_id in connection.tenants:
        poll = sight.polls.get(tenant_id)
        began = poll.began_at if poll is not None and poll.began_at is not None else connection.changed_at
        wait = max(policy.unpolled_after, timedelta(seconds=3 * poll.interval if poll is not None else 0.0))
        if sight.now - max(began, connection.changed_at, sight.watching_since) > wait:
            oldest = began if oldest is None else min(oldest, began)
    return f"Microsoft was not asked for its changes since {oldest:%Y-%m-%d %H:%M} UTC." if oldest else ""
