"""How many requests a reading takes, and which: graph-backfill's plan, for every kind and size of tenant."""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import unquote

import pytest

from shared.domain.user import SELECT
from tests.support.report_graph import ReportGraph, plain_graph, premium_graph, read, refusal

BATCH = "v1.0/$batch"
USERS = "v1.0/users"
REGISTRATIONS = "v1.0/reports/authenticationMethods/userRegistrationDetails"
USAGE = "v1.0/reports/getOffice365ActiveUserDetail(period='D180')"
FILE = "file"


@pytest.mark.parametrize(
    ("graph", "policy", "expected"),
    [
        (premium_graph(10), {}, {BATCH: 1, USERS: 1, REGISTRATIONS: 1}),
        (premium_graph(1_000), {}, {BATCH: 1, USERS: 2, REGISTRATIONS: 2}),
        (premium_graph(0), {}, {BATCH: 1, USERS: 1, REGISTRATIONS: 1}),
        (plain_graph(10), {}, {BATCH: 1, USERS: 1, USAGE: 1, FILE: 1}),
        (plain_graph(1_000), {}, {BATCH: 1, USERS: 2, USAGE: 1, FILE: 1}),
        (plain_graph(10), {"usage_report": False}, {BATCH: 1, USERS: 1}),
        (plain_graph(10), {"methods_per_user": True}, {BATCH: 2, USERS: 1, USAGE: 1, FILE: 1}),
        (plain_graph(1_000), {"methods_per_user": True}, {BATCH: 51, USERS: 2, USAGE: 1, FILE: 1}),
        (premium_graph(10), {"methods_per_user": True}, {BATCH: 1, USERS: 1, REGISTRATIONS: 1}),
    ],
)
def test_requests_of_a_reading(graph: ReportGraph, policy: dict[str, Any], expected: dict[str, int]) -> None:
    reading = read(graph, **policy)
    assert Counter(graph.asked) == expected
    assert reading.requests == len(graph.requests)
    assert len(reading.users) == len(graph.users)


def test_a_tenant_of_unknown_kind_is_listed_and_no_more() -> None:
    graph = premium_graph(10, before={"/subscribedSkus": [refusal(500)]})
    reading = read(graph)
    assert graph.asked == [BATCH, USERS]
    assert reading.premium is None
    assert len(reading.users) == 10
    assert reading.facts == {}


def test_pages_with_sign_in_dates_are_500_long_and_without_a_count() -> None:
    graph = premium_graph(1)
    read(graph)
    url = graph.requests[1].url.partition("?")[2]
    assert url == f"$select={','.join(SELECT)},signInActivity&$top=500"


def test_pages_without_are_999_long() -> None:
    graph = plain_graph(1)
    read(graph)
    url = graph.requests[1].url.partition("?")[2]
    assert url == f"$select={','.join(SELECT)},perUserMfaState&$top=999"
    read(graph, per_user_mfa=False)
    assert graph.requests[5].url.partition("?")[2] == f"$select={','.join(SELECT)}&$top=999"


def test_the_batch_asks_for_the_numbers_of_one_score() -> None:
    graph = plain_graph(1)
    read(graph)
    body: Any = graph.requests[0].json
    assert [item["url"] for item in body["requests"]] == [
        "/subscribedSkus",
        "/security/secureScores?$top=1&$select=createdDateTime,currentScore,maxScore,activeUserCount,licensedUserCount",
        "/policies/identitySecurityDefaultsEnforcementPolicy",
    ]


def test_listings_give_way_to_other_work() -> None:
    graph = premium_graph(600)
    read(graph)
    for request in graph.requests[1:]:
        assert request.headers["x-ms-throttle-priority"] == "Low"


def test_the_token_stays_with_graph() -> None:
    graph = plain_graph(1)
    read(graph)
    *others, download = graph.requests
    assert all("Authorization" in request.headers for request in others)
    assert "Authorization" not in download.headers
    assert "secret" not in download.template
    assert (download.largest or 0) >= 100 * 1024 * 1024  # 100,000 users
    assert unquote(download.url) == "https://reports.example/file?token=secret"
