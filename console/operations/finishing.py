"""An answer that is pasted: where there is no public address, a technician copies what follows the consent page.

The same rules as in the web flow hold (`receiver/connect.py`), save that no cookie tells the browser. What comes of a
valid answer is decided by `shared/runtime/answering.py`. Next: `console/operations/connecting.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit

from console.operations.actor import note
from console.operations.connecting import need_secret
from console.operations.errors import OperationError, held, wrong_use
from console.operations.ports import OperatorPorts
from console.operations.refusals import spent, unusable
from shared.domain.consent import Signed, read_state
from shared.domain.consent_answer import Declined, Granted, Odd, read_answer
from shared.domain.onboarding import Invite
from shared.runtime.answering import CONSENT, consent_facts, declined, granted
from shared.runtime.proof import REPLICATING


async def finish(
    ports: OperatorPorts, pasted: str, *, expect: int | None = None, pauses: Sequence[float] = REPLICATING, by: str = ""
) -> Invite:
    """Take the address that Microsoft's consent page led to, prove what it claims and settle its invite.

    `expect`: the customer it must belong to. `pauses`: as of `shared.runtime.proof.prove`. Raises wrong use for an
    address that is not ours, is used up or too old; then nothing is changed.
    """
    need_secret(ports)
    answer = read_answer(parse_qsl(urlsplit(pasted.strip()).query, keep_blank_values=True))
    if isinstance(answer, Odd):
        raise wrong_use(unusable(answer.code))
    signed = read_state(ports.consent.secrets, answer.state, ports.clock.now())
    if not isinstance(signed, Signed):
        raise wrong_use(unusable(signed))
    taken = await _take(ports, signed.nonce, expect)
    match answer:
        case Granted(tenant_id=tenant):
            settled = await granted(ports, ports.clock, taken, tenant, pauses=pauses)
        case Declined(code=code):
            settled = await declined(ports, ports.clock, taken, code)
    facts = consent_facts(settled)
    if facts is not None:
        await note(ports, by, CONSENT, settled.customer_id, **facts)
    return settled


async def _take(ports: OperatorPorts, nonce: str, expect: int | None) -> Invite:
    known = await ports.invites.get(nonce)
    if known is not None and expect is not None and known.customer_id != expect:
        raise wrong_use(
            f"This address belongs to customer {known.customer_id} ({known.customer_name}), not to {expect}. "
            f"Nothing was changed. Repeat with {known.customer_id}."
        )
    taken = await ports.invites.take(nonce, ports.clock.now())
    if taken is None:
        raise wrong_use(spent(known, ports.clock.now()))
    return taken


def needs_confirmation(settled: Invite) -> OperationError:
    """For a program without a person in front: the consent is there, the look is missing (code 3)."""
    who = settled.answered_by
    tenant = who.tenant_id if who else "TENANT-ID"
    return held(
        f"{settled.customer_name}: a consent waits for your look. Compare the names and confirm: "
        f"entra-syncro customers connect {settled.customer_id} --tenant {tenant}"
    )
