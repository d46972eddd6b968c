"""THE table: contact field <- user attribute <- how the two are compared. Want another field? Add a row.

It says what a field would get and when two values are the same, never whether it is written (authority, blanks:
`shared.domain.plan`). Values leave here as Entra has them, outer white space aside. Next: `shared/domain/plan.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from phonenumbers import SUPPORTED_REGIONS

from shared.domain import normalise
from shared.domain.policy import Authority, CustomMapping, FieldNames, NameFormat, SyncPolicy
from shared.domain.user import DirectoryUser


@dataclass(frozen=True, slots=True)
class Row:
    """`attribute` is what a technician reads; `same` compares two values of this field, given a region."""

    field: str
    attribute: str
    read: Callable[[DirectoryUser, SyncPolicy], str]
    same: Callable[[str, str, str], bool] = lambda one, other, _region: normalise.same_text(one, other)


def rows(policy: SyncPolicy) -> tuple[tuple[Row, Authority], ...]:
    """All rows of one customer with who wins, in the order in which previews show them.

    A custom mapping may take over a plain field, and the later of two mappings to one field counts. None may reach
    for the fields that we own: invoices count those.
    """
    table = {row.field: (row, policy.authority_of(row.field)) for row in TABLE}
    ours = owned_names(policy.fields)
    for mapping in policy.custom_mappings:
        if mapping.field not in ours:
            table[mapping.field] = (_custom(mapping), mapping.authority)
    return tuple(table.values())


def owned_names(names: FieldNames) -> tuple[str, ...]:
    """The custom fields that only we write, in the order in which previews show them, the pin last."""
    return (
        names.license,
        names.mfa_status,
        names.mfa_methods,
        names.last_activity,
        names.account_status,
        names.object_id,
        names.pin,
    )


def address(user: DirectoryUser) -> str:
    """The e-mail address, "" without one. A sign-in name alone is no address: it may have no mailbox behind it."""
    mail = (user.mail or "").strip()
    return mail if "@" in mail else ""


def region(user: DirectoryUser, policy: SyncPolicy) -> str:
    """The country whose way of writing phone numbers holds for this user (ISO 3166, two letters)."""
    for country in (user.usage_location, user.country):
        code = (country or "").strip().upper()
        if code in SUPPORTED_REGIONS:
            return code
    return policy.default_region


def person_name(user: DirectoryUser, name_format: NameFormat) -> str:
    """The name by the customer's format; `keep` names new contacts like the default."""
    parts = [(part or "").strip() for part in (user.given_name, user.surname)]
    if name_format is not NameFormat.DISPLAY_NAME and all(parts):
        return " ".join(parts)
    return (user.display_name or "").strip() or " ".join(filter(None, parts))


def attribute(user: DirectoryUser, graph_name: str) -> str:
    """Any attribute by its Graph name, `extensionAttributeN` and directory extensions included; "" if unset."""
    plain = _ATTRIBUTES.get(graph_name.casefold())
    if plain is not None:
        return _as_text(getattr(user, plain))
    extensions = {name.casefold(): value for name, value in (user.extensions or {}).items()}
    return _as_text(extensions.get(graph_name.rpartition(".")[2].strip().casefold()))


def is_attribute(graph_name: str) -> bool:
    """Is this an attribute that is read, of every user or, directory extensions, where a rule asks for it?"""
    name = graph_name.casefold()
    return name in _ATTRIBUTES or name in _EXTENSIONS or bool(extension_name(graph_name))


def unread_attribute(policy: SyncPolicy) -> str:
    """What is wrong with the first attribute of a custom mapping that is never read, "" when all are."""
    for each in policy.custom_mappings:
        if not is_attribute(each.attribute):
            return (
                f'"{each.attribute}" is no attribute that is read. Take a plain one of the user (department, '
                "companyName, officeLocation, employeeId ...), extensionAttribute1 to 15, or a directory extension by "
                "its full name (extension_APPID_NAME, the app's id without hyphens)."
            )
    return ""


def extension_name(graph_name: str) -> str:
    """The name to select for a directory extension (`extension_APPID_NAME`), "" for any other attribute."""
    name = graph_name.strip()
    return name if _DIRECTORY_EXTENSION.fullmatch(name) else ""


