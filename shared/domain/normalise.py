"""Values made comparable: what counts as "the same" although it is written differently.

Pure text in, pure text out; nothing here is ever written to Syncro (what is written is `shared.domain.mapping`'s
business, as Entra has it). Absent, None, empty and white space all become "". Next: `shared/domain/mapping.py`.
"""

from __future__ import annotations

from unicodedata import normalize

import phonenumbers

Raw = str | None


def text(value: Raw) -> str:
    """One space between words, composed characters; case is kept, for a corrected capital is a change."""
    return " ".join(normalize("NFC", str(value)).split()) if value else ""


def folded(value: Raw) -> str:
    """Like `text`, and case, width and ligatures no longer count."""
    return text(normalize("NFKC", normalize("NFKC", text(value)).casefold()))


def email(value: Raw) -> str:
    """An address as a key. Syncro and Entra both keep the typed case and ignore it."""
    return folded(value)


def name(value: Raw) -> str:
    """A person's name as a key: "Smith, John" is "John Smith"."""
    parts = [part.strip() for part in folded(value).split(",")]
    if len(parts) == 2 and all(parts):
        parts.reverse()
        return " ".join(parts)
    return folded(value)


def phone(value: Raw, region: str) -> str:
    """E.164, then ";ext=" and the extension if there is one; "" without a single digit ("n/a" is no number).

    `region` is the two-letter country for numbers that are written without one. What `phonenumbers` cannot read
    (two numbers in one field, an internal extension) becomes its digits.
    """
    digits = _digits(value)
    if not digits:
        return ""
    try:
        number = phonenumbers.parse(text(value), region)
    except phonenumbers.NumberParseException:
        return digits
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{e164};ext={number.extension}" if number.extension else e164


def same_text(one: Raw, other: Raw) -> bool:
    return text(one) == text(other)


def same_email(one: Raw, other: Raw) -> bool:
    return email(one) == email(other)


def same_name(one: Raw, other: Raw) -> bool:
    return name(one) == name(other)


def same_phone(one: Raw, other: Raw, region: str) -> bool:
    """By number, or by digits alone: Syncro may keep nothing else, and "49 30 ..." is no German number any more."""
    return phone(one, region) == phone(other, region) or _digits(one) == _digits(other)


def _digits(value: Raw) -> str:
    return "".join(character for character in normalize("NFKC", text(value)) if character.isdecimal())
