"""When the end of a credential is announced."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.credential import Announcement, CredentialInfo, CredentialKind, Urgency, announce

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAYS = [
    (timedelta(days=400), Urgency.NONE, 400),
    (timedelta(days=30) + SECOND, Urgency.NONE, 30),
    (timedelta(days=30), Urgency.WARN, 30),
    (timedelta(days=7) + SECOND, Urgency.WARN, 7),
    (timedelta(days=7), Urgency.RED, 7),
    (timedelta(hours=1), Urgency.RED, 0),
    (timedelta(0), Urgency.RED, 0),
    (-SECOND, Urgency.RED, -1),
    (timedelta(days=-3), Urgency.RED, -3),
]


@pytest.mark.parametrize(("left", "urgency", "days"), DAYS)
@pytest.mark.parametrize("kind", [CredentialKind.SECRET, CredentialKind.CERTIFICATE])
def test_the_end_is_announced_while_there_is_time(
    kind: CredentialKind, left: timedelta, urgency: Urgency, days: int
) -> None:
    assert announce(CredentialInfo(kind, NOW + left), NOW) == Announcement(urgency, days)


@pytest.mark.parametrize("kind", list(CredentialKind))
def test_what_has_no_known_end_is_not_announced(kind: CredentialKind) -> None:
    assert announce(CredentialInfo(kind), NOW) == Announcement(Urgency.NONE, None)
