"""Licences: every SKU id of the sheet, the order in which they win, what is free, and what nobody listed."""

from __future__ import annotations

from itertools import combinations

import pytest

from shared.domain.licences import (
    FREE_SKUS,
    LABELS,
    SKUS,
    has_paid_licence,
    licence_label,
    licence_labels,
    unknown_skus,
    unlisted_skus,
)
from shared.domain.policy import SkuLabel, SyncPolicy
from tests.support.people import FREE_SKU, PREMIUM_SKU, somebody

BASIC = "3b555118-da6a-4418-894f-7df1e2096870"
APPS = "cdd28e44-67e3-425e-be4c-737fab2899d3"
STANDARD = "f245ecc8-75af-4f8e-b61f-27d8114de5f3"
E5 = "06ebc4ee-1bb5-47dd-8120-11324bc54e06"
VISIO = "c5928f49-12ba-48f7-ada3-0d743a3601d5"

# Rank and id of every row of the sheet
ROWS: list[tuple[int, str]] = [
    (1, "3b555118-da6a-4418-894f-7df1e2096870"),
    (1, "dab7782a-93b1-4074-8bb1-0e61318bea0b"),
    (1, "21502a13-c8dc-4744-be9c-177fd9d2eafc"),
    (1, "b1f3042b-a390-4b56-ab61-b88e7e767a97"),
    (2, "cdd28e44-67e3-425e-be4c-737fab2899d3"),
    (2, "b214fe43-f5a3-4703-beeb-fa97188220fc"),
    (3, "f245ecc8-75af-4f8e-b61f-27d8114de5f3"),
    (3, "ac5cef5d-921b-4f97-9ef3-c99076e5470f"),
    (3, "5a1c7b8d-0739-4ca8-bf69-ec87e69133ac"),
    (3, "ffa3a2a0-3820-462a-aa81-8a4d741f0cba"),
    (3, "c1f79c29-5d7a-4bec-a2c1-1a76774864c0"),
    (3, "f1e78181-93b9-4981-96b8-adc273c746fc"),
    (4, "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46"),
    (4, "00e1ec7b-e4a3-40d1-9441-b69b597ab222"),
    (4, "a3f586b6-8cce-4d9b-99d6-55238397f77a"),
    (4, "24c35284-d768-4e53-84d9-b7ae73dddf69"),
    (4, "a6d18b68-a67e-4cbd-ba00-8744bc468faa"),
]
NAME_OF_RANK = {
    1: "Microsoft 365 Business Basic",
    2: "Microsoft 365 Apps for Business",
    3: "Microsoft 365 Business Standard",
    4: "Microsoft 365 Business Premium",
}
PAIRS = list(combinations(ROWS, 2))


# --- the rule of the four licences --------------------------------------------------------------------------------


def test_the_labels_are_exactly_the_four_that_invoices_know() -> None:
    assert tuple(NAME_OF_RANK.values()) == LABELS
    assert set(SKUS) == {sku_id for _, sku_id in ROWS}
    assert len(ROWS) == 17


@pytest.mark.parametrize(("rank", "sku_id"), ROWS)
def test_every_product_gives_its_label(rank: int, sku_id: str) -> None:
    assert licence_label([sku_id]) == NAME_OF_RANK[rank]


@pytest.mark.parametrize(("rank", "sku_id"), ROWS)
def test_neither_case_nor_white_space_nor_other_products_hide_it(rank: int, sku_id: str) -> None:
    mixed = "".join(each.upper() if place % 2 else each for place, each in enumerate(sku_id))
    for written in (sku_id.upper(), mixed, f" {sku_id}\n"):
        assert licence_label([written]) == NAME_OF_RANK[rank]
        assert licence_label([E5, FREE_SKU, written, VISIO]) == NAME_OF_RANK[rank]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_of_every_two_the_higher_wins(one: tuple[int, str], other: tuple[int, str]) -> None:
    winner = NAME_OF_RANK[max(one[0], other[0])]
    assert licence_label([one[1], other[1]]) == licence_label([other[1], one[1]]) == winner


