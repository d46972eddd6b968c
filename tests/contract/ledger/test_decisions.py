"""Connections, Policies, Approvals and Links: what people decided (`shared/ports.py`)."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

import pytest

from shared.adapters.ledger import Ledger, open_ledger
from shared.domain.errors import Permanent
from shared.domain.policy import Authority, CreateScope, CustomMapping, FieldNames, SkuLabel, SyncPolicy
from shared.domain.records import Approval, ConnectionStatus
from tests.support.clock import START
from tests.support.ledger import CUSTOMER, TENANT, a_connection, a_link, a_proposal

OTHER = CUSTOMER + 1
LATER = START + timedelta(minutes=5)


# --- Connections ----------------------------------------------------------------------------------------------


async def test_connection_comes_back_as_it_was_saved(ledger: Ledger) -> None:
    await ledger.connections.save(a_connection(customer_name="Müller & Söhne 株式会社"))
    assert await ledger.connections.get(CUSTOMER) == a_connection(customer_name="Müller & Söhne 株式会社")
    assert await ledger.connections.get(OTHER) is None


async def test_connection_saved_again_is_replaced(ledger: Ledger) -> None:
    approved = a_connection(
        status=ConnectionStatus.APPROVED, changed_at=LATER, tenant_id="another", paused_with_all=True
    )
    await ledger.connections.save(a_connection())
    await ledger.connections.save(approved)
    assert await ledger.connections.list() == [approved]


async def test_connections_of_one_tenant(ledger: Ledger) -> None:
    for customer_id, tenant_id in ((3, TENANT), (1, TENANT), (2, "another")):
        await ledger.connections.save(a_connection(customer_id, tenant_id=tenant_id))
    assert [found.customer_id for found in await ledger.connections.of_tenant(TENANT)] == [1, 3]
    assert await ledger.connections.of_tenant("unknown") == []


async def test_connections_by_status(ledger: Ledger) -> None:
    for customer_id, status in enumerate(ConnectionStatus):
        await ledger.connections.save(a_connection(customer_id, status=status))
    paused = await ledger.connections.list(ConnectionStatus.PAUSED)
    assert [found.status for found in paused] == [ConnectionStatus.PAUSED]
    assert len(await ledger.connections.list()) == len(ConnectionStatus)


async def test_moments_come_back_aware_and_in_utc_to_the_microsecond(ledger: Ledger) -> None:
    local = datetime(2026, 7, 1, 1, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    await ledger.connections.save(a_connection(connected_at=local))
    found = await ledger.connections.get(CUSTOMER)
    assert found is not None
    assert found.connected_at == local
    assert found.connected_at.utcoffset() == timedelta(0)


async def test_moment_without_a_zone_is_refused(ledger: Ledger) -> None:
    with pytest.raises(Permanent) as refusal:
        await ledger.connections.save(a_connection(connected_at=START.replace(tzinfo=None)))
    assert refusal.value.code == "ledger_refused"


# --- Policies -------------------------------------------------------------------------------------------------


async def test_must_give_the_default_policy_when_none_was_saved(ledger: Ledger) -> None:
    """must: give the default policy when none was saved"""
    assert await ledger.policies.policy(CUSTOMER) == SyncPolicy()


async def test_take_the_deployments_own_rules_for_the_default(ledger_url: str) -> None:
    """may: take the deployment's own rules for the default"""
    rules = SyncPolicy(extra_skus=(SkuLabel(sku_id="sku", label="Kiosk", rank=1),))
    async with open_ledger(ledger_url, rules=rules) as ledger:
        assert await ledger.policies.policy(CUSTOMER) == rules
        await ledger.policies.save_policy(CUSTOMER, SyncPolicy())
        assert await ledger.policies.policy(CUSTOMER) == SyncPolicy()


async def test_policy_comes_back_whole(ledger: Ledger) -> None:
    policy = SyncPolicy(
        create_scope=CreateScope.MEMBERS,
        domains=("contoso.com",),
        authority={"phone": Authority.FILL_BLANK},
        custom_mappings=(CustomMapping(attribute="department", field="Dept", authority=Authority.NEVER),),
        extra_skus=(SkuLabel(sku_id="x", label="E5", rank=9),),
        fields=FieldNames(license="M365"),
    )
    await ledger.policies.save_policy(CUSTOMER, SyncPolicy(create_scope=CreateScope.NONE))
    await ledger.policies.save_policy(CUSTOMER, policy)
    assert await ledger.policies.policy(CUSTOMER) == policy
    assert await ledger.policies.policy(OTHER) == SyncPolicy()


# --- Approvals ------------------------------------------------------------------------------------------------


async def test_proposal_comes_back_as_it_was_made(ledger: Ledger) -> None:
    assert await ledger.approvals.latest(CUSTOMER) is None
    await ledger.approvals.propose(a_proposal("d1", {"anna": "r1"}))
    assert await ledger.approvals.latest(CUSTOMER) == a_proposal("d1", {"anna": "r1"})
    assert await ledger.approvals.approved_row(CUSTOMER, "anna") is None


