"""The three error families: every failure of a vendor, a broker or a store becomes one of them at the edge.

Adapters raise them, `shared.domain.retry` decides what they mean. Nothing here knows HTTP, and no error carries
personal data: `code` is a static identifier, `detail` a sentence written by us (never an answer's body).
Next: `shared/domain/retry.py`.
"""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """How much has to stop when the line stops."""

    TENANT = "tenant"
    ACCOUNT = "account"


class SyncError(Exception):
    """What the three families share: which service failed, a static code and a safe sentence."""

    def __init__(self, service: str, code: str, detail: str = "") -> None:
        super().__init__(f"{service}: {code}" + (f" ({detail})" if detail else ""))
        self.service = service
        self.code = code
        self.detail = detail


class Transient(SyncError):  # noqa: N818 - the family's name in the design
    """May work later. `retry_after` is the vendor's own wish in seconds, None when it named none.

    `counted` is False for waiting that is nobody's failure (a lease held by another worker, a spent pace): such a
    retry does not use up an attempt.
    """

    def __init__(
        self,
        service: str,
        code: str,
        detail: str = "",
        *,
        retry_after: float | None = None,
        counted: bool = True,
    ) -> None:
        super().__init__(service, code, detail)
        self.retry_after = retry_after
        self.counted = counted


class Ambiguous(Transient):
    """A write was sent and its answer never came: it may or may not have happened."""


class Permanent(SyncError):  # noqa: N818 - the family's name in the design
    """Will not work by waiting: this one change needs a person."""


class StopTheLine(SyncError):  # noqa: N818 - the family's name in the design
    """Nothing of this scope can work until somebody acts: one tenant (consent revoked) or the whole account.

    `retry_after` (seconds) is when it is worth probing, None when the vendor did not say.
    """

    def __init__(
        self,
        service: str,
        code: str,
        detail: str = "",
        *,
        scope: Scope,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(service, code, detail)
        self.scope = scope
        self.retry_after = retry_after
