"""The tenant behind a domain: what is asked, what is a no, and what is not."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.graph.finder import OpenIdFinder
from shared.adapters.http import Answer
from shared.domain.errors import Permanent, SyncError, Transient
from tests.support.vendor_stub import ScriptedHttp, answer

TENANT = "11111111-2222-4333-8444-55555555abcd"
ROOT = "https://login.example"
PATH = "v2.0/.well-known/openid-configuration"
FOUND = {"issuer": f"{ROOT}/{TENANT}/v2.0", "token_endpoint": f"{ROOT}/{TENANT}/oauth2/v2.0/token"}


async def asked(domain: str, reply: Answer | SyncError) -> tuple[str | None, ScriptedHttp]:
    http = ScriptedHttp(reply)
    return await OpenIdFinder(http, f"{ROOT}/").tenant_of(domain), http


@pytest.mark.parametrize(
    ("domain", "spelt"),
    [
        ("contoso.com", "contoso.com"),
        ("  Contoso.COM. ", "contoso.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("a-b.c-d.co.uk", "a-b.c-d.co.uk"),
    ],
)
async def test_a_domain_is_asked_as_dns_spells_it(domain: str, spelt: str) -> None:
    found, http = await asked(domain, answer(200, FOUND))
    assert found == TENANT
    assert http.lines == [f"GET /{spelt}/{PATH}"]
    assert http.requests[0].url.startswith(f"{ROOT}/")
    assert spelt not in http.requests[0].template


@pytest.mark.parametrize(
    "body",
    [
        FOUND,
        {"issuer": f"https://sts.windows.net/{TENANT.upper()}/"},
        {"issuer": "https://login.example/{tenantid}/v2.0", "token_endpoint": FOUND["token_endpoint"]},
    ],
)
async def test_the_tenant_is_read_from_issuer_or_token_endpoint(body: object) -> None:
    assert (await asked("contoso.com", answer(200, body)))[0] == TENANT


NO_DOMAINS = [
    "", " ", "contoso", "contoso.com/../common", "con toso.com", "a@contoso.com", "contoso.com?x=1", "-a.com", "a..com",
    ".com", "a.com#", "%2e.com", f"{'a' * 64}.com", f"{'a.' * 130}com", TENANT, "a\n.com",
]  # fmt: skip


@pytest.mark.parametrize("domain", NO_DOMAINS)
async def test_what_is_no_domain_never_gets_into_a_path(domain: str) -> None:
    http = ScriptedHttp()
    with pytest.raises(Permanent) as failure:
        await OpenIdFinder(http, ROOT).tenant_of(domain)
    assert failure.value.code == "not_a_domain"
    assert http.requests == []


@given(st.text(max_size=300) | st.text("abc.-/%?#@:\\ \n\u3002\u00df", max_size=300))
def test_whatever_is_typed_only_a_host_name_gets_into_the_path(domain: str) -> None:
    http = ScriptedHttp(answer(200, FOUND))
    try:
        asyncio.run(OpenIdFinder(http, ROOT).tenant_of(domain))
    except Permanent:
        assert http.requests == []
    else:
        assert re.fullmatch(
            r"GET /[a-z0-9]([a-z0-9.-]*[a-z0-9])?/v2\.0/\.well-known/openid-configuration", http.lines[0]
        )


async def test_only_the_number_of_no_such_tenant_is_a_no() -> None:
    body = {"error": "invalid_tenant", "error_codes": [90002], "error_description": "AADSTS90002: Tenant not found"}
    assert (await asked("contoso.com", answer(400, body)))[0] is None


@pytest.mark.parametrize(
    "reply",
    [
        answer(400, {"error": "invalid_request", "error_codes": [90033]}),
        answer(400, {"error": "invalid_tenant"}),
        answer(400, b"<html>"),
        answer(404, {"error_codes": [90002]}),
        answer(429, {}, Retry_After="7"),
        answer(503, {"error_codes": [90002]}),
        answer(302),
        answer(200, {}),
        answer(200, b"<html>"),
        answer(
            200, {"issuer": "https://login.example/common/v2.0", "token_endpoint": "https://login.example/common/x"}
        ),
        answer(200, {"issuer": 7, "token_endpoint": None}),
    ],
)
async def test_anything_else_is_no_no(reply: Answer) -> None:
    with pytest.raises(Transient) as failure:
        await asked("contoso.com", reply)
    assert failure.value.retry_after == (7.0 if reply.status == 429 else None)
    assert "contoso" not in str(failure.value)


async def test_a_name_that_microsoft_takes_for_no_domain_is_said() -> None:
    with pytest.raises(Permanent) as failure:
        await asked("contoso.local", answer(400, {"error": "invalid_request", "error_codes": [900023]}))
    assert failure.value.code == "not_a_domain"


async def test_a_lost_connection_stays_what_it_is() -> None:
    with pytest.raises(Transient) as failure:
        await asked("contoso.com", Transient("login", "unreachable"))
    assert failure.value.code == "unreachable"
