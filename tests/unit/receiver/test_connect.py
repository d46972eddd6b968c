"""The consent flow in a browser: what is believed, what is not, and that a doubtful answer changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from structlog.testing import capture_logs

from receiver.connect import COOKIE, ConnectSite
from receiver.consent_pages import Page
from receiver.service import ConsentPorts
from shared.domain.consent import CALLBACK_PATH, START_PATH, ConsentDesk, invite_link, sign_invite, sign_state
from shared.domain.errors import Scope, StopTheLine, SyncError, Transient
from shared.domain.linking import is_living
from shared.domain.onboarding import Invite, InviteState, Organization
from shared.domain.records import Connection, ConnectionStatus
from tests.support.clock import START
from tests.support.fake_ledger import FakeLedger
from tests.support.fake_onboarding import FakeOrganizations
from tests.support.fake_vendors import FakeDirectory
from tests.support.receiver import OTHER, SECRETS, TENANT
from tests.support.virtual_time import LoopClock, run_virtual

T = TypeVar("T")
NONCE = "AbCdEfGhIjKlMnOpQrSt-_"
CUSTOMER = 7
DESK = ConsentDesk(SECRETS, "app-id", "https://login.example", "https://graph.example/.default", "https://hub.example")
INVITE = Invite(NONCE, CUSTOMER, "Secretive Ltd", TENANT, START, START + timedelta(days=14))
CONTOSO = Organization(TENANT, "Contoso", ("contoso.example",))


class Consenting(FakeDirectory):
    """`roles` of every tenant; `proofs` counts. `on_proof` is called at each."""

    roles = frozenset({"User.Read.All"})
    proofs = 0
    on_proof: Callable[[], None] = staticmethod(lambda: None)

    async def prove(self, tenant_id: str) -> frozenset[str]:
        self.proofs += 1
        self.on_proof()
        await self.answer()
        return self.roles


@dataclass
class Hall:
    """The site on fakes, and a browser with its cookies."""

    clock: LoopClock = field(default_factory=LoopClock)
    desk: ConsentDesk = DESK

    def __post_init__(self) -> None:
        self.ledger = FakeLedger()
        self.directory = Consenting(self.clock)
        self.organizations = FakeOrganizations(
            {TENANT: CONTOSO, OTHER: Organization(OTHER, "Fabrikam", ("fabrikam.example",))}
        )
        self.cookies: dict[str, str] = {}

    def site(self) -> ConnectSite:
        ledger = self.ledger
        ports = ConsentPorts(
            self.desk,
            ledger.invites,
            ledger.connections,
            self.directory,
            self.organizations,
            ledger.apart,
            ledger.deeds,
        )
        return ConnectSite(ports, desk=self.desk, clock=self.clock)

    def hold(self, invite: Invite = INVITE) -> None:
        self.ledger.invites.held[invite.nonce] = invite

    @property
    def invite(self) -> Invite:
        return self.ledger.invites.held[NONCE]

    async def opened(self, link: str | None = None) -> web.Response:
        """The invite's link, followed by this browser."""
        target = urlsplit(link or invite_link(self.desk, INVITE))
        response = await self.site().start(self._request(f"{START_PATH}?{target.query}"))
        self.cookies |= {name: morsel.value for name, morsel in response.cookies.items()}
        return response

    async def answered(self, **answer: str) -> web.Response:
        return await self.site().callback(self._request(f"{CALLBACK_PATH}?{urlencode(answer)}"))

    async def consented(self, tenant: str = TENANT) -> web.Response:
        """The whole way of a browser."""
        return await self.answered(admin_consent="True", tenant=tenant, state=state_of(await self.opened()))

    def _request(self, path: str) -> web.Request:
        sent = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Cookie": sent} if sent else {}
        return make_mocked_request("GET", path, headers=headers)


def state_of(response: web.Response) -> str:
    return parse_qs(urlsplit(response.headers["Location"]).query)["state"][0]


def page(response: web.Response) -> str:
    return response.text or ""


def shows(response: web.Response, expected: Page) -> bool:
    return (response.status, page(response), response.content_type) == (expected.status, expected.html, "text/html")


