"""A person's choice that had its contact is forgotten before the link goes that tells so.

Next: `shared/domain/choosing.py`, which says when that is.
"""

from __future__ import annotations

from shared.domain.choosing import used_up
from shared.domain.records import Link
from worker.parts import WorkerPorts


async def forget_if_used_up(ports: WorkerPorts, link: Link) -> None:
    """Call it before the unlinking, or the next look makes the contact again, unasked.

    Killed in between, whoever comes next does it anew.
    """
    choices = await ports.choices.of_customer(link.customer_id)
    if link.user_id in used_up(choices, [link]):
        await ports.choices.forget(link.customer_id, link.user_id)
