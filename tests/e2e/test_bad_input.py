"""Bad input and bad neighbours: a clear error each, nothing lost, nothing personal and no secret in any log."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.e2e.conftest import Tell
from tests.e2e.outside import Person, personal_data
from tests.e2e.poster import PATH, client_state, item, post
from tests.e2e.stage import Stage, assert_silent_about, stage
from tests.support.processes import HURRY, eventually, faster, free_port, plain_session

pytestmark = pytest.mark.e2e

FACTOR = 10.0
RUNGS = {"ENTRA_SYNCRO_RETRY__RUNGS": "[1.0, 3.0]"}  # the ladder must not outgrow the test's patience
SOON = 10.0  # seconds
MIB = 1024 * 1024
SCRIPT = "<script>alert(document.cookie)</script>"
PACE = "ENTRA_SYNCRO_SYNCRO__PACE_PER_MINUTE"  # only a simulated Syncro allows the tests' pace
VENDOR_ADDRESSES = {"graph": "ENTRA_SYNCRO_GRAPH__BASE_URL", "syncro": "ENTRA_SYNCRO_SYNCRO__BASE_URL"}


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Sequence[Person]]]:
    with stage(tmp_path_factory.mktemp("bad-input"), faster(FACTOR) | RUNGS) as made:
        people = made.vendors.engage(0, 8, "moss")
        hurry = made.product.start(HURRY)
        made.connect([0])
        made.product.stop(hurry)
        made.vendors.switch(delivery=False, replication_lag_s=0.05)
        made.product.start()
        yield made, people


@pytest.fixture(autouse=True)
def nothing_personal(calm: tuple[Stage, Sequence[Person]]) -> Iterator[None]:
    """Whatever a test did, the services' whole output stays silent about people and secrets."""
    yield
    made = calm[0]
    made.vendors.no_faults()
    made.vendors.control("PUT", "/token", {})
    made.assert_nothing_personal_was_logged()


def _change(made: Stage, person: Person) -> str:
    """A new value in the directory, served from now on; nobody is told of it."""
    title = f"Title {uuid4().hex[:8]}"
    made.vendors.patch(person, jobTitle=title)
    time.sleep(0.2)
    return title


def _notify(made: Stage, *people: Person) -> int | None:
    return post(made.product.public, [item(person.tenant, person.user_id) for person in people])


def _arrives(made: Stage, person: Person, title: str, within: float = SOON) -> float:
    return eventually(lambda: made.vendors.title(person) == title, within, "the change has arrived")


def _send(made: Stage, body: Any, query: str = "") -> requests.Response:
    with plain_session() as session:
        return session.post(f"{made.product.public}{PATH}{query}", data=body, timeout=15)


def _events(made: Stage, name: str) -> list[dict[str, Any]]:
    return [event for event in made.product.processes[-1].events if event["event"] == name]


def test_the_judge_of_logs_hears_a_name_a_number_and_an_address(calm: tuple[Stage, Sequence[Person]]) -> None:
    """The check after every test of this file can fail."""
    private = [*personal_data(calm[0].vendors), *calm[0].secrets()]
    assert len(private) > 100
    for word in ("Mia Keller", calm[0].vendors.info["app_secret"], client_state(calm[0].tenant(0)), "x@y.example"):
        with pytest.raises(AssertionError):
            assert_silent_about(f'{{"event": "user_synced", "detail": "{word}"}}', private)
    assert_silent_about('{"event": "user_synced", "fields": ["phone"]}', private)


# --- at the door ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"\x00\xff garbage {", b"[]", b'{"value": "none"}', b"[" * 100_000, b""])
def test_a_garbage_body_is_refused_with_a_sentence(calm: tuple[Stage, Sequence[Person]], body: bytes) -> None:
    answer = _send(calm[0], body)
    assert answer.status_code == 400
    assert answer.text.strip().endswith((".", "missing."))
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
def test_a_body_of_9_mib_is_refused_and_the_door_stays_open(
    calm: tuple[Stage, Sequence[Person]], chunked: bool
) -> None:
    made, people = calm
    block = b" " * MIB
    answer = _send(made, (block for _ in range(9)) if chunked else block * 9)
    assert answer.status_code == 413
    assert answer.text.strip().endswith(".")
    title = _change(made, people[0])
    assert _notify(made, people[0]) == 202
    _arrives(made, people[0], title)


