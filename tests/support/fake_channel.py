"""A channel that keeps what it is given, and refuses while a test says so."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from shared.domain.errors import SyncError
from shared.domain.notice_letters import NoticeLetter, Purpose


@dataclass
class FakeChannel:
    """`broken` is raised instead of taking a letter; `attempts` counts those too. `takes`: seconds for a letter."""

    name: str = "smtp"
    broken: SyncError | None = None
    takes: float = 0.0
    purposes: frozenset[Purpose] = frozenset(Purpose)
    letters: list[NoticeLetter] = field(default_factory=list)
    attempts: int = 0

    def wants(self, purpose: Purpose) -> bool:
        return purpose in self.purposes

    async def send(self, letter: NoticeLetter) -> None:
        self.attempts += 1
        if self.takes:
            await asyncio.sleep(self.takes)
        if self.broken is not None:
            raise self.broken
        self.letters.append(letter)

    def of(self, purpose: Purpose) -> list[NoticeLetter]:
        return [letter for letter in self.letters if letter.purpose is purpose]
