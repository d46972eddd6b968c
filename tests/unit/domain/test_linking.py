"""What may be linked to what: the whole table, and what a link looks like."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.domain.linking import LinkVerdict, Tie, judge_link, linked
from shared.domain.records import Connection, ConnectionStatus
from tests.support.clock import START
from tests.support.receiver import OTHER, TENANT, guid

HOUR = timedelta(hours=1)
THIRD = guid(0xC)
GONE = ConnectionStatus.DISCONNECTED
MINE = Connection(7, "Contoso", TENANT, ConnectionStatus.APPROVED, START, START)
BOTH = replace(MINE, more_tenants=(OTHER,))
HERS = Connection(8, "Contoso North", TENANT, ConnectionStatus.PAUSED, START, START)


@pytest.mark.parametrize(
    ("own", "of_tenant", "apart", "shared", "add", "tie"),
    [
        (None, [], False, False, False, Tie.NEW),
        (None, [HERS], False, False, False, Tie.OTHER_CUSTOMER),
        (None, [HERS], False, False, True, Tie.OTHER_CUSTOMER),
        (None, [HERS], False, True, False, Tie.NEW),
        (None, [replace(HERS, status=GONE)], False, False, False, Tie.NEW),
        (MINE, [MINE], False, False, False, Tie.ALREADY),
        (MINE, [MINE, HERS], False, False, False, Tie.ALREADY),
        (replace(MINE, tenant_id=OTHER, more_tenants=(TENANT,)), [], False, False, True, Tie.ALREADY),
        (replace(MINE, tenant_id=OTHER), [], False, False, False, Tie.OTHER_TENANT),
        (replace(MINE, tenant_id=OTHER), [], False, True, False, Tie.OTHER_TENANT),
        (replace(MINE, tenant_id=OTHER), [], False, False, True, Tie.ADDED),
        (replace(MINE, tenant_id=OTHER), [HERS], False, False, True, Tie.OTHER_CUSTOMER),
        (replace(MINE, tenant_id=OTHER), [HERS], False, True, True, Tie.ADDED),
        (replace(MINE, status=GONE), [replace(MINE, status=GONE)], False, False, False, Tie.NEW),
        (replace(MINE, tenant_id=OTHER, status=GONE), [], False, False, False, Tie.NEW),
        (None, [], True, True, True, Tie.APART),
        (MINE, [MINE], True, False, False, Tie.APART),
    ],
)
def test_a_tenant_is_judged(
    own: Connection | None, of_tenant: list[Connection], apart: bool, shared: bool, add: bool, tie: Tie
) -> None:
    verdict = judge_link(7, TENANT, own=own, of_tenant=of_tenant, is_apart=apart, shared=shared, add=add)
    assert verdict.tie is tie
    assert verdict.is_allowed is (tie in (Tie.NEW, Tie.ADDED, Tie.ALREADY))


def test_who_stands_in_the_way_is_named() -> None:
    assert judge_link(7, TENANT, own=None, of_tenant=[HERS], is_apart=False).other == HERS
    mine = replace(MINE, tenant_id=OTHER)
    assert judge_link(7, TENANT, own=mine, of_tenant=[HERS], is_apart=False).other == mine


def test_a_new_connection_waits_for_approval() -> None:
    made = linked(LinkVerdict(Tie.NEW), 7, "Contoso", TENANT, START)
    assert made == Connection(7, "Contoso", TENANT, ConnectionStatus.PREVIEW, START, START)


@pytest.mark.parametrize("status", [ConnectionStatus.APPROVED, ConnectionStatus.PAUSED, ConnectionStatus.PREVIEW])
def test_a_tenant_that_is_added_waits_for_a_new_approval(status: ConnectionStatus) -> None:
    made = linked(LinkVerdict(Tie.ADDED, replace(BOTH, status=status)), 7, "New name", THIRD, START)
    assert made == replace(BOTH, more_tenants=(OTHER, THIRD), status=ConnectionStatus.PREVIEW, changed_at=START)


def test_what_is_linked_already_stays_as_it_is() -> None:
    assert linked(LinkVerdict(Tie.ALREADY, BOTH), 7, "New name", OTHER, START) is BOTH


@pytest.mark.parametrize(
    ("own", "since"),
    [
        (None, START + HOUR),
        (replace(MINE, status=GONE), START),
        (replace(MINE, status=GONE, tenant_id=OTHER), START + HOUR),
        (replace(BOTH, status=GONE), START + HOUR),
    ],
)
def test_connected_to_the_same_tenant_again_its_links_are_still_of_that_tenant(
    own: Connection | None, since: datetime
) -> None:
    verdict = judge_link(7, TENANT, own=own, of_tenant=(), is_apart=False)
    made = linked(verdict, 7, "Contoso", TENANT, START + HOUR)
    assert (made.connected_at, made.changed_at, made.status) == (since, START + HOUR, ConnectionStatus.PREVIEW)
    assert verdict.own is own
