"""What the doctor says of the channels for notices."""

from __future__ import annotations

from console.operations.check.channels import channels
from shared.domain.findings import Level
from shared.domain.notices import channel_key
from tests.support.desk import Desk
from tests.support.fake_channel import FakeChannel


async def test_none_is_needed(desk: Desk) -> None:
    assert await channels(desk.ports) == []


async def test_one_that_fails_is_named_with_its_cure(desk: Desk) -> None:
    desk.channels += [FakeChannel("smtp"), FakeChannel("ticket"), FakeChannel("teams")]
    await desk.world.memory.remember(channel_key("teams"), "?teams:timed_out", ttl=60.0)
    await desk.world.memory.remember(channel_key("ticket"), "ticket:permission", ttl=60.0)
    mail, ticket, teams = await channels(desk.ports)
    assert teams.what.startswith("Notices by Teams may not have arrived. Teams did not answer in time.")
    assert (mail.level, mail.what) == (Level.GREEN, "Notices go out by mail; no failure is known.")
    assert (ticket.level, ticket.what) == (
        Level.YELLOW,
        "Notices by tickets in Syncro do not arrive. The API token may not create tickets.",
    )
    assert "Tickets - Create" in ticket.cure
