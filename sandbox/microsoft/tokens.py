"""Access tokens of the simulated Entra ID: real RS256 JWTs with tid, appid, roles, aud and exp.

Issues and reads them; which application may have one is decided in login.py. Next: login.py.
"""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.clock import SandboxClock
from sandbox.microsoft.tenant import Tenant

GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"


class BadTokenError(Exception):
    """Not a token of ours, or an expired one; the text is what Graph answers."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls Graph."""

    tenant_id: str
    app_id: str
    roles: frozenset[str]
    expires_at: float


class TokenMint:
    """One signing key for all tenants."""

    def __init__(self, clock: SandboxClock, key: rsa.RSAPrivateKey | None = None) -> None:
        self._clock = clock
        self._key = key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._key_id = uuid.uuid4().hex[:27]

    def issue(self, tenant: Tenant, app_id: str, issuer: str, life_s: int, *, roleless: bool = False) -> str:
        now = int(self._clock.timestamp())
        claims: dict[str, Any] = {
            "aud": "https://graph.microsoft.com",
            "iss": issuer,
            "iat": now,
            "nbf": now,
            "exp": now + life_s,
            "app_displayname": "entra-syncro",
            "appid": app_id,
            "appidacr": "1",
            "idtyp": "app",
            "oid": tenant.service_principal_id,
            "sub": tenant.service_principal_id,
            "tid": tenant.tenant_id,
            "uti": uuid.uuid4().hex[:22],
            "ver": "1.0",
        }
        # without any granted permission the claim is missing, not empty
        if tenant.roles and not roleless:
            claims["roles"] = list(tenant.roles)
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._key_id})

    def read(self, token: str) -> Identity:
        """The caller named by a bearer token; BadTokenError if it is none of ours or too old."""
        try:
            options: Any = {"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
            claims = jwt.decode(token, self._key.public_key(), algorithms=["RS256"], options=options)
        except jwt.InvalidTokenError as error:
            raise BadTokenError("CompactToken parsing failed with error code: 80049217") from error
        if claims["exp"] <= self._clock.timestamp():
            raise BadTokenError("Access token has expired or is not yet valid.")
        return Identity(claims["tid"], claims["appid"], frozenset(claims.get("roles", ())), float(claims["exp"]))

    def public_keys(self) -> dict[str, Any]:
        """The JWKS document."""
        numbers = self._key.public_key().public_numbers()
        entry = {"kty": "RSA", "use": "sig", "kid": self._key_id, "n": _b64(numbers.n), "e": _b64(numbers.e)}
        return {"keys": [entry]}


def _b64(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
