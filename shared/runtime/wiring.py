"""The only builder of adapters: settings in, every port out, everything closed again in reverse.

Addresses choose the adapters (`embedded:`, or a server's own scheme); the rooms see ports alone. A command that needs
no vendor still gets one: opening costs no call. Next: `console/cli/run.py`, which hands the ports to the rooms.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from shared import ports
from shared.adapters.brokers import Broker, open_broker
from shared.adapters.clock import SystemClock
from shared.adapters.door import HttpDoorProbe
from shared.adapters.graph.auth import TokenSource
from shared.adapters.graph.changes import GraphUserChanges
from shared.adapters.graph.credentials import (
    AssertionFile,
    ClientCertificate,
    ClientSecret,
    Credential,
    ManagedIdentity,
)
from shared.adapters.graph.directory import GraphDirectory
from shared.adapters.graph.finder import OpenIdFinder
from shared.adapters.graph.groups import GraphGroups
from shared.adapters.graph.organization import GraphOrganizations
from shared.adapters.graph.products import GraphProducts
from shared.adapters.graph.reports import GraphReports
from shared.adapters.graph.subscriptions import GraphSubscriptions
from shared.adapters.http import HttpClient, open_http
from shared.adapters.ledger import Ledger, open_ledger
from shared.adapters.ledger.backup import LedgerBackups
from shared.adapters.notices.beacon import HttpBeacon
from shared.adapters.notices.smtp import Encryption, MailServer, SmtpChannel
from shared.adapters.notices.teams import TeamsChannel
from shared.adapters.notices.ticket import TicketChannel
from shared.adapters.partner import PartnerCenter
from shared.adapters.partner_login import PersonTokens
from shared.adapters.skews import ClockSkews
from shared.adapters.state import State, open_state
from shared.adapters.syncro.account import SyncroAccount
from shared.adapters.syncro.contacts import SyncroContacts
from shared.adapters.syncro.customers import SyncroCustomers
from shared.adapters.syncro.probe import SyncroContactProbe
from shared.domain.credential import CredentialInfo
from shared.runtime.credential import credential_info
from shared.runtime.graph_section import SYSTEM_IDENTITY, GraphSettings
from shared.runtime.notice_section import SmtpSettings
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
    groups: ports.Groups
    subscription_reads: ports.SubscriptionReads
    subscription_writes: ports.SubscriptionWrites
    contacts: ports.Contacts
    syncro_customers: ports.Customers
    account: ports.Account
    account_reads: ports.AccountReads
    contact_probe: ports.ContactProbe
    products: ports.Products
    changes: ports.UserChanges
    door: ports.DoorProbe
    partner: ports.Partner
    organizations: ports.Organizations
    finder: ports.TenantFinder
    skews: ports.Skews
    credential: CredentialInfo
    channels: Sequence[ports.Channel]
    beacon: ports.Beacon | None
    backups: ports.Backups


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
        skews = ClockSkews()
        graph = await stack.enter_async_context(open_http(USER_AGENT, total=settings.graph.timeout, skews=skews))
        login = graph
        if settings.login.ca_file is not None:
            login = await stack.enter_async_context(open_http(USER_AGENT, settings.login.ca_file, skews=skews))
        syncro = await stack.enter_async_context(open_http(USER_AGENT, total=settings.syncro.timeout, skews=skews))
        subscriptions = GraphSubscriptions(graph, tokens, settings.graph.base_url)
        address, token = settings.syncro.base_url, settings.syncro.api_token.get_secret_value()
        syncro_account = SyncroAccount(syncro, address, token, state.pace)
        yield Adapters(
            clock=clock,
            broker=broker,
            state=state,
            ledger=ledger,
            directory=GraphDirectory(graph, tokens, settings.graph.base_url),
            groups=GraphGroups(graph, tokens, settings.graph.base_url),
            reports=GraphReports(graph, tokens, settings.graph.base_url, settings.facts, clock),
            subscription_reads=subscriptions,
            subscription_writes=subscriptions,
            contacts=SyncroContacts(syncro, address, token, state.pace),
            syncro_customers=SyncroCustomers(syncro, address, token, state.pace),
            account=syncro_account,
            account_reads=syncro_account,
            contact_probe=SyncroContactProbe(syncro, address, token, state.pace),
            products=GraphProducts(graph, tokens, settings.graph.base_url),
            changes=GraphUserChanges(graph, tokens, settings.graph.base_url),
            door=HttpDoorProbe(),
            partner=_partner(settings, graph, stack),
            organizations=GraphOrganizations(graph, tokens, settings.graph.base_url),
            finder=OpenIdFinder(login, settings.login.base_url),
            skews=skews,
            credential=credential_info(settings.graph),
            channels=_channels(settings, graph, syncro, state.pace),
            beacon=_beacon(settings, graph),
            backups=LedgerBackups(settings.ledger.url),
        )


def _channels(settings: Settings, http: HttpClient, syncro: HttpClient, pace: ports.Pace) -> Sequence[ports.Channel]:
    """Those that are set, none is needed."""
    notices = settings.notices
    channels: list[ports.Channel] = []
    if notices.smtp.host:
        channels.append(SmtpChannel(_mail_server(notices.smtp)))
    if address := notices.teams_url.get_secret_value():
        channels.append(TeamsChannel(http, address))
    if notices.ticket_customer:
        token = settings.syncro.api_token.get_secret_value()
        channels.append(TicketChannel(syncro, settings.syncro.base_url, token, pace, notices.ticket_customer))
    return channels


def _mail_server(smtp: SmtpSettings) -> MailServer:
    return MailServer(
        host=smtp.host,
        port=smtp.port,
        encryption=Encryption(smtp.encryption),
        sender=smtp.sender,
        recipients=smtp.recipients,
        user=smtp.user,
        password=smtp.password.get_secret_value(),
        ca_file=smtp.ca_file,
    )


def _beacon(settings: Settings, http: HttpClient) -> ports.Beacon | None:
    address = settings.notices.heartbeat_url.get_secret_value()
    return HttpBeacon(http, address) if address else None


def _partner(settings: Settings, http: HttpClient, stack: AsyncExitStack) -> PartnerCenter:
    """Costs nothing until somebody signs in."""
    app_id = settings.graph.app_id
    person = PersonTokens(app_id, settings.partner.tenant_id, settings.login.base_url, settings.login.ca_file)
    stack.push_async_callback(person.aclose)
    return PartnerCenter(
        http,
        person,
        app_id=app_id,
        base_url=settings.partner.base_url,
        graph_base_url=settings.graph.base_url,
        graph_scope=settings.graph.scope,
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
        _credential(settings.graph),
        settings.login.base_url,
        settings.graph.scope,
        settings.login.ca_file,
    )


def _credential(graph: GraphSettings) -> Credential:
    """The one that is set; with none a blank secret, which the sign-in service will refuse."""
    if graph.certificate is not None:
        return ClientCertificate(graph.certificate.private_key, graph.certificate.certificate)
    if graph.assertion_file is not None:
        return AssertionFile(graph.assertion_file)
    if graph.managed_identity:
        client_id = "" if graph.managed_identity == SYSTEM_IDENTITY else graph.managed_identity
        return ManagedIdentity(graph.addresses.exchange, client_id)
    return ClientSecret(graph.app_secret.get_secret_value())
