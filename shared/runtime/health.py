"""Which services of this process can do their work right now: one answer per service, one for the process.

The supervisor registers every service; `/readyz` shows the report. A service's answer depends on what that service
itself needs (the receiver's on its broker alone), so a broken vendor never takes the public door out of rotation.
No error text passes through here, only the closed set of `State`. Next: `shared/runtime/supervisor.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum


class State(StrEnum):
    READY = "ready"
    NOT_READY = "not ready"
    CRASHED = "crashed"
    STOPPING = "stopping"


class Health:
    """The readiness of every service by name. A name that was never watched is unknown (None)."""

    def __init__(self) -> None:
        self._checks: dict[str, Callable[[], bool]] = {}
        self._crashed: set[str] = set()
        self._stopping = False

    def watch(self, name: str, ready: Callable[[], bool]) -> None:
        """`ready` is asked at every report: it must be quick and never raise."""
        self._checks[name] = ready

    def crashed(self, name: str) -> None:
        self._crashed.add(name)

    def running(self, name: str) -> None:
        self._crashed.discard(name)

    def stop(self) -> None:
        """From now on nothing is ready: load balancers stop sending before the door is closed."""
        self._stopping = True

    def state(self, name: str) -> State | None:
        check = self._checks.get(name)
        if check is None:
            return None
        if self._stopping:
            return State.STOPPING
        if name in self._crashed:
            return State.CRASHED
        return State.READY if check() else State.NOT_READY

    def report(self) -> Mapping[str, State]:
        return {name: state for name in self._checks if (state := self.state(name)) is not None}

    def ready(self) -> bool:
        """Every service is ready. A process without services is not."""
        states = self.report().values()
        return bool(states) and all(state is State.READY for state in states)
