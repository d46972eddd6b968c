"""A failed change that is tried again and fails again: its letter is opened again, and no user is lost."""

from __future__ import annotations

import asyncio
from typing import Any

from shared.domain.desk import Replay
from shared.domain.errors import Permanent, Scope, StopTheLine
from shared.domain.letter_ids import replay_trace
from shared.domain.messages import Lane, Reason, UsersTouched
from shared.domain.policy import CoalescePolicy
from shared.domain.records import DeadLetter
from tests.support.clock import START
from tests.support.station import CUSTOMER, TENANT, Station, person
from tests.support.virtual_time import run_virtual
from worker.burial import Burial
from worker.parcels import pack
from worker.waiting import Ticket, WaitingRoom

REFUSED = Permanent("syncro", "invalid", "the phone is too long")


class NoDelivery:
    message: Any = None
    lane = Lane.BACKFILL

    async def ack(self) -> None: ...

    async def release(self) -> None: ...


async def fail(station: Station, message: UsersTouched, lane: Lane = Lane.LIVE) -> list[DeadLetter]:
    """Syncro refuses every user of the message; the ledger's letters afterwards."""
    station.world.contacts.failures["update"] = [REFUSED for _ in message.user_ids]
    stop, burial = asyncio.Event(), Burial(station.ports)
    async with station.working(lane), asyncio.TaskGroup() as group:
        group.create_task(burial.run(stop), name=burial.name)
        await station.send(message, lane)
        await asyncio.sleep(60.0)
        stop.set()
    return list(station.world.ledger.dead_letters.held.values())


def replay_of(station: Station, letter: DeadLetter, job: str) -> UsersTouched:
    hint = station.hint(*letter.user_ids, reason=Reason.REPLAY)
    return hint.model_copy(update={"trace_id": replay_trace(job, letter.letter_id, users=len(letter.user_ids))})


def test_replay_that_fails_again_opens_the_same_letter_again() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person("u1"), 101)
        (letter,) = await fail(station, station.hint("u1"))
        replays = station.world.ledger.replays
        for tries in (1, 2):
            job = f"job-{tries}"
            assert await replays.begin(Replay(job, "kim", "c", 1, START), [letter.letter_id]) == 1
            await replays.advance(job, letter.letter_id, "replayed", station.world.clock.now())
            (again,) = await fail(station, replay_of(station, letter, job), Lane.BACKFILL)
            assert (again.letter_id, again.status, again.replays) == (letter.letter_id, "open", tries)
            assert again.last_seen > letter.last_seen

    run_virtual(main())


def test_letter_that_failed_before_its_handing_over_was_recorded_is_open() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person("u1"), 101)
        (letter,) = await fail(station, station.hint("u1"))
        replays = station.world.ledger.replays
        await replays.begin(Replay("job", "kim", "c", 1, START), [letter.letter_id])
        await fail(station, replay_of(station, letter, "job"))
        await replays.advance("job", letter.letter_id, "replayed", station.world.clock.now())
        (again,) = station.world.ledger.dead_letters.held.values()
        assert (again.status, again.replays) == ("open", 1)

    run_virtual(main())


def test_users_of_one_letter_that_fail_again_have_an_open_letter_each() -> None:
    async def main() -> None:
        station = Station()
        for number in (1, 2):
            station.linked(person(f"u{number}"), 100 + number)
        worn_out = DeadLetter(
            "ab" * 16, b"", Lane.LIVE, TENANT, ("u1", "u2"), "delivery_limit", "", 15, START, START, "replayed"
        )
        station.world.ledger.dead_letters.held[worn_out.letter_id] = worn_out
        for job in ("job-1", "job-2"):
            found = await fail(station, replay_of(station, worn_out, job))
            assert sorted(each.user_ids for each in found if each.status == "open") == [("u1",), ("u2",)]
            assert len(found) == 3

    run_virtual(main())


def test_replay_whose_look_only_leaves_a_full_sync_owed_is_held_and_not_failed() -> None:
    """Without consent nothing is buried, so nobody would ever learn why it "failed again"."""

    async def main() -> None:
        station = Station()
        station.linked(person("u1"), 101)
        (letter,) = await fail(station, station.hint("u1"))
        station.world.directory.failures = [StopTheLine("login", "consent_revoked", scope=Scope.TENANT)]
        replay = replay_of(station, letter, "job").model_copy(update={"run_id": "job"})
        await fail(station, replay, Lane.BACKFILL)
        assert dict(await station.ports.runs.outcomes("job")) == {"u1": "held"}
        assert [each.last_seen for each in station.world.ledger.dead_letters.held.values()] == [letter.last_seen]
        assert [mark.customer_id for mark in await station.ports.owed.owed()] == [CUSTOMER]

    run_virtual(main())


def test_replays_of_different_letters_never_share_a_parcel() -> None:
    async def main() -> None:
        station, room = Station(), WaitingRoom(CoalescePolicy())
        for user in ("u1", "u2", "u3"):
            letter = DeadLetter(user, b"", Lane.LIVE, TENANT, (user,), "invalid", "", 1, START, START, "replayed")
            room.add(Ticket(NoDelivery(), replay_of(station, letter, "job"), START), user, 0.0, START)
        parcels = pack(room.everybody(), Lane.BACKFILL, now=0.0, wall=START, first_window=2.0)
        assert sorted((parcel.message.trace_id, parcel.message.user_ids) for parcel in parcels) == [
            (f"job:{user}", (user,)) for user in ("u1", "u2", "u3")
        ]

    run_virtual(main())
