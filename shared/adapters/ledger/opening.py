"""Brings the schema up to date once, at the first try that reaches the database; whoever needs it first begins it.

All who ask meanwhile wait for the same try. One that failed is followed by another when somebody asks again, so that a
ledger whose server comes back needs nobody to restart us. It refuses every statement until then. Next: `upgrade.py`.
"""

from __future__ import annotations

import asyncio

from shared.adapters.ledger.failures import our_errors
from shared.adapters.ledger.target import Target
from shared.adapters.ledger.upgrade import upgrade
from shared.domain.errors import Permanent, Transient


class Opening:
    def __init__(self, target: Target) -> None:
        self._target = target
        self._is_open = False
        self._try: asyncio.Task[None] | None = None

    async def complete(self) -> None:
        """Raises Transient while the database is away, Permanent when only a person can make it a ledger of ours."""
        if self._is_open:
            return
        if self._try is None or self._try.done():
            self._try = asyncio.create_task(self._upgrade(), name="ledger:opening")
            self._try.add_done_callback(_look_at_end)
        await asyncio.shield(self._try)  # who stops waiting must not end it for the others

    async def need(self) -> None:
        """For a statement: what a person has to mend is waited for, since no hint may be given up because of it."""
        try:
            await self.complete()
        except Permanent as error:
            raise Transient(error.service, error.code, error.detail) from None

    async def aclose(self) -> None:
        if self._try is not None:
            self._try.cancel()
            await asyncio.wait({self._try})

    async def _upgrade(self) -> None:
        with our_errors():
            # Alembic blocks (imports, files, DDL), and the loop must go on answering while a ledger is opened.
            await asyncio.to_thread(upgrade, self._target)
        self._is_open = True


def _look_at_end(end: asyncio.Task[None]) -> None:
    """Everybody who waited may have given up: then nobody else retrieves the failure."""
    if not end.cancelled():
        end.exception()
