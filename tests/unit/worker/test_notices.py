"""The notice service in virtual time: once per cause, once when over, once a day; failing channels; two workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from shared.domain.changes import Conflict, ConflictReason
from shared.domain.credential import CredentialInfo, CredentialKind
from shared.domain.desk import Notice
from shared.domain.errors import Ambiguous, Permanent, Transient
from shared.domain.messages import Reason
from shared.domain.notice_letters import Purpose
from shared.domain.notices import NoticePolicy, PersonalData, channel_key
from shared.domain.records import (
    STOPPED_KEY,
    Connection,
    ConnectionStatus,
    HeldRow,
    Hold,
    HoldState,
    Run,
    RunState,
)
from shared.domain.watching import Poll
from shared.runtime.metrics import Metrics
from tests.support.fake_channel import FakeChannel
from tests.support.fake_desk import FakeNotices
from tests.support.fake_state import FakeLeases, FakeMemory
from tests.support.fakes import World, worker_ports
from tests.support.virtual_time import run_virtual
from worker.counting import counting_letters
from worker.notices import NoticeBoard
from worker.parts import WorkerSettings

KEY = b"key of sixteen b"
MINUTE, HOUR = 60.0, 3600.0
QUIET = NoticePolicy(summary_at="")


def a_world() -> World:
    """One approved customer for which all is well for a month."""
    world = World()
    now = world.clock.now()
    world.ledger.connections.held[7] = Connection(7, "Contoso", "t7", ConnectionStatus.APPROVED, now, now)
    return world


async def keep_well(world: World) -> None:
    """As a worker does: polls and full syncs of all customers go on."""
    number = 0
    while True:
        now, number = world.clock.now(), number + 1
        for each in world.ledger.connections.held.values():
            await world.ledger.polls.save(Poll(each.tenant_id, "link", now, 300.0))
            await world.ledger.runs.start(
                Run(f"r{number}", each.customer_id, Reason.RECONCILE, 0, now, now, {}, RunState.DONE, full=True)
            )
        await asyncio.sleep(20 * MINUTE)


def board(world: World, *channels: FakeChannel, policy: NoticePolicy = QUIET, **more: Any) -> NoticeBoard:
    settings = WorkerSettings(fingerprint_key=KEY, notices=policy, **more)
    return NoticeBoard(replace(worker_ports(world), channels=channels), settings)


@asynccontextmanager
async def running(world: World, *boards: NoticeBoard, well: bool = True) -> AsyncIterator[Sequence[asyncio.Task[None]]]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        life = group.create_task(keep_well(world), name="well") if well else None
        tasks = [group.create_task(each.run(stop), name=f"board:{n}") for n, each in enumerate(boards)]
        await asyncio.sleep(1)
        yield tasks
        stop.set()
        if life is not None:
            life.cancel()


def a_hold(world: World, customer_id: int = 7) -> Hold:
    now = world.clock.now()
    return Hold(customer_id, "c0de", "r", {"clears": (12, 3)}, (), "", now, now + timedelta(days=30))


async def hold(world: World, customer_id: int = 7) -> None:
    await world.ledger.holds.open(a_hold(world, customer_id))


async def approve(world: World, customer_id: int = 7) -> None:
    await world.ledger.holds.settle(customer_id, "c0de", HoldState.APPROVED, "ada", world.clock.now())


async def standing(world: World) -> dict[str, datetime | None]:
    return {notice.key: notice.told_at for notice in await world.ledger.notices.standing()}


# --- once per cause -------------------------------------------------------------------------------------------


def test_told_once_then_over_then_told_again() -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel()
        async with running(world, board(world, channel)):
            await asyncio.sleep(HOUR)
            assert channel.letters == []
            await hold(world)
            await asyncio.sleep(12 * HOUR)
            (told,) = channel.letters
            assert told.purpose is Purpose.CAUSES
            assert told.lines[0].startswith("Contoso (7): waiting for approval: 12 contacts")
            assert list((await standing(world)).values()) != [None]
            await approve(world)
            await asyncio.sleep(4 * MINUTE)
            assert len(channel.letters) == 1
            await asyncio.sleep(4 * MINUTE)
            assert [letter.purpose for letter in channel.letters[1:]] == [Purpose.OVER]
            assert await standing(world) == {}
            await hold(world)
            await asyncio.sleep(2 * MINUTE)
            assert [letter.purpose for letter in channel.letters[2:]] == [Purpose.CAUSES]

    run_virtual(main())


def test_over_is_not_told_where_nobody_wants_it() -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel()
        async with running(world, board(world, channel, policy=replace(QUIET, says_over=False))):
            await hold(world)
            await asyncio.sleep(2 * MINUTE)
            await approve(world)
            await asyncio.sleep(HOUR)
            assert [letter.purpose for letter in channel.letters] == [Purpose.CAUSES]
            assert await standing(world) == {}

    run_virtual(main())


def test_what_begins_together_is_one_letter() -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel()
        now = world.clock.now()
        for number in range(8, 58):
            tied = Connection(number, f"C{number}", f"t{number}", ConnectionStatus.APPROVED, now, now)
            world.ledger.connections.held[number] = tied
        async with running(world, board(world, channel)):
            for number in range(8, 58):
                await hold(world, number)
            await asyncio.sleep(2 * MINUTE)
            (told,) = channel.letters
            assert told.subject == "entra-syncro: 50 notices: changes wait for approval"

    run_virtual(main())


def test_a_token_that_is_refused_for_a_moment_only_is_told_and_blinks_once() -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel()
        async with running(world, board(world, channel)):
            for _ in range(5):  # every time the worker probes, the mark comes back
                await world.memory.remember(STOPPED_KEY, "token", ttl=HOUR)
                await asyncio.sleep(2 * MINUTE)
                await world.memory.remember(STOPPED_KEY, "", ttl=HOUR)
                await asyncio.sleep(2 * MINUTE)
            assert [letter.purpose for letter in channel.letters] == [Purpose.CAUSES]

    run_virtual(main())


def test_a_syncro_that_is_unwell_for_an_hour_is_told() -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel()
        async with running(world, board(world, channel)):
            for _ in range(5):  # an outage, with a good moment after 50 minutes
                await world.memory.remember(STOPPED_KEY, "unwell", ttl=9 * HOUR)
                await asyncio.sleep(50 * MINUTE)
                assert channel.letters == []
                await world.memory.remember(STOPPED_KEY, "", ttl=HOUR)
                await asyncio.sleep(2 * MINUTE)
            await world.memory.remember(STOPPED_KEY, "unwell", ttl=9 * HOUR)
            await asyncio.sleep(62 * MINUTE)
            (told,) = channel.letters
            assert told.lines[0].startswith("Nothing is written for any customer since ")

    run_virtual(main())


def test_a_worker_that_was_away_for_a_night_does_not_cry_at_once() -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel()
        world.clock.ahead = timedelta(hours=40)
        async with running(world, board(world, channel)):
            await asyncio.sleep(6 * HOUR)
            assert channel.letters == []

    run_virtual(main())


def test_a_customer_that_falls_behind_is_told_within_the_hour() -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel()
        async with running(world, board(world, channel), well=False):
            await asyncio.sleep(HOUR - MINUTE)
            assert channel.letters == []
            await asyncio.sleep(3 * MINUTE)
            (told,) = channel.letters
            assert "Microsoft was not asked for its changes" in told.lines[0]
            assert told.is_red

    run_virtual(main())


def test_the_end_of_the_credential_is_told() -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel()
        world.ledger.connections.held.clear()  # else it would be behind after two weeks that nobody lived through
        ends = CredentialInfo(CredentialKind.SECRET, world.clock.now() + timedelta(days=20))
        async with running(world, board(world, channel, credential=lambda: ends)):
            await asyncio.sleep(HOUR)
            assert "ends in 20 days" in channel.letters[0].lines[0]
            world.clock.ahead += timedelta(days=14)
            await asyncio.sleep(2 * MINUTE)
            assert [letter.subject for letter in channel.letters] == [
                "entra-syncro: the app's credential ends soon",
                "entra-syncro: the app's credential ends",
            ]

    run_virtual(main())


def test_a_syncro_that_is_unwell_for_long_is_told_whatever_is_restarted() -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel()
        await world.memory.remember(STOPPED_KEY, "unwell", ttl=90 * HOUR)
        for _ in range(3):
            async with running(world, board(world, channel)):
                await asyncio.sleep(50 * MINUTE)
            world.clock.ahead += timedelta(minutes=2)
        assert len(channel.of(Purpose.CAUSES)) == 1
        await world.memory.remember(STOPPED_KEY, "", ttl=90 * HOUR)
        async with running(world, board(world, channel)):
            await asyncio.sleep(6 * MINUTE)
        await world.memory.remember(STOPPED_KEY, "unwell", ttl=90 * HOUR)
        async with running(world, board(world, channel)):  # the end of the first is remembered too
            await asyncio.sleep(50 * MINUTE)
        assert [letter.purpose for letter in channel.letters] == [Purpose.CAUSES, Purpose.OVER]

    run_virtual(main())


def test_changes_that_are_held_anew_every_night_are_told_again_and_over_only_when_decided() -> None:
    """Each night's rows have another code, and begin another hold."""

    async def main() -> None:
        world, channel = a_world(), FakeChannel()
        async with running(world, board(world, channel)):
            for night in range(3):
                await world.ledger.holds.open(replace(a_hold(world), code=f"c{night}", held_at=world.clock.now()))
                await asyncio.sleep(23 * HOUR)
            assert [letter.subject for letter in channel.letters] == [
                "entra-syncro: Contoso (7): changes wait for approval",
                "entra-syncro: Contoso (7): changes still wait for approval",
            ]
            await world.ledger.holds.settle(7, "c2", HoldState.APPROVED, "ada", world.clock.now())
            await asyncio.sleep(6 * MINUTE)
            assert len(channel.of(Purpose.OVER)) == 1

    run_virtual(main())


