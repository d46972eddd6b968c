"""Graph's error bodies: one exception that carries a status, a code and a message, and the JSON form of it.

Texts are the vendor's own, verbatim where a capture exists. What is refused is decided elsewhere. Next: graph.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

STATUS_NAMES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    429: "TooManyRequests",
    500: "InternalServerError",
    502: "BadGateway",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}


class GraphError(Exception):
    """An answer that is not a success; `headers` are added to the response."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.more = more

    def body(self, now: datetime, request_id: str, client_request_id: str) -> dict[str, Any]:
        """`{"error": {"code", "message", "innerError": {...}}}`."""
        inner = {
            "date": now.strftime("%Y-%m-%dT%H:%M:%S"),
            "request-id": request_id,
            "client-request-id": client_request_id,
        }
        if self.status == 429:
            # captured throttling answers repeat code and status inside innerError
            inner = {"code": "429", "message": "Please retry after", "status": "429"} | inner
        return {"error": {"code": self.code, "message": self.message} | self.more | {"innerError": inner}}


def bad_request(message: str, code: str = "Request_BadRequest", **more: Any) -> GraphError:
    return GraphError(400, code, message, **more)


def not_found(resource_id: str) -> GraphError:
    """The exact text with which a missing, deleted or not yet replicated object is answered."""
    return GraphError(
        404,
        "Request_ResourceNotFound",
        f"Resource '{resource_id}' does not exist or one of its queried reference-property objects are not present.",
    )


def denied() -> GraphError:
    return GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def extension_error(operation: str, status: int, reason: str) -> GraphError:
    """The wrapper of the subscription service's backend: `Operation: Create; Exception: [...]`."""
    text = f"Operation: {operation}; Exception: [Status Code: {STATUS_NAMES[status]}; Reason: {reason}]"
    return GraphError(status, "ExtensionError", text)


def unauthenticated(message: str, login_url: str) -> GraphError:
    challenge = (
        f'Bearer realm="", authorization_uri="{login_url}/common/oauth2/authorize", '
        'client_id="00000003-0000-0000-c000-000000000000"'
    )
    return GraphError(401, "InvalidAuthenticationToken", message, headers={"WWW-Authenticate": challenge})
