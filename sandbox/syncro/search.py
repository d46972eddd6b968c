"""The search index, which hears of a change only after the lag (30 s by default).

Next: `sandbox/syncro/tokens.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from sandbox.syncro.account import Account
from sandbox.syncro.show import phone_json


class SearchIndex:
    """Documents per record as they were when indexed; `monotonic` gives seconds."""

    def __init__(self, account: Account, monotonic: Callable[[], float]) -> None:
        self._account = account
        self._monotonic = monotonic
        self._waiting: deque[tuple[float, str, int, dict[str, Any] | None]] = deque()
        self._documents: dict[tuple[str, int], dict[str, Any]] = {}
        account.changed = self.hear

    def hear(self, kind: str, record_id: int) -> None:
        self._waiting.append((self._monotonic(), kind, record_id, self._document(kind, record_id)))

    def settle(self) -> None:
        """Everything heard so far becomes visible (a freshly seeded account is not new)."""
        self._absorb(self._monotonic())

    def find(self, text: str) -> list[dict[str, Any]]:
        """Hits in the order of the index, in the odd wrapping of the real answer."""
        self._absorb(self._monotonic() - float(self._account.switches["search_lag"]))
        wanted = text.casefold().strip()
        hits = []
        for (kind, record_id), document in self._documents.items():
            haystack = " ".join(str(value) for value in document.values() if isinstance(value, str)).casefold()
            if wanted and wanted in haystack:
                source = {"_id": record_id, "_type": kind, "_index": f"{kind}s", "_source": {"table": document}}
                hits.append({"table": source})
        return hits

    def _absorb(self, until: float) -> None:
        while self._waiting and self._waiting[0][0] <= until:
            _, kind, record_id, document = self._waiting.popleft()
            if document is None:
                self._documents.pop((kind, record_id), None)
            else:
                self._documents[(kind, record_id)] = document

    def _document(self, kind: str, record_id: int) -> dict[str, Any] | None:
        if kind == "contact":
            contact = self._account.contacts.get(record_id)
            if contact is None:
                return None
            shown = {name: contact.values[name] for name in ("name", "email", "phone", "mobile")}
            return {**shown, "customer_id": contact.customer_id}
        customer = self._account.customers.get(record_id)
        if customer is None:
            return None
        names = ("firstname", "lastname", "email", "business_name")
        phones = [phone_json(self._account, customer, phone) for phone in customer.phones]
        return {**{name: customer.values[name] for name in names}, "phones": phones}