def test_of_all_together_premium_wins() -> None:
    ids = [sku_id for _, sku_id in ROWS]
    assert licence_label(ids) == licence_label(reversed(ids)) == "Microsoft 365 Business Premium"


@pytest.mark.parametrize("sku_ids", [[], [E5], [FREE_SKU], [FREE_SKU.upper(), VISIO], ["", "not a guid"]])
def test_no_licence_that_counts_gives_no_label(sku_ids: list[str]) -> None:
    assert licence_label(sku_ids) == ""
    assert licence_labels(sku_ids) == frozenset()


def test_all_labels_that_a_user_could_carry() -> None:
    assert licence_labels([BASIC, PREMIUM_SKU.upper(), E5]) == {
        "Microsoft 365 Business Basic",
        "Microsoft 365 Business Premium",
    }


# --- what a deployment adds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sku_ids", "label"),
    [
        ([E5], "Microsoft 365 E5"),
        ([PREMIUM_SKU, E5], "Microsoft 365 E5"),  # it was given a higher rank
        ([BASIC], "Mail"),  # another label for a built-in product
        ([BASIC, APPS], "Microsoft 365 Apps for Business"),
        ([VISIO, BASIC], "Visio"),  # of one rank with Mail, and later in the alphabet
        ([VISIO, APPS], "Microsoft 365 Apps for Business"),
        ([STANDARD], "Microsoft 365 Business Standard"),
        ([FREE_SKU], "Flow"),  # even a free product, if the deployment wants to count it
        ([APPS, FREE_SKU], "Microsoft 365 Apps for Business"),
    ],
)
def test_a_deployment_adds_products_and_overrides_built_in_ones(sku_ids: list[str], label: str) -> None:
    extra = [
        SkuLabel(sku_id=E5.upper(), label="Microsoft 365 E5", rank=9),
        SkuLabel(sku_id=BASIC, label="Mail", rank=1),
        SkuLabel(sku_id=VISIO, label="Visio", rank=1),
        SkuLabel(sku_id=FREE_SKU, label="Flow", rank=0),
    ]
    assert licence_label(sku_ids, extra) == label
    assert licence_label(list(reversed(sku_ids)), list(reversed(extra))) == label


def test_a_rank_may_be_turned_round() -> None:
    extra = [SkuLabel(sku_id=PREMIUM_SKU, label="Premium, but last", rank=0)]
    assert licence_label([PREMIUM_SKU, BASIC], extra) == "Microsoft 365 Business Basic"


# --- paid, free, unlisted -----------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("sku_id", sorted(FREE_SKUS))
def test_no_free_product_is_paid_counts_or_is_unknown(sku_id: str) -> None:
    for written in (sku_id, sku_id.upper()):
        assert not has_paid_licence([written])
        assert licence_label([written]) == ""
        assert unlisted_skus([written]) == frozenset()


def test_every_id_is_a_guid_in_lower_case() -> None:
    assert not FREE_SKUS & SKUS.keys()
    assert all(sku_id == sku_id.lower() and len(sku_id) == 36 for sku_id in FREE_SKUS | SKUS.keys())


def test_unknown_products_are_those_in_no_list_with_their_part_numbers() -> None:
    users = [
        somebody(1, sku_ids=(PREMIUM_SKU, E5.upper())),
        somebody(2, sku_ids=(E5, FREE_SKU, VISIO)),
        somebody(3, sku_ids=("", "new")),
        somebody(4, sku_ids=()),
    ]
    policy = SyncPolicy(extra_skus=(SkuLabel(sku_id=VISIO.upper(), label="Visio", rank=1),))
    parts = {E5: "SPE_E5", PREMIUM_SKU: "SPB", VISIO: "VISIOCLIENT"}
    assert unknown_skus(users, policy, parts) == {E5: "SPE_E5", "new": ""}
    assert list(unknown_skus(users, SyncPolicy(), parts)) == [E5, VISIO, "new"]
    assert unknown_skus([], SyncPolicy(), parts) == {}
