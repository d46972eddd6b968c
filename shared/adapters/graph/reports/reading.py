"""The call plan of one tenant, and nothing else: which requests, in which order, for which kind of tenant.

A: one `$batch` (products, Secure Score, security defaults). B: the users, with sign-in dates where the tenant has Entra
ID P1, else with the per-user MFA state. C, with P1: the registration report. D, without: the usage report and, if a
deployment wants them, the methods of each user. A tenant of which nobody can say whether it has P1 is listed, no more.
Next: `shared/adapters/graph/reports/frame.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from shared.adapters.graph.attributes import Attributes, CommonAttributes
from shared.adapters.graph.auth import Tokens
from shared.adapters.graph.reports.frame import Frame, read_frame
from shared.adapters.graph.reports.judging import Evidence, facts_of
from shared.adapters.graph.reports.limiter import Limiter
from shared.adapters.graph.reports.listing import Listed, Rider, list_users
from shared.adapters.graph.reports.methods import RegisteredMethods, read_methods
from shared.adapters.graph.reports.patience import PatientCaller
from shared.adapters.graph.reports.reasons import (
    READ_AUDIT_LOG,
    READ_METHODS,
    READ_POLICIES,
    READ_REPORTS,
    lacking,
    unknown,
)
from shared.adapters.graph.reports.registration import REQUESTS, SECONDS, read_registrations
from shared.adapters.graph.reports.usage import UsageReport, read_usage
from shared.adapters.http import HttpClient
from shared.domain.errors import SyncError
from shared.domain.mfa import is_person
from shared.domain.nightly import FactsPolicy
from shared.domain.tenant import TenantReading
from shared.ports import Clock

NO_STATES = (
    "MFA status is unknown: without Entra ID P1 it comes from the per-user state, and facts.per_user_mfa is off."
)
NO_METHODS = "MFA methods are unknown: without Entra ID P1 they are read only when facts.methods_per_user is on."
NO_USAGE = (
    "Last activity is unknown: without Entra ID P1 it comes from the usage report, and facts.usage_report is off."
)

_log = structlog.get_logger(__name__)


class GraphReports:
    """Satisfies `shared.ports.TenantReports`. `base_url` has no path; limits hold for this process."""

    def __init__(
        self,
        http: HttpClient,
        tokens: Tokens,
        base_url: str,
        policy: FactsPolicy,
        clock: Clock,
        attributes: Attributes | None = None,
    ) -> None:
        self._attributes = attributes or CommonAttributes()
        self._http = http
        self._tokens = tokens
        self._base_url = base_url.rstrip("/")
        self._policy = policy
        self._clock = clock
        # Graph prints 10 a minute for the application over all tenants.
        self._sign_ins = Limiter(policy.sign_in_lists_per_minute, 60.0, clock)
        self._registrations: dict[str, Limiter] = {}

    async def read(self, tenant_id: str, also: Sequence[str] = ()) -> TenantReading:
        """Everything about a tenant. Raises one of the three families only when its users cannot be listed."""
        began = self._clock.now()
        caller = PatientCaller(self._http, self._tokens, self._base_url, tenant_id)
        frame = await read_frame(caller)
        listed = await list_users(caller, self._rider(frame.premium), self._sign_ins, self._attributes, also)
        evidence = await self._evidence(caller, frame, listed)
        reading = TenantReading(
            tenant_id,
            began,
            listed.users,
            facts=await facts_of(listed, evidence, self._policy.mfa_rule, began),
            premium=frame.premium,
            part_numbers=frame.part_numbers,
            secure_score=frame.secure_score,
            unknown=(*frame.unknown, *evidence.unknown, *map(lacking, listed.lacking)),
            requests=caller.requests,
        )
        _note(reading)
        return reading

    def _rider(self, premium: bool | None) -> Rider:
        if premium:
            return Rider.SIGN_IN
        return Rider.PER_USER_MFA if premium is False and self._policy.per_user_mfa else Rider.NOBODY

    async def _evidence(self, caller: PatientCaller, frame: Frame, listed: Listed) -> Evidence:
        if frame.premium is None:
            return Evidence(None)
        return await (self._with_premium(caller, listed) if frame.premium else self._without(caller, frame, listed))

    async def _with_premium(self, caller: PatientCaller, listed: Listed) -> Evidence:
        limiter = self._registrations.setdefault(caller.tenant_id, Limiter(REQUESTS, SECONDS, self._clock))
        said = [] if listed.refused is None else [unknown("Last activity is", listed.refused, READ_AUDIT_LOG)]
        evidence = Evidence(True, dates=listed.carried)
        try:
            evidence = replace(evidence, registrations=await read_registrations(caller, limiter))
        except SyncError as error:
            said.append(unknown("MFA is", error, READ_AUDIT_LOG))
        return replace(evidence, unknown=tuple(said))

    async def _without(self, caller: PatientCaller, frame: Frame, listed: Listed) -> Evidence:
        has_states = self._policy.per_user_mfa and listed.refused is None
        usage = await self._usage(caller)
        methods = await self._methods(caller, listed)
        said = (*self._about_mfa(frame, listed, methods), usage.why_unknown)
        return Evidence(
            False,
            frame.security_defaults,
            usage=usage.dates,
            states=listed.carried if has_states else None,
            methods=methods.by_user,
            unknown=tuple(sentence for sentence in said if sentence),
        )

    async def _usage(self, caller: PatientCaller) -> UsageReport:
        if not self._policy.usage_report:
            return UsageReport(why_unknown=NO_USAGE)
        try:
            return await read_usage(caller)
        except SyncError as error:
            return UsageReport(why_unknown=unknown("Last activity is", error, READ_REPORTS))

    async def _methods(self, caller: PatientCaller, listed: Listed) -> RegisteredMethods:
        if not self._policy.methods_per_user:
            return RegisteredMethods()
        people = (
            user for user in listed.users if is_person(user.display_name, user.user_principal_name, user.user_type)
        )
        return await read_methods(caller, [user.id for user in people])

    def _about_mfa(self, frame: Frame, listed: Listed, methods: RegisteredMethods) -> tuple[str, ...]:
        if self._policy.methods_per_user:
            about = "" if methods.error is None else unknown("MFA methods are", methods.error, READ_METHODS)
        else:
            about = NO_METHODS
        if listed.refused is not None:
            return unknown("The per-user MFA state is", listed.refused, READ_POLICIES), about
        if not self._policy.per_user_mfa:
            return "" if self._policy.methods_per_user else NO_STATES, about
        return frame.why_defaults_unknown, about


def _note(reading: TenantReading) -> None:
    _log.info(
        "tenant_read",
        tenant_id=reading.tenant_id,
        users=len(reading.users),
        facts=len(reading.facts),
        premium=reading.premium,
        unknown=len(reading.unknown),
        requests=reading.requests,
    )
