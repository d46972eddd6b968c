"""One POST from Microsoft: read it, hand the hints over, answer. 202 only after every confirm, else 503.

The answer never depends on what an item says (a dropped item looks like an accepted one), and one log event per POST
carries counts only. Nothing is written to Syncro from here. Next: `receiver/group_commit.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from typing import assert_never
from uuid import uuid4

import structlog
from aiohttp import web

from receiver.body import BodyReader
from receiver.client_state import Secrets
from receiver.group_commit import GroupCommit
from receiver.notifications import Batch, Handshake, Reading, Refused, read
from receiver.recovery import Refusals
from shared.domain.errors import Transient
from shared.domain.messages import SubscriptionTouched
from shared.ports import Clock
from shared.runtime.metrics import ReceiverMetrics

log = structlog.get_logger("receiver")
RETRY_AFTER = "5"  # seconds; Graph has its own backoff, other senders obey
LARGE = 256 * 1024  # bytes; parsing more than this would hold up other POSTs


class Webhook:
    """`post` is the handler of both public paths: Graph may send either kind of item to either."""

    def __init__(
        self,
        *,
        secrets: Secrets,
        hints: GroupCommit,
        bodies: BodyReader,
        clock: Clock,
        metrics: ReceiverMetrics,
        refusals: Refusals | None = None,
    ) -> None:
        self._secrets = secrets
        self._hints = hints
        self._bodies = bodies
        self._clock = clock
        self._metrics = metrics
        self._refusals = refusals
        self._answering = 0

    @property
    def answering(self) -> int:
        """POSTs that have no answer yet."""
        return self._answering

    async def post(self, request: web.Request) -> web.Response:
        began, trace_id = time.perf_counter(), uuid4().hex
        self._answering += 1
        try:
            response, counts = await self._answer(request, trace_id)
        finally:
            self._answering -= 1
        took = time.perf_counter() - began
        self._metrics.posts.labels(str(response.status)).inc()
        self._metrics.post_seconds.observe(took)
        log.info("post_answered", trace_id=trace_id, status=response.status, took_ms=round(took * 1000, 1), **counts)
        return response

    async def _answer(self, request: web.Request, trace_id: str) -> tuple[web.Response, Mapping[str, object]]:
        async with self._bodies.body(request) as body:
            if isinstance(body, Refused):
                return _refusal(body), {"refused": body.why}
            reading = await self._read(request.rel_url.raw_query_string, body)
            match reading:
                case Handshake(token=token):
                    return web.Response(text=token, content_type="text/plain", charset="utf-8"), {"handshake": True}
                case Refused():
                    return _refusal(reading), {"refused": reading.why}
                case Batch():
                    return await self._hand_over(reading, trace_id)
                case _:
                    assert_never(reading)

    async def _read(self, query: str, body: bytes) -> Reading:
        if len(body) > LARGE:
            return await asyncio.to_thread(read, query, body, self._secrets)
        return read(query, body, self._secrets)

    async def _hand_over(self, batch: Batch, trace_id: str) -> tuple[web.Response, Mapping[str, object]]:
        self._count(batch)
        counts: dict[str, object] = {
            "tenants": len(batch.users),
            "users": sum(len(ids) for ids in batch.users.values()),
            "notifications": batch.notifications,
            "lifecycle": len(batch.lifecycle),
            "dropped": {str(reason): count for reason, count in batch.dropped.items()},
        }
        # Every part is awaited to its end, also when another failed: an answer must not leave work unlooked at.
        ends = await asyncio.gather(*self._parts(batch, trace_id, self._clock.now()), return_exceptions=True)
        failures = [end for end in ends if isinstance(end, BaseException)]
        if failures and self._refusals is not None:
            self._refusals.refused()  # proven hints alone: whoever just fills our hands must not cause polls
        for failure in failures:
            if not isinstance(failure, Transient):
                raise failure
        if failures:
            code = next(failure.code for failure in failures if isinstance(failure, Transient))
            return _unavailable(), counts | {"failed": code}
        return web.Response(status=202), counts | {"messages": sorted({end for end in ends if isinstance(end, str)})}

    def _parts(self, batch: Batch, trace_id: str, now: datetime) -> list[asyncio.Task[str | None]]:
        """One task per tenant and per lifecycle event."""
        return [
            *(
                asyncio.create_task(self._users(tenant, ids, now, trace_id), name=f"hand-over:{trace_id}")
                for tenant, ids in batch.users.items()
            ),
            *(
                asyncio.create_task(
                    self._lifecycle(
                        SubscriptionTouched(
                            tenant_id=item.tenant_id,
                            subscription_id=item.subscription_id,
                            event=item.event,
                            noticed_at=now,
                            trace_id=trace_id,
                        )
                    ),
                    name=f"lifecycle:{trace_id}",
                )
                for item in batch.lifecycle
            ),
        ]

    async def _users(self, tenant: str, ids: tuple[str, ...], now: datetime, trace_id: str) -> str | None:
        return await self._hints.users(tenant, ids, noticed_at=now, trace_id=trace_id)

    async def _lifecycle(self, event: SubscriptionTouched) -> str | None:
        await self._hints.lifecycle(event)
        return None

    def _count(self, batch: Batch) -> None:
        self._metrics.notifications.labels("change").inc(batch.notifications)
        self._metrics.notifications.labels("lifecycle").inc(len(batch.lifecycle))
        for reason, count in batch.dropped.items():
            self._metrics.dropped.labels(str(reason)).inc(count)


def _refusal(refused: Refused) -> web.Response:
    if refused.status == 503:
        return _unavailable()
    response = web.Response(status=refused.status, text=refused.why + "\n")
    if refused.status in (408, 413):
        response.force_close()  # the rest of the body is not wanted
    return response


def _unavailable() -> web.Response:
    return web.Response(status=503, text="Not taken; send it again.\n", headers={"Retry-After": RETRY_AFTER})
