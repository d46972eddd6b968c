"""Why a link is not made, an invite not usable, a consent not good: one sentence each. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from shared.domain.consent import TokenFault
from shared.domain.consent_answer import NoCode, OddCode
from shared.domain.linking import LinkVerdict, Tie
from shared.domain.onboarding import Invite, InviteState
from shared.domain.permissions import named
from shared.runtime.answering import MISSING_ROLES

_WHOLE = "Copy the whole address from the browser's address bar, from https:// to its end, and put it in quotes."
_ANSWERS = {
    f"login:{NoCode.DECLINED.value}": "the administrator declined",
    f"login:{NoCode.NOT_ADMIN.value}": "who signed in is no administrator of the tenant",
    f"login:{NoCode.NOT_IN_TENANT.value}": (
        "who signed in has no account in the tenant, and no partner relationship (GDAP) covers it"
    ),
    f"login:{NoCode.BLOCKED.value}": "a policy of the tenant blocks the app or the sign-in",
    f"login:{NoCode.OTHER.value}": "Microsoft answered with an error",
    "login:consent_missing": "Microsoft says that the tenant does not know the app",
    "login:tenant_unknown": "Microsoft knows no such tenant",
    "login:blocked_by_policy": "a policy of the tenant blocks the app",
    "login:app_disabled": "the app is disabled in the tenant",
    "login:not_assigned": "the app is not assigned in the tenant",
}


def refusal(customer_id: int, verdict: LinkVerdict) -> str:
    """Of a verdict that does not allow the link, or finds it made already."""
    other = verdict.other
    match verdict.tie:
        case Tie.APART:
            return (
                f"Somebody said that customer {customer_id} has no Entra tenant. If it has one, say so first: "
                f"entra-syncro customers without-entra {customer_id} --undo"
            )
        case Tie.ALREADY:
            return (
                f"Customer {customer_id} is connected to this tenant already. "
                f"Look at its plan: entra-syncro preview --customer {customer_id}"
            )
        case Tie.OTHER_TENANT:
            tenants = ", ".join(other.tenants) if other else ""
            return (
                f"Customer {customer_id} is connected already, to {tenants}. "
                "Check the numbers: entra-syncro customers list. "
                "If this customer really has several tenants, repeat with --add-tenant."
            )
        case Tie.OTHER_CUSTOMER:
            who = f"{other.customer_id} ({other.customer_name})" if other else ""
            return (
                f"This tenant belongs to customer {who} already. "
                "If both customers really share it, repeat with --shared-tenant."
            )
        case Tie.NEW | Tie.ADDED:
            return f"Customer {customer_id} may be connected."
        case _:
            assert_never(verdict.tie)


def unusable(code: TokenFault | OddCode) -> str:
    """Of a pasted address that says nothing we act on. Nothing was changed."""
    match code:
        case TokenFault.EXPIRED:
            return (
                "This consent took too long: the link has expired; nothing was changed. "
                "Make a new one: entra-syncro customers connect CUSTOMER"
            )
        case TokenFault.UNKNOWN_SECRET | TokenFault.FORGED:
            return (
                "This address was not begun by this entra-syncro, or it was altered; nothing was changed. "
                "Make a new link: entra-syncro customers connect CUSTOMER"
            )
        case TokenFault.OTHER_BROWSER:
            return "This consent was begun in another browser; open the link there again."
        case TokenFault.WRONG_KIND:
            return (
                "This is the link itself, not the answer to it; nothing was changed. "
                f"Open it, accept, and paste the address of the page that comes after. {_WHOLE}"
            )
        case TokenFault.GARBAGE | OddCode.NO_STATE | OddCode.REPEATED:
            return f"This is not the whole address that follows the consent; nothing was changed. {_WHOLE}"
        case OddCode.NO_TENANT | OddCode.TENANT_IS_NO_GUID:
            return f"The address names no tenant; nothing was changed. Open the link and accept again. {_WHOLE}"
        case _:
            assert_never(code)


def spent(known: Invite | None, now: datetime) -> str:
    """Of an invite that cannot be taken."""
    if known is None:
        return "This entra-syncro knows no such invitation; nothing was changed. Look: entra-syncro customers list"
    again = f"entra-syncro customers connect {known.customer_id}"
    match known.state:
        case InviteState.REPLACED:
            return f"A newer link took the place of this one; nothing was changed. See it: {again}"
        case InviteState.OPEN if known.expires_at <= now:
            return f"This link has expired; nothing was changed. Make a new one: {again}"
        case InviteState.OPEN | InviteState.TAKEN:
            return "This answer is being checked already. Look in a minute: entra-syncro customers list"
        case InviteState.CONSENTED | InviteState.CONNECTED | InviteState.DECLINED | InviteState.FAILED:
            return "This answer was used already; nothing was changed. See what came of it: entra-syncro customers list"
        case _:
            assert_never(known.state)


def why_not(settled: Invite) -> str:
    """Why a consent was declined or failed, without the next step."""
    if settled.code == MISSING_ROLES:
        return f"the consent does not cover {named(settled.missing)}"
    return _ANSWERS.get(settled.code, settled.code.partition(":")[2].replace("_", " ") or "it failed")
