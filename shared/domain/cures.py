"""What every failure means for a person, and what we do about it: "service:code" -> `Cure`. One table, pure.

The codes are made by the adapters (`shared/adapters/*/errors.py`), kept by the ledger (`SubscriptionState.code`,
`Poll.code`) and read here by everybody who tells a person: `console/cli/explain.py`, `status`, `check`. No text of a
vendor's is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from shared.domain.cure import NOBODY, Action, Cure, account, tenant
from shared.domain.cures_of_microsoft import OF_MICROSOFT, PERMISSIONS
from shared.domain.cures_of_notices import OF_NOTICES
from shared.domain.cures_of_sign_in import OF_SIGN_IN
from shared.domain.cures_of_syncro import OF_SYNCRO
from shared.domain.errors import Permanent, Scope, StopTheLine, SyncError, Transient

__all__ = ["TABLE", "Action", "Cure", "cure_of", "cure_of_code"]

_CREDENTIALS = {
    "login": "graph.app_id and the app's credential (graph.app_secret, certificate or federation)",
    "syncro": "syncro.api_token and its permissions",
}

TABLE: Mapping[str, Cure] = {**OF_MICROSOFT, **OF_SIGN_IN, **OF_SYNCRO, **OF_NOTICES}

_UNNAMED = Cure(
    "An unexpected failure.", "The log has the details; report it if it comes again.", Action.WAIT_FOR_PERSON
)


def cure_of_code(code: str) -> Cure:
    """Of a stored "service:code". An unknown one (of a newer or older release) is no reason to fall silent."""
    known = TABLE.get(code)
    if known is not None:
        return known
    return Cure(f"{code.partition(':')[2].replace('_', ' ') or code}.", _UNNAMED.who_does_what, _UNNAMED.action)


def cure_of(error: SyncError) -> Cure:
    """Of a failure at hand: the table's, or what its family says."""
    return TABLE.get(f"{error.service}:{error.code}") or _by_family(error)


def _by_family(error: SyncError) -> Cure:
    what = error.detail or error.code.replace("_", " ")
    match error:
        case StopTheLine(scope=scope):
            return _stopped(what, scope, error.service)
        case Transient():
            return Cure(what, NOBODY, Action.RETRY_SOON)
        case Permanent():
            return Cure(what, "Waiting will not help; the log has the details.", Action.WAIT_FOR_PERSON)
        case _:
            return Cure(what, _UNNAMED.who_does_what, Action.WAIT_FOR_PERSON)


def _stopped(what: str, scope: Scope, service: str) -> Cure:
    match scope:
        case Scope.TENANT:
            return tenant(what, PERMISSIONS)
        case Scope.ACCOUNT:
            return account(what, f"Check {_CREDENTIALS.get(service, 'the credentials')} in the settings.")
        case _:
            assert_never(scope)
