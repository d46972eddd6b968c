"""What becomes of an invite once its answer is in: proved, judged, linked or left to a technician; and settled.

Used by the web flow and by a pasted address alike. An invite that named its tenant and was answered by that tenant is
linked at once, in preview, where no rule forbids it; any other consent waits for a technician, who sees both names
side by side. What cannot be checked now leaves the link as good as it was. Next: `shared/runtime/proof.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol, assert_never

from shared.domain.consent_answer import NoCode
from shared.domain.errors import Scope, StopTheLine, SyncError, Transient
from shared.domain.linking import LinkVerdict, Tie, is_living, judge_link, linked
from shared.domain.onboarding import Invite, InviteState
from shared.domain.records import Connection, ConnectionStatus
from shared.ports import Apart, Clock, Connections, Invites
from shared.runtime.proof import REPLICATING, Lacking, ProofPorts, Proved, prove

SETTLE_PAUSES = (0.5, 2.0)  # seconds; an invite that is taken and never settled is lost to the customer
CONSENT = "consent"  # what such a deed is called
DECIDED = frozenset({InviteState.CONNECTED, InviteState.CONSENTED, InviteState.DECLINED, InviteState.FAILED})
MISSING_ROLES = "login:role_missing"  # the invite's code when required permissions are missing


class LinkPorts(Protocol):
    @property
    def connections(self) -> Connections: ...

    @property
    def apart(self) -> Apart: ...


class AnswerPorts(ProofPorts, LinkPorts, Protocol):
    @property
    def invites(self) -> Invites: ...


@dataclass(frozen=True, slots=True)
class Linking:
    """Whom a tenant is to be linked with, and what the technician allowed."""

    customer_id: int
    tenant_id: str
    shared: bool = False
    add: bool = False


async def judged(ports: LinkPorts, wish: Linking) -> LinkVerdict:
    """By what the ledger says now."""
    return judge_link(
        wish.customer_id,
        wish.tenant_id,
        own=await ports.connections.get(wish.customer_id),
        of_tenant=await ports.connections.of_tenant(wish.tenant_id),
        is_apart=any(each.customer_id == wish.customer_id for each in await ports.apart.all()),
        shared=wish.shared,
        add=wish.add,
    )


async def granted(
    ports: AnswerPorts, clock: Clock, taken: Invite, tenant_id: str, *, pauses: Sequence[float] = REPLICATING
) -> Invite:
    """Prove what the answer claims and settle the invite, which the caller has taken. Gives it as it is settled.

    CONNECTED, CONSENTED or FAILED; OPEN again with a `code` when it could not be checked now.
    """
    try:
        try:
            end = await _proved(ports, clock, taken, tenant_id, pauses)
        except SyncError as error:
            end = _unproved(taken, error)
        return await _settle(ports, clock, end)
    except BaseException as ending:
        # The process stops in the middle, or nobody foresaw this: never settled, the customer's link would be dead.
        if not isinstance(ending, SyncError):
            with suppress(SyncError):
                await asyncio.shield(_reopened(ports, taken))
        raise


async def _reopened(ports: AnswerPorts, taken: Invite) -> None:
    """Only what is still being checked: one that was settled a moment ago stays so."""
    now = await ports.invites.get(taken.nonce)
    if now is not None and now.state is InviteState.TAKEN:
        await ports.invites.settle(replace(taken, state=InviteState.OPEN))


async def declined(ports: AnswerPorts, clock: Clock, taken: Invite, code: NoCode) -> Invite:
    """Microsoft's "no" for an invite that the caller has taken."""
    return await _settle(ports, clock, replace(taken, state=InviteState.DECLINED, code=f"login:{code.value}"))


async def _proved(ports: AnswerPorts, clock: Clock, taken: Invite, tenant_id: str, pauses: Sequence[float]) -> Invite:
    proof = await prove(ports, tenant_id, pauses=pauses)
    match proof:
        case Lacking(missing=missing):
            return replace(taken, state=InviteState.FAILED, code=MISSING_ROLES, missing=missing)
        case Proved(organization=who, lacks=lacks):
            known = replace(taken, answered_by=who, missing=lacks, code="")
            state = await _link(ports, clock, known, tenant_id)
            return replace(known, state=state)
        case _:
            assert_never(proof)


async def _link(ports: AnswerPorts, clock: Clock, known: Invite, tenant_id: str) -> InviteState:
    now = await ports.invites.get(known.nonce)
    if now is None or now.state is not InviteState.TAKEN:
        return InviteState.REPLACED  # a technician changed his mind while the proof was under way
    if known.tenant_id not in ("", tenant_id):
        return InviteState.CONSENTED
    verdict = await judged(ports, Linking(known.customer_id, tenant_id, shared=known.is_shared))
    if verdict.tie is Tie.ALREADY and verdict.own is not None:
        await _touch(ports, verdict.own, clock)
        return InviteState.CONNECTED
    if not known.tenant_id or not verdict.is_allowed:
        return InviteState.CONSENTED
    made = linked(verdict, known.customer_id, known.customer_name, tenant_id, clock.now())
    if not await ports.connections.change(made, verdict.own):
        return InviteState.CONSENTED  # a technician decided something meanwhile: he sees both
    # Two customers' answers of one tenant at once, both judged before either was saved: who was second sees the other
    # now. Both may step back; never do both stay without anybody having allowed it.
    if not known.is_shared and await _is_others(ports, made):
        await ports.connections.change(replace(made, status=ConnectionStatus.DISCONNECTED), made)
        return InviteState.CONSENTED
    return InviteState.CONNECTED


async def _touch(ports: LinkPorts, renewed: Connection, clock: Clock) -> None:
    """The registrar, which comes ever more seldom to a tenant that fails, starts afresh at a connection that changed.

    One in preview has no subscription to mend, and a change would void the preview that a person may be looking at. If
    somebody else changed it meanwhile, that does it too.
    """
    if renewed.status is not ConnectionStatus.PREVIEW:
        await ports.connections.change(replace(renewed, changed_at=clock.now()), renewed)


async def _is_others(ports: LinkPorts, made: Connection) -> bool:
    of_tenant = await ports.connections.of_tenant(made.tenant_id)
    return any(is_living(each) and each.customer_id != made.customer_id for each in of_tenant)


def _unproved(taken: Invite, error: SyncError) -> Invite:
    code = f"{error.service}:{error.code}"
    if isinstance(error, StopTheLine) and error.scope is Scope.TENANT:
        return replace(taken, state=InviteState.FAILED, code=code)
    return replace(taken, state=InviteState.OPEN, code=code)  # Microsoft, the ledger or our own credential


async def _settle(ports: AnswerPorts, clock: Clock, invite: Invite) -> Invite:
    at = None if invite.state is InviteState.OPEN else clock.now()
    settled = replace(invite, settled_at=at)
    for seconds in SETTLE_PAUSES:
        try:
            await ports.invites.settle(settled)
        except Transient:
            await asyncio.sleep(seconds)
        else:
            return settled
    await ports.invites.settle(settled)
    return settled


def consent_facts(settled: Invite) -> dict[str, str] | None:
    """What the record of deeds says of an answer, however it came; None: nothing was decided, it may be given again."""
    if settled.state not in DECIDED:
        return None
    tenant = settled.answered_by.tenant_id if settled.answered_by else settled.tenant_id
    return {"outcome": settled.state.value, **({"tenant": tenant} if tenant else {})}
