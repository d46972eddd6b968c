"""What a reading says, and what it leaves unknown: every refusal costs one thing and its reason, never a wrong "no"."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.adapters.graph.reports.patience import PATIENCE
from shared.domain.errors import Permanent, StopTheLine, SyncError, Transient
from shared.domain.facts import Facts
from shared.domain.mfa import ENFORCED_FOR_ALL, NO_PERSON, NO_ROW
from shared.domain.tenant import TenantReading
from shared.domain.user import DirectoryUser
from tests.support.clock import START
from tests.support.report_graph import (
    BASIC_SKU,
    NO_PERMISSION,
    NOT_PREMIUM,
    PREMIUM_SKU,
    TENANT,
    ReportGraph,
    person,
    plain_graph,
    premium_graph,
    read,
    refusal,
    registered,
    reports_on,
    sku,
    throttled,
    usage_file,
    usage_line,
)
from tests.support.vendor_stub import answer
from tests.support.virtual_time import LoopClock, run_virtual

SIGN_IN = "signInActivity"
STATES = "perUserMfaState"
REGISTRATIONS = "userRegistrationDetails"
USAGE = "getOffice365ActiveUserDetail"
DEFAULTS = "identitySecurityDefaults"


def facts(reading: TenantReading, number: int = 1) -> Facts:
    return reading.facts[person(number)["id"]]


def failure(graph: ReportGraph, **policy: Any) -> SyncError:
    with pytest.raises(SyncError) as caught:
        read(graph, **policy)
    return caught.value


# --- when everything answers ----------------------------------------------------------------------------------


def test_a_tenant_with_entra_id_p1() -> None:
    reading = read(premium_graph(2))
    assert (reading.tenant_id, reading.began, reading.premium) == (TENANT, START, True)
    assert facts(reading) == Facts(START, "enabled", "Authenticator (push), Phone (mobile)", "2026-11-20")
    assert reading.part_numbers == {PREMIUM_SKU: "SPB"}
    assert reading.secure_score is not None
    assert (reading.secure_score.current, reading.secure_score.maximum) == (120.5, 240.0)
    assert reading.unknown == ()


def test_a_tenant_without() -> None:
    reading = read(plain_graph(2))
    assert reading.premium is False
    assert facts(reading) == Facts(START, "disabled", None, "2026-11-19")
    assert facts(reading, 0) == Facts(START, "disabled", None, None)
    assert reading.unknown == (
        "MFA methods are unknown: without Entra ID P1 they are read only when facts.methods_per_user is on.",
    )


def test_methods_of_each_user() -> None:
    methods = {person(1)["id"]: [{"@odata.type": "#microsoft.graph.fido2AuthenticationMethod"}]}
    reading = read(plain_graph(2, methods=methods, security_defaults=True), methods_per_user=True)
    assert facts(reading) == Facts(START, "enabled", "FIDO2 security key", "2026-11-19")
    assert facts(reading, 0) == Facts(START, "disabled", "None", None)
    assert reading.unknown == ()


def test_users_come_as_every_other_read_gives_them() -> None:
    [user] = read(premium_graph(1)).users
    assert user == DirectoryUser(
        id=person(0)["id"],
        display_name="User 0",
        user_principal_name="user0@contoso.example",
        mail="user0@contoso.example",
        sku_ids=(BASIC_SKU,),
    )


def test_ids_and_names_are_joined_whatever_their_case() -> None:
    graph = premium_graph(0)
    graph.users = [person(10)]
    graph.registrations = [registered(10, id=registered(10)["id"].upper())]
    assert facts(read(graph), 10).mfa_status == "enabled"
    graph = plain_graph(2, usage=usage_file(usage_line("USER1@Contoso.Example", "2026-11-19")))
    assert facts(read(graph)).last_activity == "2026-11-19"


def test_somebody_who_never_signed_in_stays_unknown() -> None:
    graph = premium_graph(2)
    graph.users = [
        person(0, signInActivity=None),
        person(1, signInActivity={"lastSignInDateTime": "0001-01-01T00:00:00Z"}),
    ]
    reading = read(graph)
    assert facts(reading, 0).last_activity is None
    assert facts(reading, 1).last_activity is None


def test_a_new_user_without_a_row() -> None:
    graph = premium_graph(2)
    graph.registrations = graph.registrations[:1]
    assert facts(read(graph)) == Facts(START, None, None, "2026-11-20", NO_ROW)


def test_a_guest_is_nobodys_disabled() -> None:
    graph = plain_graph(0)
    graph.users = [person(1, userType="Guest")]
    assert facts(read(graph)) == Facts(START, None, None, "2026-11-19", NO_PERSON)


def test_everybody_under_security_defaults() -> None:
    reading = read(plain_graph(2, security_defaults=True))
    assert facts(reading) == Facts(START, None, None, "2026-11-19", ENFORCED_FOR_ALL)


def test_an_empty_page_with_a_next_link_is_no_end() -> None:
    graph = premium_graph(3)
    link = "https://graph.example/v1.0/users?$select=id,displayName,signInActivity&$top=500&$skiptoken=0"
    graph.before = {SIGN_IN: [answer(200, {"value": [], "@odata.nextLink": link})]}
    assert len(read(graph).users) == 3


def test_a_row_that_moves_between_pages_comes_once() -> None:
    graph = premium_graph(0)
    graph.users = [*(person(number) for number in range(500)), person(499), person(500)]
    reading = read(graph)
    assert len(reading.users) == len({user.id for user in reading.users}) == 501


def test_what_many_users_share_is_kept_once() -> None:
    graph = plain_graph(0)
    graph.users = [person(number, city=f"Bay {'City'}", businessPhones=["+1 503 555 0100"]) for number in range(3)]
    first, _, third = read(graph).users
    assert first.sku_ids is third.sku_ids
    assert first.city is third.city
    assert first.business_phones is third.business_phones
    assert first.mail is first.user_principal_name


# --- what is refused ------------------------------------------------------------------------------------------


def test_a_false_non_premium_refusal_of_sign_in_dates() -> None:
    graph = premium_graph(2, before={SIGN_IN: [refusal(403, NOT_PREMIUM)]})
    reading = read(graph)
    assert reading.premium is True
    assert facts(reading) == Facts(START, "enabled", "Authenticator (push), Phone (mobile)", None)
    assert len(reading.users) == 2
    assert reading.unknown == (
        "Last activity is unknown: Microsoft answered that the tenant has no Entra ID P1 although its products include "
        "it, which happens for a while. The next full sync asks again.",
    )
    assert reading.requests == len(graph.requests) == 4


def test_a_false_non_premium_refusal_of_the_registration_report() -> None:
    reading = read(premium_graph(2, before={REGISTRATIONS: [refusal(403, NOT_PREMIUM)]}))
    assert facts(reading) == Facts(START, None, None, "2026-11-20")
    [sentence] = reading.unknown
    assert sentence.startswith("MFA is unknown: Microsoft answered that the tenant has no Entra ID P1")


@pytest.mark.parametrize("code", [NO_PERMISSION, "Authorization_RequestDenied"])
def test_without_the_audit_log_permission(code: str) -> None:
    denied = [refusal(403, code)]
    reading = read(premium_graph(2, before={SIGN_IN: denied, REGISTRATIONS: denied[:]}))
    assert len(reading.users) == 2
    assert reading.facts == {}
    assert reading.unknown == (
        "Last activity is unknown: the permission AuditLog.Read.All is missing. An administrator of the tenant has to "
        "consent again.",
        "MFA is unknown: the permission AuditLog.Read.All is missing. An administrator of the tenant has to consent "
        "again.",
    )


@pytest.mark.parametrize(
    "refused",
    [refusal(403, "Authorization_RequestDenied"), refusal(403, "x"), refusal(400, "BadRequest"), refusal(501, "x")],
)
def test_the_per_user_state_is_refused(refused: Any) -> None:
    reading = read(plain_graph(2, before={STATES: [refused]}))
    assert facts(reading) == Facts(START, None, None, "2026-11-19")
    assert person(0)["id"] not in reading.facts
    assert reading.unknown[0].startswith("The per-user MFA state is unknown: ")
    assert len(reading.users) == 2


def test_security_defaults_are_refused() -> None:
    reading = read(plain_graph(2, before={DEFAULTS: [refusal(403, "Authorization_RequestDenied")]}))
    assert facts(reading) == Facts(START, None, None, "2026-11-19")
    assert "the permission Policy.Read.All is missing" in reading.unknown[0]


def test_what_a_tenant_with_p1_does_not_need_is_no_reason() -> None:
    reading = read(premium_graph(1, before={DEFAULTS: [refusal(403, "Authorization_RequestDenied")]}))
    assert reading.unknown == ()


@pytest.mark.parametrize(
    ("score", "before", "start"),
    [
        ([], {}, "Secure Score is unknown: Microsoft has none for this tenant yet."),
        ([{}], {"secureScores": [refusal(403, "")]}, "Secure Score is unknown: Microsoft refuses it."),
        ([{}], {"secureScores": [refusal(503, "")]}, "Secure Score is unknown: Microsoft gave no usable answer"),
    ],
)
def test_no_secure_score(score: list[Any], before: dict[str, list[Any]], start: str) -> None:
    reading = read(premium_graph(1, score=score, before=before))
    assert reading.secure_score is None
    assert [sentence for sentence in reading.unknown if sentence.startswith(start)] == list(reading.unknown)
    assert reading.premium is True


@pytest.mark.parametrize(
    "before",
    [
        {"/subscribedSkus": [refusal(403, "Authorization_RequestDenied")]},
        {"/subscribedSkus": [answer(200, {"value": None})]},
        {"$batch": [refusal(503)]},
        {"$batch": [Transient("graph", "timed_out")]},
        {"$batch": [answer(200, b"<html>")]},
    ],
)
def test_nobody_says_whether_the_tenant_has_p1(before: dict[str, list[Any]]) -> None:
    reading = read(premium_graph(2, before=before))
    assert reading.premium is None
    assert reading.facts == {}
    assert len(reading.users) == 2
    assert reading.unknown[0].startswith(
        "Whether the tenant has Entra ID P1, and with it MFA and last activity, is unknown"
    )


@pytest.mark.parametrize(
    ("before", "start"),
    [
        (
            {
                USAGE: [
                    refusal(403, "UnknownError", '{"error":{"code":"S2SUnauthorized","message":"Invalid permission."}}')
                ]
            },
            "Last activity is unknown: the permission Reports.Read.All is missing.",
        ),
        ({USAGE: [answer(302)]}, "Last activity is unknown: Microsoft gave no usable answer (unreadable_answer)."),
        (
            {USAGE: [answer(302, None, Location="http://reports.example/file")]},
            "Last activity is unknown: Microsoft gave no usable answer (insecure_download).",
        ),
        (
            {USAGE: [answer(302, None, Location="https://reports.example/file"), refusal(403)]},
            "",
        ),
    ],
)
def test_the_usage_report_is_refused(before: dict[str, list[Any]], start: str) -> None:
    reading = read(plain_graph(2, before=before))
    assert facts(reading).mfa_status == "disabled"
    said = [sentence for sentence in reading.unknown if sentence.startswith("Last activity")]
    assert [sentence[: len(start)] for sentence in said] == ([start] if start else [])


def test_concealed_names() -> None:
    hidden = usage_file(usage_line("FE7CC8C15246EDCCA289C9A4022762F7", "2026-11-19"))
    reading = read(plain_graph(2, usage=hidden))
    assert facts(reading).last_activity is None
    assert "conceals names" in reading.unknown[-1]


def test_what_a_deployment_does_not_want_is_a_reason_too() -> None:
    reading = read(plain_graph(2), per_user_mfa=False, usage_report=False)
    assert reading.facts == {}
    assert [sentence.partition(":")[0] for sentence in reading.unknown] == [
        "MFA status is unknown",
        "MFA methods are unknown",
        "Last activity is unknown",
    ]


# --- what fails a reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refused", "family"),
    [
        (refusal(403, "Authorization_RequestDenied"), StopTheLine),
        (refusal(503), Transient),
        (refusal(400, "BadRequest"), Permanent),
        (answer(200, {"no": "value"}), Transient),
        (answer(200, {"value": [{"displayName": "no id"}]}), Transient),
    ],
)
@pytest.mark.parametrize("graph", [premium_graph, plain_graph])
def test_users_that_cannot_be_listed_at_all(graph: Any, refused: Any, family: type[SyncError]) -> None:
    assert isinstance(failure(graph(2, before={"/users?": [refused, refused]})), family)


def test_a_listing_that_breaks_off_is_never_complete() -> None:
    graph = plain_graph(1_500, before={"skiptoken": [refusal(503), refusal(503)]})
    assert isinstance(failure(graph), Transient)


# --- limits ---------------------------------------------------------------------------------------------------


def timed(graph: ReportGraph, **policy: Any) -> tuple[TenantReading, float]:
    async def main() -> tuple[TenantReading, float]:
        clock = LoopClock()
        reading = await reports_on(graph, clock, **policy).read(TENANT)
        return reading, clock.monotonic()

    return run_virtual(main())


@pytest.mark.parametrize(
    ("header", "seconds"),
    [({"Retry_After": "2.128"}, 2.128), ({"Retry_After": "7"}, 7.0), ({}, 10.0), ({"Retry_After": "0"}, 1)],
)
@pytest.mark.parametrize("where", ["$batch", "/subscribedSkus", SIGN_IN, REGISTRATIONS])
def test_a_page_that_came_too_early_is_asked_for_again(where: str, header: dict[str, str], seconds: float) -> None:
    graph = premium_graph(2, before={where: [throttled(**header)]})
    reading, took = timed(graph)
    assert took == pytest.approx(seconds)
    assert facts(reading) == Facts(START, "enabled", "Authenticator (push), Phone (mobile)", "2026-11-20")
    assert reading.requests == len(graph.requests) == 4


def test_patience_ends_and_a_report_stays_unknown() -> None:
    reading, took = timed(premium_graph(2, before={REGISTRATIONS: [throttled(Retry_After="300")] * 9}))
    assert took == pytest.approx(PATIENCE)
    assert facts(reading).last_activity == "2026-11-20"
    assert reading.unknown == (
        "MFA is unknown: Microsoft limits the requests for longer than a sync can wait. The next full sync asks again.",
    )


def test_patience_ends_and_a_list_of_users_fails() -> None:
    error = failure(plain_graph(2, before={"/users?": [throttled(Retry_After="301")] * 9}))
    assert isinstance(error, Transient)
    assert (error.code, error.retry_after) == ("throttled", 301)


def test_pages_with_sign_in_dates_keep_to_their_own_pace() -> None:
    _, took = timed(premium_graph(5_500), sign_in_lists_per_minute=10)
    assert 70 <= took < 72  # 11 pages of users take a minute, then 6 of the report 10 s


def test_the_pace_of_sign_in_dates_is_one_for_all_tenants() -> None:
    async def main() -> float:
        clock = LoopClock()
        reports = reports_on(premium_graph(2), clock, sign_in_lists_per_minute=2)
        await asyncio.gather(*(reports.read(f"tenant-{number}") for number in range(3)))
        return clock.monotonic()

    assert 60 <= run_virtual(main()) < 62


def test_the_registration_report_has_5_pages_in_10_seconds() -> None:
    graph = premium_graph(0)
    graph.registrations = [registered(number) for number in range(6_000)]
    _, took = timed(graph)
    assert 10 <= took < 12


def test_listings_of_tenants_without_p1_wait_for_nothing() -> None:
    _, took = timed(plain_graph(12_000))
    assert took == 0


# --- pages that die under way ---------------------------------------------------------------------------------

LOST = {
    "users": refusal(400, "Directory_ExpiredPageToken"),
    "report": refusal(400, "", "Token not found: token is either invalid or expired"),
}


@pytest.mark.parametrize(
    ("listing", "where"), [("users", f"{SIGN_IN}&$top=500&$skip"), ("report", f"{REGISTRATIONS}?$top=999&$skip")]
)
def test_a_lost_page_begins_its_listing_anew(listing: str, where: str) -> None:
    graph = premium_graph(1_200, before={where: [LOST[listing]] * 2})
    reading = read(graph)
    assert len(reading.users) == 1_200
    assert len(reading.facts) == 1_200
    assert reading.unknown == ()
    assert reading.requests == len(graph.requests) == 1 + 3 + 2 + 2 * 2


def test_a_page_that_is_lost_every_time_leaves_the_report_unknown() -> None:
    graph = premium_graph(1_200, before={"userRegistrationDetails?$top=999&$skiptoken": [LOST["report"]] * 3})
    reading = read(graph)
    assert len(reading.users) == 1_200
    assert all(found.mfa_status is None for found in reading.facts.values())
    assert reading.unknown[0].startswith("MFA is unknown: Microsoft gave no usable answer (page_token_expired).")


def test_a_void_token_is_renewed_and_its_request_counted() -> None:
    graph = premium_graph(2, before={REGISTRATIONS: [refusal(401, "InvalidAuthenticationToken")]})
    reading = read(graph)
    assert facts(reading).mfa_status == "enabled"
    assert reading.requests == len(graph.requests) == 4


def test_products_that_include_p1_but_ran_out() -> None:
    graph = plain_graph(2, skus=[sku(PREMIUM_SKU, "41781fb2-bc02-4b7c-bd55-b576c07bb09d", status="Suspended")])
    assert read(graph).premium is False
