"""`POST /$batch`: up to twenty calls of one tenant in one request, answered in any order.

Each item takes the ordinary way through graph.py with its own status, limits and headers; a malformed batch is a 400
as a whole. Next: delta.py.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.errors import bad_request
from sandbox.microsoft.graph import JSON_TYPE, Graph
from sandbox.microsoft.request import GraphRequest, GraphResponse, Route, split_path, split_query
from sandbox.microsoft.throttle import Cost

MAX_ITEMS = 20
_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
Item = Mapping[str, Any]


class Batch:
    """The batch endpoint of one Graph host."""

    def __init__(self, cloud: Cloud, graph: Graph) -> None:
        self._cloud = cloud
        self._graph = graph

    def routes(self) -> list[Route]:
        return [Route("POST", "/$batch", self._run, frozenset(), Cost("free"))]

    async def _run(self, request: GraphRequest) -> GraphResponse:
        if request.batched:
            raise bad_request("Nested batch requests are not supported.", "BadRequest")
        items = _items(request.body)
        statuses: dict[str, int] = {}
        responses: list[dict[str, Any]] = []
        for item in items:
            answer = await self._one(request, item, statuses)
            statuses[item["id"]] = answer["status"]
            responses.append(answer)
        if self._cloud.switches.batch_shuffle:
            self._cloud.rng.shuffle(responses)
        return GraphResponse(200, {"responses": responses})

    async def _one(self, request: GraphRequest, item: Item, statuses: Mapping[str, int]) -> dict[str, Any]:
        if any(statuses.get(name, 424) >= 400 for name in item.get("dependsOn") or ()):
            error = {"code": "FailedDependency", "message": "A request this one depends on failed."}
            return _answer(item["id"], GraphResponse(424, {"error": error}))
        parts = urlsplit(item["url"])
        headers = {str(name).lower(): str(value) for name, value in (item.get("headers") or {}).items()}
        single = GraphRequest(
            method=item["method"].upper(),
            segments=split_path(parts.path),
            query=split_query(parts.query),
            headers=headers,
            body=item.get("body"),
            tenant=request.tenant,
            identity=request.identity,
            version=request.version,
            base=request.base,
            batched=True,
        )
        client_id = headers.get("client-request-id", str(uuid.uuid4()))
        return _answer(item["id"], await self._graph.answer_item(single, item["url"], client_id))


def _answer(item_id: str, response: GraphResponse) -> dict[str, Any]:
    kind = JSON_TYPE if response.status < 400 else "application/json"
    headers = {"Cache-Control": "no-cache"} | response.headers
    answer: dict[str, Any] = {"id": item_id, "status": response.status, "headers": headers}
    if response.body is not None:
        headers["Content-Type"] = kind
        answer["body"] = json.loads(json.dumps(response.body))
    return answer


def _items(body: Any) -> list[Item]:
    """The items of a well-formed batch; a 400 for the whole batch otherwise."""
    items = body.get("requests") if isinstance(body, dict) else None
    if not isinstance(items, list) or not items:
        raise bad_request("Invalid batch payload format.", "BadRequest")
    if len(items) > MAX_ITEMS:
        raise bad_request(f"Number of batch request steps exceeds the maximum value of {MAX_ITEMS}.", "BadRequest")
    seen: set[str] = set()
    for item in items:
        _check_item(item, seen)
        seen.add(item["id"])
    return items


def _check_item(item: Any, earlier: set[str]) -> None:
    if not isinstance(item, dict) or not all(
        isinstance(item.get(name), str) and item[name] for name in ("id", "method", "url")
    ):
        raise bad_request("Invalid batch payload format.", "BadRequest")
    if not isinstance(item.get("headers") or {}, dict) or not _are_names(item.get("dependsOn") or []):
        raise bad_request("Invalid batch payload format.", "BadRequest")
    if item["id"] in earlier:
        raise bad_request(f"Duplicate request id '{item['id']}' in the batch payload.", "BadRequest")
    if item["method"].upper() not in _METHODS or _is_absolute(item["url"]):
        raise bad_request(f"Invalid method or url of batch request '{item['id']}'.", "BadRequest")
    names = {str(name).lower() for name in item.get("headers") or {}}
    if item.get("body") is not None and "content-type" not in names:
        raise bad_request(
            f"Write request id : {item['id']} does not contain Content-Type header or body.", "BadRequest"
        )
    if any(name not in earlier for name in item.get("dependsOn") or ()):
        raise bad_request(f"Request '{item['id']}' depends on a request that does not precede it.", "BadRequest")


def _are_names(given: Any) -> bool:
    return isinstance(given, list) and all(isinstance(name, str) for name in given)


def _is_absolute(url: str) -> bool:
    path = url.partition("?")[0]
    return "://" in path or path.startswith("//")
