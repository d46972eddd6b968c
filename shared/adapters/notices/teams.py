"""Notices in a Teams channel, by the address of a Workflow ("When a Teams webhook request is received").

The address is a secret: whoever has it may post, so it is in no log and in no error. Texts are sent as `TextRun`s,
which know no Markdown: a customer called "[click](http://…)" stays text. Satisfies `shared.ports.Channel`.
"""

from __future__ import annotations

from typing import Any

from shared.adapters.http import Answer, HttpClient, Request, retry_after
from shared.domain.errors import Permanent, SyncError, Transient
from shared.domain.notice_letters import NoticeLetter, Purpose

SERVICE = "teams"
TOTAL_SECONDS = 30.0
LARGEST_ANSWER = 64 * 1024  # bytes
LARGEST_CARD = 20_000  # characters of text; Teams takes 28 KB of card


class TeamsChannel:
    name = "teams"

    def __init__(self, http: HttpClient, url: str, *, total: float = TOTAL_SECONDS) -> None:
        self._http = http
        self._url = url
        self._total = total

    def wants(self, purpose: Purpose) -> bool:
        return True

    async def send(self, letter: NoticeLetter) -> None:
        request = Request(
            SERVICE,
            "POST",
            self._url,
            "/workflow",  # all that a log may show of the address
            json=_envelope(letter),
            repeatable=False,
            total=self._total,
            largest=LARGEST_ANSWER,
        )
        answer = await self._http.send(request)
        if answer.status not in (200, 201, 202):
            raise _family(answer)


def _envelope(letter: NoticeLetter) -> dict[str, Any]:
    return {
        "type": "message",
        "attachments": [
            {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": _card(letter)}
        ],
    }


def _card(letter: NoticeLetter) -> dict[str, Any]:
    color = "attention" if letter.is_red else "default"
    head = _block({"text": letter.subject, "weight": "bolder", "size": "medium", "color": color})
    lines = [_block({"text": line}) for line in _fitting(letter.lines)]
    closing = _block({"text": letter.closing, "isSubtle": True})
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [head, *lines, closing],
    }


def _block(run: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", **run}]}


def _fitting(lines: tuple[str, ...]) -> list[str]:
    kept: list[str] = []
    room = LARGEST_CARD
    for line in lines:
        room -= len(line.encode())
        if room < 0:
            return [*kept, f"And {len(lines) - len(kept)} more: entra-syncro notices list"]
        kept.append(line)
    return kept


def _family(answer: Answer) -> SyncError:
    status = f"status {answer.status}"
    if answer.status in (408, 429) or answer.status >= 500:
        code = "too_many" if answer.status == 429 else "service_fault"
        return Transient(SERVICE, code, status, retry_after=retry_after(answer.headers))
    if answer.status in (401, 403, 404, 410):
        return Permanent(SERVICE, "gone", status)
    return Permanent(SERVICE, "refused", status)
