"""Methods of each user: kinds without personal data, 20 users a request, and what a refusal costs."""

from __future__ import annotations

from typing import Any

import pytest

from shared.adapters.graph.reports.methods import RegisteredMethods, kinds, read_methods
from shared.adapters.graph.reports.patience import PatientCaller
from shared.domain.errors import SyncError
from tests.support.report_graph import BASE, TENANT, ReportGraph, refusal, throttled
from tests.support.vendor_stub import StaticTokens, answer
from tests.support.virtual_time import run_virtual


def method(name: str, **more: Any) -> dict[str, Any]:
    return {"@odata.type": f"#microsoft.graph.{name}AuthenticationMethod", "id": "x"} | more


def test_kinds_in_the_words_of_the_report() -> None:
    body = {
        "value": [
            method("password"),
            method("microsoftAuthenticator", displayName="Kim's telephone"),
            method("passwordlessMicrosoftAuthenticator"),
            method("phone", phoneType="mobile", phoneNumber="+1 503 555 0100"),
            method("phone", phoneType="mobile", phoneNumber="+1 503 555 0101"),
            method("phone", phoneType="alternateMobile"),
            method("phone", phoneType="office"),
            method("softwareOath"),
            method("hardwareOath"),
            method("fido2"),
            method("windowsHelloForBusiness"),
            method("email"),
            method("temporaryAccessPass"),
            method("platformCredential"),
            method("external"),
            method("qrCodePin"),
            method("brainWave"),
        ]
    }
    assert kinds(body) == (
        "password",
        "microsoftAuthenticatorPush",
        "microsoftAuthenticatorPasswordless",
        "mobilePhone",
        "alternateMobilePhone",
        "officePhone",
        "softwareOneTimePasscode",
        "hardwareOneTimePasscode",
        "fido2SecurityKey",
        "windowsHelloForBusiness",
        "email",
        "temporaryAccessPass",
        "macOsSecureEnclaveKey",
        "externalAuthMethod",
        "qrCodePin",
        "brainWave",
    )


def test_an_answer_without_a_list_is_not_an_empty_list() -> None:
    assert kinds({"value": []}) == ()
    assert isinstance(kinds({}), SyncError)


def asked(graph: ReportGraph, count: int) -> RegisteredMethods:
    async def main() -> RegisteredMethods:
        caller = PatientCaller(graph, StaticTokens(), BASE, TENANT)
        return await read_methods(caller, [f"user-{number}" for number in range(count)])

    return run_virtual(main())


def test_20_users_a_request() -> None:
    graph = ReportGraph(methods={"user-0": [method("fido2")]})
    found = asked(graph, 45)
    assert graph.asked == ["v1.0/$batch"] * 3
    assert found.error is None
    assert len(found.by_user) == 45
    assert found.by_user["user-0"] == ("fido2SecurityKey",)


def test_a_refusal_for_everybody_ends_the_asking() -> None:
    graph = ReportGraph(before={"/authentication/": [refusal(403, "Authorization_RequestDenied")] * 100})
    found = asked(graph, 100)
    assert len(graph.requests) == 1
    assert found.by_user == {}
    assert found.error is not None
    assert found.error.code == "permission_missing"


def test_what_fails_for_one_user_only_that_user_lacks() -> None:
    graph = ReportGraph(before={"user-1/": [refusal(500)]})
    found = asked(graph, 3)
    assert set(found.by_user) == {"user-0", "user-2"}
    assert found.error is not None


def test_a_user_who_left_since_the_listing_is_no_failure() -> None:
    graph = ReportGraph(before={"user-1/": [refusal(404, "Request_ResourceNotFound")]})
    found = asked(graph, 3)
    assert set(found.by_user) == {"user-0", "user-2"}
    assert found.error is None


def test_refused_items_are_repeated_alone() -> None:
    graph = ReportGraph(before={"user-1/": [throttled(Retry_After="3"), throttled()]})
    found = asked(graph, 3)
    assert len(found.by_user) == 3
    bodies: list[Any] = [request.json for request in graph.requests]
    assert [len(body["requests"]) for body in bodies] == [3, 1, 1]


@pytest.mark.parametrize("cut", [answer(200, {}), answer(200, {"responses": None}), answer(200, b"<html>")])
def test_a_cut_answer_is_nobodys_no(cut: Any) -> None:
    found = asked(ReportGraph(before={"$batch": [cut]}), 3)
    assert found.by_user == {}
    assert found.error is not None
