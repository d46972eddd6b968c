"""The reader: handshakes echoed exactly, items sorted, nothing unsafe let through, nothing ever raised."""

from __future__ import annotations

import json
import unicodedata
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.client_state import sign
from receiver.notifications import LONGEST_TOKEN, Batch, Drop, Handshake, Lifecycle, Refused, read
from shared.domain.messages import LifecycleEvent
from tests.support.receiver import OTHER, SECRETS, TENANT, body, change, guid, lifecycle

CAPTURED = (
    "validationToken=Validation%3a+Testing+client+application+reachability+for+subscription+"
    "Request-Id%3a+5731e5c5-096b-867f-5fd1-b1fc2e93c359"
)
PLAIN = (
    "Validation: Testing client application reachability for subscription "
    "Request-Id: 5731e5c5-096b-867f-5fd1-b1fc2e93c359"
)


def batch(*items: object) -> Batch:
    reading = read("", body(*items), SECRETS)
    assert isinstance(reading, Batch)
    return reading


# --- handshake --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "token"),
    [
        (CAPTURED, PLAIN),
        ("key=12ab34cd&" + CAPTURED, PLAIN),
        ("validationToken=a%2Bb", "a+b"),
        ("validationToken=a+b%20c", "a b c"),
        ("validationToken=%C3%A9%26%3D%22%27%3E", "é&=\"'>"),
        ("validationToken=" + "x" * LONGEST_TOKEN, "x" * LONGEST_TOKEN),
    ],
)
def test_the_token_is_form_decoded_and_echoed_exactly(query: str, token: str) -> None:
    assert read(query, b"", SECRETS) == Handshake(token)


@pytest.mark.parametrize(
    "query",
    [
        "validationToken=",
        "validationToken",
        "validationToken=" + "x" * (LONGEST_TOKEN + 1),
        "validationToken=%3Cscript%3Ealert(1)%3C/script%3E",
        "validationToken=a%0d%0aSet-Cookie:%20x",
        "validationToken=a%00b",
        "validationToken=a%7Fb",
        "validationToken=a%C2%85b",
        "validationToken=%FF",
        "validationToken=a&validationToken=b",
        "&".join("a=b" for _ in range(100)),
    ],
)
def test_unsafe_tokens_are_refused(query: str) -> None:
    reading = read(query, b"", SECRETS)
    assert isinstance(reading, Refused)
    assert reading.status == 400
    assert "<" not in reading.why


@given(st.text(max_size=3000))
def test_a_token_is_echoed_whole_or_not_at_all(token: str) -> None:
    token = token.encode("utf-8", "replace").decode()
    reading = read("validationToken=" + quote_plus(token), b"", SECRETS)
    if isinstance(reading, Handshake):
        assert reading.token == token
        assert "<" not in token
        assert not any(unicodedata.category(character) == "Cc" for character in token)
    else:
        assert isinstance(reading, Refused)


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="<"), min_size=1))
def test_every_ordinary_token_is_echoed(token: str) -> None:
    assert read("validationToken=" + quote(token, safe=""), b"", SECRETS) == Handshake(token)


# --- notifications ----------------------------------------------------------------------------------------------


def test_ids_are_deduplicated_in_order_per_tenant() -> None:
    found = batch(change(3), change(1), change(3), change(2, OTHER), change(1), change(9))
    assert found.users == {TENANT: (guid(3), guid(1), guid(9)), OTHER: (guid(2),)}
    assert found.notifications == 6
    assert found.dropped == {}


