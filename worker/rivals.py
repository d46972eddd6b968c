"""Other users with a claim to the addresses of one: the answer must not depend on who came first. Reads Graph alone.

Which addresses are contested is `shared/domain/matching.py`'s business. Next: `worker/customer.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.domain.contact import Contact
from shared.domain.matching import contested_addresses
from shared.domain.policy import SyncPolicy
from shared.domain.user import AnyUser, DirectoryUser
from shared.ports import Directory


async def rivals_of(
    directory: Directory,
    tenant_id: str,
    user: AnyUser,
    contacts: Iterable[Contact],
    *,
    link: int | None,
    linked: Mapping[int, str],
    policy: SyncPolicy,
) -> tuple[DirectoryUser, ...]:
    """`link`: the user's own contact. `linked`: contact id -> user id. Each rival once."""
    found: dict[str, DirectoryUser] = {}
    for address in contested_addresses(user, contacts, link=link, linked=linked, policy=policy):
        claimants = await directory.claimants(tenant_id, address)
        found.update({claimant.id: claimant for claimant in claimants})
    return tuple(found.values())
