"""Pages of a list: size, order, the page past the end, and rows that shift while somebody reads.

With `drift` on every page is cut from the rows as they are at that moment; with it off, page 2 and later come from
the rows as they were when page 1 was asked for. Next: `sandbox/syncro/search.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sandbox.syncro.contacts import read_id
from sandbox.syncro.rejected import not_found
from sandbox.syncro.switches import Switches


class Listing:
    """Cuts pages; remembers the row ids of page 1 per reader for the time when drift is off."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._frozen: dict[tuple[str, str], list[int]] = {}

    def page(
        self,
        kind: str,
        rows: Iterable[Any],
        params: Mapping[str, Any],
        reader: str,
        show: Callable[[Any], dict[str, Any]],
        size: int = 50,
        ordered: bool = False,
    ) -> dict[str, Any]:
        """One page as `{kind: [...], "meta": {...}}`; past the end `RejectedError` 404 where the switch says so."""
        number = max(1, read_id(params.get("page")) or 1)
        per_page = self._per_page(params, size)
        standing = list(rows) if ordered else self._in_order(rows)
        if self._switches.is_on("drift", "off"):
            standing = self._as_first_seen(f"{kind} {_filters(params)}", reader, number, standing)
        pages = math.ceil(len(standing) / per_page)
        if number > max(1, pages) and self._switches.is_on("page_past_end", "404"):
            raise not_found()
        cut = standing[(number - 1) * per_page : number * per_page]
        meta = {"total_pages": pages, "total_entries": len(standing), "per_page": per_page, "page": number}
        return {kind: [show(row) for row in cut], "meta": meta}

    def _per_page(self, params: Mapping[str, Any], size: int) -> int:
        wanted = read_id(params.get("per_page"))
        if wanted and self._switches.is_on("per_page", "honoured"):
            return min(wanted, 100)
        return size

    def _in_order(self, rows: Iterable[Any]) -> list[Any]:
        if self._switches.is_on("order", "updated_at"):
            return sorted(rows, key=lambda row: (getattr(row, "updated_at", row.created_at), row.id), reverse=True)
        return sorted(rows, key=lambda row: row.id, reverse=self._switches.is_on("order", "id_descending"))

    def _as_first_seen(self, what: str, reader: str, number: int, standing: list[Any]) -> list[Any]:
        if number == 1:
            self._frozen[(what, reader)] = [row.id for row in standing]
            return standing
        alive = {row.id: row for row in standing}
        ids = self._frozen.get((what, reader), list(alive))
        return [alive[one] for one in ids if one in alive]


def _filters(params: Mapping[str, Any]) -> str:
    return repr(sorted((key, str(value)) for key, value in params.items() if key not in ("page", "per_page")))
