"""What people were told of and is not over yet, how the channels fare, and a test message over each of them.

Who tells them is the worker. A mail and a card are really sent, for a message that nobody gets proves nothing; a ticket
is written into Syncro, so it is only shown until somebody insists.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from console.operations.actor import note
from console.operations.errors import wrong_use
from console.operations.ports import OperatorPorts
from shared.domain.cures import cure_of, cure_of_code
from shared.domain.desk import Notice
from shared.domain.errors import Ambiguous, SyncError
from shared.domain.notice_letters import NoticeLetter, trial_letter
from shared.domain.notices import STATE_KEPT, UNSURE, channel_key, for_people, is_red
from shared.ports import Channel

NONE_SET = "No channel for notices is set. Set notices.smtp.host, notices.teams_url or notices.ticket_customer."
_TICKETS = "ticket"  # the one channel that writes to Syncro
_NO_ANSWER = "It was sent, and no answer came back: it may have arrived or not."
_LOOK = "See whether it is there; if not: entra-syncro notices test"


@dataclass(frozen=True, slots=True)
class ChannelState:
    """`code`: why its last letter did not arrive ("service:code"), "" when it did or none was sent yet.

    `is_unsure`: it was sent, and the answer was lost.
    """

    name: str
    code: str = ""
    what: str = ""
    who_does_what: str = ""
    is_unsure: bool = False


class TrialResult(StrEnum):
    SENT = "sent"
    UNSURE = "unsure"  # sent, and the answer was lost
    FAILED = "failed"
    SHOWN = "shown"  # only said what it would do


@dataclass(frozen=True, slots=True)
class ChannelTrial:
    """What a test message over one channel came to. `code` as in `ChannelState`."""

    name: str
    result: TrialResult
    code: str = ""
    what: str = ""
    who_does_what: str = ""


@dataclass(frozen=True, slots=True)
class ShownNotice:
    notice: Notice
    is_red: bool


@dataclass(frozen=True, slots=True)
class NoticesSeen:
    notices: Sequence[ShownNotice]
    channels: Sequence[ChannelState]


async def notices(ports: OperatorPorts) -> NoticesSeen:
    """The open ones, oldest first."""
    standing = for_people(await ports.notices.standing())
    return NoticesSeen([ShownNotice(each, is_red(each)) for each in standing], await channel_states(ports))


async def channel_states(ports: OperatorPorts) -> Sequence[ChannelState]:
    """Of the channels that this machine's settings name. Raises what the state raises."""
    states: list[ChannelState] = []
    for channel in ports.channels:
        code = await ports.memory.recall(channel_key(channel.name)) or ""
        states.append(_failing(channel.name, code) if code else ChannelState(channel.name))
    return states


def _failing(name: str, told: str) -> ChannelState:
    code = told.removeprefix(UNSURE)
    cure = cure_of_code(code)
    if told.startswith(UNSURE):
        return ChannelState(name, code, f"{cure.what} {_NO_ANSWER}", _LOOK, is_unsure=True)
    return ChannelState(name, code, cure.what, cure.who_does_what)


async def try_channels(
    ports: OperatorPorts, only: str = "", *, opens_tickets: bool = False, by: str = ""
) -> Sequence[ChannelTrial]:
    """One test message over each channel, or over the one named; what each answered.

    A ticket is opened only with `opens_tickets`, as resolved, so that nobody has to close it. The deed is noted first:
    a ledger that is away leaves nothing sent.
    """
    channels = [channel for channel in ports.channels if only in ("", channel.name)]
    if not ports.channels:
        raise wrong_use(NONE_SET)
    if not channels:
        known = ", ".join(channel.name for channel in ports.channels)
        raise wrong_use(f"No channel {only} is set; set are: {known}.")
    letter = trial_letter(ports.clock.now())
    shown = {channel.name for channel in channels if channel.name == _TICKETS and not opens_tickets}
    sending = [channel.name for channel in channels if channel.name not in shown]
    if sending:
        await note(ports, by, "test-notices", channels=", ".join(sending))
    return [_shown(each, letter) if each.name in shown else await _try(ports, each, letter) for each in channels]


def _shown(channel: Channel, letter: NoticeLetter) -> ChannelTrial:
    what = f'Would open a ticket "{letter.subject}" in Syncro, on the customer of notices.ticket_customer, as resolved.'
    return ChannelTrial(
        channel.name, TrialResult.SHOWN, "", what, "Open it: entra-syncro notices test --channel ticket --yes"
    )


async def _try(ports: OperatorPorts, channel: Channel, letter: NoticeLetter) -> ChannelTrial:
    trial = await _sent(channel, letter)
    state = f"{UNSURE if trial.result is TrialResult.UNSURE else ''}{trial.code}"
    with suppress(SyncError):  # what the channel answered is worth more than that others can read it
        await ports.memory.remember(channel_key(channel.name), state, ttl=STATE_KEPT)
    return trial


async def _sent(channel: Channel, letter: NoticeLetter) -> ChannelTrial:
    try:
        await channel.send(letter)
    except Ambiguous as error:
        code, cure = f"{error.service}:{error.code}", cure_of(error)
        return ChannelTrial(
            channel.name, TrialResult.UNSURE, code, f"{cure.what} {_NO_ANSWER}", "See whether it is there."
        )
    except SyncError as error:
        code, cure = f"{error.service}:{error.code}", cure_of(error)
        return ChannelTrial(channel.name, TrialResult.FAILED, code, cure.what, cure.who_does_what)
    return ChannelTrial(channel.name, TrialResult.SENT)
