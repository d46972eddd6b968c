"""When a person's choice about a user still holds: as long as nothing is in question that the person did not see.

Fewer contacts than then ask nothing new, a further one does. Values and sets alone; what a choice means for a match is
`shared/domain/matching.py`'s business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import assert_never

from shared.domain.desk import Choice, Chosen

NO_CHOICES: Mapping[str, Chosen] = MappingProxyType({})  # user id -> choice


def seen(contact_ids: Iterable[int]) -> str:
    """The contacts that a person saw, as `Chosen.candidates` keeps them: their numbers, whatever their order."""
    return " ".join(map(str, sorted(set(contact_ids))))


def still_holds(chosen: Chosen, candidates: Iterable[int], free: Collection[int]) -> bool:
    """`candidates`: contacts in question now. `free`: those of them that nobody else holds.

    Whoever makes a contact is not stopped by one that meanwhile became another user's: the answer would depend on who
    came first. Whoever left a question alone is asked again about any contact that is new in it.
    """
    match chosen.choice:
        case Choice.CREATE:
            asked = set(free)
        case Choice.DISMISS:
            asked = set(candidates)
        case _:
            assert_never(chosen.choice)
    return set(map(str, asked)) <= set(chosen.candidates.split())
