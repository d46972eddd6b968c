"""Every error shape that is known of Syncro, one test a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.syncro.errors import Effect, family, flatten, is_too_many, too_many
from shared.domain.errors import Ambiguous, Permanent, Scope, StopTheLine, SyncError, Transient

READ, WRITE = Effect.READ, Effect.WRITE
HTML = None  # what a page that is no JSON is parsed to
PERMISSION = {"error": "Not authorized. Please ask account admin to update your group permissions."}
RECORD = {"record": {"name": "Someone", "email": "xxx"}}


@dataclass(frozen=True)
class Row:
    status: int
    body: object
    read: type[SyncError]
    write: type[SyncError]
    code: str

    def __str__(self) -> str:
        return f"{self.status}-{self.code}"


ROWS = [
    Row(401, PERMISSION, StopTheLine, StopTheLine, "permission"),
    Row(401, {"error": "Failed to authenticate account"}, StopTheLine, StopTheLine, "token"),
    Row(401, {"message": ["Failed to authenticate account"]}, StopTheLine, StopTheLine, "token"),
    Row(401, HTML, StopTheLine, StopTheLine, "token"),
    Row(403, {}, StopTheLine, StopTheLine, "forbidden"),
    Row(400, {"message": ["Vendor is blank", "Value is blank"]}, Permanent, Permanent, "bad_request"),
    Row(404, {"message": "Not found"}, Permanent, Permanent, "not_found"),
    Row(404, {}, Permanent, Permanent, "not_found"),
    Row(404, HTML, Transient, Transient, "unreadable_answer"),
    Row(422, RECORD | {"errors": "Email is not an email"}, Permanent, Permanent, "invalid_email"),
    Row(422, RECORD | {"errors": "Name can't be blank, Email is not an email"}, Permanent, Permanent, "invalid_email"),
    Row(422, {"success": False, "message": ["Email is not an email"]}, Permanent, Permanent, "invalid_email"),
    Row(422, {"message": ['Email Only able to parse up to "x"']}, Permanent, Permanent, "invalid_email"),
    Row(422, RECORD | {"errors": "Customer can't be blank"}, Permanent, Permanent, "customer_missing"),
    Row(422, RECORD | {"errors": "Name can't be blank"}, Permanent, Permanent, "name_missing"),
    Row(422, {"errors": {"email": ["has already been taken"]}}, Permanent, Permanent, "duplicate"),
    Row(422, {"email": ["has already been taken"]}, Permanent, Permanent, "duplicate"),
    Row(422, {"errors": ["Properties contain an unknown key"]}, Permanent, Permanent, "unknown_field"),
    Row(422, {"error": "Something new"}, Permanent, Permanent, "rejected"),
    Row(422, HTML, Permanent, Permanent, "rejected"),
    Row(429, {"error": "slow down"}, StopTheLine, StopTheLine, "too_many"),
    Row(429, HTML, StopTheLine, StopTheLine, "too_many"),
    Row(200, {"error": "We received a high number of requests"}, StopTheLine, StopTheLine, "too_many"),
    Row(500, {"error": "Internal"}, Transient, Ambiguous, "service_fault"),
    Row(502, HTML, Transient, Ambiguous, "service_fault"),
    Row(504, HTML, Transient, Ambiguous, "service_fault"),
    Row(408, {}, Transient, Ambiguous, "service_fault"),
    Row(200, HTML, Transient, Ambiguous, "unreadable_answer"),
    Row(302, HTML, Transient, Ambiguous, "unreadable_answer"),
    Row(413, HTML, Permanent, Permanent, "bad_request"),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_row_has_its_family(row: Row) -> None:
    for effect, expected in ((READ, row.read), (WRITE, row.write)):
        error = family(row.status, {}, row.body, effect)
        assert (type(error), error.code) == (expected, row.code)
        assert error.service == "syncro"
        if isinstance(error, StopTheLine):
            assert error.scope is Scope.ACCOUNT


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 422, 429, 500, 504])
@pytest.mark.parametrize("key", ["error", "errors", "message", "record", "params", "email"])
def test_no_text_of_syncro_passes_on(status: int, key: str) -> None:
    private = "someone@example.com is not an email"
    for body in ({key: private}, {key: [private]}, {key: {"email": [private]}}, [private]):
        assert "someone" not in str(family(status, {}, body, WRITE))


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ({"error": "one"}, ("one",)),
        ({"error": ["one", "two"]}, ("one", "two")),
        ({"errors": "one, two"}, ("one, two",)),
        (
            {"errors": {"email": ["is bad", "is blank"], "name": "is short"}},
            ("email is bad", "email is blank", "name is short"),
        ),
        ({"message": ["one"], "success": False}, ("one",)),
        ({"message": "one", "error": "two"}, ("two", "one")),
        ({"email": ["is bad"], "id": 5}, ("is bad",)),
        (["one", {"two": "three"}], ("one", "two three")),
        ("text", ("text",)),
        ({"error": None}, ()),
        ({}, ()),
        (None, ()),
        (5, ()),
    ],
)
def test_every_shape_is_flattened(body: object, texts: tuple[str, ...]) -> None:
    assert flatten(body) == texts


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)


@given(st.integers(200, 599), JSON, st.sampled_from(Effect))
def test_any_answer_has_a_family(status: int, body: object, effect: Effect) -> None:
    assert isinstance(family(status, {}, body, effect), Transient | Permanent | StopTheLine)


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("2.5", 2.5), ("soon", 30.0), (None, 30.0)])
def test_too_many_waits_as_told_or_30_seconds(header: str | None, seconds: float) -> None:
    assert too_many({} if header is None else {"retry-after": header}).retry_after == seconds


def test_a_contact_that_speaks_of_requests_is_no_refusal() -> None:
    assert not is_too_many(200, {"id": 5, "notes": "a high number of requests"})
    assert not is_too_many(200, {"error": None, "id": 5})
    assert is_too_many(200, {"error": ["A High Number of Requests came"]})
    assert not is_too_many(200, None)
