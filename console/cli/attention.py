"""What waits for a person, one sentence each with who does what next: the top of `entra-syncro status`.

The most urgent first: what stops everything, then what ends soon, then decisions, then what went wrong. Next:
`console/cli/status.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from console.cli.freshness import problem_sentences
from console.operations import Status
from console.operations.holding import waiting_sentence
from shared.domain.credential import Urgency, announce
from shared.domain.records import ConnectionStatus

FEW = 3  # customers named in one sentence

# Why the whole account stands still, and who does what next.
STOPS = {
    "token": "Syncro refuses the API token. Make a new one and set syncro.api_token, then start again.",
    "permission": "Syncro's token lacks a permission: tick Customers - List/Search, View Detail and Edit for it.",
    "forbidden": "Syncro forbids the calls. Look at the token and the account in Syncro.",
    "too_many": "Syncro says that there are too many calls. It goes on by itself, at half the pace.",
}


def attention(seen: Status) -> Iterator[str]:
    if seen.stopped:
        yield stop_sentence(seen.stopped)
    if seen.silent_since is not None:
        yield (
            f"No service has asked Microsoft for changes since {seen.silent_since:%m-%d %H:%M} (UTC). See on each "
            "machine whether the services run and what their log says. Start those that do not, as they were set up "
            "there: by systemd, as containers, or entra-syncro run all"
        )
    yield from _credential(seen)
    yield from _approvals(seen)
    yield from _pauses(seen)
    if seen.failed_changes:
        yield f"Failed changes: {seen.failed_changes}. Look at them: entra-syncro dead-letters list"
    if seen.choices:
        yield f"Users that wait for a person's choice: {seen.conflicts}. {_where_to_choose(seen)}"
    yield from _unwritten(seen)
    yield from problem_sentences(seen)


def stop_sentence(code: str) -> str:
    return f"Nothing is written at the moment: {STOPS.get(code, code.replace('_', ' '))}"


def names(seen: Status) -> dict[int, str]:
    return {c.customer_id: f"{c.customer_name} ({c.customer_id})" for c in seen.connections}


def _credential(seen: Status) -> Iterator[str]:
    """While there is time to replace it at ease; `check` says how."""
    info = seen.credential
    if info is None or info.expires_at is None or announce(info, seen.seen_at).urgency is Urgency.NONE:
        return
    what, day = info.kind.value, f"{info.expires_at:%Y-%m-%d}"
    if info.expires_at <= seen.seen_at:
        yield f"The app's {what} ended on {day}: no tenant can be read. Renew it now; how: entra-syncro check"
    else:
        yield f"The app's {what} ends on {day}, and then everything stops. Renew it; how: entra-syncro check"


def _approvals(seen: Status) -> Iterator[str]:
    unapproved = [c.customer_id for c in seen.connections if c.status is ConnectionStatus.PREVIEW]
    if unapproved:
        yield f"Waiting for approval: {len(unapproved)}. Begin with: entra-syncro preview --customer {unapproved[0]}"
    named = names(seen)
    for hold in seen.holds:
        yield waiting_sentence(hold, named.get(hold.customer_id, f"customer {hold.customer_id}"), seen.seen_at)
        if hold.code in seen.rejections:
            yield f"  {seen.rejections[hold.code]}"
    if seen.consents:
        states = sorted({each.state for each in seen.consents})
        yield f"Consents: {len(seen.consents)} ({', '.join(states)}). Look: entra-syncro customers list"


def _pauses(seen: Status) -> Iterator[str]:
    paused = [c for c in seen.connections if c.status is ConnectionStatus.PAUSED]
    if not paused:
        return
    named, is_all = names(seen), all(c.status is not ConnectionStatus.APPROVED for c in seen.connections)
    whom = _some([named[c.customer_id] for c in paused])
    yield (
        f"{'Everything is paused' if is_all else 'Paused'} by a person: {whom}. Who and why: entra-syncro deeds list. "
        f"Go on: entra-syncro customers resume {'--all' if is_all else paused[0].customer_id}"
    )


def _where_to_choose(seen: Status) -> str:
    first, *others = map(str, seen.choices)
    more = f" (then {', '.join(others[:FEW])}{' and more' if len(others) > FEW else ''})" if others else ""
    return f"Look: entra-syncro conflicts list --customer {first}{more}"


def _unwritten(seen: Status) -> Iterator[str]:
    is_held, named = {hold.customer_id for hold in seen.holds}, names(seen)
    for customer_id, count in seen.unwritten.items():
        what = f"{named.get(customer_id, f'Customer {customer_id}')}: approved changes not yet written: {count}."
        if customer_id in is_held:
            yield f"{what} First decide about what is held (above)."
        else:
            yield (
                f"{what} If its full sync is over, they changed since the approval: "
                f"entra-syncro preview --customer {customer_id}"
            )


def _some(customers: list[str]) -> str:
    more = f" and {len(customers) - FEW} more" if len(customers) > FEW else ""
    return f"{', '.join(customers[:FEW])}{more}"
