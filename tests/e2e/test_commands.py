"""The command line against a sandbox process: from connecting a customer to replaying a failed change."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.outside import Person
from tests.e2e.poster import item, post
from tests.e2e.stage import Stage, stage
from tests.support.processes import Finished, eventually, faster, run_command

pytestmark = pytest.mark.e2e

NUMBER = 2  # which tenant and customer of the sandbox


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("commands"), faster(20)) as made:
        yield made


def _cli(made: Stage, *args: str) -> Finished:
    done = made.product.cli(*args)
    assert "Traceback" not in done.err
    return done


def _refused(made: Stage, code: int, words: str, *args: str) -> None:
    """One sentence for a person, on standard error."""
    done = _cli(made, *args)
    assert done.code == code, done.out + done.err
    assert words in done.err
    assert not done.out


def _writes(made: Stage) -> int:
    return int(made.vendors.control("GET", "/state")["syncro"]["writes"])


def test_from_connecting_to_being_in_step(made: Stage) -> None:
    customer, tenant = str(made.customer(NUMBER)), made.tenant(NUMBER)
    _refused(made, 2, "is not connected", "preview", "--customer", customer)
    _refused(made, 2, "Syncro knows no customer", "customers", "connect", "424242", "--tenant", tenant)
    _refused(made, 2, "must be given by its id", "customers", "connect", customer, "--tenant", "juniper.example")

    connected = _cli(made, "customers", "connect", customer, "--tenant", tenant, "--yes", "--json")
    assert connected.code == 0
    assert (connected.json["tenant_id"], connected.json["status"]) == (tenant, "preview")
    _refused(made, 2, "its consent stands: nothing to do", "customers", "connect", customer, "--tenant", tenant)
    other = str(made.customer(0))
    _refused(made, 2, "belongs to customer", "customers", "connect", other, "--tenant", tenant)

    _refused(made, 3, "There is no preview to approve", "customers", "approve", customer, "0123456789")
    _refused(made, 3, "waiting for approval", "sync", "--customer", customer)
    shown = _preview(made, customer)
    _refused(made, 3, "not the latest preview", "customers", "approve", customer, "0123456789")
    assert _writes(made) == 0, "nothing may be written before a person said yes"

    approved = _cli(made, "customers", "approve", customer, shown["approval_code"], "--json")
    assert approved.code == 0
    planned = [user for user in shown["users"] if user["kind"] in ("CreateContact", "UpdateContact")]
    assert approved.json["planned"] == len(planned) > 0

    made.product.start()
    synced = _cli(made, "sync", "--customer", customer)
    assert synced.code == 0
    assert "Done: " in synced.out or "in step already" in synced.out
    eventually(lambda: not _planned(made, customer), 20, "nothing is left to be written", every=0.2)
    writes = _writes(made)
    assert writes > 0
    again = _cli(made, "sync", "--customer", customer)
    assert (again.code, "in step already" in again.out) == (0, True)
    assert _writes(made) == writes, "unchanged users cost no write"


def _preview(made: Stage, customer: str) -> Any:
    done = _cli(made, "preview", "--customer", customer, "--json")
    assert done.code == 0
    shown = done.json
    assert {"customer_id", "customer_name", "approval_code", "summary", "saved_contacts", "users"} <= set(shown)
    saved = Path(shown["saved_contacts"])
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert len(saved.read_text("utf-8").splitlines()) > len(made.vendors.contacts(int(customer)))
    table = _cli(made, "preview", "--customer", customer)
    assert table.code == 0
    assert f"customers approve {customer} {shown['approval_code']}" in table.out
    return shown


def _planned(made: Stage, customer: str) -> list[Any]:
    shown = _cli(made, "preview", "--customer", customer, "--json").json
    return [user for user in shown["users"] if user["kind"] in ("CreateContact", "UpdateContact")]


def test_status_and_customers_tell_what_is_connected(made: Stage) -> None:
    status = _cli(made, "status", "--json")
    assert status.code == 0
    assert {"connections", "waiting", "owed", "failed_changes", "conflicts"} <= set(status.json)
    assert [one["status"] for one in status.json["connections"]] == ["approved"]
    listed = _cli(made, "customers", "list", "--json")
    assert (listed.code, [one["customer_id"] for one in listed.json["connections"]]) == (0, [made.customer(NUMBER)])
    for args in (("status",), ("customers", "list")):
        told = _cli(made, *args)
        assert told.code == 0
        assert made.vendors.info["customers"][NUMBER]["name"] in told.out


def test_a_failed_change_is_listed_and_replayed(made: Stage) -> None:
    # and no delta poll sees it on the day itself, which would bring it in step before the command does
    made.vendors.switch(delivery=False, replication_lag_s=0.05, delta_lag_s=86_400.0)
    person = _linked(made)
    made.vendors.patch(person, jobTitle="Refused at first")
    made.vendors.fault("syncro", kind="404", method="PUT", times=None, path="/contacts/")
    eventually(lambda: post(made.product.public, [item(person.tenant, person.user_id)]) == 202, 5, "a 202")
    eventually(lambda: bool(_letters(made)), 20, "the failed change is filed", every=0.3)
    made.vendors.no_faults()
    (letter,) = _letters(made)
    assert letter["user_ids"] == [person.user_id]
    assert "body" not in letter
    assert made.status()["failed_changes"] == 1
    assert person.user_id in _cli(made, "dead-letters", "list", "--flat").out
    (group,) = _cli(made, "dead-letters", "list", "--json").json
    assert ("not_found" in group["cause"].split(":"), group["letters"]) == (True, 1)

    _refused(made, 2, "There is no failed change", "dead-letters", "replay", "nonesuch")
    _refused(made, 2, "say --all", "dead-letters", "replay")
    name = letter["letter_id"]
    plan = _cli(made, "dead-letters", "replay", name, "--json").json
    assert (plan["letters"], plan["in_step"]) == ([name], 0)
    assert plan["customers"][0]["outcomes"] == {"update": 1}
    assert [one["letter_id"] for one in _letters(made)] == [name], "a plan changes nothing"
    done = _cli(made, "dead-letters", "replay", name, "--apply", plan["code"])
    assert (done.code, "1 synced" in done.out) == (0, True), done.out + done.err
    assert made.vendors.title(person) == "Refused at first"
    assert not _letters(made)
    assert [one["status"] for one in _letters(made, "--all")] == ["replayed"]
    (job,) = _cli(made, "dead-letters", "replays", "--json").json
    assert (job["state"], job["handed_over"], job["skipped"]) == ("done", 1, 0)
    again = _cli(made, "dead-letters", "replay", name, "--apply", plan["code"], "--no-watch")
    assert (again.code, "began already" in again.out) == (0, True)
    everything = _cli(made, "failed", "replay", "--all", "--json")
    assert (everything.code, everything.json["letters"]) == (0, [])


def test_one_user_is_synced_on_demand(made: Stage) -> None:
    made.vendors.switch(delivery=False, replication_lag_s=0.05)
    person = _linked(made)
    made.vendors.patch(person, jobTitle="By hand")
    done = _cli(made, "sync", "--customer", str(person.customer), "--user", person.user_id)
    assert (done.code, "Done: 1 " in done.out) == (0, True)
    assert made.vendors.title(person) == "By hand"


def _letters(made: Stage, *more: str) -> list[Any]:
    found: list[Any] = _cli(made, "dead-letters", "list", "--flat", "--json", *more).json
    return found


def _linked(made: Stage) -> Person:
    """Some user whose contact was found or made."""
    customer = made.customer(NUMBER)
    for contact_id, row in sorted(made.vendors.contacts(customer).items()):
        user_id = row["properties"].get("azure_object_id")
        if user_id and not row["properties"].get("azure_sync_off"):
            return Person(made.tenant(NUMBER), user_id, customer, contact_id)
    raise AssertionError("no contact is linked")


@pytest.mark.parametrize(
    "args",
    [
        ("no-such-command",),
        ("status", "--no-such-option"),
        ("customers", "connect", "not-a-number", "--tenant", "x"),
        ("run", "everything"),
    ],
    ids=" ".join,
)
def test_wrong_use_ends_with_2(tmp_path: Path, args: tuple[str, ...]) -> None:
    done = run_command(args, tmp_path)
    assert done.code == 2
    assert "Traceback" not in done.err
    assert done.err.strip()
