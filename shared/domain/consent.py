"""Consent links: what is signed, what is read back, and what may be linked to what. Pure.

A link carries an invite's nonce, a `state` carries the nonce, an end and the browser that began; both are signed with
the secrets of the clientState (old and new accepted), each under a key and a purpose of its own, so that none passes
for another. Nothing that comes in here raises. Next: `shared/domain/consent_answer.py` (what Microsoft's answer
claims), `shared/domain/linking.py` (what may be linked), `shared/runtime/answering.py` (who acts on it).
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest, digest

from shared.domain.onboarding import Invite

Secrets = Mapping[int, bytes]

START_PATH = "/connect/start"
CALLBACK_PATH = "/connect/callback"
NOBODYS_CALLBACK = "https://localhost" + CALLBACK_PATH  # nobody answers there: a person copies the address
STATE_LIFE = timedelta(hours=1)
LONGEST = 200  # characters of a token; ours have 70 to 120

_INVITE = re.compile(r"k([1-9][0-9]{0,3})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})")
_STATE = re.compile(
    r"k([1-9][0-9]{0,3})\.([A-Za-z0-9_-]{22})\.([1-9][0-9]{8,10})\.([A-Za-z0-9_-]{22}|paste)\.([A-Za-z0-9_-]{43})"
)
_BROWSER = re.compile(r"[A-Za-z0-9_-]{43}")
_PASTED = "paste"  # no browser: the answer's address is pasted by the technician
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")  # RFC 3986, unreserved


@dataclass(frozen=True, slots=True)
class ConsentDesk:
    """What consent links are made with. `secrets`: by number, the highest signs, all are accepted (those of the
    clientState). `login_url`: without a path. `scope`: ends in `/.default`. `public_url`: "" without a public address:
    then the answer's address is pasted by hand. `invite_days`: how long a link may be answered."""

    secrets: Secrets = field(repr=False)
    app_id: str
    login_url: str
    scope: str
    public_url: str
    invite_days: int = 14


class TokenFault(StrEnum):
    """Why a token is not accepted. GARBAGE: not of our form. WRONG_KIND: a link's token as a state, or vice versa."""

    GARBAGE = "garbage"
    WRONG_KIND = "wrong_kind"
    UNKNOWN_SECRET = "unknown_secret"  # noqa: S105 - the name of a verdict
    FORGED = "forged"
    EXPIRED = "expired"
    OTHER_BROWSER = "other_browser"


@dataclass(frozen=True, slots=True)
class Signed:
    """`nonce` names the invite. `browser`: fingerprint of the browser that began, "" for one that anybody may bring."""

    nonce: str
    browser: str = ""


def sign_invite(secrets: Secrets, nonce: str) -> str:
    """The token of an invite's link. It ends with the invite, whose end the ledger keeps."""
    number = max(secrets)
    return f"k{number}.{nonce}.{_mac(secrets[number], f'invite {number} {nonce}')}"


def read_invite(secrets: Secrets, token: str) -> Signed | TokenFault:
    form = _INVITE.fullmatch(token) if len(token) <= LONGEST else None
    if form is None:
        return TokenFault.WRONG_KIND if _is(_STATE, token) else TokenFault.GARBAGE
    number, nonce, mac = int(form[1]), form[2], form[3]
    return _checked(secrets, number, f"invite {number} {nonce}", mac) or Signed(nonce)


def sign_state(secrets: Secrets, nonce: str, expires_at: datetime, browser: str | None) -> str:
    """`browser`: the value of the cookie that this browser was given, None when the answer will be pasted."""
    number, end = max(secrets), int(expires_at.timestamp())
    facts = f"{nonce}.{end}.{_PASTED if browser is None else _fingerprint(browser)}"
    return f"k{number}.{facts}.{_mac(secrets[number], f'state {number} {facts}')}"


def read_state(secrets: Secrets, state: str, now: datetime) -> Signed | TokenFault:
    """Whoever answers a browser asks `is_same_browser` as well."""
    form = _STATE.fullmatch(state) if len(state) <= LONGEST else None
    if form is None:
        return TokenFault.WRONG_KIND if _is(_INVITE, state) else TokenFault.GARBAGE
    number, nonce, end, browser, mac = int(form[1]), form[2], int(form[3]), form[4], form[5]
    fault = _checked(secrets, number, f"state {number} {nonce}.{end}.{browser}", mac)
    if fault is None and end <= now.timestamp():
        return TokenFault.EXPIRED
    return fault or Signed(nonce, "" if browser == _PASTED else browser)


def is_same_browser(signed: Signed, cookie: str | None) -> bool:
    """Does this cookie belong to the browser that began? One that is to be pasted belongs to no browser."""
    return cookie is not None and is_browser(cookie) and compare_digest(_fingerprint(cookie), signed.browser)


def is_browser(cookie: str) -> bool:
    """Has it the form of a cookie's value of ours (32 random bytes, base64url)?"""
    return _BROWSER.fullmatch(cookie) is not None


def invite_link(desk: ConsentDesk, invite: Invite) -> str:
    """What the technician sends to the customer's administrator. Without a public address it is Microsoft's own."""
    if desk.public_url:
        return f"{desk.public_url.rstrip('/')}{START_PATH}?invite={sign_invite(desk.secrets, invite.nonce)}"
    return consent_url(desk, invite, sign_state(desk.secrets, invite.nonce, invite.expires_at, None))


def browser_consent_url(desk: ConsentDesk, invite: Invite, now: datetime, browser: str) -> str:
    """Where a browser is sent that opened the invite's link. `browser`: its cookie's value."""
    end = min(now + STATE_LIFE, invite.expires_at)
    return consent_url(desk, invite, sign_state(desk.secrets, invite.nonce, end, browser))


def consent_url(desk: ConsentDesk, invite: Invite, state: str) -> str:
    """Microsoft's admin consent, v2.0: `/.default` as scope is what grants application permissions."""
    callback = desk.public_url.rstrip("/") + CALLBACK_PATH if desk.public_url else NOBODYS_CALLBACK
    query = {"client_id": desk.app_id, "scope": desk.scope, "redirect_uri": callback, "state": state}
    where = f"{desk.login_url.rstrip('/')}/{_quoted(invite.tenant_id or 'organizations')}/v2.0/adminconsent"
    return f"{where}?{'&'.join(f'{name}={_quoted(value)}' for name, value in query.items())}"


def ends_at(desk: ConsentDesk, now: datetime) -> datetime:
    """When an invite that is made now ends."""
    return now.astimezone(UTC) + timedelta(days=desk.invite_days)


def _checked(secrets: Secrets, number: int, facts: str, mac: str) -> TokenFault | None:
    secret = secrets.get(number)
    # An unknown number costs the same work as a known one, so that timing tells nothing about the secrets in use.
    matches = compare_digest(_mac(secret or b"unknown", facts), mac)
    if secret is None:
        return TokenFault.UNKNOWN_SECRET
    return None if matches else TokenFault.FORGED


def _mac(secret: bytes, facts: str) -> str:
    key = digest(secret, b"entra-syncro consent", sha256)
    return _text(digest(key, facts.encode(), sha256))


def _fingerprint(browser: str) -> str:
    return _text(sha256(browser.encode()).digest()[:16])


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def _is(form: re.Pattern[str], token: str) -> bool:
    return len(token) <= LONGEST and form.fullmatch(token) is not None


def _quoted(text: str) -> str:
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in text.encode())
