"""Importing many customers: a result for every line, nothing done twice, and no line in the way of another."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from console.operations import OperationError, OperatorPorts, import_customers
from console.operations.import_wishes import ImportRow, RowResult
from shared.domain.contact import Customer
from shared.domain.errors import Scope, StopTheLine, SyncError, Transient
from shared.domain.onboarding import InviteState, Organization
from shared.domain.records import Connection, ConnectionStatus
from tests.support.desk import CUSTOMER, Desk
from tests.support.fake_vendors import FakeDirectory

ONE, TWO, THREE = (f"{n * 8}-{n * 4}-4{n * 3}-8{n * 3}-{n * 12}" for n in "123")
NOWHERE = "99999999-9999-4999-8999-999999999999"
NORTH = 8


@dataclass
class Tenants(FakeDirectory):
    """`granted`: roles by tenant; `broken`: what a tenant's token costs; any other has not consented."""

    granted: dict[str, frozenset[str]] = field(default_factory=dict)
    broken: dict[str, SyncError] = field(default_factory=dict)
    proved: list[str] = field(default_factory=list)

    async def prove(self, tenant_id: str) -> frozenset[str]:
        self.proved.append(tenant_id)
        await asyncio.sleep(0)
        if tenant_id in self.broken:
            raise self.broken[tenant_id]
        if tenant_id not in self.granted:
            raise StopTheLine("login", "consent_missing", scope=Scope.TENANT)
        return self.granted[tenant_id]


class Counter:
    """A progress bar."""

    def __init__(self) -> None:
        self.total, self.done = 0, 0

    def expect(self, count: int) -> None:
        self.total = count

    def told(self) -> None:
        self.done += 1


@pytest.fixture
def tenants(desk: Desk) -> Tenants:
    """Tenant ONE has consented."""
    found = Tenants(desk.world.clock, granted={ONE: frozenset({"User.Read.All"})})
    found.broken[NOWHERE] = StopTheLine("login", "tenant_unknown", scope=Scope.TENANT)
    desk.organizations.known = {ONE: Organization(ONE, "Contoso International", ("contoso.example",))}
    desk.ports = replace(desk.ports, directory=found)
    return found


async def imported(ports: OperatorPorts, *lines: str) -> list[ImportRow]:
    return list(await import_customers(ports, "\n".join(["customer,tenant", *lines]).encode()))


def connections(desk: Desk) -> dict[int, Connection]:
    return desk.world.ledger.connections.held


@pytest.mark.usefixtures("tenants")
async def test_every_kind_of_line_has_its_result(desk: Desk) -> None:
    for number in range(20, 24):
        desk.customers.put(Customer(number, f"Customer {number}"))
    desk.tie(20, THREE)
    rows = await imported(desk.ports, f"7,{ONE}", f"8,{TWO}", f"20,{THREE}", "21,", f"22,{NOWHERE}", f"99,{TWO[:-1]}4")
    assert [row.result for row in rows] == [
        RowResult.CONNECTED,
        RowResult.WAITING,
        RowResult.ALREADY,
        RowResult.WITHOUT_ENTRA,
        RowResult.FAILED,
        RowResult.FAILED,
    ]
    assert [row.line for row in rows] == [2, 3, 4, 5, 6, 7]
    assert rows[0].tenant_name == "Contoso International"
    assert connections(desk)[CUSTOMER].status is ConnectionStatus.PREVIEW
    assert rows[1].link.startswith("https://hooks.example.net/connect/start?invite=")
    assert set(desk.world.ledger.apart.held) == {21}
    assert f"Microsoft knows no tenant {NOWHERE}" in rows[4].why
    assert "Syncro knows no such customer" in rows[5].why


@pytest.mark.usefixtures("tenants")
async def test_a_second_import_does_nothing_again_and_gives_the_same_links(desk: Desk) -> None:
    lines = (f"7,{ONE}", f"8,{TWO}")
    first = await imported(desk.ports, *lines)
    before = dict(connections(desk)), dict(desk.world.ledger.invites.held)
    second = await imported(desk.ports, *lines)
    assert [row.result for row in second] == [RowResult.ALREADY, RowResult.WAITING]
    assert second[1].link == first[1].link
    assert (connections(desk), desk.world.ledger.invites.held) == before


