"""Fakes for the receiver's neighbours: a publisher with a gate, and POST bodies as Graph sends them."""

from __future__ import annotations

import asyncio
import json
from uuid import UUID

from receiver.client_state import sign
from shared.domain.errors import Transient
from shared.domain.messages import Lane, SubscriptionTouched, UsersTouched
from shared.ports import AnyMessage

SECRETS = {1: b"first secret of the tests", 2: b"second secret of the tests"}


def guid(number: int) -> str:
    return str(UUID(int=number))


TENANT = guid(0xA)
OTHER = guid(0xB)


def change(user: int, tenant: str = TENANT, **instead: object) -> dict[str, object]:
    """One notification in the shape captured from the service; `instead` overrides fields."""
    return {
        "changeType": "updated",
        "clientState": sign(SECRETS, tenant),
        "resource": f"Users/{guid(user)}",
        "resourceData": {
            "@odata.type": "#Microsoft.Graph.User",
            "@odata.id": f"Users/{guid(user)}",
            "id": guid(user),
            "organizationId": tenant,
            "sequenceNumber": 638059995676961300,
        },
        "subscriptionExpirationDateTime": "2026-12-10T10:23:45.9356913-08:00",
        "subscriptionId": guid(0x5),
        "tenantId": tenant,
    } | instead


def lifecycle(event: str = "reauthorizationRequired", tenant: str = TENANT, **instead: object) -> dict[str, object]:
    return {
        "lifecycleEvent": event,
        "subscriptionId": guid(0x5),
        "subscriptionExpirationDateTime": "2026-11-18T00:52:45.9696658+00:00",
        "clientState": sign(SECRETS, tenant),
        "tenantId": tenant,
    } | instead


def body(*items: object) -> bytes:
    return json.dumps({"value": items}).encode()


class FakePublisher:
    """Takes messages while its gate is open and `permits` (None: endless) last; can be told to fail.

    Records only what it confirmed.
    """

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.permits: int | None = None
        self.broken = False
        self.confirmed: list[tuple[AnyMessage, Lane]] = []
        self.started = 0

    async def publish(self, message: AnyMessage, lane: Lane, *, delay: float = 0.0) -> None:
        self.started += 1
        await self.gate.wait()
        while self.permits == 0:  # noqa: ASYNC110 - a count of permits is plainer than a condition here
            await asyncio.sleep(0.001)
        if self.permits is not None:
            self.permits -= 1
        if self.broken:
            raise Transient("broker", "gone", "told to fail")
        self.confirmed.append((message, lane))

    @property
    def users(self) -> list[UsersTouched]:
        return [message for message, _ in self.confirmed if isinstance(message, UsersTouched)]

    @property
    def events(self) -> list[SubscriptionTouched]:
        return [message for message, _ in self.confirmed if isinstance(message, SubscriptionTouched)]
