"""A mail server on loopback that keeps what it takes: STARTTLS, TLS or neither, sign-in, refusals, silence.

It speaks as much of RFC 5321 as a client of the standard library asks for. Certificates are of an authority of its own.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import trustme


@dataclass
class SmtpSink:
    """`answers`: verb -> the line said instead of the usual one. `silent_at`: the verb after which nothing is said,
    "." for the end of the text. `hangs_up_at_end`: instead of saying that the text was taken. `waits_at`: "greeting" or
    a verb at which the sink waits until `goes_on`. `hung_up`: a client has gone."""

    offers_starttls: bool = True
    users: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    silent_at: str = ""
    hangs_up_at_end: bool = False
    waits_at: str = ""
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    ca_file: Path = Path()
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    in_the_clear: list[str] = field(default_factory=list)  # verbs that came without encryption
    signed_in: list[str] = field(default_factory=list)
    tls: ssl.SSLContext | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            await _Talk(self, reader, writer).run()
        self.hung_up.set()
        writer.close()


class _Talk:
    def __init__(self, sink: SmtpSink, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._sink, self._reader, self._writer = sink, reader, writer
        self._sender, self._recipients = "", list[str]()

    async def run(self) -> None:
        await self._wait_at("greeting")
        await self._say("220 sink")
        while line := (await self._reader.readline()).decode().strip():
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            if self._writer.get_extra_info("ssl_object") is None:
                self._sink.in_the_clear.append(verb)
            await self._wait_at(verb)
            if verb == self._sink.silent_at:
                await asyncio.Event().wait()
            if verb in self._sink.answers:
                await self._say(self._sink.answers[verb])
            elif not await self._do(verb, rest):
                return

    async def _wait_at(self, step: str) -> None:
        if step == self._sink.waits_at:
            await self._sink.goes_on.wait()

    async def _do(self, verb: str, rest: str) -> bool:
        match verb:
            case "EHLO":
                await self._greet()
            case "STARTTLS":
                await self._say("220 go on")
                await self._writer.start_tls(self._sink.tls) if self._sink.tls else None
            case "AUTH":
                await self._sign_in(rest)
            case "MAIL":
                self._sender, self._recipients = _address(rest), []
                await self._say("250 ok")
            case "RCPT":
                await self._recipient(_address(rest))
            case "DATA":
                await self._take()
            case "QUIT":
                await self._say("221 bye")
                return False
            case _:
                await self._say("250 ok")
        return True

    async def _greet(self) -> None:
        encrypted = self._writer.get_extra_info("ssl_object") is not None
        offers = ["sink", *(["STARTTLS"] if self._sink.offers_starttls and not encrypted else [])]
        offers += ["AUTH PLAIN"] if self._sink.users else []
        for offer in offers[:-1]:
            await self._say(f"250-{offer}")
        await self._say(f"250 {offers[-1]}")

    async def _sign_in(self, rest: str) -> None:
        _, user, password = base64.b64decode(rest.removeprefix("PLAIN ")).decode().split("\0")
        if self._sink.users.get(user) == password:
            self._sink.signed_in.append(user)
            await self._say("235 welcome")
        else:
            await self._say("535 5.7.8 no such user")

    async def _recipient(self, address: str) -> None:
        if address in self._sink.answers:
            await self._say(self._sink.answers[address])
            return
        self._recipients.append(address)
        await self._say("250 ok")

    async def _take(self) -> None:
        await self._say("354 go on")
        body = await self._reader.readuntil(b"\r\n.\r\n")
        if self._sink.hangs_up_at_end:
            raise ConnectionError
        if self._sink.silent_at == ".":
            await asyncio.Event().wait()
        if "." in self._sink.answers:
            await self._say(self._sink.answers["."])
            return
        raw = body.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
        self._sink.mails.append(message_from_bytes(raw, policy=default))
        self._sink.envelopes.append((self._sender, tuple(self._recipients)))
        await self._say("250 taken")

    async def _say(self, line: str) -> None:
        self._writer.write(f"{line}\r\n".encode())
        await self._writer.drain()


def _address(rest: str) -> str:
    return rest.partition("<")[2].partition(">")[0]


@asynccontextmanager
async def smtp_sink(folder: Path, *, implicit_tls: bool = False, **facts: object) -> AsyncIterator[SmtpSink]:
    """Listening on localhost while the context is open. `facts`: fields of the sink."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    sink = SmtpSink(tls=context, ca_file=folder / "smtp-ca.pem")
    for name, value in facts.items():
        setattr(sink, name, value)
    authority.cert_pem.write_to_path(str(sink.ca_file))
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            await sink.serve(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            talks.discard(task)

    server = await asyncio.start_server(talk, "localhost", 0, ssl=context if implicit_tls else None)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        for task in list(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
