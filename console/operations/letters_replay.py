"""Trying failed changes again: begun by the code of a plan, followed, cancelled, and read back letter by letter.

The ledger hands a letter to one job at a time, so that two operators at once are safe: the second is told who has it.
A worker hands the letters over (`worker/replays.py`); what became of each user stands in the ledger afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from console.operations.actor import note
from console.operations.errors import held, wrong_use
from console.operations.letters import MANY, LetterWish
from console.operations.letters_plan import Selection, select
from console.operations.ports import OperatorPorts
from shared.domain.desk import LetterFilter, Replay, ReplayState
from shared.domain.letter_causes import said
from shared.domain.letter_ids import letter_id_of
from shared.domain.letters import CAP, Result, again, cut_off_of, has_ended, result_of, selection_code
from shared.domain.messages import UsersTouched
from shared.domain.records import DeadLetter
from shared.domain.watching import read_key

_NAMED = 3  # jobs that one sentence names


@dataclass(frozen=True, slots=True)
class BegunReplay:
    """`claimed`: letters that this job has, all of its plan. `known`: it had begun before."""

    replay: Replay
    claimed: int
    known: bool = False


@dataclass(frozen=True, slots=True)
class LetterResult:
    letter_id: str
    user_ids: tuple[str, ...]
    result: Result
    detail: str  # why it failed again or was not tried, "" where it was


@dataclass(frozen=True, slots=True)
class ShownReplay:
    """`results`: of the letters that no later job has taken since. `counts`: result -> letters."""

    replay: Replay
    results: tuple[LetterResult, ...]
    counts: Mapping[Result, int]

    @property
    def has_ended(self) -> bool:
        """Nothing more is to come: it was cancelled, or every letter has its result."""
        is_done = self.replay.state is ReplayState.DONE and all(map(has_ended, self.counts))
        return is_done or self.replay.state is ReplayState.CANCELLED


async def begin_replay(
    ports: OperatorPorts, wish: LetterWish, code: str, *, by: str, force: bool = False, why: str = ""
) -> BegunReplay:
    """Exactly what `code` stands for, or nothing. Given twice it is the same job."""
    code = code.strip().lower()
    until = cut_off_of(code)
    if until is None:
        raise wrong_use(f"{code!r} is no code of a plan. Get one: entra-syncro dead-letters replay --all")
    if force and not why.strip():
        raise wrong_use("Say why another try is worth it, for those who look at it later: --why TEXT")
    replay_id = sha256(code.encode()).hexdigest()[:12]
    known = await ports.replays.get(replay_id)
    if known is not None:
        return BegunReplay(known, known.total, known=True)
    selection = await select(ports, wish, until, force=force)
    if not selection.letters or selection_code(selection.letters, until) != code:
        raise held(await _changed(ports, selection))
    return await _begun(ports, selection, Replay(replay_id, by, code, len(selection.letters), ports.clock.now()), why)


async def _begun(ports: OperatorPorts, selection: Selection, replay: Replay, why: str) -> BegunReplay:
    claimed = await ports.replays.begin(replay, [letter.letter_id for letter in selection.letters])
    if not claimed:  # another selection with one of these letters came in between
        now = await select(ports, LetterWish(tuple(each.letter_id for each in selection.letters)), selection.until)
        raise held(await _changed(ports, now))
    await note(ports, replay.by, "replay", replay=replay.replay_id, letters=claimed, why=why.strip())
    return BegunReplay(await ports.replays.get(replay.replay_id) or replay, claimed)


async def _changed(ports: OperatorPorts, selection: Selection) -> str:
    """Why a code does not hold any more, and who has the letters."""
    held_by = Counter(each.replay_id for each in selection.taken if each.replay_id)
    sentences: list[str] = []
    for replay_id, letters in held_by.most_common(_NAMED):
        job = await ports.replays.get(replay_id)
        who = job.by if job is not None else "somebody"
        sentences.append(f"{letters} of these failed changes are being tried again by {who} (replay {replay_id}).")
    if not sentences:
        sentences.append("These failed changes are not the ones of the plan any more: some were settled since.")
    return " ".join([*sentences, "Nothing was begun. Look at the plan anew: the same command without --apply."])


async def replays(ports: OperatorPorts, limit: int = 20) -> Sequence[Replay]:
    """Newest first; what still runs is among them, however old."""
    found = {job.replay_id: job for job in (*await ports.replays.recent(limit), *await ports.replays.running())}
    return sorted(found.values(), key=lambda job: job.began_at, reverse=True)


async def replay_of(ports: OperatorPorts, replay_id: str) -> Replay:
    found = await ports.replays.get(replay_id)
    if found is None:
        raise wrong_use(f"There is no replay {replay_id}. List them: entra-syncro dead-letters replays")
    return found


async def show_replay(ports: OperatorPorts, replay_id: str) -> ShownReplay:
    """Read back from the ledger: what every letter came to."""
    replay = await replay_of(ports, replay_id)
    outcomes = dict(await ports.runs.outcomes(replay_id))
    mine = await ports.dead_letters.find(LetterFilter(status=None, replay_id=replay_id), limit=MANY)
    if replay.state is not ReplayState.RUNNING:
        outcomes |= await _answered(ports, replay, mine, outcomes)
    results = tuple([await _result(ports, replay, letter, outcomes) for letter in mine])
    counted = Counter(each.result for each in results)
    return ShownReplay(replay, results, {each: counted[each] for each in Result if counted[each]})


async def _answered(
    ports: OperatorPorts, replay: Replay, letters: Sequence[DeadLetter], outcomes: Mapping[str, str]
) -> Mapping[str, str]:
    """Users without an outcome whom a look for another reason brought in step since: theirs was not needed."""
    found: dict[str, str] = {}
    for letter in letters:
        if result_of(letter, outcomes) is Result.LOOKING:
            for user in letter.user_ids:
                read = await ports.memory.recall(read_key(letter.tenant_id or "", user))
                if user not in outcomes and read and datetime.fromisoformat(read) > replay.began_at:
                    found[user] = "covered"
    return found


async def cancel_replay(ports: OperatorPorts, replay_id: str, *, by: str) -> tuple[Replay, bool]:
    """What was not handed over is open again. False: it had ended already, and nothing was done."""
    await replay_of(ports, replay_id)
    is_cancelled = await ports.replays.finish(replay_id, ports.clock.now(), ReplayState.CANCELLED)
    if is_cancelled:
        await note(ports, by, "cancel-replay", replay=replay_id)
    return await replay_of(ports, replay_id), is_cancelled


def parked_sentence(count: int) -> str:
    verb = "was" if count == 1 else "were"
    return f"{count} {verb} tried again {CAP} times already and stay out: insist with --force --why TEXT."


async def _result(
    ports: OperatorPorts, replay: Replay, letter: DeadLetter, outcomes: Mapping[str, str]
) -> LetterResult:
    """A look is counted as failed a moment before its failed change is kept; until then it is under way."""
    failed = [user for user in letter.user_ids if outcomes.get(user) == "failed"]
    anew = {user: await _failed_anew(ports, replay, letter, user) for user in failed}
    told = dict(outcomes) | {user: "retrying" for user, found in anew.items() if found is None}
    result = result_of(letter, told, is_over=replay.state is ReplayState.DONE)
    reasons = [letter.why] if result in (Result.SKIPPED, Result.UNREADABLE) else []
    if result is Result.FAILED:
        causes = [each for each in anew.values() if each is not None] or [letter]
        reasons = [said(each) for each in causes if _is_since(each, replay)]
    return LetterResult(letter.letter_id, letter.user_ids, result, "; ".join(dict.fromkeys(reasons)))


async def _failed_anew(ports: OperatorPorts, replay: Replay, letter: DeadLetter, user: str) -> DeadLetter | None:
    """What this replay's look at that user left: the letter itself, or, of several users, one of the user's own."""
    work = again(letter, replay.replay_id, replay.began_at)
    if work is None or not isinstance(work[0], UsersTouched):
        return None
    letter_id = letter_id_of(work[0].model_copy(update={"user_ids": (user,)}))
    found = letter if letter_id == letter.letter_id else await ports.dead_letters.get(letter_id)
    return found if found is not None and _is_since(found, replay) else None


def _is_since(letter: DeadLetter, replay: Replay) -> bool:
    """By name, or by the clock where a worker of an older release kept it."""
    return letter.last_run == replay.replay_id or letter.last_seen > replay.began_at
