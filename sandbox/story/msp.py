"""A managed service provider with 140 customers, for importing, consenting and previewing many at once.

131 have a tenant that nobody has consented for, six have none, and three go wrong when they are connected (`trouble`
of each). Everything follows from a customer's number, so ids are the same in every run. Next: `sandbox/seeds.py`.
"""

from __future__ import annotations

from sandbox.story.shapes import BASIC, PREMIUM, STANDARD, Card, Company, Person, Trouble, card, person, stable_id

SIZE = 140
DECLINES, MISTYPED, WITHHELD = 17, 58, 101
_WITHOUT = (9, 33, 64, 90, 112, 135)
_FREEMAIL, _UNREGISTERED = 9, 33
_WITHOUT_TITLES = 6  # every sixth has contacts without titles
_LISTED_BY_DOMAIN = 9  # every ninth line of the list names the tenant by its domain
_PLACES = (
    "Alder", "Bridge", "Canal", "Dover", "Elmwood", "Foundry", "Garnet", "Hillcrest", "Ironside", "Jasper", "Kestrel",
    "Lakeview", "Meadow", "Northgate",
)  # fmt: skip
_TRADES = ("Dental", "Legal", "Bakery", "Plumbing", "Motors", "Clinic", "Optics", "Freight", "Printing", "Architects")
_FIRST = (
    "Alma",
    "Bruno",
    "Celia",
    "Derek",
    "Edith",
    "Felix",
    "Greta",
    "Henry",
    "Ines",
    "Jonas",
    "Karin",
    "Liam",
    "Mona",
)
_LAST = (
    "Abbott", "Barnes", "Carver", "Dalton", "Easton", "Foster", "Graves", "Harlow", "Ingram", "Jarvis", "Keller",
    "Lowell", "Mercer", "Norton", "Osborne", "Porter", "Quincy",
)  # fmt: skip
_TITLES = ("Owner", "Office Manager", "Bookkeeper", "Technician", "Receptionist", "Planner", "Driver", "Assistant")


def _company(number: int) -> Company:
    place, trade = _PLACES[number % len(_PLACES)], _TRADES[number // len(_PLACES)]
    domain = f"{place}-{trade}.test".lower()
    trouble = _trouble(number)
    people = () if trouble == "without" else tuple(_person(number, seat, domain) for seat in range(2 + number % 7))
    return Company(
        name=f"{place} {trade}",
        domain=domain,
        people=people,
        cards=_cards(number, domain, people),
        email=_email(number, domain),
        listed=_listed(number, domain, trouble),
        trouble=trouble,
        is_consented=False,
        relationship="none" if trouble == "declines" else "administrator",
    )


def _trouble(number: int) -> Trouble:
    if number in _WITHOUT:
        return "without"
    named: dict[int, Trouble] = {DECLINES: "declines", MISTYPED: "mistyped", WITHHELD: "withheld"}
    return named.get(number, "")


def _email(number: int, domain: str) -> str:
    if number == _FREEMAIL:
        return "kestrel.legal.sandbox@gmail.com"
    return "" if number in _WITHOUT and number != _UNREGISTERED else f"office@{domain}"


def _listed(number: int, domain: str, trouble: Trouble) -> str:
    """The tenant column of the list: blank, an id with a wrong digit, a domain now and then, else the id."""
    tenant_id = stable_id(f"tenant {domain}")
    if trouble == "mistyped":
        return tenant_id[:-1] + ("0" if tenant_id[-1] != "0" else "1")
    if trouble:
        return "" if trouble == "without" else tenant_id
    return domain if number % _LISTED_BY_DOMAIN == 4 else tenant_id


def _person(number: int, seat: int, domain: str) -> Person:
    first, last = _FIRST[(number * 3 + seat * 5) % len(_FIRST)], _LAST[(number + seat * 7) % len(_LAST)]
    licence = (PREMIUM if number % 3 == 0 else STANDARD, BASIC, STANDARD)[seat % 3]
    return person(
        "one of many",
        f"{first}.{last}@{domain}".lower(),
        first,
        last,
        licence,
        jobTitle=_TITLES[seat],
        businessPhones=[f"+1 217 555 {100 + number % 100:04} x{seat + 1}"],
    )


def _cards(number: int, domain: str, people: tuple[Person, ...]) -> tuple[Card, ...]:
    """A contact for some of the people, with an older title, and one for somebody who is nobody in Entra.

    Every sixth customer never noted titles: nothing of it would be overwritten.
    """
    known = people[: 1 + number % 3]
    titles = {} if number % _WITHOUT_TITLES == 1 else {"title": "Staff"}
    found = [card("known", one.graph["displayName"], one.upn, **titles) for one in known]
    outside = card("nobody in Entra", f"Visitor {number + 1}", f"visitor{number + 1}@outside.example")
    return (*found, outside)


MSP = tuple(_company(number) for number in range(SIZE))
PROVIDER = Company(
    name="Sandbox Managed Services",
    domain="sandbox-msp.test",
    people=(person("signs in for all customers", "pat.quill@sandbox-msp.test", "Pat", "Quill", STANDARD),),
    cards=(),
)
