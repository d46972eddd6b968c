"""What people were told of and is not over yet, how the channels fare, and a test message over each of them.

Who tells them is the worker. A test is not dry: a message that nobody gets proves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.operations.actor import note
from console.operations.errors import wrong_use
from console.operations.ports import OperatorPorts
from shared.domain.cures import cure_of, cure_of_code
from shared.domain.desk import Notice
from shared.domain.errors import SyncError
from shared.domain.notice_letters import NoticeLetter, trial_letter
from shared.domain.notices import channel_key, for_people, is_red
from shared.ports import Channel

NONE_SET = "No channel for notices is set. Set notices.smtp.host, notices.teams_url or notices.ticket_customer."


@dataclass(frozen=True, slots=True)
class ChannelState:
    """`code`: why its last letter did not arrive ("service:code"), "" when it did or none was sent yet."""

    name: str
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


def _failing(name: str, code: str) -> ChannelState:
    cure = cure_of_code(code)
    return ChannelState(name, code, cure.what, cure.who_does_what)


async def try_channels(ports: OperatorPorts, only: str = "", *, by: str = "") -> Sequence[ChannelState]:
    """One test message over each channel, or over the one named; what each answered."""
    channels = [channel for channel in ports.channels if only in ("", channel.name)]
    if not ports.channels:
        raise wrong_use(NONE_SET)
    if not channels:
        known = ", ".join(channel.name for channel in ports.channels)
        raise wrong_use(f"No channel {only} is set; set are: {known}.")
    letter = trial_letter(ports.clock.now())
    tried = [await _try(channel, letter) for channel in channels]
    await note(ports, by, "test-notices", channels=", ".join(each.name for each in tried))
    return tried


async def _try(channel: Channel, letter: NoticeLetter) -> ChannelState:
    try:
        await channel.send(letter)
    except SyncError as error:
        cure = cure_of(error)
        return ChannelState(channel.name, f"{error.service}:{error.code}", cure.what, cure.who_does_what)
    return ChannelState(channel.name)
