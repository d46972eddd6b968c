"""Is it one change that fails, or Syncro as a whole? Pure bookkeeping over consecutive outcomes.

Failures across customers with no success in between stop the line for the account, so that an outage is waited out
instead of burning every hint's attempts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.domain.errors import Scope, StopTheLine, Transient
from shared.domain.outcome import Failed, Outcome, Synced

_FAILURES = 5  # in a row ...
_CUSTOMERS = 2  # ... and not all of one customer
# No connection, a 5xx, no answer in time, or somebody else's page in place of Syncro's. "Too many" stops by itself; a
# listing that keeps moving says only that people work.
_UNWELL = frozenset(
    {"unreachable", "connection_lost", "timed_out", "service_fault", "unreadable_answer", "creation_unanswered"}
)


@dataclass(slots=True)
class Weather:
    _failures: int = 0
    _customers: set[int] = field(default_factory=set)

    def judge(self, customer_id: int, outcome: Outcome) -> Outcome:
        """The outcome itself, or a stop of the account in its place."""
        if isinstance(outcome, Synced) and outcome.calls:
            self.clear()
        if not (isinstance(outcome, Failed) and _is_syncro_unwell(outcome)):
            return outcome
        self._failures += 1
        self._customers.add(customer_id)
        if self._failures < _FAILURES or len(self._customers) < _CUSTOMERS:
            return outcome
        return Failed(StopTheLine("syncro", "unwell", "failures across customers", scope=Scope.ACCOUNT))

    def clear(self) -> None:
        self._failures = 0
        self._customers.clear()


def _is_syncro_unwell(outcome: Failed) -> bool:
    error = outcome.error
    return isinstance(error, Transient) and error.service == "syncro" and error.code in _UNWELL
