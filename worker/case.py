"""One attempt at one user and customer: what is fixed for it, what it has cost. Next: `worker/customer.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from shared.domain.policy import SyncPolicy
from shared.domain.user import AnyUser
from worker.look import Cause
from worker.reported import Known


@dataclass(slots=True)
class Spent:
    """Syncro calls of one attempt so far."""

    calls: int = 0


@dataclass(frozen=True, slots=True)
class Case:
    """What is fixed for one attempt."""

    user: AnyUser
    customer_id: int
    cause: Cause
    read_at: datetime  # when the directory read of `user` began
    policy: SyncPolicy
    lacking: frozenset[str]  # custom fields that Syncro does not have
    today: date  # what a new "since" carries
    known: Known  # what reports say
    is_frozen: bool  # licences of known contacts wait
    spent: Spent
