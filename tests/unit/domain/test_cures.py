"""Every row of the error table of subscriptions has its message and its action, and so has all else that fails."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from types import ModuleType

import pytest

import shared.adapters.graph.credentials
import shared.adapters.graph.errors
import shared.adapters.graph.login_errors
import shared.adapters.graph.managed_identity
import shared.adapters.notices.smtp
import shared.adapters.notices.teams
import shared.adapters.notices.ticket
import shared.adapters.partner
import shared.adapters.partner_login
import shared.adapters.syncro.errors
from shared.adapters.graph.errors import family
from shared.adapters.graph.login_errors import login_family
from shared.adapters.syncro.errors import Effect
from shared.domain.cures import TABLE, Action, Cure, cure_of, cure_of_code
from shared.domain.door import DoorFault
from shared.domain.errors import Permanent, Scope, StopTheLine, SyncError, Transient

TENANT = "0b0f1f2f-aaaa-bbbb-cccc-000000000001"
GUID = "c0bba80e-57a3-43a7-bac2-e6f525a76e7c"
REQUIRED_200 = "Notification endpoint must respond with 200 OK to validation request."


@dataclass(frozen=True)
class Row:
    """`said` is what a person must be able to read out of it, `does` what must be done, or that nobody must."""

    status: int
    code: str
    message: str
    action: Action
    said: str
    does: str

    def __str__(self) -> str:
        return f"{self.status}-{self.message[:40]}"


def create(rest: str) -> str:
    return f"Operation: Create; Exception: [{rest}]"


ROWS = [
    Row(
        400,
        "ValidationError",
        f"Subscription validation request failed. {REQUIRED_200}",
        Action.RETRY_LATER,
        "was not answered with 200",
        "Correct the reverse proxy or firewall",
    ),
    Row(
        400,
        "InvalidRequest",
        f"Subscription validation request failed. {REQUIRED_200}",
        Action.RETRY_LATER,
        "was not answered with 200",
        "Correct the reverse proxy or firewall",
    ),
    Row(
        400,
        "ValidationError",
        f"Subscription validation request failed. HTTP status code is 'Forbidden'. {REQUIRED_200}",
        Action.WAIT_FOR_PERSON,
        "turned Microsoft's call away",
        "without sign-in or address filter",
    ),
    Row(
        400,
        "InvalidRequest",
        "Subscription validation request timed out.",
        Action.RETRY_LATER,
        "no answer within 10 seconds",
        "reachable from the internet",
    ),
    Row(
        400,
        "InvalidRequest",
        "Subscription validation request failed. Response must exactly match validationToken query parameter.",
        Action.WAIT_FOR_PERSON,
        "changes our answer",
        "byte for byte",
    ),
    Row(
        400,
        "InvalidRequest",
        "The underlying connection was closed: Could not establish trust relationship for the SSL/TLS secure channel.",
        Action.WAIT_FOR_PERSON,
        "does not trust the certificate",
        "whole chain",
    ),
    Row(
        400,
        "InvalidRequest",
        "The underlying connection was closed: An unexpected error occurred on a send.",
        Action.WAIT_FOR_PERSON,
        "no TLS version or cipher in common",
        "allow TLS 1.2",
    ),
    Row(
        400,
        "ValidationError",
        "Invalid property value for LatestSupportedTlsVersion",
        Action.WAIT_FOR_PERSON,
        "TLS version named in the subscription",
        "Report it",
    ),
    Row(
        400,
        "InvalidRequest",
        "Invalid 'changeType' attribute: 'created'.",
        Action.WAIT_FOR_PERSON,
        "kinds of change",
        "Report it",
    ),
    Row(
        400,
        "ExtensionError",
        "Subscription expiration can only be 41760 minutes in the future.",
        Action.WAIT_FOR_PERSON,
        "shorter life",
        "Lower receiver.subscription_minutes",
    ),
    Row(
        400,
        "ExtensionError",
        create(
            "Status Code: BadRequest; Reason: Expiration time '…' ('…' from now) is beyond allowed max '3.00:00:00'."
        ),
        Action.WAIT_FOR_PERSON,
        "shorter life",
        "Lower receiver.subscription_minutes",
    ),
    Row(
        400,
        "",
        "Subscription must contain either the 'expirationDateTime' or 'notificationUrl' property and its value.",
        Action.WAIT_FOR_PERSON,
        "renewal without content",
        "Report it",
    ),
    Row(
        401,
        "InvalidAuthenticationToken",
        "Access token is empty.",
        Action.RETRY_SOON,
        "did not accept the access token",
        "Nobody has to do anything",
    ),
    Row(
        401,
        "InvalidAuthenticationToken",
        "Access token has expired or is not yet valid.",
        Action.RETRY_SOON,
        "did not accept the access token",
        "Nobody has to do anything",
    ),
    Row(
        401,
        "InvalidAuthenticationToken",
        "CompactToken parsing failed with error code: 80049217",
        Action.RETRY_SOON,
        "did not accept the access token",
        "Nobody has to do anything",
    ),
    Row(
        401,
        "ExtensionError",
        create("Status Code: Unauthorized; Reason: "),
        Action.RETRY_SOON,
        "has not reached all of Microsoft's servers",
        "entra-syncro check",
    ),
    Row(
        403,
        "ExtensionError",
        create("Status Code: Forbidden; Reason: Forbidden"),
        Action.RETRY_SOON,
        "refused for the moment",
        "Nobody has to do anything",
    ),
    Row(
        403,
        "Authorization_RequestDenied",
        "Insufficient privileges to complete the operation.",
        Action.STOP_TENANT,
        "lacks a permission",
        "An administrator of the customer must grant consent",
    ),
    Row(
        403,
        "Forbidden",
        "Subscription quota exceeded: the limit of 1000 subscriptions per tenant was reached.",
        Action.WAIT_FOR_PERSON,
        "all programs together share 1,000",
        "remove another vendor's app",
    ),
    Row(
        403,
        "Forbidden",
        "Subscription quota exceeded: the limit of 100 subscriptions per app and tenant was reached.",
        Action.WAIT_FOR_PERSON,
        "already has the 100 subscriptions",
        "what else uses the same app registration",
    ),
    Row(
        403,
        "Forbidden",
        "Subscription quota exceeded: the limit of 50000 subscriptions per app was reached.",
        Action.WAIT_FOR_PERSON,
        "already has the 50,000 subscriptions",
        "what else uses the same app registration",
    ),
    Row(403, "ExtensionError", "Quota exceeded.", Action.WAIT_FOR_PERSON, "is used up: 1,000", "by polling"),
    Row(
        404,
        "ExtensionError",
        "Operation: Delete; Exception: [Status Code: NotFound; Reason: …]",
        Action.RECREATE,
        "is gone",
        "it is made anew",
    ),
    Row(404, "ResourceNotFound", "The object was not found.", Action.RECREATE, "is gone", "it is made anew"),
    Row(
        409,
        "ObjectIdentifierInUse",
        f"Subscription Id {GUID} already exists for the requested combination",
        Action.TAKE_OVER,
        "exists already",
        "it is taken over",
    ),
    Row(
        500,
        "ExtensionError",
        create("There was no raw user ticket in the requestPropertyMappings"),
        Action.RETRY_SOON,
        "A server of Microsoft's failed",
        "Nobody has to do anything",
    ),
    Row(
        503,
        "ExtensionError",
        create("Status Code: ServiceUnavailable; Reason: …"),
        Action.RETRY_SOON,
        "A server of Microsoft's failed",
        "Nobody has to do anything",
    ),
    Row(
        429,
        "TooManyRequests",
        "Please retry again later.",
        Action.RETRY_SOON,
        "asked us to slow down",
        "Nobody has to do anything",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_row_of_the_error_table_has_its_message_and_its_action(row: Row) -> None:
    error = family(row.status, {}, {"error": {"code": row.code, "message": row.message, "innerError": {}}}, TENANT)
    assert f"graph:{error.code}" in TABLE
    cure = cure_of(error)
    assert cure.action is row.action
    assert row.said in cure.what
    assert row.does in cure.who_does_what


LOGIN = [
    (700016, Action.STOP_TENANT, "does not know the app"),
    (7000229, Action.STOP_TENANT, "does not know the app"),
    (65001, Action.STOP_TENANT, "does not know the app"),
    (65004, Action.STOP_TENANT, "declined"),
    (90002, Action.STOP_TENANT, "no such tenant"),
    (53003, Action.STOP_TENANT, "policy"),
    (50105, Action.STOP_TENANT, "assigned"),
    (7000112, Action.STOP_TENANT, "disabled"),
    (7000215, Action.STOP_ACCOUNT, "secret is wrong"),
    (7000222, Action.STOP_ACCOUNT, "secret has expired"),
    (700027, Action.STOP_ACCOUNT, "certificate was refused"),
    (90055, Action.RETRY_SOON, "could not be reached"),
]


@pytest.mark.parametrize(("number", "action", "said"), LOGIN)
def test_every_refusal_of_the_sign_in_has_its_message_and_its_action(number: int, action: Action, said: str) -> None:
    cure = cure_of(login_family({"error": "invalid_request", "error_codes": [number]}, TENANT))
    assert cure.action is action
    assert said in cure.what


@pytest.mark.parametrize("fault", [fault for fault in DoorFault if fault is not DoorFault.NONE])
def test_every_fault_of_the_door_has_a_cure(fault: DoorFault) -> None:
    assert "receiver.public_url" in cure_of_code(f"door:{fault}").what


SYNCRO = [
    (401, {"error": "Not authorized"}, Action.STOP_ACCOUNT, "lacks a permission"),
    (401, {"error": "Invalid token"}, Action.STOP_ACCOUNT, "token is wrong or has expired"),
    (403, None, Action.STOP_ACCOUNT, "refuses every call"),
    (404, {}, Action.RECREATE, "is gone"),
    (422, {"errors": ["Email is not an email"]}, Action.WAIT_FOR_PERSON, "does not accept this e-mail"),
    (422, {"errors": ["Name can't be blank"]}, Action.WAIT_FOR_PERSON, "wants a name"),
    (422, {"errors": ["Email has already been taken"]}, Action.WAIT_FOR_PERSON, "another contact"),
    (422, {"errors": ["unknown property"]}, Action.WAIT_FOR_PERSON, "does not know one of the custom fields"),
    (422, {}, Action.WAIT_FOR_PERSON, "refused the values"),
    (429, None, Action.STOP_ACCOUNT, "180 calls a minute"),
    (500, None, Action.RETRY_SOON, "A server of Syncro's failed"),
]


@pytest.mark.parametrize(("status", "body", "action", "said"), SYNCRO)
def test_every_error_of_syncro_has_its_message_and_its_action(
    status: int, body: object, action: Action, said: str
) -> None:
    cure = cure_of(shared.adapters.syncro.errors.family(status, {}, body, Effect.READ))
    assert cure.action is action
    assert said in cure.what


@pytest.mark.parametrize(
    ("service", "source", "pattern"),
    [
        ("graph", shared.adapters.graph.errors, r'(?:transient|permanent|tenant_stops)\("(\w+)"'),
        ("graph", shared.adapters.graph.errors, r'", "((?:handshake|quota|tls|change|expiration|empty)\w*)"\)'),
        ("graph", shared.adapters.graph.errors, r'(?m)^[A-Z_]+ = "(\w+)"'),
        ("login", shared.adapters.graph.login_errors, r'\d: "(\w+)"'),
        ("syncro", shared.adapters.syncro.errors, r'SERVICE, "(\w+)"'),
        ("login", shared.adapters.graph.credentials, r'LOGIN, "(\w+)"'),
        ("login", shared.adapters.graph.managed_identity, r'LOGIN, "(\w+)"'),
        ("partner", shared.adapters.partner, r'PARTNER, "(\w+)"'),
        ("partner", shared.adapters.partner_login, r'PARTNER, "(\w+)"'),
        ("partner", shared.adapters.partner_login, r'\d: "(\w+)"'),
        ("partner", shared.adapters.partner_login, r'": "(sign_\w+)"'),
        ("smtp", shared.adapters.notices.smtp, r'(?:SERVICE, |_judged\()"(\w+)"'),
        ("teams", shared.adapters.notices.teams, r'(?:SERVICE, |code = )"(\w+)"'),
        ("ticket", shared.adapters.notices.ticket, r'SERVICE, "(\w+)"'),
    ],
)
def test_no_code_of_an_adapter_is_without_a_cure(service: str, source: ModuleType, pattern: str) -> None:
    codes = set(re.findall(pattern, inspect.getsource(source)))
    assert codes, "the pattern finds nothing any more"
    assert {f"{service}:{code}" for code in codes} <= TABLE.keys()


@pytest.mark.parametrize("code", sorted(TABLE))
def test_a_cure_is_two_sentences_in_plain_words(code: str) -> None:
    cure = TABLE[code]
    for text in (cure.what, cure.who_does_what):
        assert text[0].isupper() or text.startswith(("receiver.", "entra-syncro"))
        assert text.endswith(".")
        assert "  " not in text
        assert not re.search(r"\b(hint|lane|rung|lease|digest|quorum)\b", text)
    assert re.fullmatch(r"[a-z]+:[a-z0-9_]+", code)


def test_an_unknown_code_still_says_something() -> None:
    assert cure_of_code("graph:brand_new") == Cure(
        "brand new.", "The log has the details; report it if it comes again.", Action.WAIT_FOR_PERSON
    )
    assert cure_of_code("odd").what == "odd."


@pytest.mark.parametrize(
    ("error", "action", "does"),
    [
        (Transient("graph", "new"), Action.RETRY_SOON, "Nobody has to do anything"),
        (Permanent("graph", "new"), Action.WAIT_FOR_PERSON, "Waiting will not help"),
        (StopTheLine("graph", "new", scope=Scope.TENANT), Action.STOP_TENANT, "administrator of the customer"),
        (StopTheLine("syncro", "new", scope=Scope.ACCOUNT), Action.STOP_ACCOUNT, "syncro.api_token"),
        (SyncError("graph", "new"), Action.WAIT_FOR_PERSON, "log"),
    ],
)
def test_what_the_table_does_not_know_is_told_by_its_family(error: SyncError, action: Action, does: str) -> None:
    cure = cure_of(error)
    assert (cure.what, cure.action) == ("new", action)
    assert does in cure.who_does_what