def test_one_wrong_client_state_drops_one_item_and_the_others_are_applied(
    calm: tuple[Stage, Sequence[Person]],
) -> None:
    made, people = calm
    first, forged, last = people[1:4]
    titles = {person: _change(made, person) for person in (first, forged, last)}
    before = made.vendors.title(forged)
    forgery = client_state(str(uuid4()))
    items = [
        item(first.tenant, first.user_id),
        item(forged.tenant, forged.user_id, forgery),
        item(last.tenant, last.user_id),
    ]
    assert post(made.product.public, items) == 202
    _arrives(made, first, titles[first])
    _arrives(made, last, titles[last])
    assert made.vendors.title(forged) == before
    answered = _events(made, "post_answered")[-1]
    assert (answered["notifications"], answered["dropped"]) == (2, {"client_state": 1})
    assert_silent_about(made.product.spoken, [forgery])
    # The forged item proved nothing; a right one about the same user works at once.
    assert _notify(made, forged) == 202
    _arrives(made, forged, titles[forged])


@pytest.mark.parametrize("proven", [True, False], ids=["right clientState", "wrong clientState"])
def test_an_unknown_tenant_is_answered_and_nobody_is_asked(calm: tuple[Stage, Sequence[Person]], proven: bool) -> None:
    made, people = calm
    stranger, user = str(uuid4()), str(uuid4())
    state = client_state(stranger if proven else people[0].tenant)
    title = _change(made, people[4])
    graph = len(made.vendors.our_calls("graph"))
    mixed = [item(stranger, user, state), item(people[4].tenant, people[4].user_id)]
    assert post(made.product.public, mixed) == 202
    _arrives(made, people[4], title)
    asked = made.vendors.our_calls("graph")[graph:]
    assert {call["tenant"] for call in asked} == {people[4].tenant}
    assert made.status()["failed_changes"] == 0


def test_a_script_in_a_validation_token_is_not_reflected(calm: tuple[Stage, Sequence[Person]]) -> None:
    made, _ = calm
    with plain_session() as session:
        address = f"{made.product.public}{PATH}"
        refused = session.post(address, params={"validationToken": SCRIPT}, timeout=10)
        good = session.post(address, params={"validationToken": "Validation: Testing a+b & ü"}, timeout=10)
    assert refused.status_code == 400
    assert "<" not in refused.text
    assert refused.headers["Content-Type"].startswith("text/plain")
    assert (good.status_code, good.text) == (200, "Validation: Testing a+b & ü")
    assert good.headers["Content-Type"].startswith("text/plain")
    assert_silent_about(made.product.spoken, ["<script>", "Testing a+b"])


# --- settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "also"),
    [
        ("ENTRA_SYNCRO_GRAPH__APP_ID", {}),
        ("ENTRA_SYNCRO_GRAPH__APP_SECRET", {}),
        ("ENTRA_SYNCRO_SYNCRO__API_TOKEN", {}),
        ("ENTRA_SYNCRO_SYNCRO__SUBDOMAIN", {"ENTRA_SYNCRO_SYNCRO__BASE_URL": "", PACE: ""}),
    ],
)
def test_a_missing_setting_is_named(calm: tuple[Stage, Sequence[Person]], missing: str, also: dict[str, str]) -> None:
    made, _ = calm
    done = made.product.cli("run", "all", timeout=30, **({missing: ""} | also))
    assert done.code == 2
    assert missing in done.err
    assert "is missing" in done.err
    assert "Traceback" not in done.err
    assert_silent_about(done.out + done.err, made.secrets())


def test_a_wrong_setting_is_named_and_its_value_is_not_shown(calm: tuple[Stage, Sequence[Person]]) -> None:
    made, _ = calm
    done = made.product.cli("status", ENTRA_SYNCRO_RECEIVER__PORT="hunter2", ENTRA_SYNCRO_SYNCRO__TOKEN="hunter2")
    assert done.code == 2
    assert "ENTRA_SYNCRO_RECEIVER__PORT" in done.err
    assert "ENTRA_SYNCRO_SYNCRO__TOKEN" in done.err
    assert_silent_about(done.out + done.err, ["hunter2", *made.secrets()])


