"""Connecting a Syncro customer to an Entra tenant: the consent link, the technician's look at both, the link made.

A connection starts in preview: nothing is written for it until a person approves (`console/operations/previews.py`).
A tenant is linked only after its consent was proved by a token of its own; whoever is not named in the invite is shown
to a person first. What may be linked to what: `shared/domain/linking.py`. Next:
`console/operations/finishing.py` (an answer that is pasted), `console/operations/waiting.py`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import timedelta

from console.operations.actor import note
from console.operations.errors import OperationError, guid, held, wrong_use
from console.operations.ports import OperatorPorts
from console.operations.refusals import refusal
from shared.domain.consent import ends_at, invite_link
from shared.domain.contact import Customer
from shared.domain.errors import StopTheLine
from shared.domain.linking import LinkVerdict, Tie, linked
from shared.domain.onboarding import Invite, InviteState, Organization
from shared.domain.permissions import named
from shared.domain.records import Connection
from shared.runtime.answering import Linking, judged
from shared.runtime.proof import Lacking, prove

LEFT_AT_LEAST = timedelta(hours=1)  # an open invite that ends sooner is not given out again
_NO_GUID = (
    "The tenant must be given by its id (a GUID such as 84bd8158-6d4d-4958-8b9f-9d6445542f95); "
    "find it in the Entra admin center under Overview."
)


@dataclass(frozen=True, slots=True)
class Match:
    """A proved tenant beside the Syncro customer, for a person to compare. Nothing is saved yet.

    `lacks`: optional permissions that the tenant did not grant.
    """

    customer_id: int
    customer_name: str
    organization: Organization
    verdict: LinkVerdict
    lacks: tuple[str, ...]


class ConsentNeededError(OperationError):
    """The tenant has not consented (code 3), or lacks permissions (code 1): `link` is for its administrator."""

    def __init__(self, message: str, invite: Invite, link: str, *, exit_code: int = 3) -> None:
        super().__init__(message, exit_code=exit_code)
        self.invite = invite
        self.link = link


async def invite(
    ports: OperatorPorts,
    customer_id: int,
    tenant: str = "",
    *,
    shared: bool = False,
    add: bool = False,
    customer: Customer | None = None,
    renew: bool = False,
    anew: bool = False,
    by: str = "",
) -> Invite:
    """Ask for a customer's consent. An open invite for the same tenant is given again: links already sent stay good.

    `tenant`: "" when any may answer. `customer`: as Syncro has it, where the caller knows it (saves the call). `renew`:
    the customer may have this tenant already. `anew`: a new link in any case, the old one is dead. Raises wrong use
    where a rule forbids the link anyway.
    """
    need_secret(ports)
    wanted = guid(tenant, _NO_GUID) if tenant else ""
    await _refuse(ports, customer_id, wanted, shared=shared, add=add, renew=renew)
    now = ports.clock.now()
    open_one = None if anew else await ports.invites.of_customer(customer_id)
    if open_one is not None and _is_same(open_one, wanted, shared=shared) and open_one.expires_at > now + LEFT_AT_LEAST:
        return open_one
    known = customer or await syncro_customer(ports, customer_id)
    made = Invite(
        nonce=secrets.token_urlsafe(16),
        customer_id=customer_id,
        customer_name=known.name,
        tenant_id=wanted,
        invited_at=now,
        expires_at=ends_at(ports.consent, now),
        is_shared=shared,
    )
    await ports.invites.open(made)
    await note(ports, by, "invite", customer_id, tenant=wanted or "any", until=f"{made.expires_at:%Y-%m-%d}")
    return made


def consent_link(ports: OperatorPorts, invite: Invite) -> str:
    """What the customer's administrator opens."""
    return invite_link(ports.consent, invite)


async def look(
    ports: OperatorPorts,
    customer_id: int,
    tenant: str,
    *,
    shared: bool = False,
    add: bool = False,
    customer: Customer | None = None,
    by: str = "",
) -> Match:
    """Prove the tenant, and show it beside the customer.

    Raises ConsentNeededError, with the link, where consent or a required permission is missing.
    """
    wanted = guid(tenant, _NO_GUID)
    verdict = await _refuse(ports, customer_id, wanted, shared=shared, add=add)
    known = customer or await syncro_customer(ports, customer_id)
    try:
        proof = await prove(ports, wanted)
    except StopTheLine as error:
        if error.code == "tenant_unknown":
            raise wrong_use(
                f"Microsoft knows no tenant {wanted}. Check the id: it stands in the Entra admin center under Overview."
            ) from None
        if error.code != "consent_missing":
            raise
        raise await _awaited(ports, known, wanted, shared=shared, add=add, by=by) from None
    if isinstance(proof, Lacking):
        raise await _awaited(ports, known, wanted, shared=shared, add=add, by=by, missing=proof.missing)
    return Match(customer_id, known.name, proof.organization, verdict, proof.lacks)


