"""When full syncs are due, and on which days licences wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.domain.schedule import check_cron, check_freeze, check_zone, frozen, is_due, last_thaw, next_tick

ZONE = "America/Los_Angeles"
NIGHTLY = "0 1 * * *"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)


def local(text: str, zone: str = ZONE, fold: int = 0) -> datetime:
    """What a clock on the wall shows, as UTC. `fold` 1: the second of two equal hours."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def due(now: str, begun: str | None, *, connected: str = "2020-01-01", freeze: tuple[str, ...] = ()) -> bool:
    return is_due(
        local(now),
        cron=NIGHTLY,
        zone=ZONE,
        begun=None if begun is None else local(begun),
        connected_at=local(connected),
        freeze=freeze,
    )


# --- due ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "begun", "is_it"),
    [
        ("2026-11-24 00:59:59", "2026-11-23 01:00:30", False),
        ("2026-11-24 01:00:00", "2026-11-23 01:00:30", True),
        ("2026-11-24 01:00:00", "2026-11-24 00:59:59", True),  # by hand, just before
        ("2026-11-24 01:00:00", "2026-11-24 01:00:00", False),
        ("2026-11-24 01:00:01", "2026-11-24 01:00:00.5", False),
        ("2026-11-24 09:00:00", "2026-11-23 23:00:00", True),  # missed tonight
        ("2026-11-24 09:00:00", "2026-10-01 01:00:00", True),  # missed for weeks
        ("2026-11-24 09:00:00", "2026-11-24 08:59:00", False),  # and caught up, once
        ("2026-11-24 09:00:00", "2026-11-25 01:00:00", False),  # a clock that went wrong
        ("2026-11-24 09:00:00", None, True),
    ],
)
def test_due_once_a_time_of_the_line_has_passed(now: str, begun: str | None, is_it: bool) -> None:
    assert due(now, begun) is is_it


@pytest.mark.parametrize(
    ("connected", "begun", "is_it"),
    [
        ("2026-11-24 00:30", None, True),
        ("2026-11-24 01:00", None, False),
        ("2026-11-24 08:00", None, False),  # its first full sync comes with the approval
        ("2026-11-24 08:00", "2026-11-01 01:00", False),  # connected anew, with old runs
        ("2026-11-23 08:00", "2026-11-01 01:00", True),
    ],
)
def test_a_new_customer_waits_for_the_next_time(connected: str, begun: str | None, is_it: bool) -> None:
    assert due("2026-11-24 09:00", begun, connected=connected) is is_it
    assert due("2026-11-25 01:00", begun, connected=connected)


TWICE_A_DAY = [
    ("10-31 01:00", "PDT"),
    ("10-31 13:00", "PDT"),
    ("11-01 01:00", "PDT"),
    ("11-01 13:00", "PST"),
    ("11-02 01:00", "PST"),
    ("11-02 13:00", "PST"),
]


# Clocks go forward on 8 March 2026 at 02:00 and back on 1 November 2026 at 02:00 in Los Angeles.
@pytest.mark.parametrize(
    ("cron", "first_day", "runs"),
    [
        (NIGHTLY, "2026-03-07", ["03-07 01:00 PST", "03-08 01:00 PST", "03-09 01:00 PDT"]),
        (NIGHTLY, "2026-10-31", ["10-31 01:00 PDT", "11-01 01:00 PDT", "11-02 01:00 PST"]),
        ("0 2 * * *", "2026-03-07", ["03-07 02:00 PST", "03-08 03:00 PDT", "03-09 02:00 PDT"]),
        ("30 2 * * *", "2026-03-07", ["03-07 02:30 PST", "03-08 03:00 PDT", "03-09 02:30 PDT"]),
        ("45 1 * * *", "2026-10-31", ["10-31 01:45 PDT", "11-01 01:45 PDT", "11-02 01:45 PST"]),
        ("0 2 * * *", "2026-10-31", ["10-31 02:00 PDT", "11-01 02:00 PST", "11-02 02:00 PST"]),
        ("0 3 * * SUN", "2026-03-07", ["03-08 03:00 PDT"]),
        ("0 1,13 * * *", "2026-10-31", [" ".join(run) for run in TWICE_A_DAY]),
    ],
)
def test_a_day_whose_clock_changes_has_one_run_too(cron: str, first_day: str, runs: list[str]) -> None:
    begun, at = local(first_day), local(first_day)
    end = local(str((datetime.fromisoformat(first_day) + timedelta(days=3)).date()))
    seen = []
    while at < end:
        if is_due(at, cron=cron, zone=ZONE, begun=begun, connected_at=LONG_AGO):
            seen.append(f"{at.astimezone(ZoneInfo(ZONE)):%m-%d %H:%M %Z}")
            begun = at
        at += timedelta(minutes=5)
    assert seen == runs


