"""Notices as tickets in Syncro, on a customer of the service provider's own: one for each letter with new causes.

Spends from the pace as every call does, on the slow lane, and is bounded. Nothing is mailed to anybody: the text is a
private note. It cannot tell that Syncro refuses the token; set a second channel for that. Satisfies
`shared.ports.Channel`.
"""

from __future__ import annotations

import asyncio

from shared.adapters.http import HttpClient
from shared.adapters.lenient import integer, mapping
from shared.adapters.syncro.caller import SyncroCaller
from shared.domain.errors import Permanent, StopTheLine, SyncError, Transient
from shared.domain.messages import Lane
from shared.domain.notice_letters import NoticeLetter, Purpose
from shared.ports import Pace

SERVICE = "ticket"
TOTAL_SECONDS = 50.0
PACE_SECONDS = 30.0


class TicketChannel:
    name = "ticket"

    def __init__(
        self, http: HttpClient, base_url: str, token: str, pace: Pace, customer_id: int, *, total: float = TOTAL_SECONDS
    ) -> None:
        self._caller = SyncroCaller(http, base_url, token, pace)
        self._pace = pace
        self._customer_id = customer_id
        self._total = total

    def wants(self, purpose: Purpose) -> bool:
        """A ticket for every day, and one for what is over, would have to be closed by somebody."""
        return purpose in (Purpose.CAUSES, Purpose.TEST)

    async def send(self, letter: NoticeLetter) -> None:
        try:
            async with asyncio.timeout(self._total):
                answered = await self._open(letter)
        except TimeoutError:
            raise Transient(SERVICE, "timed_out", "no ticket in time") from None
        except StopTheLine as error:
            # Only a ticket failed: whether the whole account must stand still is for the changes to find out.
            raise _of_a_stop(error) from None
        except Permanent as error:
            raise Permanent(SERVICE, _REFUSALS.get(error.code, error.code), error.detail) from None
        if integer(mapping(mapping(answered).get("ticket")).get("id")) is None:
            raise Transient(SERVICE, "unreadable_answer", "the answer names no ticket")

    async def _open(self, letter: NoticeLetter) -> object:
        async with self._pace.reserve(1, Lane.BACKFILL, wait=PACE_SECONDS) as allowance:
            return await self._caller.write(allowance, "POST", "/tickets", "/tickets", self._ticket(letter))

    def _ticket(self, letter: NoticeLetter) -> dict[str, object]:
        note = {"subject": "Notice", "body": letter.text, "hidden": True, "do_not_email": True}
        return {
            "customer_id": self._customer_id,
            "subject": letter.subject,
            "problem_type": "Other",
            "status": "New",
            "comments_attributes": [note],
        }


_REFUSALS = {"not_found": "customer_unknown", "customer_missing": "customer_unknown"}


def _of_a_stop(error: StopTheLine) -> SyncError:
    if error.code == "too_many":
        return Transient(SERVICE, "too_many", error.detail, retry_after=error.retry_after)
    if error.code == "permission":
        return Permanent(SERVICE, "permission", "the API token may not create tickets")
    return Permanent(SERVICE, error.code, error.detail)
