"""The acts of the demo: preview and approval, the first sync, people change, one is refused, the night, the reckoning.

Everything goes through `console.operations`, as the commands do; what Syncro holds is judged from the simulated
Syncro's own store. Next: `people.py` (what happens), `arrival.py` (when it has arrived), `night.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from console import operations
from console.cli.demo.arrival import Arrival, Expected, arrival, until, value_of
from console.cli.demo.night import Night, play_night
from console.cli.demo.people import CHANGES, HIRES, Administrator, Change, Hire, Subject, open_administrator
from console.cli.demo.poison import Poison, play_poison
from console.cli.demo.stage import Stage
from console.cli.demo.summary import Summary
from console.cli.output import say
from console.cli.preview import show
from console.cli.sync import watch_runs
from console.operations import ShownPreview
from shared.domain.changes import Conflict, CreateContact, UpdateContact
from shared.domain.preview import has_contact_at_the_end

POISONED = "mia.keller@alpenrose.example"
BETWEEN = 2.5  # seconds between two changes, so that each is seen to arrive
SUBSCRIBED_WITHIN = 20.0  # seconds


def one_by_one(number: int) -> float:
    return number * BETWEEN


class Performance:
    """One performance; the acts are called in their order."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._customers = {str(one["tenant_id"]): int(one["id"]) for one in stage.world.info()["customers"]}
        self._shown: list[ShownPreview] = []
        self._arrivals: list[Arrival] = []
        self._wrong: list[str] = []
        self._live_from, self._live_until = 0, 0
        self._night: Night | None = None
        self._poison: Poison | None = None

    # --- act one: what would be written, approved ------------------------------------------------------------------

    async def preview_and_approve(self) -> None:
        ports = self._stage.ports
        say("Connecting three customers. Nothing is written before a person approves.\n")
        for tenant_id, customer_id in self._customers.items():
            await operations.connect(ports, customer_id, tenant_id)
            shown = await operations.preview(ports, customer_id)
            show(shown)
            self._shown.append(shown)
            say("")
        say("Approving all three; the first sync begins.")
        runs = [
            await operations.approve(ports, shown.preview.customer_id, shown.preview.code, by="demo")
            for shown in self._shown
        ]
        await watch_runs(ports, runs)
        self._compare_with_previews()

    def _compare_with_previews(self) -> None:
        """Every previewed value must stand in Syncro's store now."""
        for shown in self._shown:
            for row in shown.preview.rows:
                if isinstance(row.plan, CreateContact | UpdateContact):
                    wanted = {change.field: change.after for change in row.plan.changes}
                    self._expect(row.user_label, row.plan, wanted)

    def _expect(self, label: str, plan: CreateContact | UpdateContact, wanted: Mapping[str, str]) -> None:
        contacts = self._stage.world.syncro.account.contacts
        if isinstance(plan, UpdateContact):
            found = [contacts[plan.contact_id]]
        else:
            found = [c for c in contacts.values() if c.properties.get("azure_object_id") == plan.user_id]
        if len(found) != 1:
            self._wrong.append(f"{label} has {len(found)} contacts of their own instead of one.")
            return
        off = [name for name, value in wanted.items() if value_of(found[0], name) != value]
        if off:
            self._wrong.append(f"{label}: {', '.join(off)} differ from the preview.")

    # --- act two: people change ------------------------------------------------------------------------------------

    async def change_people(
        self,
        moment: Callable[[int], float] = one_by_one,
        meanwhile: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`moment`: seconds until the change of that number. `meanwhile` goes on beside them and is waited for."""
        self._live_from = len(self._stage.looks)
        async with open_administrator(self._stage.world.info()) as admin:
            await self._subscribed()
            say("\nNow people change in the directory; each change is timed into its contact.")
            happenings: tuple[Change | Hire, ...] = (*CHANGES, *HIRES)
            async with asyncio.TaskGroup() as group:
                for number, change in enumerate(happenings):
                    group.create_task(self._happen(admin, change, moment(number)), name=f"demo:change-{number}")
                if meanwhile is not None:
                    group.create_task(_awaited(meanwhile), name="demo:meanwhile")

    async def _subscribed(self) -> None:
        """Graph announces changes only to those who subscribed."""
        tenants = self._stage.world.microsoft.tenants.values()
        if not await until(lambda: all(one.subscriptions for one in tenants), within=SUBSCRIBED_WITHIN):
            raise operations.OperationError("The subscriptions were not made in time; the log says why.")

    async def _happen(self, admin: Administrator, change: Change | Hire, after: float) -> None:
        await asyncio.sleep(after)
        arrived = await (self._hired(admin, change) if isinstance(change, Hire) else self._changed(admin, change))
        self._arrivals.append(arrived)
        if arrived.latency is None:
            self._wrong.append(f"{arrived.title}, {arrived.who}: did not arrive.")
            return
        say(f"  {arrived.latency:5.2f} s   {arrived.title:<17} {arrived.who}")

    async def _changed(self, admin: Administrator, change: Change) -> Arrival:
        subject = self._subject(change.who)
        changed_at = self._stage.world.microsoft.clock.now()
        await change.act(admin, subject)
        customer_id = self._customers[subject.tenant_id]
        return await arrival(
            self._stage.world,
            Expected(change.title, change.who, customer_id, subject.user_id, change.holds, changed_at),
        )

    async def _hired(self, admin: Administrator, hire: Hire) -> Arrival:
        company = next(one for one in self._stage.world.companies if one.domain == hire.domain)
        changed_at = self._stage.world.microsoft.clock.now()
        user_id = await admin.hire(company.tenant_id, hire.domain, hire.first, hire.last, hire.job)
        customer_id = self._customers[company.tenant_id]
        return await arrival(
            self._stage.world,
            Expected("new hire", hire.holds["email"], customer_id, user_id, hire.holds, changed_at),
        )

    def _subject(self, upn: str) -> Subject:
        company = next(one for one in self._stage.world.companies if upn.endswith("@" + one.domain))
        person = next(one for one in company.people if one.upn == upn)
        return Subject(company.tenant_id, person.id, upn)

    # --- act three: a change that Syncro refuses ------------------------------------------------------------------

    async def poison(self) -> None:
        """It fails, its cause is cured, and it is tried again."""
        self._live_until = len(self._stage.looks)
        subject = self._subject(POISONED)
        elsewhere = next(one for one in self._customers if one != subject.tenant_id)
        self._poison = await play_poison(
            self._stage, subject, self._customers[subject.tenant_id], self._customers[elsewhere]
        )
        self._wrong += self._poison.wrong

    # --- act four: the night --------------------------------------------------------------------------------------

    async def night(self) -> None:
        """A full sync of all three customers."""
        self._night = await play_night(self._stage)
        self._wrong += self._night.wrong

    # --- act five: the reckoning ----------------------------------------------------------------------------------

    async def summarise(self) -> Summary:
        """A fresh full plan must ask for nothing any more."""
        ports = self._stage.ports
        plans = [
            row.plan
            for customer_id in self._customers.values()
            for row in (await operations.preview(ports, customer_id)).preview.rows
        ]
        in_scope = [plan for plan in plans if has_contact_at_the_end(plan)]
        return Summary(
            in_scope=len(in_scope),
            equal_to_plan=sum(not isinstance(plan, CreateContact | UpdateContact) for plan in in_scope),
            conflicts=sum(isinstance(plan, Conflict) for plan in plans),
            dead_letters=len(await operations.letters(ports)),
            arrivals=self._arrivals,
            looks=self._stage.looks[self._live_from : self._live_until],
            night=self._night,
            poison=self._poison,
            world=self._stage.world,
            wrong=self._wrong,
        )


async def _awaited(what: Callable[[], Awaitable[None]]) -> None:
    await what()
