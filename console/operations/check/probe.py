"""Write, read, put back: the one look that writes, to one contact that a person named.

It learns what only a write tells: which contact fields exist, whether custom fields that are not sent are kept, how
drop-downs and phones come back. The contact's own values are on disk before the first write and stay there until they
were read back as they were; an interruption (Ctrl-C, a lost answer) puts them back too, and what a kill left behind is
put back by the same command. A locked contact is never touched, one of a connected customer only on demand.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from console.operations.actor import note
from console.operations.check.learning import (
    PHONE,
    UNDEFINED,
    Learnt,
    Unknown,
    findings,
    phone_form,
    unknown_fields,
)
from console.operations.check.patient import Patient
from console.operations.check.put_back import Before, before, forget, keep, kept
from console.operations.check.wanted import Wanted, contact_fields
from console.operations.ports import OperatorPorts
from shared.domain import normalise
from shared.domain.contact import Contact
from shared.domain.errors import Permanent, SyncError
from shared.domain.findings import Finding, Level, Organ
from shared.domain.policy import SyncPolicy
from shared.domain.records import ConnectionStatus
from shared.ports import Allowance

_SAMPLE_CONTACT = "Make a contact for this in Syncro (any customer that is not connected), and name its number."


@dataclass(frozen=True, slots=True)
class ProbeWish:
    """`yes`: the contact may belong to a connected customer that is not kept in step now, or to an Entra user.

    `by`: who asks for it.
    """

    contact_id: int
    yes: bool = False
    by: str = ""


async def probe(ports: OperatorPorts, patient: Patient, wish: ProbeWish) -> Sequence[Finding]:
    """Raises Transient, Permanent or StopTheLine only while nothing was written yet."""
    async with ports.pace.reserve(1) as allowance:
        bench = _Bench(ports, allowance, wish.contact_id)
        standing = await ports.contact_probe.get(allowance, wish.contact_id)
        if standing is None:
            what = f"Syncro knows no contact {wish.contact_id}, or the token does not see it."
            return [Finding(Level.RED, Organ.CONTACT_FIELDS, what, _SAMPLE_CONTACT)]
        policy = patient.policies.get(standing.customer_id) or next(iter(patient.policies.values()), SyncPolicy())
        left = await asyncio.to_thread(kept, ports.data_dir, wish.contact_id)
        refusal = await _refusal(ports, standing, policy, wish, is_ours=left is not None)
        if refusal is not None:
            return [refusal]
        await note(ports, wish.by, "probe", standing.customer_id, contact=standing.id)
        if left is None:
            return await bench.probed(standing, policy)
        # A probe that was killed, maybe weeks ago: what somebody wrote since is his.
        return [await bench.put_back(_still_ours(left, standing, policy)), *_others(left, standing, policy)]


async def _refusal(
    ports: OperatorPorts, standing: Contact, policy: SyncPolicy, wish: ProbeWish, *, is_ours: bool
) -> Finding | None:
    """`is_ours`: a killed probe's own text in the locking field is no lock."""
    lock = normalise.text(standing.value(policy.fields.pin))
    if lock and not (is_ours and lock == _samples(policy)[policy.fields.pin]):
        what = f"Contact {standing.id} was not probed: it is locked ({policy.fields.pin} has text)."
        return Finding(Level.RED, Organ.CONTACT_FIELDS, what, _SAMPLE_CONTACT, customer=standing.customer_id)
    pins, now = await ports.pins.all(), ports.clock.now()
    pin = next((each for each in pins if each.contact_id == standing.id and each.holds(now)), None)
    if pin is not None:
        what = f"Contact {standing.id} was not probed: {pin.by} locked it ({pin.why})."
        return Finding(Level.RED, Organ.CONTACT_FIELDS, what, _SAMPLE_CONTACT, customer=standing.customer_id)
    tied = await ports.connections.get(standing.customer_id)
    if tied is not None and tied.status is ConnectionStatus.APPROVED:
        # Its workers may write the same contact between our read and our write: no lease of theirs is held here.
        what = f"Contact {standing.id} was not probed: {tied.customer_name} is kept in step all the time."
        cure = f"{_SAMPLE_CONTACT} Or stop it for the while: entra-syncro customers pause {standing.customer_id}"
        return Finding(Level.RED, Organ.CONTACT_FIELDS, what, cure, customer=standing.customer_id)
    if wish.yes:
        return None
    why = ""
    if any(link.contact_id == standing.id for link in await ports.links.of_customer(standing.customer_id)):
        why = "it belongs to an Entra user"
    elif tied is not None:
        why = f"it belongs to {tied.customer_name}, which is connected"
    if not why:
        return None
    cure = (
        f"{_SAMPLE_CONTACT} Or, to probe this one all the same: entra-syncro check --probe-contact {standing.id} --yes"
    )
    what = f"Contact {standing.id} was not probed: {why}."
    return Finding(Level.RED, Organ.CONTACT_FIELDS, what, cure, customer=standing.customer_id)