def test_the_second_of_two_equal_hours_is_not_another_night() -> None:
    begun = local("2026-11-01 01:00:20")
    for minute in range(60):
        for fold in (0, 1):
            now = local(f"2026-11-01 01:{minute:02}:30", fold=fold)
            assert not is_due(now, cron=NIGHTLY, zone=ZONE, begun=begun, connected_at=LONG_AGO)
    late = local("2026-11-01 01:10", fold=1)  # begun in the second hour
    for written in (late, late.astimezone(ZoneInfo(ZONE))):  # two times of one zone compare by what the clock shows
        assert next_tick(written, cron="30 1 * * *", zone=ZONE) == local("2026-11-02 01:30")


def test_times_may_come_from_any_zone() -> None:
    now = local("2026-11-24 01:00").astimezone(ZoneInfo("Asia/Kolkata"))
    begun = local("2026-11-23 01:00").astimezone(ZoneInfo(ZONE))
    assert is_due(now, cron=NIGHTLY, zone=ZONE, begun=begun, connected_at=LONG_AGO)
    assert not is_due(
        now, cron=NIGHTLY, zone="UTC", begun=begun.astimezone(UTC) + timedelta(hours=16), connected_at=begun
    )


LINES = st.sampled_from(
    [NIGHTLY, "0 2 * * *", "30 2 * * *", "*/30 * * * *", "0 */6 * * *", "15 3 1 * *", "0 4 * * MON#2"]
)
ZONES = st.sampled_from([ZONE, "UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu"])
MOMENTS = st.integers(0, 3 * 365 * 86_400 * 10).map(lambda tenths: START + timedelta(seconds=tenths / 10))


@given(now=MOMENTS, line=LINES, zone=ZONES, freeze=st.sampled_from([(), ("1-2",), ("30-1",)]))
def test_nothing_is_due_right_after_a_run_began(now: datetime, line: str, zone: str, freeze: tuple[str, ...]) -> None:
    assert not is_due(now, cron=line, zone=zone, begun=now, connected_at=LONG_AGO, freeze=freeze)


@given(tick_after=MOMENTS, line=LINES, zone=ZONES, late=st.floats(0, 86_400), later=st.floats(0, 10**7))
def test_never_twice_for_one_time_of_the_line(
    tick_after: datetime, line: str, zone: str, late: float, later: float
) -> None:
    tick = next_tick(tick_after, cron=line, zone=zone)
    assert tick is not None
    assert tick > tick_after
    assert is_due(tick, cron=line, zone=zone, begun=tick_after, connected_at=LONG_AGO)
    begun = tick + timedelta(seconds=late)
    following = next_tick(begun, cron=line, zone=zone)
    assert following is not None
    now = begun + timedelta(seconds=later)
    assert is_due(now, cron=line, zone=zone, begun=begun, connected_at=LONG_AGO) is (now >= following)


@given(begun=MOMENTS, line=LINES, zone=ZONES, wait=st.floats(0, 10**7), more=st.floats(0, 10**7))
def test_what_is_due_stays_due_until_a_run_begins(
    begun: datetime, line: str, zone: str, wait: float, more: float
) -> None:
    now = begun + timedelta(seconds=wait)
    assume(is_due(now, cron=line, zone=zone, begun=begun, connected_at=LONG_AGO))
    assert is_due(now + timedelta(seconds=more), cron=line, zone=zone, begun=begun, connected_at=LONG_AGO)


# --- freeze -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("freeze", "now", "is_it"),
    [
        ((), "2026-11-01 12:00", False),
        (("1-2",), "2026-10-31 23:59:59", False),
        (("1-2",), "2026-11-01 00:00", True),
        (("1-2",), "2026-11-02 23:59:59", True),
        (("1-2",), "2026-11-03 00:00", False),
        (("30-1",), "2026-11-29 23:59:59", False),
        (("30-1",), "2026-11-30 00:00", True),
        (("30-1",), "2026-12-01 23:59:59", True),
        (("30-1",), "2026-12-02 00:00", False),
        (("30-1",), "2026-12-31 12:00", True),
        (("30-1",), "2027-02-28 12:00", False),
        (("30-1",), "2027-03-01 12:00", True),
        (("31-31",), "2026-11-30 12:00", False),
        (("31-31",), "2026-12-31 12:00", True),
        (("31",), "2026-12-31 12:00", True),
        (("1-2", "15-16"), "2026-11-15 12:00", True),
        (("1-2", "15-16"), "2026-11-14 12:00", False),
    ],
)
def test_frozen_days(freeze: tuple[str, ...], now: str, is_it: bool) -> None:
    assert frozen(local(now), freeze, ZONE) is is_it


def test_the_day_is_that_of_the_zone() -> None:
    now = datetime(2026, 12, 1, 7, 0, tzinfo=UTC)  # still 30 November in Los Angeles
    assert not frozen(now, ("1-2",), ZONE)
    assert frozen(now, ("1-2",), "UTC")


