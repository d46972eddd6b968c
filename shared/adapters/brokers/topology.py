"""What lies on RabbitMQ: the queues of each lane, the rungs on which delayed messages wait, and their settings.

Every queue is a durable quorum queue with an explicit positive delivery limit: no default is trusted, for it differs
between 3.10 and 4.x, and -1 means "vanish at the first return" on 3.10. The safety settings are arguments and the
names carry a version, so that a mismatch fails loudly; only tunables (a length limit) belong into a policy.

A rung is one queue per lane without consumers. Its queue-level TTL is the rung, a message's own expiration is the
wanted delay, and what expires goes back to the work exchange under its original routing key, the lane. RabbitMQ looks
at the head of a queue only: a message may wait behind one with a longer delay, but never past its rung
(docs/decisions/0010). Next: `outbox.py` publishes into this, `amqp_consumer.py` takes from it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aio_pika.abc import AbstractChannel

from shared.domain.messages import Lane

VERSION = 1
# Versions that processes of an earlier release may have left messages in: drained, then removed (`succession.py`).
PREVIOUS: tuple[int, ...] = ()

DELIVERY_LIMIT = 20  # returns by crash or give-back, then the dead queue
UNLIMITED = 1_000_000  # where nothing may be given up; a positive number means the same from 3.10 to 4.x

# Seconds. The retry ladder's five are among them; no delay waits more than 2.5 times itself behind others.
RUNGS = (2, 5, 10, 20, 30, 60, 120, 300, 720, 1800, 3600, 7200)
COARSE_RUNGS = (10, 60, 300, 1800, 7200)
CANARY = "canary"
_CANARY_TTL = 60  # seconds

Argument = str | int


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable quorum queue, the exchange it is bound to, and the routing key of the binding."""

    name: str
    exchange: str
    key: str
    arguments: Mapping[str, Argument]


@dataclass(frozen=True, slots=True)
class Topology:
    """All names and arguments of one version."""

    version: int = VERSION

    def _name(self, *parts: str) -> str:
        return ".".join(("entra-syncro", f"v{self.version}", *parts))

    @property
    def work(self) -> str:
        return self._name("work")

    @property
    def buried(self) -> str:
        """Where work queues send what reached its delivery limit."""
        return self._name("buried")

    @property
    def roll_call(self) -> str:
        return self._name("roll-call")

    def wait(self, rung: int) -> str:
        return self._name("wait", f"{rung}s")

    def lane(self, lane: Lane) -> str:
        return self._name(lane.value)

    def exchanges(self) -> Mapping[str, str]:
        """Name to type, all durable."""
        direct = [self.work, *map(self.wait, RUNGS)]
        return {**dict.fromkeys(direct, "direct"), self.buried: "fanout", self.roll_call: "fanout"}

    def lanes(self) -> Sequence[Queue]:
        return [Queue(self.lane(lane), self.work, lane.value, self._lane_arguments(lane)) for lane in Lane]

    def _lane_arguments(self, lane: Lane) -> Mapping[str, Argument]:
        if lane is Lane.DEAD:
            return _quorum(UNLIMITED)
        return _quorum(DELIVERY_LIMIT) | _forwarding_to(self.buried)

    def rungs(self, lane: Lane) -> Sequence[Queue]:
        return [
            Queue(
                self._name(lane.value, "wait", f"{rung}s"),
                self.wait(rung),
                lane.value,
                _quorum(UNLIMITED) | _forwarding_to(self.work) | {"x-message-ttl": rung * 1000},
            )
            for rung in rungs_of(lane)
        ]

    def canary(self) -> Queue:
        small: dict[str, Argument] = {
            "x-max-length": 1,
            "x-overflow": "drop-head",
            "x-message-ttl": _CANARY_TTL * 1000,
        }
        return Queue(self._name(CANARY), self.work, CANARY, _quorum(UNLIMITED) | small)

    def last(self) -> Queue:
        """Carries nothing. A SIGKILL within a second of it makes RabbitMQ 3.10 lose the queue declared last of all."""
        return Queue(self._name("last"), self.work, "last", _quorum(UNLIMITED))

    def queues(self) -> Sequence[Queue]:
        """In the order in which they are declared."""
        rungs = [queue for lane in Lane for queue in self.rungs(lane)]
        return [*self.lanes(), *rungs, self.canary(), self.last()]


def rungs_of(lane: Lane) -> tuple[int, ...]:
    return RUNGS if lane in (Lane.LIVE, Lane.BACKFILL) else COARSE_RUNGS


def rung_for(lane: Lane, delay: float) -> int:
    """The shortest rung that lasts at least `delay` seconds; the longest one for what lasts longer than all."""
    rungs = rungs_of(lane)
    return next((rung for rung in rungs if rung >= delay), rungs[-1])


def expiration(rung: int, delay: float) -> int:
    """Milliseconds: never short of the delay, never past the rung."""
    return min(math.ceil(delay * 1000), rung * 1000)


async def declare(channel: AbstractChannel, topology: Topology, *, timeout: float) -> None:
    """Idempotent. `timeout` is for each step, in seconds. Another version's arguments under our names: 406."""
    raw = await channel.get_underlay_channel()
    for name, kind in topology.exchanges().items():
        await raw.exchange_declare(name, exchange_type=kind, durable=True, timeout=timeout)
    for queue in topology.queues():
        await raw.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments), timeout=timeout)
        await raw.queue_bind(queue.name, queue.exchange, queue.key, timeout=timeout)
    dead = topology.lane(Lane.DEAD)
    await raw.queue_bind(dead, topology.buried, timeout=timeout)


async def depth(channel: AbstractChannel, queue: str, *, timeout: float) -> tuple[int, int]:
    """Messages that wait, and consumers. A queue that does not exist closes the channel (404)."""
    raw = await channel.get_underlay_channel()
    answer = await raw.queue_declare(queue, passive=True, timeout=timeout)
    return answer.message_count or 0, answer.consumer_count or 0


def _quorum(limit: int) -> dict[str, Argument]:
    return {"x-queue-type": "quorum", "x-delivery-limit": limit}


def _forwarding_to(exchange: str) -> dict[str, Argument]:
    """Dead lettering that never loses: without every one of these settings it silently is "at most once"."""
    return {
        "x-dead-letter-exchange": exchange,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
