"""clientState: `k<n>.` + base64url HMAC-SHA256(secret n, tenant id), at most 128 characters.

Pure. A notification proves its tenant by arithmetic alone, without any lookup; old and new secrets are accepted side
by side. The state never appears in a log. Next: `receiver/notifications.py`.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest, digest

Secrets = Mapping[int, bytes]  # secret by number; the highest number signs

LONGEST = 128  # characters; Graph's own limit
_FORM = re.compile(r"k([1-9][0-9]{0,3})\.([A-Za-z0-9_-]{43})")


def sign(secrets: Secrets, tenant_id: str) -> str:
    """The clientState of a new subscription of this tenant."""
    number = max(secrets)
    return f"k{number}.{_mac(secrets[number], tenant_id)}"


def verify(secrets: Secrets, tenant_id: str, client_state: object) -> bool:
    """Does this state belong to this tenant, by any secret we know? Anything may come in; never raises."""
    if not isinstance(client_state, str) or len(client_state) > LONGEST:
        return False
    form = _FORM.fullmatch(client_state)
    if form is None:
        return False
    secret = secrets.get(int(form[1]))
    # An unknown number costs the same work as a known one, so that timing tells nothing about the secrets in use.
    matches = compare_digest(_mac(secret or b"unknown", tenant_id), form[2])
    return matches and secret is not None


def fingerprint(secret: bytes) -> str:
    """Eight public characters that tell which secret signed, and nothing else about it."""
    return digest(secret, b"entra-syncro clientState key", sha256).hex()[:8]


def _mac(secret: bytes, tenant_id: str) -> str:
    return urlsafe_b64encode(digest(secret, tenant_id.lower().encode(), sha256)).rstrip(b"=").decode()
