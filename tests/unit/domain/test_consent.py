"""Consent links: what was signed is read back, anything else is one of a closed set of verdicts and never an error."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.consent import (
    LONGEST,
    NOBODYS_CALLBACK,
    STATE_LIFE,
    ConsentDesk,
    Signed,
    TokenFault,
    browser_consent_url,
    ends_at,
    invite_link,
    is_browser,
    is_same_browser,
    read_invite,
    read_state,
    sign_invite,
    sign_state,
)
from shared.domain.onboarding import Invite
from tests.support.clock import START
from tests.support.receiver import SECRETS, TENANT

NONCE = "AbCdEfGhIjKlMnOpQrSt-_"
BROWSER, OTHER_BROWSER = "b" * 43, "c" * 43
END = START + timedelta(hours=1)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=\n é"
INVITE = Invite(NONCE, 7, "Contoso", TENANT, START, START + timedelta(days=14))
DESK = ConsentDesk(SECRETS, "app-id", "https://login.example/", "https://graph.example/.default", "https://hub.example")


def test_a_links_token_names_its_invite() -> None:
    assert read_invite(SECRETS, sign_invite(SECRETS, NONCE)) == Signed(NONCE)


def test_a_state_names_its_invite_and_its_browser_alone() -> None:
    signed = read_state(SECRETS, sign_state(SECRETS, NONCE, END, BROWSER), START)
    assert isinstance(signed, Signed)
    assert signed.nonce == NONCE
    assert is_same_browser(signed, BROWSER)
    assert not any(is_same_browser(signed, cookie) for cookie in (None, "", OTHER_BROWSER, BROWSER[:-1], "é" * 43))


def test_a_state_that_is_to_be_pasted_belongs_to_no_browser() -> None:
    signed = read_state(SECRETS, sign_state(SECRETS, NONCE, END, None), START)
    assert signed == Signed(NONCE, "")
    assert not is_same_browser(signed, BROWSER)


def test_the_highest_secret_signs_and_older_ones_are_accepted_as_long_as_they_are_known() -> None:
    old = {1: SECRETS[1]}
    token, state = sign_invite(old, NONCE), sign_state(old, NONCE, END, BROWSER)
    assert (token[:3], sign_invite(SECRETS, NONCE)[:3]) == ("k1.", "k2.")
    assert isinstance(read_invite(SECRETS, token), Signed)
    assert isinstance(read_state(SECRETS, state, START), Signed)
    only_new = {2: SECRETS[2]}
    assert read_invite(only_new, token) is TokenFault.UNKNOWN_SECRET
    assert read_state(only_new, state, START) is TokenFault.UNKNOWN_SECRET


def test_a_state_ends_at_its_second() -> None:
    state = sign_state(SECRETS, NONCE, END, BROWSER)
    assert isinstance(read_state(SECRETS, state, END - timedelta(seconds=1)), Signed)
    assert read_state(SECRETS, state, END) is TokenFault.EXPIRED


def test_an_expired_state_with_another_signature_is_forged_not_expired() -> None:
    state = sign_state({2: b"somebody else's secret"}, NONCE, START - timedelta(days=1), BROWSER)
    assert read_state(SECRETS, state, START) is TokenFault.FORGED


def test_neither_passes_for_the_other() -> None:
    token, state = sign_invite(SECRETS, NONCE), sign_state(SECRETS, NONCE, END, BROWSER)
    assert read_state(SECRETS, token, START) is TokenFault.WRONG_KIND
    assert read_invite(SECRETS, state) is TokenFault.WRONG_KIND


def test_the_number_of_the_secret_is_signed_as_well() -> None:
    same = {1: b"one secret, two numbers", 2: b"one secret, two numbers"}
    assert read_invite(same, "k1" + sign_invite(same, NONCE)[2:]) is TokenFault.FORGED


@pytest.mark.parametrize("text", ["", "k2", "k2.", ".", "k0." + NONCE, "x" * (LONGEST + 1), "k2." + "A" * 1_000_000])
def test_garbage_is_garbage(text: str) -> None:
    assert read_invite(SECRETS, text) is TokenFault.GARBAGE
    assert read_state(SECRETS, text, START) is TokenFault.GARBAGE


@given(st.text())
def test_no_text_raises_or_passes(text: str) -> None:
    assert isinstance(read_invite(SECRETS, text), TokenFault)
    assert isinstance(read_state(SECRETS, text, START), TokenFault)
    assert not is_browser(text) or len(text) == 43


@given(st.data())
def test_a_changed_character_never_verifies(data: st.DataObject) -> None:
    for whole in (sign_invite(SECRETS, NONCE), sign_state(SECRETS, NONCE, END, BROWSER)):
        place = data.draw(st.integers(0, len(whole) - 1))
        other = data.draw(st.sampled_from([each for each in ALPHABET if each != whole[place]]))
        changed = whole[:place] + other + whole[place + 1 :]
        assert isinstance(read_invite(SECRETS, changed), TokenFault)
        assert isinstance(read_state(SECRETS, changed, START), TokenFault)


@given(st.data())
def test_a_lost_or_added_character_never_verifies(data: st.DataObject) -> None:
    whole = sign_state(SECRETS, NONCE, END, BROWSER)
    place = data.draw(st.integers(0, len(whole)))
    added = whole[:place] + data.draw(st.sampled_from(ALPHABET)) + whole[place:]
    assert isinstance(read_state(SECRETS, added, START), TokenFault)
    assert isinstance(read_state(SECRETS, whole[:place] + whole[place + 1 :], START), TokenFault) or place == len(whole)


def test_a_link_leads_to_our_own_door_where_there_is_one() -> None:
    where = urlsplit(invite_link(DESK, INVITE))
    assert (where.netloc, where.path) == ("hub.example", "/connect/start")
    (token,) = parse_qs(where.query)["invite"]
    assert read_invite(SECRETS, token) == Signed(NONCE)


def test_without_a_door_the_link_is_microsofts_and_lives_as_long_as_the_invite() -> None:
    where = urlsplit(invite_link(replace(DESK, public_url=""), INVITE))
    query = parse_qs(where.query)
    assert query["redirect_uri"] == [NOBODYS_CALLBACK]
    assert read_state(SECRETS, query["state"][0], INVITE.expires_at - timedelta(seconds=1)) == Signed(NONCE)
    assert read_state(SECRETS, query["state"][0], INVITE.expires_at) is TokenFault.EXPIRED


@pytest.mark.parametrize(("tenant", "authority"), [(TENANT, TENANT), ("", "organizations")])
def test_microsofts_page_is_asked_in_its_documented_form(tenant: str, authority: str) -> None:
    where = urlsplit(browser_consent_url(DESK, replace(INVITE, tenant_id=tenant), START, BROWSER))
    query = parse_qs(where.query)
    assert (where.netloc, where.path) == ("login.example", f"/{authority}/v2.0/adminconsent")
    assert query["client_id"] == ["app-id"]
    assert query["scope"] == ["https://graph.example/.default"]
    assert query["redirect_uri"] == ["https://hub.example/connect/callback"]
    assert set(query) == {"client_id", "scope", "redirect_uri", "state"}


@pytest.mark.parametrize(("left", "life"), [(timedelta(days=14), STATE_LIFE), (timedelta(minutes=3), None)])
def test_a_browsers_state_lives_an_hour_but_never_longer_than_its_invite(
    left: timedelta, life: timedelta | None
) -> None:
    url = browser_consent_url(DESK, replace(INVITE, expires_at=START + left), START, BROWSER)
    (state,) = parse_qs(urlsplit(url).query)["state"]
    end = START + (life or left)
    assert isinstance(read_state(SECRETS, state, end - timedelta(seconds=1)), Signed)
    assert read_state(SECRETS, state, end) is TokenFault.EXPIRED


def test_an_invite_ends_after_the_set_days() -> None:
    assert ends_at(replace(DESK, invite_days=3), START) == START + timedelta(days=3)


def test_the_secrets_are_not_shown() -> None:
    assert "secret of the tests" not in repr(DESK)
