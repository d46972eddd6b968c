"""What a run says beside its numbers: for a technician, why anything was skipped. Sentences with names of nobody.

An unknown product is said once a month per tenant, not every night. Next: `worker/fullpass.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import structlog

from shared.domain.changes import Conflict
from shared.domain.licences import unknown_skus
from shared.domain.records import Hold
from shared.ports import Memory
from worker.survey import Survey

log = structlog.get_logger("worker")
_MONTH = 30 * 86_400.0


async def news_of_products(memory: Memory, survey: Survey) -> Mapping[str, str]:
    """Products that users hold and no table names, as far as not said lately: product (SKU) id -> part number or ""."""
    tenant_id, reading = survey.reading.tenant_id, survey.reading
    news = {}
    for sku_id, part_number in unknown_skus(reading.users, survey.policy, reading.part_numbers).items():
        key = f"unknown-sku:{tenant_id}:{sku_id}"
        if await memory.recall(key) is None:
            await memory.remember(key, "said", ttl=_MONTH)
            log.info("unknown_sku", tenant_id=tenant_id, sku_id=sku_id)
            news[sku_id] = part_number
    return news


def notes_of(
    survey: Survey, *, news: Mapping[str, str], hold: Hold | None, carried: int, is_frozen: bool
) -> tuple[str, ...]:
    """`news`: products to be named. `carried`: users whose last activity alone moved and has to wait."""
    return tuple(_notes(survey, news, hold, carried, is_frozen))


def _notes(survey: Survey, news: Mapping[str, str], hold: Hold | None, carried: int, is_frozen: bool) -> Iterator[str]:
    yield from survey.reading.unknown
    yield from survey.notes
    for sku_id, part_number in news.items():
        name = f"{part_number} ({sku_id})" if part_number else sku_id
        yield f"No label is set for the product {name}; add it to policy.extra_skus if it is to be billed."
    for reason, count in sorted(survey.excluded.items()):
        yield f"No contact is made for {_users(count)}: {reason}."
    conflicts = sum(isinstance(plan, Conflict) for plan in survey.plans)
    if conflicts:
        look = f"entra-syncro preview --customer {survey.customer_id}"
        yield f"A person has to choose the contact of {_users(conflicts)}: {look}"
    if survey.loose:
        yield f"Contacts without an Entra user, left alone: {survey.loose}."
    if survey.lacking:
        yield f"Left out, for Syncro has no such custom field: {', '.join(sorted(survey.lacking))}."
    if hold is not None:
        yield f"Waiting for approval, code {hold.code}: {hold.detail}"
    if is_frozen:
        yield "Licences and counts wait until the freeze is over."
    if carried:
        yield f"Carried over to the next full sync, for only the last activity moved: {_users(carried)}."


def _users(count: int) -> str:
    return f"{count} user" if count == 1 else f"{count} users"
