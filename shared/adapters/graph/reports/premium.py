"""What a tenant has bought: whether it has Entra ID P1 or P2, and what its products are called. Pure.

Next: `shared/adapters/graph/reports/frame.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.adapters.lenient import Json, objects, text

# AAD_PREMIUM (P1) and AAD_PREMIUM_P2. One such product opens the reports for every user of the tenant.
_PLANS = frozenset({"41781fb2-bc02-4b7c-bd55-b576c07bb09d", "eec0eb4f-6444-4f95-aba0-50c24d67f998"})
_IN_FORCE = frozenset({"enabled", "warning"})  # "warning": run out, in its days of grace


def has_premium(skus: Iterable[Json]) -> bool:
    """`skus`: the rows of subscribedSkus."""
    return any(_word(sku, "capabilityStatus") in _IN_FORCE and _has_plan(sku) for sku in skus)


def part_numbers(skus: Iterable[Json]) -> Mapping[str, str]:
    """Product id, lower case -> part number as Microsoft writes it (some have spaces and brackets)."""
    named = ((_word(sku, "skuId"), text(sku.get("skuPartNumber"))) for sku in skus)
    return {sku_id: number for sku_id, number in named if sku_id and number}


def _has_plan(sku: Json) -> bool:
    return any(
        _word(plan, "servicePlanId") in _PLANS and _word(plan, "provisioningStatus") != "disabled"
        for plan in objects(sku.get("servicePlans"))
    )


def _word(row: Json, name: str) -> str:
    return (text(row.get(name)) or "").strip().lower()
