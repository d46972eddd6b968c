"""One SQLite file in the hands of one thread: the ground under the embedded broker and the embedded state.

In: small functions that take a connection. Out: their values, or `Transient`. The event loop never touches SQLite:
jobs go to the thread through a queue, and all writes that gathered while a commit was in flight share the next
commit (group commit: one fsync for many). A job that fails takes only itself back. Every wait is bounded: for
another process's lock (`LOCK_PATIENCE`), and for the answer as a whole (`ANSWER_PATIENCE`).
Next: `brokers/embedded.py` and `state/embedded.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

import structlog

from shared.domain.errors import Permanent, Transient

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

MEMORY = ":memory:"
LOCK_PATIENCE = 1.0  # seconds for another process to let go of the file
ANSWER_PATIENCE = 1.5  # seconds for everything, a hanging disk included; the ports promise 1.6
OPEN_PATIENCE = 10.0
MAX_GROUP = 512  # jobs that share a commit, so that other processes get their turn

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the file is: whose it is (the `service` in errors), its tables, their version, its `synchronous` mode."""

    service: str
    schema: str
    version: int
    synchronous: str  # FULL: a commit survives a power cut; NORMAL: it survives every death of a process


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    work: Work[Any]
    writes: bool
    answer: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Failed:
    error: BaseException


_Answers = list[tuple[_Job, Any]]


class Database:
    """Runs jobs on the file. Made by `open_database`; belongs to the event loop that opened it."""

    def __init__(self, path: str, plan: Plan) -> None:
        self.path = path
        self.commits = 0  # how many transactions carried all writes so far
        self._plan = plan
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name=f"sqlite-{plan.service}", daemon=True)

    async def start(self) -> None:
        self._thread.start()
        try:
            async with asyncio.timeout(OPEN_PATIENCE):
                await self._opened
        except TimeoutError:
            raise Transient(self._plan.service, "timeout", "the file could not be opened in time") from None

    async def write(self, work: Work[T]) -> T:
        """Run in a transaction; returns after the commit. Raises Transient when it is not known to be done."""
        return await self._ask(work, writes=True)

    async def read(self, work: Work[T]) -> T:
        """Run without a transaction of its own; `work` must not write."""
        return await self._ask(work, writes=False)

    async def close(self) -> None:
        """Finish what was asked, then close the file. A disk that hangs is left behind, with a warning."""
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join, OPEN_PATIENCE)
        if self._thread.is_alive():
            log.warning("sqlite.close_timed_out", service=self._plan.service)

    async def _ask(self, work: Work[T], *, writes: bool) -> T:
        if self._closed:
            raise Transient(self._plan.service, "closed")
        job = _Job(work, writes, self._loop.create_future())
        self._queue.put(job)
        try:
            async with asyncio.timeout(ANSWER_PATIENCE):
                return cast(T, await job.answer)
        except TimeoutError:
            raise Transient(self._plan.service, "timeout", "the file did not answer in time") from None

    # --- from here on: the thread ------------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            connection = self._connect()
        except Exception as error:
            self._post(self._settle_opening, self._translated(error))
            return
        self._post(self._settle_opening, None)
        with contextlib.closing(connection):
            open_for_jobs = True
            while open_for_jobs:
                jobs, open_for_jobs = self._gather()
                self._answer(self._transact(connection, [job for job in jobs if job.writes]))
                self._answer([(job, self._look(connection, job)) for job in jobs if not job.writes])

    def _connect(self) -> sqlite3.Connection:
        if self.path != MEMORY:
            Path(self.path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Short, so that our own patience with its small random pauses decides and no process starves another.
        connection = sqlite3.connect(self.path, timeout=0.02, isolation_level=None)
        try:
            _patiently(OPEN_PATIENCE / 2, lambda: self._prepare(connection))
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {self._plan.synchronous}")
        connection.execute("PRAGMA journal_size_limit = 33554432")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, self._plan.version):
            raise Permanent(self._plan.service, "file_of_other_version", "made by another version of entra-syncro")
        if version == 0:
            connection.executescript(
                f"BEGIN IMMEDIATE; {self._plan.schema}; PRAGMA user_version = {self._plan.version}; COMMIT;"
            )

    def _gather(self) -> tuple[Sequence[_Job], bool]:
        """Wait for one job, then take all that wait with it. False with the last ones."""
        jobs: list[_Job] = []
        item = self._queue.get()
        while item is not None:
            if not item.answer.cancelled():
                jobs.append(item)
            if len(jobs) >= MAX_GROUP:
                return jobs, True
            try:
                item = self._queue.get_nowait()
            except Empty:
                return jobs, True
        return jobs, False

    def _transact(self, connection: sqlite3.Connection, jobs: Sequence[_Job]) -> _Answers:
        if not jobs:
            return []
        try:
            _patiently(LOCK_PATIENCE, lambda: connection.execute("BEGIN IMMEDIATE"))
            answers = [(job, self._attempt(connection, job)) for job in jobs]
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                connection.rollback()
            return [(job, _Failed(self._translated(error))) for job in jobs]
        self.commits += 1
        return answers

    def _attempt(self, connection: sqlite3.Connection, job: _Job) -> Any:
        connection.execute("SAVEPOINT job")
        try:
            result = job.work(connection)
        except Exception as error:
            # Some failures (disk full) end the whole transaction by themselves: then nobody's job is done.
            if not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO job")
            result = _Failed(self._translated(error))
        connection.execute("RELEASE job")
        return result

    def _look(self, connection: sqlite3.Connection, job: _Job) -> Any:
        try:
            return _patiently(LOCK_PATIENCE, lambda: job.work(connection))
        except Exception as error:
            return _Failed(self._translated(error))

    def _translated(self, error: BaseException) -> BaseException:
        if isinstance(error, sqlite3.Error):
            name = getattr(error, "sqlite_errorname", None) or type(error).__name__
            return Transient(self._plan.service, str(name).lower())
        if isinstance(error, OSError):
            return Transient(self._plan.service, "file_unavailable", type(error).__name__)
        return error

    def _answer(self, answers: _Answers) -> None:
        if answers:
            self._post(_settle, answers)

    def _post(self, callback: Callable[[Any], None], value: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(callback, value)

    def _settle_opening(self, error: BaseException | None) -> None:
        if self._opened.cancelled():
            return
        if error is None:
            self._opened.set_result(None)
        else:
            self._opened.set_exception(error)


@contextlib.asynccontextmanager
async def open_database(path: str, plan: Plan) -> AsyncIterator[Database]:
    """Open or create the file (and its folder). `path` may be `:memory:`. Raises Transient or Permanent."""
    database = Database(path, plan)
    try:
        await database.start()
        yield database
    finally:
        await database.close()


def _settle(answers: Iterable[tuple[_Job, Any]]) -> None:
    for job, result in answers:
        if job.answer.done():  # its waiter was cancelled or gave up
            continue
        if isinstance(result, _Failed):
            job.answer.set_exception(result.error)
        else:
            job.answer.set_result(result)


def _patiently(seconds: float, work: Callable[[], T]) -> T:
    """Try until another process lets go of the file, with small random pauses."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return work()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(random.uniform(0.001, 0.005))
