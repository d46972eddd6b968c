"""Delta polls over real HTTP and real stores: silence, resets, links that are too old, and who announced what."""

from __future__ import annotations

from datetime import timedelta

from shared.domain.messages import Reason
from shared.domain.watching import Coverage
from tests.integration.watching.conftest import Watch, eventually


async def test_silence_is_made_up_for_and_seen_and_notifications_are_seen_again(watch: Watch) -> None:
    watch.world.microsoft.switches.change({"delivery": False})
    await watch.retitle(watch.somebody, "Silent")
    await watch.has_arrived(watch.somebody, "Silent")
    newest = (await watch.adapters.ledger.journal.entries(customer_id=watch.customer, limit=1))[0]
    assert newest.cause is Reason.DELTA
    assert newest.noticed_at is not None
    await eventually(lambda: counted(watch, found=1, announced=0))

    watch.world.microsoft.switches.change({"delivery": True, "delta_lag_s": 12.0})  # the notification comes first
    watch.looks.clear()
    await watch.retitle(watch.somebody, "Told")
    await watch.has_arrived(watch.somebody, "Told")
    await eventually(lambda: counted(watch, found=2, announced=1))
    await eventually(lambda: covered(watch))  # the poll's own look asked Entra alone


async def test_a_reset_is_made_up_for_by_a_full_sync(watch: Watch) -> None:
    before = (await watch.poll()).link
    watch.world.microsoft.switches.change({"delivery": False, "delta_resets": 1})
    await watch.retitle(watch.somebody, "After a reset")
    await watch.has_arrived(watch.somebody, "After a reset")
    assert "graph:resync_required" in [poll.code for poll in watch.polls]
    assert (await watch.poll()).link != before
    runs = await watch.adapters.ledger.runs.recent(watch.customer, 1)
    assert (runs[0].reason, runs[0].full) == (Reason.RECONCILE, True)


async def test_a_link_that_entra_has_forgotten_is_made_up_for_by_a_full_sync(watch: Watch) -> None:
    watch.world.microsoft.switches.change({"delivery": False})
    watch.world.microsoft.clock.advance(timedelta(days=8))
    await watch.retitle_later("After eight days")
    await watch.has_arrived(watch.somebody, "After eight days")
    assert "graph:resync_required" in [poll.code for poll in watch.polls]
    await watch.is_polled()


async def counted(watch: Watch, *, found: int, announced: int) -> bool:
    """So many changes were judged, and that is how."""
    since = watch.adapters.clock.now() - timedelta(hours=2)
    return (await watch.adapters.ledger.polls.coverage(since)).get(watch.tenant) == Coverage(found, announced)


async def covered(watch: Watch) -> bool:
    looks = [look for look in watch.looks if look.user_id == watch.somebody and look.reason == "delta"]
    return bool(looks) and {(look.outcome, look.calls) for look in looks} == {("covered", 0)}
