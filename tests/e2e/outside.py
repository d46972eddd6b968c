"""The simulated vendors seen from outside, as people use them: Graph's and Syncro's own calls, and the control API.

Users are changed through Graph, contacts are read through Syncro; nothing here touches our own code, so a test judges
what really arrived. Next: `tests/e2e/poster.py`, which posts notifications.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.support.processes import plain_session

OURS = "entra-syncro/"  # how our calls name themselves
_TIMEOUT = 20.0  # seconds


@dataclass(frozen=True, slots=True)
class Person:
    """A user who has a contact of their own."""

    tenant: str
    user_id: str
    customer: int
    contact_id: int


@dataclass(slots=True)
class Vendors:
    """`info` is what the sandbox printed."""

    info: Mapping[str, Any]
    session: requests.Session = field(default_factory=plain_session)
    _tokens: dict[str, str] = field(default_factory=dict)

    # --- control ------------------------------------------------------------------------------------------------

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.session.request(method, f"{self.info['control']}{path}", json=body, timeout=_TIMEOUT)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def lift_limits(self) -> None:
        """For tests that are not about a limit: they lift the pace as well."""
        self.control("PUT", "/limits", {"syncro": {"per_minute": None}, "graph": {"throttling": False}})

    def switch(self, **microsoft: Any) -> None:
        self.control("PUT", "/switches", {"microsoft": microsoft})

    def fault(self, vendor: str, **what: Any) -> None:
        self.control("POST", "/faults", {"vendor": vendor, **what})

    def no_faults(self) -> None:
        self.control("DELETE", "/faults")

    def our_calls(self, service: str, **filters: Any) -> list[dict[str, Any]]:
        """Calls of ours that a vendor received. Graph does not note who called: its reads of ours go by `$batch`."""
        query = "&".join(f"{name}={value}" for name, value in {"service": service, **filters}.items())
        calls: list[dict[str, Any]] = self.control("GET", f"/calls?{query}")["calls"]
        if service == "syncro":
            return [call for call in calls if call["user_agent"].startswith(OURS)]
        return [call for call in calls if call["batched"]]

    # --- the directory ------------------------------------------------------------------------------------------

    def graph(self, tenant: str, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self._token(tenant)}"}
        url = path if path.startswith("http") else f"{self.info['graph']}/v1.0{path}"
        answer = self.session.request(method, url, json=body, headers=headers, timeout=_TIMEOUT)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def patch(self, person: Person, **values: Any) -> None:
        self.graph(person.tenant, "PATCH", f"/users/{person.user_id}", values)

    def users(self, tenant: str) -> list[dict[str, Any]]:
        select = "id,displayName,givenName,surname,mail,userPrincipalName,businessPhones,mobilePhone"
        found: list[dict[str, Any]] = []
        address = f"/users?$select={select}&$top=100"
        while address:
            page = self.graph(tenant, "GET", address)
            found += page["value"]
            address = page.get("@odata.nextLink", "")
        return found

    def subscriptions(self, tenant: str) -> int:
        return len(self.control("GET", "/state")["microsoft"]["tenants"][tenant]["subscriptions"])

    def _token(self, tenant: str) -> str:
        if tenant not in self._tokens:
            form = {
                "grant_type": "client_credentials",
                "client_id": self.info["app_id"],
                "client_secret": self.info["app_secret"],
                "scope": "https://graph.microsoft.com/.default",
            }
            url = f"{self.info['login']}/{tenant}/oauth2/v2.0/token"
            answer = self.session.post(url, data=form, verify=self.info["ca_file"], timeout=_TIMEOUT)
            self._tokens[tenant] = str(answer.json()["access_token"])
        return self._tokens[tenant]

    # --- the contacts -------------------------------------------------------------------------------------------

    def syncro(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.info['syncro_token']}", "User-Agent": "a test"}
        url = f"{self.info['syncro']}/api/v1{path}"
        answer = self.session.request(method, url, json=body, headers=headers, timeout=_TIMEOUT)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def contacts(self, customer: int) -> dict[int, dict[str, Any]]:
        """Every contact of a customer by id. Counts against Syncro's limit like any call."""
        found: dict[int, dict[str, Any]] = {}
        number, pages = 1, 1
        while number <= pages:
            answer = self.syncro("GET", f"/contacts?customer_id={customer}&page={number}")
            found |= {int(row["id"]): row for row in answer["contacts"]}
            number, pages = number + 1, int(answer["meta"]["total_pages"])
        return found

    def titles(self, customer: int) -> dict[int, str]:
        """Contact id -> title, for which Entra's jobTitle is the truth."""
        return {number: title_of(row) for number, row in self.contacts(customer).items()}

    def title(self, person: Person) -> str:
        return title_of(self.syncro("GET", f"/contacts/{person.contact_id}"))

    # --- new people ---------------------------------------------------------------------------------------------

    def engage(self, number: int, count: int, label: str) -> list[Person]:
        """`count` new users of the tenant of that number, each with a contact of the same e-mail address."""
        tenant = self.info["tenants"][number]
        customer = int(self.info["customers"][number]["id"])
        self._token(tenant["id"])
        with ThreadPoolExecutor(4) as pool:
            return list(
                pool.map(
                    lambda n: self._engage(tenant["id"], customer, f"{label}{n:03}", tenant["domain"]), range(count)
                )
            )

    def _engage(self, tenant: str, customer: int, nick: str, domain: str) -> Person:
        address, name = f"{nick}@{domain}", f"Test {nick.capitalize()}"
        body = {
            "accountEnabled": True,
            "displayName": name,
            "givenName": "Test",
            "surname": nick.capitalize(),
            "mailNickname": nick,
            "mail": address,
            "userPrincipalName": address,
            "passwordProfile": {"password": "correct horse battery", "forceChangePasswordNextSignIn": True},
        }
        user = self.graph(tenant, "POST", "/users", body)
        card = self.syncro("POST", "/contacts", {"customer_id": customer, "name": name, "email": address})
        return Person(tenant, str(user["id"]), customer, int(card["id"]))


def title_of(contact: Mapping[str, Any]) -> str:
    return str((contact.get("properties") or {}).get("title") or "")


def personal_data(vendors: Vendors) -> Iterator[str]:
    """Every name, address and number of every user and contact, as it may not occur in any log."""
    for tenant, customer in zip(vendors.info["tenants"], vendors.info["customers"], strict=True):
        for user in vendors.users(tenant["id"]):
            values = (user.get(name) for name in ("displayName", "mail", "userPrincipalName", "mobilePhone"))
            yield from _filled([*values, *(user.get("businessPhones") or ()), user.get("surname")])
        for row in vendors.contacts(int(customer["id"])).values():
            yield from _filled(row.get(name) for name in ("name", "email", "phone", "mobile"))


def _filled(values: Iterable[Any]) -> Iterator[str]:
    """Shorter ones ("Lee") would be found inside of ordinary words; the whole name is looked for anyway."""
    return (str(value) for value in values if value and len(str(value)) > 3)
