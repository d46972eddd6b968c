"""The only builder of adapters: settings in, every port out, everything closed again in reverse.

Addresses choose the adapters (`embedded:`, or a server's own scheme); the rooms see ports alone. A command that needs
no vendor still gets one: opening costs no call. Next: `console/cli/run.py`, which hands the ports to the rooms.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from shared import ports
from shared.adapters.brokers import Broker, open_broker
from shared.adapters.clock import SystemClock
from shared.adapters.graph.auth import ClientSecret, TokenSource
from shared.adapters.graph.directory import GraphDirectory
from shared.adapters.graph.reports import GraphReports
from shared.adapters.graph.subscriptions import GraphSubscriptions
from shared.adapters.http import open_http
from shared.adapters.ledger import Ledger, open_ledger
from shared.adapters.state import State, open_state
from shared.adapters.syncro.account import SyncroAccount
from shared.adapters.syncro.contacts import SyncroContacts
from shared.adapters.syncro.customers import SyncroCustomers
from shared.runtime.settings import PACE_CEILING, Settings

USER_AGENT = "entra-syncro/0.1"


@dataclass(frozen=True, slots=True)
class Adapters:
    """Every port of this process."""

    clock: ports.Clock
    broker: Broker
    state: State
    ledger: Ledger
    directory: ports.Directory
    reports: ports.TenantReports
    subscription_reads: ports.SubscriptionReads
    subscription_writes: ports.SubscriptionWrites
    contacts: ports.Contacts
    syncro_customers: ports.Customers
    account: ports.Account


@asynccontextmanager
async def open_adapters(settings: Settings, *, lazy: bool = False) -> AsyncIterator[Adapters]:
    """Raises Transient when a store cannot be opened and Permanent for an address of no known form.

    `lazy`, for what serves on: no server needs to be there yet. For a command that would only hide what is wrong.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(open_broker(settings.broker.url, clock, lazy=lazy))
        state = await stack.enter_async_context(_state(settings, clock))
        ledger = await stack.enter_async_context(open_ledger(settings.ledger.url, lazy=lazy, rules=settings.policy))
        tokens = _tokens(settings)
        stack.push_async_callback(tokens.aclose)
        graph = await stack.enter_async_context(open_http(USER_AGENT, total=settings.graph.timeout))
        syncro = await stack.enter_async_context(open_http(USER_AGENT, total=settings.syncro.timeout))
        subscriptions = GraphSubscriptions(graph, tokens, settings.graph.base_url)
        address, token = settings.syncro.base_url, settings.syncro.api_token.get_secret_value()
        yield Adapters(
            clock=clock,
            broker=broker,
            state=state,
            ledger=ledger,
            directory=GraphDirectory(graph, tokens, settings.graph.base_url),
            reports=GraphReports(graph, tokens, settings.graph.base_url, settings.facts, clock),
            subscription_reads=subscriptions,
            subscription_writes=subscriptions,
            contacts=SyncroContacts(syncro, address, token, state.pace),
            syncro_customers=SyncroCustomers(syncro, address, token, state.pace),
            account=SyncroAccount(syncro, address, token, state.pace),
        )


def _state(settings: Settings, clock: ports.Clock) -> AbstractAsyncContextManager[State]:
    """The settings have checked the pace already: above the ceiling only against a simulated Syncro."""
    syncro = settings.syncro
    return open_state(
        settings.state.url,
        clock,
        pace_per_minute=syncro.pace_per_minute,
        backfill_per_minute=syncro.backfill_per_minute,
        burst=syncro.burst,
        ceiling_per_minute=max(PACE_CEILING, syncro.pace_per_minute),
    )


def _tokens(settings: Settings) -> TokenSource:
    """One source for both uses of Graph: a tenant's token is acquired once per process."""
    return TokenSource(
        settings.graph.app_id,
        ClientSecret(settings.graph.app_secret.get_secret_value()),
        settings.login.base_url,
        settings.graph.scope,
        settings.login.ca_file,
    )
