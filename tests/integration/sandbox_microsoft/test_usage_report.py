"""The usage report: a redirect to another host, a link that is its own permission, a CSV with concealed names."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta

import pytest

from sandbox.microsoft import Microsoft
from sandbox.microsoft.products import STANDARD
from sandbox.microsoft.reported import Reported
from sandbox.microsoft.usage_csv import COLUMNS
from tests.support.microsoft import CONTOSO, GraphCaller

REPORT = "/reports/getOffice365ActiveUserDetail(period='D180')"


async def _link(caller: GraphCaller) -> str:
    answer = await caller.get(REPORT)
    assert answer.status == 302, answer.body
    return answer.headers["location"]


async def _download(caller: GraphCaller, link: str, **headers: str) -> tuple[int, bytes, str]:
    async with caller.session.get(link, headers=headers) as response:
        return response.status, await response.read(), response.content_type


async def _rows(caller: GraphCaller) -> list[dict[str, str]]:
    status, body, kind = await _download(caller, await _link(caller))
    assert (status, kind, body[:3]) == (200, "application/octet-stream", b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"))))


async def _license_everybody(microsoft: Microsoft, caller: GraphCaller) -> list[str]:
    ids = [row["id"] for row in (await caller.get("/users?$select=id")).body["value"]]
    for user_id in ids:
        body = {"addLicenses": [{"skuId": STANDARD}], "removeLicenses": []}
        assert (await caller.post(f"/users/{user_id}/assignLicense", body)).status == 200
    return ids


async def test_names_are_concealed_unless_the_tenant_says_otherwise(microsoft: Microsoft, contoso: GraphCaller) -> None:
    await _license_everybody(microsoft, contoso)
    concealed = await _rows(contoso)
    assert len(concealed) == 5
    assert all(re.fullmatch(r"[0-9A-F]{32}", row["User Principal Name"]) for row in concealed)
    assert all(re.fullmatch(r"[0-9A-F]{32}", row["Display Name"]) for row in concealed)
    assert concealed == await _rows(contoso)
    microsoft.tenants[CONTOSO].names_concealed = False
    names = {row["User Principal Name"] for row in await _rows(contoso)}
    assert {name.lower() for name in names} == {f"person{number}@contoso.com" for number in range(5)} != names
    microsoft.switches.change({"concealed_names": "always"})
    assert await _rows(contoso) == concealed


async def test_rows_carry_the_columns_and_the_last_use_of_each_service(
    microsoft: Microsoft, contoso: GraphCaller
) -> None:
    first, second, *_ = await _license_everybody(microsoft, contoso)
    today = microsoft.clock.now().date()
    days = {name: (today - timedelta(days=age)).isoformat() for name, age in (("new", 0), ("used", 5), ("old", 200))}
    tenant = microsoft.tenants[CONTOSO]
    tenant.names_concealed = False
    tenant.reported[first] = Reported(services={"Exchange": days["used"], "Teams": days["old"], "Yammer": days["new"]})
    assert (await contoso.delete(f"/users/{second}")).status == 204
    rows = {row["User Principal Name"].lower(): row for row in await _rows(contoso)}
    row = rows["person0@contoso.com"]
    assert tuple(row) == COLUMNS
    assert row["Exchange Last Activity Date"] == days["used"]
    assert (row["Teams Last Activity Date"], row["Yammer Last Activity Date"]) == ("", "")
    assert row["Report Refresh Date"] == (today - timedelta(days=1)).isoformat()
    assert (row["Is Deleted"], row["Assigned Products"]) == ("False", "O365_BUSINESS_PREMIUM")
    gone = rows["person1@contoso.com"]
    assert (gone["Is Deleted"], gone["Deleted Date"]) == ("True", today.isoformat())


async def test_only_licensed_people_are_in_it_and_it_may_be_empty_or_old(
    microsoft: Microsoft, contoso: GraphCaller
) -> None:
    assert await _rows(contoso) == []
    await _license_everybody(microsoft, contoso)
    microsoft.switches.change({"usage_report": "empty"})
    assert await _rows(contoso) == []
    microsoft.switches.change({"usage_report": "stale"})
    old = (microsoft.clock.now().date() - timedelta(days=3)).isoformat()
    assert {row["Report Refresh Date"] for row in await _rows(contoso)} == {old}


async def test_the_second_host_refuses_a_graph_token_and_an_old_link(
    microsoft: Microsoft, contoso: GraphCaller
) -> None:
    link = await _link(contoso)
    assert link.startswith(microsoft.reports_url)
    assert microsoft.reports_url != microsoft.graph_url
    bearer = {"Authorization": f"Bearer {contoso.token}"}
    assert {(await _download(contoso, link, **bearer))[0] for _ in range(12)} == {400, 403}
    assert (await _download(contoso, link))[0] == 200
    assert (await _download(contoso, microsoft.reports_url + "/data/download/none"))[0] == 403
    microsoft.clock.advance(timedelta(minutes=6))
    assert (await _download(contoso, link))[0] == 403
    downloads = [call for call in microsoft.calls if call.service == "reports"]
    assert len(downloads) == 15
    assert not any(link.rpartition("/")[2] in call.path for call in microsoft.calls)


async def test_over_tls_the_link_is_over_tls_too(microsoft: Microsoft, contoso: GraphCaller) -> None:
    answer = await contoso.get(f"{microsoft.graph_tls_url}/v1.0{REPORT}")
    link = answer.headers["location"]
    assert link.startswith("https://")
    assert (await _download(contoso, link))[0] == 200


async def test_fourteen_calls_in_ten_minutes(microsoft: Microsoft, contoso: GraphCaller) -> None:
    microsoft.switches.change({"retry_after": "none"})
    assert [(await contoso.get(REPORT)).status for _ in range(15)] == [302] * 14 + [429]
    refused = await contoso.get(REPORT)
    assert (refused.code, "retry-after" in refused.headers) == ("UnknownError", False)


@pytest.mark.parametrize(
    ("call", "status"),
    [
        ("getOffice365ActiveUserDetail(period='D7')", 302),
        ("getOffice365ActiveUserDetail(period='D8')", 400),
        ("getNothingOfTheKind(period='D7')", 400),
    ],
)
async def test_other_calls(contoso: GraphCaller, call: str, status: int) -> None:
    assert (await contoso.get(f"/reports/{call}")).status == status


@pytest.mark.parametrize("path", [REPORT, "/admin/reportSettings"])
async def test_without_permission_the_message_is_json_in_json(
    microsoft: Microsoft, contoso: GraphCaller, path: str
) -> None:
    microsoft.tenants[CONTOSO].roles = ("User.Read.All",)
    await contoso.sign_in()
    answer = await contoso.get(path)
    assert (answer.status, answer.code) == (403, "UnknownError")
    assert json.loads(answer.message) == {"error": {"code": "S2SUnauthorized", "message": "Invalid permission."}}


async def test_the_setting_behind_the_concealed_names(microsoft: Microsoft, contoso: GraphCaller) -> None:
    assert (await contoso.get("/admin/reportSettings")).body["displayConcealedNames"] is True
    microsoft.switches.change({"concealed_names": "never"})
    assert (await contoso.get("/admin/reportSettings")).body["displayConcealedNames"] is False
