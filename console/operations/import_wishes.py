"""What the lines of an import mean: which customer, which tenant, and what the file itself contradicts. Pure.

A line that makes sense becomes a `Wish`; any other has its result already. Where two lines contradict one another both
fail: which of them is right, a person knows. Next: `console/operations/importing.py`, which carries the wishes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from console.operations.import_file import UNDECIDED, ImportLine
from shared.domain import normalise
from shared.domain.contact import Customer
from shared.domain.discovery import domain_of
from shared.domain.errors import SyncError
from shared.domain.records import Connection


class RowResult(StrEnum):
    CONNECTED = "connected"
    WAITING = "waiting for consent"
    ALREADY = "already connected"
    WITHOUT_ENTRA = "without Entra"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ImportRow:
    """What became of one line. `customer_id`: None when nobody knows whom it means. `link`: for the administrator.

    `why`: what failed and who does what next; `error`: the same where a service failed. `tenant_name`,
    `tenant_domains`: what the proved tenant says of itself, beside the customer's name.
    """

    line: int
    customer_id: int | None
    customer_name: str
    tenant_id: str
    result: RowResult
    link: str = ""
    why: str = ""
    tenant_name: str = ""
    tenant_domains: tuple[str, ...] = ()
    error: SyncError | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """A line that makes sense. `tenant_id`: "" for a customer without Entra."""

    line: int
    customer: Customer
    tenant_id: str


class Customers:
    """Syncro's customers by number and by name. A name means one that is not disabled."""

    def __init__(self, customers: Sequence[Customer]) -> None:
        self._by_id = {each.id: each for each in customers}
        self._by_name: dict[str, list[Customer]] = {}
        for each in customers:
            if not each.disabled:
                self._by_name.setdefault(normalise.folded(each.name), []).append(each)

    def meant(self, text: str) -> Customer | str:
        """The customer, or why nobody knows whom it means."""
        if text.isascii() and text.isdigit() and len(text) <= 18 and int(text) in self._by_id:
            return self._by_id[int(text)]
        named = self._by_name.get(normalise.folded(text), []) if text else []
        if len(named) > 1:
            numbers = ", ".join(str(each.id) for each in named)
            return f"Several customers have this name ({numbers}). Put the right number in its place."
        if not named:
            return "Syncro knows no such customer. Put its number here: it stands in the address of its page."
        return named[0]


def understood(line: ImportLine, customers: Customers, tenants: Mapping[str, str | None]) -> Wish | ImportRow:
    customer = customers.meant(line.customer)
    known = customer if isinstance(customer, Customer) else None
    name = known.name if known else line.customer
    none = ImportRow(line.number, known.id if known else None, name, "", RowResult.FAILED)
    if not line.is_whole:
        return replace(none, why="The line has not as many cells as the header. Correct the line.")
    if not isinstance(customer, Customer):
        return replace(none, why=customer)
    tenant = _tenant(line.tenant, tenants)
    if isinstance(tenant, _NoTenant):
        return replace(none, why=tenant.why)
    return Wish(line.number, customer, tenant)


@dataclass(frozen=True, slots=True)
class _NoTenant:
    why: str


def _tenant(text: str, tenants: Mapping[str, str | None]) -> str | _NoTenant:
    """The tenant's id, "" for none."""
    if not text or (guid := _guid(text)):
        return guid if text else ""
    if text == UNDECIDED:
        return _NoTenant(
            "Nobody has chosen its tenant yet. Put the tenant's id or domain in place of the question mark, or nothing "
            "if the customer has no Entra."
        )
    domain = domain_in(text)
    if not domain:
        return _NoTenant(f"{text} is neither a tenant's id (a GUID) nor a domain. Correct the line.")
    if domain not in tenants:
        return _NoTenant(f"Microsoft could not be asked who holds {domain}. Nothing was lost; import the file again.")
    found = tenants[domain]
    return found or _NoTenant(f"Microsoft knows no tenant that holds {domain}. Put the tenant's id in its place.")


def _guid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""


def domain_in(text: str) -> str:
    return "" if not text or _guid(text) else domain_of(text)


def judged(understood: Sequence[Wish | ImportRow], connections: Mapping[int, Connection]) -> Iterator[Wish | ImportRow]:
    """What the file itself contradicts is failed, on every line concerned: which of them is right, a person knows."""
    wishes = [one for one in understood if isinstance(one, Wish)]
    seen: set[tuple[int, str]] = set()
    for one in understood:
        if isinstance(one, ImportRow):
            yield one
        elif (one.customer.id, one.tenant_id) not in seen:  # said twice, done once
            seen.add((one.customer.id, one.tenant_id))
            why = _contradiction(one, wishes, connections.get(one.customer.id)) or _against(one, connections)
            yield failed(one, why) if why else one


def _contradiction(one: Wish, wishes: Sequence[Wish], tied: Connection | None) -> str:
    for other in wishes:
        is_same_customer = other.customer.id == one.customer.id
        if is_same_customer and other.tenant_id != one.tenant_id:
            return (
                f"Lines {one.line} and {other.line} say different things of this customer. Keep the right one; a "
                f"second tenant is added by hand: entra-syncro customers connect {one.customer.id} --tenant TENANT-ID "
                "--add-tenant"
            )
        is_tied = tied is not None and one.tenant_id in tied.tenants
        if one.tenant_id and not is_same_customer and other.tenant_id == one.tenant_id and not is_tied:
            return (
                f"Line {other.line} gives the same tenant to customer {other.customer.id}. Keep the right one; if both "
                f"share it: entra-syncro customers connect {one.customer.id} --tenant {one.tenant_id} --shared-tenant"
            )
    return ""


def _against(one: Wish, connections: Mapping[int, Connection]) -> str:
    """What stands in the way of the wish in the ledger; each way out is a person's own command."""
    tied, connect = connections.get(one.customer.id), f"entra-syncro customers connect {one.customer.id}"
    if not one.tenant_id or (tied is not None and one.tenant_id in tied.tenants):
        return ""
    if tied is not None:
        return (
            f"The customer is connected to another tenant ({', '.join(tied.tenants)}). Correct the line; if it has "
            f"several: {connect} --tenant {one.tenant_id} --add-tenant"
        )
    other = next((each for each in connections.values() if one.tenant_id in each.tenants), None)
    if other is not None:
        return (
            f"The tenant belongs to customer {other.customer_id} ({other.customer_name}) already. Correct the line; if "
            f"both share it: {connect} --tenant {one.tenant_id} --shared-tenant"
        )
    return ""


def failed(wish: Wish, why: str) -> ImportRow:
    return replace(row_of(wish, RowResult.FAILED), why=why)


def row_of(wish: Wish, result: RowResult) -> ImportRow:
    return ImportRow(wish.line, wish.customer.id, wish.customer.name, wish.tenant_id, result)
