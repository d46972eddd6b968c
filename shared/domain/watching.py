"""How a tenant is watched: its subscription, its delta polls, and how much of what changed was announced to us.

Values and their few sums; nothing here fetches. Who writes them: the registrar (`SubscriptionState`) and the polls
(`Poll`, `Coverage`). Next: `shared/domain/polling.py`, which decides when a tenant is polled again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Memory key: an aware ISO moment. Tenants whose last poll began earlier are polled at once (a 503 period ended).
POLL_WANTED_KEY = "polls:wanted"
# Memory key: an aware ISO moment. When whoever leads the polls last saw to it that everybody due is asked.
POLLS_ASKED_KEY = "polls:asked"


def poll_wanted_key(tenant_id: str) -> str:
    """The same for one tenant: its subscription was away for a while."""
    return f"{POLL_WANTED_KEY}:{tenant_id}"


def notified_key(tenant_id: str) -> str:
    """Memory key: when the newest notification of a tenant was noticed (an aware ISO moment)."""
    return f"notified:{tenant_id}"


def announced_key(tenant_id: str, user_id: str) -> str:
    """Memory key: when the newest notification about a user was noticed (an aware ISO moment)."""
    return f"announced:{tenant_id}:{user_id}"


def read_key(tenant_id: str, user_id: str) -> str:
    """Memory key: when the read of a user's last successful look began (an aware ISO moment, kept for a day)."""
    return f"read:{tenant_id}:{user_id}"


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """What the registrar last knew of one tenant's subscription.

    `code`: why there is no good one ("service:code" of the error, as in `shared/domain/cures.py`), "" when all is well.
    `since`: when it began to be so. `next_try_at`: when the registrar comes again, None when nothing is wrong.
    `short_by`: seconds by which Microsoft granted less than was asked, 0.0 when it granted what was asked.
    """

    tenant_id: str
    subscription_id: str | None
    expires_at: datetime | None
    code: str
    since: datetime
    next_try_at: datetime | None = None
    short_by: float = 0.0


@dataclass(frozen=True, slots=True)
class Poll:
    """Where the delta polls of one tenant stand.

    `link`: where the next round begins, None: none yet. `began_at`: when the last complete round began. `interval`:
    seconds to the next. `unjudged`: users whom a round found -> when the round before that had begun; whether a
    notification announced them is judged by the next round. `code`: why the last attempt failed ("service:code"), ""
    when it did not; `since`: since when.
    """

    tenant_id: str
    link: str | None
    began_at: datetime | None
    interval: float
    unjudged: Mapping[str, datetime] = field(default_factory=dict)
    code: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of `found` changes that delta polls found, `announced` had been told by a notification as well."""

    found: int
    announced: int

    @property
    def share(self) -> float | None:
        """0 to 1; None while nothing was found."""
        return self.announced / self.found if self.found else None


class PollPolicy(BaseModel):
    """How often a tenant's changes are asked for, whatever notifications say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shortest: Annotated[float, Field(gt=0)] = Field(
        120.0, description="Pause between two delta polls of a tenant whose notifications lag or fail, in seconds."
    )
    longest: Annotated[float, Field(gt=0)] = Field(
        600.0, description="Pause between two delta polls of a tenant whose notifications all arrive, in seconds."
    )
    without_door: Annotated[float, Field(gt=0)] = Field(
        300.0,
        description="Pause between two delta polls while there is no public address, in seconds; between "
        "polls.shortest and polls.longest.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> PollPolicy:
        if not self.shortest <= self.without_door <= self.longest:
            raise ValueError("without_door: must lie between polls.shortest and polls.longest")
        return self
