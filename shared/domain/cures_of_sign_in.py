"""Cures of what fails when we sign in: as the app in a customer's tenant, or as a person of the partner.

Codes are made in `shared/adapters/graph/login_errors.py`, `credentials.py` and `shared/adapters/partner*.py`. Next:
`shared/domain/cures.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.domain.cure import NOBODY, REPORT, Cure, account, person, soon, tenant
from shared.domain.cures_of_microsoft import APP, PERMISSIONS, POLICY

_LOGIN: Mapping[str, Cure] = {
    "login:consent_missing": tenant("This tenant does not know the app.", PERMISSIONS),
    "login:consent_declined": tenant("This tenant declined the app.", PERMISSIONS),
    "login:tenant_unknown": tenant(
        "There is no such tenant.", "Check the tenant's id: it stands in the Entra admin center under Overview."
    ),
    "login:blocked_by_policy": tenant("A policy of this tenant blocks the app.", POLICY),
    "login:not_assigned": tenant(
        "This tenant lets only assigned apps sign in.",
        "An administrator of the customer must let the app sign in: Entra admin center, Enterprise applications, the"
        " app, Properties, set Assignment required to No.",
    ),
    "login:app_disabled": tenant(
        "The app is disabled in this tenant.",
        "An administrator of the customer must let the app sign in: Entra admin center, Enterprise applications, the"
        " app, Properties, set Enabled for users to sign-in to Yes.",
    ),
    "login:login_refused": tenant("This tenant refused the app.", PERMISSIONS),
    "login:secret_wrong": account(
        "The app's secret is wrong, no tenant can be read.",
        f"{APP}, Certificates & secrets, make a new secret and put its value (not its id) into graph.app_secret.",
    ),
    "login:secret_expired": account(
        "The app's secret has expired, no tenant can be read.",
        f"{APP}, Certificates & secrets, make a new secret and put its value (not its id) into graph.app_secret.",
    ),
    "login:certificate_refused": account(
        "The app's certificate was refused, no tenant can be read.",
        f"{APP}, Certificates & secrets, upload the certificate that the settings name.",
    ),
    "login:assertion_refused": account(
        "The app's federated credential was refused, no tenant can be read.",
        f"{APP}, Certificates & secrets, Federated credentials: issuer, subject and audience must be those of the"
        " assertion exactly.",
    ),
    "login:assertion_expired": account(
        "The assertion of the app's federated credential has expired, no tenant can be read.",
        "See that the platform renews the assertion (its file, or the managed identity), and this machine's clock.",
    ),
    "login:credential_refused": account(
        "The app's credential was refused, no tenant can be read.",
        "Check graph.app_id and the app's credential (secret, certificate or federation) in the settings.",
    ),
    "login:assertion_unreadable": account(
        "There is no assertion in graph.assertion_file, no tenant can be read.",
        "See that the platform writes the file (workload identity), and that this program may read it.",
    ),
    "login:managed_identity_refused": account(
        "The platform gives this machine no token for its managed identity, no tenant can be read.",
        "Assign the managed identity to this machine, or put the client id of one that is into graph.managed_identity.",
    ),
    "login:managed_identity_unavailable": soon(
        "The platform's identity service did not answer.",
        f"{NOBODY} If it lasts, see that this machine has a managed identity at all (it must run in Azure or be"
        " connected by Azure Arc).",
    ),
    "login:not_a_domain": person("This is no domain name.", "Correct the domain and try again."),
    "login:login_unavailable": soon("Microsoft's sign-in could not be reached or did not answer as it should."),
    "login:login_timed_out": soon("Microsoft's sign-in did not answer in time."),
    "login:unreadable_answer": soon("The answer of Microsoft's sign-in could not be read."),
}

_RELATIONSHIP = (
    "In Partner Center, open the customer, Admin relationships (GDAP), and see that one is active and that your user is"
    " in a security group of it with the roles Cloud Application Administrator and Privileged Role Administrator. Or"
    " have the customer's administrator consent by the link printed below."
)

_PARTNER: Mapping[str, Cure] = {
    "partner:partner_not_set": person("The partner's tenant is not set.", "Set partner.tenant_id in the settings."),
    "partner:sign_in_declined": person("The sign-in was declined.", "Sign in again and accept."),
    "partner:sign_in_expired": person("Nobody signed in in time, or the sign-in is too old.", "Sign in again."),
    "partner:sign_in_refused": person(
        "Partner Center does not accept who signed in.", "Sign in as a user of the partner's own tenant (Admin agent)."
    ),
    "partner:mfa_wanted": person(
        "Microsoft wants a second factor of the person who signs in.", "Sign in again with multi-factor authentication."
    ),
    "partner:blocked_by_policy": person("A policy (Conditional Access) blocks the person who signs in.", POLICY),
    "partner:public_client_off": person(
        "The app may not be used for a sign-in on another device.",
        f"{APP}, Authentication, set Allow public client flows to Yes.",
    ),
    "partner:no_relationship": person("There is no partner relationship (GDAP) with this tenant.", _RELATIONSHIP),
    "partner:lacks_role": person("The partner relationship lacks the role that may consent.", _RELATIONSHIP),
    "partner:app_not_seen": soon("The tenant does not show the app yet."),
    "partner:partner_busy": soon("Partner Center asked us to come again."),
    "partner:unreadable_answer": soon("Partner Center's answer could not be read."),
    "partner:listing_without_end": soon("A listing of Partner Center's did not end."),
    "partner:foreign_link": person("Partner Center's answer leads to another host, which was not followed.", REPORT),
    "partner:refused": person("Partner Center refused a request.", REPORT),
}

OF_SIGN_IN: Mapping[str, Cure] = {**_LOGIN, **_PARTNER}
