"""What the organs have in common: whom they look at, and how a failure becomes a finding instead of an end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.domain.cures import cure_of
from shared.domain.errors import SyncError
from shared.domain.findings import Finding, Level, Organ
from shared.domain.policy import SyncPolicy
from shared.domain.records import Connection

AGAIN = "Then: entra-syncro check"


@dataclass(frozen=True, slots=True)
class Patient:
    """The connections that are looked at, and the rules of each customer. `alone`: one customer was named."""

    connections: Sequence[Connection] = ()
    policies: Mapping[int, SyncPolicy] = field(default_factory=dict)
    alone: bool = False


def of_error(organ: Organ, error: SyncError, *, level: Level = Level.RED) -> Finding:
    """A failure in the words of the one table that explains failures."""
    cure = cure_of(error)
    return Finding(
        level, organ, sentence(cure.what), cure.who_does_what, details={"code": f"{error.service}:{error.code}"}
    )


async def guarded(organ: Organ, look: Coroutine[Any, Any, Sequence[Finding]], seconds: float) -> Sequence[Finding]:
    """One organ's findings; its failure or its silence is one. `seconds`: the longest that it may take."""
    try:
        async with asyncio.timeout(seconds):
            return await look
    except SyncError as error:
        return [of_error(organ, error)]
    except TimeoutError:
        what = f"No answer within {seconds:.0f} seconds."
        return [Finding(Level.RED, organ, what, f"See this machine's network and load. {AGAIN}")]


def sentence(text: str) -> str:
    """Begins with a capital, ends with a full stop."""
    plain = text.strip().rstrip(".")
    return f"{plain[:1].upper()}{plain[1:]}."
