"""SIGKILL of `run all` in the midst of a burst of notifications: whatever got a 202 is applied after a restart.

Three deployments, each at a customer of its own, are killed twice, at moments of every phase: before the first 202,
between, after the last. Only our own poster notifies, so no second delivery can rescue a lost hint.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.e2e.conftest import Tell
from tests.e2e.outside import Person, Vendors
from tests.e2e.poster import PATH, SECRET, Accepted, item
from tests.e2e.stage import Stage
from tests.support.processes import (
    HURRY,
    Process,
    Product,
    eventually,
    faster,
    plain_session,
    product,
    sandbox_process,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

FACTOR = 10.0  # windows, rungs and the directory's lag are divided by it, the pace multiplied; leases stay as they are
SEED = 20_261_124
USERS, NOTIFICATIONS, WAVES = 40, 500, 2
LAG = 1.0 / FACTOR / 2  # seconds until Graph serves a new value
SENDERS = 4
BURST = 1.5  # seconds that the posts of a burst are spread over
RECOVERY = 60.0  # seconds: the dead process's lease on the customer (30 s) must run out first


@dataclass(frozen=True, slots=True)
class Moment:
    """The kill comes `delay` seconds after so many notifications had been accepted."""

    accepted: int
    delay: float


@dataclass(frozen=True, slots=True)
class Told:
    """What one round showed: notifications with a 202, users behind at the kill, seconds until none was."""

    number: int
    accepted: int
    behind: int
    took: float

    def __str__(self) -> str:
        return (
            f"round {self.number}: killed after {self.accepted} accepted, {self.behind} users behind; "
            f"all applied {self.took:.1f} s after the restart"
        )


@dataclass(slots=True)
class Deployment:
    stage: Stage
    people: Sequence[Person]
    version: int = 0  # the newest value given to any user

    @property
    def vendors(self) -> Vendors:
        return self.stage.vendors

    @property
    def product(self) -> Product:
        return self.stage.product

    def lost(self, accepted: Mapping[str, int]) -> list[str]:
        """Users whose contact is older than the newest change that was notified and accepted. The test's judge."""
        titles = self.vendors.titles(self.people[0].customer)
        return [
            person.user_id
            for person in self.people
            if version_of(titles[person.contact_id]) < accepted.get(person.user_id, 0)
        ]


def version_of(title: str) -> int:
    return int(title.removeprefix("v")) if title.startswith("v") else 0


@pytest.fixture(scope="module")
def deployments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Deployment]]:
    folder = tmp_path_factory.mktemp("kill")
    with ExitStack() as stack:
        info = stack.enter_context(sandbox_process(folder / "sandbox"))
        vendors = Vendors(info)
        vendors.lift_limits()
        vendors.switch(delivery=False, replication_lag_s=LAG)
        with ThreadPoolExecutor(3) as pool:
            made = [
                stack.enter_context(product(info, folder / f"product-{number}", SECRET, faster(FACTOR)))
                for number in range(3)
            ]
            yield list(pool.map(lambda number: _settled(Stage(Vendors(info), made[number]), number), range(3)))


def _settled(stage: Stage, number: int) -> Deployment:
    people = stage.vendors.engage(number, USERS, f"kim{number}x")
    process = stage.product.start(HURRY)
    stage.connect([number])
    stage.product.stop(process)
    return Deployment(stage, people)