async def test_must_replace_the_earlier_open_proposal(ledger: Ledger) -> None:
    """must: replace the customer's earlier open proposal, never an approved row"""
    await ledger.approvals.propose(a_proposal("d1", {"anna": "r1"}))
    await ledger.approvals.propose(a_proposal("other", {"anna": "o1"}, OTHER))
    await ledger.approvals.propose(a_proposal("d2", {"bert": "r2"}))
    assert await ledger.approvals.latest(CUSTOMER) == a_proposal("d2", {"bert": "r2"})
    assert await ledger.approvals.latest(OTHER) == a_proposal("other", {"anna": "o1"}, OTHER)
    with pytest.raises(Permanent):
        await ledger.approvals.approve(CUSTOMER, "d1", "kim", LATER)
    await ledger.approvals.approve(CUSTOMER, "d2", "kim", LATER)
    assert await ledger.approvals.approved_row(CUSTOMER, "anna") is None


async def test_must_never_replace_an_approved_row(ledger: Ledger) -> None:
    """must: replace the customer's earlier open proposal, never an approved row"""
    await _approved(ledger, "d1", {"anna": "r1", "bert": "r2"})
    await ledger.approvals.propose(a_proposal("d2", {"anna": "changed", "bert": "changed"}))
    assert await ledger.approvals.approved_row(CUSTOMER, "anna") == "r1"
    assert await ledger.approvals.approved_row(CUSTOMER, "bert") == "r2"
    latest = await ledger.approvals.latest(CUSTOMER)
    assert latest is not None
    assert (latest.digest, latest.approved_at, latest.approved_by) == ("d2", None, None)


async def test_approval_says_who_and_when(ledger: Ledger) -> None:
    approval = await _approved(ledger, "d1", {"anna": "r1"})
    assert approval == Approval(CUSTOMER, "d1", {"anna": "r1"}, {"update": 1}, START, LATER, "kim")
    assert await ledger.approvals.latest(CUSTOMER) == approval
    assert await ledger.approvals.approved_row(CUSTOMER, "anna") == "r1"
    assert await ledger.approvals.approved_row(CUSTOMER, "hired-later") is None
    assert await ledger.approvals.approved_row(OTHER, "anna") is None


@pytest.mark.parametrize("proposed", [None, "d2"], ids=["nothing was proposed", "another was proposed"])
async def test_must_refuse_a_digest_that_is_not_the_latest_proposals(ledger: Ledger, proposed: str | None) -> None:
    """must: refuse (Permanent "digest_mismatch") a digest that is not the latest proposal's"""
    if proposed is not None:
        await ledger.approvals.propose(a_proposal(proposed, {"anna": "r1"}))
    with pytest.raises(Permanent) as refusal:
        await ledger.approvals.approve(CUSTOMER, "d1", "kim", LATER)
    assert refusal.value.code == "digest_mismatch"
    assert await ledger.approvals.approved_row(CUSTOMER, "anna") is None


async def test_must_refuse_an_approved_digest_once_a_newer_proposal_waits(ledger: Ledger) -> None:
    """must: refuse (Permanent "digest_mismatch") a digest that is not the latest proposal's"""
    await _approved(ledger, "d1", {"anna": "r1"})
    await ledger.approvals.propose(a_proposal("d2", {"anna": "r2"}))
    with pytest.raises(Permanent) as refusal:
        await ledger.approvals.approve(CUSTOMER, "d1", "kim", LATER)
    assert refusal.value.code == "digest_mismatch"


async def test_approving_twice_changes_nothing(ledger: Ledger) -> None:
    first = await _approved(ledger, "d1", {"anna": "r1"})
    await ledger.approvals.settle_row(CUSTOMER, "anna")
    assert await ledger.approvals.approve(CUSTOMER, "d1", "someone else", LATER + timedelta(hours=1)) == first
    assert await ledger.approvals.approved_row(CUSTOMER, "anna") is None


async def test_must_let_later_changes_of_a_settled_user_pass(ledger: Ledger) -> None:
    """must: let later changes of this user pass as ordinary ones"""
    await _approved(ledger, "d1", {"anna": "r1", "bert": "r2"})
    await ledger.approvals.settle_row(CUSTOMER, "anna")
    await ledger.approvals.settle_row(CUSTOMER, "anna")
    await ledger.approvals.settle_row(CUSTOMER, "unknown")
    assert await ledger.approvals.approved_row(CUSTOMER, "anna") is None
    assert await ledger.approvals.approved_row(CUSTOMER, "bert") == "r2"


