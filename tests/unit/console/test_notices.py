"""`notices list` and `notices test`: what stands, who was told, whether messages arrive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shared.domain.desk import Notice
from shared.domain.errors import Ambiguous, Permanent, Transient
from shared.domain.notice_letters import Purpose
from shared.domain.notices import channel_key
from tests.support.clock import START
from tests.support.fake_channel import FakeChannel
from tests.unit.console.conftest import Shell

HELD = Notice("held:7", "held", 7, "Contoso (7): waiting for approval: 12 contacts.", START)


def opened(shell: Shell, *notices: Notice) -> None:
    shell.desk.world.ledger.notices.held += notices


def test_nothing_stands(shell: Shell) -> None:
    said = shell("notices", "list")
    assert (said.code, "Nothing stands that anybody must be told of." in said.out) == (0, True)
    assert "No channel for notices is set. Set notices.smtp.host" in said.out


def test_what_stands_and_who_was_told(shell: Shell) -> None:
    shell.desk.channels.append(FakeChannel("teams"))
    opened(shell, replace(HELD, told_at=START, told_over=("smtp", "ticket"), unsure_over=("ticket",)))
    opened(shell, Notice("stale:8", "stale", 8, "C8 (8): behind.", START))
    opened(shell, Notice("summary:2026-11-24", "summary", None, "Summary", START))
    said = shell("notices", "list")
    assert "Contoso (7): waiting for approval: 12 contacts." in said.out
    told = [cell.strip() for line in said.out.splitlines() if line.count("│") == 4 for cell in [line.split("│")[2]]]
    assert told == ["11-24 09:00", "mail", "ticket?", "not yet", "(urgent)"]
    assert "A question mark: it was sent, and no answer came back." in said.out
    assert "Summary" not in said.out


def test_a_channel_that_fails_is_said_with_its_cure(shell: Shell) -> None:
    shell.desk.channels += [FakeChannel("teams"), FakeChannel("smtp"), FakeChannel("ticket")]
    shell.run(shell.desk.world.memory.remember(channel_key("teams"), "teams:gone", ttl=60.0))
    shell.run(shell.desk.world.memory.remember(channel_key("ticket"), "?ticket:timed_out", ttl=60.0))
    said = shell("notices", "list")
    assert "ticket in Syncro: nobody can tell whether the last message arrived." in said.out
    assert "Teams: notices do not arrive. The Workflow of the Teams channel is gone or refuses us." in said.out
    assert "mail:" not in said.out


def test_what_programs_read(shell: Shell) -> None:
    shell.desk.channels.append(FakeChannel("teams"))
    opened(shell, HELD)
    found: Any = shell("notices", "list", "--json").json
    assert found["notices"] == [
        {
            "notice": {
                "key": "held:7",
                "kind": "held",
                "customer_id": 7,
                "sentence": HELD.sentence,
                "opened_at": "2026-11-24T09:00:00+00:00",
                "told_at": None,
                "cleared_at": None,
                "told_over": [],
                "unsure_over": [],
                "meant_for": [],
            },
            "is_red": False,
        }
    ]
    assert found["channels"] == [{"name": "teams", "code": "", "what": "", "who_does_what": "", "is_unsure": False}]


def test_a_test_goes_over_every_channel_and_says_what_each_answered(shell: Shell) -> None:
    mail, teams = FakeChannel("smtp", broken=Permanent("smtp", "login_refused")), FakeChannel("teams")
    shell.desk.channels += [mail, teams]
    said = shell("notices", "test")
    assert said.code == 1
    assert "mail: failed. The mail server refuses the sign-in." in said.out
    assert "Teams: taken." in said.out
    assert [letter.purpose for letter in teams.letters] == [Purpose.TEST]


def test_a_test_of_one_channel_alone_and_its_deed(shell: Shell) -> None:
    mail, teams = FakeChannel("smtp"), FakeChannel("teams")
    shell.desk.channels += [mail, teams]
    said = shell("notices", "test", "--channel", "teams", "--json")
    assert (said.code, said.json) == (
        0,
        [{"name": "teams", "result": "sent", "code": "", "what": "", "who_does_what": ""}],
    )
    assert (mail.attempts, teams.attempts) == (0, 1)
    (deed,) = shell.run(shell.desk.ports.deeds.recent())
    assert (deed.by, deed.what, dict(deed.facts)) == ("ada", "test-notices", {"channels": "teams"})


def test_a_test_says_from_now_on_how_a_channel_fares(shell: Shell) -> None:
    teams, memory = FakeChannel("teams", broken=Permanent("teams", "gone")), shell.desk.world.memory
    shell.desk.channels.append(teams)
    for failure, state in (
        (teams.broken, "teams:gone"),
        (Ambiguous("teams", "timed_out"), "?teams:timed_out"),
        (None, ""),
    ):
        teams.broken = failure
        shell("notices", "test")
        assert shell.run(memory.recall(channel_key("teams"))) == state
    memory.away = True
    assert shell("notices", "test").code == 0, "a message that arrived did arrive"


def test_nothing_is_sent_whose_deed_cannot_be_noted(shell: Shell) -> None:
    ticket = FakeChannel("ticket")
    shell.desk.channels.append(ticket)
    shell.desk.world.ledger.away = True
    assert shell("notices", "test", "--yes").code != 0
    assert ticket.attempts == 0


def test_a_failure_that_passes_is_a_failure_too_and_a_lost_answer_is_said(shell: Shell) -> None:
    shell.desk.channels.append(FakeChannel("smtp", broken=Transient("smtp", "unreachable")))
    shell.desk.channels.append(FakeChannel("teams", broken=Ambiguous("teams", "timed_out")))
    said = shell("notices", "test")
    assert said.code == 1
    assert "mail: failed." in said.out
    assert "Teams: no answer. Teams did not answer in time. It was sent, and no answer came back" in said.out


def test_a_ticket_is_only_shown_until_somebody_insists(shell: Shell) -> None:
    mail, ticket = FakeChannel("smtp"), FakeChannel("ticket")
    shell.desk.channels += [mail, ticket]
    said = shell("notices", "test")
    assert (said.code, mail.attempts, ticket.attempts) == (0, 1, 0)
    assert 'ticket in Syncro: not sent. Would open a ticket "Test: entra-syncro: ' in said.out
    assert "Open it: entra-syncro notices test --channel ticket --yes" in said.out
    (deed,) = shell.run(shell.desk.ports.deeds.recent())
    assert dict(deed.facts) == {"channels": "smtp"}
    alone = shell("notices", "test", "--channel", "ticket", "--json")
    assert (alone.code, [each["result"] for each in alone.json]) == (0, ["shown"])
    assert len(shell.run(shell.desk.ports.deeds.recent())) == 1, "nothing was done"
    assert shell("notices", "test", "--channel", "ticket", "--yes").code == 0
    assert ticket.letters[0].subject.startswith("Test: ")


def test_wrong_use(shell: Shell) -> None:
    none = shell("notices", "test")
    assert (none.code, none.err.startswith("No channel for notices is set.")) == (2, True)
    shell.desk.channels.append(FakeChannel("teams"))
    other = shell("notices", "test", "--channel", "pager")
    assert (other.code, other.err) == (2, "No channel pager is set; set are: teams.\n")
