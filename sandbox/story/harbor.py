"""Harbor Lane Dental: matches by principal name only, a pinned contact, own custom fields, extensions, a known guest.

Next: `sandbox/story/juniper.py`.
"""

from __future__ import annotations

from sandbox.story.shapes import APPS, BASIC, PREMIUM, STANDARD, Company, card, person

_AT = "@harborlane.test"
_DESK = {"streetAddress": "200 Harbor Lane", "city": "Portland", "state": "ME", "postalCode": "04101"}

_PEOPLE = (
    person(
        "the contact knows the principal name, not the mail",
        "awhite" + _AT, "Anna", "White", PREMIUM,
        mail="anna.white" + _AT, jobTitle="Dentist", businessPhones=["+1 207 555 0151"], **_DESK,
    ),
    person(
        "the contact is pinned by text in azure_sync_off: nobody but people writes it",
        "dana.cole" + _AT, "Dana", "Cole", PREMIUM,
        jobTitle="Practice Owner", businessPhones=["+1 207 555 0152"],
    ),
    person(
        "the provider's own custom fields must survive the update",
        "marco.silva" + _AT, "Marco", "Silva", STANDARD,
        jobTitle="Hygienist", businessPhones=["+1 207 555 0153"], mobilePhone="+1 207 555 0183",
    ),
    person(
        "an extension, equal on both sides",
        "irene.novak" + _AT, "Irene", "Novak", BASIC,
        jobTitle="Reception", businessPhones=["+1 207-555-0150 x204"], **_DESK,
    ),
    person(
        "the mail differs in case only",
        "sam.lee" + _AT, "Sam", "Lee", APPS,
        mail="Sam.Lee@HarborLane.test", jobTitle="Assistant", businessPhones=["+1 207 555 0155"],
    ),
    person(
        "two of the four licences: the higher one counts",
        "priya.nair" + _AT, "Priya", "Nair", BASIC, PREMIUM,
        jobTitle="Orthodontist", mobilePhone="+1 207 555 0186",
    ),
    person(
        "to be created, with a two-part surname",
        "jose.garcia" + _AT, "José", "García Márquez", STANDARD,
        jobTitle="Technician", businessPhones=["+1 207 555 0157"], **_DESK,
    ),
    person(
        "no licence, yet the contact is matched and kept in step",
        "helen.ward" + _AT, "Helen", "Ward",
        jobTitle="Volunteer", businessPhones=["+1 207 555 0158"],
    ),
    person(
        "a guest whom Syncro knows",
        "lab_brightlab.example#EXT#" + _AT, "Bruno", "Keck",
        mail="bruno@brightlab.example", userType="Guest", externalUserState="Accepted", creationType="Invitation",
        jobTitle="Dental Lab",
    ),
    person("blocked, without a contact", "old.temp" + _AT, "Otto", "Temp", accountEnabled=False),
    person(
        "the account of the directory connector",
        "Sync_HLDC01_5f2c9a7b1d3e@harborlane.test",
        mail=None, displayName="On-Premises Directory Synchronization Service Account",
    ),
    person("a licensed mailbox that is no person", "noreply" + _AT, "", "", BASIC, displayName="No Reply"),
)  # fmt: skip

_CARDS = (
    card("by principal name", "Anna White", "awhite" + _AT, phone="207.555.0151", title="Dentist",
         address1="200 Harbor Lane", city="Portland", state="ME", zip="04101"),
    card("pinned", "Dana Cole (owner)", "dana.cole" + _AT, phone="207 555 9999", title="Owner",
         properties={"azure_sync_off": "Ask Dana before any change"}),
    card("own custom fields", "Marco Silva", "marco.silva" + _AT, phone="(207) 555-0100", title="Hygienist",
         properties={"VIP": "1", "Badge No.": "H-3 & 4", "Site": "Branch", "notification_reports": "1"}),
    card("extension", "Irene Novak", "irene.novak" + _AT, phone="207.555.0150 ext. 204", title="Front Desk",
         extension="204"),
    card("case", "Sam Lee", "sam.lee" + _AT, phone="+12075550155", title="Assistant"),
    card("unlicensed, still matched", "Helen Ward", "helen.ward" + _AT, phone="", title="Intern"),
    card("the guest", "Bruno Keck", "bruno@brightlab.example", title="Lab", phone="+1 207 555 0170"),
    card("nobody in Entra", "Waiting Room TV", None, notes="Serial 12345"),
)  # fmt: skip

HARBOR_LANE = Company("Harbor Lane Dental", "harborlane.test", _PEOPLE, _CARDS)
