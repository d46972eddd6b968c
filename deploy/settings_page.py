"""Writes docs/settings.md from the settings themselves, so that the page cannot drift. Run by `make docs`."""

from __future__ import annotations

from pathlib import Path

from shared.runtime.settings import describe

PAGE = Path("docs/settings.md")
HEAD = """# Settings

Made by `make docs` from the settings themselves; do not edit. One file, `entra-syncro.toml` in the working folder (or
`--config FILE`), and environment variables, which win. A variable that ends in `_FILE` names a file with the value,
for secrets. The keys of the vendors have no default; everything else does.

| key | variable | what it is |
| --- | --- | --- |
"""


def page() -> str:
    return HEAD + "".join(f"| `{key}` | `{variable}` | {sentence} |\n" for key, variable, sentence in describe())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
