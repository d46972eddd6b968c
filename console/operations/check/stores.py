"""Queue, short-lived state and ledger: is each there, and does it take and give what it should?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from console.operations.check.patient import AGAIN, of_error
from console.operations.ports import OperatorPorts
from shared.domain.errors import SyncError
from shared.domain.findings import Finding, Level, Organ

_KEY = "check:round-trip"
_KEPT = 60.0  # seconds that the round trip's value may stay
_MEANWHILE = {
    Organ.QUEUE: "Meanwhile notifications are answered with 503, and Microsoft repeats them.",
    Organ.STATE: "Meanwhile nothing is written to Syncro, and changes wait.",
    Organ.LEDGER: "Meanwhile nothing is written to Syncro, and changes wait.",
}
_WITHOUT_WORDS = {"timeout": "no answer in time", "timed_out": "no answer in time"}
_SETTINGS = {Organ.QUEUE: "broker", Organ.STATE: "state", Organ.LEDGER: "ledger"}


async def queue(ports: OperatorPorts) -> Sequence[Finding]:
    try:
        waiting = await ports.depths.depths()
    except SyncError as error:
        return [_away(Organ.QUEUE, error)]
    counts = {lane.value: count for lane, count in waiting.items()}
    return [Finding(Level.GREEN, Organ.QUEUE, f"Answers; waiting: {sum(counts.values())}.", details=counts)]


async def state(ports: OperatorPorts) -> Sequence[Finding]:
    value = ports.clock.now().isoformat()
    try:
        await ports.memory.remember(_KEY, value, ttl=_KEPT)
        kept = await ports.memory.recall(_KEY)
    except SyncError as error:
        return [_away(Organ.STATE, error)]
    if kept == value:
        return [Finding(Level.GREEN, Organ.STATE, "Keeps what it is given.")]
    cure = f"Give the server that state.url names more memory, and see that nobody else empties it. {AGAIN}"
    return [Finding(Level.YELLOW, Organ.STATE, "Forgot at once what it was given.", cure)]


async def ledger(ports: OperatorPorts) -> Sequence[Finding]:
    try:
        await ports.ledger_probe()
    except SyncError as error:
        return [_away(Organ.LEDGER, error)]
    return [Finding(Level.GREEN, Organ.LEDGER, "Answers.")]


def _away(organ: Organ, error: SyncError) -> Finding:
    setting = _SETTINGS[organ]
    cure = (
        f"Start the server that {setting}.url names, or correct {setting}.url in the settings "
        f"(ENTRA_SYNCRO_{setting.upper()}__URL). {_MEANWHILE[organ]} {AGAIN}"
    )
    detail = (error.detail or _WITHOUT_WORDS.get(error.code) or error.code.replace("_", " ")).rstrip(".")
    return replace(of_error(organ, error), what=f"Cannot be used: {detail}.", cure=cure)