@pytest.mark.parametrize("lost", ["token", "consent"])
def test_a_customer_that_is_behind_is_not_over_because_the_token_or_consent_is_lost_too(lost: str) -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel()
        async with running(world, board(world, channel), well=False):
            await asyncio.sleep(HOUR + 5 * MINUTE)
            assert list(await standing(world)) == ["stale:7"]
            if lost == "token":
                await world.memory.remember(STOPPED_KEY, "token", ttl=9 * HOUR)
            else:
                now = world.clock.now()
                await world.ledger.polls.save(Poll("t7", "link", now, 300.0, code="login:consent_missing", since=now))
            await asyncio.sleep(10 * MINUTE)
            assert len(channel.of(Purpose.CAUSES)) == 2
            assert channel.of(Purpose.OVER) == []
            assert len(await standing(world)) == 2

    run_virtual(main())


@pytest.mark.parametrize("is_told", [True, False])
def test_fewer_users_that_wait_are_not_over(is_told: bool) -> None:
    """Nor where nobody could be told of the greater number yet."""

    async def main() -> None:
        world, channel = a_world(), FakeChannel()
        channel.broken = None if is_told else Transient("smtp", "unreachable")
        waiting = [Conflict(f"u{n}", 7, ConflictReason.SEVERAL_CONTACTS, ()) for n in range(12)]
        for each in waiting:
            await world.ledger.conflicts.open(each, world.clock.now())
        async with running(world, board(world, channel)):
            await asyncio.sleep(5 * MINUTE)
            for each in waiting[4:]:
                await world.ledger.conflicts.close(7, each.user_id)
            await asyncio.sleep(12 * MINUTE)
            channel.broken = None
            await asyncio.sleep(30 * MINUTE)
            assert channel.of(Purpose.OVER) == []
            (told,) = channel.letters
            assert told.lines[0].startswith(f"Contoso (7): {12 if is_told else 4} users wait")
            world.ledger.conflicts.held.clear()
            await asyncio.sleep(10 * MINUTE)
            (over,) = channel.of(Purpose.OVER)
            assert over.lines[0].startswith("Over: Contoso (7): 4 users wait")
            assert await standing(world) == {}

    run_virtual(main())


