"""Tokens for a person through the application: device codes and refresh tokens, in the own tenant and in customers'.

A partner's person enters a customer's tenant only under a relationship, and gets there no more than the delegated
permissions that were granted to the application (Partner Center grants them, partner_center.py). There are no
passwords: the switch `device_code` says what the person does. Next: device_page.py.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.microsoft.aadsts import login_error
from sandbox.microsoft.app_tokens import SHARED_AUTHORITIES, AppTokens, Form, check_fields, graph_names, v1_issuer
from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.tenant import Tenant
from sandbox.microsoft.tokens import GRAPH_AUDIENCE, PARTNER_AUDIENCE, Person, TokenMint

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_LETTERS = "BCDFGHJKLMNPQRSTVWXYZ23456789"  # no vowels and nothing that is misread: it is typed by hand
_OPENID = ("openid", "profile", "email", "offline_access")


@dataclass(slots=True)
class DeviceCode:
    """A sign-in that waits for its person. `answer`: "", "approve" or "decline", as clicked on the page."""

    tenant: Tenant
    client_id: str
    scope: str
    user_code: str
    expires_at: float
    polls: int = 0
    answer: str = ""


@dataclass(frozen=True, slots=True)
class _Refresh:
    person: Person
    client_id: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class _Wish:
    """The scopes of a request, of one resource; `names` without the resource's own part."""

    audience: str
    names: tuple[str, ...]
    openid: tuple[str, ...]