@pytest.mark.parametrize("after", range(1, 12))
async def test_cut_off_anywhere_the_next_import_ends_the_work(desk: Desk, tenants: Tenants, after: int) -> None:
    """The ledger goes away after so many uses; then the same file is imported again."""
    lines = (f"7,{ONE}", f"8,{TWO}")
    uses = 0
    reach = desk.world.ledger.switch.reach

    def fail_later() -> None:
        nonlocal uses
        uses += 1
        if uses > after:
            raise Transient("ledger", "away")
        reach()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk.world.ledger.switch, "reach", fail_later)
        try:
            await imported(desk.ports, *lines)
        except* Transient:
            pass
    links = set(desk.world.ledger.invites.held)
    rows = await imported(desk.ports, *lines)
    assert rows[0].result in (RowResult.CONNECTED, RowResult.ALREADY)
    assert rows[1].result is RowResult.WAITING
    assert [each.status for each in connections(desk).values()] == [ConnectionStatus.PREVIEW]
    assert links <= set(desk.world.ledger.invites.held)
    assert len(desk.world.ledger.invites.held) == 1


@pytest.mark.usefixtures("tenants")
async def test_a_customer_is_known_by_its_exact_name_too(desk: Desk) -> None:
    (row,) = await imported(desk.ports, f"  contoso  north ,{ONE}")
    assert (row.customer_id, row.result) == (NORTH, RowResult.CONNECTED)


@pytest.mark.usefixtures("tenants")
async def test_a_name_that_two_customers_have_is_left_to_a_person(desk: Desk) -> None:
    desk.customers.put(Customer(30, "contoso north"))
    (row,) = await imported(desk.ports, f"Contoso North,{ONE}")
    assert row.result is RowResult.FAILED
    assert "8, 30" in row.why
    assert connections(desk) == {}


@pytest.mark.usefixtures("tenants")
async def test_a_disabled_customer_of_the_same_name_does_not_count(desk: Desk) -> None:
    desk.customers.put(Customer(30, "contoso north", disabled=True))
    (row,) = await imported(desk.ports, f"Contoso North,{ONE}")
    assert row.customer_id == NORTH


@pytest.mark.usefixtures("tenants")
async def test_a_tenant_is_known_by_its_domain_each_asked_once(desk: Desk) -> None:
    desk.finder.tenants = {"contoso.example": ONE}
    rows = await imported(desk.ports, "7,Contoso.example", "8,nobody.example", "8,not a domain")
    assert rows[0].result is RowResult.CONNECTED
    assert "no tenant that holds nobody.example" in rows[1].why
    assert "neither" in rows[2].why
    assert sorted(desk.finder.asked) == ["contoso.example", "nobody.example"]


@pytest.mark.usefixtures("tenants")
async def test_a_domain_that_cannot_be_asked_about_fails_its_own_line(desk: Desk) -> None:
    desk.finder.failure = Transient("login", "login_unavailable")
    rows = await imported(desk.ports, "8,contoso.example", f"7,{ONE}")
    assert [row.result for row in rows] == [RowResult.FAILED, RowResult.CONNECTED]
    assert "import the file again" in rows[0].why


@pytest.mark.usefixtures("tenants")
async def test_an_undecided_line_says_what_to_put_there(desk: Desk) -> None:
    (row,) = await imported(desk.ports, "7,?")
    assert row.result is RowResult.FAILED
    assert "question mark" in row.why


@pytest.mark.usefixtures("tenants")
async def test_one_tenant_for_two_customers_connects_neither(desk: Desk) -> None:
    rows = await imported(desk.ports, f"7,{ONE}", f"8,{ONE}")
    assert [row.result for row in rows] == [RowResult.FAILED, RowResult.FAILED]
    assert "--shared-tenant" in rows[0].why
    assert connections(desk) == {}


@pytest.mark.usefixtures("tenants")
async def test_a_tenant_that_belongs_to_a_connected_customer_fails_the_other_line_alone(desk: Desk) -> None:
    desk.tie(CUSTOMER, ONE)
    rows = await imported(desk.ports, f"7,{ONE}", f"8,{ONE}")
    assert [row.result for row in rows] == [RowResult.ALREADY, RowResult.FAILED]
    (row,) = await imported(desk.ports, f"8,{ONE}")
    assert "customer 7" in row.why
    assert f"entra-syncro customers connect 8 --tenant {ONE} --shared-tenant" in row.why


@pytest.mark.usefixtures("tenants")
async def test_a_second_tenant_is_added_by_hand_alone(desk: Desk) -> None:
    tied = desk.tie(CUSTOMER, THREE)
    (row,) = await imported(desk.ports, f"7,{ONE}")
    assert row.result is RowResult.FAILED
    assert f"entra-syncro customers connect 7 --tenant {ONE} --add-tenant" in row.why
    assert connections(desk)[CUSTOMER] == tied


