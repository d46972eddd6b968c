"""Everything an operator may see or do, in one place; the command line and the web pages are only its faces.

Each operation is a function over `OperatorPorts`; failures are `OperationError`s whose sentence says who does what
next. Nothing here prints. Next: `console/cli/`.
"""

from console.operations.billing import (
    BillingCheck,
    BillingState,
    Trust,
    billing_check,
    billing_report,
    clear_unlicensed,
)
from console.operations.clean import ApprovedClean, NotClean, approve_clean
from console.operations.customers import connect, connections
from console.operations.errors import OperationError
from console.operations.letters import letters, replay, replay_all
from console.operations.ports import Begun, Explanation, OperatorPorts, Passes, Step
from console.operations.previews import ShownPreview, approve, preview
from console.operations.runs import ShownRun, approve_hold, recent_runs, reject_hold, show_run
from console.operations.status import Status, status
from console.operations.syncs import (
    NotStarted,
    StartedRun,
    StartedRuns,
    explain_user,
    progress,
    sync_all,
    sync_customer,
    sync_user,
    written_in,
)

__all__ = [
    "ApprovedClean",
    "Begun",
    "BillingCheck",
    "BillingState",
    "Explanation",
    "NotClean",
    "NotStarted",
    "OperationError",
    "OperatorPorts",
    "Passes",
    "ShownPreview",
    "ShownRun",
    "StartedRun",
    "StartedRuns",
    "Status",
    "Step",
    "Trust",
    "approve",
    "approve_clean",
    "approve_hold",
    "billing_check",
    "billing_report",
    "clear_unlicensed",
    "connect",
    "connections",
    "explain_user",
    "letters",
    "preview",
    "progress",
    "recent_runs",
    "reject_hold",
    "replay",
    "replay_all",
    "show_run",
    "status",
    "sync_all",
    "sync_customer",
    "sync_user",
    "written_in",
]
