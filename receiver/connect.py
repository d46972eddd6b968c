"""The consent flow in a browser: our link leads to Microsoft, Microsoft's answer leads back here.

`start` changes nothing: a preview of the link by a mail scanner costs nothing. `callback` believes nothing: the state
must be ours, in time and of this browser, its invite is taken once, and the tenant is asked by a token before anything
is linked. No part of a request is shown or logged. Next: `shared/runtime/answering.py`, `receiver/consent_pages.py`.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Protocol, assert_never
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from receiver.consent_pages import Page
from shared.domain.consent import (
    STATE_LIFE,
    ConsentDesk,
    Signed,
    TokenFault,
    browser_consent_url,
    is_browser,
    is_same_browser,
    read_invite,
    read_state,
)
from shared.domain.consent_answer import Declined, Granted, Odd, OddCode, read_answer
from shared.domain.desk import Deed
from shared.domain.errors import SyncError
from shared.domain.onboarding import Invite, InviteState
from shared.ports import Clock, Deeds
from shared.runtime.answering import CONSENT, MISSING_ROLES, AnswerPorts, consent_facts, declined, granted

log = structlog.get_logger("receiver")
COOKIE = "entra_syncro_connect"  # one value per browser: several links may be answered side by side
BROWSER = "the browser"  # who decided, for the record: the administrator signs in at Microsoft, never here


class SitePorts(AnswerPorts, Protocol):
    @property
    def deeds(self) -> Deeds: ...


class ConnectSite:
    """The two handlers. `desk.public_url` must not be blank."""

    def __init__(self, ports: SitePorts, *, desk: ConsentDesk, clock: Clock) -> None:
        self._ports = ports
        self._desk = desk
        self._clock = clock

    async def start(self, request: web.Request) -> web.Response:
        """To Microsoft's consent page, with a state that only this browser can bring back."""
        tokens = request.query.getall("invite", [])
        signed = read_invite(self._desk.secrets, tokens[0]) if len(tokens) == 1 else TokenFault.GARBAGE
        if isinstance(signed, TokenFault):
            return _refused(Page.NOT_OURS, signed.value)
        now = self._clock.now()
        try:
            invite = await self._ports.invites.get(signed.nonce)
        except SyncError as error:
            return _refused(Page.UNAVAILABLE, error.code)
        unfit = _unfit(invite, now)
        if unfit is not None or invite is None:
            return _page(unfit or Page.NOT_OURS)
        return self._to_microsoft(request, invite, now)

    async def callback(self, request: web.Request) -> web.Response:
        """One page for whatever comes; anything but a valid answer changes nothing."""
        answer = read_answer(request.query.items())
        if isinstance(answer, Odd):
            return _refused(Page.NOT_OURS if answer.code is OddCode.NO_STATE else Page.UNREADABLE, answer.code.value)
        now = self._clock.now()
        signed = read_state(self._desk.secrets, answer.state, now)
        if isinstance(signed, Signed) and not is_same_browser(signed, request.cookies.get(COOKIE)):
            signed = TokenFault.OTHER_BROWSER
        if isinstance(signed, TokenFault):
            return _refused(_fault_page(signed), signed.value)
        try:
            return await self._settled(answer, signed.nonce, now)
        except SyncError as error:
            return _refused(Page.UNAVAILABLE, error.code)

    async def _settled(self, answer: Granted | Declined, nonce: str, now: datetime) -> web.Response:
        taken = await self._ports.invites.take(nonce, now)
        if taken is None:
            known = await self._ports.invites.get(nonce)
            return _page(_unfit(known, now) or Page.USED)
        match answer:
            case Granted(tenant_id=tenant):
                settled = await granted(self._ports, self._clock, taken, tenant)
            case Declined(code=code):
                settled = await declined(self._ports, self._clock, taken, code)
            case _:
                assert_never(answer)
        log.info(
            "consent_answered",
            outcome=settled.state.value,
            customer_id=settled.customer_id,
            tenant_id=settled.answered_by.tenant_id if settled.answered_by else None,
            code=settled.code,
        )
        await self._note(settled)
        return _page(_outcome_page(settled))

    async def _note(self, settled: Invite) -> None:
        """What was decided stands already: the record must not spoil the page."""
        facts = consent_facts(settled)
        if facts is None:
            return
        try:
            await self._ports.deeds.note(Deed(BROWSER, CONSENT, self._clock.now(), settled.customer_id, facts))
        except SyncError as error:
            log.warning("consent_not_noted", customer_id=settled.customer_id, code=error.code)

    def _to_microsoft(self, request: web.Request, invite: Invite, now: datetime) -> web.Response:
        known = request.cookies.get(COOKIE, "")
        browser = known if is_browser(known) else secrets.token_urlsafe(32)
        url = browser_consent_url(self._desk, invite, now, browser)
        response = web.Response(status=302, headers={"Location": url})
        response.set_cookie(
            COOKIE,
            browser,
            max_age=int(STATE_LIFE.total_seconds()),
            path=urlsplit(self._desk.public_url).path.rstrip("/") + "/connect",  # the address may have a path
            httponly=True,
            samesite="Lax",  # Microsoft's answer is a top-level GET from another site: Strict would lose the cookie
            secure=self._desk.public_url.startswith("https://"),
        )
        return response


def _unfit(invite: Invite | None, now: datetime) -> Page | None:
    """Why this invite cannot be answered; None when it can."""
    if invite is None:
        return Page.NOT_OURS
    match invite.state:
        case InviteState.OPEN:
            return Page.EXPIRED if invite.expires_at <= now else None
        case InviteState.REPLACED:
            return Page.REPLACED
        case (
            InviteState.TAKEN
            | InviteState.CONSENTED
            | InviteState.CONNECTED
            | InviteState.DECLINED
            | InviteState.FAILED
        ):
            return Page.USED
        case _:
            assert_never(invite.state)


def _outcome_page(settled: Invite) -> Page:
    match settled.state:
        case InviteState.CONNECTED | InviteState.CONSENTED:
            return Page.RECEIVED
        case InviteState.DECLINED:
            return Page.DECLINED
        case InviteState.FAILED:
            return Page.MISSING if settled.code == MISSING_ROLES else Page.FAILED
        case InviteState.OPEN | InviteState.TAKEN:
            return Page.NOT_CHECKED
        case InviteState.REPLACED:
            return Page.REPLACED
        case _:
            assert_never(settled.state)


def _fault_page(fault: TokenFault) -> Page:
    match fault:
        case TokenFault.EXPIRED:
            return Page.TOO_SLOW
        case TokenFault.OTHER_BROWSER:
            return Page.OTHER_BROWSER
        case TokenFault.GARBAGE | TokenFault.WRONG_KIND | TokenFault.UNKNOWN_SECRET | TokenFault.FORGED:
            return Page.NOT_OURS
        case _:
            assert_never(fault)


def _refused(page: Page, why: str) -> web.Response:
    log.info("consent_refused", why=why)
    return _page(page)


def _page(page: Page) -> web.Response:
    return web.Response(status=page.status, text=page.html, content_type="text/html", charset="utf-8")
