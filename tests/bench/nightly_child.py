"""The measured half of `night.py`: one process of ours against a sandbox that runs in another.

A job in JSON on standard input, what it took in JSON on standard output. Memory is this process's own high mark. No
limit of the vendors is kept here: the clock of the reading runs ahead of them, for pages are counted, not minutes.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from console.cli.run import worker_ports, worker_settings
from shared.adapters.graph.auth import TokenSource
from shared.adapters.graph.credentials import ClientSecret
from shared.adapters.graph.reports import GraphReports
from shared.adapters.http import open_http
from shared.domain.changes import UpdateContact
from shared.domain.contact import Contact
from shared.domain.messages import Reason
from shared.domain.plan import apply_to
from shared.domain.records import Connection, ConnectionStatus
from shared.ports import Connections
from shared.runtime.logging import configure_logging
from shared.runtime.settings import Settings, load_settings
from shared.runtime.wiring import open_adapters
from worker.fullpass import FullPass
from worker.parts import WorkerPorts

FASTER = 10_000.0  # than the machine's monotonic clock
Job = Mapping[str, Any]


class HastyClock:
    """Minutes between pages are over at once; the time of day is the real one."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic() * FASTER


def memory() -> float:
    """The most this process ever held, in MB. Not ru_maxrss where it can be helped: that counts the parent's too."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (each for each in status.read_text().splitlines() if each.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def read(job: Job, settings: Settings) -> dict[str, Any]:
    """Facts and users of the tenant, once."""
    async with open_http("entra-syncro/bench") as http:
        reports = GraphReports(http, _tokens(settings), settings.graph.base_url, settings.facts, HastyClock())
        before, began = memory(), time.monotonic()
        reading = await reports.read(job["tenant"])
        took = time.monotonic() - began
    return {"users": len(reading.users), "facts": len(reading.facts), "before": before, "peak": memory(), "took": took}


async def run_pass(job: Job, settings: Settings) -> dict[str, Any]:
    """One whole full pass; nobody looks at what it hands over."""
    async with open_http("entra-syncro/bench") as http, open_adapters(settings) as adapters:
        reports = GraphReports(http, _tokens(settings), settings.graph.base_url, settings.facts, HastyClock())
        ports = replace(worker_ports(adapters), reports=reports)
        await _connect(ports, adapters.ledger.connections, job)
        full_pass = FullPass(ports, worker_settings(settings))
        before, began = memory(), time.monotonic()
        report = await full_pass.full_pass(job["customer"], reason=Reason.RECONCILE, run_id=job["run"])
        took, peak = time.monotonic() - began, memory()
    held = 0 if report.hold is None else len(report.hold.rows)
    return {
        "users": report.considered,
        "published": report.published,
        "held": held,
        "halted": report.halted,
        "before": before,
        "peak": peak,
        "took": took,
    }


async def contacts(job: Job, settings: Settings) -> dict[str, Any]:
    """What the contacts of the first `count` users must hold to be in step, one line of JSON each, in a file."""
    async with open_http("entra-syncro/bench") as http, open_adapters(settings) as adapters:
        reports = GraphReports(http, _tokens(settings), settings.graph.base_url, settings.facts, HastyClock())
        ports = replace(worker_ports(adapters), reports=reports)
        await _connect(ports, adapters.ledger.connections, job)
        survey = await FullPass(ports, worker_settings(settings)).preview(job["customer"])
    now = {contact.id: contact for contact in survey.preview.contacts}
    plans = [row.plan for row in survey.preview.rows if isinstance(row.plan, UpdateContact)][: job["count"]]
    lines = (json.dumps(_wanted(apply_to(now[plan.contact_id], plan.changes))) + "\n" for plan in plans)
    _keep(Path(job["file"]), lines)
    return {"contacts": len(plans)}


def _keep(file: Path, lines: Iterable[str]) -> None:
    with file.open("w", encoding="utf-8") as kept:
        kept.writelines(lines)


def _wanted(contact: Contact) -> Sequence[Any]:
    plain = {name: getattr(contact, name) for name in ("name", "email", "phone", "mobile")}
    return [contact.id, plain, dict(contact.properties)]


async def _connect(ports: WorkerPorts, connections: Connections, job: Job) -> None:
    """Approved from the start, without a preview."""
    now = ports.clock.now()
    made = Connection(job["customer"], "Crowd", job["tenant"], ConnectionStatus.APPROVED, now, now)
    await connections.save(made)


def _tokens(settings: Settings) -> TokenSource:
    secret = ClientSecret(settings.graph.app_secret.get_secret_value())
    return TokenSource(
        settings.graph.app_id, secret, settings.login.base_url, settings.graph.scope, settings.login.ca_file
    )


WORK = {"read": read, "pass": run_pass, "contacts": contacts}


def main() -> int:
    job = json.loads(sys.stdin.read())
    settings = load_settings()
    configure_logging(settings.log, quiet=True, secrets=settings.secret_values())
    told = asyncio.run(WORK[job["work"]](job, settings))
    sys.stdout.write(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
