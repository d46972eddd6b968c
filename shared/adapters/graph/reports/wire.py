"""Rows of the reports into our values: a registration, sign-in dates, a Secure Score. Pure and tolerant.

Next: `shared/adapters/graph/reports/listing.py`, `shared/adapters/graph/reports/registration.py`.
"""

from __future__ import annotations

import math
from typing import Any

from shared.adapters.lenient import Json, integer, mapping, moment, objects, text, texts
from shared.domain.activity import last_activity
from shared.domain.mfa import Registration
from shared.domain.tenant import SecureScore


def registration(row: Json) -> Registration:
    """A row of userRegistrationDetails; a list that is not there is something else than an empty one."""
    methods = row.get("methodsRegistered")
    return Registration(
        is_capable=_flag(row.get("isMfaCapable")),
        is_registered=_flag(row.get("isMfaRegistered")),
        methods=texts(methods) if isinstance(methods, list) else None,
        preferred=_preferred(row),
    )


def activity_date(user: Json) -> str | None:
    """The ISO date of the last sign-in, None for somebody who never signed in or whose dates did not come."""
    activity = mapping(user.get("signInActivity"))
    found = last_activity(
        moment(activity.get("lastSuccessfulSignInDateTime")),
        moment(activity.get("lastSignInDateTime")),
        moment(activity.get("lastNonInteractiveSignInDateTime")),
    )
    return None if found is None else found.isoformat()


def secure_score(body: Json) -> SecureScore | None:
    """The newest snapshot of an answer of secureScores, None when it holds none that can be read."""
    scores = [score for score in map(_snapshot, objects(body.get("value"))) if score is not None]
    return max(scores, key=lambda score: score.taken_on, default=None)


def security_defaults(body: Json) -> bool | None:
    return _flag(body.get("isEnabled"))


def _snapshot(row: Json) -> SecureScore | None:
    taken_at = moment(row.get("createdDateTime"))
    current, maximum = _number(row.get("currentScore")), _number(row.get("maxScore"))
    if taken_at is None or current is None or maximum is None:
        return None
    licensed, active = integer(row.get("licensedUserCount")), integer(row.get("activeUserCount"))
    return SecureScore(current, maximum, taken_at.date(), licensed, active)


def _preferred(row: Json) -> str:
    """The default method: the system's own choice where the tenant lets it choose, else the user's."""
    if row.get("isSystemPreferredAuthenticationMethodEnabled") is True:
        chosen = texts(row.get("systemPreferredAuthenticationMethods"))
        if chosen:
            return chosen[0]
    return text(row.get("userPreferredMethodForSecondaryAuthentication")) or ""


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
