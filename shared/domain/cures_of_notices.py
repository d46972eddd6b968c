"""Cures of what fails on the way to people: mail, Teams, tickets. Codes are made in `shared/adapters/notices/`."""

from __future__ import annotations

from collections.abc import Mapping

from shared.domain.cure import NOBODY, REPORT, Cure, later, person, soon

_TRY = "then try it: entra-syncro notices test."
_WORKFLOW = "In Teams, open the channel's Workflows, and see that the one for webhook requests is turned on"

_SMTP: Mapping[str, Cure] = {
    "smtp:login_refused": person(
        "The mail server refuses the sign-in.", f"Correct notices.smtp.user and notices.smtp.password, {_TRY}"
    ),
    "smtp:recipients_refused": later(
        "The mail server takes no mail for the addresses of notices.",
        f"Correct notices.smtp.to, or let the server relay for this machine, {_TRY}",
    ),
    "smtp:sender_refused": later(
        "The mail server takes no mail from the sender of notices.", f"Correct notices.smtp.sender, {_TRY}"
    ),
    "smtp:refused": later("The mail server refused a notice.", f"See the mail server's log for the reason, {_TRY}"),
    "smtp:not_offered": person(
        "The mail server offers no STARTTLS or no sign-in on this port.",
        f"Correct notices.smtp.port and notices.smtp.encryption (587 with starttls, 465 with tls), {_TRY}",
    ),
    "smtp:untrusted": person(
        "The certificate of the mail server is not trusted.",
        f"Use the name that the certificate is for as notices.smtp.host, or set notices.smtp.ca_file, {_TRY}",
    ),
    "smtp:no_tls": person(
        "No TLS connection to the mail server came about.",
        f"Correct notices.smtp.port and notices.smtp.encryption (587 with starttls, 465 with tls), {_TRY}",
    ),
    "smtp:connection_lost": soon("The mail server hung up."),
    "smtp:timed_out": soon("The mail server did not answer in time."),
    "smtp:unreachable": later(
        "The mail server cannot be reached.",
        f"Correct notices.smtp.host and notices.smtp.port, or open the firewall, {_TRY}",
    ),
    "smtp:not_a_mail": person("A notice cannot be written as a mail.", REPORT),
}

_TEAMS: Mapping[str, Cure] = {
    "teams:gone": person(
        "The Workflow of the Teams channel is gone or refuses us.",
        f"{_WORKFLOW}; put its address into notices.teams_url again, {_TRY}",
    ),
    "teams:refused": person("Teams refused a card.", f"{_WORKFLOW} and posts the card it is given, {_TRY}"),
    "teams:too_many": soon("Teams asked us to slow down."),
    "teams:service_fault": soon("A server of Teams failed."),
    "teams:unreachable": soon(
        "Teams cannot be reached.", f"{NOBODY} If it lasts, see notices.teams_url and this machine's firewall."
    ),
    "teams:timed_out": soon("Teams did not answer in time."),
    "teams:connection_lost": soon("The connection to Teams broke."),
    "teams:answer_too_large": soon("The answer of Teams was too large."),
}

_TICKET: Mapping[str, Cure] = {
    "ticket:permission": person(
        "The API token may not create tickets.",
        f"In Syncro, open Admin, API Tokens, and tick Tickets - Create for the token, {_TRY}",
    ),
    "ticket:customer_unknown": person(
        "Syncro does not know the customer for tickets.",
        f"Put the number of a customer of your own into notices.ticket_customer, {_TRY}",
    ),
    "ticket:token": person(
        "Syncro refuses the API token.", "In Syncro, open Admin, API Tokens, make a new one, and set syncro.api_token."
    ),
    "ticket:forbidden": person("Syncro refuses to open tickets.", f"See that the Syncro account is active, {_TRY}"),
    "ticket:too_many": soon("Syncro asked us to slow down."),
    "ticket:timed_out": soon("There was no ticket in time."),
    "ticket:connection_lost": soon("The connection to Syncro broke."),
    "ticket:answer_too_large": soon("Syncro's answer about a ticket was too large."),
    "ticket:service_fault": soon("Syncro could not open a ticket."),
    "ticket:unreadable_answer": soon("Syncro's answer about a ticket could not be read."),
    "ticket:rejected": person("Syncro refused a ticket.", REPORT),
    "ticket:bad_request": person("Syncro refused a ticket.", REPORT),
}

OF_NOTICES: Mapping[str, Cure] = {**_SMTP, **_TEAMS, **_TICKET}