@pytest.mark.parametrize(
    ("freeze", "now", "thaw"),
    [
        ((), "2026-11-24 12:00", None),
        (("1-2",), "2026-11-24 12:00", "2026-11-03"),
        (("1-2",), "2026-11-03 00:00", "2026-11-03"),
        (("1-2",), "2026-11-02 23:59:59", "2026-10-03"),
        (("30-1",), "2026-11-24 12:00", "2026-11-02"),
        (("30-1",), "2027-02-28 12:00", "2027-02-02"),
        (("30-1",), "2027-03-02 00:00", "2027-03-02"),
        (("31-31",), "2026-12-31 12:00", "2026-11-01"),  # none in the 30 days of November
        (("29-29",), "2027-03-29 12:00", "2027-01-30"),  # nor in February
        (("28-29",), "2028-03-01 12:00", "2028-03-01"),  # a leap year
        (("1-2", "15-16"), "2026-11-24 12:00", "2026-11-17"),
        (("1-2", "3-4"), "2026-11-24 12:00", "2026-11-05"),  # one freeze, however it is written
        (("1-15", "16-31"), "2026-11-24 12:00", None),
    ],
)
def test_a_freeze_ends_at_midnight_after_its_last_day(freeze: tuple[str, ...], now: str, thaw: str | None) -> None:
    assert last_thaw(local(now), freeze, ZONE) == (None if thaw is None else local(thaw))


def test_a_midnight_that_a_clock_skips_is_the_moment_of_the_change() -> None:
    now = local("2026-09-07 12:00", "America/Santiago")  # there, 6 September 2026 begins at 01:00
    thaw = last_thaw(now, ("4-5",), "America/Santiago")
    assert thaw == datetime(2026, 9, 6, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "begun", "is_it"),
    [
        ("2026-11-03 00:00", "2026-11-02 01:00", True),  # before the night's own time
        ("2026-11-02 23:59", "2026-11-02 01:00", False),
        ("2026-11-03 00:30", "2026-11-03 00:00", False),
        ("2026-11-03 00:30", "2026-11-02 23:59", True),
        ("2026-11-03 00:30", None, True),
    ],
)
def test_everybody_is_due_when_a_freeze_ends(now: str, begun: str | None, is_it: bool) -> None:
    assert due(now, begun, freeze=("1-2",)) is is_it


def test_a_customer_connected_after_the_freeze_owes_it_nothing() -> None:
    assert not due("2026-11-03 00:30", None, connected="2026-11-03 00:10", freeze=("1-2",))


@given(now=MOMENTS, first=st.integers(1, 31), last=st.integers(1, 31), zone=ZONES)
def test_a_thaw_is_the_first_moment_after_frozen_ones(now: datetime, first: int, last: int, zone: str) -> None:
    freeze = (f"{first}-{last}",)
    thaw = last_thaw(now, freeze, zone)
    assume(thaw is not None)
    assert thaw is not None
    assert thaw <= now
    assert frozen(thaw - timedelta(microseconds=1), freeze, zone)
    assert not frozen(thaw, freeze, zone)
    assert is_due(
        now, cron="0 0 1 1 *", zone=zone, begun=thaw - timedelta(seconds=1), connected_at=LONG_AGO, freeze=freeze
    )


# --- what a settings file may say ---------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [NIGHTLY, "*/30 * * * *", "0 2 * * MON-FRI", "15 3 1 * *", "0 0 L * *", "0 0 29 2 *"])
def test_cron_lines(line: str) -> None:
    check_cron(line)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "five fields"),
        ("0 1 * *", "five fields"),
        ("* * * * * *", "five fields"),
        ("@daily", "five fields"),
        ("60 1 * * *", "bad minute"),
        ("0 24 * * *", "bad hour"),
        ("0 1 32 * *", "bad day-of-month"),
        ("0 1 * 13 *", "bad month"),
        ("0 1 * * FUN", "bad day-of-week"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("0 0 31 2,4 *", "bad day-of-month"),
    ],
)
def test_bad_cron_lines(line: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_cron(line)
    if line and "five" not in says:
        with pytest.raises(ValueError, match=says):
            is_due(LONG_AGO, cron=line, zone=ZONE, begun=None, connected_at=LONG_AGO)


@pytest.mark.parametrize("text", ["1-2", "30-1", "31-31", "15", " 1 - 2 ", "2-31"])
def test_freeze_windows(text: str) -> None:
    check_freeze([text])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no range of days"),
        ("0-2", "no range of days"),
        ("1-32", "no range of days"),
        ("first", "no range of days"),
        ("1-2-3", "no range of days"),
        ("-1", "no range of days"),
        ("1-31", "every day"),
        ("16-15", "every day"),
    ],
)
def test_bad_freeze_windows(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_freeze([text])


@pytest.mark.parametrize("name", [ZONE, "UTC", "Europe/Berlin"])
def test_zones(name: str) -> None:
    check_zone(name)


@pytest.mark.parametrize("name", ["", "Pacific", "America", "America/Atlantis", "../etc/passwd", "PST8PDT\0"])
def test_bad_zones(name: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        check_zone(name)