@pytest.mark.parametrize(
    ("item", "user"),
    [
        (change(1, resource="users/" + guid(1)), guid(1)),
        (change(1, resource="USERS/" + guid(1).upper()), guid(1)),
        (change(1, resource="/Users/" + guid(1)), guid(1)),
        (change(1, resource="Users/Some-Safe-Token-7"), "Some-Safe-Token-7"),
        (change(1, resourceData=None), guid(1)),
        (change(1, resource=None), guid(1)),
        (change(1, changeType="deleted"), guid(1)),
        (change(1, changeType=None, subscriptionId=None, subscriptionExpirationDateTime="yesterday"), guid(1)),
        (change(1, resourceData={"sequenceNumber": 10**30}), guid(1)),
        (change(1, tenantId=TENANT.upper()), guid(1)),
        (change(1, clientState=sign({1: SECRETS[1]}, TENANT)), guid(1)),
        (change(1, unheardOf={"deep": [1, 2]}), guid(1)),
    ],
)
def test_every_known_shape_is_read(item: object, user: str) -> None:
    assert batch(item).users == {TENANT: (user,)}


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (None, Drop.MALFORMED),
        ("text", Drop.MALFORMED),
        ([], Drop.MALFORMED),
        ({}, Drop.MALFORMED),
        (change(1, tenantId=None), Drop.MALFORMED),
        (change(1, tenantId="contoso.com"), Drop.MALFORMED),
        (change(1, tenantId=["a"]), Drop.MALFORMED),
        (change(1, clientState=None), Drop.CLIENT_STATE),
        (change(1, clientState=""), Drop.CLIENT_STATE),
        (change(1, clientState=7), Drop.CLIENT_STATE),
        (change(1, clientState=sign(SECRETS, OTHER)), Drop.CLIENT_STATE),
        (change(1, resource="Groups/" + guid(1)), Drop.OTHER_RESOURCE),
        (change(1, resource="Users/" + guid(1) + "/messages/1"), Drop.OTHER_RESOURCE),
        (change(1, resource="Users/"), Drop.OTHER_RESOURCE),
        (change(1, resource="Users/../../x"), Drop.OTHER_RESOURCE),
        (change(1, resource="Users/a b"), Drop.MALFORMED),
        (change(1, resource="Users/" + "a" * 65), Drop.MALFORMED),
        (change(1, resource="Users/\ud800"), Drop.MALFORMED),
        (change(1, resource="Users/person@example.com"), Drop.MALFORMED),
        (change(1, resource=None, resourceData=None), Drop.MALFORMED),
        (change(1, resource=None, resourceData={"@odata.type": "#Microsoft.Graph.Group"}), Drop.OTHER_RESOURCE),
        (change(1, resource=None, resourceData={"@odata.type": "#Microsoft.Graph.User"}), Drop.MALFORMED),
        (lifecycle("somethingNew"), Drop.UNKNOWN_LIFECYCLE),
        (lifecycle(subscriptionId=None), Drop.MALFORMED),
        (lifecycle(clientState="k1.wrong"), Drop.CLIENT_STATE),
    ],
)
def test_a_bad_item_is_dropped_and_the_rest_of_its_batch_stays(item: object, reason: Drop) -> None:
    found = batch(change(1), item, change(2))
    assert found.users == {TENANT: (guid(1), guid(2))}
    assert found.dropped == {reason: 1}


def test_lifecycle_and_change_items_may_share_a_post() -> None:
    found = batch(lifecycle("missed"), change(1), lifecycle("missed"), lifecycle("subscriptionRemoved", OTHER))
    assert found.users == {TENANT: (guid(1),)}
    assert found.lifecycle == (
        Lifecycle(TENANT, guid(5), LifecycleEvent.MISSED),
        Lifecycle(OTHER, guid(5), LifecycleEvent.SUBSCRIPTION_REMOVED),
    )


@pytest.mark.parametrize("nothing", [b'{"value": []}', b'{"value": [], "validationTokens": ["x"]}'])
def test_an_empty_collection_is_a_batch_of_nothing(nothing: bytes) -> None:
    assert read("", nothing, SECRETS) == Batch({}, (), {}, 0)


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\x00\xff\xfe",
        b"<xml/>",
        b"{",
        b"[]",
        b"7",
        b"null",
        b"{}",
        b'{"value": null}',
        b'{"value": {"a": 1}}',
        b"[" * 200_000,
        b'{"value": [' + b"9" * 10_000 + b"]}",
    ],
)
def test_a_body_that_is_no_collection_is_refused_with_a_reason(garbage: bytes) -> None:
    reading = read("", garbage, SECRETS)
    assert isinstance(reading, Refused)
    assert reading.status == 400
    assert reading.why.startswith("The body is not")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("tenantId", "clientState", "resource", "resourceData", "lifecycleEvent", "subscriptionId", "changeType")


@given(JSON)
def test_no_json_makes_the_reader_raise(document: object) -> None:
    assert isinstance(read("", json.dumps(document).encode(), SECRETS), (Batch, Refused))


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=7), max_size=5))
def test_no_item_makes_the_reader_raise_or_lose_count(overrides: list[dict[str, object]]) -> None:
    found = batch(*(change(1) | override for override in overrides))
    accepted = found.notifications + len(found.lifecycle)
    assert accepted + sum(found.dropped.values()) == len(overrides)


@given(st.binary(max_size=200), st.text(max_size=50))
def test_no_bytes_make_the_reader_raise(raw: bytes, query: str) -> None:
    assert isinstance(read(query, raw, SECRETS), (Batch, Handshake, Refused))
