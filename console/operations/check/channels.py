"""Do notices reach people? As the worker last saw it; nothing is sent, which is what `notices test` is for."""

from __future__ import annotations

from collections.abc import Sequence

from console.operations.notices import ChannelState, channel_states
from console.operations.ports import OperatorPorts
from shared.domain.findings import Finding, Level, Organ

_NAMES = {"smtp": "mail", "teams": "Teams", "ticket": "tickets in Syncro"}


async def channels(ports: OperatorPorts) -> Sequence[Finding]:
    """One for each channel that is set, none without any."""
    return [_finding(state) for state in await channel_states(ports)]


def _finding(state: ChannelState) -> Finding:
    name = _NAMES.get(state.name, state.name)
    if not state.code:
        return Finding(Level.GREEN, Organ.CHANNELS, f"Notices go out by {name}; no failure is known.")
    fares = "may not have arrived" if state.is_unsure else "do not arrive"
    what = f"Notices by {name} {fares}. {state.what}"
    return Finding(Level.YELLOW, Organ.CHANNELS, what, state.who_does_what, details={"code": state.code})
