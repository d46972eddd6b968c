"""What Alembic runs: our migrations on the connection, and in the transaction, that `upgrade.py` hands over.

Opens nothing and reads no settings.
"""

from __future__ import annotations

from alembic import context

from shared.adapters.ledger.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
