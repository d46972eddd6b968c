"""What a bad night looks like, and that nothing of it reaches Syncro before a person has said yes.

Microsoft answers too few users, pages break off, licences vanish: every story is judged from the contacts that the
simulated Syncro holds and from the calls it received. Commands are `entra-syncro` in a process of its own.
"""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from console.cli.demo.arrival import until
from shared.domain.records import HoldState, RunState
from shared.domain.safety import Brake
from tests.integration.nightly.conftest import CLEARS_PASS, USERS, Ward, eventually

pytestmark = pytest.mark.timeout(120)

HELD, FAILED = 3, 1  # exit codes


async def _change_a_title(ward: Ward, number: int, title: str) -> int:
    """What is ordinary about the night; gives the contact's id."""
    user_id = ward.crowd.user_id(number)
    await ward.admin.patch(ward.tenant, user_id, jobTitle=title)
    contact = ward.contact_of(user_id)
    assert contact is not None
    return contact.id


@pytest.mark.parametrize(
    ("switches", "left"),
    [
        pytest.param({"users_share": 0.4}, 16, id="40 % of the users"),
        pytest.param({"users_page_max": 25, "lost_next_links": 9}, 25, id="a page without its next link"),
    ],
)
async def test_a_short_list_of_users_halts_the_customer(ward: Ward, switches: Mapping[str, float], left: int) -> None:
    await _change_a_title(ward, 0, "Seen in the short list too")
    before, own, writes = ward.contacts(), ward.own_fields(), ward.writes()
    async with ward.services():
        ward.world.microsoft.switches.change(dict(switches))
        done = await ward.reconcile()
        run, hold = await ward.newest_run(), await ward.hold()
        assert done.returncode == HELD, done.stderr
        assert f"has {left} entries where {USERS} were seen before" in done.stderr
        assert f"runs approve {hold.code}" in done.stderr
        assert (run.state, run.planned) == (RunState.HALTED, 0)
        assert hold.brakes == {Brake.LISTING: (left, USERS)}
        assert await ward.is_owed()
        assert (ward.contacts(), ward.own_fields(), ward.writes()) == (before, own, writes)

        ward.world.microsoft.switches.change({"users_share": 1.0, "users_page_max": 999, "lost_next_links": 0})
        again = await ward.reconcile()
        assert again.returncode == 0, again.stderr
    assert await ward.ports.holds.of_customer(ward.customer) is None
    assert (await ward.newest_run()).state is RunState.DONE
    assert ward.writes() == writes + 1  # the title


async def test_nothing_is_written_for_a_halted_customer_by_a_single_change_either(ward: Ward) -> None:
    async with ward.services():
        ward.world.microsoft.switches.change({"users_share": 0.4})
        assert (await ward.reconcile()).returncode == HELD
        before, writes, user_id = ward.contacts(), ward.writes(), ward.crowd.user_id(3)
        await ward.admin.patch(ward.tenant, user_id, jobTitle="While it stands still")
        done = await ward.command("sync", "--customer", str(ward.customer), "--user", user_id)
    assert "1 held" in done.stdout
    assert "waits for approval" in done.stderr
    assert (ward.contacts(), ward.writes()) == (before, writes)


async def test_a_short_list_that_a_person_believes_is_accepted_with_its_numbers(ward: Ward) -> None:
    contact_id = await _change_a_title(ward, 0, "Believed")
    async with ward.services():
        ward.world.microsoft.switches.change({"users_share": 0.4})
        await ward.reconcile()
        hold, writes = await ward.hold(), ward.writes()
        done = await ward.command("runs", "approve", hold.code)
        assert done.returncode == 0, done.stderr
        assert (await ward.reconcile()).returncode == 0
    assert ward.contact(contact_id).properties["title"] == "Believed"
    assert ward.writes() - writes <= 2  # the title, and the customer's counts


async def test_short_pages_are_no_short_list(ward: Ward) -> None:
    writes = ward.writes()
    async with ward.services():
        ward.world.microsoft.switches.change({"users_page_max": 7})
        done = await ward.reconcile()
    run = await ward.newest_run()
    assert (done.returncode, run.considered, run.planned) == (0, USERS, 0)
    assert ward.writes() == writes


