"""The simulated Syncro: the order in which a call meets recorder, limiter, faults, token, permission and handler.

A handler is synchronous, so a change is whole or not at all; a fault "after" spoils the answer of a call that has
already taken effect. Next: `sandbox/syncro/facade.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC

from aiohttp import web

from sandbox.syncro import answers
from sandbox.syncro.account import Account
from sandbox.syncro.calls import Call, Calls
from sandbox.syncro.faults import PASSING, Fault, Faults
from sandbox.syncro.limiter import Limiter
from sandbox.syncro.meddling import Meddler
from sandbox.syncro.params import read_params
from sandbox.syncro.rejected import RejectedError
from sandbox.syncro.router import Ask, Route, Router, plain_path
from sandbox.syncro.routes_contacts import InvalidContactError
from sandbox.syncro.routes_customers import InvalidCustomerError
from sandbox.syncro.tokens import Tokens

MAX_BODY = 8 * 1024 * 1024


class Door:
    """Answers every HTTP call."""

    def __init__(
        self,
        account: Account,
        router: Router,
        tokens: Tokens,
        calls: Calls,
        limiter: Limiter,
        faults: Faults,
        meddler: Meddler,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._account = account
        self._switches = account.switches
        self._router = router
        self._tokens = tokens
        self._calls = calls
        self._limiter = limiter
        self._faults = faults
        self._meddler = meddler
        self._monotonic = monotonic

    def application(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{tail:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        call = self._record(request)
        try:
            response = await self._limited(request, call)
        except web.HTTPException as no:
            response = answers.json_answer({"error": no.reason}, no.status)
        call.status = 0 if request.transport is None or request.transport.is_closing() else response.status
        call.took = round(self._monotonic() - call.seconds, 4)
        return response

    def _record(self, request: web.Request) -> Call:
        query = {key: value for key, value in request.query.items() if key != "api_key"}
        call = Call(
            number=0,
            at=self._account.now().astimezone(UTC).isoformat(timespec="milliseconds"),
            seconds=self._monotonic(),
            method=request.method,
            path=plain_path(request.path),
            query=query,
            address=request.remote or "",
            user_agent=request.headers.get("User-Agent", ""),
        )
        self._calls.add(call)
        return call

    async def _limited(self, request: web.Request, call: Call) -> web.Response:
        body = await request.read()
        wait = self._limiter.refuse_for(call.address, call.seconds, self._switches["limit_window"])
        if wait is not None:
            return answers.too_many(self._switches["limit_answer"], wait)
        taken = self._faults.take(call.method, call.path)
        if taken:
            call.fault = ",".join(fault.kind for fault in taken)
        return await self._through_faults(request, call, body, taken)

    async def _through_faults(self, request: web.Request, call: Call, body: bytes, taken: list[Fault]) -> web.Response:
        for fault in taken:
            if fault.kind == "slow" and fault.position == "before":
                await asyncio.sleep(fault.seconds)
        spoiler = next((fault for fault in taken if fault.kind not in PASSING), None)
        if spoiler is not None and spoiler.position == "before":
            return self._spoil(request, spoiler)
        response = self._handle(request, call, body, taken)
        for fault in taken:
            if fault.kind == "slow" and fault.position == "after":
                await asyncio.sleep(fault.seconds)
        return response if spoiler is None else self._spoil(request, spoiler)

    def _spoil(self, request: web.Request, fault: Fault) -> web.Response:
        if fault.kind == "reset":
            answers.cut(request)
            return web.Response(status=500)  # never leaves: the line is cut
        return answers.spoiled(fault.kind, self._switches["limit_answer"], self._switches["bad_token"])

    def _handle(self, request: web.Request, call: Call, body: bytes, taken: list[Fault]) -> web.Response:
        try:
            params = read_params(request.query_string, body, request.content_type)
            self._note(call, params, request.query_string)
            response = self._admitted(request, call, params, taken)
        except InvalidContactError as no:
            return answers.json_answer({"record": no.record, "errors": ", ".join(no.messages)}, 422)
        except InvalidCustomerError as no:
            refused = {"success": False, "message": no.messages}
            return answers.json_answer(refused if no.params is None else refused | {"params": no.params}, 422)
        except RejectedError as no:
            return answers.not_found() if no.status == 404 else _plain(no)
        return response

    def _admitted(
        self, request: web.Request, call: Call, params: dict[str, object], taken: list[Fault]
    ) -> web.Response:
        token = self._tokens.admit(request.headers, params, self._account.now())
        if token is None:
            return answers.bad_token(self._switches["bad_token"])
        params.pop("api_key", None)
        found = self._router.find(call.method, call.path)
        if found is None:
            return answers.not_found()
        route, ids = found
        _name_subject(call, route, ids)
        if self._switches.is_on("auth_order", "existence_first") and not self._exists(route, ids):
            return answers.not_found()
        if not token.may(route.permission):
            return answers.no_permission()
        self._meddler.before(call, taken)
        response = answers.json_answer(route.handler(Ask(params, ids, token, call)))
        self._meddler.after(call, taken)
        return response

    def _exists(self, route: Route, ids: tuple[int, ...]) -> bool:
        account = self._account
        match route.subject:
            case "contact":
                return ids[0] in account.contacts
            case "customer":
                return ids[0] in account.customers
            case "ticket":
                return ids[0] in account.tickets
            case _:
                return True

    def _note(self, call: Call, params: dict[str, object], query_string: str) -> None:
        from_query = read_params(query_string, b"", "")
        call.body_keys = sorted(key for key in params if key not in from_query and key != "api_key")
        properties = params.get("properties")
        call.property_keys = sorted(map(str, properties)) if isinstance(properties, dict) else []


def _name_subject(call: Call, route: Route, ids: tuple[int, ...]) -> None:
    if route.subject == "contact":
        call.contact_id = ids[0]
    elif route.subject == "customer":
        call.customer_id = ids[0]


def _plain(no: RejectedError) -> web.Response:
    return answers.json_answer({"error": ", ".join(no.messages)}, no.status)
