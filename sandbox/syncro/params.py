"""What a call brought, merged as the real server merges it: query, JSON body (of a GET too) or form.

Next: `sandbox/syncro/router.py`.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl

from sandbox.syncro.rejected import RejectedError

_NESTED = re.compile(r"^([^\[\]]+)\[([^\[\]]*)\]$")


def read_params(query_string: str, body: bytes, content_type: str) -> dict[str, Any]:
    """Query and body in one; the body wins. Raises `RejectedError` 400 for JSON that is none."""
    params = read_form(query_string)
    if not body.strip():
        return params
    if content_type == "application/x-www-form-urlencoded" and not body.lstrip().startswith(b"{"):
        return params | read_form(body.decode("utf-8", "replace"))
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RejectedError(400, ["There was a problem in the JSON you submitted"]) from error
    return params | sent if isinstance(sent, dict) else params


def read_form(text: str) -> dict[str, Any]:
    """`a=1`, `id[]=1&id[]=2` (a list) and `properties[Badge No.]=7` (an object)."""
    params: dict[str, Any] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        nested = _NESTED.match(key)
        if nested is None:
            params[key] = value
            continue
        outer, inner = nested.groups()
        if inner:
            held = params.setdefault(outer, {})
            if isinstance(held, dict):
                held[inner] = value
        else:
            rows = params.setdefault(outer, [])
            if isinstance(rows, list):
                rows.append(value)
    return params
