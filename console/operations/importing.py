"""Many customers from one file: each connected where its tenant has consented, else given a consent link.

Every line gets a result; a bad one never stops the others. Run again after whatever happened: what is connected stays,
and a link that was sent stays the same. Nothing is written to Syncro. Next: `console/operations/connecting.py` (one
customer), `console/operations/consenting.py` (consent for many by one sign-in).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from console.operations.apart import set_apart
from console.operations.connecting import ConsentNeededError, confirm, look
from console.operations.discover import syncro_customers, tenants_of
from console.operations.errors import OperationError
from console.operations.import_file import ImportLine, read_lines
from console.operations.import_wishes import (
    Customers,
    ImportRow,
    RowResult,
    Wish,
    domain_in,
    failed,
    judged,
    row_of,
    understood,
)
from console.operations.ports import OperatorPorts
from shared.domain.errors import Scope, StopTheLine, SyncError
from shared.domain.linking import is_living
from shared.domain.records import Connection

AT_ONCE = 8  # customers at the same time: as many as tokens are acquired in threads


async def import_customers(
    ports: OperatorPorts,
    content: bytes,
    *,
    expect: Callable[[int], None] = lambda _: None,
    told: Callable[[], None] = lambda: None,
    by: str = "",
    keep: Callable[[ImportRow], None] = lambda _: None,
) -> tuple[ImportRow, ...]:
    """A result for every line, in the order of the file; `keep` gets each as soon as it is there.

    Raises wrong use for a file that is none, and what stops the whole account; then nothing was lost: run it again.
    """
    lines = read_lines(content)
    customers = Customers(await syncro_customers(ports))
    domains = {domain for line in lines if (domain := domain_in(line.tenant))}
    tenants = await tenants_of(ports, domains)
    read = [understood(line, customers, tenants) for line in lines]
    connections = {each.customer_id: each for each in await ports.connections.list() if is_living(each)}
    apart = {each.customer_id for each in await ports.apart.all()}
    wishes = list(judged(read, connections))
    expect(len(wishes))
    turn = asyncio.Semaphore(AT_ONCE)

    async def settle(one: Wish | ImportRow) -> ImportRow:
        async with turn:
            if isinstance(one, ImportRow):
                row = one
            elif _is_done(one, connections.get(one.customer.id), apart):
                row = row_of(one, RowResult.ALREADY if one.tenant_id else RowResult.WITHOUT_ENTRA)
            else:
                row = await _settled(ports, one, by)
        keep(row)
        told()
        return row

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(settle(one), name=f"import:{one.line}") for one in wishes]
    rows = {task.result().line: task.result() for task in tasks}
    return tuple(rows[line.number] if line.number in rows else _same(line, read, rows) for line in lines)


def _is_done(wish: Wish, tied: Connection | None, apart: Collection[int]) -> bool:
    if wish.tenant_id:
        return tied is not None and wish.tenant_id in tied.tenants
    return tied is None and wish.customer.id in apart


async def _settled(ports: OperatorPorts, wish: Wish, by: str) -> ImportRow:
    """One line's trouble is its own; what stops the whole account stops this too."""
    made = row_of(wish, RowResult.CONNECTED)
    try:
        if not wish.tenant_id:
            await set_apart(ports, wish.customer.id, customer=wish.customer, by=by)
            return row_of(wish, RowResult.WITHOUT_ENTRA)
        match = await look(ports, wish.customer.id, wish.tenant_id, customer=wish.customer, by=by)
        await confirm(ports, match, by=by)
    except ConsentNeededError as needed:
        if needed.exit_code == 1:
            return replace(failed(wish, needed.message), link=needed.link)
        return replace(row_of(wish, RowResult.WAITING), link=needed.link)
    except OperationError as error:
        return failed(wish, error.message)
    except StopTheLine as error:
        if error.scope is Scope.ACCOUNT:
            raise
        return replace(failed(wish, ""), error=error)
    except SyncError as error:
        return replace(failed(wish, ""), error=error)
    return replace(made, tenant_name=match.organization.name, tenant_domains=match.organization.domains)


def _same(line: ImportLine, read: Sequence[Wish | ImportRow], rows: Mapping[int, ImportRow]) -> ImportRow:
    """A line that says what an earlier one said has that one's result."""
    wishes = {one.line: one for one in read if isinstance(one, Wish)}
    own = wishes[line.number]
    first = next(one for one in wishes.values() if (one.customer.id, one.tenant_id) == (own.customer.id, own.tenant_id))
    return replace(rows[first.line], line=line.number)
