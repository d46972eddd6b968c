"""The one pace of all calls to Syncro, on Redis: the Pace port of many machines.

`shared/domain/pace.py` in Lua, line by line, on the server's clock; a differential test holds the two together. Waiting
and spending are `allowance.py`. No Redis, no grant. The record reads as "burst spent" when it is missing, when another
run of the server wrote it (a restart or a failover may bring back an old one) and when the server's clock jumped.
A question is put once: if its answer was lost, what it granted counts as spent. Next: `redis_leases.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from string import Template

from shared.adapters.state.allowance import Held, LinedPace
from shared.adapters.state.redis_connection import RedisLink
from shared.adapters.state.redis_scripts import Script, ScriptDesk
from shared.domain.messages import Lane
from shared.domain.pace import (
    HAIR,
    MAX_SLOT_AGE,
    SLOW_FACTOR,
    SLOW_SECONDS,
    Claim,
    PaceRule,
    Slots,
)
from shared.ports import Clock

_RECORD = Template("""
local MAX_SLOT_AGE, SLOW_FACTOR, SLOW_SECONDS, HAIR = $max_slot_age, $slow_factor, $slow_seconds, $hair
local per_minute, backfill_per_minute, burst = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local FIELDS = {'shared_tat', 'shared_refunded', 'backfill_tat', 'backfill_refunded', 'born', 'slow_until'}

local function interval(pace) return (60 + MAX_SLOT_AGE) / pace end

local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')

local function save(record)
  local words = {'run', run}
  for _, name in ipairs(FIELDS) do
    words[#words + 1] = name
    words[#words + 1] = record[name] and exactly(record[name]) or ''
  end
  redis.call('HSET', KEYS[1], unpack(words))
end

local function stored()
  local values = redis.call('HMGET', KEYS[1], 'run', unpack(FIELDS))
  if late or values[1] ~= run then return nil end
  local record = {}
  for index, name in ipairs(FIELDS) do
    record[name] = tonumber(values[index + 1] or '')
    if not record[name] and name ~= 'slow_until' then return nil end
  end
  return record
end

-- The record, and whether it had to be made anew.
local function known()
  local spent = burst * interval(per_minute)
  local record = stored()
  if record and record.born <= now and record.shared_tat - now <= 4 * spent then return record, false end
  return {
    shared_tat = now + spent, shared_refunded = 0,
    backfill_tat = now + burst / 2 * interval(backfill_per_minute), backfill_refunded = 0,
    born = now,
  }, true
end
""").substitute(
    max_slot_age=repr(MAX_SLOT_AGE), slow_factor=repr(SLOW_FACTOR), slow_seconds=repr(SLOW_SECONDS), hair=repr(HAIR)
)

_RESERVE = Script(
    _RECORD
    + """
local calls, is_backfill = tonumber(ARGV[6]), ARGV[7] == 'backfill'
local record, is_new = known()

local function cost(pace)
  local slow = record.slow_until and now < record.slow_until
  return interval(pace) * (slow and SLOW_FACTOR or 1)
end
local function fitting(limit) return math.max(1, math.min(calls, math.floor(limit.ahead / limit.cost + HAIR))) end
local function wait(tat, limit, fit) return math.max(tat, now) + fit * limit.cost - limit.ahead - now end

local shared = {cost = cost(per_minute)}
shared.ahead = math.max(shared.cost, (is_backfill and 0.5 or 1) * burst * interval(per_minute))
local fit = fitting(shared)
local backfill
if is_backfill then
  backfill = {cost = cost(backfill_per_minute)}
  backfill.ahead = math.max(backfill.cost, burst / 2 * interval(backfill_per_minute))
  fit = math.min(fit, fitting(backfill))
end

local seconds = wait(record.shared_tat, shared, fit)
if backfill then seconds = math.max(seconds, wait(record.backfill_tat, backfill, fit)) end
if not backfill then seconds = math.max(seconds, 0) end
if seconds > HAIR then
  if is_new then save(record) end
  return {exactly(now), 'wait', exactly(seconds)}
end

local reply = {exactly(now), 'granted', tostring(fit)}
local function claim(tat, refunded, limit)
  local e = math.max(record[tat], now) + fit * limit.cost
  record[tat] = e
  for _, number in ipairs({e, limit.cost, record[refunded]}) do table.insert(reply, exactly(number)) end
end
claim('shared_tat', 'shared_refunded', shared)
if backfill then claim('backfill_tat', 'backfill_refunded', backfill) end
save(record)
return reply
"""
)

_GIVE_BACK = Script(
    _RECORD
    + """
local granted_at, unspent = tonumber(ARGV[6]), tonumber(ARGV[7])
local record = known()

local function refund(tat, refunded, first)
  if not ARGV[first] then return end
  local claimed, cost, refunded_then = tonumber(ARGV[first]), tonumber(ARGV[first + 1]), tonumber(ARGV[first + 2])
  local e = claimed - (record[refunded] - refunded_then)
  local amount = math.max(0, math.min(e - now, unspent * cost))
  record[tat], record[refunded] = record[tat] - amount, record[refunded] + amount
end
if granted_at >= record.born then
  refund('shared_tat', 'shared_refunded', 8)
  refund('backfill_tat', 'backfill_refunded', 11)
end
save(record)
return {exactly(now)}
"""
)

_SLOW_DOWN = Script(
    _RECORD
    + """
local record = known()
record.slow_until = now + SLOW_SECONDS
save(record)
return {exactly(now)}
"""
)


class RedisPace(LinedPace):
    """Satisfies `shared.ports.Pace`."""

    def __init__(
        self,
        link: RedisLink,
        clock: Clock,
        rule: PaceRule,
        *,
        key: str,
        poll: float,
        server_time: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(clock, poll=poll)
        self._desk = ScriptDesk(link, clock, server_time)
        self._keys = [key]
        self._rule = (rule.per_minute, rule.backfill_per_minute, rule.burst)

    async def _ask(self, calls: int, lane: Lane) -> Held | float:
        asked_at = self._clock.monotonic()
        decision = await self.decide(calls, lane)
        return Held(decision, since=asked_at) if isinstance(decision, Slots) else decision

    async def decide(self, calls: int, lane: Lane) -> Slots | float:
        """One question to the record, as `shared.domain.pace.reserve`: slots, or the seconds to wait."""
        reply = await self._desk.run(_RESERVE, self._keys, [*self._rule, calls, lane.value])
        granted_at, verdict, number, *claims = reply
        if verdict == "wait":
            return float(number)
        backfill = _claim(claims[3:]) if claims[3:] else None
        return Slots(int(number), float(granted_at), _claim(claims[:3]), backfill)

    async def _give_back(self, slots: Slots, unspent: int) -> None:
        claims = [slots.shared, *([slots.backfill] if slots.backfill else [])]
        numbers = [number for claim in claims for number in astuple(claim)]
        await self._desk.run(_GIVE_BACK, self._keys, [*self._rule, slots.granted_at, unspent, *numbers])

    async def _slow_down(self) -> None:
        await self._desk.run(_SLOW_DOWN, self._keys, self._rule, tries=2)


def _claim(numbers: list[str]) -> Claim:
    end, cost, refunded = map(float, numbers)
    return Claim(end, cost, refunded)
