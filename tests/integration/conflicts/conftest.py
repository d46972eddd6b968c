"""The office of `tests/integration/console`: the story's first customer, whose preview has two questions in it."""

from __future__ import annotations

from tests.integration.console.conftest import office

__all__ = ["office"]
