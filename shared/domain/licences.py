"""Licences by SKU id: which label a user's contact carries, and whether the user has a paid licence at all.

Matched by skuId alone (part numbers mislead: O365_BUSINESS_PREMIUM is Business Standard). The lists lag behind
Microsoft by nature, so a deployment adds its own (`SyncPolicy.extra_skus`). Next: `shared/domain/scope.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from shared.domain.policy import SkuLabel, SyncPolicy
from shared.domain.user import DirectoryUser

BASIC = "Microsoft 365 Business Basic"
APPS = "Microsoft 365 Apps for Business"
STANDARD = "Microsoft 365 Business Standard"
PREMIUM = "Microsoft 365 Business Premium"

# The order in which licences win: a user with several carries the last.
LABELS: tuple[str, ...] = (BASIC, APPS, STANDARD, PREMIUM)

SKUS: dict[str, str] = {
    "3b555118-da6a-4418-894f-7df1e2096870": BASIC,  # O365_BUSINESS_ESSENTIALS
    "dab7782a-93b1-4074-8bb1-0e61318bea0b": BASIC,  # SMB_BUSINESS_ESSENTIALS
    "21502a13-c8dc-4744-be9c-177fd9d2eafc": BASIC,  # no Teams
    "b1f3042b-a390-4b56-ab61-b88e7e767a97": BASIC,  # EEA, no Teams
    "cdd28e44-67e3-425e-be4c-737fab2899d3": APPS,  # O365_BUSINESS
    "b214fe43-f5a3-4703-beeb-fa97188220fc": APPS,  # SMB_BUSINESS
    "f245ecc8-75af-4f8e-b61f-27d8114de5f3": STANDARD,  # O365_BUSINESS_PREMIUM
    "ac5cef5d-921b-4f97-9ef3-c99076e5470f": STANDARD,  # SMB_BUSINESS_PREMIUM
    "5a1c7b8d-0739-4ca8-bf69-ec87e69133ac": STANDARD,  # no Teams
    "ffa3a2a0-3820-462a-aa81-8a4d741f0cba": STANDARD,  # EEA, no Teams
    "c1f79c29-5d7a-4bec-a2c1-1a76774864c0": STANDARD,  # EEA, no Teams, bundle
    "f1e78181-93b9-4981-96b8-adc273c746fc": STANDARD,  # with Copilot; not in Microsoft's list yet
    "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46": PREMIUM,  # SPB
    "00e1ec7b-e4a3-40d1-9441-b69b597ab222": PREMIUM,  # no Teams
    "a3f586b6-8cce-4d9b-99d6-55238397f77a": PREMIUM,  # EEA, no Teams
    "24c35284-d768-4e53-84d9-b7ae73dddf69": PREMIUM,  # donation (nonprofit)
    "a6d18b68-a67e-4cbd-ba00-8744bc468faa": PREMIUM,  # with Copilot; not in Microsoft's list yet
}

# Products that cost nothing: given away, viral (anybody may click them on) or left over from sign-ups. A trial of a
# paid product carries the paid product's own id and so counts as paid. Everything that is not here is paid: an
# unknown product must not make somebody's contact disappear from the scope.
FREE_SKUS: frozenset[str] = frozenset(
    {
        "f30db892-07e9-47e9-837c-80727f46fd3d",  # Power Automate Free
        "a403ebcc-fae0-4ca2-8c8c-7a907fd6c235",  # Fabric (Free)
        "ade29b5f-397e-4eb9-a287-0344bd46c68d",  # Fabric (Free) for faculty
        "bdcaf6aa-04c1-4b8f-b64e-6e3bd505ac64",  # Fabric (Free) for student
        "90d8b3f8-712e-4f7b-aa1e-62e7ae6cbe96",  # Business Apps (free)
        "16ddbbfc-09ea-4de2-b1d7-312db6112d70",  # Teams (Free)
        "710779e8-3d4a-4c88-adb9-386c958d1fdf",  # Teams Exploratory
        "e0dfc8b9-9531-4ec8-94b4-9fec23b05fc8",  # Teams Exploratory Dept
        "29a2f828-8f39-4837-b8ff-c957e86abe3c",  # Teams Commercial Cloud (user-started trial)
        "74fbf1bb-47c6-4796-9623-77dc7371723b",  # Teams Trial
        "5b631642-bd26-49fe-bd20-1daaa972ef80",  # Power Apps for Developer
        "dcb1a3ae-b33f-4487-846a-a640262fadf4",  # Power Apps Plan 2 Trial (viral)
        "3f9f06f5-3c31-472c-985f-62d9c10ec167",  # Power Pages vTrial for Makers
        "606b54a9-78d8-4298-ad8b-df6ef4481c80",  # Copilot Studio Viral Trial
        "036c2481-aa8a-47cd-ab43-324f0c157c2d",  # Dynamics 365 Customer Insights vTrial
        "1e615a51-59db-4807-9957-aa83c3657351",  # Dynamics 365 Customer Service Enterprise Viral Trial
        "29fcd665-d8d1-4f34-8eed-3811e3fca7b3",  # Dynamics 365 Field Service Viral Trial
        "6ec92958-3cc1-49db-95bd-bc6b3798df71",  # Dynamics 365 Sales Premium Viral Trial
        "99cb3f83-fbec-4aa1-8262-9679e6df7c53",  # Dynamics 365 Guides vTrial
        "556640c0-53ea-4773-907d-29c55332983f",  # Cloud for Sustainability vTrial
        "338148b6-1b11-4102-afb9-f92b6cdc0f8d",  # Dynamics 365 P1 Trial for Information Workers
        "9c7bff7a-3715-4da7-88d3-07f57f8d0fb6",  # Dynamics 365 for Sales Professional Trial
        "6a4a1628-9b9a-424d-bed5-4118f0ede3fd",  # Dynamics 365 Business Central for IWs
        "bc946dac-7877-4271-b2f7-99d2db13cd2c",  # Dynamics 365 Customer Voice Trial
        "8f0c5670-4e56-4892-b06d-91c085d7004f",  # App Connect IW
        "1f2f344a-700d-42c9-9427-5cea1d5d7ba6",  # Microsoft Stream
        "6470687e-a428-4b7a-bef2-8a291ad947c9",  # Windows Store for Business
        "726a0894-2c77-4d65-99da-9775ef05aad1",  # Microsoft Business Center
        "8c4ce438-32a7-4ac5-91a6-e22ae08d9c8b",  # Rights Management Adhoc
        "47794cd0-f0e5-45c5-9033-2eb6b5fc84e0",  # Communications Credits (prepaid minutes, no licence)
    }
)


def licence_label(sku_ids: Iterable[str], extra: Sequence[SkuLabel] = ()) -> str:
    """The one label of a user, "" without a licence that counts. Ranks: 1 Basic, 2 Apps, 3 Standard, 4 Premium.

    `extra` rows may add products or say otherwise about a built-in one; the highest rank wins, and between labels
    of one rank the later in the alphabet, so that the answer never depends on Graph's order.
    """
    return max(_held(sku_ids, extra), default=(0, ""))[1]


def licence_labels(sku_ids: Iterable[str], extra: Sequence[SkuLabel] = ()) -> frozenset[str]:
    """Every label that the licences of a user would give, not only the one that wins."""
    return frozenset(label for _, label in _held(sku_ids, extra))


def has_paid_licence(sku_ids: Iterable[str]) -> bool:
    return any(key and key not in FREE_SKUS for key in map(_key, sku_ids or ()))


def unlisted_skus(sku_ids: Iterable[str], extra: Sequence[SkuLabel] = ()) -> frozenset[str]:
    """The products among these, lower case, that cost something and of which nobody said what to call them."""
    listed = {_key(row.sku_id) for row in extra}
    keys = set(map(_key, sku_ids or ())) - {""}
    return frozenset(keys - SKUS.keys() - FREE_SKUS - listed)


def unknown_skus(
    users: Iterable[DirectoryUser], policy: SyncPolicy, part_numbers: Mapping[str, str]
) -> Mapping[str, str]:
    """Unlisted products that any of the users holds -> part number, "" where the tenant names none; sorted."""
    held = {sku_id for user in users for sku_id in user.sku_ids or ()}
    return {sku_id: part_numbers.get(sku_id, "") for sku_id in sorted(unlisted_skus(held, policy.extra_skus))}


def _held(sku_ids: Iterable[str], extra: Sequence[SkuLabel]) -> list[tuple[int, str]]:
    """Rank and label of every licence that counts."""
    ranked = {sku_id: (LABELS.index(label) + 1, label) for sku_id, label in SKUS.items()}
    ranked |= {_key(row.sku_id): (row.rank, row.label) for row in extra}
    return [ranked[key] for key in map(_key, sku_ids or ()) if key in ranked]


def _key(sku_id: str | None) -> str:
    return (sku_id or "").strip().lower()
