"""How each tenant's changes reach us, as the registrar and the polls last wrote it down: nothing is asked of Microsoft.

A tenant without a working subscription is still polled, and one whose polls fail may still be notified: only when both
fail do changes wait for the next full sync.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from console.operations.check.patient import AGAIN, sentence
from console.operations.check.tenants import Tenant
from console.operations.ports import OperatorPorts
from shared.domain.cure import for_customer
from shared.domain.cures import Action, cure_of_code
from shared.domain.findings import Finding, Level, Organ
from shared.domain.records import ConnectionStatus
from shared.domain.watching import Poll, SubscriptionState

LATE = timedelta(minutes=30)  # three of the longest intervals between polls
_RUN = f"See that the services run where they should: entra-syncro run all. {AGAIN}"
_PERSON = frozenset({Action.WAIT_FOR_PERSON, Action.STOP_TENANT, Action.STOP_ACCOUNT, Action.RETRY_LATER})


async def notices(ports: OperatorPorts, tenants: Sequence[Tenant]) -> Sequence[Finding]:
    """Only of tenants with a customer that is written."""
    live = [one for one in tenants if any(tied.status is ConnectionStatus.APPROVED for tied in one.ties)]
    if not live:
        return []
    states, polls = await ports.subscription_states.all(), await ports.polls.all()
    found = [_poll(ports, one, polls.get(one.tenant_id)) for one in live]
    if ports.public_url:
        found += [_subscription(ports, one, states.get(one.tenant_id)) for one in live]
    return found


def _subscription(ports: OperatorPorts, one: Tenant, state: SubscriptionState | None) -> Finding:
    organ, now = Organ.NOTIFICATIONS, ports.clock.now()
    if state is None:
        return one.finding(Level.YELLOW, organ, "No subscription was made yet; changes are found by polling.", _RUN)
    if state.code:
        cure = cure_of_code(state.code)
        level = Level.RED if cure.action in _PERSON else Level.YELLOW
        what = f"{sentence(cure.what)} So there is no subscription since {state.since:%Y-%m-%d %H:%M} UTC."
        return one.finding(level, organ, what, for_customer(cure.who_does_what, one.customer), code=state.code)
    if state.expires_at is None or state.expires_at <= now:
        return one.finding(Level.RED, organ, "The subscription has run out, and nobody renewed it.", _RUN)
    return one.finding(Level.GREEN, organ, "Subscribed, and renewed in time.", expires_at=state.expires_at.isoformat())


def _poll(ports: OperatorPorts, one: Tenant, poll: Poll | None) -> Finding:
    organ, now = Organ.POLLS, ports.clock.now()
    if poll is not None and poll.code:
        cure = cure_of_code(poll.code)
        level = Level.RED if cure.action in _PERSON else Level.YELLOW
        since = f" since {poll.since:%Y-%m-%d %H:%M} UTC" if poll.since is not None else ""
        what = f"{sentence(cure.what)} So polling fails{since}."
        return one.finding(level, organ, what, for_customer(cure.who_does_what, one.customer), code=poll.code)
    if poll is None or poll.began_at is None:
        return one.finding(Level.YELLOW, organ, "Its changes were never asked for yet.", _RUN)
    ago = now - poll.began_at
    if ago > max(LATE, timedelta(seconds=3 * poll.interval)):
        what = f"Its changes were last asked for at {poll.began_at:%Y-%m-%d %H:%M} UTC."
        return one.finding(Level.RED, organ, what, _RUN)
    return one.finding(Level.GREEN, organ, "Its changes are asked for in time.", began_at=poll.began_at.isoformat())
