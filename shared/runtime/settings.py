"""The only reader of environment and files: `load_settings` gives one frozen value, or says what is missing.

Order: arguments, then environment (`ENTRA_SYNCRO_`, `__` between levels), then secret files (`..._FILE`), then
`entra-syncro.toml`. Every complaint is one line that names the variable, the key and what the setting is, never its
value. Everyone else gets the part that concerns them passed in. Next: `shared/runtime/wiring.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as SourceError

from shared.domain.consent import ConsentDesk
from shared.domain.nightly import BillingPolicy, BrakePolicy, FactsPolicy, NightlyPolicy
from shared.domain.policy import CoalescePolicy, RetryPolicy, SyncPolicy
from shared.domain.watching import PollPolicy
from shared.runtime.graph_section import GraphSettings, LoginSettings
from shared.runtime.notice_section import NoticeSettings
from shared.runtime.secret_files import SecretFiles, UnreadableSecret, WithoutFiles, generated_secret, read_secret
from shared.runtime.sections import (
    PACE_CEILING,
    BrokerSettings,
    LedgerSettings,
    LogSettings,
    OperatorSettings,
    PartnerSettings,
    PrivateSettings,
    ReceiverSettings,
    ShutdownSettings,
    StateSettings,
    SyncroSettings,
    WorkerSettings,
)

__all__ = [
    "PACE_CEILING",
    "LogSettings",
    "PrivateSettings",
    "ReceiverSettings",
    "Settings",
    "SettingsError",
    "describe",
    "load_settings",
]

PREFIX = "ENTRA_SYNCRO_"
DEFAULT_FILE = Path("entra-syncro.toml")
KEY_FILE = "client-state.key"
CREDENTIAL = "graph.credential"  # a need, no setting: any one of the four that `GraphSettings.credential` knows
VENDORS = ("graph.app_id", CREDENTIAL, "syncro.subdomain", "syncro.api_token")


class SettingsError(Exception):
    """`lines`: one clear sentence per missing or wrong setting, safe to print."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


def _section(model: type[BaseModel], what: str) -> Any:
    return Field(default_factory=model, description=what)


