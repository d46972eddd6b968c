"""Act four of the demo: the night. What no notification tells (MFA, last activity, Secure Score), what one missed,
and a change so large that a person is asked first.

The three customers stand for the three kinds: with Entra ID P1, without it, and one whose reports tell nothing. The
same full sync as at night, begun by hand. Next: `reckoning.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from console import operations
from console.cli.demo.arrival import value_of
from console.cli.demo.people import Administrator, open_administrator
from console.cli.demo.stage import Stage
from console.cli.output import print_table, say
from console.cli.watching import watch_runs
from console.operations import StartedRun
from sandbox.microsoft.reported import Reported, SignIns
from sandbox.microsoft.tenant import Tenant
from sandbox.story.shapes import Person
from shared.domain.records import Run

SERVED = 0.5  # seconds, beyond the directory's own lag, until a read sees what was changed
CONTACT_FIELDS = ("azure_license", "azure_mfa_status", "azure_mfa_methods", "azure_last_activity")
CUSTOMER_FIELDS = ("microsoft_secure_score", "azure_licensed_user_count", "azure_active_user_count")
HARBOR, ALPENROSE, JUNIPER = "harborlane.test", "alpenrose.example", "juniper.example"
POINTS_WON = 18.5
MISSED = "irene.novak@harborlane.test"
EMPTIED = tuple(f"{name}@{JUNIPER}" for name in ("anke.vogel", "sean.oconnor", "madhuri", "rosa.diaz"))


@dataclass(frozen=True, slots=True)
class Night:
    """`planned`: users that the first full sync put through the planner. Writes are counted by the simulated Syncro.

    `held`: users of whom something waited for a person. `wrong`: what did not come as it should.
    """

    planned: int
    writes_first: int
    writes_second: int
    held: int
    wrong: tuple[str, ...]

    def document(self) -> dict[str, int]:
        return {
            "planned": self.planned,
            "writes_first": self.writes_first,
            "writes_second": self.writes_second,
            "held": self.held,
        }


async def play_night(stage: Stage) -> Night:
    """Everything that happens in one night. Notifications are lost meanwhile, so that only the night can tell."""
    switches = stage.world.microsoft.switches
    switches.delivery = False
    try:
        return await _Night(stage).play()
    finally:
        switches.delivery = True


class _Night:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._people: Mapping[str, Person] = {
            one.upn: one for company in stage.world.companies for one in company.people
        }
        self._wrong: list[str] = []
        self._started: Mapping[int, StartedRun] = {}

    async def play(self) -> Night:
        say("\nThe night: Microsoft loses every notification, and reports know what notifications never tell.")
        async with open_administrator(self._stage.world.info()) as admin:
            await self._happen(admin)
        await asyncio.sleep(self._stage.world.microsoft.switches.replication_lag_s + SERVED)
        before, writes = self._values(), self._writes
        first = await self._full_sync()
        writes_first = self._writes - writes
        self._show(before, self._values())
        await self._say_what_is_unknown(first)
        held = await self._release(first)
        writes = self._writes
        await self._full_sync()
        writes_second = self._writes - writes
        say(f"A second full sync right after it writes {writes_second} times.")
        return Night(sum(run.considered for run in first), writes_first, writes_second, held, tuple(self._wrong))

    # --- what happens overnight ------------------------------------------------------------------------------------

    async def _happen(self, admin: Administrator) -> None:
        await self._take_licences(admin, MISSED)
        for upn in EMPTIED:
            await self._take_licences(admin, upn)
        today = self._stage.world.microsoft.clock.now()
        seen = SignIns(interactive=f"{today:%Y-%m-%dT%H:%M:%SZ}", successful=f"{today:%Y-%m-%dT%H:%M:%SZ}")
        self._report(f"helen.ward@{HARBOR}", methods=("microsoftAuthenticatorPush",), preferred="push", sign_ins=seen)
        self._report(f"zoe.brule@{ALPENROSE}", per_user_mfa="enforced", services={"Exchange": f"{today:%Y-%m-%d}"})
        tenant = self._tenant(HARBOR)
        if tenant.score is not None:
            tenant.score = replace(tenant.score, current=tenant.score.current + POINTS_WON)

    async def _take_licences(self, admin: Administrator, upn: str) -> None:
        person = self._people[upn]
        held = [str(entry["skuId"]) for entry in person.graph["assignedLicenses"]]
        await admin.license(self._tenant(_domain(upn)).tenant_id, person.id, add=[], remove=held)

    def _report(self, upn: str, **values: object) -> None:
        reported = self._tenant(_domain(upn)).reported
        person = self._people[upn]
        reported[person.id] = replace(reported.get(person.id, Reported()), **values)  # type: ignore[arg-type]  # its own fields

    # --- the full syncs --------------------------------------------------------------------------------------------

    async def _full_sync(self) -> list[Run]:
        """All three customers; the run records as they stand at the end."""
        begun = await operations.sync_all(self._stage.ports)
        self._wrong += [f"{one.customer_name}: the full sync did not begin." for one in begun.failed]
        self._started = {run.customer_id: run for run in begun.runs}
        return await watch_runs(self._stage.ports, begun.runs)

    async def _release(self, first: Sequence[Run]) -> int:
        """What the brake held is shown and approved, as a technician would."""
        held = 0
        for started in [each for each in self._started.values() if each.hold is not None]:
            held += await self._approve(started)
        if held != sum(run.held for run in first) or held < len(EMPTIED):
            self._wrong.append(f"The brake should have held {len(EMPTIED)} contacts.")
        return held

    async def _approve(self, started: StartedRun) -> int:
        hold = started.hold
        if hold is None:
            return 0
        rows = [
            (row.user_label, change.field, change.before, change.after) for row in hold.rows for change in row.changes
        ]
        title = f"{started.customer_name}: held, waiting for approval ({hold.detail})"
        print_table(title, ["user", "field", "before", "after"], rows, empty="")
        say(f"A person approves it: entra-syncro runs approve {hold.code}")
        released = await operations.approve_hold(self._stage.ports, hold.code, by="demo")
        await watch_runs(self._stage.ports, [released])
        cleared = [self._value(upn, "azure_license") for upn in EMPTIED]
        if any(cleared):
            self._wrong.append("A licence that was taken away still stands on a contact.")
        return len(hold.rows)

    async def _say_what_is_unknown(self, runs: Sequence[Run]) -> None:
        for run in runs:
            name = self._started[run.customer_id].customer_name
            for note in run.notes:
                say(f"  {name}: {note}")

    # --- what Syncro holds -----------------------------------------------------------------------------------------

    @property
    def _writes(self) -> int:
        return len(self._stage.world.syncro.calls.writes())

    def _values(self) -> Mapping[tuple[str, str], str]:
        """(who, field) -> value, of every contact with a user and of the customers."""
        account = self._stage.world.syncro.account
        linked = [one for one in account.contacts.values() if value_of(one, "azure_object_id")]
        contacts = {(value_of(one, "name"), name): value_of(one, name) for one in linked for name in CONTACT_FIELDS}
        customers = {
            (str(one.values["business_name"]), name): one.properties.get(name, "")
            for one in account.customers.values()
            for name in CUSTOMER_FIELDS
        }
        return contacts | customers

    def _value(self, upn: str, field: str) -> str:
        contacts = self._stage.world.syncro.account.contacts.values()
        mine = [one for one in contacts if value_of(one, "azure_object_id") == self._people[upn].id]
        return value_of(mine[0], field) if mine else ""

    def _show(self, before: Mapping[tuple[str, str], str], after: Mapping[tuple[str, str], str]) -> None:
        rows = [
            (who, field, before[who, field], value) for (who, field), value in after.items() if (who, field) in before
        ]
        changed = [row for row in rows if row[2] != row[3]]
        print_table("What the night changed", ["contact or customer", "field", "before", "after"], changed, empty="")
        self._wrong += list(self._missing())

    def _missing(self) -> Iterator[str]:
        if self._value(MISSED, "azure_license"):
            yield "The licence whose removal no notification told still stands."
        if self._value(f"helen.ward@{HARBOR}", "azure_mfa_status") != "enabled":
            yield "A newly registered second factor did not arrive."

    def _tenant(self, domain: str) -> Tenant:
        company = next(one for one in self._stage.world.companies if one.domain == domain)
        return self._stage.world.microsoft.tenants[company.tenant_id]


def _domain(upn: str) -> str:
    return upn.partition("@")[2]
