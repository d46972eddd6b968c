"""Proving a consent: a fresh token of the tenant, the roles in it, and who the tenant says it is.

What a browser, a person or a partner claims is never believed; everybody who links a tenant comes through here. Consent
reaches Microsoft's servers one after another (seen: tokens without roles, and 700016, for seconds), so a caller who
knows that it was just given waits through `REPLICATING`. Nothing is saved here. Next: `shared/runtime/answering.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from shared.domain.errors import Scope, StopTheLine, Transient
from shared.domain.onboarding import Organization
from shared.domain.permissions import missing_optional, missing_required
from shared.ports import Directory, Organizations

AT_ONCE: tuple[float, ...] = ()
REPLICATING = (1.0, 2.0, 3.0, 4.0, 5.0, 5.0)  # seconds between tries: 20 in all
LONGEST_NAME = 120  # characters
LONGEST = 45.0  # seconds in all, a slow Microsoft included: a person waits in front of a page
_MAY_COME = frozenset({"consent_missing", "login_refused"})  # what a consent that is replicating looks like


class ProofPorts(Protocol):
    @property
    def directory(self) -> Directory: ...

    @property
    def organizations(self) -> Organizations: ...


@dataclass(frozen=True, slots=True)
class Proved:
    """`lacks`: optional permissions that it did not grant; their fields stay unknown."""

    organization: Organization
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lacking:
    """The tenant knows the app, but did not grant these required permissions."""

    missing: tuple[str, ...]


async def prove(ports: ProofPorts, tenant_id: str, *, pauses: Sequence[float] = AT_ONCE) -> Proved | Lacking:
    """Raises StopTheLine(tenant) without consent, StopTheLine(account) for our own credential, Transient otherwise.

    `pauses`: seconds to wait before each further try, while the answer may only be too early.
    """
    try:
        async with asyncio.timeout(LONGEST):
            return await _patiently(ports, tenant_id, pauses)
    except TimeoutError:
        raise Transient("login", "login_timed_out", f"tenant {tenant_id}") from None


async def _patiently(ports: ProofPorts, tenant_id: str, pauses: Sequence[float]) -> Proved | Lacking:
    for seconds in pauses:
        try:
            proof = await _once(ports, tenant_id)
        except StopTheLine as error:
            if not _may_come(error):
                raise
        else:
            if isinstance(proof, Proved):
                return proof
        await asyncio.sleep(seconds)
    return await _once(ports, tenant_id)


async def _once(ports: ProofPorts, tenant_id: str) -> Proved | Lacking:
    roles = await ports.directory.prove(tenant_id)
    if missing := missing_required(roles):
        return Lacking(missing)
    who = await ports.organizations.organization(tenant_id)
    return Proved(replace(who, name=_one_line(who.name)), missing_optional(roles))


def _one_line(name: str) -> str:
    """Written by strangers and shown to a technician beside our own sentences: it must not look like one of them."""
    plain = "".join(each if each.isprintable() else " " for each in name)
    return " ".join(plain.split())[:LONGEST_NAME]


def _may_come(error: StopTheLine) -> bool:
    return error.scope is Scope.TENANT and (error.service == "graph" or error.code in _MAY_COME)
