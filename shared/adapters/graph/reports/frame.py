"""Step A, one request: what the tenant has bought, its Secure Score, its security defaults.

Each of the three may be refused without harm to the others. Next: `shared/adapters/graph/reports/listing.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.adapters.graph.reports.batch import BatchAnswers, batch
from shared.adapters.graph.reports.patience import PatientCaller
from shared.adapters.graph.reports.premium import has_premium, part_numbers
from shared.adapters.graph.reports.reasons import READ_LICENCES, READ_POLICIES, READ_SECURITY, unknown
from shared.adapters.graph.reports.wire import secure_score, security_defaults
from shared.adapters.graph.wire import unreadable
from shared.adapters.lenient import objects
from shared.domain.errors import SyncError
from shared.domain.tenant import SecureScore

_SCORE_FIELDS = "createdDateTime,currentScore,maxScore,activeUserCount,licensedUserCount"  # the rest is very large
_PATHS = {
    "skus": "/subscribedSkus",
    "score": f"/security/secureScores?$top=1&$select={_SCORE_FIELDS}",
    "defaults": "/policies/identitySecurityDefaultsEnforcementPolicy",
}
_PREMIUM_IS = "Whether the tenant has Entra ID P1, and with it MFA and last activity, is"
_DEFAULTS_ARE = "Whether security defaults are on, and with it the MFA status of users without a per-user one, is"
_NO_SCORE = "Secure Score is unknown: Microsoft has none for this tenant yet. The next full sync asks again."


@dataclass(frozen=True, slots=True)
class Frame:
    """`premium`, `secure_score` and `security_defaults` are None when unknown.

    `unknown`: sentences about the first two; `why_defaults_unknown` matters only without Entra ID P1.
    """

    premium: bool | None
    part_numbers: Mapping[str, str] = field(default_factory=dict)
    secure_score: SecureScore | None = None
    security_defaults: bool | None = None
    unknown: tuple[str, ...] = ()
    why_defaults_unknown: str = ""


async def read_frame(caller: PatientCaller) -> Frame:
    """Never raises one of the three families: what did not come is unknown."""
    answers: BatchAnswers
    try:
        answers = await batch(caller, _PATHS)
    except SyncError as error:
        answers = dict.fromkeys(_PATHS, error)
    premium, numbers, why_premium = _products(answers)
    score, why_score = _score(answers)
    defaults, why_defaults = _defaults(answers)
    said = tuple(reason for reason in (why_premium, why_score) if reason)
    return Frame(premium, numbers, score, defaults, said, why_defaults)


def _products(answers: BatchAnswers) -> tuple[bool | None, Mapping[str, str], str]:
    answer = answers["skus"]
    if not isinstance(answer, SyncError) and not isinstance(answer.get("value"), list):
        answer = unreadable("/subscribedSkus")
    if isinstance(answer, SyncError):
        return None, {}, unknown(_PREMIUM_IS, answer, READ_LICENCES)
    skus = objects(answer["value"])
    return has_premium(skus), part_numbers(skus), ""


def _score(answers: BatchAnswers) -> tuple[SecureScore | None, str]:
    answer = answers["score"]
    if isinstance(answer, SyncError):
        return None, unknown("Secure Score is", answer, READ_SECURITY)
    score = secure_score(answer)
    return score, "" if score is not None else _NO_SCORE


def _defaults(answers: BatchAnswers) -> tuple[bool | None, str]:
    answer = answers["defaults"]
    if isinstance(answer, SyncError):
        return None, unknown(_DEFAULTS_ARE, answer, READ_POLICIES)
    is_on = security_defaults(answer)
    return is_on, "" if is_on is not None else unknown(_DEFAULTS_ARE, unreadable("the policy"), READ_POLICIES)
