"""What a Syncro account tells about itself: whose token it is, its custom fields, what the token may do.

Satisfies `shared.ports.Account` and `AccountReads`. The answer of `GET /me` holds `user_token`, a secret: only names
are taken out of it, the rest is dropped here. Next: `console/operations/check/`, `worker/consumer.py` (probing while
the line stands still).
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.adapters.http import HttpClient
from shared.adapters.lenient import Json, integer, mapping, objects, text
from shared.adapters.syncro.caller import SyncroCaller
from shared.adapters.syncro.errors import Effect, unreadable
from shared.adapters.syncro.wire import contact, page
from shared.domain.contact import Contact
from shared.domain.errors import Permanent, StopTheLine
from shared.ports import Allowance, FieldDefinition, Pace, TokenOwner

NOBODY = 0  # the id of no record: ids begin at 1
PERMISSION = "permission"  # the code of a 401 whose text names a missing permission


class SyncroAccount:
    def __init__(self, http: HttpClient, base_url: str, token: str, pace: Pace) -> None:
        self._caller = SyncroCaller(http, base_url, token, pace)

    async def whoami(self, allowance: Allowance) -> str:
        """The subdomain. Raises StopTheLine(account) when the token is refused."""
        return (await self.owner(allowance)).subdomain

    async def owner(self, allowance: Allowance) -> TokenOwner:
        """Raises StopTheLine(account) when the token is refused."""
        me = mapping(await self._caller.read(allowance, "/me", "/me"))
        subdomain = text(me.get("subdomain"))
        if not subdomain:
            raise unreadable(Effect.READ, "/me names no subdomain")
        return TokenOwner(subdomain, text(me.get("user_name")) or "", me.get("admin") is True)

    async def customer_fields(self, allowance: Allowance) -> Sequence[FieldDefinition]:
        """Those that `/settings` defines, the hidden ones included."""
        settings = mapping(await self._caller.read(allowance, "/settings", "/settings"))
        customers = mapping(settings.get("customers"))
        if not isinstance(customers.get("customer_fields"), list):
            raise unreadable(Effect.READ, "/settings names no customer fields")
        answers = objects(customers.get("customer_field_answers"))
        return [_definition(row, answers) for row in objects(customers["customer_fields"])]

    async def some_contacts(self, allowance: Allowance) -> Sequence[Contact]:
        """The first page of all contacts that the token may see."""
        found = page(await self._caller.read(allowance, "/contacts?page=1", "/contacts"), "contacts")
        if found is None:
            raise unreadable(Effect.READ, "/contacts was answered without rows")
        return [known for row in found.rows if (known := contact(row)) is not None]

    async def may_edit(self, allowance: Allowance) -> bool | None:
        """A PUT to a contact that cannot exist: a 401 says no, and anything else yes, if rights are asked first.

        Which of the two Syncro asks first, the right or the record, is not documented. So a 404 counts only if it is
        seen elsewhere that rights come first: a read of a ticket that cannot exist, which a token with the
        recommended rights alone may not do. Spends up to two calls.
        """
        try:
            await self._caller.write(allowance, "PUT", f"/contacts/{NOBODY}", "/contacts/{id}", {"name": "nobody"})
        except StopTheLine as error:
            return _refused(error)
        except Permanent as error:
            if error.code != "not_found":
                return True  # it got as far as the values
        return True if await self._rights_come_first(allowance) else None

    async def _rights_come_first(self, allowance: Allowance) -> bool:
        try:
            await self._caller.find(allowance, f"/tickets/{NOBODY}", "/tickets/{id}")
        except StopTheLine as error:
            return _refused(error) is False
        return False


def _refused(error: StopTheLine) -> bool:
    """False for a missing permission; any other stop is nobody's answer to the question."""
    if error.code != PERMISSION:
        raise error
    return False


def _definition(row: Json, answers: Sequence[Json]) -> FieldDefinition:
    number = integer(row.get("id"))
    mine = (each for each in answers if integer(each.get("customer_field_id")) == number)
    # Syncro's own page documents `content`; an integrator reads `value`.
    texts = (text(each.get("content")) or text(each.get("value")) for each in mine)
    return FieldDefinition(
        text(row.get("name")) or "", text(row.get("field_type")) or "", tuple(answer for answer in texts if answer)
    )
