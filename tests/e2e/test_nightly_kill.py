"""SIGKILL in the midst of a full sync: after a restart every contact is what an undisturbed full sync makes of it.

Three deployments, each at a customer of its own, whose users differ all together. The full sync begins by schedule
(what was done last is dated back by two days) or by command, and is killed at random moments of every phase: while
lists are read, while users are handed over, while they are looked at. Nobody notifies: only what lies in the queue and
the mark of the ledger bring it to its end. Judged from Syncro's contacts and calls; records are read from the ledger's
file.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Tell
from tests.e2e.outside import Vendors, title_of
from tests.e2e.poster import SECRET
from tests.e2e.stage import Stage
from tests.support.processes import HURRY, Process, Product, clean_environment, eventually, product, sandbox_process

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SEED = 20_261_125
CROWD = 70  # users of each customer, besides those of the story; above 50 a run takes the slow lane
READING = 1.5  # seconds that Graph takes for the list of users
RECOVERY = 60.0  # seconds: keys of the dead process run out within 18 s, and owed customers are asked for every 10 s
SETTINGS = {
    **HURRY,
    "ENTRA_SYNCRO_WORKER__LEASE_TTL": "6",
    "ENTRA_SYNCRO_SYNCRO__TIMEOUT": "3",
    "ENTRA_SYNCRO_FACTS__SIGN_IN_LISTS_PER_MINUTE": "1000",
}
_OBJECT_ID = "azure_object_id"
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Moment:
    """`phase`: reading, handing over or looking; `share`: how far it has come, of the phase (0 to 1)."""

    phase: str
    share: float
    by_command: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """`written`: contacts that had been written when the process died; `took`: seconds from the restart to the end."""

    moment: Moment
    written: int
    took: float

    def __str__(self) -> str:
        begun = "command" if self.moment.by_command else "schedule"
        return f"{self.moment.phase} ({begun}), {self.written} contacts written; ended {self.took:.1f} s after"


@dataclass(frozen=True, slots=True)
class Books:
    """The ledger's file, read beside the process that writes it."""

    path: Path

    def rows(self, question: str, *values: object) -> list[Row]:
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=5)) as file:
            file.row_factory = sqlite3.Row
            return [dict(row) for row in file.execute(question, values)]

    def number(self, question: str, *values: object) -> int:
        return int(next(iter(self.rows(question, *values)[0].values())) or 0)

    def runs_since(self, known: set[str]) -> list[Row]:
        """Oldest first."""
        every = self.rows("SELECT * FROM runs WHERE is_full ORDER BY started_at")
        return [run for run in every if run["run_id"] not in known]

    def known_runs(self) -> set[str]:
        return {str(run["run_id"]) for run in self.rows("SELECT run_id FROM runs")}

    def date_back(self) -> None:
        """The last full sync was made two days ago, as was the connection. Only while nobody else writes."""
        with closing(sqlite3.connect(self.path)) as file, file:
            file.execute("UPDATE runs SET started_at = strftime('%Y-%m-%d %H:%M:%f', started_at, '-2 days')")
            file.execute("UPDATE connections SET connected_at = strftime('%Y-%m-%d %H:%M:%f', connected_at, '-2 days')")

    @property
    def is_owed(self) -> bool:
        return bool(self.number("SELECT count(*) FROM owed_marks WHERE owed"))


@dataclass(slots=True)
class Deployment:
    stage: Stage
    number: int
    users: tuple[str, ...] = ()  # those of the crowd
    contacts: Mapping[int, Row] = field(default_factory=dict)  # after the undisturbed full sync

    @property
    def product(self) -> Product:
        return self.stage.product

    @property
    def vendors(self) -> Vendors:
        return self.stage.vendors

    @property
    def customer(self) -> int:
        return self.stage.customer(self.number)

    @property
    def books(self) -> Books:
        return Books(self.product.folder / "data" / "ledger.db")

    def settle(self) -> None:
        """In step by a first full sync that nothing disturbs."""
        tenant = self.stage.tenant(self.number)
        # What a full sync finds is found by it alone: delta polls see nothing on the day itself.
        self.vendors.control("PUT", "/switches", {"microsoft": {"delta_lag_s": 86_400.0}})
        self.vendors.control("POST", "/crowd", {"tenant": tenant, "customer": self.customer, "users": CROWD})
        process = self.product.start()
        self.stage.connect([self.number])
        self.product.stop(process)
        self.users = tuple(str(user["id"]) for user in self.vendors.users(tenant) if "-c0de-" in user["id"])
        self.contacts = self.vendors.contacts(self.customer)
        assert len(self.users) == CROWD

    def change_everybody(self, title: str) -> None:
        for user in self.users:
            self.vendors.graph(self.stage.tenant(self.number), "PATCH", f"/users/{user}", {"jobTitle": title})

    def wanted(self, title: str) -> Mapping[int, Row]:
        """Contact id -> the undisturbed contact with the one new value."""
        return {number: _comparable(row, title if self.is_ours(row) else None) for number, row in self.contacts.items()}

    def found(self) -> Mapping[int, Row]:
        return {number: _comparable(row) for number, row in self.vendors.contacts(self.customer).items()}

    def is_ours(self, row: Row) -> bool:
        return (row.get("properties") or {}).get(_OBJECT_ID) in self.users

    def last_call(self) -> int:
        """The number of the newest call at Syncro, whoever made it."""
        return max(
            int(call["number"]) for call in self.vendors.control("GET", "/calls?service=syncro&limit=1")["calls"]
        )

    def puts(self, since: int) -> Counter[int]:
        """Contact id -> successful writes of ours after the call of that number."""
        calls = self.vendors.our_calls("syncro", method="PUT", path="/contacts", since=since)
        return Counter(
            call["contact_id"] for call in calls if call["status"] == 200 and call["contact_id"] in self.contacts
        )


