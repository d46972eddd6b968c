"""Everything that was read, put together for each user: the facts that a full run hands on.

Nothing is fetched here. Next: `shared/domain/mfa.py`, which says what the evidence means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.adapters.graph.reports.listing import Listed
from shared.domain.facts import Facts
from shared.domain.mfa import MfaEvidence, MfaVerdict, Registration, is_person, verdict
from shared.domain.nightly import MfaRule
from shared.domain.user import DirectoryUser

_SLICE = 1_000  # users between two turns of the loop


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the reports of one tenant say, by user.

    `dates`: user id -> ISO date, from sign-ins. `usage`: user principal name, lower case -> ISO date. `registrations`:
    user id, lower case -> row, None when the report was not read. `states`: user id -> per-user MFA state, None when
    none were read. `methods`: user id -> kinds. `unknown`: sentences for a technician.
    """

    premium: bool | None
    security_defaults: bool | None = None
    dates: Mapping[str, str] = field(default_factory=dict)
    usage: Mapping[str, str] = field(default_factory=dict)
    registrations: Mapping[str, Registration] | None = None
    states: Mapping[str, str] | None = None
    methods: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


async def facts_of(listed: Listed, evidence: Evidence, rule: MfaRule, read_at: datetime) -> Mapping[str, Facts]:
    """User id -> facts, for everybody of whom anything is to be said. In slices: it must not stop everything else."""
    found: dict[str, Facts] = {}
    seen: dict[Facts, Facts] = {}
    verdicts: dict[MfaEvidence, MfaVerdict] = {}  # a tenant has a few dozen different ones
    for count, user in enumerate(listed.users, 1):
        about = _about(user, evidence, rule)
        if about not in verdicts:
            verdicts[about] = verdict(about)
        mfa = verdicts[about]
        facts = Facts(read_at, mfa.status, mfa.methods, _activity(user, evidence), mfa.why_unknown)
        if facts != Facts(read_at):
            found[user.id] = seen.setdefault(facts, facts)
        if count % _SLICE == 0:
            await asyncio.sleep(0)
    return found


def _about(user: DirectoryUser, evidence: Evidence, rule: MfaRule) -> MfaEvidence:
    rows, states = evidence.registrations, evidence.states
    return MfaEvidence(
        premium=evidence.premium,
        rule=rule,
        registration=None if rows is None else rows.get(user.id.lower()),
        report_read=rows is not None,
        state=None if states is None else states.get(user.id),
        state_read=states is not None,
        methods=evidence.methods.get(user.id),
        security_defaults=evidence.security_defaults,
        is_person=is_person(user.display_name, user.user_principal_name, user.user_type),
    )


def _activity(user: DirectoryUser, evidence: Evidence) -> str | None:
    return evidence.dates.get(user.id) or evidence.usage.get((user.user_principal_name or "").lower())
