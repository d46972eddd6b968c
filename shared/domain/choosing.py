"""When a person's choice about a user still holds: as long as nothing is in question that the person did not see.

Fewer contacts than then ask nothing new, a further one does. A contact of its own is chosen once: whatever link the
user got afterwards, the choice is used up by it, and if that contact goes a person is asked anew. Values and sets
alone; what a choice means for a match is `shared/domain/matching.py`'s business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import assert_never

from shared.domain.desk import Choice, Chosen
from shared.domain.records import Link

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


def used_up(choices: Mapping[str, Chosen], links: Iterable[Link], there: Collection[int] = ()) -> Mapping[str, Chosen]:
    """Those that a link used up, by user id. `choices`: by user id, of the customer that the links are of.

    A choice that is younger than the link was made because the link leads nowhere: it stands. `there`: contacts that
    are known to be there; a link to one of these leads somewhere, whatever the clocks of two machines say.
    """
    made = {link.user_id: link for link in links}
    return {
        user_id: chosen
        for user_id, chosen in choices.items()
        if chosen.choice is Choice.CREATE
        and (link := made.get(user_id)) is not None
        and (chosen.at <= link.linked_at or link.contact_id in there)
    }


def standing_choices(
    choices: Mapping[str, Chosen], links: Iterable[Link], there: Collection[int] = ()
) -> Mapping[str, Chosen]:
    """Without those that are used up."""
    spent = used_up(choices, links, there)
    return {user_id: chosen for user_id, chosen in choices.items() if user_id not in spent}
