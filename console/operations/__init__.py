"""Everything an operator may see or do, in one place; the command line and the web pages are only its faces.

Each operation is a function over `OperatorPorts`; failures are `OperationError`s whose sentence says who does what
next. Nothing here prints. Next: `console/cli/`.
"""

from console.operations.customers import connect, connections
from console.operations.errors import OperationError
from console.operations.letters import letters, replay, replay_all
from console.operations.ports import OperatorPorts, Passes
from console.operations.previews import ShownPreview, approve, preview
from console.operations.status import Status, status
from console.operations.syncs import StartedRun, progress, sync_customer, sync_user

__all__ = [
    "OperationError",
    "OperatorPorts",
    "Passes",
    "ShownPreview",
    "StartedRun",
    "Status",
    "approve",
    "connect",
    "connections",
    "letters",
    "preview",
    "progress",
    "replay",
    "replay_all",
    "status",
    "sync_customer",
    "sync_user",
]
