"""What holds for every integration test: a new ledger gets the statements of the migrations, without Alembic."""

from __future__ import annotations

from tests.support.ledger_tape import ledger_tape

__all__ = ["ledger_tape"]
