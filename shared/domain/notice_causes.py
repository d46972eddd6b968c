"""Every cause of a notice, each with its key, its sentence and what keeps it quiet. Pure.

Quiet rules: a customer that is behind for a reason that is told already (no consent, a refused token, a refused
sign-in) is not told again as behind; failed changes are told at growing numbers, not one by one. Next:
`notice_behind.py` (who is not up to date), `notice_letters.py` (what is sent).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from shared.domain.credential import Urgency, announce
from shared.domain.cures import TABLE, Action, cure_of_code
from shared.domain.desk import LetterCount, Notice
from shared.domain.notice_behind import behind
from shared.domain.notices import Cause, NoticeKind, NoticePolicy, PersonalData, Sight
from shared.domain.records import Connection, ConnectionStatus, Hold
from shared.domain.safety import Brake

FEW = 5  # names in one sentence
UNWELL = timedelta(hours=1)  # after which a stop that should pass by itself is told
CONFLICTS_AT = (1, 10, 100)  # users of a customer that wait for a choice, growing
_STOPS = frozenset({"token", "permission", "forbidden"})  # those that do not pass by themselves
_ALL_STOP = "Changes are kept and caught up on afterwards."
_CUSTOMERS_STOP = "Until then its changes are kept and caught up on afterwards."

_CLASSES = {
    Brake.CLEARS: "contacts with cleared values or deleted users",
    Brake.IDENTITY: "contacts with changed names or e-mail addresses",
    Brake.CREATIONS: "new contacts",
}


def causes(sight: Sight, policy: NoticePolicy, standing: Sequence[Notice] = ()) -> Sequence[Cause]:
    """Everything that stands. `standing`: notices that are open, for what only ends well below where it began."""
    names = {each.customer_id: f"{each.customer_name} ({each.customer_id})" for each in sight.connections}
    stops = [*_syncro(sight, standing), *_sign_in(sight)]
    found: list[Cause] = [*stops, *_consent(sight, names)]
    found += _credential(sight)
    found += _held(sight, policy, names, standing)
    excused = set(_tenants(sight)) if stops else set(_by_code(sight, Action.STOP_TENANT))
    found += behind(sight, policy, names, standing, excused=excused)
    found += _failed(sight, policy, standing)
    found += _conflicts(sight, names, standing)
    return found


# --- everything stands still ----------------------------------------------------------------------------------


def _syncro(sight: Sight, standing: Sequence[Notice]) -> Iterator[Cause]:
    if sight.stopped is None:  # nobody can tell: what stood goes on standing
        for notice in standing:
            if notice.kind == NoticeKind.SYNCRO:
                yield Cause(notice.key, NoticeKind.SYNCRO, None, notice.sentence)
    elif sight.stopped in _STOPS:
        cure = cure_of_code(f"syncro:{sight.stopped}")
        said = f"Nothing is written for any customer. {cure.what} {cure.who_does_what}"
        yield Cause(f"{NoticeKind.SYNCRO}:{sight.stopped}", NoticeKind.SYNCRO, None, said)
    elif sight.stopped and sight.stopped_since is not None and sight.now - sight.stopped_since >= UNWELL:
        cure = cure_of_code(f"syncro:{sight.stopped}")
        since = f"Nothing is written for any customer since {sight.stopped_since:%Y-%m-%d %H:%M} UTC."
        said = f"{since} {cure.what} {cure.who_does_what} {_ALL_STOP}"
        yield Cause(f"{NoticeKind.SYNCRO}:{sight.stopped}", NoticeKind.SYNCRO, None, said)


def _sign_in(sight: Sight) -> Iterator[Cause]:
    """A credential of ours that Microsoft refuses shows at every tenant; it is told once."""
    codes = {code for tenants in _by_code(sight, Action.STOP_ACCOUNT).values() for code in tenants}
    for code in sorted(codes):
        cure = cure_of_code(code)
        said = f"No customer can be read. {cure.what} {cure.who_does_what}"
        yield Cause(f"{NoticeKind.SIGN_IN}:{code}", NoticeKind.SIGN_IN, None, said)


def _by_code(sight: Sight, action: Action) -> Mapping[str, Sequence[str]]:
    """Tenant of a connected customer -> codes of its subscription and its polls that ask for this action."""
    found: dict[str, list[str]] = {}
    for tenant_id in _tenants(sight):
        kept = (sight.states.get(tenant_id), sight.polls.get(tenant_id))
        codes = [each.code for each in kept if each is not None and each.code]
        wanted = [code for code in dict.fromkeys(codes) if cure_of_code(code).action is action]
        if wanted:
            found[tenant_id] = wanted
    return found


def _tenants(sight: Sight) -> Iterable[str]:
    return dict.fromkeys(tenant for each in _connected(sight) for tenant in each.tenants)


def _connected(sight: Sight) -> Sequence[Connection]:
    return [each for each in sight.connections if each.status is not ConnectionStatus.DISCONNECTED]


# --- one tenant, one customer ---------------------------------------------------------------------------------


def _consent(sight: Sight, names: Mapping[int, str]) -> Iterator[Cause]:
    for tenant_id, codes in _by_code(sight, Action.STOP_TENANT).items():
        cure = cure_of_code(codes[0])
        customers = [each.customer_id for each in _connected(sight) if tenant_id in each.tenants]
        who = cure.who_does_what.replace("CUSTOMER", str(customers[0]))
        said = f"{_list([names[each] for each in customers])}: {cure.what} {who} {_CUSTOMERS_STOP}"
        yield Cause(f"{NoticeKind.CONSENT}:{tenant_id}", NoticeKind.CONSENT, customers[0], said)


def _held(sight: Sight, policy: NoticePolicy, names: Mapping[int, str], standing: Sequence[Notice]) -> Iterator[Cause]:
    connected = {each.customer_id for each in _connected(sight)}
    told = {each.customer_id: each.opened_at for each in standing if each.kind == NoticeKind.HELD}
    for hold in (each for each in sight.holds if each.customer_id in connected):
        what, who = f"{names[hold.customer_id]}: waiting for approval: {_what(hold)}.", _decide(hold, sight.now)
        people = _people(hold, policy)
        said, named = f"{what} {who}", f"{what} {people} {who}" if people else ""
        yield Cause(f"{NoticeKind.HELD}:{hold.customer_id}", NoticeKind.HELD, hold.customer_id, said, named)
        # A hold whose rows change gets another code and begins anew; people wait since they were told of the first.
        waits = min(hold.held_at, told.get(hold.customer_id, hold.held_at))
        if sight.now - waits >= policy.still_held_after:
            since = f"Since {waits:%Y-%m-%d %H:%M} UTC nobody has decided."
            key, kind = f"{NoticeKind.STILL_HELD}:{hold.customer_id}", NoticeKind.STILL_HELD
            named = f"{named} {since}" if named else ""
            yield Cause(key, kind, hold.customer_id, f"{said} {since}", named)


def _what(hold: Hold) -> str:
    if Brake.LISTING in hold.brakes:
        return "everything, for a list was too short to be believed"
    return ", ".join(_counted(count, _CLASSES[Brake(brake)]) for brake, (count, _) in sorted(hold.brakes.items()))


def _counted(count: int, contacts: str) -> str:
    return f"{count} {contacts if count != 1 else contacts.replace('contacts', 'contact', 1)}"


def _people(hold: Hold, policy: NoticePolicy) -> str:
    if policy.personal_data is not PersonalData.NAMES or not hold.rows:
        return ""
    return f"{_list([row.user_label for row in hold.rows])}."


def _decide(hold: Hold, now: datetime) -> str:
    if now >= hold.expires_at or (not hold.rows and Brake.LISTING not in hold.brakes):
        return (
            f"A full sync lists it and gives a new approval code: entra-syncro reconcile --customer {hold.customer_id}"
        )
    return f"Look at it, then approve or reject it: entra-syncro runs show {hold.code}"


def _conflicts(sight: Sight, names: Mapping[int, str], standing: Sequence[Notice]) -> Iterator[Cause]:
    connected, known = {each.customer_id for each in _connected(sight)}, {notice.key for notice in standing}
    for customer_id, count in sight.conflicts.items():
        if customer_id in connected:
            users = "1 user waits" if count == 1 else f"{count} users wait"
            said = f"{names[customer_id]}: {users} for a person's choice of the contact."
            what = f"{said} Look and choose: entra-syncro conflicts list --customer {customer_id}"
            for number in CONFLICTS_AT:
                key = f"{NoticeKind.CONFLICTS}:{customer_id}" + (f":{number}" if number > 1 else "")
                if _reaches(count, number, is_known=key in known):
                    yield Cause(key, NoticeKind.CONFLICTS, customer_id, what)


def _reaches(count: int, number: int, *, is_known: bool) -> bool:
    """A number that was told is over when half of it is gone, so that it does not come and go with each one."""
    return count >= number or (is_known and 2 * count > number)


# --- failed changes, credential -------------------------------------------------------------------------------


def _failed(sight: Sight, policy: NoticePolicy, standing: Sequence[Notice]) -> Iterator[Cause]:
    """At each number of the policy."""
    known = {notice.key for notice in standing}
    groups: dict[tuple[str, str], list[LetterCount]] = defaultdict(list)
    for count in sight.failed:
        groups[count.service, count.error_class].append(count)
    for (service, error_class), counts in sorted(groups.items()):
        code = f"{service}:{error_class}" if service else error_class
        letters = sum(count.letters for count in counts)
        for number in sorted(policy.failed_at):
            key = f"{NoticeKind.FAILED}:{code}:{number}"
            if _reaches(letters, number, is_known=key in known):
                yield Cause(key, NoticeKind.FAILED, None, _failures(code, letters, counts, sight))


def _failures(code: str, letters: int, counts: Sequence[LetterCount], sight: Sight) -> str:
    tenants = {count.tenant_id for count in counts}
    customers = [f"{e.customer_name} ({e.customer_id})" for e in sight.connections if tenants.intersection(e.tenants)]
    where = f" of {_list(customers)}" if customers else ""
    count = "1 change" if letters == 1 else f"{letters} changes"
    cure = TABLE.get(code)
    why = cure.what.rstrip(".") if cure is not None else code.replace("_", " ").replace(":", ": ")
    return f"{count}{where} failed for good: {why}. Look, mend the cause, then replay: entra-syncro dead-letters list"


def _credential(sight: Sight) -> Iterator[Cause]:
    if sight.credential is None:
        return
    said = announce(sight.credential, sight.now)
    if said.urgency is Urgency.NONE or said.days is None:
        return
    what = f"The app's {sight.credential.kind.value} {_ends(said.days)}; then every customer stops at once."
    who = "Make a new one in the Entra admin center, App registrations, Certificates & secrets, and set it."
    yield Cause(NoticeKind.CREDENTIAL, NoticeKind.CREDENTIAL, None, f"{what} {who}")
    if said.urgency is Urgency.RED:
        yield Cause(NoticeKind.CREDENTIAL_ENDS, NoticeKind.CREDENTIAL_ENDS, None, f"{what} {who}")


def _ends(days: int) -> str:
    if days < 0:
        return "has ended"
    return "ends today" if days == 0 else f"ends in {days} day{'s' if days > 1 else ''}"


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + more
