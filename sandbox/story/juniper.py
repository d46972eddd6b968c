"""Juniper & Sons Roofing: a namesake without address, foreign phones, free and enterprise licences, new starters.

Next: `sandbox/seeds.py`.
"""

from __future__ import annotations

from sandbox.story.shapes import (
    APPS,
    BASIC,
    ENTERPRISE_E3,
    FLOW_FREE,
    NEW_BUNDLE,
    PREMIUM,
    STANDARD,
    Company,
    card,
    person,
)

_AT = "@juniper.example"
_WITHOUT_UNIT = {
    "skuId": PREMIUM,
    "assignedByGroup": "7d1c1f0e-5b2a-4c39-8f0d-3a9b5e2c6d14",
    "disabledPlans": [],
    "state": "Error",
    "error": "CountViolation",
    "lastUpdatedDateTime": "2026-03-02T10:11:12Z",
}

_PEOPLE = (
    person(
        "an address of three lines and phones from abroad",
        "anke.vogel" + _AT, "Anke", "Vogel", PREMIUM,
        jobTitle="Architect", businessPhones=["+49 30 5550 0161"], mobilePhone="+49 151 5550 0162",
        streetAddress="Haus Süd\nDachstraße 7\nHinterhof", city="Berlin", postalCode="10115", country="Germany",
        usageLocation="DE",
    ),
    person(
        "an apostrophe and an ampersand",
        "sean.oconnor" + _AT, "Seán", "O'Connor", STANDARD,
        jobTitle="Sales & Estimates", businessPhones=["+1 312 555 0162"],
    ),
    person(
        "a contact of the same name without any address: a conflict for a person",
        "will.turner" + _AT, "Will", "Turner", BASIC,
        jobTitle="Roofer", mobilePhone="+1 312 555 0163",
    ),
    person(
        "one display name, no parts",
        "madhuri" + _AT, "", "", BASIC,
        displayName="Madhuri", jobTitle="Scheduler", businessPhones=["+1 312 555 0164"],
    ),
    person(
        "an enterprise licence and a bundle that nobody's list knows: paid, but none of the four",
        "kim.tran" + _AT, "Kim", "Tran", ENTERPRISE_E3, NEW_BUNDLE,
        jobTitle="Engineer", businessPhones=["+1 312 555 0165"],
    ),
    person("only a free licence, no contact", "leo.flow" + _AT, "Leo", "Dietz", FLOW_FREE, jobTitle="Apprentice"),
    person(
        "to be created",
        "fatima.zahra" + _AT, "Fatima", "Zahra", PREMIUM,
        jobTitle="Office Manager", businessPhones=["+1 312 555 0167"], city="Chicago", state="IL", postalCode="60601",
    ),
    person("to be created, hardly filled in", "ivo.horvat" + _AT, "Ivo", "Horvat", APPS),
    person(
        "equal already but for our own fields; her group has a second licence for her and no unit left",
        "rosa.diaz" + _AT, "Rosa", "Diaz", STANDARD,
        jobTitle="Foreman", businessPhones=["+1 312 555 0169"], licenseAssignmentStates=[_WITHOUT_UNIT],
    ),
    person(
        "renamed since: the contact has the maiden name",
        "june.hall" + _AT, "June", "Hall-Becker", APPS,
        jobTitle="Accountant", businessPhones=["+1 312 555 0170"],
    ),
    person("the administrator, no person", "admin" + _AT, mail=None, displayName="Administrator"),
)  # fmt: skip

_CARDS = (
    card("old address", "Vogel, Anke", "anke.vogel" + _AT, phone="030 5550 0161", address1="Altbau 1", city="Berlin"),
    card("an older title", "Sean O'Connor", "sean.oconnor" + _AT, phone="(312) 555-0162", title="Sales"),
    card("the namesake", "Turner, Will", None, phone="312 555 0100", title="Roofer"),
    card("one name", "Madhuri", "madhuri" + _AT, phone="", title=""),
    card("enterprise", "Kim Tran", "kim.tran" + _AT, phone="3125550165", title="Engineer"),
    card("equal", "Rosa Diaz", "rosa.diaz" + _AT, phone="312-555-0169", title="Foreman"),
    card("maiden name", "June Hall", "june.hall" + _AT, phone="312-555-0170", title="Accountant",
         notes="Prefers e-mail", properties={"VIP": "0"}),
    card("nobody in Entra", "Gutter Supplier", "sales@gutters.example", phone="800 555 0199"),
)  # fmt: skip

JUNIPER = Company("Juniper & Sons Roofing", "juniper.example", _PEOPLE, _CARDS)
