"""What all parts of the simulated Microsoft share: tenants, switches, clock, chance, the app registration, the calls.

Parts get this one object and nothing else; it decides nothing. Next: facade.py.
"""

from __future__ import annotations

import random
import secrets
import uuid
from dataclasses import dataclass, field

from sandbox.clock import SandboxClock
from sandbox.microsoft.calls import Call
from sandbox.microsoft.switches import Switches
from sandbox.microsoft.tenant import DEFAULT_ROLES, Tenant


@dataclass(slots=True)
class Cloud:
    """The addresses are filled in by the start; `graph_tls_url` is the same Graph over TLS.

    `reports_url` is the host that hands out usage reports, `reports_tls_url` the same for callers of Graph over TLS;
    `partner_url` is Partner Center. `required_roles`: what the app's registration asks an administrator for.
    """

    clock: SandboxClock
    switches: Switches
    rng: random.Random
    app_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    app_secret: str = field(default_factory=lambda: secrets.token_urlsafe(30))
    login_url: str = ""
    graph_url: str = ""
    graph_tls_url: str = ""
    reports_url: str = ""
    reports_tls_url: str = ""
    partner_url: str = ""
    required_roles: tuple[str, ...] = DEFAULT_ROLES
    tenants: dict[str, Tenant] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def tenant(self, name: str) -> Tenant | None:
        """A tenant by id or by any of its domains."""
        wanted = name.lower()
        found = self.tenants.get(wanted)
        if found is not None:
            return found
        return next((t for t in self.tenants.values() if wanted in {d.lower() for d in t.verified_domains}), None)

    def partner(self) -> Tenant | None:
        """The tenant of the managed service provider, if the scenario has one."""
        return next((tenant for tenant in self.tenants.values() if tenant.is_partner), None)

    def read_horizon(self) -> float:
        """The moment a GET sees: now minus the replication lag."""
        return self.clock.timestamp() - self.switches.replication_lag_s

    def delta_horizon(self) -> float:
        return self.clock.timestamp() - self.switches.delta_lag_s
