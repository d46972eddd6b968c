"""What Microsoft's answer claims: an error always wins, and what is doubtful is not acted on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.consent_answer import Answer, Declined, Granted, NoCode, Odd, OddCode, read_answer
from tests.support.receiver import TENANT

STATE = ("state", "s")
GRANTED = [("admin_consent", "True"), ("tenant", TENANT), STATE]
DESCRIBED = "AADSTS65004: User declined to consent to access the app."


def declined(*pairs: tuple[str, str]) -> list[tuple[str, str]]:
    return [("admin_consent", "True"), STATE, *pairs]


@pytest.mark.parametrize(
    ("pairs", "answer"),
    [
        (GRANTED, Granted("s", TENANT)),
        ([*GRANTED, ("scope", "https://graph.microsoft.com/.default")], Granted("s", TENANT)),
        ([("tenant", TENANT.upper()), STATE], Granted("s", TENANT)),
        ([*GRANTED, ("session_state", "x"), ("session_state", "y"), ("utm", "")], Granted("s", TENANT)),
        # an error always wins, also beside admin_consent=True and a tenant
        (declined(("error", "consent_required"), ("error_description", DESCRIBED)), Declined("s", NoCode.DECLINED)),
        ([*GRANTED, ("error", "consent_required")], Declined("s", NoCode.DECLINED)),
        ([*GRANTED, ("error", "")], Declined("s", NoCode.OTHER)),
        (declined(("error", "access_denied")), Declined("s", NoCode.DECLINED)),
        (declined(("error", "permission_denied")), Declined("s", NoCode.DECLINED)),
        ([("admin_consent", "False"), ("tenant", TENANT), STATE], Declined("s", NoCode.DECLINED)),
        # a partner's technician without a relationship, or without the role for it
        (
            declined(("error", "x"), ("error_description", "AADSTS50020: User account")),
            Declined("s", NoCode.NOT_IN_TENANT),
        ),
        (declined(("error", "x"), ("error_description", "AADSTS90094: Admin")), Declined("s", NoCode.NOT_ADMIN)),
        (declined(("error", "x"), ("error_description", "AADSTS53003: Blocked")), Declined("s", NoCode.BLOCKED)),
        (declined(("error", "server_error"), ("error_description", "AADSTS1")), Declined("s", NoCode.OTHER)),
        (declined(("error", "invalid_request"), ("error_description", "<b>hi</b>")), Declined("s", NoCode.OTHER)),
        # nothing that we act on
        ([], Odd(OddCode.NO_STATE)),
        ([("tenant", TENANT)], Odd(OddCode.NO_STATE)),
        ([("error", "x")], Odd(OddCode.NO_STATE)),
        ([STATE], Odd(OddCode.NO_TENANT)),
        ([STATE, ("tenant", "")], Odd(OddCode.NO_TENANT)),
        ([STATE, ("tenant", "contoso.example")], Odd(OddCode.TENANT_IS_NO_GUID)),
        ([STATE, ("tenant", "organizations")], Odd(OddCode.TENANT_IS_NO_GUID)),
        ([STATE, ("tenant", TENANT + "\n")], Odd(OddCode.TENANT_IS_NO_GUID)),
        ([*GRANTED, STATE], Odd(OddCode.REPEATED)),
        ([*GRANTED, ("tenant", "00000000-0000-0000-0000-00000000000b")], Odd(OddCode.REPEATED)),
        ([*declined(("error", "a")), ("error", "b")], Odd(OddCode.REPEATED)),
        ([*GRANTED, *[(f"x{n}", "") for n in range(200)]], Odd(OddCode.REPEATED)),
    ],
)
def test_an_answer_is_read(pairs: list[tuple[str, str]], answer: Answer) -> None:
    assert read_answer(pairs) == answer


NAMES = st.sampled_from(["state", "tenant", "error", "error_description", "admin_consent", "scope"]) | st.text()


@given(st.lists(st.tuples(NAMES, st.text() | st.just(TENANT))))
def test_nothing_raises_and_only_a_guid_without_an_error_is_granted(pairs: list[tuple[str, str]]) -> None:
    answer = read_answer(pairs)
    if isinstance(answer, Granted):
        assert answer.tenant_id == TENANT
        assert "error" not in dict(pairs)
        assert answer.state