# --- channels that fail ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [Transient("smtp", "unreachable"), Permanent("smtp", "login_refused"), OSError()])
def test_a_channel_that_fails_loses_nothing_and_holds_up_no_other(failure: Exception) -> None:
    async def main() -> None:
        world, mail, teams = a_world(), FakeChannel("smtp"), FakeChannel("teams")
        mail.broken = failure  # type: ignore[assignment]
        async with running(world, board(world, mail, teams)):
            await hold(world)
            await asyncio.sleep(5 * HOUR)
            assert (mail.letters, len(teams.letters)) == ([], 1)
            (notice,) = await world.ledger.notices.standing()
            assert (notice.told_at is not None, notice.told_over) == (True, ("teams",))
            assert (await world.memory.recall(channel_key("smtp")) or "").partition(":")[2]
            mail.broken = None
            await asyncio.sleep(HOUR + 2 * MINUTE)
            assert (len(mail.letters), len(teams.letters)) == (1, 1)
            (later,) = await world.ledger.notices.standing()
            assert (later.told_at, later.told_over) == (notice.told_at, ("teams", "smtp"))
            assert await world.memory.recall(channel_key("smtp")) == ""

    run_virtual(main())


def test_waits_grow() -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel(broken=Transient("smtp", "unreachable"))
        async with running(world, board(world, channel)):
            await hold(world)
            await asyncio.sleep(HOUR)
            assert 5 <= channel.attempts <= 7  # after 1, 2, 4, 8, 16, 32 minutes
            await asyncio.sleep(5 * HOUR)
            assert 3 <= channel.attempts - 6 <= 6  # then every hour

    run_virtual(main())


