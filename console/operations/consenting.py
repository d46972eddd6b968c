"""Consent for many customers by one sign-in of a person of the partner's.

For each customer that waits with a tenant that somebody named: the partner relationship makes the tenant know the app,
then the tenant is proved as everywhere else, by a token of its own. What the partner's answer says is never believed,
and a customer that cannot be consented for keeps its link. Next: `shared/runtime/answering.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from console.operations.actor import note
from console.operations.connecting import consent_link, invite
from console.operations.errors import OperationError, wrong_use
from console.operations.ports import OperatorPorts
from console.operations.refusals import why_not
from shared.domain.contact import Customer
from shared.domain.errors import Permanent, Scope, StopTheLine, SyncError
from shared.domain.onboarding import Invite, InviteState
from shared.domain.permissions import ASKED
from shared.runtime.answering import CONSENT, consent_facts, granted
from shared.runtime.proof import REPLICATING

AT_ONCE = 8  # tenants at the same time; most of it is waiting for what replicates
# An answer that came to nothing is asked for again; one that a technician must confirm is left to him.
ASKABLE = frozenset({InviteState.OPEN, InviteState.TAKEN, InviteState.DECLINED, InviteState.FAILED})


class ConsentResult(StrEnum):
    CONNECTED = "connected"
    CONFIRM = "waiting for your confirmation"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PartnerConsent:
    """What became of one customer. `why`: what failed and who does what next; `error`: where a service failed.

    `link`: still good for the customer's own administrator. `lacks`: optional permissions that were asked for, but not
    granted. `tenant_name`, `tenant_domains`: what the proved tenant says of itself, beside the customer's name.
    """

    customer_id: int
    customer_name: str
    tenant_id: str
    result: ConsentResult
    link: str = ""
    why: str = ""
    lacks: tuple[str, ...] = ()
    tenant_name: str = ""
    tenant_domains: tuple[str, ...] = ()
    error: SyncError | None = None


async def askable(ports: OperatorPorts, customers: Collection[int]) -> Sequence[Invite]:
    """What to ask for: of these customers, or of everybody when none is named. Raises wrong use for a stranger.

    Where the customer's own administrator said no, a person must name the customer to ask again.
    """
    newest = await ports.invites.newest()
    if not customers:
        return [
            each
            for _, each in sorted(newest.items())
            if each.tenant_id and each.state in ASKABLE and each.state is not InviteState.DECLINED
        ]
    return [_askable(number, newest.get(number)) for number in dict.fromkeys(customers)]


def _askable(customer_id: int, known: Invite | None) -> Invite:
    if known is None or not known.tenant_id:
        raise wrong_use(
            f"Nobody has named the tenant of customer {customer_id} yet: entra-syncro customers connect {customer_id} "
            "--tenant TENANT-ID"
        )
    if known.state not in ASKABLE:
        raise wrong_use(f"Customer {customer_id} waits for no consent. See: entra-syncro customers list")
    return known


async def consent_by_partner(
    ports: OperatorPorts,
    customers: Collection[int],
    *,
    tell: Callable[[str, str], None],
    expect: Callable[[int], None] = lambda _: None,
    told: Callable[[], None] = lambda: None,
    pauses: Sequence[float] = REPLICATING,
    by: str = "",
) -> tuple[PartnerConsent, ...]:
    """One result per customer. `tell(address, code)` is how the person is asked to sign in, once. `pauses`: seconds
    to wait before each further proof, while a consent may only be on its way.

    Raises what stops everything: a sign-in that was declined, our own credential refused.
    """
    waiting = await askable(ports, customers)
    expect(len(waiting))
    if not waiting:
        return ()
    await ports.partner.sign_in(tell)
    related = {each.tenant_id for each in await ports.partner.customers()}
    turn = asyncio.Semaphore(AT_ONCE)

    async def ask(one: Invite) -> PartnerConsent:
        async with turn:
            result = await _asked(ports, one, related, pauses, by)
        told()
        return result

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(one), name=f"consent:{one.customer_id}") for one in waiting]
    return tuple(task.result() for task in tasks)


async def _asked(
    ports: OperatorPorts, known: Invite, related: Collection[str], pauses: Sequence[float], by: str
) -> PartnerConsent:
    """One customer's trouble is its own; what stops the whole account stops this too."""
    failed = PartnerConsent(known.customer_id, known.customer_name, known.tenant_id, ConsentResult.FAILED)
    try:
        asked = await _fresh(ports, known, by)
        failed = replace(failed, link=consent_link(ports, asked))
        if asked.tenant_id not in related:
            raise Permanent("partner", "no_relationship", f"tenant {asked.tenant_id}")
        await ports.partner.consent(asked.tenant_id, ASKED)
        return await _proved(ports, asked, failed, pauses, by)
    except OperationError as error:
        return replace(failed, why=error.message)
    except StopTheLine as error:
        if error.scope is Scope.ACCOUNT:
            raise
        return replace(failed, error=error)
    except SyncError as error:
        return replace(failed, error=error)


async def _fresh(ports: OperatorPorts, known: Invite, by: str) -> Invite:
    """The same invite while it can be answered, else a new one. It may renew the consent of a connected customer."""
    customer = Customer(known.customer_id, known.customer_name)
    return await invite(
        ports, known.customer_id, known.tenant_id, shared=known.is_shared, customer=customer, renew=True, by=by
    )


async def _proved(
    ports: OperatorPorts, asked: Invite, failed: PartnerConsent, pauses: Sequence[float], by: str
) -> PartnerConsent:
    """The consent is given at Microsoft: that is noted, whatever becomes of its proof."""
    facts = {"outcome": "granted", "tenant": asked.tenant_id}
    try:
        taken = await ports.invites.take(asked.nonce, ports.clock.now())
        settled = None if taken is None else await granted(ports, ports.clock, taken, taken.tenant_id, pauses=pauses)
        facts = (None if settled is None else consent_facts(settled)) or facts
    finally:
        await note(ports, by, CONSENT, asked.customer_id, **facts)
    if settled is None:
        return replace(failed, why="It is being answered by somebody else right now. See: entra-syncro customers list")
    done = replace(failed, link="", lacks=tuple(role for role in settled.missing if role in ASKED))
    if settled.answered_by is not None:
        done = replace(done, tenant_name=settled.answered_by.name, tenant_domains=settled.answered_by.domains)
    match settled.state:
        case InviteState.CONNECTED:
            return replace(done, result=ConsentResult.CONNECTED)
        case InviteState.CONSENTED:
            return replace(done, result=ConsentResult.CONFIRM)
        case InviteState.OPEN:
            why = f"It was granted but could not be checked yet ({why_not(settled)}). Run the same command again."
            return replace(failed, why=why)
        case _:
            cure = "See that no policy of the tenant takes it away; then run the same command again."
            return replace(done, lacks=(), why=f"{why_not(settled)[:1].upper()}{why_not(settled)[1:]}. {cure}")
