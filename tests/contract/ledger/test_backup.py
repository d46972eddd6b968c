"""Backups (`shared/ports.py`), over both engines and between them."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sqlite3
import stat
import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete

from sandbox.servers import PostgresServer
from shared.adapters.ledger import copy, open_ledger
from shared.adapters.ledger.backup import LedgerBackups
from shared.adapters.ledger.engines import open_engines
from shared.adapters.ledger.schema import metadata, policies
from shared.adapters.ledger.target import SqliteTarget, target_of
from shared.domain.desk import Choice, Chosen, Deed, LetterFilter, Pin
from shared.domain.errors import Permanent, Transient
from shared.domain.onboarding import Invite, InviteState
from shared.domain.policy import Authority, SyncPolicy
from shared.domain.records import ConnectionStatus, ListSizes
from shared.domain.restoring import RESTORED
from tests.contract.ledger.test_copy import CONTENT, ENTRIES, content, fill
from tests.support.clock import START
from tests.support.ledger import CUSTOMER, a_connection, a_hold, a_link, a_proposal, a_run, an_entry

DEED = Deed("kim", "restore", START)


@pytest.fixture(params=["file", "postgresql"])
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty ledger to restore into."""
    if request.param == "file":
        return f"embedded:{tmp_path / 'elsewhere.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.fresh_url()


async def saved(url: str, path: Path) -> Path:
    """A backup of a ledger with one customer and one change."""
    async with open_ledger(url) as ledger:
        await ledger.connections.save(a_connection())
        await ledger.journal.intend(an_entry())
    await LedgerBackups(url).save(path)
    return path


def without_the_restore(found: CONTENT) -> CONTENT:
    """What a restore adds to the backup is left out, and the replay that it ends."""
    touched = ("deeds", "owed_marks", "replays", "replay_letters", "dead_letters")
    return {name: rows for name, rows in found.items() if name not in touched}


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


async def test_everything_is_saved_on_either_engine_and_restored_on_the_other(
    shared_ledger_url: str, other_url: str, tmp_path: Path
) -> None:
    async with open_ledger(shared_ledger_url) as ledger:
        await fill(ledger)
    original = await content(shared_ledger_url)
    counts = {name: len(rows) for name, rows in original.items()}
    assert all(counts.values()), "a table without a row proves nothing"
    path = tmp_path / "backup.db"
    assert await LedgerBackups(shared_ledger_url).save(path) == counts
    before = await asyncio.to_thread(path.read_bytes)
    restored = await LedgerBackups(other_url).load(path, DEED)
    assert (restored.rows, restored.before, restored.full_syncs) == (counts | {"deeds": 2}, None, 1)
    assert without_the_restore(await content(other_url)) == without_the_restore(original)
    assert await asyncio.to_thread(path.read_bytes) == before
    async with open_ledger(other_url) as ledger:  # and it counts on
        assert await ledger.journal.intend(an_entry()) == ENTRIES + 1
        # whoever cancelled this replay since the backup is not overruled
        assert (await ledger.replays.running(), await ledger.replays.claimed("job-1", 9)) == ([], [])
        assert {each.status for each in await ledger.dead_letters.find(LetterFilter())} == {"open"}


async def test_must_let_nobody_else_read_the_file(shared_ledger_url: str, tmp_path: Path) -> None:
    """must: let nobody else read the file"""
    folder = tmp_path / "backups"
    await asyncio.to_thread(folder.mkdir)
    path = await saved(shared_ledger_url, folder / "backup.db")
    assert stat.S_IMODE((await asyncio.to_thread(path.stat)).st_mode) == 0o600
    assert await asyncio.to_thread(names, folder) == {"backup.db"}