# --- vendors that refuse or are away --------------------------------------------------------------------------------


def test_a_wrong_syncro_token_loses_nothing(calm: tuple[Stage, Sequence[Person]], tell: Tell) -> None:
    """The line stops, says so and waits; with the token right again the change arrives by itself."""
    made, people = calm
    title = _change(made, people[5])
    made.vendors.control("PUT", "/token", {"valid": False})
    assert _notify(made, people[5]) == 202
    eventually(lambda: made.product.readiness().status_code == 503, SOON, "the service says that it cannot work")
    services = made.product.readiness().json()["services"]
    assert (services["receiver"], services["consumer-live"]) == ("ready", "not ready")
    eventually(lambda: bool(_events(made, "account_stopped")), SOON, "the log says why")
    assert _events(made, "account_stopped")[-1]["code"] == "token"
    status = made.status()
    assert status["waiting"]["live"] > 0
    assert status["failed_changes"] == 0
    told = made.product.cli("preview", "--customer", str(people[5].customer))
    assert told.code == 1
    assert "Syncro" in told.err
    assert "token" in told.err
    made.vendors.control("PUT", "/token", {})
    took = _arrives(made, people[5], title, within=40)
    tell(f"wrong Syncro token: applied {took:.1f} s after it was right again")
    eventually(made.product.is_ready, SOON, "the service says that it works again")
    assert made.status()["failed_changes"] == 0


@pytest.mark.parametrize(
    ("vendor", "fault", "spoken_of"),
    [
        ("graph", {"drop": True, "times": None, "path": ""}, "Microsoft Graph"),
        ("syncro", {"kind": "reset", "times": None}, "Syncro"),
    ],
    ids=["graph", "syncro"],
)
def test_an_unreachable_vendor_loses_nothing(
    calm: tuple[Stage, Sequence[Person]], vendor: str, fault: dict[str, Any], spoken_of: str, tell: Tell
) -> None:
    """Every connection is cut; the hint waits on the ladder and is applied once the vendor is back."""
    made, people = calm
    person = people[6]
    title = _change(made, person)
    failures = len(_events(made, "user_failed"))
    made.vendors.fault(vendor, **fault)
    assert _notify(made, person) == 202
    eventually(lambda: len(_events(made, "user_failed")) > failures, SOON, "the failure is logged")
    assert made.status()["waiting"]["live"] > 0
    told = made.product.cli("preview", "--customer", str(person.customer))
    assert told.code == 1
    assert spoken_of in told.err
    assert "Traceback" not in told.err
    made.vendors.no_faults()
    took = _arrives(made, person, title, within=45)
    tell(f"unreachable {vendor}: applied {took:.1f} s after it was back")
    assert made.status()["failed_changes"] == 0


@pytest.mark.parametrize("vendor", ["graph", "syncro"])
def test_a_vendor_that_is_not_there_at_all_loses_nothing(
    calm: tuple[Stage, Sequence[Person]], vendor: str, tell: Tell
) -> None:
    """Nobody listens at its address; after a restart with the right one the change is applied."""
    made, people = calm
    person = people[7]
    title = _change(made, person)
    made.product.stop(made.product.processes[-1])
    nowhere = {VENDOR_ADDRESSES[vendor]: f"http://127.0.0.1:{free_port()}"}
    made.product.start(nowhere)
    assert _notify(made, person) == 202
    eventually(lambda: bool(_events(made, "user_failed")), SOON, "the failure is logged")
    assert _events(made, "user_failed")[-1]["code"]
    assert made.product.readiness().json()["services"]["receiver"] == "ready"
    made.product.stop(made.product.processes[-1])
    made.product.start()
    took = _arrives(made, person, title, within=45)
    tell(f"{vendor} was not there: applied {took:.1f} s after the restart")
    assert made.status()["failed_changes"] == 0
