"""Several reads in one request, each with its own answer: an object, or the error that Graph gave for it alone.

Refused items are repeated by themselves, the others are kept. Next: `shared/adapters/graph/reports/frame.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.adapters.graph.caller import Call
from shared.adapters.graph.errors import family, worst
from shared.adapters.graph.reports.patience import PatientCaller
from shared.adapters.graph.wire import unreadable
from shared.adapters.lenient import Json, integer, mapping, objects, text
from shared.domain.errors import SyncError

BATCH = 20

BatchAnswers = dict[str, Json | SyncError]


async def batch(caller: PatientCaller, paths: Mapping[str, str]) -> BatchAnswers:
    """Up to 20 paths by names of ours -> the object or error of each. Raises when the request as a whole fails."""
    answers = await _once(caller, paths)
    while limited := _limited(answers):
        if not await caller.waited(worst(list(limited.values()))):
            break
        answers |= await _once(caller, {name: paths[name] for name in limited})
    return answers


async def _once(caller: PatientCaller, paths: Mapping[str, str]) -> BatchAnswers:
    names = list(paths)
    requests = [{"id": str(place), "method": "GET", "url": paths[name]} for place, name in enumerate(names)]
    answer = await caller.call(Call("POST", "/$batch", "/$batch", json={"requests": requests}))
    responses = {integer(item.get("id")): item for item in objects(mapping(answer.document).get("responses"))}
    return {name: _item(responses.get(place, {}), caller.tenant_id) for place, name in enumerate(names)}


def _item(item: Json, tenant_id: str) -> Json | SyncError:
    status, body = integer(item.get("status")), item.get("body")
    if status is None or (status == 200 and not isinstance(body, dict)):
        return unreadable("/$batch item")
    if status == 200:
        return mapping(body)
    headers = {name.lower(): text(value) or "" for name, value in mapping(item.get("headers")).items()}
    return family(status, headers, body, tenant_id)


def _limited(answers: BatchAnswers) -> Mapping[str, SyncError]:
    errors = {name: answer for name, answer in answers.items() if isinstance(answer, SyncError)}
    return {name: error for name, error in errors.items() if error.code == "throttled"}


def chunks(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + BATCH] for start in range(0, len(names), BATCH)]
