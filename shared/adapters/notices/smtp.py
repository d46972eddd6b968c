"""Notices by mail, over any SMTP server: one connection per letter, in a thread, bounded as a whole.

Encryption is what the settings say and never less: a server without STARTTLS is an error, not a reason to go on in the
clear. A server's own texts are not passed on, they may quote addresses. Once the whole text is out, a lost answer is
Ambiguous: the server may have taken it (RFC 5321, 4.2.5). Satisfies `shared.ports.Channel`.
"""

from __future__ import annotations

import asyncio
import smtplib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import format_datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from shared.domain.errors import Ambiguous, Permanent, SyncError, Transient
from shared.domain.notice_letters import NoticeLetter, Purpose

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

SERVICE = "smtp"
STEP_SECONDS = 15.0  # longest wait for one answer of the server
TOTAL_SECONDS = 45.0

log = structlog.get_logger("notices")


class Encryption(StrEnum):
    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class MailServer:
    """`user` "": without sign-in. `ca_file`: authorities to trust instead of the system's."""

    host: str
    port: int
    encryption: Encryption
    sender: str
    recipients: tuple[str, ...]
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None


class SmtpChannel:
    name = "smtp"

    def __init__(self, server: MailServer, *, total: float = TOTAL_SECONDS, step: float = STEP_SECONDS) -> None:
        self._server = server
        self._total = total
        self._step = step

    def wants(self, purpose: Purpose) -> bool:
        return True

    async def send(self, letter: NoticeLetter) -> None:
        session = _Session(self._server, self._step)
        try:
            async with asyncio.timeout(self._total):
                await asyncio.to_thread(session.send, _message(letter, self._server))
        except TimeoutError:
            late = Transient(SERVICE, "timed_out", "the mail server did not answer in time")
            raise _unsure(late) if session.is_out else late from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            failure = _family(error)
            is_refused = isinstance(error, smtplib.SMTPResponseException)
            # the cause's text may quote addresses
            raise _unsure(failure) if session.is_out and not is_refused else failure from None
        finally:
            session.cut()  # a thread cannot be cancelled, but its socket can be taken away

    @property
    def recipients(self) -> Sequence[str]:
        return self._server.recipients


class _Client(smtplib.SMTP):
    """Knows whether the whole text of a mail is out: the one thing that is sent after the server said 354."""

    is_out = False
    _is_asked = False

    def getreply(self) -> tuple[int, bytes]:
        code, text = super().getreply()
        self._is_asked = code == 354
        return code, text

    def send(self, s: ReadableBuffer | str) -> None:
        super().send(s)
        self.is_out = self.is_out or self._is_asked


class _TlsClient(_Client, smtplib.SMTP_SSL):
    """The same over a connection that is encrypted from its first byte."""


class _Session:
    """One conversation with the server, in a thread of its own."""

    def __init__(self, server: MailServer, step: float) -> None:
        self._server = server
        self._step = step
        self._client: _Client | None = None
        self._is_cut = False

    @property
    def is_out(self) -> bool:
        return self._client is not None and self._client.is_out

    def send(self, message: EmailMessage) -> None:
        server = self._server
        client = self._client = self._open()
        try:
            if self._is_cut:  # while it connected: there was no socket to take away, and the letter is given up
                raise TimeoutError
            if server.encryption is Encryption.STARTTLS:
                client.starttls(context=self._context())
            if server.user:
                client.login(server.user, server.password)
            refused = client.send_message(message, server.sender, server.recipients)
            if refused:  # the others have it; sent again, they would get it twice
                log.warning("notice_recipients_refused", count=len(refused))
        except BaseException:
            client.close()
            raise
        _part(client)

    def _open(self) -> _Client:
        server = self._server
        # Left to itself smtplib asks the name service for our own name, which may take longer than all the rest.
        ours = server.sender.rpartition("@")[2] or "localhost"
        if server.encryption is Encryption.TLS:
            return _TlsClient(
                server.host, server.port, local_hostname=ours, timeout=self._step, context=self._context()
            )
        return _Client(server.host, server.port, local_hostname=ours, timeout=self._step)

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=None if self._server.ca_file is None else str(self._server.ca_file))

    def cut(self) -> None:
        """Of two threads one sees what the other did: the flag is set before the client is looked for."""
        self._is_cut = True
        sock = self._client.sock if self._client is not None else None
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it is closed already


def _part(client: smtplib.SMTP) -> None:
    """The letter is taken: how the conversation ends is nobody's business."""
    try:
        client.quit()
    except (smtplib.SMTPException, OSError):
        client.close()


def _message(letter: NoticeLetter, server: MailServer) -> EmailMessage:
    # Folded, a subject of plain letters would begin with an empty line; it is far below what a line may have (998).
    message = EmailMessage(policy=WIRE.clone(max_line_length=250) if letter.subject.isascii() else WIRE)
    message["Subject"] = letter.subject
    message["From"] = server.sender
    message["To"] = ", ".join(server.recipients)
    message["Date"] = format_datetime(letter.at)
    message["Message-ID"] = f"<{letter.letter_id}@{server.sender.rpartition('@')[2] or 'localhost'}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no absence notes in answer
    if letter.is_red:
        message["Importance"] = "high"
    message.set_content(letter.text)
    return message


def _family(error: Exception) -> SyncError:
    match error:
        case smtplib.SMTPAuthenticationError(smtp_code=code) if _is_final(code):
            return Permanent(SERVICE, "login_refused", f"status {code}")
        case smtplib.SMTPRecipientsRefused(recipients=refused):
            codes = [code for code, _ in refused.values()]
            return _judged("recipients_refused", min(codes, default=550))
        case smtplib.SMTPSenderRefused(smtp_code=code):
            return _judged("sender_refused", code)
        case smtplib.SMTPResponseException(smtp_code=code):
            return _judged("refused", code)
        case _:
            return _without_status(error)


def _without_status(error: Exception) -> SyncError:
    """Of failures for which the server gave no number; the order matters, most are an `OSError` as well."""
    match error:
        case smtplib.SMTPNotSupportedError():
            return Permanent(SERVICE, "not_offered", "the server offers no STARTTLS or no sign-in")
        case ssl.SSLCertVerificationError():
            return Permanent(SERVICE, "untrusted", "the server's certificate is not trusted")
        case ssl.SSLError():
            return Permanent(SERVICE, "no_tls", "no TLS connection came about")
        case smtplib.SMTPException():
            return Transient(SERVICE, "connection_lost", "the mail server hung up")
        case TimeoutError():
            return Transient(SERVICE, "timed_out", "the mail server did not answer in time")
        case OSError():
            return Transient(SERVICE, "unreachable", "no connection to the mail server")
        case _:
            return Permanent(SERVICE, "not_a_mail", "the letter cannot be written as a mail")


def _unsure(failure: SyncError) -> Ambiguous:
    return Ambiguous(SERVICE, failure.code, failure.detail)


def _is_final(code: int) -> bool:
    return code >= 500 or code < 0


def _judged(code: str, status: int) -> SyncError:
    """4xx: later perhaps; 5xx: not without a person (RFC 5321)."""
    if _is_final(status):
        return Permanent(SERVICE, code, f"status {status}")
    return Transient(SERVICE, code, f"status {status}")
