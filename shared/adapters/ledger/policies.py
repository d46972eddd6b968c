"""Each customer's rules, whole, as one document.

Gives the deployment's own rules when none were saved; refuses a document that this release cannot read rather than
guess (a guessed rule could write or clear what somebody forbade). Next: `approvals.py`.
"""

from __future__ import annotations

from pydantic import ValidationError
from sqlalchemy import select

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.schema import policies
from shared.domain.errors import Permanent
from shared.domain.policy import SyncPolicy


class SqlPolicies:
    def __init__(self, database: Database, rules: SyncPolicy) -> None:
        self._database = database
        self._rules = rules

    async def policy(self, customer_id: int) -> SyncPolicy:
        """Raises Permanent "policy_unreadable" for rules that a newer release saved."""
        row = await self._database.row(select(policies.c.policy).where(policies.c.customer_id == customer_id))
        if row is None:
            return self._rules
        try:
            return SyncPolicy.model_validate(row.policy)
        except ValidationError:
            detail = f"the rules of customer {customer_id} cannot be read: save them anew"
            raise Permanent("ledger", "policy_unreadable", detail) from None

    async def save_policy(self, customer_id: int, policy: SyncPolicy) -> None:
        values = {"policy": policy.model_dump(mode="json")}
        await self._database.write(
            self._database.insert(policies)
            .values(customer_id=customer_id, **values)
            .on_conflict_do_update(index_elements=["customer_id"], set_=values)
        )
