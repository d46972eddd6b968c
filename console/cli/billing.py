"""`entra-syncro billing-check`: may invoices trust what Syncro says now? And what of one customer does not add up.

Exit code 1 names a customer that is too old, held, halted or without consent. The contacts that are billed without a
licence can be cleared by the code that their report carries.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Annotated

import typer

from console import operations
from console.cli.context import acting, operate
from console.cli.output import Json, fields_of, print_json, print_table, say
from console.cli.sync import OneCustomer
from console.operations import BillingCheck, BillingState, OperationError, OperatorPorts, Trust
from console.operations.errors import wrong_use
from shared.domain.billing import BillingReport, NotBilled, SameEmail, WithoutLicence

Checked = tuple[BillingCheck, BillingReport | None]


def billing_check(
    context: typer.Context,
    customer: OneCustomer = None,
    before: Annotated[
        str | None, typer.Option(help="The day of the invoices, such as 2026-12-01 (nightly.zone); without it, now.")
    ] = None,
    clear: Annotated[str | None, typer.Option(help="The code of the report: clear those licences.")] = None,
    as_json: Json = False,
) -> None:
    """See whether every customer may be billed, and why not.

    Example: entra-syncro billing-check --before 2026-12-01
    """
    if clear is not None:
        _clear(context, customer, before, clear, as_json=as_json)
        return
    check, report = operate(context, lambda ports: _checked(ports, before, customer))
    if as_json:
        print_json({**fields_of(check), "ok": check.is_fine, "report": report})
    else:
        show(check)
        if report is not None:
            show_report(report)
    if not check.is_fine:
        raise OperationError(_verdict(check))


async def _checked(ports: OperatorPorts, before: str | None, customer: int | None) -> Checked:
    check = await operations.billing_check(ports, before=before, customer_id=customer)
    return check, None if customer is None else await operations.billing_report(ports, customer)


def _clear(context: typer.Context, customer: int | None, before: str | None, code: str, *, as_json: bool) -> None:
    if customer is None or before is not None:
        raise wrong_use("A code belongs to one customer: entra-syncro billing-check --customer CUSTOMER --clear CODE")
    number, by = customer, acting(context)
    cleared = operate(context, lambda ports: operations.clear_unlicensed(ports, number, code, by=by))
    if as_json:
        print_json({"customer_id": number, "cleared": cleared})
        return
    say(f"Contacts whose licence was cleared: {cleared}. What is left: entra-syncro billing-check --customer {number}")


def _verdict(check: BillingCheck) -> str:
    wrong = [state for state in check.customers if not state.is_fine]
    return f"Not ready to be billed: {len(wrong)} of {len(check.customers)} customers."


# --- every customer -------------------------------------------------------------------------------------------


def show(check: BillingCheck) -> None:
    """First those that may not be billed, each with its reason and whose turn it is."""
    wrong = [state for state in check.customers if not state.is_fine]
    apart = [state for state in check.customers if state.trust is Trust.DISCONNECTED]
    print_table(
        "Not ready to be billed, times in UTC",
        ["customer", "why", "last complete full sync"],
        ((f"{each.customer_id}\n{each.customer_name}", each.trust.value, _began(each)) for each in wrong),
        empty=_ready(check),
    )
    for each in wrong:  # below the table: a command that is broken into lines cannot be copied
        say(f"{each.customer_id}: {each.next}")
    if apart:
        say(f"Disconnected, and not looked at: {', '.join(str(each.customer_id) for each in apart)}.")


def _ready(check: BillingCheck) -> str:
    if all(each.trust is Trust.DISCONNECTED for each in check.customers):
        return (
            "No customer is connected, so there is nothing to check. Connect one: "
            "entra-syncro customers connect CUSTOMER --tenant TENANT-ID"
        )
    oldest = check.oldest.astimezone(UTC)
    return f"Ready to be billed: every customer's last full sync began at {oldest:%Y-%m-%d %H:%M} UTC or later."


def _began(state: BillingState) -> str:
    return f"{state.began:%Y-%m-%d %H:%M}" if state.began else "none"


# --- one customer ---------------------------------------------------------------------------------------------


def show_report(report: BillingReport) -> None:
    print_table(
        "Billed without a licence",
        ["contact", "licence", "user", "why"],
        map(_without_licence, report.without_licence),
        empty="Billed without a licence: nobody.",
    )
    clearable = sum(row.can_clear for row in report.without_licence)
    if clearable:
        say(f"Clear the licence of {clearable} of these contacts:")
        say(f"entra-syncro billing-check --customer {report.customer_id} --clear {report.code}")
    print_table(
        "Licensed but not billed",
        ["user", "licence", "contact", "why"],
        map(_not_billed, report.not_billed),
        empty="Licensed but not billed: nobody.",
    )
    print_table(
        "Same e-mail twice",
        ["e-mail", "contacts", "why"],
        map(_same_email, report.same_email),
        empty="Same e-mail twice: none.",
    )


def _without_licence(row: WithoutLicence) -> Sequence[str]:
    why = row.why if row.can_clear else f"{row.why} (not cleared by the code)"
    return (f"{row.contact_label} ({row.contact_id})", row.value, row.user_label or "-", why)


def _not_billed(row: NotBilled) -> Sequence[str]:
    contact = "-" if row.contact_id is None else f"{row.contact_label} ({row.contact_id})"
    return (row.user_label, row.licence, contact, row.why)


def _same_email(row: SameEmail) -> Sequence[str]:
    contacts = "\n".join(f"{label} ({contact_id})" for contact_id, label in row.contacts.items())
    return (row.email, contacts, row.why)
