"""What lies in the queues, byte for byte. Change a line here only together with a new version."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.domain.messages import (
    DeadLettered,
    Lane,
    LifecycleEvent,
    Reason,
    SubscriptionTouched,
    Unreadable,
    UsersTouched,
    decode,
    encode,
    split,
)

AT = datetime(2026, 11, 24, 9, 0, 0, 250_000, tzinfo=UTC)
TOUCHED = UsersTouched(tenant_id="t1", user_ids=("u1", "u2"), reason=Reason.NOTIFICATION, noticed_at=AT, trace_id="x1")

GOLDEN = [
    (
        TOUCHED,
        b'{"tenant_id":"t1","noticed_at":"2026-11-24T09:00:00.250000Z","trace_id":"x1","attempt":0,'
        b'"kind":"users_touched","v":1,"user_ids":["u1","u2"],"reason":"notification","confirm":false}',
    ),
    (
        TOUCHED.model_copy(update={"attempt": 3, "run_id": "r1", "confirm": True, "reason": Reason.MANUAL}),
        b'{"tenant_id":"t1","noticed_at":"2026-11-24T09:00:00.250000Z","trace_id":"x1","attempt":3,'
        b'"kind":"users_touched","v":1,"user_ids":["u1","u2"],"reason":"manual","run_id":"r1","confirm":true}',
    ),
    (
        TOUCHED.model_copy(update={"first_noticed_at": AT - timedelta(seconds=30)}),
        b'{"tenant_id":"t1","noticed_at":"2026-11-24T09:00:00.250000Z","trace_id":"x1","attempt":0,'
        b'"kind":"users_touched","v":1,"user_ids":["u1","u2"],"reason":"notification","confirm":false,'
        b'"first_noticed_at":"2026-11-24T08:59:30.250000Z"}',
    ),
    (
        SubscriptionTouched(
            tenant_id="t1",
            noticed_at=AT,
            trace_id="x1",
            subscription_id="s1",
            event=LifecycleEvent.SUBSCRIPTION_REMOVED,
        ),
        b'{"tenant_id":"t1","noticed_at":"2026-11-24T09:00:00.250000Z","trace_id":"x1","attempt":0,'
        b'"kind":"subscription_touched","v":1,"subscription_id":"s1","event":"subscriptionRemoved"}',
    ),
    (
        DeadLettered(
            letter_id="l1",
            body=b"\x00\xff{",
            lane=Lane.LIVE,
            error_class="invalid",
            detail="email refused",
            attempts=15,
            first_seen=AT,
            last_seen=AT,
        ),
        b'{"kind":"dead_lettered","v":1,"letter_id":"l1","body":"AP97","lane":"live","error_class":"invalid",'
        b'"detail":"email refused","attempts":15,"first_seen":"2026-11-24T09:00:00.250000Z",'
        b'"last_seen":"2026-11-24T09:00:00.250000Z"}',
    ),
    (  # the release before reads this as one code, and knows no other field
        DeadLettered(
            letter_id="l1",
            body=b"{",
            lane=Lane.LIVE,
            error_class="invalid",
            detail="email refused",
            attempts=15,
            first_seen=AT,
            last_seen=AT,
            service="syncro",
        ),
        b'{"kind":"dead_lettered","v":1,"letter_id":"l1","body":"ew==","lane":"live","error_class":"syncro:invalid",'
        b'"detail":"email refused","attempts":15,"first_seen":"2026-11-24T09:00:00.250000Z",'
        b'"last_seen":"2026-11-24T09:00:00.250000Z"}',
    ),
]


@pytest.mark.parametrize(("message", "golden"), GOLDEN)
def test_golden_bytes(message: UsersTouched | SubscriptionTouched | DeadLettered, golden: bytes) -> None:
    assert encode(message) == golden
    assert decode(golden) == message


def test_a_message_without_its_optional_parts_is_still_read() -> None:
    body = (
        b'{"kind":"users_touched","v":1,"tenant_id":"t1","user_ids":["u1","u2"],"reason":"notification",'
        b'"noticed_at":"2026-11-24T10:00:00.25+01:00","trace_id":"x1"}'
    )
    assert decode(body) == TOUCHED


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "json_invalid at top"),
        (b"garbage", "json_invalid at top"),
        (b"\xff\xfe\x00", "json_invalid at top"),
        (b"[" * 100_000, "json_invalid at top"),
        (b"[]", "dict_type at top"),
        (b'{"kind":"users_loved","v":1}', "union_tag_invalid at top"),
        (b'{"v":1}', "union_tag_not_found at top"),
        (GOLDEN[0][1].replace(b'"v":1', b'"v":2'), "literal_error at users_touched.v"),
        (GOLDEN[0][1].replace(b'"attempt":0', b'"attempt":-1'), "greater_than_equal at users_touched.attempt"),
        (GOLDEN[0][1].replace(b'["u1","u2"]', b"[]"), "too_short at users_touched.user_ids"),
        (GOLDEN[0][1].replace(b'"attempt"', b'"surplus"'), "extra_forbidden at users_touched"),
        (GOLDEN[0][1].replace(b"250000Z", b"250000"), "timezone_aware at users_touched.noticed_at"),
    ],
)
def test_what_is_no_message_of_ours_is_kept_whole_and_named(body: bytes, reason: str) -> None:
    assert decode(body) == Unreadable(body=body, reason=reason, digest=sha256(body).hexdigest())


def test_the_reason_of_an_unreadable_message_repeats_nothing_of_it() -> None:
    read = decode(GOLDEN[0][1].replace(b'"notification"', b'"anna@contoso.example"'))
    assert isinstance(read, Unreadable)
    assert "anna" not in read.reason


@given(st.binary(max_size=300))
def test_decode_never_raises(body: bytes) -> None:
    decode(body)


def test_split_drops_duplicates_and_keeps_order_in_messages_of_100() -> None:
    ids = [f"u{each}" for each in range(250)]
    messages = split("t1", ids + ids, reason=Reason.DELTA, noticed_at=AT, trace_id="x1", run_id="r1")
    assert [len(message.user_ids) for message in messages] == [100, 100, 50]
    assert [each for message in messages for each in message.user_ids] == ids
    assert {message.run_id for message in messages} == {"r1"}


def test_split_of_nobody_is_no_message() -> None:
    assert split("t1", [], reason=Reason.DELTA, noticed_at=AT, trace_id="x1") == []


def test_a_message_holds_at_most_100_users_and_an_aware_time() -> None:
    with pytest.raises(ValidationError):
        UsersTouched(
            tenant_id="t1",
            user_ids=tuple(f"u{each}" for each in range(101)),
            reason=Reason.DELTA,
            noticed_at=AT,
            trace_id="x1",
        )
    with pytest.raises(ValidationError):
        UsersTouched(
            tenant_id="t1", user_ids=("u1",), reason=Reason.DELTA, noticed_at=AT.replace(tzinfo=None), trace_id="x1"
        )
