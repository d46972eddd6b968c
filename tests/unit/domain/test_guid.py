"""One form, and nothing that merely looks like it."""

from __future__ import annotations

import re

import pytest

from shared.domain.guid import GUID, is_guid

ONE = "3b555118-da6a-4418-894f-7df1e2096870"


@pytest.mark.parametrize("text", [ONE, ONE.upper()])
def test_a_guid(text: str) -> None:
    assert is_guid(text)
    assert re.findall(rf"id ({GUID})\.", f"id {text}.") == [text]


@pytest.mark.parametrize(
    "text", ["", ONE[1:], f"{ONE}\n", f" {ONE}", ONE.replace("-", ""), ONE.replace("3", "g", 1), "٣" + ONE[1:]]
)
def test_no_guid(text: str) -> None:
    assert not is_guid(text)
