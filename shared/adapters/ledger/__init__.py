"""The ledger: what people decided and what we did, in SQL. One adapter over SQLite and PostgreSQL.

In: our values and questions (`shared/ports.py`). Out: our values and our error families; no SQL, no driver error
and no row ever leaves this package. Start with `ledger.py`.
"""

from __future__ import annotations

from shared.adapters.ledger.ledger import Ledger, open_ledger

__all__ = ["Ledger", "open_ledger"]