def test_a_channel_that_fails_for_weeks_fails_alone() -> None:
    """A rest that doubles with each failure is beyond a float at the 1,025th."""

    async def main() -> None:
        world, mail, teams = a_world(), FakeChannel("smtp", takes=2.0), FakeChannel("teams")
        teams.broken = Permanent("teams", "gone")
        service = board(world, mail, teams)
        for post in service._posts:
            post._failures = 1024
        async with running(world, service):
            await hold(world)
            await asyncio.sleep(6 * HOUR)
            assert (len(mail.letters), teams.attempts) == (1, 6)
            assert [each.told_over for each in await world.ledger.notices.standing()] == [("smtp",)]

    run_virtual(main())


def test_a_channel_with_a_fault_of_its_own_ends_no_other() -> None:
    async def main() -> None:
        world, mail, teams = a_world(), FakeChannel("smtp", takes=2.0), FakeChannel("teams")

        def count(channel: str, result: str) -> None:
            if channel == "teams":
                raise KeyError(result)

        async with running(world, board(world, mail, teams, on_letter=count)):
            await hold(world)
            await asyncio.sleep(10 * MINUTE)
            await approve(world)
            await asyncio.sleep(10 * MINUTE)
            assert [letter.purpose for letter in mail.letters] == [Purpose.CAUSES, Purpose.OVER]

    run_virtual(main())


def test_a_wish_to_come_later_is_kept() -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel(broken=Transient("teams", "too_many", retry_after=30 * MINUTE))
        async with running(world, board(world, channel)):
            await hold(world)
            await asyncio.sleep(29 * MINUTE)
            assert channel.attempts == 1

    run_virtual(main())


def test_a_slow_channel_holds_up_no_other() -> None:
    async def main() -> None:
        world, slow, quick = a_world(), FakeChannel("smtp", takes=50.0), FakeChannel("teams")
        async with running(world, board(world, slow, quick)):
            await hold(world)
            await asyncio.sleep(MINUTE + 5)
            assert (len(slow.letters), len(quick.letters)) == (0, 1)
            (notice,) = await world.ledger.notices.standing()
            assert notice.told_over == ("teams",), "a kill from now on makes this one repeat nothing"

    run_virtual(main())


def test_what_was_over_before_anybody_could_be_told_is_told_still() -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel(broken=Transient("smtp", "unreachable"))
        async with running(world, board(world, channel)):
            await hold(world)
            await asyncio.sleep(10 * MINUTE)
            await approve(world)
            await asyncio.sleep(30 * MINUTE)
            channel.broken = None
            await asyncio.sleep(HOUR)
            (said,) = channel.letters  # and not once more that it is over
            assert said.lines[0].startswith("Over meanwhile: Contoso (7)")
            assert await standing(world) == {}

    run_virtual(main())


def test_without_a_channel_notices_are_kept_for_who_looks() -> None:
    async def main() -> None:
        world = a_world()
        async with running(world, board(world)):
            await hold(world)
            await asyncio.sleep(2 * MINUTE)
            assert await standing(world) == {"held:7": None}
            await approve(world)
            await asyncio.sleep(8 * MINUTE)
            assert await standing(world) == {}

    run_virtual(main())


def test_letters_are_counted_by_channel_and_result() -> None:
    async def main() -> None:
        world, mail = a_world(), FakeChannel("smtp", broken=Transient("smtp", "unreachable"))
        metrics = Metrics(CollectorRegistry())
        async with running(world, board(world, mail, on_letter=counting_letters(metrics.worker))):
            await hold(world)
            await asyncio.sleep(1.5 * MINUTE)
            mail.broken = None
            await asyncio.sleep(5 * MINUTE)

            def count(result: str) -> float | None:
                labels = {"channel": "smtp", "result": result}
                return metrics.registry.get_sample_value("entra_syncro_notice_letters_total", labels)

            assert (count("failed"), count("sent")) == (1.0, 1.0)

    run_virtual(main())


