"""The section about notices: what people are told, when, and by which channels. Any number of channels may be set.

Pure values with their checks. Next: `shared/runtime/wiring.py` (channels), `worker/notices.py` (what is sent).
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from shared.domain.nightly import NightlyPolicy
from shared.domain.notices import NoticePolicy, PersonalData
from shared.domain.schedule import check_zone
from shared.runtime.section import Section, loopback


def _zone_or_blank(name: str) -> str:
    if name:
        check_zone(name)
    return name


def _time_or_blank(value: str) -> str:
    if value and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        raise ValueError("must be a time of four digits, such as 08:00")
    return value


def _safe_address(value: SecretStr) -> SecretStr:
    address = value.get_secret_value()
    parts = urlsplit(address)
    if address and not (parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and loopback(address)))):
        raise ValueError("must be an address that begins with https://")
    return value


SecretAddress = Annotated[SecretStr, AfterValidator(_safe_address)]
Clock = Annotated[str, AfterValidator(_time_or_blank)]


class SmtpSettings(Section):
    host: str = Field("", description="Mail server that takes notices (a host name); unset: no mail.")
    port: int = Field(587, ge=1, le=65535, description="Port of the mail server (a number).")
    encryption: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the mail server is spoken to: starttls, tls or none (a word)."
    )
    user: str = Field("", description="User who signs in to the mail server; unset: nobody signs in.")
    password: SecretStr = Field(SecretStr(""), description="Password of notices.smtp.user.")
    sender: str = Field("", description="Address that notices come from (an e-mail address).")
    to: str = Field("", description="Addresses that get notices, with commas between them.")
    ca_file: Path | None = Field(
        None, description="PEM file of a private certificate authority for the mail server; unset: the public ones."
    )

    @property
    def recipients(self) -> tuple[str, ...]:
        return tuple(each.strip() for each in self.to.split(",") if each.strip())

    @field_validator("sender", "to")
    @classmethod
    def _are_addresses(cls, value: str) -> str:
        for each in filter(None, (part.strip() for part in value.split(","))):
            local, at, domain = each.partition("@")
            if not (local and at and domain) or not each.isprintable() or any(c in each for c in ' <>"()'):
                raise ValueError("must be plain e-mail addresses, such as desk@example.com")
        return value.strip()

    @model_validator(mode="after")
    def _is_whole(self) -> SmtpSettings:
        if not self.host:
            return self
        if not self.sender or "," in self.sender:
            raise ValueError("sender: must be one address when notices.smtp.host is set")
        if not self.recipients:
            raise ValueError("to: must name at least one address when notices.smtp.host is set")
        if self.user and self.encryption == "none" and not loopback(f"smtp://{self.host}"):
            raise ValueError("encryption: must not be none with a user, the password would travel in the clear")
        return self


class NoticeSettings(Section):
    smtp: SmtpSettings = Field(default_factory=SmtpSettings, description="Notices by mail.")
    teams_url: SecretAddress = Field(
        SecretStr(""), description="Address of a Teams Workflow that posts to a channel (a secret); unset: no Teams."
    )
    ticket_customer: int = Field(
        0, ge=0, description="Syncro customer of your own on which notices become tickets (its number); 0: no tickets."
    )
    heartbeat_url: SecretAddress = Field(
        SecretStr(""),
        description="Address asked every 5 minutes while all is well, of a watch that alarms you (a secret).",
    )
    summary: Clock = Field("08:00", description="When the day's summary is sent (a time, such as 08:00); blank: never.")
    zone: Annotated[str, AfterValidator(_zone_or_blank)] = Field(
        "", description="Time zone of notices.summary (an IANA name); unset: as nightly.zone says."
    )
    says_over: bool = Field(True, description="Also tell when something is over (true or false).")
    personal_data: PersonalData = Field(
        PersonalData.NONE, description="People in notices: none, or names of those whose changes are held (a word)."
    )
    failed_at: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (1, 10, 100, 1000), description="Numbers of failed changes of one cause at which it is told (changes)."
    )
    stale_hours: float = Field(
        26.0, gt=0, description="Age of a customer's last complete full sync at which it is told, in hours."
    )
    unpolled_hours: float = Field(
        1.0, gt=0, description="Time without a delta poll of a customer at which it is told, in hours."
    )
    still_held_hours: float = Field(
        24.0, gt=0, description="Time after which changes that wait for approval are told again, in hours."
    )

    def policy(self, nightly: NightlyPolicy) -> NoticePolicy:
        return NoticePolicy(
            zone=self.zone or nightly.zone,
            summary_at=self.summary,
            says_over=self.says_over,
            personal_data=self.personal_data,
            failed_at=self.failed_at,
            stale_after=timedelta(hours=self.stale_hours),
            unpolled_after=timedelta(hours=self.unpolled_hours),
            still_held_after=timedelta(hours=self.still_held_hours),
            cron=nightly.cron,
            cron_zone=nightly.zone,
        )

    def secret_values(self) -> tuple[str, ...]:
        """For the log's redaction."""
        return tuple(s.get_secret_value() for s in (self.smtp.password, self.teams_url, self.heartbeat_url))
