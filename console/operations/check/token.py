"""The Syncro token: does it open the account, whose is it, and which of the three rights does it have?

A missing right is a 401 like a wrong token; only the text tells them apart (`shared/adapters/syncro/errors.py`). So
each right is proved by a call that needs exactly it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from console.operations.check.patient import AGAIN, Patient, of_error
from console.operations.ports import OperatorPorts
from shared.domain.contact import Contact, Customer
from shared.domain.errors import StopTheLine, SyncError
from shared.domain.findings import Finding, Level, Organ
from shared.domain.records import WriteState
from shared.ports import TokenOwner

LIST, DETAIL, EDIT = "Customers - List/Search", "Customers - View Detail", "Customers - Edit"
_ENTRIES = 200  # of the journal, newest first: one write that worked is enough
FEW = 5

_NEW_TOKEN = (
    "The user who owns the token does this in Syncro: 1. Admin, API Tokens, New Token, Custom Permissions. 2. Tick "
    f"{LIST}, {DETAIL} and {EDIT}. 3. Copy it (it is shown once) into syncro.api_token and restart. If the token was "
    "right before, see in Admin, Users whether its owner was deactivated, and in API Tokens whether it has expired: "
    "then make the new one as a user that stays."
)
_UNPROVED = (
    "Nobody has to act if syncs work: the first write proves it. To know now: entra-syncro check --probe-contact ID, "
    "with a contact made for this."
)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class TokenLook:
    """What the token gave, for the organs after this one. `opens`: the account lets it in at all."""

    findings: tuple[Finding, ...]
    opens: bool
    contacts: Sequence[Contact] = ()


async def token(ports: OperatorPorts, patient: Patient) -> TokenLook:
    """Raises Transient when Syncro cannot be asked at all (no state, no pace, no network)."""
    async with ports.pace.reserve(1) as allowance:
        try:
            owner = await ports.account.owner(allowance)
        except StopTheLine as error:
            if error.code == "permission":
                raise
            return TokenLook((_refused(error),), opens=False)
        findings = [_owner(owner)]
        customers = await _proved(LIST, findings, lambda: ports.syncro_customers.listing(allowance))
        contacts = await _proved(DETAIL, findings, lambda: ports.account.some_contacts(allowance))
        findings += await _edit(ports, await ports.account.may_edit(allowance))
    if customers is not None:
        findings += _unseen(customers, patient)
    return TokenLook(tuple(findings), opens=True, contacts=contacts or ())


def edit_proved(found: Sequence[Finding], probed: Sequence[Finding]) -> list[Finding]:
    """A probe that was carried out has written: what was doubtful is proved."""
    wrote = any("undefined" in finding.details for finding in probed)
    return [_may(EDIT) if wrote and finding.cure == _UNPROVED else finding for finding in found]


async def _proved(right: str, findings: list[Finding], call: Callable[[], Awaitable[Result]]) -> Result | None:
    """The call's answer; None without the right. What went wrong otherwise is said as it is."""
    try:
        answer = await call()
    except StopTheLine as error:
        findings.append(_lacks(right) if error.code == "permission" else of_error(Organ.SYNCRO_TOKEN, error))
        return None
    except SyncError as error:
        findings.append(of_error(Organ.SYNCRO_TOKEN, error))
        return None
    findings.append(_may(right))
    return answer


async def _edit(ports: OperatorPorts, may_edit: bool | None) -> list[Finding]:
    if may_edit is None:
        may_edit = await _has_written(ports)
    if may_edit is None:
        what = f"Whether it may ({EDIT}) could not be told without writing."
        return [Finding(Level.YELLOW, Organ.SYNCRO_TOKEN, what, _UNPROVED, details={"permission": EDIT})]
    if not may_edit:
        return [_lacks(EDIT)]
    return [_may(EDIT)]


async def _has_written(ports: OperatorPorts) -> bool | None:
    """True if a write of ours worked lately; None says nothing."""
    try:
        entries = await ports.journal.entries(limit=_ENTRIES)
    except SyncError:  # the ledger has a finding of its own
        return None
    return True if any(entry.state is WriteState.WRITTEN for entry in entries) else None


def _refused(error: StopTheLine) -> Finding:
    if error.code != "token":
        return of_error(Organ.SYNCRO_TOKEN, error)
    what = "Syncro refuses the token: it is wrong or has expired, or its owner was deactivated."
    return Finding(Level.RED, Organ.SYNCRO_TOKEN, what, f"{_NEW_TOKEN} {AGAIN}", details={"code": "syncro:token"})


def _owner(owner: TokenOwner) -> Finding:
    who = f"{owner.user_name or 'a user without a name'}{' (administrator)' if owner.is_admin else ''}"
    what = (
        f"The token belongs to {who} in {owner.subdomain}. When this user is deactivated in Syncro, everything stops: "
        "best it is a user for this program alone."
    )
    return Finding(Level.GREEN, Organ.SYNCRO_TOKEN, what, details={"owner": owner.user_name})


def _may(right: str) -> Finding:
    return Finding(Level.GREEN, Organ.SYNCRO_TOKEN, f"It may: {right}.", details={"permission": right})


def _lacks(right: str) -> Finding:
    cure = (
        f"An administrator does this in Syncro: 1. Admin, API Tokens, the token (or a new one), Custom Permissions. 2. "
        f"Tick {right}. 3. See that the group of the token's owner (Admin, Security Groups) has it too. {AGAIN}"
    )
    details = {"permission": right, "code": "syncro:permission"}
    return Finding(Level.RED, Organ.SYNCRO_TOKEN, f"The token lacks the permission {right}.", cure, details=details)


def _unseen(customers: Iterable[Customer], patient: Patient) -> list[Finding]:
    """A token that is limited to some customers says so nowhere."""
    seen = {customer.id for customer in customers}
    unseen = [tied for tied in patient.connections if tied.customer_id not in seen]
    if not unseen:
        return []
    names = ", ".join(f"{tied.customer_name} ({tied.customer_id})" for tied in unseen[:FEW])
    more = f" and {len(unseen) - FEW} more" if len(unseen) > FEW else ""
    cure = (
        "An administrator does this in Syncro: 1. Admin, Security Groups, the group of the token's owner: allow all "
        "customers, or these too. 2. If a customer was deleted there: entra-syncro customers disconnect CUSTOMER. "
        f"{AGAIN}"
    )
    what = f"The token does not see connected customers: {names}{more}."
    details = {"customers": [tied.customer_id for tied in unseen]}
    return [Finding(Level.RED, Organ.SYNCRO_TOKEN, what, cure, details=details)]