def in_hall(act: Callable[[Hall], Awaitable[T]], *, invite: Invite | None = INVITE) -> T:
    async def main() -> T:
        hall = Hall()
        if invite is not None:
            hall.hold(invite)
        return await act(hall)

    return run_virtual(main())


# --- the link -------------------------------------------------------------------------------------------------


def test_a_link_leads_to_microsoft_with_a_state_and_a_cookie_of_this_browser() -> None:
    async def act(hall: Hall) -> web.Response:
        response = await hall.opened()
        assert hall.invite.state is InviteState.OPEN  # a mail scanner that opens it costs nothing
        return response

    response = in_hall(act)
    assert response.status == 302
    assert response.headers["Location"].startswith(f"https://login.example/{TENANT}/v2.0/adminconsent?client_id=app-id")
    cookie: SimpleCookie = response.cookies
    facts = cookie[COOKIE]
    assert (facts["path"], facts["samesite"], facts["max-age"]) == ("/connect", "Lax", "3600")
    assert facts["httponly"]
    assert facts["secure"]
    assert facts.value not in response.headers["Location"]


def test_a_cookie_over_plain_http_on_loopback_is_not_secure() -> None:
    async def act(hall: Hall) -> web.Response:
        hall.desk = replace(DESK, public_url="http://127.0.0.1:8080")
        return await hall.opened()

    assert not in_hall(act).cookies[COOKIE]["secure"]


def test_the_cookie_comes_back_where_the_public_address_has_a_path_of_its_own() -> None:
    async def act(hall: Hall) -> web.Response:
        hall.desk = replace(DESK, public_url="https://hub.example/entra/")
        return await hall.opened(invite_link(hall.desk, INVITE))

    assert in_hall(act).cookies[COOKIE]["path"] == "/entra/connect"


def test_two_links_may_be_open_in_one_browser() -> None:
    async def act(hall: Hall) -> None:
        other = replace(INVITE, nonce="B" * 22, customer_id=8, tenant_id=OTHER)
        hall.hold(other)
        first = state_of(await hall.opened())
        second = state_of(await hall.opened(invite_link(DESK, other)))
        assert shows(await hall.answered(tenant=TENANT, state=first), Page.RECEIVED)
        assert shows(await hall.answered(tenant=OTHER, state=second), Page.RECEIVED)

    in_hall(act)


def test_a_cookie_of_another_form_is_not_kept() -> None:
    async def act(hall: Hall) -> str:
        hall.cookies = {COOKIE: "chosen-by-somebody"}
        return (await hall.opened()).cookies[COOKIE].value

    assert len(in_hall(act)) == 43


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", Page.NOT_OURS),
        ("invite=", Page.NOT_OURS),
        (f"invite={sign_invite({1: b'not our secret, at all'}, NONCE)}", Page.NOT_OURS),
        (f"invite={sign_invite({9: b'not our secret, at all'}, NONCE)}", Page.NOT_OURS),
        (f"invite={sign_state(SECRETS, NONCE, START + timedelta(hours=1), None)}", Page.NOT_OURS),
        (f"invite={sign_invite(SECRETS, NONCE)}&invite={sign_invite(SECRETS, NONCE)}", Page.NOT_OURS),
        (f"invite={sign_invite(SECRETS, 'Z' * 22)}", Page.NOT_OURS),
        ("invite=" + "x" * 100_000, Page.NOT_OURS),
    ],
)
def test_a_link_that_is_not_ours_leads_nowhere(query: str, expected: Page) -> None:
    async def act(hall: Hall) -> web.Response:
        return await hall.opened(f"https://hub.example/connect/start?{query}")

    response = in_hall(act)
    assert shows(response, expected)
    assert "Location" not in response.headers
    assert not response.cookies


@pytest.mark.parametrize(
    ("invite", "expected"),
    [
        (replace(INVITE, state=InviteState.REPLACED), Page.REPLACED),
        (replace(INVITE, state=InviteState.CONNECTED), Page.USED),
        (replace(INVITE, state=InviteState.DECLINED), Page.USED),
        (replace(INVITE, state=InviteState.TAKEN), Page.USED),
        (replace(INVITE, expires_at=START), Page.EXPIRED),
    ],
)
def test_a_link_whose_time_is_over_says_so(invite: Invite, expected: Page) -> None:
    assert shows(in_hall(Hall.opened, invite=invite), expected)


