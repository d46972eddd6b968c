"""A process that stops in the middle of a restore, to be killed: `... ADDRESS BACKUP` prints "half" and waits."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from shared.adapters.ledger import copy
from shared.adapters.ledger.backup import LedgerBackups
from shared.adapters.ledger.schema import metadata
from shared.domain.desk import Deed
from tests.support.clock import START


async def _restore(address: str, backup: Path) -> None:
    whole, done = copy._copy, []

    async def stops(*arguments: object) -> int:
        done.append(await whole(*arguments))  # type: ignore[arg-type]  # whatever it is called with
        if len(done) == len(metadata.sorted_tables) + 9:
            print("half", flush=True)
            await asyncio.Event().wait()
        return done[-1]

    vars(copy)["_copy"] = stops
    await LedgerBackups(address).load(backup, Deed("kim", "restore", START), before=backup.with_name("killed.db"))


if __name__ == "__main__":
    asyncio.run(_restore(sys.argv[1], Path(sys.argv[2])))
