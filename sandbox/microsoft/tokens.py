"""Access tokens of the simulated Entra ID: real RS256 JWTs with tid, appid, aud, exp and `roles` or `scp`.

Issues and reads them; who may have one is decided in app_tokens.py and delegated.py. Next: login.py.
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
GRAPH_AUDIENCE = "https://graph.microsoft.com"
PARTNER_AUDIENCE = "https://api.partnercenter.microsoft.com"


class BadTokenError(Exception):
    """Not a token of ours, or an expired one; the text is what Graph answers."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls: the application itself with `roles`, or a person through it with `scopes` (and a `person`)."""

    tenant_id: str
    app_id: str
    roles: frozenset[str]
    expires_at: float
    audience: str = GRAPH_AUDIENCE
    scopes: frozenset[str] = frozenset()
    person: str = ""

    @property
    def granted(self) -> frozenset[str]:
        """Permissions of either kind."""
        return self.roles | self.scopes


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signed in: `home` is the id of the own tenant."""

    object_id: str
    name: str
    upn: str
    home: str


class TokenMint:
    """One signing key for all tenants."""

    def __init__(self, clock: SandboxClock, key: rsa.RSAPrivateKey | None = None) -> None:
        self._clock = clock
        self._key = key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._key_id = uuid.uuid4().hex[:27]

    def issue(self, tenant: Tenant, app_id: str, issuer: str, life_s: int, *, roleless: bool = False) -> str:
        claims = self._claims(tenant, GRAPH_AUDIENCE, app_id, issuer, life_s) | {
            "appidacr": "1",
            "idtyp": "app",
            "oid": tenant.service_principal_id,
            "sub": tenant.service_principal_id,
        }
        # without any granted permission the claim is missing, not empty
        roles = tenant.roles_at(self._clock.timestamp())
        if roles and not roleless:
            claims["roles"] = list(roles)
        return self._signed(claims)

    def issue_for(
        self,
        person: Person,
        tenant: Tenant,
        app_id: str,
        issuer: str,
        life_s: int,
        audience: str,
        scopes: tuple[str, ...],
    ) -> str:
        """A delegated token: the person's, through the application, in any tenant. It never has `roles`."""
        claims = self._claims(tenant, audience, app_id, issuer, life_s) | {
            "acct": 0 if person.home == tenant.tenant_id else 1,
            "amr": ["pwd", "mfa"],
            "appidacr": "0",
            "idtyp": "user",
            "name": person.name,
            "oid": person.object_id,
            "scp": " ".join(scopes),
            "sub": person.object_id,
            "unique_name": person.upn,
            "upn": person.upn,
        }
        return self._signed(claims)

    def id_token(self, person: Person, tenant: Tenant, app_id: str, issuer: str, life_s: int) -> str:
        """What a client learns about the person, addressed to the client."""
        claims = self._claims(tenant, app_id, app_id, issuer, life_s) | {
            "name": person.name,
            "oid": person.object_id,
            "preferred_username": person.upn,
            "sub": person.object_id,
            "ver": "2.0",
        }
        return self._signed(claims)

    def _claims(self, tenant: Tenant, audience: str, app_id: str, issuer: str, life_s: int) -> dict[str, Any]:
        now = int(self._clock.timestamp())
        return {
            "aud": audience,
            "iss": issuer,
            "iat": now,
            "nbf": now,
            "exp": now + life_s,
            "app_displayname": "entra-syncro",
            "appid": app_id,
            "tid": tenant.tenant_id,
            "uti": uuid.uuid4().hex[:22],
            "ver": "1.0",
        }

    def _signed(self, claims: dict[str, Any]) -> str:
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
        return Identity(
            tenant_id=claims["tid"],
            app_id=claims["appid"],
            roles=frozenset(claims.get("roles", ())),
            expires_at=float(claims["exp"]),
            audience=claims["aud"],
            scopes=frozenset(claims.get("scp", "").split()),
            person=claims.get("upn", ""),
        )

    def public_keys(self) -> dict[str, Any]:
        """The JWKS document."""
        numbers = self._key.public_key().public_numbers()
        entry = {"kty": "RSA", "use": "sig", "kid": self._key_id, "n": _b64(numbers.n), "e": _b64(numbers.e)}
        return {"keys": [entry]}


def _b64(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
