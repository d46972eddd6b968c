"""Linked users whom a reading does not have: asked for one by one, and planned as leavers if that is what they are.

So a pass judges their changes with all others (fifty deleted users in a night are a question for a person), and a hold
names them. Absence alone says nothing: whoever is there after all, or missing for the first time, is left to a look.
A customer of several tenants is asked in all of them.
Next: `worker/holding.py`.
"""

from __future__ import annotations

from dataclasses import replace

from shared.domain.changes import Plan
from shared.domain.contact import Contact
from shared.domain.matching import match
from shared.domain.plan import plan
from shared.domain.preview import PreviewRow, is_write
from shared.domain.user import Deleted, SoftDeleted, UserRead
from worker.homes import concluded, housed
from worker.marks import Marks
from worker.parts import WorkerPorts, WorkerSettings
from worker.survey import Survey


class Leavers:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings) -> None:
        self._ports = ports
        self._marks = Marks(ports.memory, ports.clock, settings.fingerprint_key)
        self._for_good = settings.missing_for_good

    async def joined(self, survey: Survey) -> Survey:
        """The survey with a row for every leaver who is known to be one; those are no longer `unseen`.

        Call it for lists that are believed. Raises what Graph and Memory raise.
        """
        if not survey.unseen:
            return survey
        contacts = _linked(survey)
        rows, unseen = [], []
        found = await housed(self._ports.directory, survey.connection.tenants, survey.unseen)
        for read in found.reads.values():
            row = await self._row(survey, found.homes[read.id], read, contacts.get(read.id))
            if row is None:
                unseen.append(read.id)
            elif is_write(row.plan):
                rows.append(row)
        requests = survey.reading.requests + found.calls
        return replace(
            survey,
            preview=replace(survey.preview, rows=(*survey.preview.rows, *rows)),
            unseen=tuple(unseen),
            homes={**survey.homes, **found.homes},
            reading=replace(survey.reading, requests=requests),
        )

    async def _row(self, survey: Survey, home: str, read: UserRead, contact: Contact | None) -> PreviewRow | None:
        user = await concluded(self._marks, survey.connection.tenants, home, read, self._for_good)
        if contact is None or not isinstance(user, SoftDeleted | Deleted):
            return None
        if isinstance(user, Deleted) and user.id in survey.inherited:
            return None
        found = match(user, [contact], link=contact.id, linked={contact.id: user.id}, rivals=(), policy=survey.policy)
        decided: Plan = plan(
            user,
            found,
            customer_id=survey.customer_id,
            facts=None,
            policy=survey.policy,
            today=survey.began.date(),
            missing_fields=survey.lacking,
            locks=survey.locks,
        )
        label = contact.name or contact.email or user.id
        return PreviewRow(label, label, await self._marks.without_unstuck(decided))


def _linked(survey: Survey) -> dict[str, Contact]:
    """User id -> contact, of those that are still there."""
    return {survey.links[each.id]: each for each in survey.preview.contacts if each.id in survey.links}
