"""The certificate's file: what is taken from it, and one sentence for each way in which it cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from shared.runtime.certificate import UnusableCertificate, read_certificate
from tests.support.certificates import certificate_pem, key_pem, rsa_key

PASSWORD = "correct horse"
NOW = datetime(2027, 3, 1, tzinfo=UTC)


def written(folder: Path, *parts: str) -> Path:
    file = folder / "app.pem"
    file.write_text("".join(parts))
    return file


def test_key_certificate_and_end_are_read(tmp_path: Path) -> None:
    own = certificate_pem(rsa_key(), 90, NOW)
    found = read_certificate(written(tmp_path, key_pem(rsa_key()), own))
    assert found.private_key == key_pem(rsa_key())
    assert found.certificate == own
    assert found.expires_at == NOW + timedelta(days=90)


def test_the_certificate_of_the_key_is_found_anywhere_in_a_chain(tmp_path: Path) -> None:
    own, other = certificate_pem(rsa_key()), certificate_pem(rsa_key(2))
    found = read_certificate(written(tmp_path, other, key_pem(rsa_key()), own, other))
    assert found.certificate == own


def test_a_locked_key_is_unlocked(tmp_path: Path) -> None:
    file = written(tmp_path, key_pem(rsa_key(), PASSWORD), certificate_pem(rsa_key()))
    assert read_certificate(file, PASSWORD).private_key == key_pem(rsa_key())


def test_one_that_has_ended_is_read_like_any_other(tmp_path: Path) -> None:
    """Nobody may be locked out of a restart by it; announcing the end is somebody else's."""
    file = written(tmp_path, key_pem(rsa_key()), certificate_pem(rsa_key(), -5, NOW))
    assert read_certificate(file).expires_at == NOW - timedelta(days=5)


def test_neither_key_nor_certificate_is_shown(tmp_path: Path) -> None:
    shown = repr(read_certificate(written(tmp_path, key_pem(rsa_key()), certificate_pem(rsa_key()))))
    assert "BEGIN" not in shown


CURVE = ec.generate_private_key(ec.SECP256R1())
UNUSABLE: list[tuple[str, Callable[[], tuple[str, ...]], str, str]] = [
    ("no certificate", lambda: (key_pem(rsa_key()),), "", "no readable certificate"),
    ("no key", lambda: (certificate_pem(rsa_key()),), "", "no readable private key in PEM"),
    ("nothing", lambda: (), "", "no readable private key in PEM"),
    ("a stranger's", lambda: (key_pem(rsa_key()), certificate_pem(rsa_key(2))), "", "belongs to its private key"),
    ("no RSA key", lambda: (key_pem(CURVE), certificate_pem(CURVE)), "", "no RSA key"),
    ("locked", lambda: (key_pem(rsa_key(), PASSWORD), certificate_pem(rsa_key())), "", "needs graph.certificate_pass"),
    (
        "wrong",
        lambda: (key_pem(rsa_key(), PASSWORD), certificate_pem(rsa_key())),
        "no",
        "password is wrong",
    ),
    ("not locked", lambda: (key_pem(rsa_key()), certificate_pem(rsa_key())), "no", "unset graph.certificate_password"),
]


@pytest.mark.parametrize(("parts", "password", "said"), [row[1:] for row in UNUSABLE], ids=[row[0] for row in UNUSABLE])
def test_what_cannot_be_used_is_said_in_one_sentence(
    tmp_path: Path, parts: Callable[[], tuple[str, ...]], password: str, said: str
) -> None:
    with pytest.raises(UnusableCertificate, match=said) as failure:
        read_certificate(written(tmp_path, *parts()), password)
    assert failure.value.__cause__ is None
    assert PASSWORD not in str(failure.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnusableCertificate, match="FileNotFoundError"):
        read_certificate(tmp_path / "absent.pem")
