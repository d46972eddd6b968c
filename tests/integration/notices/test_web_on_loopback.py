"""Teams, tickets and the heartbeat over real HTTP: what is sent, what is spent, what an answer means."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from sandbox.syncro.facade import Syncro
from sandbox.syncro.faults import read_fault
from sandbox.syncro.tokens import EDIT, Token
from shared.adapters.http import HttpClient, open_http
from shared.adapters.notices.beacon import HttpBeacon
from shared.adapters.notices.teams import TeamsChannel
from shared.adapters.notices.ticket import TicketChannel
from shared.domain.cures import TABLE
from shared.domain.desk import Notice
from shared.domain.errors import Ambiguous, Permanent, SyncError, Transient
from shared.domain.notice_letters import NoticeLetter, Purpose, causes_letter, trial_letter
from tests.support.clock import START
from tests.support.vendor_stub import FreeAllowance, Handler, TellTalePace, stub_server

SECRET = "sig-0123456789"


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    async with open_http("entra-syncro/test") as client:
        yield client


@pytest.fixture
async def syncro() -> AsyncIterator[Syncro]:
    syncro = Syncro(SECRET)
    await syncro.start()
    yield syncro
    await syncro.stop()


def a_letter(count: int = 1) -> NoticeLetter:
    notices = [Notice(f"held:{n}", "held", n, f"Customer {n}: waiting for approval.", START) for n in range(count)]
    return causes_letter(notices, START)


def answering(status: int, **headers: str) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers=headers)

    return answer


# --- Teams ----------------------------------------------------------------------------------------------------


async def test_a_card_as_a_workflow_takes_it(http: HttpClient) -> None:
    async with stub_server(answering(202)) as stub:
        await TeamsChannel(http, f"{stub.base_url}/invoke?sig={SECRET}").send(a_letter())
        ((method, path, _, body),) = stub.seen
    assert (method, path) == ("POST", f"/invoke?sig={SECRET}")
    assert body["type"] == "message"
    (attachment,) = body["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert [run["text"] for block in card["body"] for run in block["inlines"]] == [
        "entra-syncro: Customer 0: changes wait for approval",
        "Customer 0: waiting for approval.",
        "Everything at one glance: entra-syncro status",
    ]


async def test_a_card_stays_below_what_teams_takes(http: HttpClient) -> None:
    letter = replace(a_letter(), lines=("ö" * 590,) * 25)
    async with stub_server(answering(202)) as stub:
        await TeamsChannel(http, stub.base_url).send(letter)
        ((_, _, _, body),) = stub.seen
    assert len(json.dumps(body, ensure_ascii=False).encode()) < 28_000
    assert "And 9 more: entra-syncro notices list" in json.dumps(body)


@pytest.mark.parametrize(
    ("status", "family", "code"),
    [
        (400, Permanent, "refused"),
        (302, Permanent, "refused"),
        (401, Permanent, "gone"),
        (404, Permanent, "gone"),
        (410, Permanent, "gone"),
        (429, Transient, "too_many"),
        (502, Transient, "service_fault"),
    ],
)
async def test_what_an_answer_of_teams_means(http: HttpClient, status: int, family: type[SyncError], code: str) -> None:
    async with stub_server(answering(status, **{"Retry-After": "7"})) as stub:
        with pytest.raises(family) as failure:
            await TeamsChannel(http, stub.base_url).send(a_letter())
    assert failure.value.code == code
    assert f"teams:{code}" in TABLE
    if isinstance(failure.value, Transient):
        assert failure.value.retry_after == 7.0


async def test_the_address_is_in_no_log(http: HttpClient) -> None:
    with capture_logs() as logs:
        async with stub_server(answering(500)) as stub:
            for each in (TeamsChannel(http, f"{stub.base_url}/{SECRET}").send(a_letter()), beat(http, stub.base_url)):
                with pytest.raises(Transient):
                    await each
    assert logs
    assert SECRET not in repr(logs)


async def beat(http: HttpClient, base_url: str) -> None:
    await HttpBeacon(http, f"{base_url}/{SECRET}").beat()


# --- tickets --------------------------------------------------------------------------------------------------


async def test_a_ticket_on_the_providers_own_customer(http: HttpClient, syncro: Syncro) -> None:
    own, pace = syncro.add_customer("Our own company"), TellTalePace()
    letter = a_letter()
    await TicketChannel(http, syncro.url, SECRET, pace, own.id).send(letter)
    (ticket,) = syncro.account.tickets.values()
    assert (ticket.customer_id, ticket.contact_id, ticket.subject) == (own.id, None, letter.subject)
    (note,) = ticket.comments
    assert (note["body"], note["hidden"], note["do_not_email"]) == (letter.text, True, True)
    assert [allowance.spent for allowance in pace.allowances] == [1]


async def test_a_test_is_marked_as_one_and_needs_nobody_to_close_it(http: HttpClient, syncro: Syncro) -> None:
    own = syncro.add_customer("Our own company")
    channel = TicketChannel(http, syncro.url, SECRET, TellTalePace(), own.id)
    await channel.send(trial_letter(START))
    await channel.send(a_letter())
    test, notice = syncro.account.tickets.values()
    assert (test.subject, test.status) == ("Test: entra-syncro: notices arrive here", "Resolved")
    assert notice.status == "New"


@pytest.mark.parametrize(
    ("kind", "position", "family", "code"),
    [
        ("reset", "after", Ambiguous, "connection_lost"),
        ("200_html", "after", Ambiguous, "unreadable_answer"),
        ("502_html", "before", Ambiguous, "service_fault"),  # of a gateway, which may have handed it on
        ("500_json", "before", Transient, "service_fault"),
        ("200_error", "before", Transient, "too_many"),
    ],
)
async def test_what_is_sure_about_a_ticket(
    http: HttpClient, syncro: Syncro, kind: str, position: str, family: type[SyncError], code: str
) -> None:
    own = syncro.add_customer("Our own company")
    syncro.faults.arm(read_fault({"kind": kind, "path": "/api/v1/tickets", "position": position}))
    with pytest.raises(SyncError) as failure:
        await TicketChannel(http, syncro.url, SECRET, TellTalePace(), own.id).send(a_letter())
    assert (type(failure.value), failure.value.service, failure.value.code) == (family, "ticket", code)
    assert f"ticket:{code}" in TABLE


@pytest.mark.parametrize(
    ("status", "family"), [(500, Transient), (503, Transient), (504, Ambiguous), (520, Ambiguous), (524, Ambiguous)]
)
async def test_whose_failure_a_5xx_is(http: HttpClient, status: int, family: type[SyncError]) -> None:
    async with stub_server(answering(status)) as stub:
        with pytest.raises(SyncError) as failure:
            await TicketChannel(http, stub.base_url, SECRET, TellTalePace(), 1).send(a_letter())
    assert (type(failure.value), failure.value.code) == (family, "service_fault")


async def test_an_error_in_a_200_is_a_refusal(http: HttpClient) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": "Ticket type required field"})

    async with stub_server(answer) as stub:
        with pytest.raises(Permanent) as failure:
            await TicketChannel(http, stub.base_url, SECRET, TellTalePace(), 1).send(a_letter())
    assert (failure.value.service, failure.value.code) == ("ticket", "rejected")


async def test_a_pace_that_lets_nothing_through_in_time_opened_nothing(http: HttpClient, syncro: Syncro) -> None:
    own = syncro.add_customer("Our own company")
    with pytest.raises(Transient) as failure:
        await TicketChannel(http, syncro.url, SECRET, NeverPace(), own.id, total=0.05).send(a_letter())
    assert (type(failure.value), failure.value.code) == (Transient, "timed_out")
    assert syncro.account.tickets == {}


class NeverPace(TellTalePace):
    @asynccontextmanager
    async def reserve(self, calls: int, lane: object = None, *, wait: float = 60.0) -> AsyncIterator[FreeAllowance]:
        await asyncio.Event().wait()
        yield FreeAllowance()


async def test_no_ticket_for_every_day(http: HttpClient) -> None:
    channel = TicketChannel(http, "http://localhost", SECRET, TellTalePace(), 1)
    assert [purpose for purpose in Purpose if channel.wants(purpose)] == [Purpose.CAUSES, Purpose.TEST]


async def test_a_token_that_may_not_stops_no_account(http: HttpClient, syncro: Syncro) -> None:
    """A missing permission is Syncro's 401; to changes it would mean that everything stands still."""
    own = syncro.add_customer("Our own company")
    syncro.tokens.add(Token("weak", frozenset({EDIT})))
    with pytest.raises(Permanent) as failure:
        await TicketChannel(http, syncro.url, "weak", TellTalePace(), own.id).send(a_letter())
    assert (failure.value.service, failure.value.code) == ("ticket", "permission")
    assert "Tickets - Create" in TABLE["ticket:permission"].who_does_what


