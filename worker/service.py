"""Everything the worker runs, as a list of services for the supervisor: the only way in for the wiring."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from shared.domain.messages import Lane
from worker.burial import Burial
from worker.consumer import Consumer
from worker.figures import Figures
from worker.notices import NoticeBoard
from worker.owed import OwedPasses
from worker.parts import WorkerPorts, WorkerSettings
from worker.polls import DeltaPolls
from worker.replays import LetterReplays
from worker.schedule import Schedule


class WorkerService(Protocol):
    """What the supervisor asks of a service (`shared.runtime.supervisor.Service`), by shape alone."""

    @property
    def name(self) -> str: ...

    def ready(self) -> bool: ...

    async def run(self, stop: asyncio.Event) -> None: ...


def build(ports: WorkerPorts, settings: WorkerSettings) -> Sequence[WorkerService]:
    """In the order in which they are to be started."""
    return (
        Burial(ports),
        Consumer(ports, settings, Lane.LIVE),
        Consumer(ports, settings, Lane.BACKFILL),
        OwedPasses(ports, settings),
        Schedule(ports, settings),
        DeltaPolls(ports, settings),
        LetterReplays(ports, settings),
        Figures(ports, settings),
        NoticeBoard(ports, settings),
    )
