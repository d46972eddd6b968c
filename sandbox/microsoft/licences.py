"""Routes of licences and of the organization: assignLicense, licenseDetails, subscribedSkus, organization.

A licence is a SKU the tenant has bought, with a number of units; its service plans are in products.py. Next: delta.py.
"""

from __future__ import annotations

import uuid
from typing import Any

from sandbox.clock import graph_time
from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.errors import bad_request, not_found
from sandbox.microsoft.overlay import mixed_case
from sandbox.microsoft.products import ServicePlan, Sku
from sandbox.microsoft.request import (
    READ_ORGANIZATION,
    READ_SKUS,
    READ_USERS,
    WRITE_USERS,
    GraphRequest,
    GraphResponse,
    Route,
)
from sandbox.microsoft.schema import DEFAULT_PROPERTIES, State, render
from sandbox.microsoft.tenant import Tenant
from sandbox.microsoft.throttle import Cost
from sandbox.microsoft.users import newest_user


class Licences:
    """What a tenant has bought and who uses it."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/users/{id}/assignLicense", self._assign, WRITE_USERS, Cost("write")),
            Route("GET", "/users/{id}/licenseDetails", self._details, READ_USERS, Cost("read", 1)),
            Route("GET", "/subscribedSkus", self._skus, READ_SKUS, Cost("read", 3)),
            Route("GET", "/organization", self._organizations, READ_ORGANIZATION, Cost("read", 1)),
            Route("GET", "/organization/{id}", self._organization, READ_ORGANIZATION, Cost("read", 1)),
        ]

    async def _assign(self, request: GraphRequest) -> GraphResponse:
        version = newest_user(request)
        add, remove = _parameters(request.body)
        licences = _after(request.tenant, version.state, add, remove)
        request.tenant.directory.update(version.state["id"], {"assignedLicenses": licences})
        context = f"{request.root}/$metadata#users/$entity"
        newest = newest_user(request)
        return GraphResponse(200, {"@odata.context": context} | render(newest.state, DEFAULT_PROPERTIES))

    async def _details(self, request: GraphRequest) -> GraphResponse:
        key = request.params["id"]
        version = request.tenant.directory.named(key, self._cloud.read_horizon())
        if version is None:
            raise not_found(key)
        skus = [request.tenant.sku(entry["skuId"]) for entry in version.state.get("assignedLicenses") or ()]
        value = [
            {
                "id": _stable_id(version.state["id"], sku.sku_id),
                "skuId": sku.sku_id,
                "skuPartNumber": sku.part_number,
                "servicePlans": [_plan_json(plan) for plan in sku.plans],
            }
            for sku in skus
            if sku is not None
        ]
        context = f"{request.root}/$metadata#users('{key}')/licenseDetails"
        return GraphResponse(200, {"@odata.context": context, "value": value})

    async def _skus(self, request: GraphRequest) -> GraphResponse:
        used = request.tenant.assigned()
        value = [_sku_json(request.tenant, sku, used[sku.sku_id]) for sku in request.tenant.skus]
        if self._cloud.switches.mixed_case_ids:
            value = [_in_mixed_case(row) for row in value]
        context = f"{request.root}/$metadata#subscribedSkus"
        return GraphResponse(200, {"@odata.context": context, "value": value})

    async def _organizations(self, request: GraphRequest) -> GraphResponse:
        context = f"{request.root}/$metadata#organization"
        return GraphResponse(200, {"@odata.context": context, "value": [_organization_json(request.tenant)]})

    async def _organization(self, request: GraphRequest) -> GraphResponse:
        if request.params["id"].lower() != request.tenant.tenant_id:
            raise not_found(request.params["id"])
        context = f"{request.root}/$metadata#organization/$entity"
        return GraphResponse(200, {"@odata.context": context} | _organization_json(request.tenant))


def _parameters(body: Any) -> tuple[list[dict[str, Any]], list[str]]:
    given = body if isinstance(body, dict) else {}
    missing = [name for name in ("addLicenses", "removeLicenses") if not isinstance(given.get(name), list)]
    if missing:
        raise bad_request(
            "One or more parameters of the operation 'assignLicense' are missing from the request payload. The "
            f"missing parameters are: {', '.join(missing)}.",
        )
    add = given["addLicenses"]
    if not all(isinstance(entry, dict) and isinstance(entry.get("skuId"), str) for entry in add):
        raise bad_request("A value is required for property 'skuId' of resource 'AssignedLicense'.")
    return add, [str(entry).lower() for entry in given["removeLicenses"]]


def _after(tenant: Tenant, state: State, add: list[dict[str, Any]], remove: list[str]) -> list[dict[str, Any]]:
    """The user's licences after the call; every refusal of the vendor before."""
    held = {entry["skuId"]: entry for entry in state.get("assignedLicenses") or ()}
    if add and not state.get("usageLocation"):
        raise bad_request("License assignment cannot be done for user with invalid usage location.")
    for sku_id in remove:
        if sku_id not in held:
            raise bad_request("User does not have a corresponding license.")
        del held[sku_id]
    for entry in add:
        sku_id = entry["skuId"].lower()
        sku = tenant.sku(sku_id)
        if sku is None or sku_id in remove:
            raise bad_request(f"License {sku_id} does not correspond to a valid company License.")
        if sku_id not in held and tenant.assigned()[sku.sku_id] >= sku.assignable:
            raise bad_request(f"Subscription with SKU {sku_id} does not have any available licenses.")
        held[sku_id] = {"disabledPlans": list(entry.get("disabledPlans") or ()), "skuId": sku_id}
    return list(held.values())


def _sku_json(tenant: Tenant, sku: Sku, used: int) -> dict[str, Any]:
    return {
        "accountName": tenant.name,
        "accountId": tenant.tenant_id,
        "appliesTo": "User",
        "capabilityStatus": sku.status,
        "consumedUnits": used,
        "id": f"{tenant.tenant_id}_{sku.sku_id}",
        "skuId": sku.sku_id,
        "skuPartNumber": sku.part_number,
        "subscriptionIds": [_stable_id(tenant.tenant_id, sku.sku_id)],
        "prepaidUnits": sku.units,
        "servicePlans": [_plan_json(plan) for plan in sku.plans],
    }


def _in_mixed_case(row: dict[str, Any]) -> dict[str, Any]:
    plans = [{**plan, "servicePlanId": mixed_case(plan["servicePlanId"])} for plan in row["servicePlans"]]
    return {**row, "skuId": mixed_case(row["skuId"]), "servicePlans": plans}


def _plan_json(plan: ServicePlan) -> dict[str, Any]:
    return {
        "servicePlanId": plan.plan_id,
        "servicePlanName": plan.name,
        "provisioningStatus": plan.status,
        "appliesTo": "User",
    }


def _organization_json(tenant: Tenant) -> dict[str, Any]:
    return {
        "id": tenant.tenant_id,
        "deletedDateTime": None,
        "businessPhones": [],
        "city": None,
        "country": None,
        "countryLetterCode": "US",
        "createdDateTime": graph_time(tenant.created_at),
        "displayName": tenant.name,
        "onPremisesSyncEnabled": None,
        "tenantType": "AAD",
        "technicalNotificationMails": [],
        "assignedPlans": [],
        "verifiedDomains": [
            {
                "capabilities": "Email, OfficeCommunicationsOnline",
                "isDefault": domain == tenant.default_domain,
                "isInitial": domain.endswith(".onmicrosoft.com"),
                "name": domain,
                "type": "Managed",
            }
            for domain in tenant.verified_domains
        ],
    }


def _stable_id(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(parts)))