@pytest.mark.usefixtures("tenants")
async def test_one_customer_with_two_tenants_connects_none(desk: Desk) -> None:
    rows = await imported(desk.ports, f"7,{ONE}", f"7,{TWO}", "8,", f"8,{TWO[:-1]}4")
    assert {row.result for row in rows} == {RowResult.FAILED}
    assert connections(desk) == {}
    assert desk.world.ledger.apart.held == {}


async def test_a_line_said_twice_is_done_once(desk: Desk, tenants: Tenants) -> None:
    rows = await imported(desk.ports, f"7,{ONE}", f"7,{ONE.upper()}")
    assert [row.result for row in rows] == [RowResult.CONNECTED, RowResult.CONNECTED]
    assert [row.line for row in rows] == [2, 3]
    assert tenants.proved == [ONE]


async def test_a_connected_customer_is_never_set_apart(desk: Desk, tenants: Tenants) -> None:
    desk.tie(CUSTOMER, ONE)
    (row,) = await imported(desk.ports, "7,")
    assert row.result is RowResult.FAILED
    assert "disconnect" in row.why
    assert desk.world.ledger.apart.held == {}
    assert tenants.proved == []


@pytest.mark.usefixtures("tenants")
async def test_a_customer_without_entra_stays_as_it_was_said(desk: Desk) -> None:
    await imported(desk.ports, "7,")
    said = desk.world.ledger.apart.held[CUSTOMER]
    await asyncio.sleep(0.01)
    (row,) = await imported(desk.ports, "7,")
    assert row.result is RowResult.WITHOUT_ENTRA
    assert desk.world.ledger.apart.held[CUSTOMER] is said


async def test_a_tenant_that_lacks_a_permission_is_named_with_it(desk: Desk, tenants: Tenants) -> None:
    tenants.granted[TWO] = frozenset({"AuditLog.Read.All"})
    (row,) = await imported(desk.ports, f"8,{TWO}")
    assert row.result is RowResult.FAILED
    assert "User.Read.All" in row.why
    assert row.link
    assert connections(desk) == {}


async def test_one_services_trouble_is_one_lines(desk: Desk, tenants: Tenants) -> None:
    tenants.broken[TWO] = Transient("login", "login_unavailable")
    rows = await imported(desk.ports, f"8,{TWO}", f"7,{ONE}")
    assert [row.result for row in rows] == [RowResult.FAILED, RowResult.CONNECTED]
    assert rows[0].error is tenants.broken[TWO]


async def test_our_own_credentials_end_stops_the_import(desk: Desk, tenants: Tenants) -> None:
    tenants.broken[TWO] = StopTheLine("login", "secret_expired", scope=Scope.ACCOUNT)
    with pytest.raises(ExceptionGroup) as caught:
        await imported(desk.ports, f"8,{TWO}")
    assert caught.group_contains(StopTheLine)


async def test_a_file_that_is_none_asks_nobody_anything(desk: Desk, tenants: Tenants) -> None:
    with pytest.raises(OperationError, match="colour"):
        await import_customers(desk.ports, f"customer,tenant,colour\n7,{ONE},red\n".encode())
    assert tenants.proved == []
    assert connections(desk) == {}


@pytest.mark.usefixtures("tenants")
async def test_a_whole_file_costs_syncro_one_listing(desk: Desk) -> None:
    for number in range(20, 60):
        desk.customers.put(Customer(number, f"Customer {number}"))
    rows = await imported(desk.ports, *(f"{n},{n:08d}-0000-4000-8000-000000000000" for n in range(20, 60)))
    assert {row.result for row in rows} == {RowResult.WAITING}
    assert len({row.link for row in rows}) == 40
    assert len(desk.world.pace.calls) == 1


@pytest.mark.usefixtures("tenants")
async def test_progress_counts_every_line_that_says_something_new(desk: Desk) -> None:
    bar = Counter()
    content = f"customer,tenant\n7,{ONE}\n99,x.example\n8,\n8,\n".encode()
    await import_customers(desk.ports, content, expect=bar.expect, told=bar.told)
    assert bar.total == bar.done == 3


@pytest.mark.usefixtures("tenants")
async def test_an_answered_consent_is_connected_by_the_next_import(desk: Desk, tenants: Tenants) -> None:
    await imported(desk.ports, f"8,{TWO}")
    tenants.granted[TWO] = frozenset({"User.Read.All"})
    desk.organizations.known[TWO] = Organization(TWO, "North", ("north.example",))
    (row,) = await imported(desk.ports, f"8,{TWO}")
    assert row.result is RowResult.CONNECTED
    (kept,) = desk.world.ledger.invites.held.values()
    assert kept.state is InviteState.CONNECTED
