"""Storms of hints, at the real windows and the real pace: few syncs for one user, and no tenant waits for another's."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Tell
from tests.e2e.outside import Person
from tests.e2e.poster import item, post
from tests.e2e.stage import Stage, stage
from tests.support.processes import HURRY, eventually, plain_session

pytestmark = pytest.mark.e2e

STORMING, CALM = 0, 1  # tenants
STORM_USERS = 205
LAG = 1.0  # seconds, the directory's default


@pytest.fixture(scope="module")
def storming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Sequence[Person], Sequence[Person]]]:
    """Both tenants were brought in step in a hurry; from then on everything goes at its real pace."""
    folder: Path = tmp_path_factory.mktemp("storms")
    with stage(folder, {}) as made:
        storm, calm = made.vendors.engage(STORMING, STORM_USERS, "rain"), made.vendors.engage(CALM, 10, "sun")
        hurry = made.product.start(HURRY)
        made.connect([STORMING, CALM])
        made.product.stop(hurry)
        made.vendors.switch(delivery=False)  # every hint is posted by the tests
        made.vendors.control("PUT", "/limits", {"syncro": {"per_minute": 180, "window_s": 60}})
        made.product.start()
        yield made, storm, calm


def test_a_thousand_hints_for_one_user_cause_at_most_three_syncs(
    storming: tuple[Stage, Sequence[Person], Sequence[Person]], tell: Tell
) -> None:
    """1,000 hints in 10 s; the last sync starts after the last hint and sees the last value."""
    made, _, calm = storming
    person = calm[0]
    since = datetime.now(UTC)
    made.vendors.patch(person, jobTitle="before the storm")
    time.sleep(LAG)
    began = time.monotonic()
    with plain_session() as session:
        for number in range(100):
            if number == 90:
                made.vendors.patch(person, jobTitle="late in the storm")
            assert post(made.product.public, [item(person.tenant, person.user_id)] * 10, session) == 202
            time.sleep(max(0.0, began + (number + 1) * 0.1 - time.monotonic()))
    last_hint = datetime.now(UTC)
    storm_took = time.monotonic() - began
    eventually(lambda: made.vendors.title(person) == "late in the storm", 35, "the last value has arrived")
    time.sleep(5)  # for a sync too many to show itself
    reads = [call for call in _reads(made, since) if f"/users/{person.user_id}" in call["path"]]
    syncs = [
        call
        for call in made.vendors.our_calls("syncro", contact_id=person.contact_id, method="GET")
        if datetime.fromisoformat(call["at"]) > since
    ]
    tell(f"storm of {storm_took:.1f} s: {len(syncs)} syncs, {len(reads)} reads of the directory")
    assert 9.5 < storm_took < 12
    assert 1 <= len(syncs) <= 3
    assert 1 <= len(reads) <= 3
    assert max(datetime.fromisoformat(call["at"]) for call in reads) > last_hint
    assert max(datetime.fromisoformat(call["at"]) for call in syncs) > last_hint


def test_the_change_of_one_tenant_arrives_while_another_storms(
    storming: tuple[Stage, Sequence[Person], Sequence[Person]], tell: Tell
) -> None:
    """5,000 hints for more than 200 users of one tenant, and the other tenant's changes one after the other."""
    made, storm, calm = storming
    for number, person in enumerate(storm[::10]):  # some of them have changed indeed
        made.vendors.patch(person, jobTitle=f"in the storm {number}")
    storm_calls = len(made.vendors.our_calls("syncro"))
    statuses: list[int | None] = []
    raining = threading.Thread(target=_rain, args=(made, storm, statuses), name="storm")
    raining.start()
    time.sleep(2)
    latencies = [_latency(made, person, f"calm {number}") for number, person in enumerate(calm[1:9])]
    waiting = made.status()["waiting"]
    raining.join(60)
    assert not raining.is_alive(), "the storm never ended"
    shown = ", ".join(f"{one:.1f}" for one in latencies)
    tell(f"storm: others' changes arrive within {shown} s (in this order); waiting {waiting}")
    assert statuses == [202] * 250, "the storm was not taken"
    assert waiting["live"] + waiting["backfill"] > 0, "the storm was over too early to prove anything"
    assert len(made.vendors.our_calls("syncro")) > storm_calls + 2 * len(latencies), "the storm caused no work"
    assert max(latencies) <= 10  # of so few the 95th percentile is the worst
    assert made.vendors.control("GET", "/calls?service=login")["syncro"]["refused"] == 0


def _rain(made: Stage, storm: Sequence[Person], statuses: list[int | None]) -> None:
    """5,000 hints within 20 s: everybody again and again, 20 at a time."""
    begun, batch = time.monotonic(), 20
    hints = list(islice(cycle(storm), 5_000))
    batches = [hints[start : start + batch] for start in range(0, len(hints), batch)]
    with ThreadPoolExecutor(4) as pool:
        for number, people in enumerate(batches):
            pool.submit(_fall, made.product.public, people, statuses)
            time.sleep(max(0.0, begun + (number + 1) * 20 / len(batches) - time.monotonic()))


def _fall(address: str, people: Sequence[Person], statuses: list[int | None]) -> None:
    statuses.append(post(address, [item(person.tenant, person.user_id) for person in people]))


def _latency(made: Stage, person: Person, title: str) -> float:
    """Seconds from the later of the 202 and the moment Graph serves the new value."""
    served = datetime.now(UTC) + timedelta(seconds=LAG)
    made.vendors.patch(person, jobTitle=title)
    time.sleep(LAG)
    assert post(made.product.public, [item(person.tenant, person.user_id)]) == 202
    begun = max(served, datetime.now(UTC))
    eventually(lambda: _written(made, person, begun), 30, f"{title} was written")
    took = (_written_at(made, person, begun) - begun).total_seconds()
    assert made.vendors.title(person) == title
    return took


def _written(made: Stage, person: Person, since: datetime) -> bool:
    return _written_at(made, person, since) > since


def _written_at(made: Stage, person: Person, since: datetime) -> datetime:
    """When the contact was written last (the list of calls costs none of Syncro's limit)."""
    writes = made.vendors.our_calls("syncro", contact_id=person.contact_id, method="PUT")
    return max((datetime.fromisoformat(call["at"]) for call in writes if call["status"] == 200), default=since)


def _reads(made: Stage, since: datetime) -> list[dict[str, Any]]:
    return [call for call in made.vendors.our_calls("graph") if datetime.fromisoformat(call["at"]) > since]