# --- the answer -----------------------------------------------------------------------------------------------


def test_an_answer_of_the_named_tenant_is_proved_and_connects_in_preview() -> None:
    async def act(hall: Hall) -> None:
        assert shows(await hall.consented(), Page.RECEIVED)
        assert hall.directory.proofs == 1
        assert (hall.invite.state, hall.invite.answered_by) == (InviteState.CONNECTED, CONTOSO)
        made = hall.ledger.connections.held[CUSTOMER]
        assert (made.tenant_id, made.status, made.customer_name) == (TENANT, ConnectionStatus.PREVIEW, "Secretive Ltd")

    in_hall(act)


@pytest.mark.parametrize("named", ["", OTHER])
def test_an_answer_of_a_tenant_that_was_not_named_waits_for_a_person(named: str) -> None:
    async def act(hall: Hall) -> None:
        assert shows(await hall.consented(), Page.RECEIVED)
        assert (hall.invite.state, hall.invite.answered_by) == (InviteState.CONSENTED, CONTOSO)
        assert not hall.ledger.connections.held

    in_hall(act, invite=replace(INVITE, tenant_id=named))


@pytest.mark.parametrize("shared", [False, True])
def test_a_tenant_of_another_customer_is_linked_only_where_that_was_allowed(shared: bool) -> None:
    async def act(hall: Hall) -> None:
        other = Connection(8, "Other", TENANT, ConnectionStatus.APPROVED, START, START)
        await hall.ledger.connections.save(other)
        assert shows(await hall.consented(), Page.RECEIVED)
        assert hall.invite.state is (InviteState.CONNECTED if shared else InviteState.CONSENTED)
        assert (CUSTOMER in hall.ledger.connections.held) is shared

    in_hall(act, invite=replace(INVITE, is_shared=shared))


def test_a_customer_with_another_tenant_keeps_it() -> None:
    async def act(hall: Hall) -> None:
        tied = Connection(CUSTOMER, "Mine", OTHER, ConnectionStatus.APPROVED, START, START)
        await hall.ledger.connections.save(tied)
        await hall.consented()
        assert hall.invite.state is InviteState.CONSENTED
        assert hall.ledger.connections.held == {CUSTOMER: tied}

    in_hall(act)


def test_a_consent_without_a_required_role_fails_by_name() -> None:
    async def act(hall: Hall) -> None:
        hall.directory.roles = frozenset({"Reports.Read.All"})
        assert shows(await hall.consented(), Page.MISSING)
        assert (hall.invite.state, hall.invite.missing) == (InviteState.FAILED, ("User.Read.All",))
        assert not hall.ledger.connections.held

    in_hall(act)


def test_a_claim_that_microsoft_does_not_confirm_connects_nothing() -> None:
    async def act(hall: Hall) -> None:
        hall.directory.failures = [StopTheLine("login", "consent_missing", scope=Scope.TENANT) for _ in range(20)]
        assert shows(await hall.consented(), Page.FAILED)
        assert (hall.invite.state, hall.invite.code) == (InviteState.FAILED, "login:consent_missing")
        assert not hall.ledger.connections.held

    in_hall(act)


def test_a_consent_that_is_still_replicating_is_waited_for() -> None:
    async def act(hall: Hall) -> float:
        hall.directory.failures = [StopTheLine("login", "consent_missing", scope=Scope.TENANT)] * 2
        assert shows(await hall.consented(), Page.RECEIVED)
        return hall.clock.monotonic()

    assert in_hall(act) == 3.0


@pytest.mark.parametrize(
    "failure",
    [Transient("login", "login_unavailable"), StopTheLine("login", "secret_expired", scope=Scope.ACCOUNT)],
)
def test_what_cannot_be_checked_now_leaves_the_link_good(failure: SyncError) -> None:
    async def act(hall: Hall) -> None:
        hall.directory.failures = [failure]
        assert shows(await hall.consented(), Page.NOT_CHECKED)
        assert (hall.invite.state, hall.invite.code) == (InviteState.OPEN, f"login:{failure.code}")
        assert shows(await hall.consented(), Page.RECEIVED)
        assert (hall.invite.state, hall.invite.code) == (InviteState.CONNECTED, "")

    in_hall(act)


