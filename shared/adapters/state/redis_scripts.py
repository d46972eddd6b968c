"""Lua scripts on Redis: what all of them share, above all what time it is.

The clock of the server decides, never that of a caller. Two things are guarded against. A question that Redis heard
long after its asker gave up (it lay in the socket of a frozen server) must not take what nobody will use: each script
is told until when it is wanted, by the server's own clock as its asker last saw it. The same comparison shows when the
server's clock jumped ahead. What a script does when it comes too late is its own business. Next: `redis_pace.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from redis import exceptions
from redis.asyncio import Redis

from shared.adapters.state.redis_connection import CALL_SECONDS, RedisLink
from shared.ports import Clock

SLACK_SECONDS = 0.2  # how far two clocks may drift apart between two questions
EPOCH = 1_750_000_000  # the server's time counts from here: a smaller number has more digits left for the fraction

_PRELUDE = f"""
-- ARGV[1]: the time to go by ('': the server's own); ARGV[2]: until when the answer is wanted ('': for ever)
local function server_time()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local time = redis.call('TIME')
  return tonumber(time[1]) - {EPOCH} + tonumber(time[2]) / 1000000
end
local now = server_time()
local late = ARGV[2] ~= '' and now > tonumber(ARGV[2])
local function exactly(number) return string.format('%.17g', number) end
"""


@dataclass(frozen=True, slots=True)
class Script:
    """One script; its own arguments begin at ARGV[3]. Its reply begins with the time it went by."""

    body: str
    text: str = field(init=False)
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _PRELUDE + self.body)
        digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", digest)


class ScriptDesk:
    """Runs the scripts of one user of Redis, who thereby has his own idea of the server's clock."""

    def __init__(self, link: RedisLink, clock: Clock, server_time: Callable[[], float] | None = None) -> None:
        """`server_time`: goes instead of the server's own clock; only tests, whose time is not real, give one."""
        self._link = link
        self._clock = clock
        self._server_time = server_time
        self._ahead: float | None = None  # the server's clock minus ours, at most

    async def run(
        self,
        script: Script,
        keys: Sequence[str],
        arguments: Sequence[str | float | int],
        *,
        tries: int = 1,
        within: float = CALL_SECONDS,
    ) -> list[str]:
        """Give the script's reply. Raises Transient: whether the script ran, or still will, is then unknown."""

        async def question(client: Redis) -> list[str]:
            asked_at = self._clock.monotonic()
            reply = await _evaluate(client, script, keys, [*self._times(asked_at), *map(_spelled, arguments)])
            self._ahead = float(reply[0]) - asked_at
            return reply

        return await self._link.ask(question, tries=tries, within=within)

    def _times(self, asked_at: float) -> tuple[str, str]:
        time = "" if self._server_time is None else repr(self._server_time())
        wanted_until = "" if self._ahead is None else repr(asked_at + self._ahead + CALL_SECONDS + SLACK_SECONDS)
        return time, wanted_until


def _spelled(argument: str | float) -> str:
    return argument if isinstance(argument, str) else repr(argument)


async def _evaluate(client: Redis, script: Script, keys: Sequence[str], arguments: Sequence[str]) -> list[str]:
    words: tuple[Any, ...] = (len(keys), *keys, *arguments)
    try:
        return cast("list[str]", await client.evalsha(script.sha, *words))
    except exceptions.NoScriptError:  # a server that was restarted; nothing has run yet
        return cast("list[str]", await client.eval(script.text, *words))
