"""The certificate that stands for the application: one PEM file with its RSA key and itself, read and checked once.

An expired one is read like any other: what to say about its end is `shared/domain/credential.py`'s business, and a
restart at night must not die of it. Next: `shared/runtime/graph_section.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)


class UnusableCertificate(ValueError):  # noqa: N818 - a fact about a file, turned into a SettingsError by its reader
    """One sentence for the operator, with what to do."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """`private_key` and `certificate` in PEM, the key without its password; `expires_at` aware."""

    private_key: str = field(repr=False)
    certificate: str = field(repr=False)
    expires_at: datetime


def read_certificate(file: Path, password: str = "") -> Certificate:
    """The key in the file and the certificate that belongs to it, wherever in a chain it stands. Raises
    UnusableCertificate."""
    try:
        pem = file.read_bytes()
    except OSError as error:
        raise UnusableCertificate(f"the file cannot be read ({type(error).__name__})") from None
    key = _key(pem, password)
    own = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for each in _chain(pem):
        if each.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == own:
            plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            return Certificate(plain.decode(), each.public_bytes(Encoding.PEM).decode(), each.not_valid_after_utc)
    raise UnusableCertificate("the file holds no certificate that belongs to its private key; put both into it")


def _key(pem: bytes, password: str) -> RSAPrivateKey:
    """The library's own texts stay behind: they may quote what the file holds."""
    try:
        key = load_pem_private_key(pem, password.encode() or None)
    except TypeError:  # it says so by this type alone: locked and no password, or a password and not locked
        wrong = "has no password; unset graph.certificate_password" if password else "needs graph.certificate_password"
        raise UnusableCertificate(f"the private key in the file {wrong}") from None
    except ValueError:
        what = "or graph.certificate_password is wrong" if password else "in PEM (BEGIN PRIVATE KEY)"
        raise UnusableCertificate(f"the file holds no readable private key {what}") from None
    except UnsupportedAlgorithm:
        raise UnusableCertificate("the private key in the file is of an unknown kind; use an RSA key") from None
    if not isinstance(key, RSAPrivateKey):
        raise UnusableCertificate("the private key in the file is no RSA key, and Microsoft takes no other")
    return key


def _chain(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise UnusableCertificate("the file holds no readable certificate (BEGIN CERTIFICATE) beside the key") from None