@pytest.mark.parametrize("forgets", [False, True])
def test_a_dead_channel_keeps_no_living_one_from_what_is_its_own(forgets: bool) -> None:
    """Told once by the living one, over by the living one, whatever is restarted and whatever Memory loses."""

    async def main() -> None:
        world, mail, dead = a_world(), FakeChannel("smtp"), FakeChannel("teams", broken=Permanent("teams", "gone"))
        for turn in range(4):
            async with running(world, board(world, mail, dead)):
                if not turn:
                    await hold(world)
                await asyncio.sleep(20 * MINUTE)
            if forgets:
                world.memory = FakeMemory(world.clock)
        assert [letter.purpose for letter in mail.letters] == [Purpose.CAUSES]
        async with running(world, board(world, mail, dead)):
            await approve(world)
            await asyncio.sleep(10 * MINUTE)
            assert [letter.purpose for letter in mail.letters] == [Purpose.CAUSES, Purpose.OVER]
            assert await standing(world) == {}
            dead.broken = None
            await asyncio.sleep(3 * HOUR)
            assert dead.letters == [], "it ended before this one could tell anybody that it began"

    run_virtual(main())


def test_a_channel_that_failed_for_a_day_lets_it_be() -> None:
    async def main() -> None:
        world, mail, teams = a_world(), FakeChannel("smtp"), FakeChannel("teams", broken=Permanent("teams", "gone"))
        policy = replace(QUIET, still_held_after=timedelta(days=9))
        async with running(world, board(world, mail, teams, policy=policy)):
            await hold(world)
            await asyncio.sleep(25 * HOUR)
            tried, teams.broken = teams.attempts, None
            await asyncio.sleep(3 * HOUR)
            assert (teams.attempts, len(mail.letters)) == (tried, 1)

    run_virtual(main())


def test_a_channel_that_is_set_later_hears_what_is_new_alone() -> None:
    async def main() -> None:
        world, mail, teams = a_world(), FakeChannel("smtp"), FakeChannel("teams")
        now = world.clock.now()
        world.ledger.connections.held[8] = Connection(8, "C8", "t8", ConnectionStatus.APPROVED, now, now)
        async with running(world, board(world, mail)):
            await hold(world)
            await asyncio.sleep(10 * MINUTE)
        async with running(world, board(world, mail, teams)):
            await asyncio.sleep(10 * MINUTE)
            assert teams.letters == []
            await hold(world, 8)
            await asyncio.sleep(10 * MINUTE)
            (said,) = teams.letters
            assert [line.partition(":")[0] for line in said.lines] == ["C8 (8)"]
            await approve(world)
            await asyncio.sleep(10 * MINUTE)
            assert len(mail.of(Purpose.OVER)) == 1
            assert teams.of(Purpose.OVER) == [], "whoever reads it there never heard that it began"

    run_virtual(main())


def test_the_first_channel_ever_hears_what_stands() -> None:
    async def main() -> None:
        world, mail = a_world(), FakeChannel("smtp")
        async with running(world, board(world)):
            await hold(world)
            await asyncio.sleep(3 * MINUTE)
        async with running(world, board(world, mail)):
            await asyncio.sleep(3 * MINUTE)
        assert len(mail.letters) == 1

    run_virtual(main())


def test_a_lost_answer_counts_as_sent_and_is_remembered_as_unsure() -> None:
    async def main() -> None:
        world, ticket = a_world(), FakeChannel("ticket", broken=Ambiguous("ticket", "timed_out"))
        metrics = Metrics(CollectorRegistry())
        with capture_logs() as logs:
            async with running(world, board(world, ticket, on_letter=counting_letters(metrics.worker))):
                await hold(world)
                await asyncio.sleep(6 * HOUR)
        (notice,) = await world.ledger.notices.standing()
        assert (ticket.attempts, notice.told_over, notice.unsure_over) == (1, ("ticket",), ("ticket",))
        assert await world.memory.recall(channel_key("ticket")) == "?ticket:timed_out"
        assert [each["channel"] for each in logs if each["event"] == "notice_answer_lost"] == ["ticket"]
        labels = {"channel": "ticket", "result": "unsure"}
        assert metrics.registry.get_sample_value("entra_syncro_notice_letters_total", labels) == 1.0

    run_virtual(main())


def test_what_went_out_is_not_sent_again_while_the_ledger_takes_no_writes() -> None:
    """A full disk: what stands can be read, and who told it cannot be written down."""

    async def main() -> None:
        world, ticket = a_world(), FakeChannel("ticket")
        world.ledger.notices = StubbornNotices(world.ledger.switch)
        async with running(world, board(world, ticket)):
            await hold(world)
            await asyncio.sleep(HOUR)
            assert (ticket.attempts, await standing(world)) == (1, {"held:7": None})
            world.ledger.notices.is_full = False
            await asyncio.sleep(2 * MINUTE)
            (notice,) = await world.ledger.notices.standing()
            assert (ticket.attempts, notice.told_over) == (1, ("ticket",))

    run_virtual(main())