def _still_ours(left: Before, standing: Contact, policy: SyncPolicy) -> Before:
    """What was there before the probe, where the probe's own value still stands; elsewhere what stands there now."""
    plain = {name: value if _is_sample(name, standing) else standing.value(name) for name, value in left.plain.items()}
    properties = dict(standing.properties)
    for name, sample in _samples(policy).items():
        if properties.get(name, "") == sample:
            properties[name] = left.properties.get(name, "")
    return Before(plain, properties)


def _others(left: Before, standing: Contact, policy: SyncPolicy) -> Sequence[Finding]:
    """Fields that are neither as before nor as the probe left them: written since, or a drop-down's own form."""
    samples = _samples(policy)
    before_now = [(name, left.properties.get(name, ""), standing.value(name)) for name in samples]
    differ = [(name, was) for name, was, now in before_now if not _same(name, was, now) and now != samples[name]]
    if not differ:
        return []
    named = "; ".join(f"{name}: {was or '(empty)'}" for name, was in differ)
    what = (
        f"Fields of contact {standing.id} have other values than before the probe: {', '.join(n for n, _ in differ)}."
    )
    cure = f"If nobody wrote them since, set them by hand in Syncro to what they were: {named}"
    return [Finding(Level.YELLOW, Organ.CONTACT_FIELDS, what, cure, customer=standing.customer_id)]


def _samples(policy: SyncPolicy) -> Mapping[str, str]:
    """What a probe writes into custom fields."""
    return {one.name: one.sample for one in contact_fields([policy])} | {UNDEFINED: "x"}


def _is_sample(name: str, standing: Contact) -> bool:
    return name == "phone" and _same(name, PHONE, standing.phone)


