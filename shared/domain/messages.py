"""What lies in the queues: ids, reasons and times, never personal data.

A versioned, tagged union. `encode` and `decode` are the only way to and from bytes; golden bytes in
`tests/unit/domain/test_messages.py` keep a format from changing by accident. A new field needs a default, a new
meaning needs a new version, and the old reader stays. Next: `shared/ports.py` (Publisher, Inbox).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_serializer,
    model_validator,
)

MAX_USERS = 100


class Lane(StrEnum):
    """Where a message waits. `live` and `backfill` are two lanes, never priorities (starvation stays visible)."""

    LIVE = "live"
    BACKFILL = "backfill"
    CONTROL = "control"
    DEAD = "dead"


class Reason(StrEnum):
    """Why a user should be looked at. It explains, it never changes what is written."""

    NOTIFICATION = "notification"
    DELTA = "delta"
    RECONCILE = "reconcile"
    MANUAL = "manual"
    REPLAY = "replay"


class _Envelope(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant_id: Annotated[str, Field(min_length=1, max_length=64)]
    noticed_at: AwareDatetime
    trace_id: Annotated[str, Field(min_length=1, max_length=64)]
    attempt: Annotated[int, Field(ge=0)] = 0


class UsersTouched(_Envelope):
    """Look at these users of one tenant. `attempt` counts failed attempts so far, the broker's own count is ignored.

    `confirm`: the second look after one in which nothing had changed (Entra may have answered with yesterday,
    docs/decisions/0008); it has no third. `facts_at`: when the reports were read that a full pass handed over for these
    users; a look that does not find them leaves the customer owed. `first_noticed_at`: when the earliest hint in here
    was noticed, where `noticed_at` is dated ahead (docs/decisions/0008); never set by a receiver.
    """

    kind: Literal["users_touched"] = "users_touched"
    v: Literal[1] = 1
    user_ids: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_USERS)]
    reason: Reason
    run_id: str | None = None
    confirm: bool = False
    facts_at: AwareDatetime | None = None
    first_noticed_at: AwareDatetime | None = None

    @property
    def asks_entra_alone(self) -> bool:
        """As long as Entra says what it said at the last look, Syncro is not asked."""
        return self.confirm or self.reason is Reason.DELTA

    @property
    def since(self) -> datetime:
        """When the earliest change that this message may tell of was noticed."""
        return self.first_noticed_at or self.noticed_at


class LifecycleEvent(StrEnum):
    REAUTHORIZATION_REQUIRED = "reauthorizationRequired"
    SUBSCRIPTION_REMOVED = "subscriptionRemoved"
    MISSED = "missed"


class SubscriptionTouched(_Envelope):
    """A lifecycle notification, for whoever leads the registrar."""

    kind: Literal["subscription_touched"] = "subscription_touched"
    v: Literal[1] = 1
    subscription_id: Annotated[str, Field(min_length=1, max_length=64)]
    event: LifecycleEvent


class DeadLettered(BaseModel):
    """A message that was given up, on its way into the ledger. `body` is what lay in the queue, bytes kept.

    In our hands `body` is the raw bytes; on the wire it is base64, for they need not be text at all. `service`: who
    failed, "" where no look was made. On the wire it stands before the code ("syncro:rejected"): a release that knows
    no such field refuses every field that it does not know, and this it reads as a code.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")

    kind: Literal["dead_lettered"] = "dead_lettered"
    v: Literal[1] = 1
    letter_id: Annotated[str, Field(min_length=1, max_length=64)]
    body: bytes
    lane: Lane
    error_class: str
    detail: str
    attempts: Annotated[int, Field(ge=0)]
    first_seen: AwareDatetime
    last_seen: AwareDatetime
    service: Annotated[str, Field(exclude=True)] = ""

    @field_serializer("error_class")
    def _with_service(self, code: str) -> str:
        return f"{self.service}:{code}" if self.service else code

    @model_validator(mode="before")
    @classmethod
    def _without_service(cls, told: object) -> object:
        """Codes hold no colon."""
        code = told.get("error_class") if isinstance(told, dict) else None
        if not isinstance(told, dict) or not isinstance(code, str) or "service" in told:
            return told
        service, colon, rest = code.partition(":")
        return {**told, "service": service, "error_class": rest} if colon and service and rest else told


Message = Annotated[UsersTouched | SubscriptionTouched | DeadLettered, Field(discriminator="kind")]
_READER: TypeAdapter[UsersTouched | SubscriptionTouched | DeadLettered] = TypeAdapter(Message)


class Unreadable(BaseModel):
    """Bytes that are no message of ours. Kept whole, never logged: only `reason` and `digest` may be shown."""

    model_config = ConfigDict(frozen=True)

    body: bytes
    reason: str
    digest: str


def encode(message: UsersTouched | SubscriptionTouched | DeadLettered) -> bytes:
    """The bytes for the queue: compact UTF-8 JSON with sorted meaning, absent options left out."""
    return message.model_dump_json(exclude_none=True).encode()


def decode(body: bytes) -> UsersTouched | SubscriptionTouched | DeadLettered | Unreadable:
    """Never raises: what cannot be read comes back as `Unreadable`, so that it can be kept and shown."""
    try:
        return _READER.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        # a surplus key is the sender's own text: it is not repeated
        where = first["loc"][:-1] if first["type"] == "extra_forbidden" else first["loc"]
        reason = f"{first['type']} at {'.'.join(map(str, where)) or 'top'}"
        return Unreadable(body=body, reason=reason, digest=sha256(body).hexdigest())


def split(
    tenant_id: str,
    user_ids: list[str] | tuple[str, ...],
    *,
    reason: Reason,
    noticed_at: datetime,
    trace_id: str,
    run_id: str | None = None,
    facts_at: datetime | None = None,
) -> list[UsersTouched]:
    """One message per 100 users, duplicates dropped, first-seen order kept."""
    ids = tuple(dict.fromkeys(user_ids))
    return [
        UsersTouched(
            tenant_id=tenant_id,
            user_ids=ids[start : start + MAX_USERS],
            reason=reason,
            noticed_at=noticed_at,
            trace_id=trace_id,
            run_id=run_id,
            facts_at=facts_at,
        )
        for start in range(0, len(ids), MAX_USERS)
    ]