def test_who_leads_again_goes_by_the_ledger() -> None:
    """What it sent and could not note is forgotten: another worker has told it since, and its answer was not lost."""

    async def main() -> None:
        world, ticket = a_world(), FakeChannel("ticket", broken=Ambiguous("ticket", "timed_out"))
        world.ledger.notices = StubbornNotices(world.ledger.switch)
        async with running(world, board(world, ticket)):
            await hold(world)
            await asyncio.sleep(2 * MINUTE)
            world.leases.away = True
            await asyncio.sleep(6 * MINUTE)
            world.ledger.notices.is_full = False
            await world.ledger.notices.told("held:7", world.clock.now(), "ticket")
            world.leases.away = False
            await asyncio.sleep(5 * MINUTE)
            (notice,) = await world.ledger.notices.standing()
            assert (ticket.attempts, notice.told_over, notice.unsure_over) == (1, ("ticket",), ())

    run_virtual(main())


class StubbornNotices(FakeNotices):
    is_full = True

    async def told(self, key: str, at: datetime, channel: str, *, unsure: bool = False) -> None:
        if self.is_full:
            raise Transient("ledger", "unavailable")
        await super().told(key, at, channel, unsure=unsure)


# --- many at once, what comes and goes, what is said --------------------------------------------------------------


def test_140_customers_that_lose_their_consent_within_minutes_are_two_messages() -> None:
    """Each is found by its own poll, within ten minutes."""

    async def main() -> None:
        world, channel = a_world(), FakeChannel()
        now = world.clock.now()
        for number in range(100, 240):
            tied = Connection(number, f"C{number}", f"t{number}", ConnectionStatus.APPROVED, now, now)
            world.ledger.connections.held[number] = tied
        async with running(world, board(world, channel), well=False):
            for number in range(100, 240):
                at = world.clock.now()
                lost = Poll(f"t{number}", "link", at, 300.0, code="login:consent_missing", since=at)
                await world.ledger.polls.save(lost)
                await asyncio.sleep(600 / 140)
            await asyncio.sleep(15 * MINUTE)
        letters = channel.of(Purpose.CAUSES)
        assert len(letters) <= 3
        assert all(notice.told_at for notice in await world.ledger.notices.standing())

    run_virtual(main())


def test_a_cause_that_comes_and_goes_all_day_is_told_a_few_times() -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel()
        async with running(world, board(world, channel)):
            for _ in range(48):  # ten minutes refused, twenty minutes well
                await world.memory.remember(STOPPED_KEY, "token", ttl=HOUR)
                await asyncio.sleep(10 * MINUTE)
                await world.memory.remember(STOPPED_KEY, "", ttl=HOUR)
                await asyncio.sleep(20 * MINUTE)
        assert 2 <= len(channel.of(Purpose.CAUSES)) <= 4

    run_virtual(main())


def test_a_channel_that_comes_back_tells_nothing_that_may_be_over() -> None:
    """The second time within a day it takes 20 minutes until it is: till then nobody knows."""

    async def main() -> None:
        world, mail, teams = a_world(), FakeChannel("smtp"), FakeChannel("teams")
        async with running(world, board(world, mail, teams)):
            for failure in (None, Transient("teams", "unreachable")):
                teams.broken = failure
                await world.memory.remember(STOPPED_KEY, "token", ttl=HOUR)
                await asyncio.sleep(3 * MINUTE)
                await world.memory.remember(STOPPED_KEY, "", ttl=HOUR)
                await asyncio.sleep(9 * MINUTE)
            teams.broken = None
            await asyncio.sleep(8 * MINUTE)
            assert len(teams.of(Purpose.CAUSES)) == 1
            assert list(await standing(world)) == ["syncro:token"]
            await asyncio.sleep(8 * MINUTE)
            assert (len(mail.of(Purpose.OVER)), len(teams.of(Purpose.OVER))) == (2, 1)

    run_virtual(main())


def test_a_worker_that_is_restarted_all_the_time_tells_of_a_customer_that_falls_behind() -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel()
        for _ in range(5):
            async with running(world, board(world, channel), well=False):
                await asyncio.sleep(20 * MINUTE)
            world.clock.ahead += timedelta(minutes=2)
        assert [letter.lines[0].startswith("Contoso (7): Microsoft was not asked") for letter in channel.letters] == [
            True
        ]

    run_virtual(main())


