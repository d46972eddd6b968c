"""Files that an operator names: refused before the work begins where they could not be written, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from console.operations import OperationError
from console.operations.errors import wrong_use


def must_be_writable(path: Path) -> None:
    """Raises wrong use: minutes of work should not end at a folder that is not there."""
    folder = path.absolute().parent
    if not folder.exists():
        raise _refused(path, "its folder does not exist")
    if not folder.is_dir():
        raise _refused(path, f"{folder} is no folder")
    if path.is_dir():
        raise _refused(path, "it is a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _refused(path, "you may not write into its folder")


def write(path: Path, content: bytes, *, private: bool = False) -> None:
    """Whole or not at all; `private`: readable by its owner alone. Raises wrong use where it cannot be written."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.unlink(missing_ok=True)
        with os.fdopen(
            os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666), "wb"
        ) as file:
            file.write(content)
        beside.replace(path)
    except OSError as error:
        raise _refused(path, error.strerror or "the machine refused") from None


def _refused(path: Path, why: str) -> OperationError:
    return wrong_use(f"The file {path} cannot be written: {why}.")
