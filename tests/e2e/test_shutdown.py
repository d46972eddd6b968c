"""SIGTERM in mid-flight, a second signal, and a process that cannot even start."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator, Sequence

import pytest

from tests.e2e.conftest import Tell
from tests.e2e.outside import Person
from tests.e2e.poster import item, post
from tests.e2e.stage import Stage, stage
from tests.support.processes import HURRY, Process, eventually, faster

pytestmark = pytest.mark.e2e

FACTOR = 10.0
DRAIN, SETTLE = 6.0, 2.0  # seconds
LIMITS = {"ENTRA_SYNCRO_SHUTDOWN__DRAIN": str(DRAIN), "ENTRA_SYNCRO_SHUTDOWN__SETTLE": str(SETTLE)}
RECOVERY = 45.0  # seconds; a write that was cut off holds its lease for 30


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Sequence[Person]]]:
    with stage(tmp_path_factory.mktemp("shutdown"), faster(FACTOR) | LIMITS) as made:
        people = made.vendors.engage(1, 15, "dusk")
        process = made.product.start(HURRY)
        made.connect([1])
        made.product.stop(process)
        made.vendors.switch(delivery=False, replication_lag_s=0.05)
        yield made, people


@pytest.fixture(autouse=True)
def well_again(busy: tuple[Stage, Sequence[Person]]) -> Iterator[None]:
    yield
    busy[0].vendors.no_faults()
    for process in busy[0].product.processes:
        process.kill()


def _in_mid_flight(made: Stage, people: Sequence[Person], title: str, seconds: float) -> Process:
    """Everybody has changed and is notified; Syncro takes `seconds` for each call and has got the first."""
    process = made.product.start()
    for person in people:
        made.vendors.patch(person, jobTitle=title)
    time.sleep(0.2)
    made.vendors.fault("syncro", kind="slow", seconds=seconds, times=None, path="/contacts/")
    before = len(made.vendors.our_calls("syncro"))
    assert post(made.product.public, [item(person.tenant, person.user_id) for person in people]) == 202
    eventually(lambda: len(made.vendors.our_calls("syncro")) > before, 10, "Syncro is being asked", every=0.02)
    return process


def _all_arrive(made: Stage, people: Sequence[Person], title: str) -> None:
    made.vendors.no_faults()
    process = made.product.start()
    titles = made.vendors.titles
    eventually(
        lambda: {titles(people[0].customer)[person.contact_id] for person in people} == {title},
        RECOVERY,
        "every accepted change has arrived",
    )
    made.product.stop(process)


def test_sigterm_finishes_what_is_in_hand_and_loses_nothing(busy: tuple[Stage, Sequence[Person]], tell: Tell) -> None:
    made, people = busy
    process = _in_mid_flight(made, people, "Day", seconds=1.0)
    began = time.monotonic()
    process.signal(signal.SIGTERM)
    code = process.wait(DRAIN + SETTLE + 2)
    took = time.monotonic() - began
    tell(f"SIGTERM with 1 s for each call of Syncro: ended after {took:.1f} s")
    assert code == 0, process.err[-2000:]
    assert took < DRAIN
    assert any(event["event"] == "shutdown_waiting" for event in process.events)
    arrived = list(made.vendors.titles(people[0].customer).values()).count("Day")
    assert 0 < arrived < len(people), "the look in hand ends, the others are left for later"
    _all_arrive(made, people, "Day")


def test_a_second_signal_skips_the_drain_and_loses_nothing(busy: tuple[Stage, Sequence[Person]], tell: Tell) -> None:
    made, people = busy
    process = _in_mid_flight(made, people, "Night", seconds=20.0)
    process.signal(signal.SIGTERM)
    eventually(
        lambda: any(event["event"] == "shutdown_waiting" for event in process.events), 5, "it waits for what is in hand"
    )
    began = time.monotonic()
    process.signal(signal.SIGTERM)
    code = process.wait(SETTLE + 4)
    took = time.monotonic() - began
    tell(f"second signal with 20 s for each call of Syncro: ended after {took:.1f} s with {code}")
    assert code in (0, 1)
    assert took < DRAIN
    _all_arrive(made, people, "Night")


def test_a_drain_that_takes_too_long_ends_at_its_deadline(busy: tuple[Stage, Sequence[Person]], tell: Tell) -> None:
    made, people = busy
    process = _in_mid_flight(made, people, "Dawn", seconds=60.0)
    began = time.monotonic()
    process.signal(signal.SIGINT)
    code = process.wait(DRAIN + SETTLE + 3)
    took = time.monotonic() - began
    tell(f"SIGINT with 60 s for each call of Syncro: ended after {took:.1f} s with {code}")
    assert code == 0, process.err[-2000:]
    assert took < DRAIN + SETTLE
    _all_arrive(made, people, "Dawn")


@pytest.mark.parametrize("which", ["RECEIVER", "PRIVATE"])
def test_a_port_in_use_is_a_clear_error(busy: tuple[Stage, Sequence[Person]], which: str) -> None:
    """Exit code 1, and the log names the site and the port."""
    made, _ = busy
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = made.product.start({f"ENTRA_SYNCRO_{which}__PORT": str(port)}, ready=False)
        code = process.wait(20)
    assert code == 1
    told = [event for event in process.events if event.get("port") == port]
    assert told, process.err
    assert told[0]["level"] == "error"
