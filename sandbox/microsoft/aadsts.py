"""The AADSTS error codes of the login host: status, OAuth error and text of each.

Texts are the vendor's as far as captured. Which one applies is decided in app_tokens.py, delegated.py and consent.py.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

# code -> (HTTP status, OAuth error, text)
_TABLE: dict[int, tuple[int, str, str]] = {
    700016: (
        400,
        "unauthorized_client",
        "Application with identifier '{app}' was not found in the directory '{tenant}'. This can happen if the "
        "application has not been installed by the administrator of the tenant or consented to by any user in the "
        "tenant. You may have sent your authentication request to the wrong tenant.",
    ),
    7000229: (
        401,
        "invalid_client",
        "The client application {app} is missing service principal in the tenant {tenant}.",
    ),
    7000215: (
        401,
        "invalid_client",
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not "
        "the client secret ID, for a secret added to app '{app}'.",
    ),
    7000222: (
        401,
        "invalid_client",
        "The provided client secret keys for app '{app}' are expired. Visit the Azure portal to create new keys for "
        "your app.",
    ),
    700027: (
        401,
        "invalid_client",
        "The certificate with identifier used to sign the client assertion is not registered on application.",
    ),
    50027: (400, "invalid_request", "JWT token is invalid or malformed."),
    7000218: (
        401,
        "invalid_client",
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    ),
    7000112: (400, "unauthorized_client", "Application '{app}' is disabled."),
    65001: (
        400,
        "invalid_grant",
        "The user or administrator has not consented to use the application with ID '{app}'.",
    ),
    65004: (400, "consent_required", "User declined to consent to access the app."),
    50011: (
        400,
        "invalid_request",
        "The redirect URI '{tenant}' specified in the request does not match the redirect URIs configured for the "
        "application '{app}'. Make sure the redirect URI sent in the request matches one added to your application "
        "in the Azure portal.",
    ),
    50020: (
        400,
        "invalid_grant",
        "User account '{person}' from identity provider 'https://sts.windows.net/{home}/' does not exist in tenant "
        "'{tenant}' and cannot access the application '{app}'(entra-syncro) in that tenant. The account needs to be "
        "added as an external user in the tenant first. Sign out and sign in again with a different Azure Active "
        "Directory user account.",
    ),
    50105: (400, "invalid_grant", "The application '{app}' is not assigned to a role for the application."),
    53003: (400, "invalid_grant", "Access has been blocked by Conditional Access policies."),
    90002: (
        400,
        "invalid_request",
        "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the "
        "correct cloud.",
    ),
    90072: (400, "invalid_grant", "The account does not exist in tenant '{tenant}'."),
    900144: (400, "invalid_request", "The request body must contain the following parameter: '{app}'."),
    70016: (400, "authorization_pending", "OAuth 2.0 device flow error. Authorization is pending. Continue polling."),
    70018: (400, "authorization_declined", "The end user denied the authorization request."),
    70020: (
        400,
        "expired_token",
        "The provided value for the input parameter 'device_code' is not valid. This device code has expired.",
    ),
    700082: (400, "invalid_grant", "The refresh token has expired due to inactivity."),
    9002313: (400, "invalid_grant", "Invalid request. Request is malformed or invalid."),
    900023: (
        400,
        "invalid_request",
        "Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain.",
    ),
    70003: (400, "unsupported_grant_type", "The app requested an unsupported grant type."),
    50059: (
        400,
        "invalid_request",
        "No tenant-identifying information found in either the request or implied by any provided credentials.",
    ),
    1002012: (
        400,
        "invalid_scope",
        "The provided value for scope {app} is not valid. Client credential flows must have a scope value with "
        "/.default suffixed to the resource identifier (application ID URI).",
    ),
    500011: (
        400,
        "invalid_resource",
        "The resource principal named {app} was not found in the tenant named {tenant}.",
    ),
}


class LoginError(Exception):
    """A refusal of the token endpoint."""

    def __init__(self, code: int, status: int, error: str, text: str) -> None:
        super().__init__(str(code))
        self.code = code
        self.status = status
        self.error = error
        self.text = text

    def body(self, now: datetime, trace_id: str, correlation_id: str) -> dict[str, Any]:
        stamp = now.strftime("%Y-%m-%d %H:%M:%SZ")
        return {
            "error": self.error,
            "error_description": f"AADSTS{self.code}: {self.text} Trace ID: {trace_id} Correlation ID: "
            f"{correlation_id} Timestamp: {stamp}",
            "error_codes": [self.code],
            "timestamp": stamp,
            "trace_id": trace_id,
            "correlation_id": correlation_id,
            "error_uri": f"https://login.microsoftonline.com/error?code={self.code}",
        }


def login_error(code: int, *, tenant: str = "", app: str = "", person: str = "", home: str = "") -> LoginError:
    """The error of a known code; an unknown code gets a plain invalid_request."""
    status, error, text = _TABLE.get(code, (400, "invalid_request", "The request is not valid."))
    return LoginError(code, status, error, text.format(tenant=tenant, app=app, person=person, home=home))
