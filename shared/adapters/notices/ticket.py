"""Notices as tickets in Syncro, on a customer of the service provider's own: one for each letter with new causes.

Spends from the pace as every call does, on the slow lane, and is bounded. Nothing is mailed to anybody: the text is a
private note. It cannot tell that Syncro refuses the token; set a second channel for that. A ticket cannot be opened
"only once": when the answer is lost, or a gateway answers in Syncro's place, it is Ambiguous, when Syncro itself says
that it is unwell it is Transient. A test is opened as resolved, so that nobody has to close it. Satisfies
`shared.ports.Channel`.
"""

from __future__ import annotations

import asyncio

from shared.adapters.http import HttpClient
from shared.adapters.lenient import integer, mapping
from shared.adapters.syncro.caller import SyncroCaller
from shared.domain.errors import Ambiguous, Permanent, StopTheLine, SyncError, Transient
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
        started = asyncio.Event()
        try:
            async with asyncio.timeout(self._total):
                answered = await self._open(letter, started)
        except TimeoutError:
            family = Ambiguous if started.is_set() else Transient
            raise family(SERVICE, "timed_out", "no ticket in time") from None
        except Ambiguous as error:
            raise _of_no_answer(error) from None
        except StopTheLine as error:
            # Only a ticket failed: whether the whole account must stand still is for the changes to find out.
            raise _of_a_stop(error) from None
        except Permanent as error:
            raise Permanent(SERVICE, _REFUSALS.get(error.code, error.code), error.detail) from None
        _check(answered)

    async def _open(self, letter: NoticeLetter, started: asyncio.Event) -> object:
        async with self._pace.reserve(1, Lane.BACKFILL, wait=PACE_SECONDS) as allowance:
            started.set()
            return await self._caller.write(allowance, "POST", "/tickets", "/tickets", self._ticket(letter))

    def _ticket(self, letter: NoticeLetter) -> dict[str, object]:
        note = {"subject": "Notice", "body": letter.text, "hidden": True, "do_not_email": True}
        return {
            "customer_id": self._customer_id,
            "subject": letter.subject,
            "problem_type": "Other",
            "status": _RESOLVED if letter.purpose is Purpose.TEST else "New",
            "comments_attributes": [note],
        }


# The end of every ticket; nothing is automated on it any more:
# https://syncro.helpjuice.com/en_US/tickets/how-ticket-statuses-change
_RESOLVED = "Resolved"
_OPENED_NOTHING = frozenset({"status 408", "status 500", "status 503"})
_REFUSALS = {"not_found": "customer_unknown", "customer_missing": "customer_unknown"}


def _check(answered: object) -> None:
    if "error" in mapping(answered):  # Syncro refuses some things with a 200
        raise Permanent(SERVICE, "rejected", "the answer is an error")
    if integer(mapping(mapping(answered).get("ticket")).get("id")) is None:
        raise Ambiguous(SERVICE, "unreadable_answer", "the answer names no ticket")


def _of_no_answer(error: Ambiguous) -> Transient:
    """Syncro's own failure opened nothing. Any other 5xx is a gateway's, which may have handed the call on before."""
    family = Transient if error.code == "service_fault" and error.detail in _OPENED_NOTHING else Ambiguous
    return family(SERVICE, error.code, error.detail, retry_after=error.retry_after)


def _of_a_stop(error: StopTheLine) -> SyncError:
    if error.code == "too_many":
        return Transient(SERVICE, "too_many", error.detail, retry_after=error.retry_after)
    if error.code == "permission":
        return Permanent(SERVICE, "permission", "the API token may not create tickets")
    return Permanent(SERVICE, error.code, error.detail)
