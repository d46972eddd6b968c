"""The operator's ports, out of the adapters of this process: one mapping, nothing decided.

`passes` and `undos` come from `console/cli/run.py`, which alone sees the worker. Next: `console/operations/`.
"""

from __future__ import annotations

from console.operations import OperatorPorts, Passes
from console.operations.ports import Undos
from shared.runtime.settings import Settings
from shared.runtime.wiring import Adapters


def operator_desk(settings: Settings, adapters: Adapters, passes: Passes, undos: Undos) -> OperatorPorts:
    ledger = adapters.ledger
    return OperatorPorts(
        clock=adapters.clock,
        publisher=adapters.broker,
        depths=adapters.broker,
        pace=adapters.state.pace,
        leases=adapters.state.leases,
        directory=adapters.directory,
        syncro_customers=adapters.syncro_customers,
        connections=ledger.connections,
        approvals=ledger.approvals,
        links=ledger.links,
        memory=adapters.state.memory,
        owed=ledger.owed,
        journal=ledger.journal,
        dead_letters=ledger.dead_letters,
        conflicts=ledger.conflicts,
        runs=ledger.runs,
        holds=ledger.holds,
        passes=passes,
        nightly=settings.nightly,
        billing=settings.billing,
        backfill_per_minute=settings.syncro.backfill_per_minute,
        data_dir=settings.data_dir,
        public_url=settings.receiver.public_url,
        policies=ledger.policies,
        polls=ledger.polls,
        subscription_states=ledger.subscription_states,
        invites=ledger.invites,
        apart=ledger.apart,
        organizations=adapters.organizations,
        finder=adapters.finder,
        partner=adapters.partner,
        door=adapters.door,
        skews=adapters.skews,
        account=adapters.account_reads,
        contact_probe=adapters.contact_probe,
        products=adapters.products,
        ledger_probe=ledger.probe,
        credential=adapters.credential_now,
        consent=settings.consent_desk(),
        rules=settings.policy,
        replays=ledger.replays,
        journal_search=ledger.journal_search,
        pins=ledger.pins,
        choices=ledger.choices,
        deeds=ledger.deeds,
        notices=ledger.notices,
        undos=undos,
        backups=adapters.backups,
        channels=adapters.channels,
    )