async def test_a_page_that_cannot_be_read_fails_the_run_and_leaves_the_customer_owed(ward: Ward) -> None:
    await _change_a_title(ward, 0, "Nobody could read this")
    before, writes = ward.contacts(), ward.writes()
    ward.world.microsoft.switches.change({"users_page_max": 25, "torn_pages": 99})
    done = await ward.reconcile()
    assert done.returncode == FAILED
    assert (await ward.newest_run()).state is RunState.FAILED
    assert await ward.is_owed()
    assert (ward.contacts(), ward.writes()) == (before, writes)


@pytest.mark.parametrize("size", [CLEARS_PASS + 4, USERS], ids=["an emptied group", "all licences"])
async def test_licences_that_vanish_overnight_wait_for_a_person(ward: Ward, size: int) -> None:
    group = ward.licensed()[:size]
    had = {user_id: ward.licence(user_id) for user_id in group}
    await ward.take_licences(group)
    titled = await _change_a_title(ward, 0, "Goes on")
    before, own, writes = ward.contacts(), ward.own_fields(), ward.writes()
    async with ward.services():
        done = await ward.reconcile()
        hold = await ward.hold()
        assert done.returncode == HELD, done.stderr
        assert f"runs approve {hold.code}" in done.stderr
        assert hold.brakes == {Brake.CLEARS: (len(group), CLEARS_PASS)}
        shown = {row.user_id: [(each.field, each.before, each.after) for each in row.changes] for row in hold.rows}
        assert shown == {user_id: [("azure_license", had[user_id], "")] for user_id in group}
        # beyond the brake: nothing. What does not belong to it goes on.
        assert ward.writes() == writes + 1
        assert _changed(before, ward.contacts()) == {titled: {"title"}}
        assert ward.own_fields() == own

        before = ward.contacts()
        approved = await ward.command("runs", "approve", hold.code)
        assert approved.returncode == 0, approved.stderr
    contacts = {user_id: ward.contact_of(user_id) for user_id in group}
    assert _changed(before, ward.contacts()) == {each.id: {"azure_license"} for each in contacts.values() if each}
    assert [ward.licence(user_id) for user_id in group] == [""] * len(group)
    assert await ward.ports.holds.of_customer(ward.customer) is None


def _changed(
    before: Mapping[int, tuple[dict[str, str | None], dict[str, str]]],
    after: Mapping[int, tuple[dict[str, str | None], dict[str, str]]],
) -> dict[int, set[str]]:
    """Contact id -> names of the fields that differ now."""
    flat = [
        {number: {**values, **properties} for number, (values, properties) in each.items()} for each in (before, after)
    ]
    then, now = flat
    assert then.keys() == now.keys()
    found = {
        number: {
            name for name in then[number].keys() | now[number].keys() if then[number].get(name) != now[number].get(name)
        }
        for number in then
    }
    return {number: names for number, names in found.items() if names}


async def test_an_approval_is_kept_with_who_and_when(ward: Ward) -> None:
    await ward.take_licences(ward.licensed()[:8])
    async with ward.services():
        await ward.reconcile()
        code = (await ward.hold()).code
        assert (await ward.command("runs", "approve", code)).returncode == 0
        twice = await ward.command("runs", "approve", code)
    shown = json.loads((await ward.command("runs", "show", code, "--json")).stdout)
    (hold,) = await ward.ports.holds.list(code=code, state=None)
    assert (hold.state, hold.settled_by) == (HoldState.APPROVED, getpass.getuser())
    assert hold.settled_at is not None
    assert timedelta(0) <= datetime.now(UTC) - hold.settled_at < timedelta(minutes=2)
    assert [each["settled_by"] for each in shown["holds"]] == [getpass.getuser()]
    assert twice.returncode == HELD
    assert f"approved by {getpass.getuser()}" in twice.stderr


