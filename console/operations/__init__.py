"""Everything an operator may see or do, in one place; the command line and the web pages are only its faces.

Each operation is a function over `OperatorPorts`; failures are `OperationError`s whose sentence says who does what
next. Nothing here prints. Next: `console/cli/`.
"""

from console.operations.apart import set_apart, undo_apart
from console.operations.asking import ask, look_or_renew
from console.operations.billing import (
    BillingCheck,
    BillingState,
    Trust,
    billing_check,
    billing_report,
    clear_unlicensed,
)
from console.operations.clean import ApprovedClean, NotClean, approve_clean
from console.operations.connecting import (
    ConsentNeededError,
    Match,
    confirm,
    connect,
    consent_link,
    invite,
    look,
)
from console.operations.consenting import consent_by_partner
from console.operations.customers import connections
from console.operations.disconnecting import Disconnected, disconnect
from console.operations.discover import discover
from console.operations.errors import OperationError
from console.operations.finishing import finish
from console.operations.importing import import_customers
from console.operations.letters import letters, replay, replay_all
from console.operations.pausing import pause, resume
from console.operations.policies import ChangedRow, PolicyChange, ShownPolicy, plan_policy, save_policy, show_policy
from console.operations.ports import Begun, Explanation, OperatorPorts, Passes, Step
from console.operations.preview_many import ManyPreviews, preview_all
from console.operations.previews import LatestPreview, ShownPreview, approve, latest_preview, preview
from console.operations.rules import Rule, Wish
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
from console.operations.waiting import Customers, Waiting, listed

__all__ = [
    "ApprovedClean",
    "Begun",
    "BillingCheck",
    "BillingState",
    "ChangedRow",
    "ConsentNeededError",
    "Customers",
    "Disconnected",
    "Explanation",
    "LatestPreview",
    "ManyPreviews",
    "Match",
    "NotClean",
    "NotStarted",
    "OperationError",
    "OperatorPorts",
    "Passes",
    "PolicyChange",
    "Rule",
    "ShownPolicy",
    "ShownPreview",
    "ShownRun",
    "StartedRun",
    "StartedRuns",
    "Status",
    "Step",
    "Trust",
    "Waiting",
    "Wish",
    "approve",
    "approve_clean",
    "approve_hold",
    "ask",
    "billing_check",
    "billing_report",
    "clear_unlicensed",
    "confirm",
    "connect",
    "connections",
    "consent_by_partner",
    "consent_link",
    "disconnect",
    "discover",
    "explain_user",
    "finish",
    "import_customers",
    "invite",
    "latest_preview",
    "letters",
    "listed",
    "look",
    "look_or_renew",
    "pause",
    "plan_policy",
    "preview",
    "preview_all",
    "progress",
    "recent_runs",
    "reject_hold",
    "replay",
    "replay_all",
    "resume",
    "save_policy",
    "set_apart",
    "show_policy",
    "show_run",
    "status",
    "sync_all",
    "sync_customer",
    "sync_user",
    "undo_apart",
    "written_in",
]
