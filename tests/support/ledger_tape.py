"""New ledgers without Alembic: what the migrations sent to the first new one of a kind is sent to the later ones.

Alembic takes a tenth of a second of CPU for each new ledger, and hundreds of tests open one. Each test process runs
the real migrations once for SQLite and once for PostgreSQL and keeps their statements; a ledger that exists already is
migrated for real, and so is everything in `tests/contract/ledger/test_migrations.py`, which asks for `real_migrations`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Connection, event

from shared.adapters.ledger import upgrade

Statement = tuple[str, Any]
_READS = ("SELECT", "PRAGMA", "SHOW")


@dataclass
class Tape:
    """`migrate`: the real one. Called in threads, but by one at a time (`upgrade` sees to that)."""

    migrate: Callable[[Connection], None]
    _sent: dict[str, list[Statement]] = field(default_factory=dict)

    def play(self, connection: Connection) -> None:
        if upgrade.revision(connection) is not None:
            self.migrate(connection)
        elif connection.dialect.name not in self._sent:
            self._sent[connection.dialect.name] = self._recorded(connection)
        else:
            for text, parameters in self._sent[connection.dialect.name]:
                connection.exec_driver_sql(text, parameters)

    def _recorded(self, connection: Connection) -> list[Statement]:
        sent: list[Statement] = []

        def record(_connection: object, _cursor: object, text: str, parameters: Any, *_: object) -> None:
            if not text.lstrip().upper().startswith(_READS):
                sent.append((text, parameters or None))

        event.listen(connection, "before_cursor_execute", record)
        try:
            self.migrate(connection)
        finally:
            event.remove(connection, "before_cursor_execute", record)
        return sent


@pytest.fixture(scope="session", autouse=True)
def ledger_tape() -> Iterator[Tape]:
    tape = Tape(upgrade.migrate)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upgrade, "migrate", tape.play)
        yield tape


@pytest.fixture
def real_migrations(ledger_tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "migrate", ledger_tape.migrate)
