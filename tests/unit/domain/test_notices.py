"""What is told: each cause and its sentence, what keeps it quiet, one notice until it is over, the day's summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.credential import CredentialInfo, CredentialKind
from shared.domain.cures import TABLE, Action
from shared.domain.desk import LetterCount, Notice
from shared.domain.notice_causes import causes
from shared.domain.notice_letters import MOST, causes_letter, clean, over_for_good, over_letter, summary_letter
from shared.domain.notices import (
    Cause,
    NoticePolicy,
    PersonalData,
    Sight,
    compare,
    has_heard,
    is_due,
    is_ripe,
    summary_day,
)
from shared.domain.records import Connection, ConnectionStatus, HeldRow, Hold, LastFull
from shared.domain.watching import Poll, SubscriptionState
from tests.support.clock import START

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
POLICY = NoticePolicy()
LONG_AGO = START - 100 * DAY


def tied(number: int = 7, status: ConnectionStatus = ConnectionStatus.APPROVED, **more: Any) -> Connection:
    facts: dict[str, Any] = {"connected_at": LONG_AGO, "changed_at": LONG_AGO}
    return Connection(number, "Contoso" if number == 7 else f"C{number}", f"t{number}", status, **{**facts, **more})


def a_hold(number: int = 7, held_at: datetime = START, **more: Any) -> Hold:
    rows = tuple(HeldRow(f"u{n}", f"Person {n}", n, "d", ()) for n in range(7))
    facts: dict[str, Any] = {"rows": rows, "expires_at": held_at + 72 * HOUR}
    return Hold(number, "c0de", "run", {"clears": (12, 3)}, detail="", held_at=held_at, **{**facts, **more})


def failed(letters: int, error_class: str = "odd_shape", tenant_id: str = "t7", service: str = "") -> LetterCount:
    return LetterCount(error_class, tenant_id, letters, service)


def sight(*connections: Connection, **facts: Any) -> Sight:
    """All is well with these customers, save for `facts`."""
    well: dict[str, Any] = {
        "now": START,
        "watching_since": START - DAY,
        "connections": connections,
        "polls": {each.tenant_id: Poll(each.tenant_id, "link", START - MINUTE, 300.0) for each in connections},
        "last_full": {each.customer_id: LastFull(START - 8 * HOUR, START - 8 * HOUR) for each in connections},
    }
    return Sight(**{**well, **facts})


def keys(seen: Sight, policy: NoticePolicy = POLICY, standing: Sequence[Notice] = ()) -> list[str]:
    return [cause.key for cause in causes(seen, policy, standing)]


def the(seen: Sight, policy: NoticePolicy = POLICY) -> Cause:
    (cause,) = causes(seen, policy)
    return cause


# --- which causes stand ---------------------------------------------------------------------------------------


def test_all_is_well() -> None:
    assert keys(sight(tied())) == []
    assert keys(sight()) == []


def test_held_changes_say_what_and_which_command() -> None:
    cause = the(sight(tied(), holds=[a_hold()]))
    assert (cause.key, cause.customer_id) == ("held:7", 7)
    assert cause.sentence == (
        "Contoso (7): waiting for approval: 12 contacts with cleared values or deleted users. "
        "Look at it, then approve or reject it: entra-syncro runs show c0de"
    )
    one = the(sight(tied(), holds=[replace(a_hold(), brakes={"creations": (1, 0)})]))
    assert "approval: 1 new contact. Look" in one.sentence


def test_held_changes_name_nobody_unless_the_policy_does() -> None:
    named = replace(POLICY, personal_data=PersonalData.NAMES)
    assert "Person" not in the(sight(tied(), holds=[a_hold()])).said
    old = a_hold(held_at=START - 2 * DAY)
    for cause in causes(sight(tied(), holds=[old]), named):
        assert (
            ": 12 contacts with cleared values or deleted users. Person 0, Person 1, Person 2, Person 3" in cause.said
        )
        assert "Person 4 and 2 more. Look at it, then approve" in cause.said
        assert "Person" not in cause.notice(START).sentence, "what is kept names nobody, whatever the policy is today"


def test_changes_that_nobody_decides_about_are_told_again_in_red() -> None:
    old = a_hold(held_at=START - 24 * HOUR)
    assert keys(sight(tied(), holds=[a_hold(held_at=START - 23 * HOUR)])) == ["held:7"]
    assert keys(sight(tied(), holds=[old])) == ["held:7", "still-held:7"]


def test_changes_that_are_held_anew_wait_since_people_were_told_of_the_first() -> None:
    """A hold whose rows change every night gets a new code and a new beginning each time."""
    told = Notice("held:7", "held", 7, "", START - 25 * HOUR)
    seen = sight(tied(), holds=[a_hold(held_at=START - HOUR)])
    assert keys(seen, standing=[told]) == ["held:7", "still-held:7"]
    assert keys(seen, standing=[replace(told, key="held:8", customer_id=8)]) == ["held:7"]
    assert "Since 2026-11-23 08:00 UTC nobody has decided." in causes(seen, POLICY, [told])[1].sentence


def test_an_expired_code_is_not_offered() -> None:
    assert "entra-syncro reconcile --customer 7" in the(sight(tied(), holds=[a_hold(expires_at=START)])).sentence


@pytest.mark.parametrize("stopped", ["token", "permission", "forbidden"])
def test_a_token_that_syncro_refuses(stopped: str) -> None:
    cause = the(sight(tied(), stopped=stopped))
    assert cause.key == f"syncro:{stopped}"
    assert cause.sentence.startswith("Nothing is written for any customer. ")


@pytest.mark.parametrize("stopped", ["", "too_many", "unwell"])
def test_what_passes_by_itself_is_not_told_before_it_lasts(stopped: str) -> None:
    for since, told in ((None, False), (START - HOUR + MINUTE, False), (START - HOUR, bool(stopped))):
        found = causes(sight(tied(), stopped=stopped, stopped_since=since), POLICY)
        assert [cause.key for cause in found] == ([f"syncro:{stopped}"] if told else [])
        assert all("since 2026-11-24 08:00 UTC." in cause.sentence for cause in found)


def test_users_that_wait_for_a_choice_are_told_at_growing_numbers_too() -> None:
    standing = [Notice(key, "conflicts", 7, "", START) for key in ("conflicts:7", "conflicts:7:10")]
    for count, fresh, known in ((1, 1, 1), (6, 1, 2), (9, 1, 2), (10, 2, 2), (5, 1, 1), (250, 3, 3)):
        seen = sight(tied(), conflicts={7: count})
        assert (len(keys(seen)), len(keys(seen, standing=standing))) == (fresh, known), count
    grown = [cause.notice(START) for cause in causes(sight(tied(), conflicts={7: 12}), POLICY)]
    assert len(causes_letter(grown, START).lines) == 1


def test_while_nobody_can_tell_a_refused_token_stays_refused() -> None:
    standing = [Notice("syncro:token", "syncro", None, "Refused.", START)]
    assert keys(sight(tied(), stopped=None), standing=standing) == ["syncro:token"]
    assert keys(sight(tied(), stopped=None)) == []
    assert keys(sight(tied(), stopped=""), standing=standing) == []


LOST = sorted(code for code, cure in TABLE.items() if cure.action is Action.STOP_TENANT)


@pytest.mark.parametrize("code", LOST)
def test_a_lost_consent_says_who_must_do_what(code: str) -> None:
    state = SubscriptionState("t7", None, None, code, START)
    cause = the(sight(tied(), states={"t7": state}))
    assert (cause.key, cause.customer_id) == ("consent:t7", 7)
    assert TABLE[code].what in cause.sentence
    assert "CUSTOMER" not in cause.sentence


def test_a_lost_consent_seen_by_the_polls_alone() -> None:
    poll = Poll("t7", "link", START - 3 * DAY, 300.0, code="login:consent_missing", since=START)
    assert keys(sight(tied(), polls={"t7": poll})) == ["consent:t7"]


def test_a_tenant_of_several_customers_is_told_once() -> None:
    both = (tied(), replace(tied(8), tenant_id="t7"))
    state = SubscriptionState("t7", None, None, "graph:forbidden", START)
    cause = the(sight(*both, states={"t7": state}))
    assert cause.sentence.startswith("Contoso (7), C8 (8): ")


@pytest.mark.parametrize("code", ["graph:throttled", "graph:handshake_failed", "graph:quota_tenant", "door:dns"])
def test_what_only_slows_a_tenant_down_is_no_lost_consent(code: str) -> None:
    assert keys(sight(tied(), states={"t7": SubscriptionState("t7", None, None, code, START)})) == []


def test_nobody_cares_for_a_disconnected_tenant() -> None:
    gone = tied(status=ConnectionStatus.DISCONNECTED)
    state = SubscriptionState("t7", None, None, "graph:forbidden", START)
    assert keys(sight(gone, states={"t7": state}, holds=[a_hold()], conflicts={7: 1})) == []


def test_a_refused_sign_in_is_one_notice_for_a_hundred_customers_that_are_behind() -> None:
    many = [tied(number) for number in range(100)]
    polls = {c.tenant_id: Poll(c.tenant_id, None, None, 300.0, code="login:secret_wrong", since=START) for c in many}
    assert keys(sight(*many, polls=polls, last_full={})) == ["sign-in:login:secret_wrong"]


def test_conflicts_are_counted_per_customer() -> None:
    first, second = causes(sight(tied(), tied(8), conflicts={7: 1, 8: 3, 99: 2}), POLICY)
    assert first.sentence.startswith("Contoso (7): 1 user waits for a person's choice")
    assert (second.key, second.sentence[:24]) == ("conflicts:8", "C8 (8): 3 users wait for")
    assert second.sentence.endswith("entra-syncro conflicts list --customer 8")


# --- behind ---------------------------------------------------------------------------------------------------


def done(ago: timedelta) -> dict[int, LastFull]:
    return {7: LastFull(START - ago, START - ago)}


@pytest.mark.parametrize(("hours", "told"), [(26, False), (27, True)])
def test_a_customer_without_a_full_sync_for_26_hours(hours: int, told: bool) -> None:
    # 09:00 UTC is 01:00 in Los Angeles, when full syncs begin
    seen = sight(tied(), now=START + 2 * HOUR, last_full=done((hours - 2) * HOUR))
    seen = replace(seen, polls={"t7": Poll("t7", "link", START + 2 * HOUR, 300.0)})
    assert keys(seen) == (["stale:7"] if told else [])


def test_a_full_sync_once_a_week_is_late_after_a_week() -> None:
    for days, expected in ((6, []), (8, ["stale:7"])):
        seen = sight(tied(), last_full=done(days * DAY), own_cron={7: "0 1 * * 3"})
        assert keys(seen) == expected


def test_a_full_sync_that_never_ended_does_not_count() -> None:
    seen = sight(tied(), last_full={7: LastFull(START - HOUR, None)})
    assert "no full sync was ever done." in the(seen).sentence


def test_a_customer_approved_just_now_is_not_behind() -> None:
    assert keys(sight(tied(changed_at=START - HOUR / 2), last_full={}, polls={})) == []


@pytest.mark.parametrize(("minutes", "told"), [(60, False), (61, True)])
def test_a_customer_that_was_not_polled_for_an_hour(minutes: int, told: bool) -> None:
    poll = Poll("t7", "link", START - minutes * MINUTE, 300.0)
    assert keys(sight(tied(), polls={"t7": poll})) == (["stale:7"] if told else [])


def test_the_tenant_that_is_worst_off_decides() -> None:
    two = tied(more_tenants=("t9",))
    polls = {"t7": Poll("t7", "link", START, 300.0), "t9": Poll("t9", "link", START - 5 * HOUR, 300.0)}
    assert "since 2026-11-24 04:00 UTC" in the(sight(two, polls=polls)).sentence


def test_what_stood_still_while_nobody_worked_is_given_time() -> None:
    late = {"polls": {"t7": Poll("t7", "link", START - 9 * HOUR, 300.0)}, "last_full": done(40 * HOUR)}
    for since, expected in ((MINUTE, []), (61 * MINUTE, ["stale:7"]), (3 * HOUR, ["stale:7"])):
        assert keys(sight(tied(), watching_since=START - since, **late)) == expected
    early = causes(sight(tied(), watching_since=START - 61 * MINUTE, **late), POLICY)[0].sentence
    assert "full sync" not in early


@pytest.mark.parametrize("status", [ConnectionStatus.PREVIEW, ConnectionStatus.PAUSED, ConnectionStatus.DISCONNECTED])
def test_only_approved_customers_can_be_behind(status: ConnectionStatus) -> None:
    assert keys(sight(tied(status=status), polls={}, last_full={})) == []


def test_what_is_told_already_is_not_told_again_as_behind() -> None:
    lost = {"t7": SubscriptionState("t7", None, None, "graph:forbidden", START)}
    assert keys(sight(tied(), tied(8), polls={}, last_full={}, states=lost)) == ["consent:t7", "stale:8"]
    assert keys(sight(tied(), polls={}, last_full={}, stopped="token")) == ["syncro:token"]


def test_what_was_told_as_behind_is_over_only_when_it_is_up_to_date() -> None:
    told = [Notice("stale:7", "stale", 7, "As it was told.", START - DAY)]
    lost = {"t7": SubscriptionState("t7", None, None, "graph:forbidden", START)}
    late = {"polls": {"t7": Poll("t7", "link", START - 9 * HOUR, 300.0)}}
    for facts in (
        {**late, "states": lost},
        {"states": lost},  # asked, and refused: nothing was brought up to date by that
        {**late, "stopped": "token"},
        {**late, "watching_since": START},  # nobody looked for a while
        {"last_full": done(40 * HOUR), "watching_since": START},
    ):
        assert "stale:7" in keys(sight(tied(), **facts), standing=told), facts
    assert keys(sight(tied(), watching_since=START), standing=told) == []
    gone = tied(status=ConnectionStatus.PAUSED)
    assert keys(sight(gone, stopped="token", **late), standing=told) == ["syncro:token"]


# --- failed changes, credential -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, []), (1, ["1"]), (9, ["1"]), (10, ["1", "10"]), (250, ["1", "10", "100"]), (1000, ["1", "10", "100", "1000"])],
)
def test_failed_changes_are_told_at_growing_numbers(count: int, expected: list[str]) -> None:
    seen = sight(tied(), failed=[failed(count)] if count else [])
    assert keys(seen) == [f"failed:odd_shape:{number}" for number in expected]


def test_failed_changes_are_told_by_cause() -> None:
    """Of one code, the service that refused it tells two causes apart."""
    counts = [
        failed(1, tenant_id="t8"),
        failed(1),
        failed(3, "rejected", "t8", "syncro"),
        failed(1, "rejected", "", "graph"),
    ]
    ours, graph, syncro = causes(sight(tied(), tied(8), failed=counts), POLICY)
    assert ours.sentence.startswith("2 changes of Contoso (7), C8 (8) failed for good: odd shape. Look,")
    assert graph.sentence.startswith("1 change failed for good: ")
    assert syncro.sentence.startswith(f"3 changes of C8 (8) failed for good: {TABLE['syncro:rejected'].what}")
    assert [ours.key, graph.key, syncro.key] == [
        "failed:odd_shape:1", "failed:graph:rejected:1", "failed:syncro:rejected:1",
    ]  # fmt: skip
    assert len(causes_letter([c.notice(START) for c in (ours, graph, syncro)], START).lines) == 3


def test_a_number_is_over_when_half_of_it_is_gone() -> None:
    standing = [Notice(f"failed:odd_shape:{n}", "failed", None, "", START) for n in (1, 10)]
    for count, expected in ((9, ["1", "10"]), (6, ["1", "10"]), (5, ["1"]), (0, [])):
        seen = sight(tied(), failed=[failed(count)] if count else [])
        assert keys(seen, standing=standing) == [f"failed:odd_shape:{number}" for number in expected]


@pytest.mark.parametrize(
    ("days", "expected", "said"),
    [
        (31, [], ""),
        (29, ["credential"], "ends in 29 days"),
        (6, ["credential", "credential-ends"], "ends in 6 days"),
        (0, ["credential", "credential-ends"], "ends today"),
        (-1, ["credential", "credential-ends"], "has ended"),
    ],
)
def test_a_credential_is_told_in_time_and_again_in_red(days: int, expected: list[str], said: str) -> None:
    info = CredentialInfo(CredentialKind.SECRET, START + days * DAY + HOUR)
    found = causes(sight(tied(), credential=info), POLICY)
    assert [cause.key for cause in found] == expected
    assert all(said in cause.sentence for cause in found)


def test_a_credential_without_an_end_is_not_told() -> None:
    assert keys(sight(tied(), credential=CredentialInfo(CredentialKind.MANAGED_IDENTITY))) == []


# --- one notice per cause until it is over --------------------------------------------------------------------


def notice(key: str = "held:7", told: bool = True, **more: Any) -> Notice:
    return Notice(key, key.split(":")[0], 7, f"Sentence of {key}.", START, START if told else None, **more)


def a_cause(key: str = "held:7") -> Cause:
    return Cause(key, "held", 7, "Sentence.")  # type: ignore[arg-type]


def test_what_stands_is_not_new() -> None:
    told = compare([a_cause(), a_cause("held:8")], [notice()], {}, START, keep_untold=True)
    assert ([cause.key for cause in told.new], told.over, told.absent) == (["held:8"], [], {})


def test_over_only_after_five_minutes_of_absence() -> None:
    first = compare([], [notice()], {}, START, keep_untold=True)
    assert (first.over, dict(first.absent)) == ([], {"held:7": START})
    later = compare([], [notice()], first.absent, START + 5 * MINUTE, keep_untold=True)
    assert [each.key for each in later.over] == ["held:7"]


def test_a_cause_that_blinks_begins_its_absence_anew() -> None:
    first = compare([], [notice()], {}, START, keep_untold=True)
    back = compare([a_cause()], [notice()], first.absent, START + 4 * MINUTE, keep_untold=True)
    assert (back.new, dict(back.absent)) == ([], {})
    again = compare([], [notice()], back.absent, START + 6 * MINUTE, keep_untold=True)
    assert again.over == []


@pytest.mark.parametrize(("keep", "after", "is_over"), [(True, HOUR, False), (True, DAY, True), (False, HOUR, True)])
def test_what_nobody_was_told_of_stays_for_a_day(keep: bool, after: timedelta, is_over: bool) -> None:
    untold = notice(told=False)
    assert bool(compare([], [untold], {"held:7": START}, START + after, keep_untold=keep).over) is is_over


@pytest.mark.parametrize(
    ("key", "times", "minutes"),
    [
        ("stale:7", 1, 5),
        ("stale:7", 2, 20),
        ("consent:t", 3, 80),
        ("syncro:token", 4, 120),
        ("sign-in:x", 99, 120),
        ("held:7", 9, 5),
        ("failed:x:1", 9, 5),
        ("conflicts:7", 9, 5),
    ],
)
def test_what_comes_and_goes_by_itself_must_be_calm_for_longer(key: str, times: int, minutes: int) -> None:
    """What a person ends is over at once, however often it begins: the next one is news."""

    def over(after: timedelta) -> bool:
        found = compare([], [notice(key)], {key: START}, START + after, keep_untold=True, openings={key: times})
        return bool(found.over)

    assert (over((minutes - 1) * MINUTE), over(minutes * MINUTE)) == (False, True)


# --- which channel tells what ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told_over", "told_at", "meant_for", "after", "due"),
    [
        ((), None, ("teams",), HOUR, True),
        ((), None, (), 9 * DAY, True),  # nobody was told: whoever can, whenever it was set
        (("teams",), START, ("smtp", "teams"), HOUR, True),  # it failed when the other one told
        (("teams",), START, ("smtp", "teams"), DAY, False),  # ... a day ago
        (("teams",), START, ("teams",), MINUTE, False),  # set later: no flood
        (("smtp",), START, ("smtp",), MINUTE, False),
        ((), START, (), MINUTE, False),  # of an older release: told over all
    ],
)
def test_which_notices_a_channel_has_to_tell(
    told_over: tuple[str, ...], told_at: datetime | None, meant_for: tuple[str, ...], after: timedelta, due: bool
) -> None:
    stands = Notice("held:7", "held", 7, "", START, told_at, told_over=told_over, meant_for=meant_for)
    assert is_due(stands, "smtp", START + after) is due
    assert has_heard(stands, "smtp") is ("smtp" in told_over or (told_at is not None and not told_over))


def test_many_of_a_kind_are_gathered_ever_longer() -> None:
    """One customer after the other loses its consent, every minute for half a day."""
    standing: list[Notice] = []
    letters: list[int] = []
    for minute in range(720):
        now = START + minute * MINUTE
        standing.append(Notice(f"consent:{minute}", "consent", minute, "", now))
        ripe = [each for each in standing if each.told_at is None and is_ripe(each, standing, now)]
        standing = [replace(each, told_at=now) if each in ripe else each for each in standing]
        letters += [minute] if ripe else []
    assert letters[:5] == [0, 5, 15, 35, 75]
    assert {b - a for a, b in pairwise(letters[4:])} == {60}
    other = Notice("held:7", "held", 7, "", now)
    assert is_ripe(other, standing, now), "another kind waits for nobody"


def test_the_days_summary_is_never_over_by_itself() -> None:
    summary = notice("summary:2026-11-24")
    assert compare([], [summary], {"summary:2026-11-24": START}, START + DAY, keep_untold=True).over == []


# --- the day's summary ----------------------------------------------------------------------------------------

BERLIN = replace(POLICY, zone="Europe/Berlin")


def berlin(day: int, month: int, hour: int, minute: int = 0, fold: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=ZoneInfo("Europe/Berlin"), fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (berlin(24, 11, 7, 59), None),
        (berlin(24, 11, 8), date(2026, 11, 24)),
        (berlin(24, 11, 19, 59), date(2026, 11, 24)),
        (berlin(24, 11, 20), None),  # twelve hours late: tomorrow's will do
        (berlin(29, 3, 7, 59), None),  # the clock sprang at 02:00
        (berlin(29, 3, 8), date(2026, 3, 29)),
        (berlin(25, 10, 7, 59), None),  # and fell back at 03:00
        (berlin(25, 10, 8), date(2026, 10, 25)),
    ],
)
def test_the_summary_is_due_by_the_clock_of_its_zone(now: datetime, due: date | None) -> None:
    assert summary_day(now, BERLIN) == due


def test_a_time_that_spring_skips_comes_after_the_gap() -> None:
    policy = replace(BERLIN, summary_at="02:30")
    assert summary_day(datetime(2026, 3, 29, 0, 59, tzinfo=UTC), policy) is None
    assert summary_day(datetime(2026, 3, 29, 1, 0, tzinfo=UTC), policy) == date(2026, 3, 29)


def test_a_time_that_autumn_has_twice_is_one_day() -> None:
    policy = replace(BERLIN, summary_at="02:30")
    for fold in (0, 1):
        assert summary_day(berlin(25, 10, 2, 45, fold), policy) == date(2026, 10, 25)


def test_a_summary_late_in_the_day_may_go_out_after_midnight() -> None:
    policy = replace(BERLIN, summary_at="23:30")
    assert summary_day(berlin(25, 11, 0, 10), policy) == date(2026, 11, 24)


def test_no_summary_where_none_is_wanted() -> None:
    assert summary_day(START, replace(POLICY, summary_at="")) is None


@given(hours=st.integers(0, 366 * 24), hour=st.integers(0, 23), minute=st.integers(0, 59))
def test_every_day_of_a_year_has_its_own_summary(hours: int, hour: int, minute: int) -> None:
    """Asked every hour for some days, changes of the clock among them: each day in its turn, for about 12 hours."""
    policy = replace(BERLIN, summary_at=f"{hour:02}:{minute:02}")
    asked = [datetime(2026, 1, 1, tzinfo=UTC) + (hours + n) * HOUR for n in range(5 * 24)]
    due = [day for day in (summary_day(now, policy) for now in asked) if day is not None]
    assert due == sorted(due)
    whole = sorted(set(due))[1:-1]
    assert [due.count(day) for day in whole] == [12] * len(whole)
    assert whole == [whole[0] + n * DAY for n in range(len(whole))]
    assert len(whole) >= 2


def test_the_summary_says_what_waits_then_how_everything_stands() -> None:
    seen = sight(tied(), tied(8), tied(9, ConnectionStatus.PAUSED), failed=[failed(1)], conflicts={7: 2})
    said = summary_letter(date(2026, 11, 24), seen, [notice(), notice("stale:8"), notice("summary:2026-11-24")])
    assert said.subject == "entra-syncro: 2026-11-24: 2 things wait for a person"
    assert said.lines == ("Sentence of stale:8.", "Sentence of held:7.")
    assert "Customers approved: 2, with a full sync since yesterday: 2. Paused: 1. Failed changes: 1." in said.closing
    assert said.is_red


def test_the_summary_of_a_quiet_day() -> None:
    said = summary_letter(date(2026, 11, 24), sight(tied()), [])
    assert (said.subject, said.lines) == ("entra-syncro: 2026-11-24: all is well", ("Nothing waits for a person.",))
    assert not said.is_red


# --- letters --------------------------------------------------------------------------------------------------


def test_of_numbers_that_grow_the_largest_is_written() -> None:
    grown = [Notice(f"failed:odd_shape:{n}", "failed", None, f"{n} changes.", START) for n in (1, 100, 10)]
    assert causes_letter(grown, START).lines == ("100 changes.",)


def test_what_is_over_before_anybody_was_told_says_so() -> None:
    said = causes_letter([notice("stale:7", told=False)], START, {"stale:7"})
    assert said.lines == ("Over meanwhile: Sentence of stale:7.",)
    assert not said.is_red


def test_what_is_over_asks_nobody_to_do_anything() -> None:
    said = over_letter([notice()], START)
    assert said.subject == "entra-syncro: Over: changes wait for approval"
    assert said.closing.startswith("Nobody has to do anything")


def test_a_replay_that_began_proves_nothing() -> None:
    """Letters that are tried again are no longer open, and may fail again."""
    said = over_letter([notice("failed:x:1")], START)
    assert said.lines == ("Tried again or discarded: Sentence of failed:x:1.",)
    assert said.subject == "entra-syncro: No longer open: failed changes"
    assert said.closing.startswith("Failed changes that fail again are told again")
    assert over_letter([notice(), notice("failed:x:1")], START).subject.startswith("entra-syncro: No longer open: ")


@pytest.mark.parametrize(
    ("over", "standing", "is_over"),
    [
        ("conflicts:7:10", "conflicts:7", False),
        ("conflicts:7:10", "held:7", True),
        ("failed:odd_shape:100", "failed:odd_shape:10", False),
        ("failed:odd_shape:100", "failed:graph:odd_shape:1", True),
        ("still-held:7", "held:7", False),
        ("credential-ends", "credential", False),
        ("syncro:unwell", "syncro:token", False),
        ("sign-in:login:secret_wrong", "sign-in:login:secret_ended", False),
        ("consent:t7", "consent:t8", True),
        ("stale:7", "consent:t7", True),
    ],
)
def test_what_a_graver_or_lesser_notice_still_says_is_not_over(over: str, standing: str, is_over: bool) -> None:
    assert bool(over_for_good([notice(over)], [notice(standing)])) is is_over


def test_a_letter_has_an_end() -> None:
    many = [Notice(f"held:{n}", "held", n, f"Customer {n}: held.", START) for n in range(300)]
    said = causes_letter(many, START)
    assert len(said.lines) == MOST + 1
    assert said.lines[-1] == "And 275 more: entra-syncro notices list"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\r\nBcc: x@y", "a Bcc: x@y"),
        ("a\u202eb\u2066c", "abc"),
        ("a\u2028b", "a b"),
        ("\x1b[31mred", "[31mred"),
        ("x" * 700, "x" * 599 + "…"),
    ],
)
def test_names_of_others_cannot_break_a_line(text: str, said: str) -> None:
    assert clean(text) == said


@given(st.text(max_size=800))
def test_a_line_is_one_line_whatever_it_is_made_of(text: str) -> None:
    said = clean(text)
    assert len(said.splitlines()) <= 1
    assert len(said) <= 600
