"""How a token may be carried, what it may do, and in which words it is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sandbox.syncro.tokens import DETAIL, LIST, Token
from tests.integration.sandbox_syncro.desk import Desk

NO_PERMISSION = {"error": "Not authorized. Please ask account admin to update your group permissions."}


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "{}"])
async def test_the_header_is_taken_in_three_forms(desk: Desk, form: str) -> None:
    headers = {"Authorization": form.format(desk.syncro.token.secret)}
    assert (await desk.call("GET", "/me", headers=headers)).status == 200


async def test_a_query_key_a_body_key_and_two_slashes_are_taken(desk: Desk) -> None:
    secret = desk.syncro.token.secret
    assert (await desk.call("GET", f"//me?api_key={secret}", headers={})).status == 200
    made = await desk.call("POST", "/contacts", {"api_key": secret, "customer_id": desk.customer}, headers={})
    assert made.status == 200
    assert all(secret not in str(call.as_dict()) for call in desk.syncro.calls)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
async def test_a_bad_token_is_401_in_its_own_words(desk: Desk, headers: dict[str, str]) -> None:
    refused = await desk.call("GET", "/contacts", headers=headers)
    assert (refused.status, refused.json) == (401, {"error": "Failed to authenticate account"})
    desk.syncro.switches.set("bad_token", "other_text")
    other = await desk.call("GET", "/contacts", headers=headers)
    assert other.status == 401
    assert "Failed to authenticate" not in other.text


async def test_an_expired_or_revoked_token_is_bad(desk: Desk) -> None:
    desk.syncro.token.expires = desk.clock.now() + timedelta(seconds=5)
    assert (await desk.get("/me")).status == 200
    desk.clock.advance(5)
    assert (await desk.get("/me")).status == 401


async def test_a_missing_permission_is_401_before_404(desk: Desk) -> None:
    desk.syncro.token.permissions = frozenset({LIST, DETAIL})
    assert (await desk.get("/contacts")).status == 200
    for method, path, body in (
        ("POST", "/contacts", {"customer_id": desk.customer}),
        ("PUT", "/contacts/1", {"name": "x"}),
        ("DELETE", f"/contacts/{desk.contact()}", None),
        ("GET", "/customers/latest", None),
        ("POST", "/customers", {}),
    ):
        refused = await desk.call(method, path, body)
        assert (refused.status, refused.json) == (401, NO_PERMISSION), path
    desk.syncro.switches.set("auth_order", "existence_first")
    assert (await desk.put("/contacts/1", {"name": "x"})).status == 404


async def test_a_limited_token_silently_sees_a_part(desk: Desk) -> None:
    other = desk.syncro.add_customer("Other")
    hidden = desk.syncro.add_contact(other.id, "Hidden").id
    mine = desk.contact()
    desk.syncro.tokens.add(Token("limited", customer_ids=frozenset({desk.customer})))
    headers = {"Authorization": "limited"}
    listed = (await desk.call("GET", "/contacts", headers=headers)).json
    assert [row["id"] for row in listed["contacts"]] == [mine]
    assert (await desk.call("GET", f"/contacts/{hidden}", headers=headers)).status == 404
    assert (await desk.call("GET", f"/customers/{other.id}", headers=headers)).status == 404
