"""Every error that Syncro answers with, as one of our three families. Pure; nothing is fetched.

Syncro puts its texts under `error`, `errors` or `message`, as a string, an array or an object of arrays; a missing
permission is a 401; "too many" may come as a 200. Its 422 repeats the person's data, so a text is only ever looked
into, never passed on. Next: `shared/adapters/syncro/caller.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

from shared.adapters.http import retry_after
from shared.adapters.lenient import mapping
from shared.domain.errors import Ambiguous, Permanent, Scope, StopTheLine, SyncError, Transient

SERVICE = "syncro"
TOO_MANY_SECONDS = 30.0  # no Retry-After is documented; the window is a minute
_TOO_MANY_TEXT = "high number of requests"


class Effect(StrEnum):
    """What a call may have done if its answer says nothing: nothing at all, or a write."""

    READ = "read"
    WRITE = "write"


# Known texts of a 422 (lower case), first hit wins; ours is the sentence that a person reads.
_REFUSALS: tuple[tuple[str, str, str], ...] = (
    ("email is not an email", "invalid_email", "Syncro does not accept this e-mail address"),
    ("only able to parse", "invalid_email", "Syncro does not accept this e-mail address"),
    ("customer can't be blank", "customer_missing", "Syncro wants a customer for this contact"),
    ("name can't be blank", "name_missing", "Syncro wants a name for this contact"),
    ("already been taken", "duplicate", "Syncro holds this value for another record"),
    ("already exists", "duplicate", "Syncro holds this value for another record"),
    ("propert", "unknown_field", "Syncro does not know one of the custom fields"),
    ("custom field", "unknown_field", "Syncro does not know one of the custom fields"),
)


def flatten(body: object) -> tuple[str, ...]:
    """Every error text in an answer, whatever its shape. For looking into, not for showing."""
    if not isinstance(body, dict):
        return tuple(_strings(body)) if isinstance(body, str | list) else ()
    named = [body[key] for key in ("error", "errors", "message") if key in body]
    if named:
        return tuple(text for value in named for text in _strings(value))
    # a bare object of field -> [messages]
    return tuple(text for value in body.values() if isinstance(value, list) for text in _strings(value))


def is_too_many(status: int, body: object) -> bool:
    """The limit was hit. Also told by a 200 whose only content is an error."""
    return status == 429 or (status == 200 and _TOO_MANY_TEXT in _joined(mapping(body).get("error")))


def too_many(headers: Mapping[str, str]) -> StopTheLine:
    """Account-wide: the limit counts per address, so every customer of ours shares it."""
    wait = retry_after(headers)
    return StopTheLine(
        SERVICE,
        "too_many",
        "more than 180 calls a minute left this address",
        scope=Scope.ACCOUNT,
        retry_after=TOO_MANY_SECONDS if wait is None else wait,
    )


def family(status: int, headers: Mapping[str, str], body: object, effect: Effect) -> SyncError:
    """The error behind an answer that was no success. `body` is the parsed JSON, None when it was none."""
    if is_too_many(status, body):
        return too_many(headers)
    if status == 401:
        return _unauthorized(body)
    if status == 403:  # never documented; whatever it means, no call will fare better
        return StopTheLine(SERVICE, "forbidden", "status 403", scope=Scope.ACCOUNT)
    if status == 404:
        return _not_found(body)
    if status == 422:
        return _refused(body)
    if status == 408 or status >= 500:
        return _unsure(effect, "service_fault", f"status {status}", retry_after(headers))
    if status >= 400:
        return Permanent(SERVICE, "bad_request", f"status {status}")
    return unreadable(effect, f"status {status}")


def unreadable(effect: Effect, detail: str) -> Transient:
    """An answer that is no record of Syncro's: a login page, a gateway's HTML, a cut body, an error in a 200."""
    return _unsure(effect, "unreadable_answer", detail, None)


def _unsure(effect: Effect, code: str, detail: str, wait: float | None) -> Transient:
    if effect is Effect.READ:
        return Transient(SERVICE, code, detail, retry_after=wait)
    return Ambiguous(SERVICE, code, detail, retry_after=wait)


def _unauthorized(body: object) -> StopTheLine:
    """A missing permission is a 401 as well: the text alone tells it from a bad token."""
    text = _joined(body)
    if "not authorized" in text or "permission" in text:
        detail = "the API token lacks a permission: Customers List/Search, View Detail and Edit are needed"
        return StopTheLine(SERVICE, "permission", detail, scope=Scope.ACCOUNT)
    return StopTheLine(SERVICE, "token", "the API token is wrong or has expired", scope=Scope.ACCOUNT)


def _not_found(body: object) -> SyncError:
    """Only Syncro's own 404 means that a record is gone; a page of somebody else's means nothing."""
    if isinstance(body, dict):
        return Permanent(SERVICE, "not_found", "Syncro knows no such record")
    return Transient(SERVICE, "unreadable_answer", "status 404 without Syncro's own answer")


def _refused(body: object) -> Permanent:
    text = _joined(body)
    for fragment, code, sentence in _REFUSALS:
        if fragment in text:
            return Permanent(SERVICE, code, sentence)
    return Permanent(SERVICE, "rejected", "Syncro refused the values")


def _joined(body: object) -> str:
    texts = flatten(body) if isinstance(body, dict) else tuple(_strings(body))
    return " ".join(texts).lower()


def _strings(value: object) -> Iterator[str]:
    """All strings inside, and the names in front of them ("email": ["is invalid"] reads "email is invalid")."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from (f"{name} {text}" for text in _strings(item))