async def test_must_be_one_snapshot_also_while_others_write(shared_ledger_url: str, tmp_path: Path) -> None:
    """must: be one snapshot, also while others write"""
    async with open_ledger(shared_ledger_url) as ledger:
        stop = asyncio.Event()

        async def write() -> int:
            """Each change first, the mark that it was made after it: no snapshot has more marks than changes."""
            written = 0
            while not stop.is_set():
                await ledger.journal.intend(an_entry())
                written = await ledger.owed.mark(CUSTOMER, "written", a_connection().changed_at)
            return written

        writer = asyncio.create_task(write(), name="writer")
        rows = []
        for number in range(3):
            path = tmp_path / f"backup-{number}.db"
            rows.append((await LedgerBackups(shared_ledger_url).save(path))["journal"])
            assert await asyncio.to_thread(_marks_and_entries, path) in [(rows[-1], rows[-1]), (rows[-1] - 1, rows[-1])]
        stop.set()
        assert await writer >= rows[-1] - 1
    assert rows == sorted(rows)


def _marks_and_entries(path: Path) -> tuple[int, int]:
    with closing(sqlite3.connect(path)) as connection:
        (marks,) = connection.execute("SELECT coalesce(max(generation), 0) FROM owed_marks").fetchone()
        (entries,) = connection.execute("SELECT count(*) FROM journal").fetchone()
    return marks, entries


async def test_must_refuse_a_name_that_is_taken(shared_ledger_url: str, tmp_path: Path) -> None:
    """must: refuse (Permanent "backup_exists") a name that is taken, and leave nothing behind when it fails"""
    folder = tmp_path / "backups"
    path = folder / "backup.db"
    await asyncio.to_thread(folder.mkdir)
    await asyncio.to_thread(path.write_bytes, b"precious")
    with pytest.raises(Permanent) as refusal:
        await saved(shared_ledger_url, path)
    assert refusal.value.code == "backup_exists"
    assert await asyncio.to_thread(path.read_bytes) == b"precious"
    with pytest.raises(Permanent) as refusal:
        await LedgerBackups(shared_ledger_url).save(folder / "nowhere" / "backup.db")
    assert refusal.value.code == "backup_no_folder"
    assert await asyncio.to_thread(names, folder) == {"backup.db"}


