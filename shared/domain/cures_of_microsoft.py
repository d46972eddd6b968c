"""Cures of what fails at Microsoft: Graph, the sign-in, Partner Center, and its handshake with our public address.

Codes are made in `shared/adapters/graph/errors.py`, `login_errors.py`, `door.py` and `partner.py`. Next:
`shared/domain/cures.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.domain.cure import NOBODY, REPORT, Action, Cure, later, person, soon, tenant

APP = "In the Entra admin center of your own tenant, open App registrations, the app"
PERMISSIONS = (
    "An administrator of the customer must grant consent to the app again: entra-syncro customers connect CUSTOMER"
    " prints the link."
)
POLICY = (
    "An administrator of the customer must let the app sign in: Entra admin center, Protection, Conditional Access,"
    " exclude the app (workload identities) from the policy that blocks it."
)
_DOOR = "Correct the reverse proxy or firewall in front of receiver.public_url"

# Microsoft's own handshake with our public address, as its answer to a creation tells it.
_HANDSHAKES: Mapping[str, Cure] = {
    "graph:handshake_failed": later(
        "Microsoft called the public address and was not answered with 200.",
        f"{_DOOR}: POST /graph/notifications and /graph/lifecycle must reach this program unchanged.",
    ),
    "graph:handshake_refused": person(
        "Something in front of the public address turned Microsoft's call away (a firewall, a filter, a sign-in page).",
        f"{_DOOR}: it must let POST /graph/notifications and /graph/lifecycle pass without sign-in or address filter.",
    ),
    "graph:handshake_timed_out": later(
        "Microsoft called the public address and had no answer within 10 seconds.",
        f"{_DOOR}: it must be reachable from the internet and answer at once.",
    ),
    "graph:handshake_mismatch": person(
        "Something in front of the public address changes our answer to Microsoft.",
        f"{_DOOR}: it must hand the query and the answer through as they are, byte for byte.",
    ),
    "graph:handshake_untrusted": person(
        "Microsoft does not trust the certificate of the public address.",
        "Serve a certificate of a public authority with its whole chain (intermediates too), for exactly this name,"
        " not expired.",
    ),
    "graph:handshake_tls": person(
        "Microsoft and the public address found no TLS version or cipher in common.",
        f"{_DOOR}: allow TLS 1.2 with its usual ciphers (ECDHE with AES-GCM).",
    ),
}

# The same address as this machine sees it (`shared/domain/door.py`).
_DOOR_FAULTS: Mapping[str, Cure] = {
    "door:dns": later(
        "The name in receiver.public_url has no address.",
        "Correct receiver.public_url, or add the name to your public DNS.",
    ),
    "door:refused": later(
        "Nobody listens at the address in receiver.public_url.",
        "Start the receiver and the reverse proxy, and open the port (443) in the firewall.",
    ),
    "door:tls_chain": later(
        "The certificate of receiver.public_url is not trusted (self-signed, chain incomplete, other name or expired).",
        "Serve a certificate of a public authority with its whole chain (intermediates too), for exactly this name.",
    ),
    "door:tls": later(
        "No TLS connection to receiver.public_url could be made (no common version or cipher, or no TLS at all).",
        f"{_DOOR}: serve https there, TLS 1.2 with its usual ciphers.",
    ),
    "door:not_200": later(
        "receiver.public_url does not answer Microsoft's handshake with 200.",
        f"{_DOOR}: POST /graph/notifications and /graph/lifecycle must reach this program without redirect or sign-in.",
    ),
    "door:wrong_body": later(
        "receiver.public_url answers Microsoft's handshake with another text than it should.",
        f"{_DOOR}: it must hand the query and the answer through as they are, byte for byte.",
    ),
    "door:timeout": later(
        "receiver.public_url does not answer within 10 seconds.",
        f"{_DOOR}: it must answer at once, and the firewall must not drop silently.",
    ),
}

_GRAPH: Mapping[str, Cure] = {
    "graph:tls_version_refused": person("Microsoft refused the TLS version named in the subscription.", REPORT),
    "graph:change_type_refused": person("Microsoft refused the kinds of change that were subscribed.", REPORT),
    "graph:expiration_too_far": person(
        "Microsoft grants subscriptions a shorter life than was asked for.",
        "Lower receiver.subscription_minutes in the settings.",
    ),
    "graph:empty_renewal": person("Microsoft found a renewal without content.", REPORT),
    "graph:token_refused": soon("Microsoft did not accept the access token.", f"{NOBODY} A new token is fetched."),
    "graph:not_yet_authorized": soon(
        "The consent has not reached all of Microsoft's servers yet.",
        f"{NOBODY} If it lasts longer than an hour, see entra-syncro check for missing permissions.",
    ),
    "graph:forbidden_for_now": soon("A server of Microsoft's refused for the moment."),
    "graph:permission_missing": tenant("The consent of this tenant lacks a permission.", PERMISSIONS),
    "graph:forbidden": tenant("Microsoft refuses us this tenant.", PERMISSIONS),
    "graph:conditional_access": tenant("A policy of this tenant (Conditional Access) blocks the app.", POLICY),
    "graph:quota_tenant": person(
        "This tenant has no room for another subscription: all programs together share 1,000, and others used them up.",
        "An administrator of the customer must remove another vendor's app that subscribes too much (Entra admin"
        " center, Enterprise applications). Until then changes are found by polling.",
    ),
    "graph:quota_app_tenant": person(
        "This app already has the 100 subscriptions that it may have in one tenant.",
        "Find out what else uses the same app registration, and give it another one. Until then changes are found by"
        " polling.",
    ),
    "graph:quota_app": person(
        "This app already has the 50,000 subscriptions that it may have over all tenants.",
        "Find out what else uses the same app registration, and give it another one. Until then changes are found by"
        " polling.",
    ),
    "graph:quota": person(
        "Microsoft's number of subscriptions is used up: 1,000 in a tenant for all programs together, 100 of them for"
        " this app, or 50,000 for this app over all tenants.",
        "See which of the customer's Enterprise applications subscribe to user changes. Until then changes are found"
        " by polling.",
    ),
    "graph:not_found": Cure(
        "What was asked for is gone at Microsoft.", "Nobody has to do anything: it is made anew.", Action.RECREATE
    ),
    "graph:already_exists": Cure(
        "The same subscription exists already.", "Nobody has to do anything: it is taken over.", Action.TAKE_OVER
    ),
    "graph:subscription_still_exists": soon("A subscription that was deleted is not gone everywhere yet."),
    "graph:resync_required": Cure(
        "Microsoft cannot tell any more what changed since the last poll.",
        "Nobody has to do anything: a full sync finds it.",
        Action.READ_ALL,
    ),
    "graph:page_token_expired": soon("A listing took too long and begins anew."),
    "graph:not_replicated": soon("A new object has not reached all of Microsoft's servers yet."),
    "graph:not_premium": soon("A report of Microsoft's is not available to this tenant at the moment."),
    "graph:not_supported": person("Microsoft does not offer this in the tenant's cloud.", REPORT),
    "graph:unsupported_query": person("Microsoft refused a query.", REPORT),
    "graph:bad_request": person("Microsoft refused a request as malformed.", REPORT),
    "graph:refused": person("Microsoft refused a request.", REPORT),
    "graph:foreign_link": person("Microsoft's answer leads to another host, which was not followed.", REPORT),
    "graph:service_fault": soon("A server of Microsoft's failed."),
    "graph:throttled": soon("Microsoft asked us to slow down."),
    "graph:bandwidth_exceeded": soon("Microsoft asked us to slow down (bandwidth)."),
    "graph:try_again": soon("Microsoft asked us to come again."),
    "graph:unexpected_status": soon(
        "Something answered in Microsoft's place.", f"{NOBODY} If it lasts, see the proxy of this machine's network."
    ),
    "graph:unreadable_answer": soon("Microsoft's answer could not be read."),
    "graph:answer_too_large": soon("Microsoft's answer was too large."),
    "graph:unreachable": soon(
        "Microsoft Graph cannot be reached.", f"{NOBODY} If it lasts, see this machine's network and firewall."
    ),
    "graph:timed_out": soon("Microsoft Graph did not answer in time."),
    "graph:connection_lost": soon("The connection to Microsoft Graph broke."),
    "graph:listing_without_end": soon("A listing of Microsoft's did not end."),
    "graph:tenant_timeout": soon("Microsoft took too long about this tenant's subscription."),
}

OF_MICROSOFT: Mapping[str, Cure] = {**_HANDSHAKES, **_DOOR_FAULTS, **_GRAPH}
