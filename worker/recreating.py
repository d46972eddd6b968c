"""A contact that we deleted comes back, and comes back once.

A creation is the one call that cannot be repeated. A listing that begins now must not have the person; it may take
longer than a lease lasts, so whatever we may have done meanwhile is asked again under the lease: who took this very
deletion back, a creation of which nobody knows the end, the user's link, contacts that we made since. Next:
`worker/apply.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from shared.domain import normalise
from shared.domain.changes import CreateContact
from shared.domain.contact import Contact
from shared.domain.messages import Lane
from shared.domain.undo_contact import OPEN, taken_back
from shared.domain.undo_steps import Left, Recreate, Why
from worker.apply import Applier, Turn
from worker.look import Cause
from worker.parts import WorkerPorts, WorkerSettings
from worker.pausing import require_halted
from worker.turns import turn_at
from worker.undo_reading import UndoReading

_CALLS = 2  # POST and the PUT that follows it


class Recreating:
    def __init__(
        self, ports: WorkerPorts, settings: WorkerSettings, reading: UndoReading, applier: Applier, lane: Lane
    ) -> None:
        self._ports = ports
        self._settings = settings
        self._reading = reading
        self._applier = applier
        self._lane = lane

    async def recreate(self, step: Recreate, customer_id: int, cause: Cause) -> Recreate | Left:
        """The step with the number of the new contact, or why there is none."""
        known = (await self._ports.journal.created(customer_id)).keys()
        listed = await self._listed(customer_id)
        if (left := await self._twin(step, customer_id, listed)) is not None:
            return left
        async with turn_at(self._ports, self._settings, customer_id, calls=_CALLS, lane=self._lane) as turn:
            left = await self._overtaken(step, customer_id) or await self._made_since(turn, step, customer_id, known)
            if left is not None:
                return left
            await require_halted(self._ports, customer_id)
            plan = CreateContact(step.user_id, customer_id, step.changes, "It was deleted, and comes back.")
            written = await self._applier.create(turn, plan, cause)
        return replace(step, new_id=written.contact.id)

    async def _listed(self, customer_id: int) -> Sequence[Contact]:
        async with self._ports.pace.reserve(1, self._lane, wait=self._settings.pace_wait) as allowance:
            return await self._ports.contacts.listing(allowance, customer_id)

    async def _overtaken(self, step: Recreate, customer_id: int) -> Left | None:
        """Another operator, or this command before it was stopped, or a contact that somebody gave the user."""
        since = await self._reading.of_user(customer_id, step.user_id, step.undoes)
        again = taken_back(step.undoes, since)
        if again is not None:
            return _left(step, again)
        if any(each.action == "create" and each.state in OPEN for each in since):  # the list tells of an older one
            return _left(step, Why.UNKNOWN)
        link = await self._ports.links.of_user(customer_id, step.user_id)
        if link is not None and link.contact_id != step.contact_id:
            return _left(step, Why.REPLACED, f"contact {link.contact_id}")
        return None

    async def _made_since(self, turn: Turn, step: Recreate, customer_id: int, known: Collection[int]) -> Left | None:
        """Whoever wrote while the listing was read has settled it by now: there is one lease for both of us."""
        made = (await self._ports.journal.created(customer_id)).keys() - set(known)
        found = [await self._ports.contacts.get(turn.allowance, each) for each in sorted(made)]
        return await self._twin(step, customer_id, [each for each in found if each is not None])

    async def _twin(self, step: Recreate, customer_id: int, contacts: Sequence[Contact]) -> Left | None:
        object_id = (await self._ports.policies.policy(customer_id)).fields.object_id
        twin = next((each for each in contacts if _is_same_person(each, step, object_id)), None)
        return _left(step, Why.REPLACED, f"contact {twin.id}") if twin is not None else None


def _left(step: Recreate, why: Why, detail: str = "") -> Left:
    return Left(step.contact_id, step.user_id, "", why, detail=detail)


def _is_same_person(contact: Contact, step: Recreate, object_id: str) -> bool:
    values = {change.field: change.after for change in step.changes}
    address = normalise.email(values.get("email"))
    is_address = bool(address) and normalise.email(contact.email) == address
    written = normalise.text(contact.value(object_id)).lower()  # people type an object id as they like
    return is_address or (bool(written) and written == step.user_id.lower())
