"""A measured figure, and the promise of the design that it keeps or breaks. Next: `tests/bench/__main__.py`."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """`at_most`: the promise in the same unit, None where nothing was promised."""

    name: str
    what: str
    value: float
    unit: str
    at_most: float | None = None

    @property
    def kept(self) -> bool:
        return self.at_most is None or self.value <= self.at_most


def document(figures: Sequence[Figure], *, quick: bool) -> dict[str, object]:
    return {
        "quick": quick,
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.system()},
        "kept": all(figure.kept for figure in figures),
        "figures": {
            figure.name: {
                "what": figure.what,
                "value": round(figure.value, 3),
                "unit": figure.unit,
                "at_most": figure.at_most,
                "kept": figure.kept,
            }
            for figure in figures
        },
    }


def write(file: Path, figures: Sequence[Figure], *, quick: bool) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document(figures, quick=quick), indent=2) + "\n", encoding="utf-8")
