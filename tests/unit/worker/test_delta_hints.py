"""What a look makes of a delta poll's hint: Entra alone while it says what it said, a full look in every other case.

And what is remembered of notifications, by which the next poll judges whether a change had been announced.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

from shared.domain.errors import Transient
from shared.domain.messages import Lane, Reason, UsersTouched
from shared.domain.user import Missing, SoftDeleted
from shared.domain.watching import announced_key, notified_key
from tests.support.station import CUSTOMER, TENANT, Station, person
from tests.support.virtual_time import run_virtual
from worker.announced import Announced
from worker.look import cause_of
from worker.sync import Sync

QUIET = 100.0  # seconds after which every window and confirm is over


def found(station: Station, *user_ids: str, noticed_at: datetime | None = None) -> UsersTouched:
    """As a delta poll hands it over."""
    return station.hint(*user_ids or ("u1",), reason=Reason.DELTA, noticed_at=noticed_at)


async def looked_at(station: Station, message: UsersTouched, seconds: float = QUIET) -> int:
    """Hint, wait, and count the calls to Syncro since."""
    before = len(station.world.contacts.calls)
    await station.send(message)
    await asyncio.sleep(seconds)
    return len(station.world.contacts.calls) - before


# --- Entra alone, or a full look --------------------------------------------------------------------------------


def test_an_announced_change_costs_no_call_to_syncro_when_the_poll_finds_it() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        async with station.working():
            await looked_at(station, station.hint("u1"))
            reads = len(station.world.directory.reads_of("u1"))
            assert await looked_at(station, found(station)) == 0
            assert len(station.world.directory.reads_of("u1")) == reads + 2  # and its confirm
        assert station.outcomes()[-1] == "covered"

    run_virtual(main())


def test_a_change_that_nobody_announced_is_written() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        async with station.working():
            await looked_at(station, station.hint("u1"))
            station.hire(person(city="Basel"))
            await looked_at(station, found(station))
        assert station.world.contacts.held[1].city == "Basel"

    run_virtual(main())


def test_a_user_who_was_never_looked_at_gets_a_full_look() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        async with station.working():
            assert await looked_at(station, found(station)) > 0
        assert station.world.contacts.held[1].name == "Person u1"

    run_virtual(main())


def test_a_user_whose_last_look_was_forgotten_gets_a_full_look() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        async with station.working():
            await looked_at(station, station.hint("u1"))
            station.world.memory.wipe()
            assert await looked_at(station, found(station)) > 0

    run_virtual(main())


def test_a_user_whose_last_look_failed_gets_a_full_look_though_entra_is_back_at_what_it_was() -> None:
    """One customer had the change written, the other not; then somebody took it back in Entra."""

    async def main() -> None:
        station = Station()
        station.connect(8)
        station.linked(person(city="Bern"), 1)
        station.linked(person(city="Bern"), 2, customer_id=8)
        async with station.working():
            await looked_at(station, station.hint("u1"))
            station.hire(person(city="Basel"))
            station.world.contacts.failures["get"] = []
            station.world.contacts.on_call["update"] = lambda: station.world.contacts.failures.update(
                get=[Transient("syncro", "busy") for _ in range(9)]
            )
            await looked_at(station, station.hint("u1"), 5)
            cities = {station.world.contacts.held[number].city for number in (1, 2)}
            assert cities == {"Bern", "Basel"}
            station.world.contacts.on_call.clear()
            station.world.contacts.failures.clear()
            station.hire(person(city="Bern"))
            station.world.broker._stored.clear()  # as if its retry were not due for hours
            await looked_at(station, found(station))
        assert {station.world.contacts.held[number].city for number in (1, 2)} == {"Bern"}

    run_virtual(main())


def test_a_worker_that_dies_right_after_a_write_leaves_no_user_called_unchanged() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(city="Bern"), 1)
        sync = Sync(station.ports, station.settings, Lane.LIVE)
        await station.sync_users(sync, found(station))
        station.hire(person(city="Basel"))
        cause = cause_of("u1", [found(station)], station.world.clock.now())
        await sync.look(cause, await sync.read(TENANT, ["u1"]))  # and it dies before this look is remembered
        assert station.world.contacts.held[1].city == "Basel"
        station.hire(person(city="Bern"))
        await station.sync_users(sync, found(station))
        assert station.world.contacts.held[1].city == "Bern"

    run_virtual(main())


def confirms(station: Station) -> list[UsersTouched]:
    published = [each.message for each in station.world.broker.published]
    return [each for each in published if isinstance(each, UsersTouched) and each.confirm]


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_poll_that_is_ahead_of_what_entra_serves_is_confirmed_a_minute_later(forgotten: bool) -> None:
    """It does not tell of the change again, and nobody else does: after a look at Entra alone, and after a full one."""

    async def main() -> None:
        station = Station()
        station.linked(person(city="Bern"), 1)
        async with station.working():
            await looked_at(station, station.hint("u1"))
            if forgotten:
                station.world.memory.wipe()
            await looked_at(station, found(station), 10)
            station.hire(person(city="Basel"))
            await looked_at(station, found(station, "u2"), 70)
        assert station.world.contacts.held[1].city == "Basel"
        entry = (await station.world.ledger.journal.entries(customer_id=CUSTOMER))[0]
        assert (entry.cause, entry.noticed_at) == (Reason.DELTA, None)  # Entra's delay is none of ours

    run_virtual(main())


def test_a_confirm_of_a_poll_asks_entra_alone_and_has_none_of_its_own() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        async with station.working():
            await looked_at(station, station.hint("u1"))
            reads = len(station.world.directory.reads_of("u1"))
            for _ in range(3):
                await looked_at(station, found(station), 15)
            assert await looked_at(station, found(station, "u2"), 3600) == 0
            assert len(station.world.directory.reads_of("u1")) == reads + 3 + 1
        assert [each.reason for each in confirms(station) if each.user_ids == ("u1",)] == [Reason.DELTA]

    run_virtual(main())


def test_a_look_of_a_poll_that_wrote_something_is_not_confirmed() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        async with station.working():
            await looked_at(station, found(station))
        assert not confirms(station)

    run_virtual(main())


def test_a_poll_s_hint_that_failed_is_tried_until_it_is_written() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        async with station.working():
            await looked_at(station, station.hint("u1"))
            station.hire(person(city="Basel"))
            station.world.contacts.failures["get"] = [Transient("syncro", "busy") for _ in range(2)]
            await looked_at(station, found(station))
        assert station.world.contacts.held[1].city == "Basel"
        retried = [each.message for each in station.world.broker.published if each.delay in (10.0, 60.0)]
        assert [m.reason for m in retried if isinstance(m, UsersTouched) and m.attempt] == [Reason.DELTA] * 2

    run_virtual(main())


@pytest.mark.parametrize("gone", [Missing("u1"), SoftDeleted("u1", datetime.fromisoformat("2026-11-24T08:00:00Z"))])
def test_who_is_gone_is_looked_at_in_full(gone: Missing | SoftDeleted) -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        async with station.working():
            await looked_at(station, station.hint("u1"))
            station.world.directory.put(TENANT, gone)
            await looked_at(station, found(station), 4 * 3600)
        properties = station.world.contacts.held[1].properties or {}
        assert properties["azure_account_status"].startswith("Deleted since")

    run_virtual(main())


# --- together with notifications --------------------------------------------------------------------------------


@pytest.mark.parametrize("poll_first", [True, False])
def test_a_poll_and_a_notification_are_one_full_look_as_late_as_the_earlier_of_them(poll_first: bool) -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        async with station.working():
            await looked_at(station, station.hint("u1"))
            station.hire(person(city="Basel"))
            hints = [found(station), station.hint("u1", noticed_at=station.world.clock.now() + timedelta(seconds=0.5))]
            earliest = station.world.clock.now()
            if not poll_first:
                earliest = earliest - timedelta(seconds=0.5)
                hints = [station.hint("u1", noticed_at=earliest), found(station)]
            reads = len(station.world.directory.reads_of("u1"))
            for hint in hints:
                await station.send(hint)
            await asyncio.sleep(10)
            assert len(station.world.directory.reads_of("u1")) == reads + 1
        entry = (await station.world.ledger.journal.entries(customer_id=CUSTOMER))[0]
        assert (entry.cause, entry.noticed_at) == (Reason.NOTIFICATION, earliest)

    run_virtual(main())


def test_a_notification_is_not_swallowed_by_a_poll_that_found_nothing_new() -> None:
    """A notification asks Syncro as well: somebody may have changed the contact there."""

    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        async with station.working():
            await looked_at(station, station.hint("u1"))
            before = station.world.contacts.count("get")
            await station.send(found(station))
            await station.send(station.hint("u1"))
            await asyncio.sleep(10)
            assert station.world.contacts.count("get") == before + 1

    run_virtual(main())


@pytest.mark.parametrize(("seconds", "answered"), [(0.5, False), (1.5, True)])
def test_a_look_answers_a_poll_only_when_it_began_a_second_after_the_pages_were_here(
    seconds: float, answered: bool
) -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        async with station.working():
            await looked_at(station, station.hint("u1"))
            (read_at,) = station.world.directory.reads_of("u1")[:1]
            began = station.world.clock.now() - timedelta(seconds=station.world.clock.monotonic() - read_at)
            reads = len(station.world.directory.reads_of("u1"))
            await looked_at(station, found(station, noticed_at=began - timedelta(seconds=seconds)))
            assert (len(station.world.directory.reads_of("u1")) == reads) is answered

    run_virtual(main())


def test_a_hint_that_waited_in_the_broker_counts_from_when_it_was_noticed() -> None:
    """Else a storm looks fresher the longer it lasts."""

    async def main() -> None:
        station = Station()
        users = [f"u{number}" for number in range(400)]
        for number, user_id in enumerate(users, 1):
            station.linked(person(user_id), number)
        noticed = station.world.clock.now()
        async with station.working(Lane.LIVE, Lane.BACKFILL):
            for start in range(0, 400, 100):
                await station.send(station.hint(*users[start : start + 100]))
            await asyncio.sleep(3600)
        entries = await station.world.ledger.journal.entries(customer_id=CUSTOMER, limit=1000)
        assert len(entries) == 400
        assert {entry.noticed_at for entry in entries} == {noticed}
        assert max(look.age for look in station.looks) >= 30  # some of them did wait

    run_virtual(main())


# --- what is remembered of notifications ------------------------------------------------------------------------


async def kept(station: Station, key: str) -> datetime | None:
    text = await station.world.memory.recall(key)
    return datetime.fromisoformat(text) if text else None


def test_a_notification_is_remembered_with_its_users_and_its_tenant() -> None:
    async def main() -> None:
        station = Station()
        noticed = station.world.clock.now()
        async with station.working():
            await station.send(station.hint("u1", "u2"))
            await asyncio.sleep(10)
            for key in (announced_key(TENANT, "u1"), announced_key(TENANT, "u2"), notified_key(TENANT)):
                assert await kept(station, key) == noticed
            await asyncio.sleep(3600)
            assert await kept(station, announced_key(TENANT, "u1")) is None
            assert await kept(station, notified_key(TENANT)) == noticed

    run_virtual(main())


def test_a_notification_that_needed_no_look_counts_as_well() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        async with station.working():
            await looked_at(station, station.hint("u1"))
            late = station.world.clock.now() - timedelta(seconds=QUIET - 1)
            station.world.memory.values.pop(announced_key(TENANT, "u1"))
            station.world.memory.values["read:tenant-a:u1"] = (station.world.clock.now().isoformat(), 1e9)
        async with station.working():
            assert await looked_at(station, station.hint("u1", noticed_at=late), 5) == 0
            assert await kept(station, announced_key(TENANT, "u1")) == late

    run_virtual(main())


@pytest.mark.parametrize(
    ("reason", "confirm", "attempt"),
    [
        (Reason.DELTA, False, 0),
        (Reason.DELTA, True, 0),
        (Reason.NOTIFICATION, True, 0),
        (Reason.NOTIFICATION, False, 1),
        (Reason.MANUAL, False, 0),
        (Reason.REPLAY, False, 0),
        (Reason.RECONCILE, False, 0),
    ],
)
def test_nothing_but_a_notification_announces(reason: Reason, confirm: bool, attempt: int) -> None:
    async def main() -> None:
        station = Station()
        async with station.working():
            await station.send(station.hint("u1", reason=reason, confirm=confirm, attempt=attempt))
            await asyncio.sleep(5)
        assert not [key for key in station.world.memory.values if key.startswith(("announced", "notified"))]

    run_virtual(main())


def test_a_hint_that_was_parked_announces_nothing_new() -> None:
    """It is dated ahead: a change would seem announced that came after the notification."""

    async def main() -> None:
        station = Station()
        async with station.working():
            noticed = station.world.clock.now()
            await station.send(station.hint("u1"))
            await asyncio.sleep(30)
            parked = station.hint("u1").model_copy(update={"first_noticed_at": noticed})
            await station.send(parked)
            await asyncio.sleep(5)
            assert await kept(station, announced_key(TENANT, "u1")) == noticed

    run_virtual(main())


def slowly(station: Station, seconds: float) -> None:
    """Every note of a notification takes so long."""
    remember = station.world.memory.remember

    async def slow(key: str, value: str, *, ttl: float) -> None:
        if key.startswith(("announced", "notified")):
            await asyncio.sleep(seconds)
        await remember(key, value, ttl=ttl)

    station.world.memory.remember = slow  # type: ignore[method-assign]  # as over a network


def test_nobody_waits_for_notes_about_ten_thousand_users_of_another_tenant() -> None:
    async def main() -> None:
        station = Station()
        slowly(station, 0.01)
        station.connect(8, "tenant-b")
        station.linked(person("quiet"), 9999, customer_id=8, tenant_id="tenant-b")
        async with station.working():
            for number in range(100):
                await station.send(station.hint(*[f"x{number}-{each}" for each in range(100)]))
            await station.send(station.hint("quiet", tenant_id="tenant-b"))
            await asyncio.sleep(5)  # the notes take 100 s
            assert station.world.contacts.held[9999].name == "Person quiet"

    run_virtual(main())


def test_notes_that_are_too_many_are_dropped_and_said_and_the_rest_is_kept_at_the_end() -> None:
    async def main() -> None:
        memory = Station().world.memory
        announced = Announced(memory)
        hints = [Station().hint(f"u{number}", tenant_id=f"t{number}") for number in range(600)]
        for hint in hints:
            announced.note(hint)
        with capture_logs() as logs:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(announced.serve())
                await announced.drain(2.0)
                task.cancel()
        assert [each["messages"] for each in logs if each["event"] == "announcements_dropped"] == [100]
        assert sum(key.startswith("announced") for key in memory.values) == 500

    run_virtual(main())


def test_the_end_of_a_shift_waits_a_moment_for_notes_and_no_longer() -> None:
    async def main() -> None:
        for takes, kept_at_the_end in ((0.5, True), (60.0, False)):
            station = Station()
            slowly(station, takes)
            async with station.working():
                await station.send(station.hint("u1"))
                await asyncio.sleep(0.1)
                ended = station.world.clock.monotonic()
            assert station.world.clock.monotonic() - ended < 10
            assert (await kept(station, announced_key(TENANT, "u1")) is not None) is kept_at_the_end

    run_virtual(main())


def test_a_storm_about_one_user_is_not_written_down_each_time() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        written: list[str] = []
        remember = station.world.memory.remember

        async def noting(key: str, value: str, *, ttl: float) -> None:
            written.append(key)
            await remember(key, value, ttl=ttl)

        station.world.memory.remember = noting  # type: ignore[method-assign]  # counts
        async with station.working():
            for _ in range(600):
                await station.send(station.hint("u1"))
                await asyncio.sleep(0.1)
            newest = await kept(station, announced_key(TENANT, "u1"))
        assert 2 <= written.count(announced_key(TENANT, "u1")) <= 4
        assert newest is not None
        assert station.world.clock.now() - newest < timedelta(seconds=25)

    run_virtual(main())


def test_without_memory_of_notifications_looks_go_on() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        remember = station.world.memory.remember

        async def failing(key: str, value: str, *, ttl: float) -> None:
            if key.startswith(("announced", "notified")):
                raise Transient("state", "unreachable", counted=False)
            await remember(key, value, ttl=ttl)

        station.world.memory.remember = failing  # type: ignore[method-assign]  # away for these alone
        async with station.working():
            await looked_at(station, station.hint("u1"))
        assert station.world.contacts.held[1].name == "Person u1"

    run_virtual(main())
