"""Everything an operator may see or do, in one place; the command line and the web pages are only its faces.

Each operation is a function over `OperatorPorts`; failures are `OperationError`s whose sentence says who does what
next. Nothing here prints. Next: `console/cli/`.
"""

from console.operations.actor import actor, note, recent_deeds
from console.operations.apart import set_apart, undo_apart
from console.operations.asking import ask, look_or_renew
from console.operations.backup import Restored, Saved, backup, restore
from console.operations.billing import (
    BillingCheck,
    BillingState,
    Trust,
    billing_check,
    billing_report,
    clear_unlicensed,
)
from console.operations.changes import ChangePage, ChangeWish, ShownChange, changes
from console.operations.clean import ApprovedClean, NotClean, approve_clean
from console.operations.conflicts import conflict, conflicts
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
from console.operations.explaining import Explained, Place, explain_person
from console.operations.finishing import finish
from console.operations.importing import import_customers
from console.operations.letters import (
    LetterWish,
    ShownGroup,
    ShownLetter,
    find_letters,
    letter_groups,
    letters,
    show_letter,
)
from console.operations.letters_ending import Discarded, discard, export_letter
from console.operations.letters_plan import ReplayPlan, plan_replay
from console.operations.letters_replay import (
    BegunReplay,
    ShownReplay,
    begin_replay,
    cancel_replay,
    replay_of,
    replays,
    show_replay,
)
from console.operations.notices import (
    NONE_SET,
    ChannelState,
    ChannelTrial,
    NoticesSeen,
    ShownNotice,
    TrialResult,
    channel_states,
    notices,
    try_channels,
)
from console.operations.pausing import Paused, Resumed, pause, pause_all, resume, resume_all
from console.operations.pins import ShownPin, pin, pins, unpin
from console.operations.policies import ChangedRow, PolicyChange, ShownPolicy, plan_policy, save_policy, show_policy
from console.operations.ports import Begun, Explanation, OperatorPorts, Passes, Step, Supposed
from console.operations.preview_many import ManyPreviews, preview_all
from console.operations.previews import LatestPreview, ShownPreview, approve, latest_preview, preview
from console.operations.protecting import ShownProtection
from console.operations.questions import Question, ShownCandidate, ShownConflict, Standing
from console.operations.resolving import ask_again, create_for, leave_alone, plan_create
from console.operations.resolving_links import link_user, plan_link
from console.operations.resolving_parts import Act, Answer, Left
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
from console.operations.undo import ShownUndo, ShownUndone, UndoWish, plan_undo, undo
from console.operations.waiting import Customers, Waiting, listed

__all__ = [
    "NONE_SET",
    "Act",
    "Answer",
    "ApprovedClean",
    "Begun",
    "BegunReplay",
    "BillingCheck",
    "BillingState",
    "ChangePage",
    "ChangeWish",
    "ChangedRow",
    "ChannelState",
    "ChannelTrial",
    "ConsentNeededError",
    "Customers",
    "Discarded",
    "Disconnected",
    "Explained",
    "Explanation",
    "LatestPreview",
    "Left",
    "LetterWish",
    "ManyPreviews",
    "Match",
    "NotClean",
    "NotStarted",
    "NoticesSeen",
    "OperationError",
    "OperatorPorts",
    "Passes",
    "Paused",
    "Place",
    "PolicyChange",
    "Question",
    "ReplayPlan",
    "Restored",
    "Resumed",
    "Rule",
    "Saved",
    "ShownCandidate",
    "ShownChange",
    "ShownConflict",
    "ShownGroup",
    "ShownLetter",
    "ShownNotice",
    "ShownPin",
    "ShownPolicy",
    "ShownPreview",
    "ShownProtection",
    "ShownReplay",
    "ShownRun",
    "ShownUndo",
    "ShownUndone",
    "Standing",
    "StartedRun",
    "StartedRuns",
    "Status",
    "Step",
    "Supposed",
    "TrialResult",
    "Trust",
    "UndoWish",
    "Waiting",
    "Wish",
    "actor",
    "approve",
    "approve_clean",
    "approve_hold",
    "ask",
    "ask_again",
    "backup",
    "begin_replay",
    "billing_check",
    "billing_report",
    "cancel_replay",
    "changes",
    "channel_states",
    "clear_unlicensed",
    "confirm",
    "conflict",
    "conflicts",
    "connect",
    "connections",
    "consent_by_partner",
    "consent_link",
    "create_for",
    "discard",
    "disconnect",
    "discover",
    "explain_person",
    "explain_user",
    "export_letter",
    "find_letters",
    "finish",
    "import_customers",
    "invite",
    "latest_preview",
    "leave_alone",
    "letter_groups",
    "letters",
    "link_user",
    "listed",
    "look",
    "look_or_renew",
    "note",
    "notices",
    "pause",
    "pause_all",
    "pin",
    "pins",
    "plan_create",
    "plan_link",
    "plan_policy",
    "plan_replay",
    "plan_undo",
    "preview",
    "preview_all",
    "progress",
    "recent_deeds",
    "recent_runs",
    "reject_hold",
    "replay_of",
    "replays",
    "restore",
    "resume",
    "resume_all",
    "save_policy",
    "set_apart",
    "show_letter",
    "show_policy",
    "show_replay",
    "show_run",
    "status",
    "sync_all",
    "sync_customer",
    "sync_user",
    "try_channels",
    "undo",
    "undo_apart",
    "unpin",
    "written_in",
]
