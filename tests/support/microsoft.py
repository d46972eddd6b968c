"""Helpers of the sandbox-Microsoft tests: a plain HTTP caller of Graph and a receiver of notifications."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from aiohttp import web

from sandbox.microsoft import Microsoft

CONTOSO = "11111111-1111-4111-8111-111111111111"
FABRIKAM = "22222222-2222-4222-8222-222222222222"
CALLBACK = "https://hub.example.net/connect/callback"
Json = dict[str, Any]


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])

    @property
    def message(self) -> str:
        return str(self.body["error"]["message"])


class GraphCaller:
    """Calls Graph as the app in one tenant; the token is fetched from the login host."""

    def __init__(self, microsoft: Microsoft, session: aiohttp.ClientSession, tenant: str) -> None:
        self.microsoft = microsoft
        self.session = session
        self.tenant = tenant
        self.token = ""

    async def sign_in(self) -> None:
        answer = await token_request(self.microsoft, self.session, self.tenant)
        self.token = answer.body["access_token"]

    async def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        url = path if path.startswith("http") else f"{self.microsoft.graph_url}/v1.0{path}"
        given = {"Authorization": f"Bearer {self.token}"} | (headers or {})
        async with self.session.request(method, url, json=body, headers=given, allow_redirects=False) as response:
            is_json = "json" in response.content_type
            content = await response.json() if is_json else await response.text()
            return Answer(response.status, content, {k.lower(): v for k, v in response.headers.items()})

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.call("GET", path, headers=headers)

    async def post(self, path: str, body: Any = None) -> Answer:
        return await self.call("POST", path, body)

    async def patch(self, path: str, body: Any) -> Answer:
        return await self.call("PATCH", path, body)

    async def delete(self, path: str) -> Answer:
        return await self.call("DELETE", path)


async def token_request(microsoft: Microsoft, session: aiohttp.ClientSession, tenant: str, **form: str) -> Answer:
    """One client-credentials request; `form` replaces fields."""
    fields = {
        "client_id": microsoft.app_id,
        "client_secret": microsoft.app_secret,
        "grant_type": "client_credentials",
        "scope": "https://graph.microsoft.com/.default",
    } | form
    url = f"{microsoft.login_url}/{tenant}/oauth2/v2.0/token"
    async with session.post(url, data={key: value for key, value in fields.items() if value}) as response:
        return Answer(response.status, await response.json(), dict(response.headers))


async def admin_consent(
    microsoft: Microsoft,
    session: aiohttp.ClientSession,
    authority: str,
    *,
    answer: Mapping[str, str] | None = None,
    form: str = "/v2.0/adminconsent",
    query: Mapping[str, str] | None = None,
) -> Answer:
    """An administrator's browser on the consent link; `answer` is what the page's form sends. An empty value of
    `query` takes that part out of the link. The body is the query of the address that it is sent back to, else text.
    """
    asked = {
        "client_id": microsoft.app_id,
        "redirect_uri": CALLBACK,
        "state": "s1",
        "scope": "https://graph.microsoft.com/.default",
    } | dict(query or {})
    params = {key: value for key, value in asked.items() if value}
    url = f"{microsoft.login_url}/{authority}{form}"
    method = "GET" if answer is None else "POST"
    async with session.request(method, url, params=params, data=answer, allow_redirects=False) as response:
        target = response.headers.get("Location", "")
        body = dict(parse_qsl(urlsplit(target).query)) if target else await response.text()
        return Answer(response.status, body, dict(response.headers))


@dataclass
class Hook:
    """A notification receiver whose handshake and answers a test chooses."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)  # answers of the next POSTs; then 202
    handshakes: list[web.Request] = field(default_factory=list)
    posts: list[Json] = field(default_factory=list)
    handshake: Callable[[str], web.Response] = field(
        default=lambda token: web.Response(text=token, content_type="text/plain")
    )
    delay_s: float = 0.0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, request: web.Request) -> web.Response:
        token = request.query.get("validationToken")
        if token is not None:
            self.handshakes.append(request)
            await asyncio.sleep(self.delay_s)
            return self.handshake(token)
        self.posts.append(await request.json())
        self.arrived.set()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 202)

    @property
    def items(self) -> list[Json]:
        return [item for post in self.posts for item in post["value"]]

    async def wait_for(self, count: int, within_s: float = 5.0) -> list[Json]:
        """The items, once there are so many; TimeoutError otherwise."""
        async with asyncio.timeout(within_s):
            while len(self.items) < count:
                self.arrived.clear()
                await self.arrived.wait()
        return self.items


def new_user_body(name: str, domain: str = "contoso.com", **more: Any) -> Json:
    return {
        "accountEnabled": True,
        "displayName": name,
        "mailNickname": name.lower(),
        "userPrincipalName": f"{name.lower()}@{domain}",
        "passwordProfile": {"password": "correct horse", "forceChangePasswordNextSignIn": True},
    } | more


def subscription_body(url: str, **more: Any) -> Json:
    return {
        "changeType": "updated,deleted",
        "notificationUrl": url,
        "resource": "users",
        "expirationDateTime": "2020-01-01T00:00:00.0000000Z",
        "clientState": "k1.secret",
    } | more
