"""Commands that are loaded when they are called: what is light stays light, and the table tells the truth."""

from __future__ import annotations

import subprocess
import sys

from typer.main import get_command

from console.cli import Table, app

HEAVY = {"aio_pika", "aiohttp", "alembic", "asyncpg", "msal", "prometheus_client", "redis", "requests", "uvloop"}
ROOMS = {"receiver", "sandbox", "worker"}
ASKED = """
import sys
from console.cli import main
def loaded():
    return {name.partition(".")[0] for name in sys.modules}
for question in ("--help", "--version"):
    sys.argv = ["entra-syncro", question]
    try:
        main()
    except SystemExit as end:
        assert not end.code, question
assert not loaded() & {"pydantic", "rich", "shared", "sqlalchemy", "structlog"}, loaded()
import console.cli.status, console.cli.customers, console.cli.letters_jobs, console.cli.conflicts, console.cli.changes
print(*sorted(loaded()))
"""


def test_help_loads_no_command_and_what_only_reads_no_server_vendor_or_room() -> None:
    done = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "entra-syncro " in done.stdout
    assert not set(done.stdout.splitlines()[-1].split()) & (HEAVY | ROOMS)


def test_the_list_of_commands_shows_each_ones_own_first_sentence() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    shown = {name: (late.summary, late.hidden) for name, late in Table.table.items()}
    assert shown == {name: (each.get_short_help_str(100), each.hidden) for name, each in commands.items()}


def test_a_command_is_loaded_once_and_an_unknown_one_is_none() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert commands["status"] is commands["status"]
    assert commands.get("nonsense") is None
    assert list(commands) == list(Table.table)
