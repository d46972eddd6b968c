"""Microsoft for a month: subscriptions that expire, limits that are enforced and counted, faults, and token challenges.

In memory, on the loop's (virtual) time. Whatever breaks a limit, leaves a tenant without a living subscription or lets
a token run out is written down: the tests and `tests/bench/month.py` read it. Limits are those of Microsoft's page on
throttling (subscriptions: per 20 s; users/delta: resource units per 10 s and 20 s).
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

from shared.domain.errors import Ambiguous, Permanent, Transient
from shared.domain.messages import LifecycleEvent, SubscriptionTouched
from shared.ports import AlreadyExists, ChangedUsers, Clock, Subscription, SubscriptionWish

Answer = TypeVar("Answer")
LONGEST_LIFE = timedelta(minutes=41_760)
LIMITS = {  # kind -> (seconds, over all tenants, of one tenant)
    "write": (20.0, 2000, 500),
    "get": (20.0, 2000, 500),
    "list": (20.0, 40, 25),
    "delta": (10.0, 75_000, 3500),
}


@dataclass(frozen=True)
class Weather:
    """Chances of one call, and how long a token lives after each creation and renewal (seconds)."""

    fault: float = 0.004
    throttled: float = 0.002
    lost_answer: float = 0.002
    wrongly_gone: float = 0.001
    bursts: int = 60  # times that one tenant fails for ten minutes
    token: tuple[float, float] = (3600.0, 5400.0)


@dataclass
class _One:
    shown: Subscription
    token_until: datetime
    patched_at: datetime | None = None


@dataclass
class StrictGraph:
    """SubscriptionReads, SubscriptionWrites and UserChanges. `darkness`: (tenant, from, until) without a living one."""

    clock: Clock
    random: Random
    weather: Weather = field(default_factory=Weather)
    calls: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    over_limit: Counter[str] = field(default_factory=Counter)
    busiest: dict[str, int] = field(default_factory=dict)  # kind -> most calls of all tenants in its window
    darkness: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    mute: list[tuple[str, float]] = field(default_factory=list)  # (tenant, seconds after its token's end)
    hasty: list[str] = field(default_factory=list)
    twins: int = 0  # creations beside a living one: bridges

    def __post_init__(self) -> None:
        self._living: dict[str, dict[str, _One]] = defaultdict(dict)
        self._windows: dict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._dark_since: dict[str, datetime] = {}
        self._failing: dict[str, float] = {}  # tenant -> monotonic end of its burst
        self._made = 0

    # --- what only a test may do ------------------------------------------------------------------------------------

    def expect(self, tenant_id: str) -> None:
        """From now on this tenant ought to have one."""
        self._dark_since.setdefault(tenant_id, self.clock.now())

    def fail_for(self, tenant_id: str, seconds: float) -> None:
        self._failing[tenant_id] = self.clock.monotonic() + seconds

    def lose(self, tenant_id: str) -> None:
        """Somebody deletes what is there."""
        for each in list(self._alive(tenant_id).values()):
            self._end(tenant_id, each, self.clock.now())

    def living(self, tenant_id: str) -> list[Subscription]:
        return [each.shown for each in self._alive(tenant_id).values()]

    def close(self) -> None:
        """The month is over: what is dark or mute now counts as well."""
        for tenant_id in list(self._living):
            for each in self._alive(tenant_id).values():
                self._note_token(tenant_id, each)
        for tenant_id, since in self._dark_since.items():
            self.darkness.append((tenant_id, since, self.clock.now()))

    def challenges(self) -> list[SubscriptionTouched]:
        """reauthorizationRequired for every token that ends within 45 minutes. Ask every 15 minutes."""
        now = self.clock.now()
        return [
            SubscriptionTouched(
                tenant_id=tenant_id,
                subscription_id=each.shown.id,
                event=LifecycleEvent.REAUTHORIZATION_REQUIRED,
                noticed_at=now,
                trace_id="challenge",
            )
            for tenant_id in list(self._living)
            for each in self._alive(tenant_id).values()
            if each.token_until - now < timedelta(minutes=45)
        ]

    # --- subscriptions ----------------------------------------------------------------------------------------------

    async def get(self, tenant_id: str, subscription_id: str) -> Subscription | None:
        await self._called("get", "get", tenant_id)
        if self._chance(self.weather.wrongly_gone):
            return self._said("wrong 404", None)
        found = self._found(tenant_id, subscription_id)
        return None if found is None else found.shown

    async def list(self, tenant_id: str) -> Sequence[Subscription]:
        await self._called("list", "list", tenant_id)
        return self.living(tenant_id)

    async def create(self, tenant_id: str, wish: SubscriptionWish) -> Subscription | AlreadyExists:
        await self._called("create", "write", tenant_id)
        living = self._alive(tenant_id)
        if wish.change_type in living:
            return self._said("409", AlreadyExists(living[wish.change_type].shown.id))
        self.twins += bool(living)
        self._made += 1
        now = self.clock.now()
        shown = Subscription(
            f"sub-{self._made}",
            wish.resource,
            wish.change_type,
            wish.notification_url,
            wish.lifecycle_url,
            self._granted(wish.expires_at),
        )
        living[wish.change_type] = _One(shown, now + self._token())
        if tenant_id in self._dark_since:
            self.darkness.append((tenant_id, self._dark_since.pop(tenant_id), now))
        self._maybe_lost()
        return shown

    async def renew(self, tenant_id: str, subscription_id: str, expires_at: datetime) -> Subscription | None:
        await self._called("renew", "write", tenant_id)
        found = self._found(tenant_id, subscription_id)
        if found is None or self._chance(self.weather.wrongly_gone):
            return self._said("404", None)
        now = self.clock.now()
        if found.patched_at is not None and now - found.patched_at < timedelta(minutes=10):
            self.hasty.append(subscription_id)
        self._note_token(tenant_id, found)
        found.patched_at, found.token_until = now, now + self._token()
        found.shown = replace(found.shown, expires_at=self._granted(expires_at))
        self._maybe_lost()
        return found.shown

    async def delete(self, tenant_id: str, subscription_id: str) -> None:
        await self._called("delete", "write", tenant_id)
        found = self._found(tenant_id, subscription_id)
        if found is not None:
            self._end(tenant_id, found, self.clock.now())

    # --- delta ------------------------------------------------------------------------------------------------------

    async def now(self, tenant_id: str) -> str:
        await self._called("delta", "delta", tenant_id)
        return "0"

    async def since(self, tenant_id: str, link: str) -> ChangedUsers:
        await self._called("delta", "delta", tenant_id)
        return ChangedUsers((), str(int(link) + 1), 1)

    # --- inside -----------------------------------------------------------------------------------------------------

    async def _called(self, verb: str, kind: str, tenant_id: str) -> None:
        self.calls[verb] += 1
        self._within_limits(kind, tenant_id)
        await asyncio.sleep(self.random.uniform(0.05, 0.4))
        if self._failing.get(tenant_id, 0.0) > self.clock.monotonic() or self._chance(self.weather.fault):
            self.answers["503"] += 1
            raise Transient("graph", "service_fault")
        if self._chance(self.weather.throttled):
            self.answers["429"] += 1
            raise Transient("graph", "throttled", retry_after=self.random.uniform(1.0, 30.0))

    def _within_limits(self, kind: str, tenant_id: str) -> None:
        seconds, of_all, of_one = LIMITS[kind]
        now = self.clock.monotonic()
        for scope, most in (("", of_all), (tenant_id, of_one)):
            window = self._windows[kind, scope]
            while window and window[0] <= now - seconds:
                window.popleft()
            window.append(now)
            if not scope:
                self.busiest[kind] = max(self.busiest.get(kind, 0), len(window))
            if len(window) > most:
                self.over_limit[kind] += 1
                raise Transient("graph", "throttled", retry_after=seconds)

    def _alive(self, tenant_id: str) -> dict[str, _One]:
        living, now = self._living[tenant_id], self.clock.now()
        for each in [one for one in living.values() if one.shown.expires_at <= now]:
            self._end(tenant_id, each, each.shown.expires_at)
        return living

    def _end(self, tenant_id: str, one: _One, at: datetime) -> None:
        self._note_token(tenant_id, one, at)
        del self._living[tenant_id][one.shown.change_type]
        if not self._living[tenant_id]:
            self._dark_since[tenant_id] = at

    def _found(self, tenant_id: str, subscription_id: str) -> _One | None:
        return next((each for each in self._alive(tenant_id).values() if each.shown.id == subscription_id), None)

    def _note_token(self, tenant_id: str, one: _One, at: datetime | None = None) -> None:
        late = ((at or self.clock.now()) - one.token_until).total_seconds()
        if late > 0:
            self.mute.append((tenant_id, late))

    def _granted(self, wished: datetime) -> datetime:
        if wished - self.clock.now() > LONGEST_LIFE:
            raise Permanent("graph", "expiration_too_far")
        return wished

    def _token(self) -> timedelta:
        return timedelta(seconds=self.random.uniform(*self.weather.token))

    def _maybe_lost(self) -> None:
        if self._chance(self.weather.lost_answer):
            self.answers["lost"] += 1
            raise Ambiguous("graph", "connection_lost")

    def _chance(self, share: float) -> bool:
        return self.random.random() < share

    def _said(self, what: str, answer: Answer) -> Answer:
        self.answers[what] += 1
        return answer
