"""The calls about the account itself: who am I, settings, search.

`/me` carries a (made-up) secret, as the real one does; `/settings` tells customer fields only.
Next: `sandbox/syncro/server.py`.
"""

from __future__ import annotations

from typing import Any

from sandbox.syncro.account import Account
from sandbox.syncro.router import Ask, Route
from sandbox.syncro.search import SearchIndex
from sandbox.syncro.tokens import LIST

DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


class AccountRoutes:
    """Handlers; they change nothing."""

    def __init__(self, account: Account, search: SearchIndex) -> None:
        self._account = account
        self._search = search

    def table(self) -> list[Route]:
        return [
            Route("GET", "/me", None, self._me),
            Route("GET", "/settings", None, self._settings),
            Route("GET", "/search", LIST, self._find),
        ]

    def _me(self, ask: Ask) -> Any:
        every = {"read": True, "write": True, "delete": True}
        kinds = ("asset", "customer", "ticket", "invoice", "payment")
        return {
            "user_token": "00000000-fake-user-token-of-the-sandbox",
            "user_email": "technician@sandbox.example",
            "user_name": ask.token.owner,
            "user_id": 1,
            "admin": True,
            "can_use_app": True,
            "two_factor_required": False,
            "subdomain": self._account.subdomain,
            "default_location": None,
            "enable_multi_locations": False,
            "locations_allowed": [],
            "permissions": {
                **{kind: dict(every) for kind in kinds},
                "worksheet": {"add": True, "manage": True, "delete": True},
                "script": {"execute": True},
            },
        }

    def _settings(self, ask: Ask) -> Any:
        fields = self._account.customer_fields.all()
        return {
            "customers": {
                "required_fields": None,
                "customer_fields": [
                    {
                        "id": field.id,
                        "name": field.name,
                        "field_type": field.field_type,
                        "required": None,
                        "hidden": False,
                        "position": None,
                    }
                    for field in fields
                ],
                "customer_field_answers": [
                    {"id": number, "customer_field_id": field.id, "content": text}
                    for field in fields
                    for number, text in field.options.items()
                ],
            },
            "assets": {"asset_types": [], "asset_type_fields": [], "asset_type_field_answers": []},
            "locale": {
                "iso_code": "en",
                "currency_symbol": "$",
                "date_format": "mm-dd-yy",
                "time_format": "hh:mm tt",
                "time_zone": "America/Chicago",
                "time_offset": "-06:00",
            },
            "ticket": {
                "ticket_types": [],
                "ticket_type_fields": [],
                "ticket_type_field_answers": [],
                "problem_types": ["Virus", "TuneUp", "Hardware", "Software", "Other"],
                "priorities": ["", "0 Urgent", "1 High", "2 Normal", "3 Low"],
            },
            "business_hours_enabled": True,
            "business_hours": [{"day": day, "start": "09:00", "end": "17:00", "closed": False} for day in DAYS],
            "default_holiday_calendar": "USA",
            "msp_addon": None,
        }

    def _find(self, ask: Ask) -> Any:
        results = [hit for hit in self._search.find(str(ask.params.get("query", ""))) if self._visible(ask, hit)]
        return {"quick_result": None, "results": results, "error": None}

    def _visible(self, ask: Ask, hit: dict[str, Any]) -> bool:
        table = hit["table"]
        owner = table["_id"] if table["_type"] == "customer" else table["_source"]["table"]["customer_id"]
        return ask.token.sees(int(owner))