async def test_a_code_is_refused_when_the_plan_has_changed_since(ward: Ward) -> None:
    licensed = ward.licensed()
    group, late = licensed[:8], licensed[8]
    had = await ward.take_licences(group)
    async with ward.services():
        await ward.reconcile()
        old = await ward.hold()
        await ward.admin.license(ward.tenant, group[0], had[group[0]])  # one has it back, another lost it
        await ward.take_licences([late])
        before, writes = ward.contacts(), ward.writes()
        done = await ward.command("runs", "approve", old.code)
        new = await ward.hold()
        names = {row.user_id: row.user_label for row in (*old.rows, *new.rows)}
        assert done.returncode == HELD, done.stderr
        assert "The plan has changed since this code was given" in done.stderr
        assert names[group[0]] in done.stderr
        assert names[late] in done.stderr
        assert names[group[1]] not in done.stderr
        assert new.code != old.code
        assert f"runs approve {new.code}" in done.stderr
        assert (ward.contacts(), ward.writes()) == (before, writes)
        assert (await ward.command("runs", "approve", new.code)).returncode == 0
    assert {row.user_id for row in new.rows} == {*group[1:], late}
    assert not any(ward.licence(user_id) for user_id in (*group[1:], late))
    assert ward.licence(group[0])


async def test_a_code_that_has_expired_is_refused_and_a_new_full_sync_gives_another_chance(ward: Ward) -> None:
    await ward.take_licences(ward.licensed()[:8])
    before, writes = ward.contacts(), ward.writes()
    async with ward.services():
        ward.extra["BRAKES__APPROVAL_HOURS"] = "0.0001"
        await ward.reconcile()
        hold = await ward.hold()
        assert await until(lambda: datetime.now(UTC) >= hold.expires_at, within=5)
        done = await ward.command("runs", "approve", hold.code)
        assert done.returncode == HELD, done.stderr
        assert "This code was valid until" in done.stderr
        assert f"reconcile --customer {ward.customer}" in done.stderr
        assert (ward.contacts(), ward.writes()) == (before, writes)
        ward.extra.clear()
        assert (await ward.reconcile()).returncode == HELD
        assert (await ward.command("runs", "approve", (await ward.hold()).code)).returncode == 0
    assert ward.writes() >= writes + 8


async def test_what_was_rejected_stays_as_it_is(ward: Ward) -> None:
    group = ward.licensed()[:8]
    had = await ward.take_licences(group)
    before, writes = ward.contacts(), ward.writes()
    async with ward.services():
        await ward.reconcile()
        code = (await ward.hold()).code
        done = await ward.command("runs", "reject", code, "--why", "The group was emptied by mistake")
        assert done.returncode == 0, done.stderr
        assert (await ward.command("runs", "approve", code)).returncode == HELD
        assert (ward.contacts(), ward.writes()) == (before, writes)
        for user_id, skus in had.items():
            await ward.admin.license(ward.tenant, user_id, skus)
        assert (await ward.reconcile()).returncode == 0
    assert (ward.contacts(), ward.writes()) == (before, writes)


async def test_a_live_path_that_clears_one_licence_after_another_stops_within_the_hour(ward: Ward) -> None:
    group = ward.licensed()[:10]
    tenant = ward.world.microsoft.tenants[ward.tenant]
    before = ward.contacts()
    async with ward.services():
        assert await until(lambda: bool(tenant.subscriptions), within=20)
        ward.world.microsoft.switches.change({"delivery": True})
        for user_id in group:
            await ward.take_licences([user_id])
            await asyncio.sleep(0.3)
        accepted = ward.world.microsoft.accepted
        assert await until(lambda: all(map(accepted, group)), within=20)
        assert await until(lambda: len(_cleared(ward, group)) == CLEARS_PASS, within=30)

        await eventually(partial(_are_held, ward, len(group) - CLEARS_PASS), 40)  # stored by the full sync then owed
        hold, cleared = await ward.hold(), _cleared(ward, group)
        assert len(cleared) == CLEARS_PASS
        assert hold.brakes.keys() == {Brake.CLEARS}
        assert {row.user_id for row in hold.rows} == set(group) - set(cleared)
        assert len(_changed(before, ward.contacts())) == CLEARS_PASS
        done = await ward.command("runs", "approve", hold.code)
        assert done.returncode == 0, done.stderr
    assert len(_cleared(ward, group)) == len(group)


async def _are_held(ward: Ward, count: int) -> bool:
    hold = await ward.ports.holds.of_customer(ward.customer)
    return hold is not None and len(hold.rows) == count


def _cleared(ward: Ward, group: list[str]) -> list[str]:
    return [user_id for user_id in group if not ward.licence(user_id)]
