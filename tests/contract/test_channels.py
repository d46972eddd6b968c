"""Channel: the lines of `shared/ports.py`, over mail, Teams and tickets, each against real sockets on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import pytest
from aiohttp import web

from sandbox.syncro.facade import Syncro
from sandbox.syncro.faults import read_fault
from shared.adapters.http import HttpClient, open_http
from shared.adapters.notices.smtp import Encryption, MailServer, SmtpChannel
from shared.adapters.notices.teams import TeamsChannel
from shared.adapters.notices.ticket import TicketChannel
from shared.domain.cures import TABLE
from shared.domain.desk import Notice
from shared.domain.errors import Ambiguous, Permanent, SyncError, Transient
from shared.domain.notice_letters import NoticeLetter, Purpose, causes_letter
from shared.ports import Channel
from tests.support.clock import START
from tests.support.smtp_sink import SmtpSink, smtp_sink
from tests.support.vendor_stub import Stub, TellTalePace, stub_server

SECRET = "s3cret-signature"
BOUND = 2.0  # seconds that a letter may take here
SENTENCES = ("Contoso (7): waiting for approval: 4 new contacts.", "[Click](http://evil.example) *GmbH*: no consent.")


class Harness(Protocol):
    """A channel with somebody at its other end."""

    @property
    def channel(self) -> Channel: ...

    def texts(self) -> list[str]:
        """What arrived so far, subject and body of each letter in one."""
        ...

    def refuse(self, *, for_good: bool) -> None: ...

    def fall_silent(self) -> None: ...

    def lose_the_answer(self) -> None:
        """Take the next letter, and break the connection instead of saying so."""
        ...


class SmtpHarness:
    def __init__(self, sink: SmtpSink) -> None:
        self._sink = sink
        sink.users["sync"] = SECRET
        server = MailServer(
            host="localhost",
            port=sink.port,
            encryption=Encryption.STARTTLS,
            sender="sync@msp.example",
            recipients=("desk@msp.example",),
            user="sync",
            password=SECRET,
            ca_file=sink.ca_file,
        )
        self.channel = SmtpChannel(server, total=BOUND)

    def texts(self) -> list[str]:
        return [f"{mail['Subject']}\n{mail.get_content()}" for mail in self._sink.mails]

    def refuse(self, *, for_good: bool) -> None:
        self._sink.answers["."] = f"{'554' if for_good else '451'} no, desk@msp.example, {SECRET}"

    def fall_silent(self) -> None:
        self._sink.silent_at = "DATA"

    def lose_the_answer(self) -> None:
        self._sink.hangs_up_at_end = True


class TeamsHarness:
    def __init__(self) -> None:
        self.status, self.is_silent, self.breaks = 202, False, False
        self.stub = Stub()

    def connect(self, stub: Stub, http: HttpClient) -> None:
        self.stub = stub
        self.channel = TeamsChannel(http, f"{stub.base_url}/workflows/1/invoke?sig={SECRET}", total=BOUND)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.is_silent:
            await asyncio.sleep(2 * BOUND)
        if self.breaks and request.transport is not None:
            request.transport.abort()
        return web.Response(status=self.status, text=f"no, {SECRET}")

    def texts(self) -> list[str]:
        if self.status != 202:
            return []
        return ["\n".join(_runs(body)) for _, _, _, body in self.stub.seen]

    def refuse(self, *, for_good: bool) -> None:
        self.status = 404 if for_good else 503

    def fall_silent(self) -> None:
        self.is_silent = True

    def lose_the_answer(self) -> None:
        self.breaks = True


def _runs(body: object) -> list[str]:
    assert isinstance(body, dict)
    blocks = body["attachments"][0]["content"]["body"]
    assert {block["type"] for block in blocks} == {"RichTextBlock"}  # a TextBlock would read Markdown
    return [run["text"] for block in blocks for run in block["inlines"]]


class TicketHarness:
    def __init__(self, syncro: Syncro, http: HttpClient) -> None:
        self._syncro = syncro
        customer = syncro.add_customer("Our own company").id
        self.pace = TellTalePace()
        self.channel = TicketChannel(http, syncro.url, SECRET, self.pace, customer, total=BOUND)

    def texts(self) -> list[str]:
        return [f"{each.subject}\n{each.comments[0]['body']}" for each in self._syncro.account.tickets.values()]

    def refuse(self, *, for_good: bool) -> None:
        self._arm("401_permission" if for_good else "502_html")

    def fall_silent(self) -> None:
        self._arm("slow", seconds=2 * BOUND)

    def lose_the_answer(self) -> None:
        self._arm("reset", position="after")

    def _arm(self, kind: str, **more: object) -> None:
        self._syncro.faults.arm(read_fault({"kind": kind, "path": "/api/v1/tickets", "times": 99, **more}))


@pytest.fixture(params=["smtp", "teams", "ticket"])
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(open_http("entra-syncro/test"))
        if request.param == "smtp":
            yield SmtpHarness(await stack.enter_async_context(smtp_sink(tmp_path)))
        elif request.param == "teams":
            harness = TeamsHarness()
            harness.connect(await stack.enter_async_context(stub_server(harness.answer)), http)
            yield harness
        else:
            syncro = Syncro(SECRET)
            await syncro.start()
            stack.push_async_callback(syncro.stop)
            yield TicketHarness(syncro, http)


def a_letter() -> NoticeLetter:
    first, second = SENTENCES
    return causes_letter(
        [Notice("held:7", "held", 7, first, START), Notice("consent:t", "consent", 8, second, START)], START
    )


async def test_return_only_after_the_other_side_took_the_letter(harness: Harness) -> None:
    """Whole, and as it was written: names are text, whatever they look like."""
    letter = a_letter()
    assert harness.channel.wants(Purpose.CAUSES)
    await harness.channel.send(letter)
    (arrived,) = harness.texts()
    assert arrived.startswith(letter.subject)
    for sentence in SENTENCES:
        assert sentence in arrived.replace("\n", " ")


@pytest.mark.parametrize("for_good", [False, True])
async def test_raise_transient_or_permanent_nothing_else(harness: Harness, for_good: bool) -> None:
    harness.refuse(for_good=for_good)
    failure = await _failure(harness)
    assert type(failure) in ((Permanent,) if for_good else (Transient, Ambiguous))
    assert harness.texts() == []
    assert f"{failure.service}:{failure.code}" in TABLE


async def test_raise_ambiguous_when_the_whole_letter_went_out_and_no_answer_came_back(harness: Harness) -> None:
    harness.lose_the_answer()
    failure = await _failure(harness)
    assert type(failure) is Ambiguous
    assert f"{failure.service}:{failure.code}" in TABLE


async def test_end_within_its_bound(harness: Harness) -> None:
    harness.fall_silent()
    began = asyncio.get_running_loop().time()
    assert isinstance(await _failure(harness), Transient)
    assert asyncio.get_running_loop().time() - began < 2 * BOUND


@pytest.mark.parametrize("for_good", [False, True])
async def test_put_no_address_no_secret_and_no_text_of_the_others_into_an_error(
    harness: Harness, for_good: bool
) -> None:
    harness.refuse(for_good=for_good)
    failure = await _failure(harness)
    said = f"{failure!r} {failure} {failure.detail} {failure.__cause__!r}"
    assert not [word for word in (SECRET, "@", "http:", "localhost", "127.0.0.1") if word in said]


async def _failure(harness: Harness) -> SyncError:
    with pytest.raises(SyncError) as failure:
        await harness.channel.send(a_letter())
    return failure.value