class Settings(BaseSettings):
    """Everything a deployment may choose. Built by `load_settings` alone."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    data_dir: Path = Field(Path("data"), description="Folder of the embedded databases and generated keys (a path).")
    graph: GraphSettings = _section(GraphSettings, "Microsoft Graph.")
    login: LoginSettings = _section(LoginSettings, "Microsoft's sign-in service.")
    partner: PartnerSettings = _section(PartnerSettings, "Consent for many customers by one sign-in (GDAP).")
    syncro: SyncroSettings = _section(SyncroSettings, "Syncro.")
    broker: BrokerSettings = _section(BrokerSettings, "The queue: embedded:PATH or amqp://...")
    state: StateSettings = _section(StateSettings, "Short-lived state: embedded:PATH or redis://...")
    ledger: LedgerSettings = _section(LedgerSettings, "Decisions and journal: embedded:PATH or postgresql://...")
    receiver: ReceiverSettings = _section(ReceiverSettings, "The public door and the subscriptions.")
    private: PrivateSettings = _section(PrivateSettings, "The private site.")
    worker: WorkerSettings = _section(WorkerSettings, "The worker.")
    retry: RetryPolicy = _section(RetryPolicy, "The retry timetable, in seconds.")
    coalesce: CoalescePolicy = _section(CoalescePolicy, "How hints gather before a look, in seconds.")
    policy: SyncPolicy = _section(SyncPolicy, "Rules of customers that have none of their own.")
    nightly: NightlyPolicy = _section(NightlyPolicy, "When full syncs run and what they may cost.")
    brakes: BrakePolicy = _section(BrakePolicy, "How much may be done to a customer before a person is asked.")
    polls: PollPolicy = _section(PollPolicy, "How often changes are asked for, whatever notifications say.")
    facts: FactsPolicy = _section(FactsPolicy, "Which reports of Microsoft are read, and what they mean.")
    billing: BillingPolicy = _section(BillingPolicy, "What invoices depend on.")
    notices: NoticeSettings = _section(NoticeSettings, "What people are told, and how.")
    shutdown: ShutdownSettings = _section(ShutdownSettings, "The end of a process.")
    operator: OperatorSettings = _section(OperatorSettings, "Whoever gives commands.")
    log: LogSettings = _section(LogSettings, "The log.")

    @field_validator("policy")
    @classmethod
    def _mapped_attributes_are_read(cls, policy: SyncPolicy) -> SyncPolicy:
        if not policy.custom_mappings:
            return policy
        from shared.domain.mapping import unread_attribute  # loads the numbering plans of all countries

        if unread := unread_attribute(policy):
            raise ValueError(f"custom_mappings: {unread.removesuffix('.')}")
        return policy

    @model_validator(mode="after")
    def _lease_outlasts_the_calls(self) -> Settings:
        # Under one lease: a read, then a write that may take as long again. A lease shorter than that never writes.
        if self.worker.lease_ttl < 2 * self.syncro.timeout:
            raise ValueError("worker.lease_ttl: must be at least twice syncro.timeout")
        return self

    @model_validator(mode="after")
    def _embedded_by_default(self) -> Settings:
        for name in ("broker", "state", "ledger"):
            section = getattr(self, name)
            if not section.url:
                here = section.model_copy(update={"url": f"embedded:{self.data_dir / name}.db"})
                object.__setattr__(self, name, here)  # frozen, and not yet handed out
        return self

    @model_validator(mode="after")
    def _login_by_cloud(self) -> Settings:
        if not self.login.base_url:
            here = self.login.model_copy(update={"base_url": self.graph.addresses.login})
            object.__setattr__(self, "login", here)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        files = SecretFiles(settings_cls, PREFIX)
        environment = WithoutFiles(settings_cls, env_settings, files)
        return init_settings, environment, files, TomlConfigSettingsSource(settings_cls)

    def secret_values(self) -> tuple[str, ...]:
        """Every secret that is set, for the log's redaction."""
        urls = (urlsplit(end.url).password or "" for end in (self.broker, self.state, self.ledger))
        ours = (self.graph.app_secret, self.graph.certificate_password, self.syncro.api_token)
        secrets = (*ours, *self.receiver.secrets.values())
        plain = (s.get_secret_value() for s in secrets)
        return tuple(value for value in (*urls, *plain, *self.notices.secret_values()) if value)

    def client_state_secrets(self) -> Mapping[int, bytes]:
        """Secret by number, for `receiver.client_state`. Generated once into `data_dir` when none is set.

        Raises SettingsError when several machines may share the queue: each would generate its own.
        """
        if not self.receiver.secrets:
            if not self.broker.url.startswith("embedded:"):
                raise SettingsError([_sentence("receiver.secrets.k1", "is missing (all machines must share it)")])
            return {1: generated_secret(self.data_dir / KEY_FILE)}
        return {int(name[1:]): s.get_secret_value().encode() for name, s in self.receiver.secrets.items()}

    def consent_desk(self) -> ConsentDesk:
        """What consent links are made with. Without a secret that all machines share, none can be made here."""
        try:
            secrets = self.client_state_secrets()
        except SettingsError:
            secrets = {}  # a receiver refuses to start like this; a worker's machine need not know the secret
        return ConsentDesk(
            secrets=secrets,
            app_id=self.graph.app_id,
            login_url=self.login.base_url,
            scope=self.graph.scope,
            public_url=self.receiver.public_url,
            invite_days=self.receiver.invite_days,
        )