async def test_must_retire_earlier_rows_also_of_users_that_are_not_named(ledger: Ledger) -> None:
    """must: retire the customer's earlier rows, also of users whom this proposal does not name"""
    await _approved(ledger, "d1", {"anna": "r1", "bert": "r2", "carl": "r3"})
    await _approved(ledger, "other", {"bert": "o2"}, OTHER)
    await ledger.approvals.settle_row(CUSTOMER, "carl")
    await _approved(ledger, "d2", {"anna": "r1b", "carl": "r3b"})
    rows = [await ledger.approvals.approved_row(CUSTOMER, user) for user in ("anna", "bert", "carl")]
    assert rows == ["r1b", None, "r3b"]
    assert await ledger.approvals.approved_row(OTHER, "bert") == "o2"


async def test_must_count_the_rows_that_are_not_carried_out_yet(ledger: Ledger) -> None:
    """must: count the rows that were approved and are not carried out yet"""
    assert await ledger.approvals.pending(CUSTOMER) == 0
    await _approved(ledger, "d1", {"anna": "r1", "bert": "r2"})
    await _approved(ledger, "other", {"anna": "o1"}, OTHER)
    await ledger.approvals.propose(a_proposal("d2", {"carl": "r3"}))
    assert await ledger.approvals.pending(CUSTOMER) == 2
    await ledger.approvals.settle_row(CUSTOMER, "anna")
    assert await ledger.approvals.pending(CUSTOMER) == 1
    await _approved(ledger, "d3", {})
    assert await ledger.approvals.pending(CUSTOMER) == 0


async def test_approval_of_two_operators_at_once_is_one(ledger: Ledger) -> None:
    await ledger.approvals.propose(a_proposal("d1", {"anna": "r1"}))
    answers = await asyncio.gather(*(ledger.approvals.approve(CUSTOMER, "d1", by, LATER) for by in ("kim", "lee")))
    assert answers[0] == answers[1]


async def test_approval_of_a_large_customer(ledger: Ledger) -> None:
    rows = {f"user-{number}": f"r{number}" for number in range(3_000)}
    await _approved(ledger, "d1", rows)
    assert await ledger.approvals.approved_row(CUSTOMER, "user-2999") == "r2999"


async def test_empty_preview_can_be_approved(ledger: Ledger) -> None:
    assert (await _approved(ledger, "d1", {})).approved_by == "kim"


async def _approved(ledger: Ledger, digest: str, rows: dict[str, str], customer_id: int = CUSTOMER) -> Approval:
    await ledger.approvals.propose(a_proposal(digest, rows, customer_id))
    return await ledger.approvals.approve(customer_id, digest, "kim", LATER)


# --- Links ----------------------------------------------------------------------------------------------------


async def test_link_comes_back(ledger: Ledger) -> None:
    await ledger.links.link(a_link("anna", 7))
    await ledger.links.link(a_link("bert", 3))
    await ledger.links.link(a_link("anna", 7, OTHER))
    assert await ledger.links.of_user(CUSTOMER, "anna") == a_link("anna", 7)
    assert await ledger.links.of_user(CUSTOMER, "carl") is None
    assert await ledger.links.of_customer(CUSTOMER) == [a_link("bert", 3), a_link("anna", 7)]


async def test_must_refuse_a_contact_that_another_user_holds(ledger: Ledger) -> None:
    """must: refuse (Permanent "linked_elsewhere") a contact that another user holds"""
    await ledger.links.link(a_link("anna", 7))
    with pytest.raises(Permanent) as refusal:
        await ledger.links.link(a_link("bert", 7))
    assert refusal.value.code == "linked_elsewhere"
    assert await ledger.links.of_customer(CUSTOMER) == [a_link("anna", 7)]


async def test_must_refuse_a_moved_link_onto_a_held_contact(ledger: Ledger) -> None:
    """must: refuse (Permanent "linked_elsewhere") a contact that another user holds"""
    await ledger.links.link(a_link("anna", 7))
    await ledger.links.link(a_link("bert", 8))
    with pytest.raises(Permanent) as refusal:
        await ledger.links.link(a_link("bert", 7))
    assert refusal.value.code == "linked_elsewhere"
    assert await ledger.links.of_user(CUSTOMER, "bert") == a_link("bert", 8)


async def test_one_user_has_one_contact_per_customer(ledger: Ledger) -> None:
    await ledger.links.link(a_link("anna", 7))
    await ledger.links.link(a_link("anna", 8))
    assert await ledger.links.of_customer(CUSTOMER) == [a_link("anna", 8)]
    await ledger.links.link(a_link("bert", 7))


async def test_of_two_workers_that_race_for_a_contact_one_wins(ledger: Ledger) -> None:
    answers = await asyncio.gather(
        *(ledger.links.link(a_link(user, 7)) for user in ("anna", "bert", "carl")), return_exceptions=True
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["NoneType", "Permanent", "Permanent"]


async def test_unlinked_contact_is_free_again(ledger: Ledger) -> None:
    await ledger.links.link(a_link("anna", 7))
    await ledger.links.unlink(CUSTOMER, "anna")
    await ledger.links.unlink(CUSTOMER, "anna")
    assert await ledger.links.of_user(CUSTOMER, "anna") is None
    await ledger.links.link(a_link("bert", 7))
