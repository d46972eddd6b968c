"""The manual's page of settings says what the settings say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from shared.runtime.settings import describe

ROOT = Path(__file__).parents[3]


def test_the_page_is_made_from_the_settings_as_they_are() -> None:
    spec = importlib.util.spec_from_file_location("settings_page", ROOT / "deploy" / "settings_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == module.page(), "run: make docs"


def test_every_setting_has_a_sentence() -> None:
    assert [key for key, _, sentence in describe() if not sentence.endswith(".")] == []
