"""Mail over real sockets: encryption as it is set and never less, who gets it, what a server's refusal means."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.notices.smtp import Encryption, MailServer, SmtpChannel
from shared.domain.cures import TABLE
from shared.domain.desk import Notice
from shared.domain.errors import Ambiguous, Permanent, SyncError, Transient
from shared.domain.notice_letters import NoticeLetter, causes_letter
from tests.support.clock import START
from tests.support.processes import free_port
from tests.support.smtp_sink import SmtpSink, smtp_sink

TO = ("desk@msp.example", "chief@msp.example")
ENVELOPE_VERBS = {"AUTH", "MAIL", "RCPT", "DATA"}


def a_letter(name: str = "Contoso (7)") -> NoticeLetter:
    return causes_letter(
        [Notice("consent:t", "consent", 7, f"{name}: This tenant does not know the app.", START)], START
    )


def channel(sink: SmtpSink, **instead: object) -> SmtpChannel:
    server = MailServer("localhost", sink.port, Encryption.STARTTLS, "sync@msp.example", TO, ca_file=sink.ca_file)
    return SmtpChannel(replace(server, **instead), total=5.0)  # type: ignore[arg-type]


async def refusal(over: SmtpChannel) -> SyncError:
    with pytest.raises(SyncError) as failure:
        await over.send(a_letter())
    assert f"{failure.value.service}:{failure.value.code}" in TABLE
    return failure.value


async def test_what_a_mail_looks_like(tmp_path: Path) -> None:
    async with smtp_sink(tmp_path) as sink:
        await channel(sink).send(a_letter("Bäckerei Größe (7)"))
        (mail,) = sink.mails
        assert sink.envelopes == [("sync@msp.example", TO)]
        assert mail["Subject"] == "entra-syncro: Bäckerei Größe (7): the consent is lost"
        assert (mail["From"], mail["To"]) == ("sync@msp.example", ", ".join(TO))
        assert (mail["Auto-Submitted"], mail["Importance"]) == ("auto-generated", "high")
        assert mail["Message-ID"] == "<causes-20261124T090000-consent-t@msp.example>"
        assert mail.get_content().startswith("Bäckerei Größe (7): This tenant does not know the app.")


async def test_a_long_plain_subject_stays_on_its_line(tmp_path: Path) -> None:
    async with smtp_sink(tmp_path) as sink:
        letter = replace(a_letter(), subject="entra-syncro: " + "a customer with a long name " * 5 + "end")
        await channel(sink).send(letter)
        assert sink.mails[0]["Subject"] == letter.subject


@pytest.mark.parametrize("encryption", [Encryption.STARTTLS, Encryption.TLS])
async def test_nothing_but_the_greeting_travels_in_the_clear(tmp_path: Path, encryption: Encryption) -> None:
    async with smtp_sink(tmp_path, implicit_tls=encryption is Encryption.TLS, users={"sync": "pass"}) as sink:
        await channel(sink, encryption=encryption, user="sync", password="pass").send(a_letter())
        assert sink.signed_in == ["sync"]
        assert set(sink.in_the_clear) <= {"EHLO", "STARTTLS"}
        assert len(sink.mails) == 1


async def test_a_server_without_starttls_gets_nothing(tmp_path: Path) -> None:
    async with smtp_sink(tmp_path, offers_starttls=False, users={"sync": "pass"}) as sink:
        failure = await refusal(channel(sink, user="sync", password="pass"))
        assert (type(failure), failure.code) == (Permanent, "not_offered")
        assert not ENVELOPE_VERBS & set(sink.in_the_clear)
        assert sink.mails == []


async def test_a_certificate_that_nobody_trusts(tmp_path: Path) -> None:
    async with smtp_sink(tmp_path, implicit_tls=True) as sink:
        failure = await refusal(channel(sink, encryption=Encryption.TLS, ca_file=None))
        assert (type(failure), failure.code) == (Permanent, "untrusted")


async def test_a_plain_port_where_tls_is_set(tmp_path: Path) -> None:
    async with smtp_sink(tmp_path) as sink:
        failure = await refusal(channel(sink, encryption=Encryption.TLS))
        assert (type(failure), failure.code) == (Permanent, "no_tls")


async def test_without_encryption_only_where_it_is_set_so(tmp_path: Path) -> None:
    async with smtp_sink(tmp_path, offers_starttls=False) as sink:
        await channel(sink, encryption=Encryption.NONE).send(a_letter())
        assert len(sink.mails) == 1


async def test_a_refused_sign_in_is_for_good(tmp_path: Path) -> None:
    async with smtp_sink(tmp_path, users={"sync": "pass"}) as sink:
        failure = await refusal(channel(sink, user="sync", password="other"))
        assert (type(failure), failure.code) == (Permanent, "login_refused")


@pytest.mark.parametrize(
    ("verb", "line", "family", "code"),
    [
        ("MAIL", "550 5.7.1 not you", Permanent, "sender_refused"),
        ("MAIL", "451 4.7.1 later", Transient, "sender_refused"),
        ("RCPT", "550 5.1.1 nobody", Permanent, "recipients_refused"),
        ("RCPT", "450 4.2.1 greylisted", Transient, "recipients_refused"),
        ("DATA", "554 5.7.1 spam", Permanent, "refused"),
        ("EHLO", "421 4.3.2 closing", Transient, "refused"),
    ],
)
async def test_what_a_refusal_means(tmp_path: Path, verb: str, line: str, family: type[SyncError], code: str) -> None:
    answers = {verb: line} | ({"HELO": line} if verb == "EHLO" else {})
    async with smtp_sink(tmp_path, answers=answers) as sink:
        failure = await refusal(channel(sink))
        assert (type(failure), failure.code) == (family, code)
        assert "not you" not in str(failure)


@pytest.mark.parametrize(
    ("facts", "family", "code"),
    [
        ({"silent_at": "MAIL"}, Transient, "timed_out"),
        ({"silent_at": "DATA"}, Transient, "timed_out"),
        ({"silent_at": "."}, Ambiguous, "timed_out"),
        ({"hangs_up_at_end": True}, Ambiguous, "connection_lost"),
        ({"answers": {".": "451 4.3.0 later"}}, Transient, "refused"),  # an answer leaves no doubt
        ({"answers": {".": "421 4.3.2 closing"}}, Transient, "refused"),
        ({"answers": {".": "554 5.6.0 no"}}, Permanent, "refused"),
    ],
)
@pytest.mark.parametrize("encryption", [Encryption.STARTTLS, Encryption.TLS])
async def test_only_when_the_whole_text_is_out_a_lost_answer_leaves_a_doubt(
    tmp_path: Path, encryption: Encryption, facts: dict[str, Any], family: type[SyncError], code: str
) -> None:
    async with smtp_sink(tmp_path, implicit_tls=encryption is Encryption.TLS, **facts) as sink:
        server = MailServer("localhost", sink.port, encryption, "sync@msp.example", TO, ca_file=sink.ca_file)
        failure = await refusal(SmtpChannel(server, total=1.0))
        assert (type(failure), failure.code) == (family, code)


@pytest.mark.parametrize("waits_at", ["greeting", "MAIL"])
async def test_a_letter_that_was_given_up_is_never_sent(tmp_path: Path, waits_at: str) -> None:
    """A thread cannot be cancelled: it finds out that it was cut, while it connected or at its socket."""
    answered = asyncio.Event()
    async with smtp_sink(tmp_path, offers_starttls=False, waits_at=waits_at, goes_on=answered) as sink:
        server = MailServer("localhost", sink.port, Encryption.NONE, "sync@msp.example", TO)
        failure = await refusal(SmtpChannel(server, total=0.2))
        assert (type(failure), failure.code) == (Transient, "timed_out")
        answered.set()
        await sink.hung_up.wait()
        assert sink.mails == []


async def test_who_is_taken_gets_it_once_though_another_is_refused(tmp_path: Path) -> None:
    async with smtp_sink(tmp_path, answers={TO[1]: "550 5.1.1 nobody"}) as sink:
        await channel(sink).send(a_letter())
        assert sink.envelopes == [("sync@msp.example", TO[:1])]


async def test_nobody_there() -> None:
    server = MailServer("127.0.0.1", free_port(), Encryption.STARTTLS, "sync@msp.example", TO)
    failure = await refusal(SmtpChannel(server))
    assert (type(failure), failure.code) == (Transient, "unreachable")
