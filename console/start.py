"""The installed command `entra-syncro`: loads the command table and hands over to it.

Ctrl-C while it loads ends without a traceback. Next: `console/cli/__init__.py`.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the installed command."""
    try:
        from console.cli import main as commands
    except KeyboardInterrupt:
        sys.stderr.write("Stopped before anything was done.\n")
        sys.exit(130)
    commands()