class Burst:
    """500 notifications over 40 users, every user changed several times, duplicated and out of order."""

    def __init__(self, deployment: Deployment, rng: random.Random) -> None:
        self.accepted = Accepted()
        self.first_post, self.over = threading.Event(), threading.Event()
        self._deployment = deployment
        self._rng = rng
        self._dead = threading.Event()

    def run(self) -> None:
        """Change and notify, wave by wave; ends early when the door is gone."""
        try:
            for _ in range(WAVES):
                self._wave()
        finally:
            self.over.set()

    def _wave(self) -> None:
        deployment = self._deployment
        deployment.version += 1
        for person in deployment.people:
            deployment.vendors.patch(person, jobTitle=f"v{deployment.version}")
        time.sleep(2 * LAG)  # only what Graph serves already may be demanded of the first read
        batches = self._batches()
        with ThreadPoolExecutor(SENDERS) as pool:
            for batch in batches:
                pool.submit(self._send, batch, deployment.version)
                time.sleep(BURST / WAVES / len(batches))

    def _batches(self) -> list[list[Person]]:
        """Everybody once, the rest by chance; in batches of 1 to 20."""
        count = NOTIFICATIONS // WAVES
        everyone = list(self._deployment.people)
        order = everyone + self._rng.choices(everyone, k=count - len(everyone))
        self._rng.shuffle(order)
        batches: list[list[Person]] = []
        while order:
            size = self._rng.randint(1, 20)
            batches.append(order[:size])
            order = order[size:]
        return batches

    def _send(self, batch: Sequence[Person], version: int) -> None:
        if self._dead.is_set():
            return
        body = {"value": [item(person.tenant, person.user_id) for person in batch]}
        self.first_post.set()
        try:
            with plain_session() as session:
                answer = session.post(self._deployment.product.public + PATH, json=body, timeout=10)
        except OSError:  # the process is gone
            self._dead.set()
            return
        if answer.status_code == 202:
            self.accepted.add([(person.user_id, version) for person in batch])


def kill_in_mid_burst(process: Process, burst: Burst, moment: Moment) -> int:
    """Gives how many notifications had been accepted for certain when the process died."""
    sending = threading.Thread(target=burst.run, name="burst")
    sending.start()
    assert burst.first_post.wait(30), "the burst never began"
    while burst.accepted.notifications < moment.accepted and not burst.over.is_set():
        time.sleep(0.001)
    time.sleep(moment.delay)
    process.kill()
    sending.join(60)
    assert not sending.is_alive(), "the burst never ended"
    return burst.accepted.notifications


def moments() -> list[Moment]:
    """Seeded: one before any 202, one after the last, four in between."""
    rng = random.Random(SEED)
    between = [Moment(rng.randrange(1, NOTIFICATIONS - 20), rng.uniform(0, 0.05)) for _ in range(4)]
    return [Moment(0, 0.0), *between, Moment(NOTIFICATIONS, rng.uniform(0, 0.3))]


def _round(deployment: Deployment, number: int, moment: Moment) -> Told:
    burst = Burst(deployment, random.Random(SEED + number))
    accepted = kill_in_mid_burst(deployment.product.start(), burst, moment)
    behind = len(deployment.lost(burst.accepted.versions))
    second = deployment.product.start()
    what = f"round {number}: all {accepted} accepted notifications are applied"
    took = eventually(lambda: not deployment.lost(burst.accepted.versions), RECOVERY, what)
    deployment.product.stop(second)
    return Told(number, accepted, behind, took)


def test_what_got_a_202_is_applied_though_the_process_was_killed(deployments: list[Deployment], tell: Tell) -> None:
    tell(f"kill: everything divided by {FACTOR:g}, seed {SEED}")
    chosen = list(enumerate(moments()))

    def two_rounds(start: int) -> list[Told]:
        return [_round(deployments[start], number, moment) for number, moment in chosen[start::3]]

    with ThreadPoolExecutor(3) as pool:
        told = [one for rounds in pool.map(two_rounds, range(3)) for one in rounds]
    for one in told:
        tell(f"kill: {one}")
    accepted = [one.accepted for one in told]
    assert len(accepted) == 6
    assert min(accepted) < USERS, "no kill came at the very beginning"
    assert any(USERS < count < NOTIFICATIONS for count in accepted), "no kill came in the midst of the 202s"
    assert max(accepted) == NOTIFICATIONS, "no kill came after the last 202"
    assert any(one.behind for one in told), "no kill left anything to be done"


def test_the_judge_sees_a_loss_when_the_queue_is_thrown_away(deployments: list[Deployment]) -> None:
    """A build that forgets its queue must fail the test above: its judge finds the users that were forgotten."""
    deployment = deployments[0]
    burst = Burst(deployment, random.Random(SEED))
    kill_in_mid_burst(deployment.product.start(), burst, Moment(NOTIFICATIONS, 0.0))
    for file in (deployment.product.folder / "data").glob("broker.db*"):
        if file.is_file():
            file.unlink()
    second = deployment.product.start()
    time.sleep(5)  # far longer than any window that is left
    forgotten = deployment.lost(burst.accepted.versions)
    deployment.product.stop(second)
    assert forgotten, "the judge is blind"