def _comparable(row: Row, title: str | None = None) -> Row:
    properties = dict(row.get("properties") or {})
    if title is not None:
        properties["title"] = title
    return {**row, "properties": properties, "updated_at": None}


@pytest.fixture(scope="module")
def deployments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Deployment]]:
    folder = tmp_path_factory.mktemp("nightly-kill")
    with ExitStack() as stack:
        info = stack.enter_context(sandbox_process(folder / "sandbox"))
        vendors = Vendors(info)
        vendors.lift_limits()
        vendors.switch(delivery=False, replication_lag_s=0.0)
        made = [
            Deployment(
                Stage(Vendors(info), stack.enter_context(product(info, folder / f"product-{n}", SECRET, SETTINGS))), n
            )
            for n in range(3)
        ]
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(Deployment.settle, made))
        yield made


def moments() -> list[Moment]:
    rng = random.Random(SEED)
    return [
        Moment("reading", rng.uniform(0.1, 0.8)),
        Moment("handing over", rng.random(), by_command=True),
        Moment("reading", rng.uniform(0.1, 0.8), by_command=True),
        Moment("looking", rng.uniform(0.05, 0.4)),
        Moment("looking", rng.uniform(0.5, 0.9)),
    ]


def _reaches(books: Books, known: set[str], moment: Moment) -> Callable[[], bool]:
    """Whether the new run has come to the moment's phase, for looks also as far as it says."""
    written = "SELECT count(*) FROM journal WHERE action = 'update' AND run_id = ?"

    def reached() -> bool:
        runs = books.runs_since(known)
        if not runs or moment.phase == "reading":
            return bool(runs)
        if moment.phase == "handing over":
            return bool(runs[0]["state"] == "working")
        return books.number(written, runs[0]["run_id"]) >= moment.share * CROWD

    return reached


def _killed(deployment: Deployment, moment: Moment) -> set[str]:
    """Begin a full sync and kill whoever is at it; gives the runs that were known before."""
    product, books = deployment.product, deployment.books
    if not moment.by_command:
        books.date_back()
    known = books.known_runs()
    if moment.phase == "reading":
        tenant = deployment.stage.tenant(deployment.number)
        deployment.vendors.fault("graph", method="GET", path="^/users$", tenant=tenant, delay_s=READING)
    processes = [product.start(ready=moment.by_command)]
    if moment.by_command:
        processes.append(_command(product, "reconcile", "--customer", str(deployment.customer)))
    eventually(_reaches(books, known, moment), 30, f"the full sync is {moment.phase}", every=0.002)
    if moment.phase == "reading":
        time.sleep(moment.share * READING)
    elif moment.phase == "handing over":
        time.sleep(moment.share * 0.02)
    for process in reversed(processes):  # whoever hands over first
        process.kill()
    return known


def _command(product: Product, *args: str) -> Process:
    """A command that a test may kill."""
    process = Process(args, product.folder, f"command-{len(product.processes)}", clean_environment(product.environment))
    product.processes.append(process)
    return process


def _round(deployment: Deployment, moment: Moment, title: str) -> Told:
    vendors, product, books = deployment.vendors, deployment.product, deployment.books
    deployment.change_everybody(title)
    since = deployment.last_call()
    known = _killed(deployment, moment)
    written = deployment.puts(since).total()
    (killed,) = books.runs_since(known)
    if moment.phase == "reading":
        assert killed["state"] == "reading"
        assert books.is_owed
    assert written < CROWD, "the kill came too late to disturb anything"

    restarted = product.start()
    titles = [title] * CROWD

    def is_over() -> bool:
        now = [title_of(row) for row in vendors.contacts(deployment.customer).values() if deployment.is_ours(row)]
        return now == titles and not books.is_owed and books.runs_since(known)[-1]["state"] == "done"

    took = eventually(is_over, RECOVERY, f"the full sync killed while {moment.phase} ends after all", every=0.3)
    product.stop(restarted)
    assert deployment.found() == deployment.wanted(title)
    assert set(deployment.puts(since).values()) == {1}, "a contact was written twice"
    assert deployment.puts(since).total() == CROWD
    return Told(moment, written, took)


def _assert_in_step(deployment: Deployment) -> None:
    """A full sync finds nothing to write."""
    since = deployment.last_call()
    done = deployment.product.cli("reconcile", "--customer", str(deployment.customer), "--json")
    assert done.code == 0, done.err
    assert done.json["planned"] == 0
    assert not deployment.puts(since)


def test_a_full_sync_that_is_killed_ends_like_an_undisturbed_one(deployments: list[Deployment], tell: Tell) -> None:
    tell(f"full sync killed: seed {SEED}, {CROWD} users")
    chosen = list(enumerate(moments()))

    def rounds(start: int) -> list[Told]:
        made = [_round(deployments[start], moment, f"Title {number}") for number, moment in chosen[start::3]]
        _assert_in_step(deployments[start])
        return made

    with ThreadPoolExecutor(3) as pool:
        told = [one for some in pool.map(rounds, range(3)) for one in some]
    for one in told:
        tell(f"full sync killed: {one}")
    assert {one.moment.phase for one in told} == {"reading", "handing over", "looking"}
    assert any(one.written for one in told), "no kill came in the midst of the looks"