class Delegated:
    """Sign-ins of people; raises LoginError."""

    def __init__(self, cloud: Cloud, mint: TokenMint, app_tokens: AppTokens) -> None:
        self._cloud = cloud
        self._mint = mint
        self._app_tokens = app_tokens
        self._codes: dict[str, DeviceCode] = {}
        self._refreshes: dict[str, _Refresh] = {}

    def begin(self, name: str, form: Form) -> dict[str, Any]:
        """The answer of the devicecode endpoint."""
        check_fields(form, "client_id", "scope")
        tenant = self._home(name, form["client_id"])
        self._check_client(form, tenant)
        self._wish(form["scope"])
        switches = self._cloud.switches
        user_code = "".join(secrets.choice(_LETTERS) for _ in range(9))
        expires_at = self._cloud.clock.timestamp() + switches.device_code_life_s
        device_code = secrets.token_urlsafe(60)
        self._codes[device_code] = DeviceCode(tenant, form["client_id"], form["scope"], user_code, expires_at)
        page = f"{self._cloud.login_url}/common/oauth2/deviceauth"
        return {
            "user_code": user_code,
            "device_code": device_code,
            "verification_uri": page,
            "expires_in": int(switches.device_code_life_s),
            "interval": switches.device_code_interval_s,
            "message": f"To sign in, use a web browser to open the page {page} and enter the code {user_code} to "
            "authenticate.",
        }

    def waiting(self, user_code: str) -> DeviceCode | None:
        """The sign-in with this code, if it still waits for its person."""
        now = self._cloud.clock.timestamp()
        wanted = user_code.strip().upper()
        return next((one for one in self._codes.values() if one.user_code == wanted and one.expires_at > now), None)

    def by_device_code(self, name: str, form: Form) -> dict[str, Any]:
        """One poll of the token endpoint."""
        check_fields(form, "client_id", "device_code")
        code = self._codes.get(form["device_code"])
        if code is None or code.client_id != form["client_id"]:
            raise login_error(70020)
        self._check_client(form, code.tenant)
        if not self._cloud.switches.public_client_flows:
            self._app_tokens.check_credential(form)
        self._advance(code)
        del self._codes[form["device_code"]]
        return self._answer(_somebody(code.tenant), code.tenant, form, self._wish(code.scope))

    def by_refresh_token(self, name: str, form: Form) -> dict[str, Any]:
        """New tokens, in any tenant that the person may enter; the old refresh token stays good."""
        check_fields(form, "client_id", "refresh_token", "scope")
        if "client_secret" in form or "client_assertion" in form or not self._cloud.switches.public_client_flows:
            self._app_tokens.check_credential(form)
        held = self._refreshes.get(form["refresh_token"])
        if held is None or held.client_id != form["client_id"]:
            raise login_error(9002313)
        if held.expires_at <= self._cloud.clock.timestamp():
            raise login_error(700082)
        home = self._cloud.tenants[held.person.home]
        tenant = home if name in SHARED_AUTHORITIES else self._app_tokens.tenant(name, form["client_id"])
        return self._answer(held.person, tenant, form, self._wish(form["scope"]))

    # -- who may ------------------------------------------------------------------------------------------------

    def _home(self, name: str, client_id: str) -> Tenant:
        """Where the person comes from: the named tenant; at a shared authority the partner's."""
        partner = self._cloud.partner()
        if name in SHARED_AUTHORITIES and partner is not None:
            return partner
        return self._app_tokens.tenant(name, client_id)

    def _check_client(self, form: Form, tenant: Tenant) -> None:
        if form["client_id"] != self._cloud.app_id or not tenant.consented:
            raise login_error(700016, tenant=tenant.name, app=form["client_id"])

    def _advance(self, code: DeviceCode) -> None:
        """Returns once the person has said yes."""
        switches = self._cloud.switches
        if code.expires_at <= self._cloud.clock.timestamp():
            raise login_error(70020)
        code.polls += 1
        answer = code.answer
        if not answer and code.polls > switches.device_code_pending:
            answer = switches.device_code
        if answer in ("", "wait"):
            raise login_error(70016)
        if answer != "approve":
            raise login_error(70018 if answer == "decline" else 70020)

    def _scopes(self, person: Person, tenant: Tenant, wish: _Wish) -> tuple[str, ...]:
        """What the token may carry; at home an administrator agrees to everything while signing in."""
        if person.home == tenant.tenant_id:
            return tuple(name for name in wish.names if name != ".default") or tenant.scopes or ("User.Read",)
        partner = self._cloud.partner()
        if tenant.relationship == "none" or partner is None or partner.tenant_id != person.home:
            raise login_error(50020, tenant=tenant.name, app=self._cloud.app_id, person=person.upn, home=person.home)
        is_seen = tenant.scopes_seen_at <= self._cloud.clock.timestamp()
        granted = tenant.scopes if is_seen and wish.audience == GRAPH_AUDIENCE else ()
        wanted = granted if wish.names == (".default",) else wish.names
        if not tenant.consented or not wanted or not set(wanted) <= set(granted):
            raise login_error(65001, app=self._cloud.app_id)
        return tuple(granted)

    # -- answers ------------------------------------------------------------------------------------------------

    def _wish(self, text: str) -> _Wish:
        openid = tuple(word for word in text.split() if word in _OPENID)
        audience, names = GRAPH_AUDIENCE, []
        for word in text.split():
            if word in _OPENID:
                continue
            resource, slash, name = word.rpartition("/")
            resource = resource.rstrip("/")
            if slash and resource == PARTNER_AUDIENCE:
                audience = PARTNER_AUDIENCE
            elif slash and resource not in graph_names(self._cloud):
                raise login_error(500011, app=resource)
            names.append(name)
        return _Wish(audience, tuple(names), openid)

    def _answer(self, person: Person, tenant: Tenant, form: Form, wish: _Wish) -> dict[str, Any]:
        life, app_id = self._cloud.switches.token_life_s, self._cloud.app_id
        scopes = self._scopes(person, tenant, wish)
        issuer = v1_issuer(tenant)
        token = self._mint.issue_for(person, tenant, app_id, issuer, life, wish.audience, scopes)
        said = [f"{wish.audience}/{name}" for name in scopes]
        answer: dict[str, Any] = {
            "token_type": "Bearer",
            "scope": " ".join([*(word for word in wish.openid if word != "offline_access"), *said]),
            "expires_in": life,
            "ext_expires_in": life,
            "access_token": token,
        }
        if "offline_access" in wish.openid:
            answer["refresh_token"] = self._remember(person, form["client_id"])
        if "openid" in wish.openid:
            v2_issuer = f"{self._cloud.login_url}/{tenant.tenant_id}/v2.0"
            answer["id_token"] = self._mint.id_token(person, tenant, app_id, v2_issuer, life)
        if form.get("client_info") == "1":
            answer["client_info"] = _packed({"uid": person.object_id, "utid": person.home})
        return answer

    def _remember(self, person: Person, client_id: str) -> str:
        token = f"0.{secrets.token_urlsafe(120)}"
        life = self._cloud.switches.refresh_token_life_s
        self._refreshes[token] = _Refresh(person, client_id, self._cloud.clock.timestamp() + life)
        return token


def _somebody(tenant: Tenant) -> Person:
    """The first person of the tenant stands for its administrator."""
    states = (version.state for version in tenant.directory.all_seen(float("inf")) if version.live)
    first = next(states, {"id": tenant.tenant_id, "userPrincipalName": f"admin@{tenant.default_domain}"})
    upn = str(first["userPrincipalName"])
    return Person(str(first["id"]), str(first.get("displayName") or upn), upn, tenant.tenant_id)


def _packed(facts: Mapping[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(facts).encode()).rstrip(b"=").decode()
