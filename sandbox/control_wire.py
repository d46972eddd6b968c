"""How the control API reads and answers: JSON in and out, every mistake a 400 (or 404, 405) that says what is known.

Next: `sandbox/control.py`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[Any]]


def answering(handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        try:
            return web.json_response(await handler(request))
        except (ValueError, TypeError, OverflowError) as error:
            return web.json_response({"error": str(error)}, status=400)

    return answer


@web.middleware
async def in_json(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
    """A path or method that the table does not know is answered in JSON like every other mistake."""
    try:
        return await handler(request)
    except web.HTTPException as no:
        return web.json_response({"error": f"{request.method} {request.path}: {no.reason}"}, status=no.status)


async def read_body(request: web.Request, known: set[str] | None = None) -> dict[str, Any]:
    try:
        body = json.loads(await request.read() or b"{}")
    except (ValueError, RecursionError) as error:
        raise ValueError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise ValueError("the body is a JSON object")
    if known is not None and set(body) - known:
        raise ValueError(f"unknown keys {sorted(set(body) - known)}; known: {sorted(known)}")
    return body


def check_names(wanted: dict[str, Any], values: dict[str, Any]) -> None:
    unknown, known = set(wanted) - set(values), sorted(set(values) - {"faults"})
    if unknown:
        raise ValueError(f"unknown switches {sorted(unknown)}; known: {', '.join(known)}")


def read_object(body: dict[str, Any], key: str) -> dict[str, Any]:
    value = body.get(key, {})
    if not isinstance(value, dict):
        raise ValueError(f"{key} is a JSON object")
    return value
