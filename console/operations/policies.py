"""The rules of one customer: shown with where each comes from, and changed only after what would change was shown.

A new rule writes nothing by itself: it is saved, and the next full sync writes under the brakes. A preview that was
shown before it cannot be approved any more. Next: `console/operations/rules.py` for keys and values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from console.operations.actor import note
from console.operations.customers import connection
from console.operations.errors import OperationError
from console.operations.ports import OperatorPorts
from console.operations.previews import FRESH
from console.operations.rules import Rule, Wish, applied, changed_keys, rules_of
from shared.domain.changes import Conflict, CreateContact, Excluded, Plan, UpdateContact
from shared.domain.mapping import extensions_of
from shared.domain.policy import SyncPolicy
from shared.domain.preview import Preview, outcome_of
from shared.domain.records import Approval, Connection


@dataclass(frozen=True, slots=True)
class ShownPolicy:
    connection: Connection
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """One user for whom something else would be done. Labels are for people's eyes only."""

    user_id: str
    user_label: str
    before: Plan
    after: Plan


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """What a wish comes to. `keys`: key -> value before and after; none: nothing changes.

    `rows`: users for whom something else would be done, in the order of the reading. `counts`: outcome in words ->
    users before and after. `lacking`: attributes that the rules ask for and a tenant of the customer does not have.
    """

    connection: Connection
    before: SyncPolicy
    after: SyncPolicy
    keys: Mapping[str, tuple[str, str]]
    rows: tuple[ChangedRow, ...] = ()
    counts: Mapping[str, tuple[int, int]] | None = None
    preview: Preview | None = None
    lacking: tuple[str, ...] = ()


async def show_policy(ports: OperatorPorts, customer_id: int) -> ShownPolicy:
    tied = await connection(ports, customer_id)
    return ShownPolicy(tied, rules_of(await ports.policies.policy(customer_id), ports.rules))


async def plan_policy(ports: OperatorPorts, customer_id: int, wish: Wish) -> PolicyChange:
    """Changes nothing. Wrong use for a wish that cannot be; nothing is read for one that changes no rule."""
    tied = await connection(ports, customer_id)
    before = await ports.policies.policy(customer_id)
    after = applied(wish, before, ports.rules)
    keys = changed_keys(before, after)
    if not keys:
        return PolicyChange(tied, before, after, keys)
    now, then = await ports.passes.compare(customer_id, after)
    lacking = await _lacking(ports, tied, after)
    return PolicyChange(tied, before, after, keys, _changed_rows(now, then), _counts(now, then), then, lacking)


async def save_policy(ports: OperatorPorts, change: PolicyChange, *, by: str = "") -> None:
    """Save what was shown, unless somebody saved other rules meanwhile."""
    customer_id = change.connection.customer_id
    if await ports.policies.policy(customer_id) != change.before:
        raise OperationError(
            "Somebody changed the rules of this customer meanwhile. Look at them and say it again: "
            f"entra-syncro customers policy show {customer_id}"
        )
    await _outdate_preview(ports, change)
    await ports.policies.save_policy(customer_id, change.after)
    await note(ports, by, "policy", customer_id, rules=", ".join(change.keys))


async def _lacking(ports: OperatorPorts, tied: Connection, policy: SyncPolicy) -> tuple[str, ...]:
    wanted = extensions_of(policy)
    if not wanted:
        return ()
    # Graph's names know no case, and what is lacking may be spelled as another customer's rule has it
    absent = {n.casefold() for tenant_id in tied.tenants for n in await ports.directory.lacking(tenant_id, wanted)}
    return tuple(name for name in wanted if name.casefold() in absent)


async def _outdate_preview(ports: OperatorPorts, change: PolicyChange) -> None:
    """A preview that waits shows the plan of other rules: another code takes its place, which only a new preview tells.

    Before the rules, so that no crash leaves them with a code that was shown for others.
    """
    customer_id, plan = change.connection.customer_id, change.preview
    latest = await ports.approvals.latest(customer_id)
    if plan is None or latest is None or latest.approved_at is not None or latest.digest == plan.code:
        return
    long_ago = ports.clock.now() - 2 * FRESH  # nobody saw it, so it is nobody's "preview of the last hour"
    await ports.approvals.propose(Approval(customer_id, plan.code, plan.digests, plan.summary, long_ago))


def _changed_rows(now: Preview, then: Preview) -> tuple[ChangedRow, ...]:
    before = {row.plan.user_id: row.plan for row in now.rows}
    return tuple(
        ChangedRow(row.plan.user_id, row.user_label, old, row.plan)
        for row in then.rows
        if (old := before.get(row.plan.user_id)) is not None and _meaning(old) != _meaning(row.plan)
    )


def _counts(now: Preview, then: Preview) -> Mapping[str, tuple[int, int]]:
    old, new = (Counter(outcome_of(row.plan) for row in shown.rows) for shown in (now, then))
    return {outcome: (old[outcome], new[outcome]) for outcome in sorted(old.keys() | new.keys())}


def _meaning(plan: Plan) -> object:
    """A plan without the reasons for people: what is the same in both is no change."""
    match plan:
        case CreateContact(changes=changes) | UpdateContact(changes=changes):
            contact_id = plan.contact_id if isinstance(plan, UpdateContact) else None
            return type(plan), contact_id, [(each.field, each.before, each.after) for each in changes]
        case Excluded(reason=reason) | Conflict(reason=reason):
            return type(plan), reason
        case _:
            return type(plan), getattr(plan, "contact_id", None)