@pytest.mark.parametrize("before", [PersonalData.NONE, PersonalData.NAMES])
def test_names_are_those_that_todays_policy_lets_a_message_have(before: PersonalData) -> None:
    """Whatever it was when the notice was opened; and nothing of them is kept."""

    async def main() -> None:
        world, mail, teams = a_world(), FakeChannel("smtp"), FakeChannel("teams", broken=Transient("teams", "x"))
        now = PersonalData.NONE if before is PersonalData.NAMES else PersonalData.NAMES
        async with running(world, board(world, mail, teams, policy=replace(QUIET, personal_data=before))):
            named = replace(a_hold(world), rows=(HeldRow("u1", "Anna Meier", 101, "d", ()),))
            await world.ledger.holds.open(named)
            await asyncio.sleep(2 * MINUTE)
        assert ("Anna" in mail.letters[0].text) is (before is PersonalData.NAMES)
        teams.broken = None
        async with running(world, board(world, mail, teams, policy=replace(QUIET, personal_data=now))):
            await asyncio.sleep(5 * MINUTE)
            assert ("Anna" in teams.letters[0].text) is (now is PersonalData.NAMES)
            assert "Anna" not in repr(await world.ledger.notices.standing())
            await approve(world)
            await asyncio.sleep(10 * MINUTE)
            assert "Anna" not in mail.of(Purpose.OVER)[0].text

    run_virtual(main())


def test_who_lists_reads_how_it_stands_now() -> None:
    async def main() -> None:
        world = a_world()
        async with running(world, board(world, FakeChannel())):
            await hold(world)
            await asyncio.sleep(2 * MINUTE)
            rows = (HeldRow("u1", "Anna Meier", 101, "d", ()),)
            newer = replace(a_hold(world), code="0ther", brakes={"clears": (40, 3)}, rows=rows)
            await world.ledger.holds.open(newer)
            await asyncio.sleep(2 * MINUTE)
            (notice,) = await world.ledger.notices.standing()
            assert "40 contacts" in notice.sentence
            assert "runs show 0ther" in notice.sentence

    run_virtual(main())


# --- restarts, two workers, outages ---------------------------------------------------------------------------


def test_two_workers_tell_once() -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel()
        policy = replace(QUIET, summary_at="01:00")  # in an hour
        async with running(world, *(board(world, channel, policy=policy) for _ in range(3))):
            await hold(world)
            await asyncio.sleep(3 * HOUR)
            assert len(channel.of(Purpose.CAUSES)) == 1
            assert len(channel.of(Purpose.SUMMARY)) == 1

    run_virtual(main())


class SlowNotices(FakeNotices):
    """Others get a turn between every two steps, as with a real ledger."""

    async def open(self, notice: Notice) -> bool:
        await asyncio.sleep(0.001)
        return await super().open(notice)

    async def standing(self) -> Sequence[Notice]:
        found = await super().standing()
        await asyncio.sleep(0.001)
        return found


def test_two_that_both_believe_to_lead_tell_once() -> None:
    """The key tells each of them that it leads, for as long as the world stands."""

    async def main() -> None:
        world, channel = a_world(), FakeChannel(takes=20.0)
        world.ledger.notices = SlowNotices(world.ledger.switch)
        both = []
        for _ in range(2):
            world.leases = FakeLeases(world.clock)
            both.append(board(world, channel, policy=replace(QUIET, summary_at="01:30")))
        async with running(world, *both):
            for number in range(7, 27):
                now = world.clock.now()
                tied = Connection(number, f"C{number}", "t7", ConnectionStatus.APPROVED, now, now)
                world.ledger.connections.held[number] = tied
                await hold(world, number)
                await asyncio.sleep(MINUTE)
            await asyncio.sleep(HOUR)
            letters = channel.of(Purpose.CAUSES)
            told = [line.partition(":")[0] for letter in letters for line in letter.lines]
            assert sorted(told) == sorted(f"C{number} ({number})" for number in range(7, 27))
            assert len(channel.of(Purpose.SUMMARY)) == 1

    run_virtual(main())


def test_a_restart_repeats_nothing_and_forgets_nothing() -> None:
    async def main() -> None:
        world, mail, teams = a_world(), FakeChannel("smtp"), FakeChannel("teams", broken=Transient("teams", "x"))
        async with running(world, board(world, mail, teams)):
            await hold(world)
            await asyncio.sleep(3 * MINUTE)
        teams.broken = None
        async with running(world, board(world, mail, teams)):
            await asyncio.sleep(10 * MINUTE)
        assert (len(mail.letters), len(teams.letters)) == (1, 1)

    run_virtual(main())