async def test_a_customer_that_is_none(http: HttpClient, syncro: Syncro) -> None:
    with pytest.raises(Permanent) as failure:
        await TicketChannel(http, syncro.url, SECRET, TellTalePace(), 99).send(a_letter())
    assert f"{failure.value.service}:{failure.value.code}" == "ticket:customer_unknown"


async def test_too_many_calls_slow_everybody_down_and_stop_nobody(http: HttpClient, syncro: Syncro) -> None:
    own, pace = syncro.add_customer("Our own company"), TellTalePace()
    syncro.faults.arm(read_fault({"kind": "429", "path": "/api/v1/tickets"}))
    with pytest.raises(Transient) as failure:
        await TicketChannel(http, syncro.url, SECRET, pace, own.id).send(a_letter())
    assert (failure.value.code, pace.refusals) == ("too_many", 1)
    assert failure.value.retry_after is not None


# --- heartbeat ------------------------------------------------------------------------------------------------


async def test_a_beat_is_a_get(http: HttpClient) -> None:
    async with stub_server(answering(200)) as stub:
        await beat(http, stub.base_url)
        assert [(method, path) for method, path, _, _ in stub.seen] == [("GET", f"/{SECRET}")]


@pytest.mark.parametrize(("status", "family"), [(404, Permanent), (301, Permanent), (503, Transient), (429, Transient)])
async def test_a_beat_that_is_not_taken(http: HttpClient, status: int, family: type[SyncError]) -> None:
    async with stub_server(answering(status)) as stub:
        with pytest.raises(family):
            await beat(http, stub.base_url)
