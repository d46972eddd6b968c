"""The sections of the settings: one frozen model each, a sentence and a unit under every field.

Pure values with their checks; nothing is read here. Next: `shared/runtime/settings.py`, which reads them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from shared.runtime.secret_files import MAY_HOLD_SECRET

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})?"  # some accounts have a second label
PACE_CEILING = 160  # calls a minute; Syncro itself refuses above 180 for the whole address


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _address(value: object) -> object:
    """An http(s) address without a trailing slash. Blank stays blank."""
    if not isinstance(value, str) or not value:
        return value
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address that begins with https:// (or http:// on this machine)")
    return value.rstrip("/")


def loopback(address: str) -> bool:
    """Is this address on this machine (a simulated vendor)?"""
    host = urlsplit(address).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False  # a name, even one that begins with 127


def _without(path: str) -> BeforeValidator:
    """People paste the address with its version; adapters add that themselves."""
    return BeforeValidator(lambda value: value.rstrip("/").removesuffix(path) if isinstance(value, str) else value)


Address = Annotated[str, BeforeValidator(_address)]
GraphAddress = Annotated[Address, _without("/v1.0")]
SyncroAddress = Annotated[Address, _without("/api/v1")]
Port = Annotated[int, Field(ge=0, le=65535)]


class GraphSettings(_Section):
    base_url: GraphAddress = Field(
        "https://graph.microsoft.com", description="Address of Microsoft Graph, without /v1.0 (national clouds differ)."
    )
    scope: str = Field(
        "https://graph.microsoft.com/.default",
        description="Scope asked for with every token (one word, cloud-specific).",
    )
    app_id: str = Field("", description="Application (client) id of the app registration, a GUID.")
    app_secret: SecretStr = Field(SecretStr(""), description="Client secret of the app registration.")
    timeout: float = Field(30.0, gt=0, description="Longest wait for one answer of Graph, in seconds.")


class LoginSettings(_Section):
    base_url: Address = Field(
        "https://login.microsoftonline.com", description="Address of Microsoft's sign-in service, without a path."
    )
    ca_file: Path | None = Field(
        None, description="PEM file of a private certificate authority for the sign-in service; unset: the public ones."
    )

    @field_validator("ca_file")
    @classmethod
    def _ca_file_is_there(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError("there is no such file")
        return value


class SyncroSettings(_Section):
    subdomain: str = Field("", description="Your Syncro subdomain: the first word of SUBDOMAIN.syncromsp.com.")
    api_token: SecretStr = Field(SecretStr(""), description="API token of Syncro (Admin, API Tokens).")
    base_url: SyncroAddress = Field(
        "", description="Address of Syncro, without /api/v1; unset: https://SUBDOMAIN.syncromsp.com."
    )
    pace_per_minute: int = Field(
        120, ge=1, description="Calls to Syncro per minute, all processes together (at most 160)."
    )
    burst: int = Field(10, ge=2, description="Calls that may be made at once after a quiet time (a number of calls).")
    backfill_per_minute: int = Field(80, ge=1, description="Of these, calls per minute for nightly and full syncs.")
    timeout: float = Field(
        15.0, gt=0, description="Longest wait for one answer of Syncro, in seconds; at most half of worker.lease_ttl."
    )

    @model_validator(mode="before")
    @classmethod
    def _derive_address(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and not data.get("base_url") and (name := data.get("subdomain")):
            if not isinstance(name, str) or not re.fullmatch(
                rf"{_LABEL}(\.{_LABEL})?", name
            ):  # some have a second label
                raise ValueError("subdomain: must be one word of letters, digits and hyphens")
            return {**data, "base_url": f"https://{name.lower()}.syncromsp.com"}
        return data

    @model_validator(mode="after")
    def _pace_is_safe(self) -> SyncroSettings:
        # A simulated Syncro on this machine may be driven faster: tests lift its limit and the pace together.
        if self.pace_per_minute > PACE_CEILING and not loopback(self.base_url):
            raise ValueError(f"pace_per_minute: must be at most {PACE_CEILING} calls per minute")
        return self


class BrokerSettings(_Section):
    url: str = Field(
        "",
        description=(
            "The queue: embedded:PATH, embedded::memory: or amqp://USER:PASSWORD@HOST:5672/VHOST (RabbitMQ 3.10 or "
            "newer; amqps:// with TLS). Unset: a file in data_dir."
        ),
        json_schema_extra=MAY_HOLD_SECRET,
    )


class StateSettings(_Section):
    url: str = Field(
        "",
        description=(
            "Short-lived state: embedded:PATH, embedded::memory: or redis://:PASSWORD@HOST:6379/0 (Redis 7; rediss:// "
            "with TLS). Unset: a file in data_dir."
        ),
        json_schema_extra=MAY_HOLD_SECRET,
    )


class LedgerSettings(_Section):
    url: str = Field(
        "",
        description=(
            "Decisions and journal: embedded:PATH, embedded::memory: or postgresql://USER:PASSWORD@HOST:5432/DATABASE "
            "(?sslmode=require for TLS). Unset: a file in data_dir."
        ),
        json_schema_extra=MAY_HOLD_SECRET,
    )


class ReceiverSettings(_Section):
    host: str = Field("0.0.0.0", description="Address the public door listens on (an IP address or host name).")  # noqa: S104 - it is the public door
    port: Port = Field(8080, description="Port of the public door (a number; 0 picks a free one).")
    public_url: Address = Field(
        "",
        description="Address (https) under which Microsoft reaches the public door; unset: no notifications.",
    )
    secrets: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="Secrets k1, k2, ... for clientState; the highest signs, all are valid. Unset: made once.",
    )
    body_limit: int = Field(8 * 1024 * 1024, ge=1024, description="Largest POST body accepted, in bytes.")
    bytes_in_flight: int = Field(
        64 * 1024 * 1024, ge=1024, description="All POST bodies in hand together; above it 503 is answered, in bytes."
    )
    body_timeout: float = Field(10.0, gt=0, description="Time in which a POST body must have arrived, in seconds.")
    confirm_timeout: float = Field(
        1.5, gt=0, le=2.5, description="Longest wait for the broker before 503 is answered, in seconds."
    )
    subscription_minutes: int = Field(
        40_320, ge=45, le=41_000, description="Life asked for every subscription, in minutes (Microsoft allows 41,760)."
    )
    interval: float = Field(5.0, gt=0, description="Pause between two looks for newly approved customers, in seconds.")

    @field_validator("secrets", mode="before")
    @classmethod
    def _number_the_secrets(cls, value: object) -> object:
        """A list is numbered from k1 on."""
        return {f"k{n}": item for n, item in enumerate(value, 1)} if isinstance(value, list) else value

    @field_validator("secrets")
    @classmethod
    def _check_secrets(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, secret in value.items():
            if not re.fullmatch(r"k[1-9][0-9]{0,3}", name):
                raise ValueError("names must be k1, k2, ... k9999")
            if len(secret.get_secret_value()) < 16:
                raise ValueError(f"{name} must have at least 16 characters")
        return value

    @field_validator("public_url")
    @classmethod
    def _public_is_https(cls, value: str) -> str:
        if value and not value.startswith("https://") and not loopback(value):
            raise ValueError("must begin with https:// (Microsoft delivers to nothing else)")
        return value


class PrivateSettings(_Section):
    host: str = Field("127.0.0.1", description="Address of the private site: health and metrics (IP or host name).")
    port: Port = Field(8081, description="Port of the private site (a number; 0 picks a free one).")


class WorkerSettings(_Section):
    in_flight: int = Field(4, ge=1, description="Users looked at at once per lane (a number).")
    lease_ttl: float = Field(
        30.0, gt=0, description="How long one worker may hold a Syncro customer for one user, in seconds."
    )
    lease_wait: float = Field(10.0, ge=0, description="Longest wait for a customer that another holds, in seconds.")
    pace_wait: float = Field(60.0, gt=0, description="Longest wait for a slot in Syncro's pace, in seconds.")


class ShutdownSettings(_Section):
    unready: float = Field(
        0.0, ge=0, description="Time between reporting not ready and closing the door, for load balancers, in seconds."
    )
    drain: float = Field(20.0, gt=0, description="Time to finish what is in hand, in seconds.")
    settle: float = Field(5.0, gt=0, description="Time to put back what was not finished, in seconds.")


class LogSettings(_Section):
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least important events to log (one of debug, info, warning, error)."
    )
    format: Literal["json", "console"] = Field(
        "json", description="Shape of the log: json for machines, console for people."
    )
