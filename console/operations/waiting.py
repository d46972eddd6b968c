"""Consents that wait: for the customer's administrator, for a technician's look, or that came to nothing; and why.

What `customers list` shows beside the connections. Each waits with the command or the person that ends it. Next:
`console/operations/connecting.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from console.operations.connecting import can_sign, consent_link
from console.operations.ports import OperatorPorts
from console.operations.refusals import why_not
from shared.domain.linking import is_living
from shared.domain.onboarding import Invite, InviteState, WithoutEntra
from shared.domain.permissions import named
from shared.domain.records import Connection


@dataclass(frozen=True, slots=True)
class Waiting:
    """One consent that is not a connection (yet). `link`: for the administrator, "" when it serves no more.

    `next`: who does what, one sentence.
    """

    invite: Invite
    state: str
    link: str
    next: str


@dataclass(frozen=True, slots=True)
class Customers:
    """`connections` that are or were; `consents` that wait or failed; customers said to be `without_entra`."""

    connections: Sequence[Connection]
    consents: Sequence[Waiting]
    without_entra: Sequence[WithoutEntra]


async def listed(ports: OperatorPorts) -> Customers:
    connections, now = await ports.connections.list(), ports.clock.now()
    newest = await ports.invites.newest()
    tied = [each for each in connections if is_living(each)]
    waiting = [
        _waiting(ports, invite, tied, now)
        for _, invite in sorted(newest.items())
        if invite.state is not InviteState.CONNECTED
    ]
    return Customers(connections, waiting, await ports.apart.all())


def _waiting(ports: OperatorPorts, invite: Invite, tied: Sequence[Connection], now: datetime) -> Waiting:
    named_tenant = f" --tenant {invite.tenant_id}" if invite.tenant_id else ""
    again = f"entra-syncro customers connect {invite.customer_id}{named_tenant}"
    match invite.state:
        case InviteState.OPEN if invite.expires_at <= now:
            return Waiting(invite, "link expired", "", f"Nobody answered in time. Make a new link: {again}")
        case InviteState.OPEN:
            link = consent_link(ports, invite) if can_sign(ports) else ""
            return Waiting(invite, "waiting for consent", link, _send(ports, invite, link))
        case InviteState.TAKEN:
            cut = f"If this lasts for more than a minute it was cut off; make a new link: {again}"
            return Waiting(invite, "being checked", "", cut)
        case InviteState.CONSENTED:
            return Waiting(invite, "waiting for your confirmation", "", confirmation(invite, tied))
        case InviteState.DECLINED:
            return Waiting(
                invite, "declined", "", f"Microsoft: {why_not(invite)}. Ask the administrator, then: {again}"
            )
        case InviteState.FAILED:
            return Waiting(
                invite, "failed", "", f"Microsoft: {why_not(invite)}. {_cure(invite)} Make a new link: {again}"
            )
        case InviteState.CONNECTED | InviteState.REPLACED:
            return Waiting(invite, "done", "", "")
        case _:
            assert_never(invite.state)


def _send(ports: OperatorPorts, invite: Invite, link: str) -> str:
    failed = f"The last answer could not be checked ({why_not(invite)}); the link still works. " if invite.code else ""
    if not link:
        return f"{failed}The link can be shown where the receiver runs: this machine lacks receiver.secrets.k1."
    if ports.consent.public_url:
        return f"{failed}The customer's administrator must open {link}"
    return (
        f"{failed}The customer's administrator must open {link} and send you the address of the page that comes after, "
        f"then: entra-syncro customers connect {invite.customer_id} --callback 'ADDRESS'"
    )


def confirmation(invite: Invite, tied: Sequence[Connection]) -> str:
    """Who answered, and the command that confirms it. `tied`: all living connections."""
    who = invite.answered_by
    if who is None:
        return "Look again in a minute: entra-syncro customers list"
    add = " --add-tenant" if any(each.customer_id == invite.customer_id for each in tied) else ""
    theirs = next((e for e in tied if who.tenant_id in e.tenants and e.customer_id != invite.customer_id), None)
    taken = f" It belongs to customer {theirs.customer_id} ({theirs.customer_name}) already." if theirs else ""
    share = " --shared-tenant" if theirs else ""
    other = "ANOTHER TENANT THAN ASKED: " if invite.tenant_id not in ("", who.tenant_id) else ""
    lacks = f" It lacks {named(invite.missing)}." if invite.missing else ""
    known_by = f"{who.name} ({', '.join(who.domains)})"
    return (
        f"{other}{known_by} consented.{taken}{lacks} Is that {invite.customer_name}? Then confirm: "
        f"entra-syncro customers connect {invite.customer_id} --tenant {who.tenant_id}{share}{add}"
    )


def _cure(invite: Invite) -> str:
    if invite.missing:
        return "See that the app registration asks for them, and that no policy of the tenant takes them away."
    return "An administrator of the customer must let the app in."