def test_a_decline_is_kept_though_it_carries_admin_consent_and_a_tenant() -> None:
    async def act(hall: Hall) -> None:
        state = state_of(await hall.opened())
        text = "AADSTS65004: User declined to consent to access the app."
        answer = {"error": "consent_required", "error_description": text, "admin_consent": "True", "tenant": TENANT}
        assert shows(await hall.answered(**answer, state=state), Page.DECLINED)
        assert (hall.invite.state, hall.directory.proofs) == (InviteState.DECLINED, 0)

    in_hall(act)


def test_a_reload_says_already_used_and_changes_nothing() -> None:
    async def act(hall: Hall) -> None:
        state = state_of(await hall.opened())
        await hall.answered(tenant=TENANT, state=state)
        gone = replace(hall.ledger.connections.held[CUSTOMER], status=ConnectionStatus.DISCONNECTED)
        hall.ledger.connections.held[CUSTOMER] = gone
        assert shows(await hall.answered(tenant=TENANT, state=state), Page.USED)
        assert shows(await hall.answered(error="access_denied", state=state), Page.USED)
        assert hall.ledger.connections.held == {CUSTOMER: gone}
        assert (hall.invite.state, hall.directory.proofs) == (InviteState.CONNECTED, 1)

    in_hall(act)


def test_of_two_answers_at_once_one_wins() -> None:
    async def act(hall: Hall) -> None:
        hall.directory.latency = 1.0
        state = state_of(await hall.opened())
        ends = await asyncio.gather(*(hall.answered(tenant=TENANT, state=state) for _ in range(5)))
        assert sorted(end.status for end in ends) == [200, 409, 409, 409, 409]
        assert hall.directory.proofs == 1

    in_hall(act)


def test_of_two_customers_that_one_tenant_answers_for_at_once_both_are_never_linked() -> None:
    async def act(hall: Hall) -> None:
        other = replace(INVITE, nonce="B" * 22, customer_id=8)
        hall.hold(other)
        states = [state_of(await hall.opened()), state_of(await hall.opened(invite_link(DESK, other)))]
        save, both = hall.ledger.connections.save, asyncio.Barrier(2)

        async def saved_together(connection: Connection) -> None:
            if connection.status is ConnectionStatus.PREVIEW:
                await both.wait()
            await save(connection)

        hall.ledger.connections.save = saved_together  # type: ignore[method-assign]  # both are judged before any save
        await asyncio.gather(*(hall.answered(tenant=TENANT, state=state) for state in states))
        living = [each for each in hall.ledger.connections.held.values() if is_living(each)]
        ends = {each.state for each in hall.ledger.invites.held.values()}
        assert len(living) <= 1
        assert InviteState.CONSENTED in ends

    in_hall(act)


def test_an_invite_that_was_replaced_while_it_was_proved_connects_nothing() -> None:
    async def act(hall: Hall) -> None:
        hall.directory.on_proof = lambda: hall.hold(replace(INVITE, state=InviteState.REPLACED))
        assert shows(await hall.consented(), Page.REPLACED)
        assert hall.invite.state is InviteState.REPLACED
        assert not hall.ledger.connections.held

    in_hall(act)


def test_a_process_that_stops_in_the_middle_leaves_the_link_good() -> None:
    async def act(hall: Hall) -> None:
        hall.directory.latency = 10.0
        state = state_of(await hall.opened())
        task = asyncio.create_task(hall.answered(tenant=TENANT, state=state), name="test:callback")
        await asyncio.sleep(1)
        states = [hall.invite.state]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [*states, hall.invite.state] == [InviteState.TAKEN, InviteState.OPEN]

    in_hall(act)


@pytest.mark.parametrize("is_away", [False, True])
def test_a_stop_while_the_end_is_kept_is_a_stop_whatever_the_ledger_says(is_away: bool) -> None:
    """Cancelled between the proof and the last word: never swallowed, and the link is not left half answered."""

    async def act(hall: Hall) -> None:
        settle = hall.ledger.invites.settle

        async def slow(invite: Invite) -> None:
            if invite.state is not InviteState.OPEN:
                await asyncio.sleep(10)
            if is_away:
                raise Transient("ledger", "away")
            await settle(invite)

        hall.ledger.invites.settle = slow  # type: ignore[method-assign]  # a ledger that takes its time
        state = state_of(await hall.opened())
        task = asyncio.create_task(hall.answered(tenant=TENANT, state=state), name="test:callback")
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert hall.invite.state is (InviteState.TAKEN if is_away else InviteState.OPEN)

    in_hall(act)


