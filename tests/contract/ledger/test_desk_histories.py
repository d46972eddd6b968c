"""Failed changes and replays through random histories: no failure is lost, and the fake does as the ledger does."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.ledger import Ledger, open_ledger
from shared.domain.desk import Replay, ReplayState
from shared.domain.records import DeadLetter
from tests.support.clock import START
from tests.support.fake_ledger import FakeLedger
from tests.support.ledger import a_letter

LETTERS, JOBS = ("a", "b"), ("j1", "j2")
Step = tuple[str, str, str]
_EXAMPLES = count(1)

STEPS = st.one_of(
    st.tuples(st.just("fail"), st.sampled_from(LETTERS), st.just("")),
    st.tuples(st.just("begin"), st.just("ab"), st.sampled_from(JOBS)),
    st.tuples(st.just("begin"), st.sampled_from(LETTERS), st.sampled_from(JOBS)),
    st.tuples(st.sampled_from(["replayed", "parked", "discarded"]), st.sampled_from(LETTERS), st.sampled_from(JOBS)),
    st.tuples(st.sampled_from(["done", "cancelled"]), st.just(""), st.sampled_from(JOBS)),
    st.tuples(
        st.sampled_from(["settle:discarded", "settle:parked", "settle:open"]), st.sampled_from(LETTERS), st.just("")
    ),
)


async def act(desk: Ledger | FakeLedger, step: Step, at: datetime, of: str) -> int | bool | None:
    """One step, and what it answered; ids are those of this history (`of`) alone."""
    what, about, job = step
    letter_id, replay_id = f"{of}{about}", f"{of}{job}"
    match what:
        case "fail":
            await desk.dead_letters.record(a_letter(letter_id, last_seen=at))
        case "begin":
            wanted = [f"{of}{each}" for each in about]
            return await desk.replays.begin(Replay(replay_id, "kim", "c0de", len(wanted), START), wanted)
        case "replayed" | "parked" | "discarded":
            await desk.replays.advance(replay_id, letter_id, what, at)
        case "done" | "cancelled":
            await desk.replays.finish(replay_id, at, ReplayState(what))
        case _:
            return await desk.dead_letters.settle(letter_id, what.partition(":")[2], at, by="lee", why="because")
    return None


async def standing(desk: Ledger | FakeLedger, of: str) -> object:
    letters = [await desk.dead_letters.get(f"{of}{each}") for each in LETTERS]
    jobs = [await desk.replays.get(f"{of}{each}") for each in JOBS]
    left = [[letter.letter_id for letter in await desk.replays.claimed(f"{of}{each}", 9)] for each in JOBS]
    return letters, jobs, left


@given(st.lists(STEPS, max_size=25))
@settings(max_examples=30)
def test_fake_and_ledger_tell_the_same_after_every_history(steps: list[Step]) -> None:
    async def main() -> None:
        fake, of = FakeLedger(), f"{next(_EXAMPLES)}-"
        async with open_ledger("embedded::memory:") as ledger:
            for number, step in enumerate(steps):
                at = START + timedelta(minutes=number)
                assert await act(ledger, step, at, of) == await act(fake, step, at, of)
                assert await standing(ledger, of) == await standing(fake, of)

    asyncio.run(main())


@given(st.lists(STEPS, max_size=60))
def test_failure_after_a_letter_was_last_handed_over_is_never_taken_for_one_that_was_tried_again(
    steps: list[Step],
) -> None:
    """Whoever hands over and whoever buries tell it in any order: what failed last must be seen by somebody."""

    async def main() -> None:
        fake = FakeLedger()
        claimed_at: dict[tuple[str, str], datetime] = {}
        for number, step in enumerate(steps):
            at = START + timedelta(minutes=number)
            await act(fake, step, at, "")
            for letter in fake.dead_letters.held.values():
                if letter.status == "claimed":
                    claimed_at.setdefault((letter.replay_id, letter.letter_id), letter.last_seen)
                if letter.status == "replayed":
                    assert letter.last_seen <= claimed_at[letter.replay_id, letter.letter_id]
            assert all(_is_accounted_for(fake, letter) for letter in fake.dead_letters.held.values())
        for job in fake.replays.held.values():
            assert job.handed_over + job.skipped <= job.total

    asyncio.run(main())


def _is_accounted_for(fake: FakeLedger, letter: DeadLetter) -> bool:
    """A claimed letter has a job that will hand it over or give it back."""
    key = (letter.replay_id, letter.letter_id)
    return letter.status != "claimed" or (key in fake.replays.places and key not in fake.replays.ends)


def test_histories_reach_a_letter_that_failed_while_a_job_had_it() -> None:
    """The histories above are worth something: this is one of them, told in full."""

    async def main() -> None:
        async with open_ledger("embedded::memory:") as ledger:
            story = [("fail", "a", ""), ("begin", "a", "j1"), ("fail", "a", ""), ("replayed", "a", "j1")]
            for number, step in enumerate(story):
                await act(ledger, step, START + timedelta(minutes=number), "")
            found = await ledger.dead_letters.get("a")
            assert found is not None
            assert (found.status, found.replays) == ("open", 1)

    asyncio.run(main())
