"""The only builder of adapters: settings in, every port out, everything closed again in reverse.

Addresses choose the adapters (`embedded:`, or a server's own scheme); the rooms see ports alone. A command that needs
no vendor still gets one: opening costs no call. Next: `console/cli/run.py`, which hands the ports to the rooms.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from shared import ports
from shared.adapters.brokers import Broker, open_broker
from shared.adapters.clock import SystemClock
from shared.adapters.graph.attributes import WantedAttributes
from shared.adapters.graph.auth import TokenSource
from shared.adapters.graph.changes import GraphUserChanges
from shared.adapters.graph.credential_file import CredentialFile
from shared.adapters.graph.credentials import AssertionFile, ClientCertificate, ClientSecret, Credential
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
from shared.domain.door import DoorAnswer
from shared.runtime.certificate import Certificate, UnusableCertificate, read_certificate
from shared.runtime.credential import credential_info
from shared.runtime.graph_section import SYSTEM_IDENTITY, GraphSettings
from shared.runtime.logging import hide
from shared.runtime.notice_section import SmtpSettings
from shared.runtime.secret_files import UnreadableSecret, read_secret
from shared.runtime.settings import PACE_CEILING, Settings
from shared.runtime.wanted import wanted_extensions

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
    credential_now: Callable[[], CredentialInfo]
    channels: Sequence[ports.Channel]
    beacon: ports.Beacon | None
    backups: ports.Backups

    @property
    def credential(self) -> CredentialInfo:
        """Of what proves us to Microsoft now: its file may have been replaced."""
        return self.credential_now()


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
        credential = _credential(settings.graph)
        tokens = _tokens(settings, credential)
        stack.push_async_callback(tokens.aclose)
        skews = ClockSkews()
        graph = await stack.enter_async_context(open_http(USER_AGENT, total=settings.graph.timeout, skews=skews))
        login = graph
        if settings.login.ca_file is not None:
            login = await stack.enter_async_context(open_http(USER_AGENT, settings.login.ca_file, skews=skews))
        syncro = await stack.enter_async_context(open_http(USER_AGENT, total=settings.syncro.timeout, skews=skews))
        subscriptions = GraphSubscriptions(graph, tokens, settings.graph.base_url)
        wanted = wanted_extensions(ledger.connections, ledger.policies, settings.policy)
        attributes = WantedAttributes(graph, tokens, settings.graph.base_url, wanted)
        address, token = settings.syncro.base_url, settings.syncro.api_token.get_secret_value()
        syncro_account = SyncroAccount(syncro, address, token, state.pace)
        yield Adapters(
            clock=clock,
            broker=broker,
            state=state,
            ledger=ledger,
            directory=GraphDirectory(graph, tokens, settings.graph.base_url, attributes),
            groups=GraphGroups(graph, tokens, settings.graph.base_url),
            reports=GraphReports(graph, tokens, settings.graph.base_url, settings.facts, clock, attributes),
            subscription_reads=subscriptions,
            subscription_writes=subscriptions,
            contacts=SyncroContacts(syncro, address, token, state.pace),
            syncro_customers=SyncroCustomers(syncro, address, token, state.pace),
            account=syncro_account,
            account_reads=syncro_account,
            contact_probe=SyncroContactProbe(syncro, address, token, state.pace),
            products=GraphProducts(graph, tokens, settings.graph.base_url),
            changes=GraphUserChanges(graph, tokens, settings.graph.base_url, attributes),
            door=_LateDoor(),
            partner=_partner(settings, graph, stack),
            organizations=GraphOrganizations(graph, tokens, settings.graph.base_url),
            finder=OpenIdFinder(login, settings.login.base_url),
            skews=skews,
            credential_now=partial(_credential_info, settings.graph, credential),
            channels=_channels(settings, graph, syncro, state.pace),
            beacon=_beacon(settings, graph),
            backups=LedgerBackups(settings.ledger.url, settings.data_dir / "backups"),
        )


class _LateDoor:
    """`HttpDoorProbe`, loaded when it is asked."""

    async def knock(self, url: str) -> DoorAnswer:
        from shared.adapters.door import HttpDoorProbe

        return await HttpDoorProbe().knock(url)


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


def _tokens(settings: Settings, credential: Credential) -> TokenSource:
    """One source for both uses of Graph: a tenant's token is acquired once per process."""
    return TokenSource(
        settings.graph.app_id,
        credential,
        settings.login.base_url,
        settings.graph.scope,
        settings.login.ca_file,
    )


def _credential(graph: GraphSettings) -> Credential:
    """The one that is set; with none a blank secret, which the sign-in service will refuse."""
    if graph.certificate is not None and graph.certificate_file is not None:
        return _certificate_in(graph.certificate_file, graph.certificate, graph.certificate_password)
    if graph.assertion_file is not None:
        return AssertionFile(graph.assertion_file)
    if graph.managed_identity:
        from shared.adapters.graph.managed_identity import ManagedIdentity  # loads MSAL at once

        client_id = "" if graph.managed_identity == SYSTEM_IDENTITY else graph.managed_identity
        return ManagedIdentity(graph.addresses.exchange, client_id)
    held = ClientSecret(graph.app_secret.get_secret_value())
    return held if graph.secret_file is None else _secret_in(graph.secret_file, held)


def _certificate_in(file: Path, first: Certificate, password: SecretStr) -> CredentialFile:
    """`first`: what the file held when the settings were read."""

    def made(found: Certificate) -> ClientCertificate:
        return ClientCertificate(found.private_key, found.certificate, found.expires_at)

    def read() -> Credential | str:
        try:
            return made(read_certificate(file, password.get_secret_value()))
        except UnusableCertificate as error:
            return str(error)

    return CredentialFile(file, made(first), read)


def _secret_in(file: Path, held: ClientSecret) -> CredentialFile:
    def read() -> Credential | str:
        try:
            secret = read_secret("graph.app_secret", file)
        except UnreadableSecret as error:
            return str(error)
        hide(secret)
        return ClientSecret(secret)

    return CredentialFile(file, held, read)


def _credential_info(graph: GraphSettings, credential: Credential) -> CredentialInfo:
    """Of what is in use now: a certificate may have been replaced since the settings were read."""
    info, held = credential_info(graph), credential.held if isinstance(credential, CredentialFile) else credential
    return replace(info, expires_at=held.expires_at) if isinstance(held, ClientCertificate) else info
