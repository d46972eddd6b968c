"""One connection to RabbitMQ, kept: opened, watched until it is lost, opened again, with its session made ready.

aio_pika's plain connection, not its robust one: what is restored behind one's back may be connected but deaf. Here
everything of a lost connection is thrown away and made anew. It refuses to hold on to a peer that does not answer:
`drop` cuts the socket, for an orderly end of a frozen connection would wait for the frozen peer.
Next: `outbox.py` and `amqp_consumer.py`, which live on the sessions.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Generic, TypeVar

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    AuthenticationError,
    ChannelPreconditionFailed,
    DeliveryError,
    ProbableAuthenticationError,
    PublishError,
)
from aiormq.connection import TCPTransportFactory, TLSTransportFactory
from yarl import URL

from shared.domain.errors import Permanent, SyncError, Transient

SERVICE = "broker"
HEARTBEAT = 10  # seconds; a dead peer is noticed within about 35
CONNECT_TIMEOUT = 5.0  # seconds for the connection and its session
CLOSE_TIMEOUT = 2.0
FIRST_PAUSE, LAST_PAUSE = 0.1, 2.0  # seconds between two tries

Session = TypeVar("Session")
log = structlog.get_logger(__name__)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Failures of the connection inside become Transient, and what only a person can mend Permanent."""
    try:
        yield
    except SyncError:
        raise
    except TimeoutError as error:
        raise Transient(SERVICE, "timeout") from error
    except PublishError as error:
        raise Transient(SERVICE, "unroutable", "no queue takes it") from error
    except DeliveryError as error:
        raise Transient(SERVICE, "refused", "the queue is full or cannot write") from error
    except (AuthenticationError, ProbableAuthenticationError) as error:
        raise Permanent(SERVICE, "access_refused", "check the broker's user, password and virtual host") from error
    except ChannelPreconditionFailed as error:
        raise Permanent(
            SERVICE, "topology_mismatch", "a queue of this name exists with other settings; see the runbook"
        ) from error
    except CONNECTION_EXCEPTIONS as error:
        raise Transient(SERVICE, "connection_lost", type(error).__name__) from error
    except asyncio.CancelledError as error:
        # The library ends what waits on a closing connection by cancellation; nobody cancelled us.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise Transient(SERVICE, "connection_lost", "closed") from error


class _Transport:
    """Remembers the socket's transport, so that it can be cut."""

    def __init__(self, secure: bool) -> None:
        self._factory = TLSTransportFactory() if secure else TCPTransportFactory()
        self._writer: asyncio.StreamWriter | None = None

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, self._writer = await self._factory.create(url, **kwargs)
        return reader, self._writer

    def cut(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


class Link(Generic[Session]):
    """Keeps one connection and one `Session` on it, from `running()` on, until the end."""

    def __init__(self, url: URL, name: str, prepare: Callable[[AbstractConnection], Awaitable[Session]]) -> None:
        self._url = url.update_query(heartbeat=HEARTBEAT, name=f"entra-syncro {name}")
        self._name = name
        self._prepare = prepare
        self._session: Session | None = None
        self._changed = asyncio.Event()  # a session came, or a try failed
        self._lost = asyncio.Event()
        self._refused: SyncError | None = None
        self._transport: _Transport | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def session(self) -> Session | None:
        """The session of now, None while there is none."""
        return self._session

    def start(self) -> None:
        """Begin to connect; harmless when it has begun."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name=f"broker-link:{self._name}")

    async def ready(self, timeout: float) -> Session:
        """The session, waited for. Raises Transient, or Permanent when the broker refuses us."""
        self.start()
        try:
            async with asyncio.timeout(timeout):
                while self._session is None:
                    if isinstance(self._refused, Permanent):
                        raise self._refused
                    self._changed.clear()
                    await self._changed.wait()
                return self._session
        except TimeoutError as error:
            raise Transient(SERVICE, "not_connected") from (self._refused or error)

    def drop(self, session: Session) -> None:
        """This session is no good: cut its connection, unless another has taken its place."""
        if session is self._session and self._transport is not None:
            self._session = None
            self._transport.cut()
            self._lost.set()

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _keep(self) -> None:
        pause = 0.0
        while True:
            try:
                async with self._connected():
                    pause = 0.0
                    await self._lost.wait()
                log.warning("broker.connection_lost", link=self._name)
            except SyncError as error:
                log.warning("broker.connect_failed", link=self._name, code=error.code)
                self._refused = error
                self._changed.set()
            # Not all processes at once: what went down together would come back together.
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(max(FIRST_PAUSE, pause * 2), LAST_PAUSE)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[None]:
        connection = aio_pika.Connection(self._url)
        self._transport = transport = _Transport(secure=self._url.scheme == "amqps")
        connection.kwargs["transport_factory"] = transport
        lost = self._lost = asyncio.Event()
        connection.close_callbacks.add(lambda *_: lost.set())
        try:
            with translated():
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    await connection.connect()
                    session = await self._prepare(connection)
            self._session, self._refused = session, None
            self._changed.set()
            log.info("broker.connected", link=self._name)
            yield
        finally:
            self._session = None
            await _end(connection, transport)


async def _end(connection: AbstractConnection, transport: _Transport) -> None:
    """In good order while the peer answers, else by the sword; either way soon."""
    closing = asyncio.ensure_future(connection.close())
    await asyncio.wait({closing}, timeout=CLOSE_TIMEOUT)
    if not closing.done():
        transport.cut()
        await asyncio.wait({closing}, timeout=CLOSE_TIMEOUT)
    if not closing.done():
        closing.cancel()
    elif not closing.cancelled():
        closing.exception()  # seen: a connection that is gone may fail to close


async def open_channel(connection: AbstractConnection, *, confirms: bool) -> AbstractChannel:
    """A channel that, with confirms, raises for what no queue would take."""
    channel = connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
    await channel.initialize()
    return channel