def load_settings(file: Path | None = None, *, needs: Collection[str] = VENDORS, **overrides: Any) -> Settings:
    """Read everything once.

    `file`: a TOML file that must exist; None: `entra-syncro.toml` in the working folder, if there. `needs`: keys
    that must not be blank (a receiver alone needs no Syncro token). `overrides`: whole sections as mappings, e.g.
    `syncro={"subdomain": "acme"}`; they win. Raises SettingsError.
    """
    if file is not None and not file.is_file():
        raise SettingsError([f"settings file {file}: there is no such file"])
    try:
        settings = _reader(file or DEFAULT_FILE)(**overrides)
        _tell_where_the_secret_is(settings)
    except ValidationError as error:
        raise SettingsError([_complaint(detail) for detail in error.errors(include_input=False)]) from None
    except UnreadableSecret as error:
        raise SettingsError([str(error)]) from None
    except SourceError as error:
        raise SettingsError([f"environment: {error} (its value must be JSON)"]) from None
    except (ValueError, OSError) as error:  # broken TOML or an unreadable file: the message holds a position at most
        raise SettingsError([f"settings file {file or DEFAULT_FILE}: {error}"]) from None
    missing = [key for key in needs if _blank(settings, key)]
    if missing:
        raise SettingsError([_sentence(key, "is missing") for key in missing])
    return settings


def _tell_where_the_secret_is(settings: Settings) -> None:
    """So that it can be replaced while we run. Where another source won over the file, the file counts for nothing."""
    file = SecretFiles(Settings, PREFIX).file_of("graph", "app_secret")
    held = settings.graph.app_secret.get_secret_value()
    if file is not None and held == read_secret(f"{PREFIX}GRAPH__APP_SECRET_FILE", file):
        settings.graph.came_from(file)


def _reader(file: Path) -> type[Settings]:
    """The TOML path is part of a settings class, so each file gets its own."""

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    return FromFile


def _blank(settings: Settings, key: str) -> bool:
    section, _, name = key.partition(".")
    value = getattr(getattr(settings, section), name) if name else getattr(settings, section)
    if key == "syncro.subdomain" and settings.syncro.base_url:
        return False
    return not (value.get_secret_value() if isinstance(value, SecretStr) else value)


def _complaint(detail: ErrorDetails) -> str:
    loc = [str(part) for part in detail["loc"]]
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        return f"{'.'.join(loc)} ({_variable(loc)}): is no setting; look for a misspelt name"
    head, colon, rest = message.partition(": ")
    if colon and head.isidentifier():  # a rule over a whole section names its field itself
        loc, message = [*loc, head], rest
    return _sentence(".".join(loc), message[:1].lower() + message[1:])


def _sentence(key: str, what: str) -> str:
    if key == CREDENTIAL:
        return _about_credential(what)
    path = key.split(".")
    field = _field(path)
    about = field.description if field is not None and field.description else "see the manual"
    variable = _variable(path)
    if field is not None and field.annotation == dict[str, SecretStr] and len(path) == 2:
        variable += "__K1"
    also = f" or {variable}_FILE" if field is not None and "SecretStr" in str(field.annotation) else ""
    return f"{key} (set {variable}{also}, or {key} in {DEFAULT_FILE.name}): {what}. {about}"


def _about_credential(what: str) -> str:
    """Most people set a secret, so the line is its own; but any of the four will do, and no two."""
    others = "graph.certificate_file, graph.assertion_file or graph.managed_identity"
    if what.endswith("are set"):
        return f"{what}: keep one of graph.app_secret, {others}, and remove the others."
    return f"{_sentence('graph.app_secret', what)} Instead of it you may set one of {others}."


def _variable(path: Sequence[str]) -> str:
    return PREFIX + "__".join(part.upper() for part in path)


def _field(path: Sequence[str]) -> FieldInfo | None:
    """The deepest field on the way to `path` that carries a description."""
    model: Any = Settings
    found: FieldInfo | None = None
    for part in path:
        fields = getattr(model, "model_fields", {})
        if part not in fields:
            break
        if fields[part].description:
            found = fields[part]
        model = fields[part].annotation
    return found


def describe() -> Iterator[tuple[str, str, str]]:
    """Every setting as (key, variable, sentence with unit), for the manual and `--help`."""
    yield from _describe([], Settings)


def _describe(path: list[str], model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        here = [*path, name]
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _describe(here, inner)
        else:
            about = _field(here)
            yield ".".join(here), _variable(here), (about.description or "") if about else ""
