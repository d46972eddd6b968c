"""Entra ID P1 by products: which rows of subscribedSkus mean it."""

from __future__ import annotations

from typing import Any

import pytest

from shared.adapters.graph.reports.premium import has_premium, part_numbers
from tests.support.report_graph import P1_PLAN, sku

P2_PLAN = "eec0eb4f-6444-4f95-aba0-50c24d67f998"
OTHER_PLAN = "9aaf7827-d63c-4b61-89c3-182f06f82e5c"  # EXCHANGE_S_STANDARD


@pytest.mark.parametrize(
    ("skus", "expected"),
    [
        ([], False),
        ([sku("a", OTHER_PLAN)], False),
        ([sku("a", P1_PLAN)], True),
        ([sku("a", P2_PLAN)], True),
        ([sku("a", P1_PLAN.upper())], True),
        ([sku("a", OTHER_PLAN), sku("b", OTHER_PLAN, P2_PLAN)], True),
        ([sku("a", P1_PLAN, status="Warning")], True),
        ([sku("a", P1_PLAN, status="Suspended")], False),
        ([sku("a", P1_PLAN, status="LockedOut")], False),
        ([sku("a", P1_PLAN, status="Deleted")], False),
        ([sku("a", P1_PLAN, provisioning="PendingActivation")], True),
        ([sku("a", P1_PLAN, provisioning="Disabled")], False),
        ([{"skuId": "a", "capabilityStatus": "Enabled", "servicePlans": None}], False),
        ([{"skuId": None}], False),
    ],
)
def test_p1_by_products(skus: list[dict[str, Any]], expected: bool) -> None:
    assert has_premium(skus) is expected


def test_part_numbers_by_lower_case_id() -> None:
    rows = [{"skuId": "ABC", "skuPartNumber": "Microsoft_365_ Business_ Premium_(no Teams)"}, {"skuId": "x"}, {}]
    assert part_numbers(rows) == {"abc": "Microsoft_365_ Business_ Premium_(no Teams)"}
