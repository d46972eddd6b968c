"""Which directory extensions are selected besides the attributes that every user has, tenant by tenant.

The rules of a tenant's customers say which are wanted, and are asked at every read: a look right after a new rule must
see what the rule is about. Graph refuses a whole request for one name that the tenant does not have (400), so a refused
read is told apart name by name and repeated without; the others are read, and those are unknown. No reading fails for
them alone. Next: `shared/adapters/graph/directory.py`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from shared.adapters.graph.auth import Tokens
from shared.adapters.graph.caller import Call, GraphCaller
from shared.adapters.graph.errors import REFUSED_QUERIES, family
from shared.adapters.graph.wire import unreadable
from shared.adapters.http import HttpClient
from shared.adapters.lenient import integer, mapping, objects, text
from shared.domain.errors import Permanent
from shared.domain.user import SELECT

LACKING_SECONDS = 3600.0  # how long a name that the tenant does not have is left out, before it is tried again
BATCH = 20

Wanted = Callable[[str], Awaitable[Collection[str]]]  # tenant id -> names that the rules of its customers ask for
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Selected:
    """`names`: selected besides the common ones. `lacking`: wanted, but the tenant has none such."""

    names: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """For `$select`."""
        return tuple(dict.fromkeys([*SELECT, *self.names]))


class Attributes(Protocol):
    """What the Graph adapters need to know of them. `also`: names wanted by rules that nobody has saved yet."""

    async def of(self, tenant_id: str, also: Iterable[str] = ()) -> Selected:
        """Without a request to Graph; a name counts as there until it was refused."""

    async def tested(self, tenant_id: str, also: Iterable[str] = ()) -> Selected:
        """The same after asking Graph for each name; one request, none where no name is wanted."""


class CommonAttributes:
    """No others, in any tenant."""

    async def of(self, tenant_id: str, also: Iterable[str] = ()) -> Selected:
        return Selected()

    async def tested(self, tenant_id: str, also: Iterable[str] = ()) -> Selected:
        return Selected()


class WantedAttributes:
    """`Attributes` by what rules want, each name tried in its tenant. Raises what `wanted` and Graph raise."""

    def __init__(
        self,
        http: HttpClient,
        tokens: Tokens,
        base_url: str,
        wanted: Wanted,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._caller = GraphCaller(http, tokens, base_url)
        self._wanted = wanted
        self._monotonic = monotonic
        self._lacking: dict[tuple[str, str], float] = {}  # (tenant, name) -> until when

    async def of(self, tenant_id: str, also: Iterable[str] = ()) -> Selected:
        names: dict[str, str] = {}
        for name in (*await self._wanted(tenant_id), *also):
            names.setdefault(name.casefold(), name)
        now = self._monotonic()
        lacking = tuple(name for key, name in names.items() if self._lacking.get((tenant_id, key), 0.0) > now)
        return Selected(tuple(name for name in names.values() if name not in lacking), lacking)

    async def tested(self, tenant_id: str, also: Iterable[str] = ()) -> Selected:
        names = (await self.of(tenant_id, also)).names
        for start in range(0, len(names), BATCH):
            for name in await self._absent(tenant_id, names[start : start + BATCH]):
                self._lacking[tenant_id, name.casefold()] = self._monotonic() + LACKING_SECONDS
        return await self.of(tenant_id, also)

    async def _absent(self, tenant_id: str, names: Sequence[str]) -> list[str]:
        """Those for which Graph refuses a request that asks for nothing else."""
        requests = [
            {"id": str(place), "method": "GET", "url": f"/users?$select=id,{name}&$top=1"}
            for place, name in enumerate(names)
        ]
        answer = await self._caller.read(tenant_id, Call("POST", "/$batch", "/$batch", json={"requests": requests}))
        items = {integer(item.get("id")): item for item in objects(answer.get("responses"))}
        if not items.keys() >= set(range(len(names))):
            raise unreadable("/$batch")
        absent = []
        for place, name in enumerate(names):
            status, body = integer(items[place].get("status")) or 0, items[place].get("body")
            if status == 200:
                continue
            headers = {key.lower(): text(value) or "" for key, value in mapping(items[place].get("headers")).items()}
            error = family(status, headers, body, tenant_id)
            if not is_refused(error):
                raise error
            absent.append(name)
        return absent


def is_refused(error: BaseException) -> bool:
    """Graph did not understand the request itself: maybe for a name in its `$select`."""
    return isinstance(error, Permanent) and error.code in REFUSED_QUERIES


async def selecting(
    attributes: Attributes,
    tenant_id: str,
    read: Callable[[Selected], Awaitable[Result]],
    also: Iterable[str] = (),
) -> Result:
    """The read, repeated once without the names that the tenant turns out not to have. Raises what `read` raises."""
    also = tuple(also)
    selected = await attributes.of(tenant_id, also)
    try:
        return await read(selected)
    except Permanent as error:
        if not selected.names or not is_refused(error):
            raise
        left = await attributes.tested(tenant_id, also)
        if left.names == selected.names:
            raise
    return await read(left)
