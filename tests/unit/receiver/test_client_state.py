"""clientState: who may speak for a tenant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.client_state import LONGEST, fingerprint, sign, verify
from tests.support.receiver import OTHER, SECRETS, TENANT


def test_the_highest_secret_signs_in_the_documented_form() -> None:
    # made with: openssl dgst -sha256 -mac HMAC -macopt hexkey:0101...
    state = sign({1: b"\x01" * 32}, "84bd8158-6d4d-4958-8b9f-9d6445542f95")
    assert state == "k1.CttP0wUBINi5nr27S0fw9D6OOYzAvPWYVThakxtXduk"
    assert sign(SECRETS, TENANT).startswith("k2.")
    assert len(state) <= LONGEST


def test_old_and_new_secret_are_accepted_and_a_removed_one_is_not() -> None:
    old = sign({1: SECRETS[1]}, TENANT)
    assert verify(SECRETS, TENANT, old)
    assert verify(SECRETS, TENANT, sign(SECRETS, TENANT))
    assert not verify({2: SECRETS[2]}, TENANT, old)


def test_the_tenant_is_compared_without_case() -> None:
    assert verify(SECRETS, TENANT.upper(), sign(SECRETS, TENANT))


@pytest.mark.parametrize(
    "state",
    [
        None,
        7,
        "",
        "k2.",
        "k2." + "A" * 43,
        "k1." + sign(SECRETS, TENANT)[3:],
        "k3." + sign(SECRETS, TENANT)[3:],
        sign(SECRETS, OTHER),
        sign(SECRETS, TENANT) + "\n",
        sign(SECRETS, TENANT) + "=",
        sign(SECRETS, TENANT)[:-1],
        "k2." + "é" * 43,
        "k2." + "A" * 1_000_000,
        {"k": 1},
    ],
)
def test_anything_else_is_refused(state: object) -> None:
    assert not verify(SECRETS, TENANT, state)


@given(st.text(), st.text())
def test_no_text_raises_or_passes(tenant: str, state: str) -> None:
    tenant = tenant.encode("utf-8", "replace").decode()
    assert not verify(SECRETS, tenant, state)


def test_the_fingerprint_tells_secrets_apart() -> None:
    prints = {fingerprint(secret) for secret in SECRETS.values()}
    assert len(prints) == 2
    assert all(len(each) == 8 for each in prints)
