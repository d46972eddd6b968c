"""`entra-syncro customers ...`: which Syncro customers are connected or wait for it, and approving a preview.

Connecting is `console/cli/connecting.py`, stopping `console/cli/pausing.py`. Many can be approved at
once, but only those whose plan overwrites nothing and leaves nothing to choose.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated

import typer

from console import operations
from console.cli import many, policy
from console.cli.agreeing import agreed
from console.cli.connecting import connect, link_facts
from console.cli.context import acting, operate
from console.cli.explain import explain
from console.cli.output import STATES, Json, plain, print_json, print_table, say
from console.cli.pausing import disconnect, pause, resume, without_entra
from console.cli.pins import pin, pins, unpin
from console.cli.sync import complain_failed, complain_held, follow, follow_all
from console.cli.watching import bars
from console.operations import ApprovedClean, NotClean, NotStarted, OperationError, OperatorPorts, StartedRun, Waiting
from console.operations.errors import held, wrong_use
from shared.domain.records import Connection, Hold
from shared.domain.safety import Brake

app = typer.Typer(no_args_is_help=True, help="Connected customers.")


@app.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """List connected customers and consents that wait.

    Example: entra-syncro customers list
    """
    found = operate(context, operations.listed)
    if as_json:
        consents = [_consent(each) for each in found.consents]
        print_json(
            {"connections": plain(found.connections), "consents": consents, "without_entra": plain(found.without_entra)}
        )
        return
    _show_connections(found.connections)
    if found.consents:
        print_table(
            "Consents",
            ["customer", "name", "state", "since"],
            (
                (each.invite.customer_id, each.invite.customer_name, each.state, f"{_since(each):%Y-%m-%d}")
                for each in found.consents
            ),
            empty="",
        )
        for each in found.consents:
            say(f"{each.invite.customer_id}: {each.next}")
    if found.without_entra:
        rows = ((each.customer_id, each.customer_name, f"{each.at:%Y-%m-%d}") for each in found.without_entra)
        print_table("Without Entra", ["customer", "name", "since"], rows, empty="")


def _show_connections(connections: Sequence[Connection]) -> None:
    print_table(
        "Customers",
        ["customer", "name, tenant", "state", "since"],
        (
            (
                c.customer_id,
                "\n".join((c.customer_name, *c.tenants)),
                STATES[c.status],
                f"{c.changed_at:%Y-%m-%d}",
            )
            for c in connections
        ),
        whole="name, tenant",
        empty="No customer is connected yet: entra-syncro customers connect CUSTOMER",
    )


def _consent(each: Waiting) -> dict[str, object]:
    asked = each.invite
    return {
        **link_facts(asked, each.link),
        "state": each.state,
        "invited_at": plain(asked.invited_at),
        "answered_by": plain(asked.answered_by),
        "why": asked.code,
        "missing": plain(asked.missing),
        "next": each.next,
    }


def _since(each: Waiting) -> datetime:
    return each.invite.settled_at or each.invite.invited_at


app.command()(connect)
app.command()(pause)
app.command()(resume)
app.command()(disconnect)
app.command("without-entra")(without_entra)
app.command()(pin)
app.command()(unpin)
app.command()(pins)
app.add_typer(policy.app, name="policy")
many.register(app)


@app.command()
def approve(
    context: typer.Context,
    customer: Annotated[int | None, typer.Argument(help="Syncro's number of the customer.")] = None,
    code: Annotated[
        str | None,
        typer.Argument(
            help="The approval code that the preview printed; without it, the latest preview is asked about."
        ),
    ] = None,
    first: Annotated[
        int | None, typer.Option(min=1, help="Create only so many contacts, then wait for a look.")
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every customer that waits; goes with --only-clean.")] = False,
    only_clean: Annotated[
        bool, typer.Option(help="Only plans without overwritten values and without choices for a person.")
    ] = False,
    second_writer_accepted: Annotated[
        bool, typer.Option("--second-writer-accepted", help="You know that another tool writes these contacts too.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Without a code: the latest preview was read; do not ask.")
    ] = False,
    watch: Annotated[bool, typer.Option(help="Stay and show the first sync's progress.")] = True,
    as_json: Json = False,
) -> None:
    """Approve the latest preview. The first full sync starts at once.

    Example: entra-syncro customers approve 34288071 0b9a8ac4 --first 3
    """
    if customer is None:
        if first is not None:
            raise wrong_use("--first goes with one customer: entra-syncro customers approve CUSTOMER CODE --first N")
        if second_writer_accepted:
            raise wrong_use("--second-writer-accepted goes with one customer; one with a second writer is not clean.")
        if not (everyone and only_clean):
            raise wrong_use(
                "Name one customer (entra-syncro customers approve CUSTOMER CODE), or all whose plan is clean "
                "(entra-syncro customers approve --all --only-clean)."
            )
        _approve_clean(context, watch=watch, as_json=as_json)
        return
    if everyone or only_clean:
        raise wrong_use("Name one customer, or say --all --only-clean; not both.")
    approval = partial(
        operations.approve,
        customer_id=customer,
        code=code or agreed(context, customer, yes=yes),
        by=acting(context),
        first=first,
        second_writer_accepted=second_writer_accepted,
    )
    _approve_one(context, approval, first, watch=watch, as_json=as_json)


def _approve_one(
    context: typer.Context,
    approval: Callable[[OperatorPorts], Awaitable[StartedRun]],
    first: int | None,
    *,
    watch: bool,
    as_json: bool,
) -> None:
    started = operate(context, approval)
    if as_json:
        print_json(started)
    else:
        say(f"Approved. Users being brought in step: {started.planned} (run {started.run_id}).")
        if watch:
            follow(context, started)
    if first is not None and started.hold is not None and set(started.hold.brakes) == {Brake.CREATIONS}:
        if not as_json:
            _say_the_others(started.hold)
        return  # just what was asked for
    complain_held([started])


def _say_the_others(hold: Hold) -> None:
    others = "One more waits; create it" if len(hold.rows) == 1 else f"The other {len(hold.rows)} wait; create them"
    say(f"Look at the new contacts in Syncro. {others} with:")
    say(f"entra-syncro runs approve {hold.code}")


def _approve_clean(context: typer.Context, *, watch: bool, as_json: bool) -> None:
    by = acting(context)
    done = operate(context, lambda ports: _previewed_and_approved(ports, by))
    if as_json:
        failed = [{**_who(each), "why": explain(each.error, each.customer_id)} for each in done.failed]
        print_json({"runs": plain(done.runs), "rest": plain(done.rest), "failed": failed})
    else:
        say(f"Approved: {len(done.runs)}. Left for a look of their own: {len(done.rest)}.")
        _show_rest(done.rest)
        if watch and done.runs:
            follow_all(context, done.runs)
    complain_failed(done.failed)
    complain_held(done.runs)
    if done.failed:
        raise OperationError("Those were not approved, or their first sync could not begin. Try again.")
    if done.rest and not done.runs:
        raise held("Nobody was approved: each of these waits for a person's look.")


async def _previewed_and_approved(ports: OperatorPorts, by: str) -> ApprovedClean:
    with bars() as shown:
        bar = shown.add_task("looking at plans", total=None)
        return await operations.approve_clean(
            ports,
            by=by,
            expect=lambda count: shown.update(bar, total=count),
            told=lambda: shown.advance(bar),
        )


def _show_rest(rest: Sequence[NotClean]) -> None:
    if not rest:
        return
    print_table(
        "Not approved",
        ["customer", "name", "why"],
        ((each.customer_id, each.customer_name, each.short or each.why) for each in rest),
        empty="",
        whole="customer",
    )
    say("Look at each: entra-syncro preview --customer CUSTOMER")


def _who(each: NotStarted) -> dict[str, object]:
    return {"customer_id": each.customer_id, "customer_name": each.customer_name}
