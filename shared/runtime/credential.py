"""What people must know of a deployment's credential, by its settings. Pure.

`shared/runtime/graph_section.py` has seen to it that at most one is set. What MSAL gets is built from the same settings
by `shared/runtime/wiring.py`; when its end is announced says `shared/domain/credential.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime, time

from shared.domain.credential import CredentialInfo, CredentialKind
from shared.runtime.graph_section import GraphSettings


def credential_info(graph: GraphSettings) -> CredentialInfo:
    """Kind and end of the credential. A secret's end is the beginning (UTC) of the day that was set."""
    if graph.certificate is not None:
        return CredentialInfo(CredentialKind.CERTIFICATE, graph.certificate.expires_at)
    kind = graph.credential or CredentialKind.SECRET
    day = graph.app_secret_expires
    if kind is not CredentialKind.SECRET or day is None:
        return CredentialInfo(kind)
    return CredentialInfo(kind, datetime.combine(day, time.min, UTC))
