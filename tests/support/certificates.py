"""Keys and certificates made on the spot: one RSA key per test process, since making one takes a tenth of a second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@cache
def rsa_key(which: int = 1) -> rsa.RSAPrivateKey:
    """The same key for the same number."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_pem(key: Key, password: str = "") -> str:
    locked = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked).decode()


def certificate_pem(key: Key, days: float = 365.0, now: datetime | None = None) -> str:
    """Self-signed; ends `days` after `now`, which may be before it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "entra-syncro test")])
    ends = (now or datetime.now(UTC)) + timedelta(days=days)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=730))
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(Encoding.PEM).decode()
