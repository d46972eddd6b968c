"""Why a failed change failed, in words: who refused what, who must do what, and a cause as operators type it. Pure.

A letter of an older release keeps its code without the service; then only what all services share is said. The table
of cures is `shared/domain/cures.py`. Next: `shared/domain/letters.py`, which groups by cause.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.domain.cure import REPORT, Action, Cure
from shared.domain.cures import TABLE
from shared.domain.records import DeadLetter

_MET = ("syncro", "graph", "login")  # services that a look may fail at for good
_NAMES: Mapping[str, str] = {"syncro": "Syncro", "graph": "Microsoft", "login": "Microsoft's sign-in"}
_SERVICES = frozenset(code.partition(":")[0] for code in TABLE) | {*_MET, "worker", "ledger", "broker", "state"}
_OURS: Mapping[str, Cure] = {
    "unreadable": Cure(
        "What lay in the queue could not be read.",
        f"Keep the bytes (entra-syncro dead-letters export ID FILE). {REPORT}",
        Action.WAIT_FOR_PERSON,
    ),
    "wrong_lane": Cure("A message lay where nobody can use it.", REPORT, Action.WAIT_FOR_PERSON),
    "unexpected": Cure("This program met what it did not foresee.", REPORT, Action.WAIT_FOR_PERSON),
}


def cure_of_letter(error_class: str, detail: str, service: str = "") -> Cure:
    """`service` "": unknown; where several know the code, only what they share is said."""
    ours = _OURS.get(error_class) or TABLE.get(f"{service}:{error_class}" if service else error_class)
    if ours is not None:
        return ours
    asked = (service,) if service else _MET
    known = [TABLE[code] for code in (f"{each}:{error_class}" for each in asked) if code in TABLE]
    if len(known) == 1:
        return known[0]
    what = _with_name(service, detail or error_class.replace("_", " "))
    who = "The cause was outside of this program: when it is over, try these changes again."
    if not known:
        who = "The log has the details. When the cause is gone, try these changes again."
    return Cure(f"{what[:1].upper()}{what[1:].rstrip('.')}.", who, Action.WAIT_FOR_PERSON)


def said(letter: DeadLetter) -> str:
    """Who failed, and why, in a few words: "Syncro: the phone is too long"."""
    return _with_name(letter.service, letter.detail or letter.error_class.replace("_", " "))


def cause_of(error_class: str, detail: str, service: str = "") -> str:
    """As an operator types it: CODE or SERVICE:CODE, and the detail after a colon."""
    code = f"{service}:{error_class}" if service else error_class
    return f"{code}: {detail}" if detail else code


def parts_of_cause(cause: str) -> tuple[str, str, str]:
    """Service, code and detail of a cause as typed; "" for what it leaves open."""
    service, _, rest = cause.partition(":")
    if service.strip() not in _SERVICES:
        service, rest = "", cause
    code, _, detail = rest.partition(":")
    return service.strip(), code.strip(), detail.strip()


def _with_name(service: str, what: str) -> str:
    name = _NAMES.get(service, "")
    return f"{name}: {what}" if name and not what.startswith(name.partition("'")[0]) else what
