"""Cures of what fails at Syncro. Codes are made in `shared/adapters/syncro/`. Next: `shared/domain/cures.py`."""

from __future__ import annotations

from collections.abc import Mapping

from shared.domain.cure import NOBODY, REPORT, Action, Cure, account, person, soon

_TOKEN = "In Syncro, open Admin, API Tokens"  # noqa: S105 - where a person finds it

OF_SYNCRO: Mapping[str, Cure] = {
    "syncro:token": account(
        "The API token is wrong or has expired, or the user who owns it was deactivated.",
        f"{_TOKEN}, make a new token and put it into syncro.api_token.",
    ),
    "syncro:permission": account(
        "The API token lacks a permission.",
        f"{_TOKEN}, and give the token Customers List/Search, Customers View Detail and Customers Edit.",
    ),
    "syncro:forbidden": account(
        "Syncro refuses every call.", f"See that the Syncro account is active. {_TOKEN}, and see the token's state."
    ),
    "syncro:too_many": account(
        "More than 180 calls a minute left this address.",
        f"{NOBODY} If it comes again, lower syncro.pace_per_minute: other tools at this address use the same limit.",
    ),
    "syncro:unwell": account("Syncro fails for several customers.", f"{NOBODY} See status.syncromsp.com if it lasts."),
    "syncro:invalid_email": person(
        "Syncro does not accept this e-mail address.", "Correct the user's address in Entra."
    ),
    "syncro:customer_missing": person("Syncro wants a customer for this contact.", REPORT),
    "syncro:name_missing": person("Syncro wants a name for this contact.", "Give the user a name in Entra."),
    "syncro:duplicate": person(
        "Syncro holds this value for another contact.",
        "Correct the other contact in Syncro, then: entra-syncro dead-letters replay.",
    ),
    "syncro:unknown_field": person(
        "Syncro does not know one of the custom fields.", "entra-syncro check names the missing fields and their types."
    ),
    "syncro:rejected": person("Syncro refused the values.", "Correct the user in Entra or the contact in Syncro."),
    "syncro:bad_request": person("Syncro refused a request.", REPORT),
    "syncro:not_found": Cure(
        "The contact is gone in Syncro.", "Nobody has to do anything: the next look finds or makes it.", Action.RECREATE
    ),
    "syncro:filter_ignored": person("Syncro listed contacts of other customers.", REPORT),
    "syncro:service_fault": soon("A server of Syncro's failed."),
    "syncro:unreadable_answer": soon("Syncro's answer could not be read."),
    "syncro:answer_too_large": soon("Syncro's answer was too large."),
    "syncro:unreachable": soon(
        "Syncro cannot be reached.", f"{NOBODY} If it lasts, check syncro.subdomain and this machine's network."
    ),
    "syncro:timed_out": soon("Syncro did not answer in time."),
    "syncro:connection_lost": soon("The connection to Syncro broke."),
    "syncro:listing_unstable": soon("Contacts were changed while they were listed."),
    "syncro:listing_outdated": soon("Syncro's listing and a single read disagree for the moment."),
}
