"""One holder per key over all machines, on Redis: the Leases port.

A key holds its owner's token (`SET NX PX`) and ends by itself; only who shows the token releases it or takes it again,
so a question whose answer was lost is put once more. Asking, waiting and knowing one's end are `holding.py`. Those who
wait stand in a sorted set, live ones first, and beside it their last sign of life. A lease orders the work, it fences
nothing: a wiped Redis or a clock that jumped may give a key to two (docs/decisions/0002). Next: `redis_memory.py`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from shared.adapters.state.holding import WAITER_TTL, PolledLeases, Request
from shared.adapters.state.redis_connection import CALL_SECONDS, SERVICE, RedisLink
from shared.adapters.state.redis_scripts import Script, ScriptDesk
from shared.domain.errors import Transient
from shared.ports import Clock

TRIES = 2
AFTERTHOUGHT_SECONDS = 0.2  # for the release after a question that failed: both together stay below 1.5 s

# A place in line is the microsecond of arrival; backfill comes after every live one. Both stay below 2^53.
_TAKE = Script("""
local lease, line, signs = KEYS[1], KEYS[2], KEYS[3]
local token, ttl, lane, will_wait, waiter_ttl = ARGV[3], ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7])

if late then return {exactly(now), 'late'} end
if redis.call('GET', lease) == token then -- the answer to our first question was lost
  redis.call('PEXPIRE', lease, ttl)
  return {exactly(now), 'ours'}
end

-- The silent, and those from a future that cannot be (the clock was set back).
local function drop(from, to)
  local gone = redis.call('ZRANGEBYSCORE', signs, from, to)
  if #gone > 0 then
    redis.call('ZREM', signs, unpack(gone))
    redis.call('ZREM', line, unpack(gone))
  end
end
drop('-inf', exactly(now))
drop('(' .. exactly(now + waiter_ttl), '+inf')

local place = redis.call('ZSCORE', line, token)
place = place and tonumber(place) or math.floor(now * 1000000) + (lane == 'backfill' and 4e15 or 0)
local first = redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')
local outranked = first[1] and first[1] ~= token and tonumber(first[2]) <= place

if not outranked and redis.call('SET', lease, token, 'NX', 'PX', ttl) then
  redis.call('ZREM', line, token)
  redis.call('ZREM', signs, token)
  return {exactly(now), 'ours'}
end
if will_wait == 'yes' then
  redis.call('ZADD', line, exactly(place), token)
  redis.call('ZADD', signs, exactly(now + waiter_ttl), token)
  for _, key in ipairs({line, signs}) do redis.call('PEXPIRE', key, math.ceil(waiter_ttl * 2000)) end
end
return {exactly(now), 'taken'}
""")

_FORGET = Script("""
if redis.call('GET', KEYS[1]) == ARGV[3] then redis.call('DEL', KEYS[1]) end
redis.call('ZREM', KEYS[2], ARGV[3])
redis.call('ZREM', KEYS[3], ARGV[3])
return {exactly(now)}
""")


class RedisLeases(PolledLeases):
    """Satisfies `shared.ports.Leases`."""

    def __init__(
        self,
        link: RedisLink,
        clock: Clock,
        *,
        prefix: str,
        poll: float,
        server_time: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(clock, poll=poll)
        self._desk = ScriptDesk(link, clock, server_time)
        self._prefix = prefix
        self._in_doubt: set[str] = set()  # tokens whose question failed: Redis is hardly there to hear the release

    async def _take(self, request: Request, *, will_wait: bool) -> bool:
        # Never cut in the middle: a question that Redis has yet to hear would be heard after the release.
        question = asyncio.create_task(self._ask(request, will_wait), name="state:lease")
        try:
            return await asyncio.shield(question)
        except Transient:
            self._in_doubt.add(request.token)
            raise
        except asyncio.CancelledError:
            await asyncio.wait({question}, timeout=CALL_SECONDS)
            if question.done() and not question.cancelled():
                question.exception()  # seen; who was cancelled does not care
            raise

    async def _ask(self, request: Request, will_wait: bool) -> bool:
        for _ in range(TRIES):
            verdict = await self._take_once(request, will_wait)
            if verdict != "late":
                return verdict == "ours"
        raise Transient(SERVICE, "timeout", "Redis heard every question too late", counted=False)

    async def _take_once(self, request: Request, will_wait: bool) -> str:
        ttl = math.ceil(request.ttl * 1000)
        wish: list[str | float] = [request.token, ttl, request.lane.value, "yes" if will_wait else "no", WAITER_TTL]
        return (await self._desk.run(_TAKE, self._keys(request), wish, tries=TRIES))[1]

    async def _forget(self, request: Request) -> None:
        within = AFTERTHOUGHT_SECONDS if request.token in self._in_doubt else CALL_SECONDS
        self._in_doubt.discard(request.token)
        await self._desk.run(_FORGET, self._keys(request), [request.token], tries=TRIES, within=within)

    def _keys(self, request: Request) -> list[str]:
        # One hash tag, so that the three lie together where Redis is a cluster.
        return [f"{self._prefix}:{kind}:{{{request.key}}}" for kind in ("lease", "line", "signs")]
