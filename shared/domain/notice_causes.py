"""Every cause of a notice, each with its key, its sentence and what keeps it quiet. Pure.

Quiet rules: a customer that is behind for a reason that is told already (no consent, a refused token, a refused
sign-in) is not told again as behind; failed changes are told at growing numbers, not one by one. Next:
`shared/domain/notice_letters.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from shared.domain.credential import Urgency, announce
from shared.domain.cures import Action, cure_of_code
from shared.domain.desk import Notice
from shared.domain.notices import Cause, NoticeKind, NoticePolicy, PersonalData, Sight
from shared.domain.records import Connection, ConnectionStatus, DeadLetter, Hold
from shared.domain.safety import Brake
from shared.domain.schedule import next_tick

FEW = 5  # names in one sentence
CATCHING_UP = timedelta(hours=2)  # for full syncs that were missed while nobody worked
_STOPS = frozenset({"token", "permission", "forbidden"})  # those that do not pass by themselves
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
    found += _held(sight, policy, names)
    if not stops:
        found += _stale(sight, policy, names, excused=set(_by_code(sight, Action.STOP_TENANT)))
    found += _failed(sight, policy, standing)
    found += _conflicts(sight, names)
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


def _held(sight: Sight, policy: NoticePolicy, names: Mapping[int, str]) -> Iterator[Cause]:
    connected = {each.customer_id for each in _connected(sight)}
    for hold in (each for each in sight.holds if each.customer_id in connected):
        what = f"{_what(hold)}.{_people(hold, policy)}"
        said = f"{names[hold.customer_id]}: waiting for approval: {what} {_decide(hold, sight.now)}"
        yield Cause(f"{NoticeKind.HELD}:{hold.customer_id}", NoticeKind.HELD, hold.customer_id, said)
        if sight.now - hold.held_at >= policy.still_held_after:
            since = f"Since {hold.held_at:%Y-%m-%d %H:%M} UTC nobody has decided."
            key, kind = f"{NoticeKind.STILL_HELD}:{hold.customer_id}", NoticeKind.STILL_HELD
            yield Cause(key, kind, hold.customer_id, f"{said} {since}")


def _what(hold: Hold) -> str:
    if Brake.LISTING in hold.brakes:
        return "everything, for a list was too short to be believed"
    return ", ".join(f"{count} {_CLASSES[Brake(brake)]}" for brake, (count, _) in sorted(hold.brakes.items()))


def _people(hold: Hold, policy: NoticePolicy) -> str:
    if policy.personal_data is not PersonalData.NAMES or not hold.rows:
        return ""
    return f" {_list([row.user_label for row in hold.rows])}."


def _decide(hold: Hold, now: datetime) -> str:
    if now >= hold.expires_at or (not hold.rows and Brake.LISTING not in hold.brakes):
        return (
            f"A full sync lists it and gives a new approval code: entra-syncro reconcile --customer {hold.customer_id}"
        )
    return f"Look at it, then approve or reject it: entra-syncro runs show {hold.code}"


def _conflicts(sight: Sight, names: Mapping[int, str]) -> Iterator[Cause]:
    connected = {each.customer_id for each in _connected(sight)}
    for customer_id, count in sight.conflicts.items():
        if customer_id in connected:
            users = "1 user waits" if count == 1 else f"{count} users wait"
            said = f"{names[customer_id]}: {users} for a person's choice of the contact."
            what = f"{said} Look and choose: entra-syncro conflicts list --customer {customer_id}"
            yield Cause(f"{NoticeKind.CONFLICTS}:{customer_id}", NoticeKind.CONFLICTS, customer_id, what)


def _stale(sight: Sight, policy: NoticePolicy, names: Mapping[int, str], excused: set[str]) -> Iterator[Cause]:
    for each in sight.connections:
        if each.status is not ConnectionStatus.APPROVED or excused.intersection(each.tenants):
            continue
        said = [why for why in (_unsynced(each, sight, policy), _unpolled(each, sight, policy)) if why]
        if said:
            what = f"{names[each.customer_id]}: {' '.join(said)} See why: entra-syncro check --customer"
            key = f"{NoticeKind.STALE}:{each.customer_id}"
            yield Cause(key, NoticeKind.STALE, each.customer_id, f"{what} {each.customer_id}")


def last_done(connection: Connection, sight: Sight) -> datetime | None:
    last = sight.last_full.get(connection.customer_id)
    return last.done_began_at if last is not None else None


def is_late(connection: Connection, sight: Sight, policy: NoticePolicy) -> bool:
    """Before its own line for full syncs is asked: is the last one done older than a night's?"""
    since = max(last_done(connection, sight) or connection.changed_at, connection.changed_at)
    return sight.now - since > policy.stale_after


def _unsynced(connection: Connection, sight: Sight, policy: NoticePolicy) -> str:
    if not is_late(connection, sight, policy) or sight.now - sight.watching_since < CATCHING_UP:
        return ""
    done = last_done(connection, sight)
    since = max(done or connection.changed_at, connection.changed_at)
    line = sight.own_cron.get(connection.customer_id) or policy.cron
    tick = next_tick(since, cron=line, zone=policy.cron_zone)  # a customer may have full syncs once a week
    if tick is None or sight.now < tick + CATCHING_UP:
        return ""
    return f"no full sync was done since {done:%Y-%m-%d %H:%M} UTC." if done else "no full sync was ever done."


def _unpolled(connection: Connection, sight: Sight, policy: NoticePolicy) -> str:
    oldest: datetime | None = None
    for tenant_id in connection.tenants:
        poll = sight.polls.get(tenant_id)
        began = poll.began_at if poll is not None and poll.began_at is not None else connection.changed_at
        wait = max(policy.unpolled_after, timedelta(seconds=3 * poll.interval if poll is not None else 0.0))
        if sight.now - max(began, connection.changed_at, sight.watching_since) > wait:
            oldest = began if oldest is None else min(oldest, began)
    return f"Microsoft was not asked for its changes since {oldest:%Y-%m-%d %H:%M} UTC." if oldest else ""


# --- failed changes, credential -------------------------------------------------------------------------------


def _failed(sight: Sight, policy: NoticePolicy, standing: Sequence[Notice]) -> Iterator[Cause]:
    """At each number of the policy; the notice of a number is over when half of them are gone."""
    known = {notice.key for notice in standing}
    groups: dict[str, list[DeadLetter]] = defaultdict(list)
    for letter in sight.letters:
        groups[letter.error_class].append(letter)
    for error_class, letters in sorted(groups.items()):
        topic = f"{NoticeKind.FAILED}:{error_class}"
        for number in sorted(policy.failed_at):
            key = f"{topic}:{number}"
            if len(letters) >= number or (key in known and 2 * len(letters) > number):
                yield Cause(key, NoticeKind.FAILED, None, _failures(error_class, letters, sight))


def _failures(error_class: str, letters: Sequence[DeadLetter], sight: Sight) -> str:
    tenants = {letter.tenant_id for letter in letters}
    customers = [f"{e.customer_name} ({e.customer_id})" for e in sight.connections if tenants.intersection(e.tenants)]
    where = f" of {_list(customers)}" if customers else ""
    count = "1 change" if len(letters) == 1 else f"{len(letters)} changes"
    said = f"{count}{where} failed for good: {error_class.replace('_', ' ')}."
    return f"{said} Look, mend the cause, then replay: entra-syncro dead-letters list"


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
