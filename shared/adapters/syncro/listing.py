"""A whole listing out of pages that drift while they are read.

Rows move between pages while people work in Syncro, and page sizes are Syncro's choice. A pass counts only if its
unique ids equal the announced number of entries and that number stood still; else the pass is read again. One that is
never stable is Transient: acting on a listing with a hole would create a contact twice.
Next: `shared/adapters/syncro/contacts.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.adapters.lenient import Json, integer
from shared.adapters.syncro.caller import SyncroCaller
from shared.adapters.syncro.errors import SERVICE, Effect, unreadable
from shared.adapters.syncro.wire import Page, page
from shared.domain.errors import Transient
from shared.ports import Allowance

PASSES = 4
MOST_PAGES = 5_000


async def whole_listing(caller: SyncroCaller, allowance: Allowance, path: str, key: str) -> Sequence[Json]:
    """Every row of `path` (with its query) once, in order of appearance; `key` names the rows in an answer.

    Spends one call a page. Raises Transient "listing_unstable" after a few drifting passes.
    """
    for _ in range(PASSES):
        rows = await _one_pass(caller, allowance, path, key)
        if rows is not None:
            return list(rows.values())
    raise Transient(SERVICE, "listing_unstable", f"pages kept moving over {PASSES} passes")


async def _one_pass(caller: SyncroCaller, allowance: Allowance, path: str, key: str) -> Mapping[int, Json] | None:
    """Rows by id, None when the pages moved meanwhile. Each pass starts empty: a row deleted since must not count."""
    rows: dict[int, Json] = {}
    announced: int | None = None
    for number in range(1, MOST_PAGES + 1):
        found = await _page(caller, allowance, f"{path}&page={number}", key, past_end=Page((), announced, number))
        if found.total_entries is None:
            raise unreadable(Effect.READ, "a listing came without its number of entries")
        if announced is not None and found.total_entries != announced:
            return None
        announced = found.total_entries
        rows.update((_id(row), row) for row in found.rows)
        if not found.rows or number >= (found.total_pages or number + 1):
            break
    return rows if len(rows) == announced else None


async def _page(caller: SyncroCaller, allowance: Allowance, path: str, key: str, *, past_end: Page) -> Page:
    """A page past the end may be an empty list or a 404: both end the pass."""
    if past_end.total_entries is None:
        body: object | None = await caller.read(allowance, path, f"/{key}")
    else:
        body = await caller.find(allowance, path, f"/{key}")
    found = past_end if body is None else page(body, key)
    if found is None:
        raise unreadable(Effect.READ, f"/{key} was answered without rows")
    return found


def _id(row: Json) -> int:
    found = integer(row.get("id"))
    if found is None:
        raise unreadable(Effect.READ, "a row of a listing has no id")
    return found
