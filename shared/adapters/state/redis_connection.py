"""The way to Redis: short timeouts, no resending behind our back, and every failure a Transient.

In: an address and one question. Out: its answer within `CALL_SECONDS`, or Transient("state", ...). The client library
never retries (it would resend a script whose answer was lost); who knows that his question may be asked twice says so.
Trouble of the server is nobody's failure (`counted=False`); only an answer that a change of ours must have caused
counts. No address and no answer is ever repeated in an error or a log. Next: `redis_scripts.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from shared.domain.errors import Permanent, Transient

SERVICE = "state"
CALL_SECONDS = 1.0  # for all that one call may need: a place in the pool, a connection, the answer
SOCKET_SECONDS = 0.5
CONNECT_SECONDS = 0.5
POOL_SECONDS = 0.3
POOL_SIZE = 16
HEALTH_CHECK_SECONDS = 15

# Answers of a server that is healthy again later, by the first word of its error.
_PASSING = frozenset({"LOADING", "BUSY", "READONLY", "OOM", "MASTERDOWN", "MISCONF", "NOREPLICAS", "TRYAGAIN"})
_DENIED = frozenset({"NOAUTH", "WRONGPASS", "NOPERM"})

Answer = TypeVar("Answer")
log = structlog.get_logger(__name__)


class RedisLink:
    """One client for one process. Opening it connects nothing: a Redis that is away is noticed by the first call."""

    def __init__(self, url: str) -> None:
        """Raises Permanent for an address that cannot be read."""
        self._pool = _pool(url)
        self._client: Redis = Redis(connection_pool=self._pool)
        self._is_away = False

    async def close(self) -> None:
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._client.aclose()
                await self._pool.disconnect()
        except (exceptions.RedisError, OSError, TimeoutError) as error:
            log.warning("state.close_failed", error=type(error).__name__)

    async def ask(
        self, question: Callable[[Redis], Awaitable[Answer]], *, tries: int = 1, within: float = CALL_SECONDS
    ) -> Answer:
        """Put the question, `within` seconds at most in all.

        `tries` above 1 only for questions that do no harm when Redis heard them before. Raises Transient: whether
        Redis heard the question is then unknown.
        """
        try:
            async with asyncio.timeout(within):
                answer = await self._put(question, tries)
        except (exceptions.RedisError, OSError, TimeoutError) as error:
            trouble = _as_transient(error)
            self._note(trouble.code)
            raise trouble from None
        self._note(None)
        return answer

    async def _put(self, question: Callable[[Redis], Awaitable[Answer]], tries: int) -> Answer:
        for _ in range(tries - 1):
            try:
                return await question(self._client)
            except (exceptions.ConnectionError, exceptions.TimeoutError, OSError):
                continue  # the connection is closed by now; the next try opens another
        return await question(self._client)

    def _note(self, trouble: str | None) -> None:
        """One line in the log when Redis goes away and one when it is back."""
        if (trouble is not None) == self._is_away:
            return
        self._is_away = trouble is not None
        if trouble is None:
            log.info("state.reachable")
        else:
            log.warning("state.unreachable", code=trouble)


def _pool(url: str) -> BlockingConnectionPool:
    try:
        return BlockingConnectionPool.from_url(
            url,
            max_connections=POOL_SIZE,
            timeout=POOL_SECONDS,
            socket_timeout=SOCKET_SECONDS,
            socket_connect_timeout=CONNECT_SECONDS,
            health_check_interval=HEALTH_CHECK_SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            decode_responses=True,
        )
    except (ValueError, TypeError):
        raise Permanent(SERVICE, "unreadable_url", "the address of Redis cannot be read") from None


def _as_transient(error: Exception) -> Transient:
    first_word = str(error).partition(" ")[0]
    if isinstance(error, exceptions.AuthenticationError | exceptions.NoPermissionError) or first_word in _DENIED:
        return Transient(SERVICE, "denied", "Redis refused our user, password or a command", counted=False)
    if isinstance(error, TimeoutError | exceptions.TimeoutError):
        return Transient(SERVICE, "timeout", "Redis did not answer in time", counted=False)
    if isinstance(error, exceptions.BusyLoadingError | exceptions.ReadOnlyError | exceptions.OutOfMemoryError):
        return Transient(SERVICE, "not_now", "Redis serves no writes now", counted=False)
    if isinstance(error, exceptions.ConnectionError | OSError):
        return Transient(SERVICE, "unreachable", "Redis cannot be reached", counted=False)
    if first_word in _PASSING:
        return Transient(SERVICE, "not_now", "Redis serves no writes now", counted=False)
    return Transient(SERVICE, "refused", "Redis refused a command")
