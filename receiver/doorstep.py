"""Our own look at the public address, before the first creation and after every handshake that failed.

Its finding is said and never blocks: a network may not let us reach ourselves, and Microsoft's own handshake is the
judge. When that failed too, the finding tells exactly what is wrong. Next: `receiver/subscriptions.py`.
"""

from __future__ import annotations

import asyncio

import structlog

from receiver.addresses import Door
from shared.domain.door import DoorAnswer, DoorFault
from shared.domain.errors import SyncError
from shared.ports import Clock, DoorProbe

log = structlog.get_logger("registrar")
GOOD_FOR = 600.0  # seconds: creations of many tenants share one look
AGAIN = 30.0  # seconds, at least, between two looks
HANDSHAKE = "handshake_"  # how the codes of Microsoft's own failed handshake begin


class Doorstep:
    """One look at a time, whoever asks. A look takes at most 12 s."""

    def __init__(self, probe: DoorProbe, door: Door, clock: Clock) -> None:
        self._probe = probe
        self._door = door
        self._clock = clock
        self._lock = asyncio.Lock()
        self._looked_at = float("-inf")
        self._found = DoorAnswer(DoorFault.NONE)
        self._blind = False

    async def before_creating(self) -> None:
        await self._look(GOOD_FOR)

    async def failed(self, error: SyncError) -> None:
        """A creation failed: if by Microsoft's handshake, find out why."""
        if error.code.startswith(HANDSHAKE):
            await self._look(AGAIN)

    def created(self) -> None:
        """Microsoft came through. If we did not, we stand where our own look means nothing."""
        self._blind = self._found.fault is not DoorFault.NONE

    def code(self, error: SyncError) -> str:
        """ "service:code" of a failure: what we saw ourselves, where it says more than Microsoft's answer."""
        if error.code.startswith(HANDSHAKE) and not self._blind and self._found.fault is not DoorFault.NONE:
            return f"door:{self._found.fault.value}"
        return f"{error.service}:{error.code}"

    async def _look(self, good_for: float) -> None:
        async with self._lock:
            if self._clock.monotonic() - self._looked_at < good_for:
                return
            # Both: a proxy in front may know only one of the two paths.
            ends = await asyncio.gather(
                self._probe.knock(self._door.notifications), self._probe.knock(self._door.lifecycle)
            )
            self._looked_at = self._clock.monotonic()
            self._found = next((end for end in ends if end.fault is not DoorFault.NONE), ends[0])
            self._say()

    def _say(self) -> None:
        found = self._found
        say = log.info if found.fault is DoorFault.NONE else log.warning
        say("door_looked_at", fault=found.fault.value, status=found.status, seconds=round(found.seconds, 2))
