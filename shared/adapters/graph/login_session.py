"""The `requests.Session` that MSAL speaks through: bounded in time, deaf to the environment, never repeating.

MSAL passes no timeout of its own; without one a silent service would hold a thread for ever. Next:
`shared/adapters/graph/auth.py`, `shared/adapters/graph/credentials.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

CONNECTIONS = 8  # kept; as many as threads use the session at once
CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0


class TimedAdapter(HTTPAdapter):
    """Every exchange within CONNECT_SECONDS and READ_SECONDS, whatever the caller asks."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
        return super().send(request, *args, **kwargs)


def login_session(ca_file: Path | str | None = None) -> requests.Session:
    """`ca_file`: trust this authority instead of the public ones. The caller closes it."""
    session = requests.Session()
    # An environment's REQUESTS_CA_BUNDLE would silently override `verify`, and proxies would see our secret.
    session.trust_env = False
    session.verify = True if ca_file is None else str(ca_file)
    session.mount("https://", TimedAdapter(pool_maxsize=CONNECTIONS, max_retries=0))
    return session