async def confirm(
    ports: OperatorPorts, match: Match, *, shared: bool = False, add: bool = False, by: str = ""
) -> Connection:
    """Link what a person has seen, in preview, by the rules as they stand now; and settle the customer's invite."""
    tenant, now = match.organization.tenant_id.lower(), ports.clock.now()
    verdict = await _refuse(ports, match.customer_id, tenant, shared=shared, add=add)
    made = linked(verdict, match.customer_id, match.customer_name, tenant, now)
    if not await ports.connections.change(made, verdict.own):
        raise held(
            f"Somebody changed the connection of customer {match.customer_id} just now, so nothing was connected. "
            "Look: entra-syncro customers list"
        )
    waiting = await ports.invites.of_customer(match.customer_id)
    if waiting is not None and waiting.state is not InviteState.CONNECTED:
        end = replace(waiting, state=InviteState.CONNECTED, answered_by=match.organization, code="", settled_at=now)
        await ports.invites.settle(replace(end, missing=match.lacks))
    await note(ports, by, "connect", match.customer_id, tenant=tenant)
    return made


async def connect(
    ports: OperatorPorts,
    customer_id: int,
    tenant_id: str,
    *,
    shared_tenant: bool = False,
    add_tenant: bool = False,
    customer: Customer | None = None,
) -> Connection:
    """Look and confirm in one, for a tenant that a person chose already."""
    match = await look(ports, customer_id, tenant_id, shared=shared_tenant, add=add_tenant, customer=customer)
    return await confirm(ports, match, shared=shared_tenant, add=add_tenant)


async def syncro_customer(ports: OperatorPorts, customer_id: int) -> Customer:
    async with ports.pace.reserve(1) as allowance:
        customer = await ports.syncro_customers.get(allowance, customer_id)
    if customer is None:
        raise wrong_use(f"Syncro knows no customer {customer_id}. The number stands in the address of its page.")
    return customer


def can_sign(ports: OperatorPorts) -> bool:
    """Does this machine know a secret that consent links are signed with?"""
    return bool(ports.consent.secrets)


def need_secret(ports: OperatorPorts) -> None:
    if not can_sign(ports):
        raise wrong_use(
            "This machine does not know the secret that consent links are signed with. Set receiver.secrets.k1 here "
            "to the value that the receiver has."
        )


async def _refuse(
    ports: OperatorPorts, customer_id: int, tenant: str, *, shared: bool, add: bool, renew: bool = False
) -> LinkVerdict:
    """The verdict, where the link may be made; else wrong use. `tenant` "": may any be linked at all?"""
    verdict = await judged(ports, Linking(customer_id, tenant, shared=shared, add=add))
    if not verdict.is_allowed or (verdict.tie is Tie.ALREADY and not renew):
        raise wrong_use(refusal(customer_id, verdict))
    return verdict


async def _awaited(
    ports: OperatorPorts,
    customer: Customer,
    tenant: str,
    *,
    shared: bool,
    add: bool,
    by: str,
    missing: tuple[str, ...] = (),
) -> ConsentNeededError:
    asked = await invite(ports, customer.id, tenant, shared=shared, add=add, customer=customer, by=by)
    link = consent_link(ports, asked)
    if missing:
        why = f"The app is known to this tenant but lacks {named(missing)}. An administrator of the customer must grant"
        return ConsentNeededError(f"{why} consent again: {link}\n{_then(ports, asked)}", asked, link, exit_code=1)
    why = f"{customer.name}'s tenant has not consented to the app yet. An administrator of the customer must open"
    return ConsentNeededError(f"{why}: {link}\n{_then(ports, asked)}", asked, link)


def _then(ports: OperatorPorts, asked: Invite) -> str:
    """What a technician does after the administrator of a tenant that was named."""
    if ports.consent.public_url:
        return "Then it is connected by itself; see it: entra-syncro customers list"
    return (
        "The page after the consent will not open; that is expected. Copy its whole address and run: "
        f"entra-syncro customers connect {asked.customer_id} --callback 'ADDRESS'"
    )


def _is_same(known: Invite, tenant: str, *, shared: bool) -> bool:
    return known.state is InviteState.OPEN and known.tenant_id == tenant and known.is_shared == shared
