"""Users of one tenant: read together from Entra, then looked at one by one for every customer of the tenant.

What is read is as old as `Reading.began`, and only a look that began with it may answer a hint. Nothing is written
for a customer that is not approved: it is owed a full pass instead. Next: `worker/customer.py`.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from shared.domain.errors import Permanent, SyncError
from shared.domain.messages import Lane
from shared.domain.outcome import Covered, Failed, Held, NotReplicated, Outcome, Synced
from shared.domain.records import Connection, ConnectionStatus
from shared.domain.user import AnyUser, Deleted, Missing, UserRead
from worker.customer import CustomerLook, blame
from worker.homes import concluded, housed, is_inherited
from worker.look import NOBODY, Cause, Look, held_by
from worker.marks import Marks
from worker.parts import WorkerPorts, WorkerSettings
from worker.report import report
from worker.weather import Weather

log = structlog.get_logger("worker")
TOGETHER = 20  # users that one $batch call reads


@dataclass(frozen=True, slots=True)
class Reading:
    """What Entra said about some users, `began` (wall) and `began_at` (monotonic) before the call."""

    tenant_id: str
    began: datetime
    began_at: float
    connections: Sequence[Connection] = ()
    users: Mapping[str, UserRead] = field(default_factory=dict)
    error: SyncError | None = None
    is_shared: bool = False  # the error is that of several users together


class Sync:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings, lane: Lane) -> None:
        self._ports = ports
        self._settings = settings
        self._lane = lane
        self.marks = Marks(ports.memory, ports.clock, settings.fingerprint_key)
        self._customers = CustomerLook(ports, settings, lane, self.marks)
        self._weather = Weather()

    async def read(self, tenant_id: str, user_ids: Sequence[str]) -> Reading:
        """One read for all of them; without an approved customer Entra is not even asked. Never raises SyncError."""
        began, began_at = self._ports.clock.now(), self._ports.clock.monotonic()
        connections: Sequence[Connection] = ()
        try:
            connections = await self._ports.connections.of_tenant(tenant_id)
            if not any(connection.status is ConnectionStatus.APPROVED for connection in connections):
                return Reading(tenant_id, began, began_at, connections)
            users = await self._ports.directory.users(tenant_id, user_ids)
        except SyncError as error:
            return Reading(tenant_id, began, began_at, connections, error=blame(error), is_shared=len(user_ids) > 1)
        except Exception as error:
            return Reading(tenant_id, began, began_at, connections, error=fault(error), is_shared=len(user_ids) > 1)
        return Reading(tenant_id, began, began_at, connections, users)

    async def alone(self, reading: Reading, user_id: str) -> Reading:
        """What waiting cannot cure may be the doing of one user: then each is read alone, and nobody fails with it."""
        if isinstance(reading.error, Permanent) and reading.is_shared:
            return await self.read(reading.tenant_id, [user_id])
        return reading

    async def look(self, cause: Cause, reading: Reading) -> Look:
        """One user at every customer of the tenant. Never raises SyncError: failures are outcomes."""
        try:
            outcomes = await self._outcomes(cause, reading)
        except SyncError as error:  # from Memory: nothing of it is needed, but nothing is decided without it
            outcomes = {NOBODY: Failed(blame(error))}
        except Exception as error:
            outcomes = {NOBODY: Failed(fault(error))}
        return Look(cause.user_id, outcomes, reading.began)

    async def remember(self, look: Look, reading: Reading) -> None:
        """From now on this look answers hints from before it. Raises what Memory raises."""
        read = reading.users.get(look.user_id)
        if read is not None and all(isinstance(outcome, Synced) for outcome in look.outcomes.values()):
            await self.marks.looked(reading.tenant_id, read, reading.began)

    async def _outcomes(self, cause: Cause, reading: Reading) -> Mapping[int, Outcome]:
        if reading.error is not None:
            failed = Failed(reading.error)
            return {c: self._say(cause, c, failed, reading) for c in _customers(reading)}
        if not reading.connections:
            return {NOBODY: self._say(cause, None, Held("no customer has this tenant", owed=False), reading)}
        read = reading.users.get(cause.user_id)
        if cause.entra_alone and read is not None and await self.marks.unchanged(cause.tenant_id, read):
            return {NOBODY: self._say(cause, None, Covered(), reading)}
        await self.marks.looking(cause.tenant_id, cause.user_id)
        for_good = self._settings.missing_for_good
        user = await self.marks.concluded(cause.tenant_id, read, for_good) if read is not None else None
        return {c.customer_id: await self._at_customer(c, user, cause, reading) for c in reading.connections}

    async def _at_customer(
        self, connection: Connection, user: AnyUser | None, cause: Cause, reading: Reading
    ) -> Outcome:
        held = held_by(connection, cause.tenant_id)
        if held is not None or user is None:
            return self._say(cause, connection.customer_id, held or Covered(), reading)
        if isinstance(user, Missing | Deleted):
            try:
                cause, user = await self._at_home(connection, user, cause)
                is_foreign = isinstance(user, Deleted) and await self._is_inherited(connection, user)
            except SyncError as error:
                return self._say(cause, connection.customer_id, Failed(blame(error)), reading)
            if is_foreign:
                return self._say(cause, connection.customer_id, Covered(), reading)
        if isinstance(user, Missing):
            return self._say(cause, connection.customer_id, NotReplicated(), reading)
        began = self._ports.clock.monotonic()
        outcome = await self._customers.look(user, connection.customer_id, cause, reading.began)
        outcome = self._weather.judge(connection.customer_id, outcome)
        return self._say(cause, connection.customer_id, outcome, reading, since=began)

    async def _at_home(self, connection: Connection, user: Missing | Deleted, cause: Cause) -> tuple[Cause, AnyUser]:
        """Not in the tenant that was asked: another one of this customer may know the user."""
        others = [tenant_id for tenant_id in connection.tenants if tenant_id != cause.tenant_id]
        if not others:
            return cause, user
        found = await housed(self._ports.directory, others, [user.id])
        home, read = found.homes[user.id], found.reads[user.id]
        if isinstance(read, Missing):
            end = await concluded(self.marks, connection.tenants, home, read, self._settings.missing_for_good)
            return cause, end
        return replace(cause, tenant_id=home), await self.marks.concluded(home, read, self._settings.missing_for_good)

    async def _is_inherited(self, connection: Connection, user: Deleted) -> bool:
        link = await self._ports.links.of_user(connection.customer_id, user.id)
        return link is not None and is_inherited(connection, link)

    def _say(
        self, cause: Cause, customer_id: int | None, outcome: Outcome, reading: Reading, since: float | None = None
    ) -> Outcome:
        clock = self._ports.clock
        ms = round((clock.monotonic() - (reading.began_at if since is None else since)) * 1000)
        age = (clock.now() - cause.noticed_at).total_seconds()
        self._settings.on_look(report(cause, customer_id, outcome, lane=self._lane.value, ms=ms, age=age))
        return outcome


def _customers(reading: Reading) -> Sequence[int]:
    return [connection.customer_id for connection in reading.connections] or [NOBODY]


def fault(error: Exception) -> Permanent:
    """A fault of ours must not take the lane (or all full syncs) down with it: it ends with a person, by its place."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return Permanent("worker", "unexpected", f"{type(error).__name__} at {where.name}:{where.lineno}")
