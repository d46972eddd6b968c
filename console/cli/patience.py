"""Says why a command is silent: reading a tenant may have to wait for Microsoft's limit on sign-in dates.

`PatientPasses` stands before the worker's own passes; each reading goes through it unchanged. Said once per command,
on standard error, and soon on a terminal, where somebody looks on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from console.cli.output import complain, stderr
from console.operations import Begun, Explanation, Passes, Supposed
from shared.domain.billing import BillingReport
from shared.domain.desk import Chosen
from shared.domain.messages import Reason
from shared.domain.policy import SyncPolicy
from shared.domain.preview import Preview

ON_A_TERMINAL = 2.0  # seconds of silence before it is explained
ELSEWHERE = 5.0


class PatientPasses:
    """`Passes`, each call explained when it takes long. `per_minute`: pages of users with sign-in dates.

    `passes` gives the worker's own, and is called when one is needed: to load them takes a while too.
    """

    def __init__(self, passes: Callable[[], Passes], per_minute: int) -> None:
        self._passes = passes
        self._per_minute = per_minute
        self._said = False

    async def preview(self, customer_id: int, policy: SyncPolicy | None = None) -> Preview:
        with self._explained():
            return await self._passes().preview(customer_id, policy)

    async def compare(self, customer_id: int, policy: SyncPolicy) -> tuple[Preview, Preview]:
        with self._explained():
            return await self._passes().compare(customer_id, policy)

    async def begin(
        self,
        customer_id: int,
        *,
        reason: Reason,
        run_id: str,
        release: str | None = None,
        first: int | None = None,
        by: str = "",
    ) -> Begun:
        with self._explained():
            return await self._passes().begin(
                customer_id, reason=reason, run_id=run_id, release=release, first=first, by=by
            )

    async def explain(self, customer_id: int, user_id: str) -> Explanation:
        return await self._passes().explain(customer_id, user_id)

    async def suppose(
        self, customer_id: int, user_id: str, *, contact_id: int | None = None, chosen: Chosen | None = None
    ) -> Supposed:
        return await self._passes().suppose(customer_id, user_id, contact_id=contact_id, chosen=chosen)

    async def billing(self, customer_id: int) -> BillingReport:
        with self._explained():
            return await self._passes().billing(customer_id)

    async def clear(self, customer_id: int, code: str, by: str) -> int:
        with self._explained():
            return await self._passes().clear(customer_id, code, by)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        after = ON_A_TERMINAL if stderr().is_terminal else ELSEWHERE
        timer = asyncio.get_running_loop().call_later(after, self._say)
        try:
            yield
        finally:
            timer.cancel()

    def _say(self) -> None:
        if not self._said:
            self._said = True
            complain(
                f"Reading users, contacts and reports. Microsoft allows {self._per_minute} readings with sign-in dates "
                "a minute (facts.sign_in_lists_per_minute), so this may take a minute."
            )