def test_killed_while_it_sends_the_next_one_sends() -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel(takes=30.0)
        await hold(world)
        async with running(world, board(world, channel)) as (task,):
            await asyncio.sleep(10)
            task.cancel()
        assert channel.letters == []
        async with running(world, board(world, channel)):
            await asyncio.sleep(10 * MINUTE)
        assert len(channel.letters) == 1

    run_virtual(main())


def test_a_ledger_that_is_away_opens_and_ends_nothing() -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel()
        service = board(world, channel)
        async with running(world, service, well=False):
            await world.ledger.polls.save(Poll("t7", "link", world.clock.now(), 300.0))
            await hold(world)
            await asyncio.sleep(2 * MINUTE)
            world.ledger.away = True
            await asyncio.sleep(5 * HOUR)
            assert service.ready()
            world.ledger.away = False
            await asyncio.sleep(50 * MINUTE)  # it has not been polled for long, but nobody could
            assert [letter.purpose for letter in channel.letters] == [Purpose.CAUSES]
        assert not service.ready()

    run_virtual(main())


def test_a_fault_of_ours_takes_no_process_down() -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel()
        async with running(world, board(world, channel)):
            real = world.ledger.holds.list
            world.ledger.holds.list = _broken  # type: ignore[method-assign]
            await asyncio.sleep(HOUR)
            world.ledger.holds.list = real  # type: ignore[method-assign]
            await hold(world)
            await asyncio.sleep(2 * MINUTE)
            assert len(channel.letters) == 1

    run_virtual(main())


async def _broken(**_: object) -> Sequence[Hold]:
    raise KeyError("a fault")


# --- the day's summary ----------------------------------------------------------------------------------------


def test_one_summary_a_day_at_its_hour_whatever_is_restarted() -> None:
    """The clock begins at 10:00 in Berlin and goes over the change of 29 March."""

    async def main() -> None:
        world, channel = a_world(), FakeChannel()
        world.clock.ahead = datetime.fromisoformat("2027-03-26T20:00:00+00:00") - world.clock.now()
        policy = NoticePolicy(zone="Europe/Berlin", summary_at="08:00")
        for _ in range(126):  # three days and a half, restarted every 40 minutes
            async with running(world, board(world, channel, policy=policy)):
                await asyncio.sleep(3 * MINUTE)
            world.clock.ahead += timedelta(minutes=37)
        letters = channel.of(Purpose.SUMMARY)
        assert [f"{letter.at:%m-%dT%H}" for letter in letters] == ["03-27T07", "03-28T06", "03-29T06", "03-30T06"]
        assert letters[0].subject == "entra-syncro: 2027-03-27: all is well"

    run_virtual(main())


def test_a_summary_that_could_not_be_sent_is_tried_again() -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel(broken=Transient("smtp", "unreachable"))
        policy = NoticePolicy(summary_at="02:00")
        async with running(world, board(world, channel, policy=policy)):
            await asyncio.sleep(3 * HOUR)
            assert channel.attempts > 2
            channel.broken = None
            await asyncio.sleep(2 * HOUR)
            assert len(channel.of(Purpose.SUMMARY)) == 1

    run_virtual(main())


def test_no_summary_by_a_channel_that_wants_none() -> None:
    async def main() -> None:
        world = a_world()
        ticket, mail = FakeChannel("ticket", purposes=frozenset({Purpose.CAUSES})), FakeChannel("smtp")
        async with running(world, board(world, ticket, mail, policy=NoticePolicy(summary_at="02:00"))):
            await hold(world)
            await asyncio.sleep(3 * HOUR)
            assert [letter.purpose for letter in ticket.letters] == [Purpose.CAUSES]
            (summary,) = mail.of(Purpose.SUMMARY)
            assert summary.subject.endswith("1 thing waits for a person")

    run_virtual(main())


def test_the_summary_counts_as_they_are_now() -> None:
    async def main() -> None:
        world, channel = a_world(), FakeChannel()
        async with running(world, board(world, channel, policy=NoticePolicy(summary_at="02:00"))):
            await hold(world)
            await asyncio.sleep(2 * MINUTE)
            now = world.clock.now()
            more = replace(a_hold(world), brakes={"clears": (40, 3)}, held_at=now)
            await world.ledger.holds.open(more)
            await asyncio.sleep(2 * HOUR)
            assert "40 contacts" in channel.of(Purpose.SUMMARY)[0].lines[0]
            assert len(channel.of(Purpose.CAUSES)) == 1

    run_virtual(main())
