"""The wire form of every answer that is not a plain success: fixed bodies, limits, spoiled answers, cut lines.

Next: `sandbox/syncro/router.py`.
"""

from __future__ import annotations

import json
import math
import secrets
import socket
import struct
from typing import Any

from aiohttp import web

NOT_AUTHORIZED = "Not authorized. Please ask account admin to update your group permissions."
TOO_MANY = "We have received a high number of requests from your address, please slow down."


def json_answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """JSON as Syncro sends it: charset named, never cached, with a request id."""
    every = {"Cache-Control": "no-store", "X-Request-Id": secrets.token_hex(16), **(headers or {})}
    return web.Response(
        text=json.dumps(body, ensure_ascii=False),
        status=status,
        headers=every,
        content_type="application/json",
        charset="utf-8",
    )


def html_answer(status: int, title: str) -> web.Response:
    head, body = f"<head><title>{title}</title></head>", f"<body>\r\n<center><h1>{title}</h1></center>\r\n</body>"
    page = f"<html>\r\n{head}\r\n{body}\r\n</html>\r\n"
    return web.Response(text=page, status=status, content_type="text/html", charset="utf-8")


def not_found() -> web.Response:
    return json_answer({"message": "Not found"}, 404)


def no_permission() -> web.Response:
    return json_answer({"error": NOT_AUTHORIZED}, 401)


def bad_token(kind: str) -> web.Response:
    text = "Failed to authenticate account" if kind == "failed_to_authenticate" else "Invalid API key"
    return json_answer({"error": text}, 401)


def too_many(kind: str, seconds: float) -> web.Response:
    """The refusal of the limiter; `kind` is the value of the switch `limit_answer`."""
    if kind == "429_html":
        return html_answer(429, "429 Too Many Requests")
    if kind == "200_error":
        return json_answer({"error": TOO_MANY})
    headers = {"Retry-After": str(max(1, math.ceil(seconds)))} if kind == "429_retry_after" else None
    return json_answer({"error": "Too many requests"}, 429, headers)


def spoiled(kind: str, limit_answer: str, token_answer: str) -> web.Response:
    """The answer of an armed fault (all kinds but `reset` and those that let the call go on)."""
    match kind:
        case "500_json":
            return json_answer({"status": 500, "error": "Internal Server Error"}, 500)
        case "502_html":
            return html_answer(502, "502 Bad Gateway")
        case "504_html":
            return html_answer(504, "504 Gateway Time-out")
        case "429":
            return too_many(limit_answer, 30)
        case "401_token":
            return bad_token(token_answer)
        case "401_permission":
            return no_permission()
        case "404":
            return not_found()
        case "200_error":
            return json_answer({"error": TOO_MANY})
        case "200_html":
            return html_answer(200, "Sign in to your account")
        case _:
            raise ValueError(f"no answer for fault {kind!r}")


def cut(request: web.Request) -> None:
    """Reset the connection at once: the caller sees an RST, not an orderly end."""
    if request.transport is None:
        return
    sock = request.transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