def test_a_ledger_that_blinks_still_keeps_the_end() -> None:
    async def act(hall: Hall) -> None:
        settle, failures = hall.ledger.invites.settle, [Transient("ledger", "away")] * 2

        async def blinking(invite: Invite) -> None:
            if failures:
                raise failures.pop()
            await settle(invite)

        hall.ledger.invites.settle = blinking  # type: ignore[method-assign]  # the ledger answers the third time
        assert shows(await hall.consented(), Page.RECEIVED)
        assert hall.invite.state is InviteState.CONNECTED

    in_hall(act)


def test_without_a_ledger_nothing_is_lost_and_no_insides_are_shown() -> None:
    async def act(hall: Hall) -> None:
        state = state_of(await hall.opened())
        hall.ledger.switch.away = True
        assert shows(await hall.opened(), Page.UNAVAILABLE)
        assert shows(await hall.answered(tenant=TENANT, state=state), Page.UNAVAILABLE)
        hall.ledger.switch.away = False
        assert shows(await hall.answered(tenant=TENANT, state=state), Page.RECEIVED)

    in_hall(act)


# --- answers that are not believed ----------------------------------------------------------------------------


def flipped(text: str) -> str:
    return text[:-1] + ("A" if text[-1] != "A" else "B")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda state: {"state": flipped(state), "tenant": TENANT}, Page.NOT_OURS),
        (lambda state: {"state": "", "tenant": TENANT}, Page.NOT_OURS),
        (lambda state: {"tenant": TENANT}, Page.NOT_OURS),
        (lambda state: {"state": sign_invite(SECRETS, NONCE), "tenant": TENANT}, Page.NOT_OURS),
        (lambda state: {"state": "k7" + state[2:], "tenant": TENANT}, Page.NOT_OURS),
        (lambda state: {"state": state + "A" * 10_000, "tenant": TENANT}, Page.NOT_OURS),
        (lambda state: {"state": state}, Page.UNREADABLE),
        (lambda state: {"state": state, "tenant": "contoso.example"}, Page.UNREADABLE),
        # one that was made for pasting belongs to no browser, not even to this
        (
            lambda state: {"state": sign_state(SECRETS, NONCE, START + timedelta(days=1), None), "tenant": TENANT},
            Page.OTHER_BROWSER,
        ),
    ],
)
def test_a_doubtful_answer_changes_nothing(spoil: Callable[[str], dict[str, str]], expected: Page) -> None:
    async def act(hall: Hall) -> None:
        state = state_of(await hall.opened())
        assert shows(await hall.answered(**spoil(state)), expected)
        assert (hall.invite.state, hall.directory.proofs) == (InviteState.OPEN, 0)
        assert not hall.ledger.connections.held

    in_hall(act)


@pytest.mark.parametrize("cookies", [{}, {COOKIE: "c" * 43}, {COOKIE: ""}, {"other": "b" * 43}])
def test_another_browser_cannot_bring_the_answer(cookies: dict[str, str]) -> None:
    async def act(hall: Hall) -> None:
        state = state_of(await hall.opened())
        hall.cookies = cookies
        assert shows(await hall.answered(tenant=TENANT, state=state), Page.OTHER_BROWSER)
        assert shows(await hall.answered(error="access_denied", state=state), Page.OTHER_BROWSER)
        assert hall.invite.state is InviteState.OPEN

    in_hall(act)


def test_a_state_lives_an_hour_and_the_link_begins_anew() -> None:
    async def act(hall: Hall) -> None:
        state = state_of(await hall.opened())
        hall.clock.ahead += timedelta(hours=1)
        assert shows(await hall.answered(tenant=TENANT, state=state), Page.TOO_SLOW)
        assert hall.invite.state is InviteState.OPEN
        assert shows(await hall.consented(), Page.RECEIVED)

    in_hall(act)


