"""The ledger's migrations, packaged with the program and run by `upgrade.py` when a ledger is opened.

A change of the schema: change `schema.py`, add `versions/rNNNN_what.py` with the next revision (additions first,
removals one release later, so that two releases can share a ledger while one replaces the other), raise `HEAD`.
The contract suite compares both.
"""

from __future__ import annotations

HEAD = "0005"  # the newest revision in `versions/`, named here so that opening a current ledger needs no Alembic
