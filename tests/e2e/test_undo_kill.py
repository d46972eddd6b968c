"""SIGKILL in the midst of an undo, twice: the same command ends it, and nothing is done twice.

A customer's first sync made contacts and changed others; `changes undo --since connect` takes all of it back while the
services run, save what people touched since. It is killed where that hurts most: Syncro has done what it was asked, and
nobody was answered yet, once in a deletion and once in a change. Judged from Syncro's contacts and calls.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Tell
from tests.e2e.stage import Stage, stage
from tests.support.processes import HURRY, Finished, Process, clean_environment, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

USERS, CONTACTS = 60, 45  # of the crowd; so many contacts are made, the others changed
TIMEOUT = 10.0  # seconds that our calls wait for Syncro: the answer is late, and not given up
KILLS = (("DELETE", 4), ("PUT", 9))  # after how many of them; what was made last goes first
FIELDS = ("name", "email", "phone", "mobile", "address1", "address2", "city", "state", "zip")
SETTINGS = {
    **HURRY,
    "ENTRA_SYNCRO_SYNCRO__TIMEOUT": str(TIMEOUT),
    "ENTRA_SYNCRO_FACTS__SIGN_IN_LISTS_PER_MINUTE": "1000",
}
Said = Mapping[int, Mapping[str, str]]


@dataclass(slots=True)
class Play:
    made: Stage

    @property
    def customer(self) -> int:
        return self.made.customer(0)

    @property
    def undo(self) -> tuple[str, ...]:
        return ("changes", "undo", "--customer", str(self.customer), "--since", "connect", "--json")

    def contacts(self) -> Said:
        """Every field that is not blank: '', null and absent are the same."""
        return {number: _said(row) for number, row in self.made.vendors.contacts(self.customer).items()}

    def did(self, *args: str) -> Any:
        done: Finished = self.made.product.cli(*args)
        assert done.code == 0, done.err[-2000:]
        return done.json

    def writes(self, method: str, since: int) -> Counter[int]:
        """Contact id -> how often ours wrote it after the call of that number."""
        calls = self.made.vendors.our_calls("syncro", method=method, path="/contacts", since=since)
        return Counter(int(call["contact_id"] or 0) for call in calls)

    def last_call(self) -> int:
        newest = self.made.vendors.control("GET", "/calls?service=syncro&limit=1")["calls"]
        return max(int(call["number"]) for call in newest)

    def killed(self, code: str, method: str, after: int) -> None:
        """The command, until Syncro has done the next call of `method` after so many, and before it answers."""
        vendors, product = self.made.vendors, self.made.product
        late = {"method": method, "path": "/contacts/", "skip": after, "position": "after", "seconds": TIMEOUT - 1.0}
        vendors.fault("syncro", kind="slow", **late)
        environment = clean_environment(product.environment)
        process = Process((*self.undo, "--apply", code), product.folder, f"undo-{method}", environment)
        product.processes.append(process)
        eventually(lambda: not self._is_armed() or not process.running, 30, f"it is at {method} {after}", every=0.01)
        assert process.running, process.err[-2000:]
        process.kill()
        _let_leases_run_out(product.folder / "data", self.customer)

    def _is_armed(self) -> bool:
        return bool(self.made.vendors.control("GET", "/faults")["syncro"])


def _said(row: Mapping[str, Any]) -> Mapping[str, str]:
    values = {name: row[name] for name in FIELDS} | (row.get("properties") or {})
    return {name: str(value) for name, value in values.items() if value not in (None, "")}


def _let_leases_run_out(data: Path, customer: int) -> None:
    """Those of the dead process would end by themselves within 30 s; the services keep theirs."""
    keys = (f"full-pass:{customer}", f"customer:{customer}")
    with closing(sqlite3.connect(data / "state.db", timeout=10)) as file, file:
        file.execute("DELETE FROM lease WHERE key IN (?, ?)", keys)


def synced(play: Play) -> None:
    """The customer's first sync, ended. The services go on."""
    made = play.made
    made.product.start()
    made.connect([0])


def touched(play: Play, before: Said) -> tuple[int, int, int]:
    """What people did since: a changed contact has another title, a new one another phone, a third has a ticket."""
    now = play.contacts()
    changed = max(number for number in before if now[number] != before[number])
    titled, ticketed = sorted(now.keys() - before.keys())[:2]
    properties = {**now[changed], "title": "Written by hand"}
    own = {name: value for name, value in properties.items() if name not in FIELDS}
    play.made.vendors.syncro("PUT", f"/contacts/{changed}", {"name": now[changed]["name"], "properties": own})
    play.made.vendors.syncro("PUT", f"/contacts/{titled}", {"name": now[titled]["name"], "phone": "3125550123"})
    play.made.vendors.syncro(
        "POST", "/tickets", {"customer_id": play.customer, "contact_id": ticketed, "subject": "Printer"}
    )
    return changed, titled, ticketed


def test_an_undo_that_is_killed_twice_ends_by_the_same_command(tmp_path: Path, tell: Tell) -> None:
    with stage(tmp_path, SETTINGS) as made:
        play = Play(made)
        made.vendors.switch(delivery=False, replication_lag_s=0.0)
        crowd = {"tenant": made.tenant(0), "customer": play.customer, "users": USERS, "contacts": CONTACTS}
        made.vendors.control("POST", "/crowd", crowd)
        before = play.contacts()
        synced(play)
        changed, titled, ticketed = touched(play, before)
        after_sync = play.contacts()
        since = play.last_call()

        began = time.monotonic()
        plan = play.did(*play.undo)
        for method, after in KILLS:
            play.killed(plan["code"], method, after)
        assert 0 < len(play.writes("DELETE", since)) < len(plan["steps"])
        done = play.did(*play.undo, "--apply", plan["code"])
        tell(f"undo: {len(plan['steps'])} contacts with 2 kills in {time.monotonic() - began:.1f} s")

        now = play.contacts()
        assert now.keys() == before.keys() | {titled, ticketed}
        assert {number: now[number] for number in before if number != changed} == {
            number: values for number, values in before.items() if number != changed
        }
        assert {number: now[number] for number in (titled, ticketed)} == {
            number: after_sync[number] for number in (titled, ticketed)
        }
        assert now[changed] == {**before[changed], "title": "Written by hand"}

        made_by_us = after_sync.keys() - before.keys()
        assert play.writes("POST", since) == Counter()
        assert play.writes("DELETE", since) == Counter(made_by_us - {titled, ticketed})
        assert max(play.writes("PUT", since).values()) == 1
        assert (done["stopped"], done["paused"]) == (None, True)
        kept = {
            each["contact_id"]: each["reason"] for each in done["left"] if each["reason"] in ("touched", "attached")
        }
        assert kept == {changed: "touched", titled: "touched", ticketed: "attached"}
        written = play.did("changes", "list", "--run", done["undo_id"], "--limit", "1000", "--json")["changes"]
        assert len({each["entry"]["contact_id"] for each in written}) == len(written) == len(plan["steps"])
        assert all(each["entry"]["undoes"] and each["entry"]["by"] for each in written)
