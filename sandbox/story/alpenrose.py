"""Alpenrose Bakery: contacts that match by mail, blanks on either side, aliases, twins, a guest, a service account.

Next: `sandbox/story/harbor.py`.
"""

from __future__ import annotations

from sandbox.story.shapes import APPS, BASIC, PREMIUM, STANDARD, Company, card, person

_AT = "@alpenrose.example"
_BAKERY = {
    "streetAddress": "12 Mill Lane\nBuilding B, 2nd floor",
    "city": "Springfield",
    "state": "IL",
    "postalCode": "62701",
    "country": "United States",
}

_PEOPLE = (
    person(
        "matches by mail; phone and title differ",
        "mia.keller" + _AT, "Mia", "Keller", PREMIUM,
        jobTitle="Head Baker", businessPhones=["+1 217 555 0111"], mobilePhone="+1 217 555 0191", **_BAKERY,
    ),
    person(
        "matches by mail; the contact says the same in other forms (\"Smith, John\", a bare number)",
        "john.smith" + _AT, "John", "Smith", STANDARD,
        jobTitle="Bookkeeper", businessPhones=["+1 217 555 0112"],
    ),
    person(
        "matches by mail; a name beyond ASCII, an old title",
        "zoe.brule" + _AT, "Zoë", "Brûlé", BASIC,
        jobTitle="Pâtissière", businessPhones=["+1 217 555 0113"], department="Kitchen",
    ),
    person(
        "has no contact yet: to be created",
        "lukasz.zolc" + _AT, "Łukasz", "Żółć", APPS,
        jobTitle="Driver", mobilePhone="+1 217 555 0194", department="Delivery",
    ),
    person(
        "blank in Entra; what a technician typed into the contact must survive",
        "omar.haddad" + _AT, "Omar", "Haddad", PREMIUM,
    ),
    person(
        "the contact is nearly empty: everything is filled in, the address over two lines",
        "grace.okafor" + _AT, "Grace", "Okafor", STANDARD,
        jobTitle="Shop Manager", businessPhones=["+1 217 555 0116"], mobilePhone="+1 217 555 0196", **_BAKERY,
    ),
    person(
        "blocked, with a contact and a licence that nobody took away",
        "peter.lang" + _AT, "Peter", "Lang", BASIC,
        accountEnabled=False, jobTitle="Baker",
    ),
    person("a service account without licence", "svc_backup" + _AT, mail=None, displayName="Backup Service"),
    person(
        "a guest without a contact",
        "ruth_flourmill.test#EXT#" + _AT, "Ruth", "Miller",
        mail="ruth@flourmill.test", userType="Guest", externalUserState="Accepted", creationType="Invitation",
    ),
    person("nobody pays for a licence, no contact", "nina.trainee" + _AT, "Nina", "Park", jobTitle="Trainee"),
    person(
        "only an alias, the role mailbox orders@, is known in Syncro: a conflict for a person",
        "tom.fisher" + _AT, "Tom", "Fisher", STANDARD,
        proxyAddresses=["SMTP:tom.fisher" + _AT, "smtp:orders" + _AT], jobTitle="Order Desk",
    ),
    person(
        "two contacts have this address: a conflict for a person",
        "elena.rossi" + _AT, "Elena", "Rossi", PREMIUM,
        jobTitle="Marketing", businessPhones=["+1 217 555 0122"],
    ),
)  # fmt: skip

_CARDS = (
    card("old phone and title", "Mia Keller", "mia.keller" + _AT, phone="(217) 555-0100", mobile="", title="Baker"),
    card("the same, written otherwise", "Smith, John", "john.smith" + _AT, phone="2175550112", title="Bookkeeper"),
    card("an old title, properties of the provider's own", "Zoë Brûlé", "Zoe.Brule" + _AT, phone="+1 (217) 555-0113",
         title="Cook", properties={"notification_billing": "1", "notification_marketing": "0", "Badge No.": "A-17"}),
    card("typed values that must survive", "Omar Haddad", "omar.haddad" + _AT, phone="217-555-0115 (home)",
         mobile="217.555.0195", title="Night Shift Lead", address1="4 Oak Street", city="Springfield", state="IL",
         notes="Call after 4 pm.\nSpeaks Arabic and English."),
    card("blank fields to fill", "Grace Okafor", "grace.okafor" + _AT, phone="", mobile=None, address1=""),
    card("of the blocked baker, with a ticket", "Peter Lang", "peter.lang" + _AT, title="Baker", has_ticket=True),
    card("a role mailbox", "Order Desk", "orders" + _AT, phone="(217) 555-0130"),
    card("twin one", "Elena Rossi", "elena.rossi" + _AT, phone="2175550122"),
    card("twin two", "E. Rossi (Marketing)", "elena.rossi" + _AT),
    card("nobody in Entra", "Delivery Door", None, phone="217-555-0140", notes="Ring twice."),
    card("left long ago", "Walter Old", "walter.old" + _AT, title="Founder"),
)  # fmt: skip

ALPENROSE = Company("Alpenrose Bakery", "alpenrose.example", _PEOPLE, _CARDS)
