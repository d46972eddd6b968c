"""The sections of the settings: one frozen model each, a sentence and a unit under every field.

Pure values with their checks; nothing is read here. Microsoft's are in `shared/runtime/graph_section.py`. Next:
`shared/runtime/settings.py`, which reads them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from shared.runtime.secret_files import MAY_HOLD_SECRET
from shared.runtime.section import Address, Section, loopback, without

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})?"  # some accounts have a second label
PACE_CEILING = 160  # calls a minute; Syncro itself refuses above 180 for the whole address

SyncroAddress = Annotated[Address, without("/api/v1")]
Port = Annotated[int, Field(ge=0, le=65535)]


class SyncroSettings(Section):
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


class PartnerSettings(Section):
    base_url: Address = Field(
        "https://api.partnercenter.microsoft.com", description="Address of Partner Center, without a path."
    )
    tenant_id: str = Field(
        "", description="Your own tenant's id (a GUID), where your people sign in to consent for customers (GDAP)."
    )

    @field_validator("tenant_id")
    @classmethod
    def _tenant_is_a_guid(cls, value: str) -> str:
        if value and not re.fullmatch(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", value.strip()):
            raise ValueError("must be a tenant's id, a GUID")
        return value.strip().lower()


class BrokerSettings(Section):
    url: str = Field(
        "",
        description=(
            "The queue: embedded:PATH, embedded::memory: or amqp://USER:PASSWORD@HOST:5672/VHOST (RabbitMQ 3.10 or "
            "newer; amqps:// with TLS). Unset: a file in data_dir."
        ),
        json_schema_extra=MAY_HOLD_SECRET,
    )


class StateSettings(Section):
    url: str = Field(
        "",
        description=(
            "Short-lived state: embedded:PATH, embedded::memory: or redis://:PASSWORD@HOST:6379/0 (Redis 7; rediss:// "
            "with TLS). Unset: a file in data_dir."
        ),
        json_schema_extra=MAY_HOLD_SECRET,
    )


class LedgerSettings(Section):
    url: str = Field(
        "",
        description=(
            "Decisions and journal: embedded:PATH, embedded::memory: or postgresql://USER:PASSWORD@HOST:5432/DATABASE "
            "(?sslmode=require for TLS). Unset: a file in data_dir."
        ),
        json_schema_extra=MAY_HOLD_SECRET,
    )


class ReceiverSettings(Section):
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
    invite_days: int = Field(14, ge=1, le=90, description="How long a consent link may be answered, in days.")

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


class PrivateSettings(Section):
    host: str = Field("127.0.0.1", description="Address of the private site: health and metrics (IP or host name).")
    port: Port = Field(8081, description="Port of the private site (a number; 0 picks a free one).")


class WorkerSettings(Section):
    in_flight: int = Field(4, ge=1, description="Users looked at at once per lane (a number).")
    lease_ttl: float = Field(
        30.0, gt=0, description="How long one worker may hold a Syncro customer for one user, in seconds."
    )
    lease_wait: float = Field(10.0, ge=0, description="Longest wait for a customer that another holds, in seconds.")
    pace_wait: float = Field(60.0, gt=0, description="Longest wait for a slot in Syncro's pace, in seconds.")
    replays_per_minute: float = Field(
        60.0, gt=0, description="Failed changes that are tried again in a minute, at most (a number)."
    )


class ShutdownSettings(Section):
    unready: float = Field(
        0.0, ge=0, description="Time between reporting not ready and closing the door, for load balancers, in seconds."
    )
    drain: float = Field(20.0, gt=0, description="Time to finish what is in hand, in seconds.")
    settle: float = Field(5.0, gt=0, description="Time to put back what was not finished, in seconds.")


class OperatorSettings(Section):
    name: str = Field(
        "", description="Who acts, for the record; blank: the user of the machine that gives the command (a name)."
    )


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least important events to log (one of debug, info, warning, error)."
    )
    format: Literal["json", "console"] = Field(
        "json", description="Shape of the log: json for machines, console for people."
    )
