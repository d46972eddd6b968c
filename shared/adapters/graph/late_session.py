"""The session for the sign-in service, made by the first thread that needs it: most commands need no token.

`requests` and MSAL are loaded with it. Next: `login_session.py`.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import requests


class LateSession:
    """`ca_file`: trust this authority instead of the public ones."""

    def __init__(self, ca_file: Path | str | None = None) -> None:
        self._ca_file = ca_file
        self._session: requests.Session | None = None
        self._making = threading.Lock()

    def get(self) -> requests.Session:
        """Called in a thread."""
        from shared.adapters.graph.login_session import login_session

        with self._making:
            if self._session is None:
                self._session = login_session(self._ca_file)
            return self._session

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
