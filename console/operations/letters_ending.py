"""Failed changes that a person takes out of the desk: their bytes saved to a file, or given up for good.

Nothing here reaches Syncro. What a replay has at the moment is left to it. Next: `console/operations/letters_plan.py`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from console.operations.actor import note
from console.operations.errors import wrong_use
from console.operations.letters import letter_of
from console.operations.ports import OperatorPorts
from shared.domain.letters import state_of


@dataclass(frozen=True, slots=True)
class Discarded:
    """`before`: letter id -> what it was already, for those that nobody could discard any more."""

    done: tuple[str, ...]
    before: Mapping[str, str] = field(default_factory=dict)


async def export_letter(ports: OperatorPorts, letter_id: str, file: Path) -> int:
    """The bytes as they lay in the queue, for this machine's user alone; gives how many. Never over a file."""
    letter = await letter_of(ports, letter_id)
    try:
        await asyncio.to_thread(_save, file, letter.body)
    except FileExistsError:
        raise wrong_use(f"{file} exists already and is left alone. Name another file.") from None
    except FileNotFoundError:
        raise wrong_use(f"The folder of {file} does not exist. Make it, or name another file.") from None
    return len(letter.body)


async def discard(ports: OperatorPorts, letter_ids: Sequence[str], *, why: str, by: str) -> Discarded:
    """Give failed changes up for good; a next change or full sync looks at their users anyway.

    Nothing is written to Syncro. Harmless when repeated.
    """
    if not why.strip():
        raise wrong_use("Say why, for those who look at it later: --why TEXT")
    found = [await letter_of(ports, letter_id) for letter_id in dict.fromkeys(letter_ids)]
    done: list[str] = []
    before: dict[str, str] = {}
    for letter in found:
        now = ports.clock.now()
        if await ports.dead_letters.settle(letter.letter_id, "discarded", now, by=by, why=why.strip()):
            done.append(letter.letter_id)
            await note(ports, by, "discard", letter=letter.letter_id, why=why.strip())
        else:
            before[letter.letter_id] = await _told_state(ports, letter.letter_id)
    return Discarded(tuple(done), before)


async def _told_state(ports: OperatorPorts, letter_id: str) -> str:
    letter = await letter_of(ports, letter_id)
    if letter.status == "claimed":
        return f"being tried again by replay {letter.replay_id}"
    return f"{state_of(letter)} already" + (f" by {letter.settled_by}" if letter.settled_by else "")


def _save(file: Path, body: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(body)
