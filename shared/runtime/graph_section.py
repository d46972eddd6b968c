"""The sections about Microsoft: which cloud, where it is, and the one way in which we prove to be the application.

A certificate's file is read here at the start: what is checked, used and announced is the same. The rest is pure. Next:
`shared/runtime/credential.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import Field, PrivateAttr, SecretStr, field_validator, model_validator

from shared.domain.clouds import ADDRESSES, Addresses, Cloud
from shared.domain.credential import CredentialKind
from shared.domain.guid import is_guid
from shared.runtime.certificate import Certificate, UnusableCertificate, read_certificate
from shared.runtime.section import Address, Section, without

SYSTEM_IDENTITY = "system"  # the machine's own managed identity, as opposed to a user-assigned one
GraphAddress = Annotated[Address, without("/v1.0")]


class GraphSettings(Section):
    """`base_url` and `scope` are never blank once built: where unset, they are the cloud's."""

    cloud: Cloud = Field(
        Cloud.GLOBAL, description="Microsoft's cloud: global (GCC too), us-gov-l4, us-gov-l5 or china (a word)."
    )
    base_url: GraphAddress = Field(
        "", description="Address of Microsoft Graph, without /v1.0; unset: as graph.cloud says."
    )
    scope: str = Field("", description="Scope asked for with every token (one word); unset: as graph.cloud says.")
    app_id: str = Field("", description="Application (client) id of the app registration, a GUID.")
    app_secret: SecretStr = Field(SecretStr(""), description="Client secret of the app registration.")
    app_secret_expires: date | None = Field(
        None, description="Day on which the client secret ends, to be warned in time (a date, such as 2027-03-31)."
    )
    certificate_file: Path | None = Field(
        None, description="Instead of a secret: PEM file with an RSA private key and its certificate (a path)."
    )
    certificate_password: SecretStr = Field(
        SecretStr(""), description="Password of the private key in graph.certificate_file; unset: it has none."
    )
    assertion_file: Path | None = Field(
        None,
        description="Instead of a secret: file that the platform keeps writing an assertion into (workload identity).",
    )
    managed_identity: str = Field(
        "", description='Instead of a secret: "system", or the client id of a user-assigned managed identity (a GUID).'
    )
    timeout: float = Field(30.0, gt=0, description="Longest wait for one answer of Graph, in seconds.")
    _certificate: Certificate | None = PrivateAttr(None)
    _secret_file: Path | None = PrivateAttr(None)

    @property
    def addresses(self) -> Addresses:
        return ADDRESSES[self.cloud]

    @property
    def credential(self) -> CredentialKind | None:
        """Which of the four is set."""
        return next(iter(self._credentials().values()), None)

    @property
    def certificate(self) -> Certificate | None:
        """What `certificate_file` held at the start."""
        return self._certificate

    @property
    def secret_file(self) -> Path | None:
        """Where `app_secret` was read from, None when it stands in a variable or in the settings file."""
        return self._secret_file

    def came_from(self, secret_file: Path) -> None:
        """Said once, by whoever read the settings."""
        self._secret_file = secret_file

    @field_validator("certificate_file", "assertion_file", "app_secret_expires", mode="before")
    @classmethod
    def _blank_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("assertion_file")
    @classmethod
    def _assertion_is_there(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError("there is no such file; the platform must write it before this starts")
        return value

    @field_validator("managed_identity")
    @classmethod
    def _identity_is_named(cls, value: str) -> str:
        if value and value != SYSTEM_IDENTITY and not is_guid(value):
            raise ValueError(f'must be "{SYSTEM_IDENTITY}" or the client id of a managed identity (a GUID)')
        return value

    @model_validator(mode="after")
    def _one_credential(self) -> GraphSettings:
        several = self._credentials()
        if len(several) > 1:
            raise ValueError(f"credential: {' and '.join(f'graph.{name}' for name in several)} are set")
        if self.certificate_file is not None:
            try:
                password = self.certificate_password.get_secret_value()
                self._certificate = read_certificate(self.certificate_file, password)
            except UnusableCertificate as error:
                raise ValueError(f"certificate_file: {error}") from None
        return self

    @model_validator(mode="after")
    def _addresses_by_cloud(self) -> GraphSettings:
        scope = (self.scope or self.addresses.scope).removesuffix("/.default").rstrip("/")
        # frozen, and not yet handed out
        object.__setattr__(self, "base_url", self.base_url or self.addresses.graph)
        object.__setattr__(self, "scope", f"{scope}/.default")
        return self

    def _credentials(self) -> Mapping[str, CredentialKind]:
        chosen = {
            "app_secret": (self.app_secret.get_secret_value(), CredentialKind.SECRET),
            "certificate_file": (self.certificate_file, CredentialKind.CERTIFICATE),
            "assertion_file": (self.assertion_file, CredentialKind.FEDERATED),
            "managed_identity": (self.managed_identity, CredentialKind.MANAGED_IDENTITY),
        }
        return {name: kind for name, (value, kind) in chosen.items() if value}


class LoginSettings(Section):
    """`base_url` is blank only until the whole of the settings is built: where unset, it is the cloud's."""

    base_url: Address = Field(
        "", description="Address of Microsoft's sign-in service, without a path; unset: as graph.cloud says."
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