class _Bench:
    """One contact under probe."""

    def __init__(self, ports: OperatorPorts, allowance: Allowance, contact_id: int) -> None:
        self._ports = ports
        self._allowance = allowance
        self._contact_id = contact_id

    async def probed(self, standing: Contact, policy: SyncPolicy) -> Sequence[Finding]:
        own, wanted = before(standing), contact_fields([policy])
        await asyncio.to_thread(keep, self._ports.data_dir, self._contact_id, own)
        failure: SyncError | None = None
        learnt = Learnt()
        try:
            learnt = await self._learn(own, wanted)
        except SyncError as error:
            failure = error
        finally:  # also when the person lost patience: a cancelled task may still await
            back = await self.put_back(own)
        if failure is not None:
            detail = (failure.detail or failure.code.replace("_", " ")).rstrip(".")
            cure = "Try again: entra-syncro check --probe-contact ID"
            return [Finding(Level.RED, Organ.CONTACT_FIELDS, f"The probe could not go on: {detail}.", cure), back]
        return [*findings(learnt, wanted, standing.customer_id), back]

    async def put_back(self, own: Before) -> Finding:
        """Write what was there, read it back, and only then forget it. Never raises one of the three families."""
        try:
            current = await self._read()
            # Under "merge" a field that was never set would keep the probe's value: it is emptied by name.
            added = {name: "" for name in current.properties if name not in own.properties}
            await self._write(own.plain, {**own.properties, **added})
            wrong = _differences(own, await self._read())
        except SyncError as error:
            return self._lost(own, (error.detail or error.code.replace("_", " ")).rstrip("."))
        if wrong:
            return self._lost(own, f"Syncro has other values than before in {', '.join(wrong)}")
        await asyncio.to_thread(forget, self._ports.data_dir, self._contact_id)
        return Finding(Level.GREEN, Organ.CONTACT_FIELDS, f"Contact {self._contact_id} is as it was before the probe.")

    async def _learn(self, own: Before, wanted: Sequence[Wanted]) -> Learnt:
        samples = {one.name: one.sample for one in wanted}
        try:
            await self._write({**own.plain, "phone": PHONE}, {**own.properties, **samples, UNDEFINED: "x"})
        except Permanent:
            return await self._learn_singly(own, samples)
        answer = await self._read()
        answered = {name: answer.value(name) for name in samples}
        learnt = Learnt(answered, unknown_fields(answer), phone_form(answer))
        return replace(learnt, merges=await self._merges(own, samples, answered))

    async def _learn_singly(self, own: Before, samples: dict[str, str]) -> Learnt:
        """An unknown name makes Syncro refuse everything: each field is asked for alone."""
        answered: dict[str, str] = {}
        for name, sample in samples.items():
            try:
                await self._write({**own.plain, "phone": PHONE}, {**own.properties, **answered, name: sample})
            except Permanent:
                continue
            answered[name] = sample
        answer = await self._read()
        answered = {name: answer.value(name) for name in answered}
        merges = await self._merges(own, samples, answered)
        return Learnt(answered, Unknown.REFUSED, phone_form(answer), merges)

    async def _merges(self, own: Before, samples: dict[str, str], answered: dict[str, str]) -> bool | None:
        """One field alone is sent: is another one still there?"""
        there = [name for name, answer in answered.items() if answer]
        if len(there) < 2:
            return None
        sent, other = there[:2]
        await self._write({"name": own.plain["name"]}, {sent: samples[sent]})
        return bool((await self._read()).value(other))

    async def _write(self, plain: Mapping[str, str], properties: Mapping[str, str]) -> None:
        await self._ports.contact_probe.put(self._allowance, self._contact_id, plain, properties)

    async def _read(self) -> Contact:
        found = await self._ports.contact_probe.get(self._allowance, self._contact_id)
        if found is None:
            raise Permanent("syncro", "not_found", "the contact is gone")
        return found

    def _lost(self, own: Before, why: str) -> Finding:
        """The person is told every value: it is the last place where they stand together."""
        values = {**own.plain, **own.properties}
        named = "; ".join(f"{name}: {value or '(empty)'}" for name, value in values.items())
        cure = (
            f"Put it back: entra-syncro check --probe-contact {self._contact_id} --yes. If that fails too, set these "
            f"by hand in Syncro, contact {self._contact_id}: {named}"
        )
        what = f"Contact {self._contact_id} could not be put back as it was: {why}."
        return Finding(Level.RED, Organ.CONTACT_FIELDS, what, cure, details={"before": values})


def _differences(own: Before, answer: Contact) -> list[str]:
    """Names whose value is another one than before. Absent and empty are the same; phones are compared by digits."""
    wrong = [name for name, value in own.plain.items() if not _same(name, value, answer.value(name))]
    names = dict.fromkeys([*own.properties, *answer.properties])
    kept_now = answer.properties
    return wrong + [name for name in names if not _same(name, own.properties.get(name, ""), kept_now.get(name, ""))]


def _same(name: str, one: str, other: str) -> bool:
    if name == "phone":
        return re.sub(r"\D", "", one) == re.sub(r"\D", "", other)
    return normalise.same_text(one, other)
