"""Licences: every SKU id of the sheet, the order in which they win, and what is free."""

from __future__ import annotations

import pytest

from shared.domain.licences import FREE_SKUS, LABELS, SKUS, has_paid_licence, licence_label
from shared.domain.policy import SkuLabel
from tests.support.people import FREE_SKU, PREMIUM_SKU

BASIC = "3b555118-da6a-4418-894f-7df1e2096870"
APPS = "cdd28e44-67e3-425e-be4c-737fab2899d3"
STANDARD = "f245ecc8-75af-4f8e-b61f-27d8114de5f3"
E5 = "06ebc4ee-1bb5-47dd-8120-11324bc54e06"


@pytest.mark.parametrize(
    ("sku_ids", "label"),
    [
        ([], ""),
        ([E5], ""),
        ([FREE_SKU], ""),
        ([BASIC], "Microsoft 365 Business Basic"),
        ([APPS], "Microsoft 365 Apps for Business"),
        ([STANDARD], "Microsoft 365 Business Standard"),
        ([PREMIUM_SKU], "Microsoft 365 Business Premium"),
        ([PREMIUM_SKU.upper()], "Microsoft 365 Business Premium"),
        ([BASIC, APPS], "Microsoft 365 Apps for Business"),
        ([STANDARD, APPS, BASIC], "Microsoft 365 Business Standard"),
        ([PREMIUM_SKU, STANDARD, E5], "Microsoft 365 Business Premium"),
        (["", "not a guid"], ""),
    ],
)
def test_label(sku_ids: list[str], label: str) -> None:
    assert licence_label(sku_ids) == label
    assert licence_label(list(reversed(sku_ids))) == label


def test_the_labels_are_exactly_the_four_that_invoices_know() -> None:
    assert LABELS == (
        "Microsoft 365 Business Basic",
        "Microsoft 365 Apps for Business",
        "Microsoft 365 Business Standard",
        "Microsoft 365 Business Premium",
    )
    assert [list(SKUS.values()).count(label) for label in LABELS] == [4, 2, 6, 5]


def test_a_deployment_adds_products_and_overrides_built_in_ones() -> None:
    extra = [
        SkuLabel(sku_id=E5.upper(), label="Microsoft 365 E5", rank=9),
        SkuLabel(sku_id=BASIC, label="Mail", rank=1),
    ]
    assert licence_label([PREMIUM_SKU, E5], extra) == "Microsoft 365 E5"
    assert licence_label([BASIC], extra) == "Mail"
    assert licence_label([BASIC, APPS], extra) == "Microsoft 365 Apps for Business"


def test_labels_of_one_rank_do_not_depend_on_order() -> None:
    extra = [SkuLabel(sku_id="a", label="A", rank=5), SkuLabel(sku_id="b", label="B", rank=5)]
    assert licence_label(["a", "b"], extra) == licence_label(["b", "a"], extra) == "B"


@pytest.mark.parametrize(
    ("sku_ids", "paid"),
    [
        ([], False),
        ([FREE_SKU], False),
        ([FREE_SKU.upper()], False),
        ([FREE_SKU, E5], True),
        ([""], False),
        (["x"], True),
    ],
)
def test_paid(sku_ids: list[str], paid: bool) -> None:
    assert has_paid_licence(sku_ids) is paid


def test_nothing_that_counts_is_free() -> None:
    assert not FREE_SKUS & SKUS.keys()
    assert all(sku_id == sku_id.lower() and len(sku_id) == 36 for sku_id in FREE_SKUS | SKUS.keys())
