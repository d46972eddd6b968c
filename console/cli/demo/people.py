"""What happens to people while the demo runs: written through Graph's own calls, as an administrator would.

`Administrator` speaks plain HTTP to the simulated Microsoft; each `Change` says what its contact must hold when it
has arrived. Next: `acts.py`.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from sandbox.story.shapes import PREMIUM, STANDARD

TIMEOUT = aiohttp.ClientTimeout(total=10)


class Administrator:
    """Changes users of one tenant at a time, with a token of the sandbox's own app."""

    def __init__(self, session: aiohttp.ClientSession, graph: str, tokens: Mapping[str, str]) -> None:
        self._session = session
        self._graph = graph
        self._tokens = tokens

    async def patch(self, tenant_id: str, user_id: str, **values: object) -> None:
        await self._call("PATCH", tenant_id, f"users/{user_id}", values)

    async def delete(self, tenant_id: str, user_id: str) -> None:
        await self._call("DELETE", tenant_id, f"users/{user_id}", None)

    async def license(self, tenant_id: str, user_id: str, add: Sequence[str], remove: Sequence[str] = ()) -> None:
        wish = {"addLicenses": [{"skuId": sku, "disabledPlans": []} for sku in add], "removeLicenses": list(remove)}
        await self._call("POST", tenant_id, f"users/{user_id}/assignLicense", wish)

    async def hire(self, tenant_id: str, domain: str, first: str, last: str, job: str) -> str:
        """A new user, who gets a licence at once; gives the object id."""
        upn = f"{first}.{last}@{domain}".lower()
        made = await self._call("POST", tenant_id, "users", _new_user(upn, first, last, job))
        await self.license(tenant_id, str(made["id"]), add=[STANDARD])
        return str(made["id"])

    async def _call(self, method: str, tenant_id: str, path: str, body: object) -> Mapping[str, Any]:
        headers = {"Authorization": f"Bearer {self._tokens[tenant_id]}"}
        async with self._session.request(method, f"{self._graph}/v1.0/{path}", json=body, headers=headers) as answer:
            answer.raise_for_status()
            return dict(await answer.json()) if answer.status in (200, 201) else {}


def _new_user(upn: str, first: str, last: str, job: str) -> dict[str, object]:
    return {
        "accountEnabled": True,
        "displayName": f"{first} {last}",
        "givenName": first,
        "surname": last,
        "jobTitle": job,
        "mailNickname": first.lower(),
        "userPrincipalName": upn,
        "mail": upn,
        "usageLocation": "US",
        "passwordProfile": {"password": "Sandbox-only-1", "forceChangePasswordNextSignIn": True},
    }


@asynccontextmanager
async def open_administrator(info: Mapping[str, Any]) -> AsyncIterator[Administrator]:
    """`info` is the sandbox's own description of itself."""
    trust = ssl.create_default_context(cafile=Path(info["ca_file"]))
    async with aiohttp.ClientSession(timeout=TIMEOUT, connector=aiohttp.TCPConnector(ssl=trust)) as session:
        tokens = {str(one["id"]): await _token(session, info, str(one["id"])) for one in info["tenants"]}
        yield Administrator(session, str(info["graph"]), tokens)


async def _token(session: aiohttp.ClientSession, info: Mapping[str, Any], tenant_id: str) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": info["app_id"],
        "client_secret": info["app_secret"],
        "scope": "https://graph.microsoft.com/.default",
    }
    async with session.post(f"{info['login']}/{tenant_id}/oauth2/v2.0/token", data=form) as answer:
        answer.raise_for_status()
        return str((await answer.json())["access_token"])


@dataclass(frozen=True, slots=True)
class Subject:
    """A user of the story whose contact is linked. `upn` names the user in the story."""

    tenant_id: str
    user_id: str
    upn: str


@dataclass(frozen=True, slots=True)
class Change:
    """`act` changes the directory; the contact has followed when `holds` it all (prefixes end in "*")."""

    title: str
    who: str  # user principal name in the story
    act: Callable[[Administrator, Subject], Awaitable[None]]
    holds: Mapping[str, str]


def _patch(**values: object) -> Callable[[Administrator, Subject], Awaitable[None]]:
    async def act(admin: Administrator, subject: Subject) -> None:
        await admin.patch(subject.tenant_id, subject.user_id, **values)

    return act


async def _leave(admin: Administrator, subject: Subject) -> None:
    await admin.delete(subject.tenant_id, subject.user_id)


async def _upgrade(admin: Administrator, subject: Subject) -> None:
    await admin.license(subject.tenant_id, subject.user_id, add=[PREMIUM], remove=[STANDARD])


# One of each kind, spread over the three customers so that no tenant waits for itself.
CHANGES: tuple[Change, ...] = (
    Change(
        "new phone",
        "mia.keller@alpenrose.example",
        _patch(businessPhones=["+1 217 555 0131"]),
        {"phone": "+1 217 555 0131"},
    ),
    Change(
        "new title",
        "irene.novak@harborlane.test",
        _patch(jobTitle="Office Manager"),
        {"title": "Office Manager"},
    ),
    Change(
        "moved office",
        "grace.okafor@alpenrose.example",
        _patch(streetAddress="40 Station Road\nSuite 7", city="Decatur", postalCode="62521"),
        {"address1": "40 Station Road", "address2": "Suite 7", "city": "Decatur", "zip": "62521"},
    ),
    Change(
        "renamed",
        "priya.nair@harborlane.test",
        _patch(surname="Nair-Thompson", displayName="Priya Nair-Thompson"),
        {"name": "Priya Nair-Thompson"},
    ),
    Change(
        "new e-mail",
        "john.smith@alpenrose.example",
        _patch(mail="j.smith@alpenrose.example"),
        {"email": "j.smith@alpenrose.example"},
    ),
    Change(
        "sign-in blocked",
        "sam.lee@harborlane.test",
        _patch(accountEnabled=False),
        {"azure_account_status": "Blocked since *"},
    ),
    Change(
        "licence upgraded", "marco.silva@harborlane.test", _upgrade, {"azure_license": "Microsoft 365 Business Premium"}
    ),
    Change(
        "new mobile",
        "zoe.brule@alpenrose.example",
        _patch(mobilePhone="+1 217 555 0177"),
        {"mobile": "+1 217 555 0177"},
    ),
    Change(
        "deleted",
        "omar.haddad@alpenrose.example",
        _leave,
        {"azure_account_status": "Deleted since *", "azure_license": ""},
    ),
    Change(
        "new title",
        "rosa.diaz@juniper.example",
        _patch(jobTitle="Site Manager"),
        {"title": "Site Manager"},
    ),
    Change(
        "new phone",
        "kim.tran@juniper.example",
        _patch(businessPhones=["+1 312 555 0195"]),
        {"phone": "+1 312 555 0195"},
    ),
    Change(
        "renamed",
        "june.hall@juniper.example",
        _patch(surname="Hall", displayName="June Hall"),
        {"name": "June Hall"},
    ),
)


@dataclass(frozen=True, slots=True)
class Hire:
    """Somebody who starts today, with a licence: the contact does not exist yet."""

    domain: str
    first: str
    last: str
    job: str

    @property
    def holds(self) -> Mapping[str, str]:
        email = f"{self.first}.{self.last}@{self.domain}".lower()
        return {
            "name": f"{self.first} {self.last}",
            "email": email,
            "title": self.job,
            "azure_license": "Microsoft 365 Business Standard",
            "azure_account_status": "Active",
        }


HIRES: tuple[Hire, ...] = (Hire("juniper.example", "Noor", "Aziz", "Estimator"),)
