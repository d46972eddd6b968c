"""Where a user lives whose customer has several tenants: the first one that knows it. Reads Graph and Memory alone.

A tenant in which a user never was answers "no such user" for ever. So nobody counts as missing, let alone as deleted,
before every tenant of the customer has said so. Next: `worker/marks.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.domain.records import Connection, Link
from shared.domain.user import AnyUser, Deleted, Missing, UserRead
from shared.ports import Directory
from worker.marks import Marks

_A_CALL = 20  # users that one $batch call reads


@dataclass(frozen=True, slots=True)
class Housed:
    """`homes`: user id -> the tenant that knows it, the first one where none does. `calls`: requests to Graph."""

    homes: Mapping[str, str]
    reads: Mapping[str, UserRead]
    calls: int


async def housed(directory: Directory, tenants: Sequence[str], user_ids: Sequence[str]) -> Housed:
    """Fresh reads in one tenant after the other, of those whom none knew so far. Raises what Graph raises."""
    homes: dict[str, str] = {}
    reads: dict[str, UserRead] = {}
    waiting, calls = list(user_ids), 0
    for tenant_id in tenants:
        for start in range(0, len(waiting), _A_CALL):
            found = await directory.users(tenant_id, waiting[start : start + _A_CALL])
            calls += 1
            for user_id, read in found.items():
                if not isinstance(read, Missing):
                    homes[user_id] = tenant_id
                reads[user_id] = read
        waiting = [user_id for user_id in waiting if user_id not in homes]
    return Housed({user_id: homes.get(user_id, tenants[0]) for user_id in user_ids}, reads, calls)


async def concluded(marks: Marks, tenants: Sequence[str], home: str, read: UserRead, for_good: float) -> AnyUser:
    """`Marks.concluded` over all tenants. `home`: where `read` comes from, if any tenant knows the user."""
    if not isinstance(read, Missing):
        return await marks.concluded(home, read, for_good)
    ends = [await marks.concluded(tenant_id, read, for_good) for tenant_id in tenants]
    gone = [end for end in ends if isinstance(end, Deleted)]
    return max(gone, key=lambda end: end.noticed_on) if len(gone) == len(ends) else read


def is_inherited(connection: Connection, link: Link) -> bool:
    """Linked before this connection was made, so maybe in a tenant that is no longer the customer's.

    That such a user is nowhere to be found says nothing; found in the recycle bin it is a leaver like any other.
    """
    return link.linked_at < connection.connected_at