async def test_backup_that_cannot_be_read_back_gets_no_name(
    shared_ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backups"
    await asyncio.to_thread(folder.mkdir)
    monkeypatch.setattr("shared.adapters.ledger.backup._is_whole", lambda _connection: False)
    with pytest.raises(Transient) as failure:
        await saved(shared_ledger_url, folder / "backup.db")
    assert failure.value.code == "backup_failed"
    assert await asyncio.to_thread(names, folder) == set()


async def test_of_two_backups_under_one_name_one_is_made(shared_ledger_url: str, tmp_path: Path) -> None:
    path = tmp_path / "backup.db"
    async with open_ledger(shared_ledger_url) as ledger:
        await ledger.connections.save(a_connection())
    two = [LedgerBackups(shared_ledger_url).save(path) for _ in range(2)]
    ends = await asyncio.gather(*two, return_exceptions=True)
    refused = [end for end in ends if isinstance(end, Permanent)]
    assert [end.code for end in refused] == ["backup_exists"]
    assert (await LedgerBackups(f"embedded:{tmp_path / 'new.db'}").load(path, DEED)).rows["connections"] == 1


async def test_must_refuse_a_ledger_that_holds_something_unless_before_says_where_to_save_it(
    shared_ledger_url: str, other_url: str, tmp_path: Path
) -> None:
    """must: refuse (Permanent "ledger_not_empty") a ledger that holds something, unless `before` says where to save it

    And the new name is refused like any other that is taken.
    """
    path = await saved(shared_ledger_url, tmp_path / "backup.db")
    original = await content(shared_ledger_url)
    async with open_ledger(other_url) as ledger:
        for number in range(3):
            await ledger.runs.start(a_run(f"run-{number}"))
            await ledger.journal.intend(an_entry())
    present = await content(other_url)
    for before, code in ((None, "ledger_not_empty"), (path, "backup_exists")):
        with pytest.raises(Permanent) as refusal:
            await LedgerBackups(other_url).load(path, DEED, before=before)
        assert refusal.value.code == code
        assert await content(other_url) == present
    before = tmp_path / "before.db"
    done = await LedgerBackups(other_url).load(path, DEED, before=before)
    assert (done.before, done.protections) == (before, ())
    assert without_the_restore(await content(other_url)) == without_the_restore(original)
    assert stat.S_IMODE((await asyncio.to_thread(before.stat)).st_mode) == 0o600
    assert await content(f"embedded:{before}") == present
    assert {each for each in await asyncio.to_thread(names, tmp_path) if "unfinished" in each} == set()


async def test_must_refuse_while_another_process_has_the_ledger_open(
    shared_ledger_url: str, other_url: str, tmp_path: Path
) -> None:
    """must: refuse (Transient "ledger_in_use") while another process has the ledger open"""
    path = await saved(shared_ledger_url, tmp_path / "backup.db")
    async with open_ledger(other_url) as ledger:
        await ledger.connections.save(a_connection(1))  # idle from here on, with its connection open
        with pytest.raises(Transient) as refusal:
            await LedgerBackups(other_url).load(path, DEED, before=tmp_path / "before.db")
        assert refusal.value.code == "ledger_in_use"
        assert [each.customer_id for each in await ledger.connections.list()] == [1]
    await LedgerBackups(other_url).load(path, DEED, before=tmp_path / "before.db")


async def test_must_keep_everybody_else_out_until_it_is_over(
    shared_ledger_url: str, other_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """must: keep everybody else out (Transient "ledger_restoring") until it is over

    Commands and services that start meanwhile, and another restore; at once, and not after a lock's patience.
    """
    path = await saved(shared_ledger_url, tmp_path / "backup.db")
    whole, codes = copy._copy, set()

    async def knocked_at(*arguments: object) -> int:
        for lazy in (False, True):
            with pytest.raises(Transient) as refusal:
                async with open_ledger(other_url, lazy=lazy) as ledger:
                    await ledger.connections.list()
            codes.add(refusal.value.code)
        with pytest.raises(Transient) as refusal:
            await LedgerBackups(other_url).load(path, DEED)
        codes.add(refusal.value.code)
        monkeypatch.setattr(copy, "_copy", whole)
        return await whole(*arguments)  # type: ignore[arg-type]  # whatever it is called with

    monkeypatch.setattr(copy, "_copy", knocked_at)
    await LedgerBackups(other_url).load(path, DEED)
    assert codes == {"ledger_restoring"}
    async with open_ledger(other_url) as ledger:
        assert len(await ledger.connections.list()) == 1


async def test_service_of_another_process_is_in_the_way_and_its_end_clears_it(
    shared_ledger_url: str, tmp_path: Path
) -> None:
    path = await saved(shared_ledger_url, tmp_path / "backup.db")
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.ledger", shared_ledger_url, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        assert int(await asyncio.wait_for(child.stdout.readline(), 60)) == 2
        await LedgerBackups(shared_ledger_url).save(tmp_path / "meanwhile.db")
        with pytest.raises(Transient) as refusal:
            await LedgerBackups(shared_ledger_url).load(path, DEED, before=tmp_path / "before.db")
        assert refusal.value.code == "ledger_in_use"
    finally:
        child.kill()
        await child.communicate()
    async with asyncio.timeout(30):  # the server may take a moment to notice
        while (await _load(shared_ledger_url, path)) is None:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.1)
    assert len((await content(shared_ledger_url))["journal"]) == 1


async def _load(url: str, path: Path) -> int | None:
    try:
        done = await LedgerBackups(url).load(path, DEED, before=path.with_name("before.db"))
    except Transient:
        return None
    return done.rows["journal"]


async def test_of_a_restore_that_was_killed_nothing_is_left_in_the_way(shared_ledger_url: str, tmp_path: Path) -> None:
    path = await saved(shared_ledger_url, tmp_path / "backup.db")
    present = await content(shared_ledger_url)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.contract.ledger.dying_restore", shared_ledger_url, str(path)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    assert await asyncio.wait_for(child.stdout.readline(), 60) == b"half\n"
    with pytest.raises(Transient) as refusal:
        async with open_ledger(shared_ledger_url):
            pass
    assert refusal.value.code == "ledger_restoring"
    child.kill()
    await child.communicate()
    async with asyncio.timeout(30):  # the server may take a moment to notice
        while (await _load(shared_ledger_url, path)) is None:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.1)
    assert await content(f"embedded:{tmp_path / 'before.db'}") == present


