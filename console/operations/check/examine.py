"""The whole examination: what is away is a finding, and everything that can be looked at without it still is.

Stores first, for the rest needs them; then Syncro, the tenants and the public address side by side; clocks last, for
only answers tell the time. Next: `console/cli/check.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

from console.operations.check import door, fields, machine, stores, writers
from console.operations.check.channels import channels
from console.operations.check.notices import notices
from console.operations.check.patient import AGAIN, Patient, guarded
from console.operations.check.probe import ProbeWish, probe
from console.operations.check.tenants import Tenant, tenant, tenants_of
from console.operations.check.token import TokenLook, edit_proved, token
from console.operations.errors import wrong_use
from console.operations.ports import OperatorPorts
from shared.domain.errors import SyncError
from shared.domain.findings import Checkup, Finding, Level, Organ, checkup
from shared.domain.records import ConnectionStatus

STORE, DOOR, TENANT, SYNCRO, READING = 10.0, 15.0, 60.0, 180.0, 600.0  # seconds that each look may take
AT_ONCE = 8  # tenants

Found = Sequence[Finding]
Look = Coroutine[Any, Any, Found]


async def check(ports: OperatorPorts, *, customer: int | None = None, wish: ProbeWish | None = None) -> Checkup:
    """Look at everything, or at what concerns one customer. Only a `wish` writes: to its contact, and back."""
    ledger, state, queue, own = await _together(
        guarded(Organ.LEDGER, stores.ledger(ports), STORE),
        guarded(Organ.STATE, stores.state(ports), STORE),
        guarded(Organ.QUEUE, stores.queue(ports), STORE),
        guarded(Organ.SETTINGS, machine.settings(ports), STORE),
    )
    found = [*ledger, *state, *queue, *own]
    patient = await _patient(ports, customer) if _is_there(ledger) else None
    if patient is None:
        patient = Patient()
        found.append(_unseen(Organ.TENANT, "The ledger, which knows the customers, is away."))
    found += await guarded(Organ.NOTIFICATIONS, notices(ports, tenants_of(patient)), STORE)
    found += await _outside(ports, patient, wish, has_state=_is_there(state))
    found += await guarded(Organ.CLOCKS, machine.clocks(ports), STORE)
    return checkup(found)


async def _patient(ports: OperatorPorts, customer: int | None) -> Patient | None:
    """None when the ledger went away meanwhile."""
    try:
        return await _known(ports, customer)
    except SyncError:
        return None


async def _known(ports: OperatorPorts, customer: int | None) -> Patient:
    every = [tied for tied in await ports.connections.list() if tied.status is not ConnectionStatus.DISCONNECTED]
    if customer is not None:
        every = [tied for tied in every if tied.customer_id == customer]
        if not every:
            raise wrong_use(f"Customer {customer} is not connected. See: entra-syncro customers list")
    policies = {tied.customer_id: await ports.policies.policy(tied.customer_id) for tied in every}
    return Patient(every, policies, alone=customer is not None)


async def _outside(ports: OperatorPorts, patient: Patient, wish: ProbeWish | None, *, has_state: bool) -> list[Finding]:
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(each: Tenant) -> Found:
        async with turn:
            return await guarded(Organ.TENANT, tenant(ports, patient, each), TENANT)

    looks = [one(each) for each in tenants_of(patient)]
    looks.append(guarded(Organ.PUBLIC_ADDRESS, door.public_address(ports), DOOR))
    if has_state:
        looks.append(_syncro(ports, patient, wish))
        looks.append(guarded(Organ.CHANNELS, channels(ports), STORE))
    if has_state or not patient.alone:
        looks.append(guarded(Organ.SECOND_WRITER, writers.second_writers(ports, patient), READING))
    found = [finding for every in await _together(*looks) for finding in every]
    if not has_state:
        found.append(_unseen(Organ.SYNCRO_TOKEN, "The short-lived state, which paces every call to Syncro, is away."))
    return found


async def _syncro(ports: OperatorPorts, patient: Patient, wish: ProbeWish | None) -> Found:
    """One after the other: they share one pace, and a token that opens nothing explains all the rest."""
    looked: list[TokenLook] = []

    async def first() -> Found:
        looked.append(await token(ports, patient))
        return looked[0].findings

    found = list(await guarded(Organ.SYNCRO_TOKEN, first(), SYNCRO))
    if not looked or not looked[0].opens:
        return found
    found += await guarded(Organ.CUSTOMER_FIELDS, fields.of_customers(ports, patient), SYNCRO)
    seen = looked[0].contacts
    look = fields.of_contacts(ports, patient, seen) if wish is None else probe(ports, patient, wish)
    of_contacts = await guarded(Organ.CONTACT_FIELDS, look, SYNCRO)
    return [*(found if wish is None else edit_proved(found, of_contacts)), *of_contacts]


async def _together(*looks: Look) -> list[Found]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(look, name=f"check:{number}") for number, look in enumerate(looks)]
    return [task.result() for task in tasks]


def _is_there(found: Iterable[Finding]) -> bool:
    return all(finding.level is not Level.RED for finding in found)


def _unseen(organ: Organ, why: str) -> Finding:
    return Finding(Level.YELLOW, organ, f"Could not be looked at. {why}", f"Cure that first (it is red here). {AGAIN}")
