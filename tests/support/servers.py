"""Fixtures over the private servers of `sandbox/servers`: started when first asked for, one of each per test process.

Tests share a server and stay apart by `fresh_url()` (RabbitMQ: a virtual host, PostgreSQL: a database). Redis is
emptied before each test. A test may kill or freeze the server that it was given: the next one gets it healed. A
RabbitMQ that has served many tests starts slowly after a kill (39 quorum queues per virtual host: 4 s alone, 19 s with
30 others), so `a_new_broker` is there for tests that kill it, and nobody gets an old one. A server that is not
installed fails the test, it never skips it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from sandbox.servers import PostgresServer, RabbitServer, RedisServer, Server, ServerError

Kind = TypeVar("Kind", bound=Server)
OLD = 25  # tests that a RabbitMQ has served


@contextmanager
def _for_the_session(kind: type[Kind]) -> Iterator[Kind]:
    try:
        server = kind()
        server.__enter__()
    except ServerError as error:
        pytest.fail(str(error), pytrace=False)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def _for_the_test(server: Kind) -> Iterator[Kind]:
    server.heal()
    try:
        yield server
    finally:
        server.thaw()


@dataclass
class Brokers:
    """One RabbitMQ after the other."""

    _stack: ExitStack = field(default_factory=ExitStack)
    _server: RabbitServer | None = None
    _served: int = 0

    def one(self, *, new: bool) -> RabbitServer:
        if self._server is None or self._served >= OLD or (new and self._served):
            self.close()
            self._server, self._served = self._stack.enter_context(_for_the_session(RabbitServer)), 0
        self._served += 1
        return self._server

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="session")
def session_rabbit() -> Iterator[Brokers]:
    brokers = Brokers()
    yield brokers
    brokers.close()


@pytest.fixture(scope="session")
def session_redis() -> Iterator[RedisServer]:
    with _for_the_session(RedisServer) as server:
        yield server


@pytest.fixture(scope="session")
def session_postgres() -> Iterator[PostgresServer]:
    with _for_the_session(PostgresServer) as server:
        yield server


@pytest.fixture
def a_new_broker() -> None:
    """Named beside `rabbit_server` by a test that kills it: its start then takes seconds."""


@pytest.fixture
def rabbit_server(request: pytest.FixtureRequest, session_rabbit: Brokers) -> Iterator[RabbitServer]:
    with _for_the_test(session_rabbit.one(new="a_new_broker" in request.fixturenames)) as server:
        yield server


@pytest.fixture
def redis_server(session_redis: RedisServer) -> Iterator[RedisServer]:
    with _for_the_test(session_redis) as server:
        server.flush()
        yield server


@pytest.fixture
def postgres_server(session_postgres: PostgresServer) -> Iterator[PostgresServer]:
    with _for_the_test(session_postgres) as server:
        yield server
