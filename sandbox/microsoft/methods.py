"""`GET /users/{id}/authentication/methods`: what one user registered, the password always among it.

Needs no P1, only UserAuthenticationMethod.Read.All. The same registrations as in the report, in their own types.
Next: usage.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.errors import not_found
from sandbox.microsoft.request import GraphRequest, GraphResponse, Route
from sandbox.microsoft.throttle import Cost

_READ = frozenset({"UserAuthenticationMethod.Read.All", "UserAuthenticationMethod.ReadWrite.All"})
_PASSWORD_ID = "28c10230-6103-485e-b985-444c60001490"  # the same for everybody
_PHONES = {"mobilePhone": "mobile", "alternateMobilePhone": "alternateMobile", "officePhone": "office"}
_TYPES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "microsoftAuthenticatorPush": ("microsoftAuthenticator", {"displayName": "Phone", "phoneAppVersion": "6.2408"}),
    "microsoftAuthenticatorPasswordless": (
        "microsoftAuthenticator",
        {"displayName": "Phone", "deviceTag": "SoftwareTokenActivated", "phoneAppVersion": "6.2408"},
    ),
    "softwareOneTimePasscode": ("softwareOath", {"secretKey": None}),
    "hardwareOneTimePasscode": ("hardwareOath", {}),
    "fido2SecurityKey": ("fido2", {"displayName": "Key", "model": "Key 5"}),
    "passKeyDeviceBound": ("fido2", {"displayName": "Key", "model": "Key 5", "passkeyType": "deviceBound"}),
    "passKeyDeviceBoundAuthenticator": ("fido2", {"displayName": "App", "passkeyType": "deviceBound"}),
    "passKeySynced": ("fido2", {"displayName": "Synced", "passkeyType": "synced"}),
    "windowsHelloForBusiness": ("windowsHelloForBusiness", {"displayName": "LAPTOP-1", "keyStrength": "normal"}),
    "macOsSecureEnclaveKey": ("platformCredential", {"displayName": "MacBook"}),
    "externalAuthMethod": ("external", {}),
    "temporaryAccessPass": ("temporaryAccessPass", {"isUsable": True, "lifetimeInMinutes": 60}),
    "email": ("email", {"emailAddress": "private@mailbox.example"}),
}


class Methods:
    """The authentication methods of single users."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def routes(self) -> list[Route]:
        return [Route("GET", "/users/{id}/authentication/methods", self._get, _READ, Cost("read", 1))]

    async def _get(self, request: GraphRequest) -> GraphResponse:
        key = request.params["id"]
        version = request.tenant.directory.named(key, self._cloud.read_horizon())
        if version is None:
            raise not_found(key)
        user_id = version.state["id"]
        told = request.tenant.reports_on(user_id)
        password = _method("password", _PASSWORD_ID, {"password": None, "createdDateTime": None})
        # security questions have no type of their own here
        named = [method for method in told.methods if method != "securityQuestion"]
        value = [password, *(_registered(user_id, method) for method in named)]
        context = f"{request.root}/$metadata#users('{user_id}')/authentication/methods"
        return GraphResponse(200, {"@odata.context": context, "value": value})


def _registered(user_id: str, method: str) -> dict[str, Any]:
    own_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{user_id}/{method}"))
    if method in _PHONES:
        phone = {"phoneNumber": "+1 5550100", "phoneType": _PHONES[method], "smsSignInState": "notConfigured"}
        return _method("phone", own_id, phone)
    kind, members = _TYPES.get(method, (method, {}))
    return _method(kind, own_id, members)


def _method(kind: str, own_id: str, members: Mapping[str, Any]) -> dict[str, Any]:
    return {"@odata.type": f"#microsoft.graph.{kind}AuthenticationMethod", "id": own_id, **members}