def extensions_of(policy: SyncPolicy) -> tuple[str, ...]:
    """Directory extensions that the custom mappings of a customer ask for."""
    return tuple(dict.fromkeys(name for each in policy.custom_mappings if (name := extension_name(each.attribute))))


def is_lacking(user: DirectoryUser, graph_name: str) -> bool:
    """The user's tenant has no such attribute: what it would be is unknown, which is not the same as blank."""
    return graph_name.strip().casefold() in {name.casefold() for name in user.lacking}


def _custom(mapping: CustomMapping) -> Row:
    return Row(mapping.field, mapping.attribute, lambda user, _policy: attribute(user, mapping.attribute))


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ", ".join(part for part in map(_as_text, value) if part)
    return "" if value is None else str(value).strip()


def _plain(graph_name: str) -> Callable[[DirectoryUser, SyncPolicy], str]:
    return lambda user, _policy: attribute(user, graph_name)


def _name(user: DirectoryUser, policy: SyncPolicy) -> str:
    return person_name(user, policy.name_format)


def _address(user: DirectoryUser, _policy: SyncPolicy) -> str:
    return address(user)


def _business_phone(user: DirectoryUser, _policy: SyncPolicy) -> str:
    return _number(next(iter(user.business_phones or ()), None))


def _mobile(user: DirectoryUser, _policy: SyncPolicy) -> str:
    return _number(user.mobile_phone)


def _number(value: str | None) -> str:
    """A number as typed. "n/a", "-" and the like are blanks, and a blank never erases."""
    written = (value or "").strip()
    return written if any(character.isdecimal() for character in written) else ""


def _street(user: DirectoryUser) -> list[str]:
    return [line.strip() for line in (user.street_address or "").splitlines() if line.strip()]


def _first_line(user: DirectoryUser, _policy: SyncPolicy) -> str:
    return "".join(_street(user)[:1])


def _other_lines(user: DirectoryUser, _policy: SyncPolicy) -> str:
    return ", ".join(_street(user)[1:])


def _same_name(one: str, other: str, _region: str) -> bool:
    return normalise.same_name(one, other)


def _same_email(one: str, other: str, _region: str) -> bool:
    return normalise.same_email(one, other)


TABLE: tuple[Row, ...] = (
    Row("name", "name", _name, _same_name),
    Row("email", "mail", _address, _same_email),
    Row("phone", "businessPhones", _business_phone, normalise.same_phone),
    Row("mobile", "mobilePhone", _mobile, normalise.same_phone),
    Row("title", "jobTitle", _plain("jobTitle")),
    Row("address1", "streetAddress (first line)", _first_line),
    Row("address2", "streetAddress (other lines)", _other_lines),
    Row("city", "city", _plain("city")),
    Row("state", "state", _plain("state")),
    Row("zip", "postalCode", _plain("postalCode")),
)

_ATTRIBUTES = {
    "id": "id",
    "displayname": "display_name",
    "givenname": "given_name",
    "surname": "surname",
    "mail": "mail",
    "userprincipalname": "user_principal_name",
    "othermails": "other_mails",
    "proxyaddresses": "proxy_addresses",
    "businessphones": "business_phones",
    "mobilephone": "mobile_phone",
    "streetaddress": "street_address",
    "city": "city",
    "state": "state",
    "postalcode": "postal_code",
    "country": "country",
    "usagelocation": "usage_location",
    "jobtitle": "job_title",
    "department": "department",
    "companyname": "company_name",
    "officelocation": "office_location",
    "employeeid": "employee_id",
    "accountenabled": "account_enabled",
    "usertype": "user_type",
    "assignedlicenses": "sku_ids",
}
_EXTENSIONS = frozenset(f"extensionattribute{number}" for number in range(1, 16))
# Entra's own form: the id of the app that registered it without hyphens, then the name that the app gave
_DIRECTORY_EXTENSION = re.compile(r"extension_[0-9a-f]{32}_[a-z0-9_]+", re.IGNORECASE | re.ASCII)
