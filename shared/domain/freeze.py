"""What a freeze leaves of a plan: while invoices are made, licences of known contacts stay as they are. Pure.

Which days those are is `shared/domain/schedule.py`'s business.
"""

from __future__ import annotations

from dataclasses import replace

from shared.domain.changes import NoChange, Plan, UpdateContact


def without_frozen(plan: Plan, field: str) -> Plan:
    """The plan without the licence (`field`), which is written once the freeze ends. A new contact has it at once."""
    if not isinstance(plan, UpdateContact):
        return plan
    left = tuple(change for change in plan.changes if change.field != field)
    if not left:
        return NoChange(plan.user_id, plan.customer_id, plan.contact_id, plan.link)
    return replace(plan, changes=left)
