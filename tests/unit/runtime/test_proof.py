"""Proving a consent, in virtual time: what may only be too early is waited for, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from shared.domain.errors import Scope, StopTheLine, SyncError, Transient
from shared.domain.onboarding import Organization
from shared.runtime.proof import AT_ONCE, LONGEST, LONGEST_NAME, REPLICATING, Lacking, Proved, prove
from tests.support.fake_onboarding import FakeOrganizations
from tests.support.fake_vendors import FakeDirectory
from tests.support.receiver import TENANT
from tests.support.virtual_time import LoopClock, run_virtual

ENOUGH = frozenset({"User.Read.All"})
WHO = Organization(TENANT, "Contoso Ltd", ("contoso.example",))
MISSING = StopTheLine("login", "consent_missing", scope=Scope.TENANT)

T = TypeVar("T")


class Prover(FakeDirectory):
    """`answers`: what each proof in turn is answered with; the last for ever."""

    def __init__(self, *answers: frozenset[str] | SyncError, takes: float = 0.0) -> None:
        super().__init__(LoopClock())
        self.answers = list(answers)
        self.takes = takes
        self.proofs = 0

    async def prove(self, tenant_id: str) -> frozenset[str]:
        self.proofs += 1
        await asyncio.sleep(self.takes)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, SyncError):
            raise answer
        return answer


@dataclass
class Ports:
    directory: Prover
    organizations: FakeOrganizations = field(default_factory=lambda: FakeOrganizations({TENANT: WHO}))


def timed(main: Coroutine[Any, Any, T]) -> tuple[T, float]:
    async def measured() -> tuple[T, float]:
        return await main, asyncio.get_running_loop().time()

    return run_virtual(measured())


def test_a_good_consent_costs_no_wait() -> None:
    proof, took = timed(prove(Ports(Prover(ENOUGH)), TENANT, pauses=REPLICATING))
    assert isinstance(proof, Proved)
    assert (proof.organization, took) == (WHO, 0.0)
    assert "Reports.Read.All" in proof.lacks


def test_a_tenants_name_is_one_short_line_whatever_its_people_wrote() -> None:
    ports = Ports(Prover(ENOUGH))
    ports.organizations.known[TENANT] = Organization(TENANT, " Contoso\nThen run:\r\n\tsomething " + "x" * 500, ())
    proof = run_virtual(prove(ports, TENANT))
    assert isinstance(proof, Proved)
    assert proof.organization.name.startswith("Contoso Then run: something xxx")
    assert len(proof.organization.name) == LONGEST_NAME
    assert proof.organization.name.isprintable()


@pytest.mark.parametrize("early", [MISSING, frozenset[str](), StopTheLine("graph", "denied", scope=Scope.TENANT)])
def test_a_consent_that_is_still_replicating_is_waited_for(early: frozenset[str] | SyncError) -> None:
    ports = Ports(Prover(early, early, early, ENOUGH))
    proof, took = timed(prove(ports, TENANT, pauses=REPLICATING))
    assert isinstance(proof, Proved)
    assert took == sum(REPLICATING[:3])


def test_a_tenant_that_does_not_yet_say_who_it_is_is_waited_for() -> None:
    ports = Ports(Prover(ENOUGH))
    ports.organizations.known = {}

    async def later() -> Proved | Lacking:
        asyncio.get_running_loop().call_later(5, ports.organizations.known.update, {TENANT: WHO})
        return await prove(ports, TENANT, pauses=REPLICATING)

    proof, took = timed(later())
    assert isinstance(proof, Proved)
    assert took >= 5


def test_a_role_that_never_comes_is_named_within_20_seconds() -> None:
    proof, took = timed(prove(Ports(Prover(frozenset({"Mail.Read"}))), TENANT, pauses=REPLICATING))
    assert proof == Lacking(("User.Read.All",))
    assert took == sum(REPLICATING) == 20.0


def test_a_consent_that_never_comes_is_missing() -> None:
    with pytest.raises(StopTheLine, match="consent_missing"):
        run_virtual(prove(Ports(Prover(MISSING)), TENANT, pauses=REPLICATING))


@pytest.mark.parametrize(
    "error",
    [
        Transient("login", "login_unavailable"),
        StopTheLine("login", "secret_expired", scope=Scope.ACCOUNT),
        StopTheLine("login", "tenant_unknown", scope=Scope.TENANT),
        StopTheLine("login", "blocked_by_policy", scope=Scope.TENANT),
    ],
)
def test_what_no_waiting_cures_is_raised_at_once(error: SyncError) -> None:
    directory = Prover(error, ENOUGH)
    with pytest.raises(type(error), match=error.code):
        run_virtual(prove(Ports(directory), TENANT, pauses=REPLICATING))
    assert directory.proofs == 1


@pytest.mark.parametrize("answer", [MISSING, frozenset[str]()])
def test_without_patience_the_first_answer_counts(answer: frozenset[str] | SyncError) -> None:
    directory = Prover(answer, ENOUGH)
    if isinstance(answer, SyncError):
        with pytest.raises(StopTheLine):
            run_virtual(prove(Ports(directory), TENANT, pauses=AT_ONCE))
    else:
        assert isinstance(run_virtual(prove(Ports(directory), TENANT)), Lacking)
    assert directory.proofs == 1


def test_a_slow_microsoft_ends_the_proof() -> None:
    async def patient() -> float:
        with pytest.raises(Transient, match="login_timed_out"):
            await prove(Ports(Prover(MISSING, takes=30.0)), TENANT, pauses=REPLICATING)
        return asyncio.get_running_loop().time()

    assert run_virtual(patient()) == LONGEST
