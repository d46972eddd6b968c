"""The form in which Microsoft names tenants, users, groups and products: 32 hexadecimal digits in five groups. Pure.

What people type may have other forms; `console/operations/errors.py` reads those.
"""

from __future__ import annotations

import re

GUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"  # a part of other patterns; it captures nothing
_WHOLE = re.compile(GUID)


def is_guid(text: str) -> bool:
    """The whole text, in upper or lower case."""
    return _WHOLE.fullmatch(text) is not None