def test_a_replaced_invite_cannot_be_answered() -> None:
    async def act(hall: Hall) -> None:
        state = state_of(await hall.opened())
        await hall.ledger.invites.open(replace(INVITE, nonce="B" * 22))
        assert shows(await hall.answered(tenant=TENANT, state=state), Page.REPLACED)
        assert not hall.ledger.connections.held

    in_hall(act)


@pytest.mark.parametrize(("kept", "expected"), [((1, 2, 3), Page.RECEIVED), ((3,), Page.NOT_OURS)])
def test_secrets_may_be_rotated_between_start_and_callback(kept: tuple[int, ...], expected: Page) -> None:
    async def act(hall: Hall) -> None:
        state = state_of(await hall.opened())
        every = {**SECRETS, 3: b"third secret of the tests"}
        hall.desk = replace(DESK, secrets={number: every[number] for number in kept})
        assert shows(await hall.answered(tenant=TENANT, state=state), expected)

    in_hall(act)


# --- what is said ---------------------------------------------------------------------------------------------


def test_one_event_says_what_came_of_it_and_nothing_personal() -> None:
    async def act(hall: Hall) -> str:
        state = state_of(await hall.opened())
        await hall.answered(tenant=TENANT, state=state)
        await hall.answered(tenant=TENANT, state=flipped(state))
        return state

    with capture_logs() as logs:
        state = in_hall(act)
    answered, refused = logs
    assert answered == {
        "event": "consent_answered",
        "log_level": "info",
        "outcome": "connected",
        "customer_id": CUSTOMER,
        "tenant_id": TENANT,
        "code": "",
    }
    assert refused == {"event": "consent_refused", "log_level": "info", "why": "forged"}
    assert state not in str(logs)
    assert "Secretive" not in str(logs)


def test_nothing_of_a_request_or_of_our_insides_is_on_a_page() -> None:
    async def act(hall: Hall) -> str:
        state = state_of(await hall.opened())
        bad = "<script>alert(1)</script>"
        texts = [
            page(await hall.answered(tenant=bad, state=state)),
            page(await hall.answered(error=bad, error_description=bad, state=state)),
            page(await hall.opened(f"https://hub.example/connect/start?invite={bad}")),
            page(await hall.answered(tenant=TENANT, state=bad)),
        ]
        return "".join(texts)

    shown = in_hall(act)
    for word in ("script", "alert", "Secretive", TENANT, NONCE, "AADSTS", "Traceback"):
        assert word not in shown


@pytest.mark.parametrize("each", list(Page))
def test_every_page_says_what_happened_and_what_happens_next(each: Page) -> None:
    assert each.html.count("<p>") == 2
    assert each.html.count(f"<h1>{each.title}</h1>") == 1
    assert "style" not in each.html


def test_what_was_decided_in_a_browser_is_noted_and_what_was_not_is_not() -> None:
    hall = Hall()

    async def decided() -> None:
        hall.hold()
        hall.directory.failures = [Transient("login", "unavailable")] * 9
        await hall.consented()  # could not be checked: the link is as good as it was
        assert hall.ledger.deeds.noted == []
        hall.directory.failures = []
        await hall.consented()
        hall.hold(replace(INVITE, customer_id=8))
        await hall.answered(error="access_denied", state=state_of(await hall.opened()))

    run_virtual(decided())
    assert [(deed.by, deed.what, deed.customer_id, deed.facts) for deed in hall.ledger.deeds.noted] == [
        ("the browser", "consent", CUSTOMER, {"outcome": "connected", "tenant": TENANT}),
        ("the browser", "consent", 8, {"outcome": "declined", "tenant": TENANT}),
    ]


def test_page_is_the_same_when_the_deed_cannot_be_noted() -> None:
    hall = Hall()

    async def unnoted(_deed: object) -> None:
        raise Transient("ledger", "unavailable")

    async def answer() -> web.Response:
        hall.hold()
        hall.ledger.deeds.note = unnoted  # type: ignore[assignment, method-assign]  # away
        return await hall.consented()

    with capture_logs() as logs:
        assert run_virtual(answer()).status == Page.RECEIVED.status
    assert hall.invite.state is InviteState.CONNECTED
    assert "consent_not_noted" in [entry["event"] for entry in logs]
