"""Other users with a claim to the addresses of one: the answer must not depend on who came first. Reads Graph alone.

They are asked for in every tenant of the customer, with their groups where the rules name any: whoever would get a
contact is a rival. Which addresses are contested is `shared/domain/matching.py`'s business. Next: `worker/customer.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from shared.domain.contact import Contact
from shared.domain.matching import contested_addresses
from shared.domain.policy import SyncPolicy
from shared.domain.user import AnyUser, DirectoryUser
from shared.ports import Directory
from worker.membership import Memberships


async def rivals_of(
    directory: Directory,
    memberships: Memberships,
    tenants: Sequence[str],
    user: AnyUser,
    contacts: Iterable[Contact],
    *,
    link: int | None,
    linked: Mapping[int, str],
    policy: SyncPolicy,
) -> tuple[DirectoryUser, ...]:
    """`link`: the user's own contact. `linked`: contact id -> user id. Each rival once."""
    found: dict[str, DirectoryUser] = {}
    addresses = contested_addresses(user, contacts, link=link, linked=linked, policy=policy)
    for tenant_id in tenants:
        here: dict[str, DirectoryUser] = {}
        for address in addresses:
            here.update({claimant.id: claimant for claimant in await directory.claimants(tenant_id, address)})
        rivals = [rival for rival in here.values() if rival.id != user.id]
        told = await memberships.of_users(tenant_id, rivals, policy)
        found.update({rival.id: rival for rival in told if rival.id not in found})
    return tuple(found.values())