@pytest.mark.parametrize("cut", [1, 9, len(metadata.sorted_tables)])
async def test_must_change_nothing_or_all_of_it(
    cut: int, shared_ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """must: change nothing, or all of it, and never the backup

    Cut off in the first table, in a middle one, and after the last.
    """
    path = await saved(shared_ledger_url, tmp_path / "backup.db")
    async with open_ledger(shared_ledger_url) as ledger:
        await ledger.connections.save(a_connection(1))
    present = await content(shared_ledger_url)
    whole, done = copy._copy, []

    async def breaks_off(*arguments: object) -> int:
        done.append(await whole(*arguments))  # type: ignore[arg-type]  # whatever it is called with
        if len(done) == len(metadata.sorted_tables) + cut:  # the ledger was saved before
            raise OSError("the power went")
        return done[-1]

    monkeypatch.setattr(copy, "_copy", breaks_off)
    with pytest.raises(Transient):
        await LedgerBackups(shared_ledger_url).load(path, DEED, before=tmp_path / "before.db")
    assert await content(shared_ledger_url) == present


async def test_must_owe_every_approved_customer_a_full_sync_and_note_deed_in_the_same_step(
    shared_ledger_url: str, tmp_path: Path
) -> None:
    """must: owe every approved customer a full sync and note `deed`, in the same step

    Given up at any moment, the ledger is as it was, or restored with all of it.
    """
    async with open_ledger(shared_ledger_url) as ledger:
        await ledger.connections.save(a_connection(status=ConnectionStatus.APPROVED))
        await ledger.connections.save(a_connection(1))
    path = tmp_path / "backup.db"
    await LedgerBackups(shared_ledger_url).save(path)
    async with open_ledger(shared_ledger_url) as ledger:
        await ledger.runs.start(a_run())
    ends = set()
    moment = 0.0
    while "restored" not in ends:
        before = tmp_path / f"before-{moment:.2f}.db"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(moment):
                await LedgerBackups(shared_ledger_url).load(path, DEED, before=before)
        async with open_ledger(shared_ledger_url) as ledger:
            owed = [(each.customer_id, each.reason) for each in await ledger.owed.owed()]
            deeds = [replace(each, id=None) for each in await ledger.deeds.recent()]
            is_old = await ledger.runs.get("run-1") is not None
        assert (owed, deeds) == (([], []) if is_old else ([(CUSTOMER, RESTORED)], [DEED]))
        ends.add("old" if is_old else "restored")
        moment = max(0.1, 1.6 * moment)
    assert ends == {"old", "restored"}


async def test_what_brakes_count_by_and_links_that_were_used_up_come_along(
    shared_ledger_url: str, tmp_path: Path
) -> None:
    """All of it in one transaction: a durable one for each would take minutes in a large company."""
    now = START + timedelta(days=1)
    invites = [Invite(f"nonce-{number}", number, "Contoso", "", START, now) for number in (1, 2)]
    async with open_ledger(shared_ledger_url) as ledger:
        await ledger.connections.save(a_connection(status=ConnectionStatus.APPROVED))
        await ledger.sizes.save(ListSizes(CUSTOMER, 10, 10, START))
        await ledger.policies.save_policy(CUSTOMER, SyncPolicy(authority={"phone": Authority.OVERWRITE}))
        await ledger.approvals.propose(a_proposal("d1", {"anna": "r1", "bert": "r2"}))
        await ledger.approvals.approve(CUSTOMER, "d1", "kim", START)
        await ledger.links.link(a_link("dora", 9))
        for invite in invites:
            await ledger.invites.open(invite)
    path = tmp_path / "backup.db"
    await LedgerBackups(shared_ledger_url).save(path)
    recent = replace(an_entry("cora"), intended_at=now - timedelta(minutes=59), run_id="run-1")
    async with open_ledger(shared_ledger_url) as ledger:
        await ledger.sizes.save(ListSizes(CUSTOMER, 100, 100, now))
        await ledger.approvals.settle_row(CUSTOMER, "anna")
        await ledger.invites.settle(replace(invites[0], state=InviteState.REPLACED))
        assert await ledger.invites.take("nonce-2", START) is not None
        await ledger.links.unlink(CUSTOMER, "dora")
        await ledger.journal.intend(replace(an_entry("bert"), intended_at=now - timedelta(minutes=61)))
        await ledger.journal.intend(recent)
        await ledger.journal.intend(an_entry("eve", action="create"))  # long ago, and nobody knows its end
    async with open_engines(target_of(shared_ledger_url), patience=5.0) as engines, engines.atomic.begin() as opened:
        await opened.execute(delete(policies))  # as if somebody had given the deployment's rules back
    await LedgerBackups(shared_ledger_url).load(path, replace(DEED, at=now), before=tmp_path / "before.db")
    async with open_ledger(shared_ledger_url) as ledger:
        assert await ledger.sizes.last(CUSTOMER) == ListSizes(CUSTOMER, 100, 100, now)
        rows = [await ledger.approvals.approved_row(CUSTOMER, user) for user in ("anna", "bert")]
        known = [await ledger.invites.get(invite.nonce) for invite in invites]
        assert [each.state.value for each in known if each is not None] == ["replaced", "taken"]
        assert (rows, await ledger.links.of_customer(CUSTOMER)) == ([None, "r2"], [])
        assert await ledger.policies.policy(CUSTOMER) == SyncPolicy()
        counted = await ledger.journal.outside_passes(CUSTOMER, now - timedelta(hours=1), or_in="run-1")
        assert [replace(each, id=None) for each in counted] == [recent]
        assert await ledger.journal.open_creation(CUSTOMER, "eve") is not None
        assert {each.user_id for each in await ledger.journal.entries()} == {"cora", "eve"}


async def test_private_copies_lie_where_they_may_and_those_of_a_killed_restore_go(
    shared_ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, folder = await saved(shared_ledger_url, tmp_path / "backup.db"), tmp_path / "data" / "backups"
    left, in_use = folder / ".entra-syncro-restore-killed", folder / ".entra-syncro-restore-running"
    for each in (left, in_use):
        await asyncio.to_thread(each.mkdir, mode=0o700, parents=True)
        await asyncio.to_thread((each / "backup.db").touch)
    whole = copy._copy
    seen: list[Path] = []

    async def watched(*arguments: object) -> int:
        seen.extend(each for each in await asyncio.to_thread(lambda: list(folder.iterdir())) if each != in_use)
        modes = {stat.S_IMODE((await asyncio.to_thread(each.stat)).st_mode) for each in seen}
        assert (len(seen), modes) == (1, {0o700})
        monkeypatch.setattr(copy, "_copy", whole)
        return await whole(*arguments)  # type: ignore[arg-type]  # whatever it is called with

    monkeypatch.setattr(copy, "_copy", watched)
    descriptor = os.open(in_use, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        backups = LedgerBackups(shared_ledger_url, folder)
        await backups.load(path, DEED, before=tmp_path / "before.db")
    finally:
        os.close(descriptor)
    assert seen
    assert await asyncio.to_thread(names, folder) == {in_use.name}


@pytest.mark.parametrize("as_it_was", [False, True])
async def test_must_lay_what_protects_over_it_unless_it_is_to_be_as_it_was(
    as_it_was: bool, shared_ledger_url: str, tmp_path: Path
) -> None:
    """must: lay what protects over it (`shared.domain.restoring`), unless it is to be `as_it_was`"""
    numbers = range(CUSTOMER, CUSTOMER + 4)
    async with open_ledger(shared_ledger_url) as ledger:
        for number in numbers:
            await ledger.connections.save(a_connection(number, status=ConnectionStatus.APPROVED))
        await ledger.links.link(a_link("anna", 7))
        await ledger.links.link(a_link("bert", 8))
        await ledger.choices.choose(Chosen(CUSTOMER, "cora", Choice.CREATE, "d0", "new here", "kim", START))
    path, before = tmp_path / "backup.db", tmp_path / "before.db"
    await LedgerBackups(shared_ledger_url).save(path)
    pin = Pin(CUSTOMER, 101, "legal hold", "kim", START)
    left = Chosen(CUSTOMER, "dora", Choice.DISMISS, "d1", "two Doras", "kim", START)
    links = [replace(a_link("anna", 8), how="person"), a_link("cora", 9)]  # a swap, and a contact made since
    rules = SyncPolicy(authority={"phone": Authority.NEVER})
    async with open_ledger(shared_ledger_url) as ledger:
        for number, status in zip(numbers, ("approved", "paused", "disconnected", "approved"), strict=True):
            tied = a_connection(number, status=ConnectionStatus(status), changed_at=START + timedelta(hours=1))
            await ledger.connections.save(tied)
        await ledger.pins.pin(pin)
        await ledger.choices.forget(CUSTOMER, "cora")
        await ledger.choices.choose(left)
        await ledger.holds.open(a_hold())
        await ledger.policies.save_policy(CUSTOMER + 3, rules)
        await ledger.links.unlink(CUSTOMER, "bert")
        for link in links:
            await ledger.links.link(link)
    done = await LedgerBackups(shared_ledger_url).load(path, DEED, before=before, as_it_was=as_it_was)
    assert [(each.what.value, each.customer_id) for each in done.protections] == [
        ("paused", CUSTOMER + 1),
        ("disconnected", CUSTOMER + 2),
        ("rules", CUSTOMER + 3),
        ("held by a brake", CUSTOMER),
        ("locked contact", CUSTOMER),
        ("conflict left alone", CUSTOMER),
        ("decision used up", CUSTOMER),
        ("contact chosen by a person", CUSTOMER),
    ]
    async with open_ledger(shared_ledger_url) as ledger:
        statuses = [each.status.value for each in await ledger.connections.list()]
        pins, chosen = await ledger.pins.all(), await ledger.choices.of_customer(CUSTOMER)
        hold, linked = await ledger.holds.of_customer(CUSTOMER), await ledger.links.of_customer(CUSTOMER)
        policy = await ledger.policies.policy(CUSTOMER + 3)
    if as_it_was:
        assert (statuses, done.full_syncs) == (["approved"] * 4, 4)
        assert (pins, list(chosen), hold, policy) == ([], ["cora"], None, SyncPolicy())
        assert linked == [a_link("anna", 7), a_link("bert", 8)]
    else:
        assert (statuses, done.full_syncs) == (["approved", "paused", "disconnected", "approved"], 2)
        assert (pins, chosen, hold, policy) == ([pin], {"dora": left}, a_hold(), rules)
        assert linked == links


def _at_revision(path: Path, revision: str) -> None:
    """As the release of that revision would have saved it."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", "shared.adapters.ledger:migrations")
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        if revision == "9999":
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        else:
            command.downgrade(config, revision)


async def test_must_refuse_a_backup_of_a_newer_release_and_bring_an_older_one_up_to_date(
    other_url: str, tmp_path: Path
) -> None:
    """must: refuse (Permanent "backup_newer") a backup of a newer release, and bring an older one up to date"""
    source = f"embedded:{tmp_path / 'source.db'}"
    older, newer = [await saved(source, tmp_path / name) for name in ("older.db", "newer.db")]
    await asyncio.to_thread(_at_revision, older, "0002")
    await asyncio.to_thread(_at_revision, newer, "9999")
    with pytest.raises(Permanent) as refusal:
        await LedgerBackups(other_url).load(newer, DEED)
    assert refusal.value.code == "backup_newer"
    before = await asyncio.to_thread(older.read_bytes)
    restored = (await LedgerBackups(other_url).load(older, DEED)).rows
    assert (restored["connections"], restored["journal"], restored["pins"]) == (1, 1, 0)
    async with open_ledger(other_url) as ledger:
        assert await ledger.connections.list() == [a_connection()]
    assert await asyncio.to_thread(older.read_bytes) == before


async def test_must_refuse_to_take_the_place_of_a_ledger_that_a_newer_release_made(
    shared_ledger_url: str, other_url: str, tmp_path: Path
) -> None:
    """must: refuse (Permanent "ledger_newer") to take the place of a ledger that a newer release made

    Going back to the release before: what the refusal says to do works.
    """
    path = await saved(other_url, tmp_path / "backup.db")
    async with open_engines(target_of(other_url), patience=5.0) as engines, engines.atomic.begin() as opened:
        await opened.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Permanent) as refusal:
        await LedgerBackups(other_url).load(path, DEED, before=tmp_path / "before.db")
    assert (refusal.value.code, "backup made before it" in refusal.value.detail) == ("ledger_newer", True)
    ledger = target_of(other_url)
    if isinstance(ledger, SqliteTarget) and ledger.path is not None:
        await asyncio.to_thread(ledger.path.rename, tmp_path / "away.db")
    empty = other_url if isinstance(ledger, SqliteTarget) else shared_ledger_url
    assert (await LedgerBackups(empty).load(path, DEED)).rows["connections"] == 1


async def test_what_is_no_backup_is_refused(other_url: str, tmp_path: Path) -> None:
    backups = LedgerBackups(other_url)
    text, empty, foreign = tmp_path / "text.db", tmp_path / "empty.db", tmp_path / "foreign.db"
    await asyncio.to_thread(text.write_text, "not a database at all, but longer than a header of one: " * 20)
    await asyncio.to_thread(empty.touch)
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE journal (id INTEGER)")
    for path, code in (
        (tmp_path / "nothing.db", "backup_missing"),
        (tmp_path, "backup_missing"),
        (text, "backup_other"),
        (empty, "backup_other"),
        (foreign, "backup_other"),
    ):
        with pytest.raises(Permanent) as refusal:
            await backups.load(path, DEED)
        assert refusal.value.code == code


async def test_damaged_backup_is_refused(other_url: str, tmp_path: Path) -> None:
    source = f"embedded:{tmp_path / 'source.db'}"
    async with open_ledger(source) as ledger:
        await fill(ledger)
    path = tmp_path / "backup.db"
    await LedgerBackups(source).save(path)
    whole = await asyncio.to_thread(path.read_bytes)
    middle = len(whole) // 2
    await asyncio.to_thread(path.write_bytes, whole[:middle] + b"\xff" * 8192 + whole[middle + 8192 :])
    with pytest.raises(Permanent) as refusal:
        await LedgerBackups(other_url).load(path, DEED)
    assert refusal.value.code == "backup_damaged"


async def test_ledger_in_memory_cannot_be_saved(tmp_path: Path) -> None:
    backups = LedgerBackups("embedded::memory:")
    for refused in (backups.save(tmp_path / "backup.db"), backups.load(tmp_path / "backup.db", DEED)):
        with pytest.raises(Permanent) as refusal:
            await refused
        assert refusal.value.code == "ledger_memory"
