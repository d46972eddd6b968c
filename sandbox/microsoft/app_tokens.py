"""Tokens for the application itself (client credentials): every check of the vendor in its order, then the token.

The application proves itself by its secret or an assertion; delegated.py asks for the same proof. Next: delegated.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt

from sandbox.microsoft.aadsts import login_error
from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.tenant import Tenant
from sandbox.microsoft.tokens import GRAPH_AUDIENCE, TokenMint

SHARED_AUTHORITIES = ("common", "organizations", "consumers")
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Form = Mapping[str, str]


class AppTokens:
    """Who may have a token of its own; raises LoginError."""

    def __init__(self, cloud: Cloud, mint: TokenMint) -> None:
        self._cloud = cloud
        self._mint = mint

    def issue(self, name: str, form: Form) -> str:
        """An access token for the tenant of that id or domain."""
        tenant = self._entitled(name, form)
        switches = self._cloud.switches
        return self._mint.issue(
            tenant,
            self._cloud.app_id,
            v1_issuer(tenant),
            switches.token_life_s,
            roleless=switches.roleless_tokens,
        )

    def tenant(self, name: str, client_id: str) -> Tenant:
        """The tenant of a token request, unless it is unknown or a switch spoils it."""
        if name in SHARED_AUTHORITIES:
            raise login_error(50059)
        tenant = self._cloud.tenant(name)
        if tenant is None:
            raise login_error(90002, tenant=name)
        errors = self._cloud.switches.login_errors
        switched = errors.get(tenant.tenant_id, errors.get("*", 0))
        if switched:
            raise login_error(switched, tenant=tenant.name, app=client_id)
        return tenant

    def check_credential(self, form: Form) -> None:
        """Secret or assertion of the application."""
        if "client_secret" in form:
            if form["client_secret"] != self._cloud.app_secret:
                raise login_error(7000215, app=form["client_id"])
        elif form.get("client_assertion_type") == _ASSERTION_TYPE:
            self._check_assertion(form.get("client_assertion", ""))
        else:
            raise login_error(7000218)

    def _entitled(self, name: str, form: Form) -> Tenant:
        check_fields(form, "client_id", "scope")
        tenant = self.tenant(name, form["client_id"])
        if not tenant.consented or form["client_id"] != self._cloud.app_id:
            raise login_error(700016, tenant=tenant.name, app=form["client_id"])
        self.check_credential(form)
        self._check_scope(form["scope"])
        return tenant

    def _check_assertion(self, assertion: str) -> None:
        # no certificate is registered in the sandbox: any well-formed, current assertion of the app is accepted
        try:
            options: Any = {"verify_signature": False}
            claims = jwt.decode(assertion, options=options)
        except jwt.InvalidTokenError as error:
            raise login_error(50027) from error
        if claims.get("sub") != self._cloud.app_id or claims.get("exp", 0) < self._cloud.clock.timestamp():
            raise login_error(700027)

    def _check_scope(self, scope: str) -> None:
        resource, slash, default = scope.strip().rpartition("/")
        if not slash or default != ".default":
            raise login_error(1002012, app=scope)
        if resource.rstrip("/") not in graph_names(self._cloud):
            raise login_error(500011, app=resource)


def check_fields(form: Form, *names: str) -> None:
    for name in names:
        if not form.get(name):
            raise login_error(900144, app=name)


def graph_names(cloud: Cloud) -> tuple[str, ...]:
    """The names under which Graph is asked for: the vendor's own and its addresses here."""
    return GRAPH_AUDIENCE, cloud.graph_url, cloud.graph_tls_url


def v1_issuer(tenant: Tenant) -> str:
    return f"https://sts.windows.net/{tenant.tenant_id}/"
