"""Secrets that lie in files: any secret setting also as `<VARIABLE>_FILE`, and the key that is generated once.

Part of the settings (their only caller): reads the named file whole, strips the line end, and complains with the
variable's name, never with what the file holds.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic.types import JsonValue
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

SUFFIX = "_FILE"
# marks a plain text field whose value may hold a secret: an address with a password in it
MAY_HOLD_SECRET: dict[str, JsonValue] = {"may_hold_secret": True}
LARGEST = 64 * 1024  # bytes; more is no secret but a mistake


class UnreadableSecret(Exception):  # noqa: N818 - a fact about a file, turned into a SettingsError by its reader
    """One sentence for the operator."""


class SecretFiles(PydanticBaseSettingsSource):
    """Environment variables that name a file instead of holding a secret."""

    def __init__(self, settings_cls: type[BaseSettings], prefix: str) -> None:
        super().__init__(settings_cls)
        self._prefix = prefix

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False  # the whole tree is given by __call__

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for variable, path, file in self.named():
            _put(found, path, read_secret(variable, Path(file)))
        return found

    def file_of(self, *path: str) -> Path | None:
        """The file that a variable names for this setting, whether or not another source says otherwise."""
        return next((Path(file) for _, named, file in self.named() if named == list(path)), None)

    def named(self) -> Iterator[tuple[str, list[str], str]]:
        """Variable, path of the setting, file."""
        for variable, file in os.environ.items():
            name = variable.upper()
            if name.startswith(self._prefix) and name.endswith(SUFFIX) and file:
                path = name.removeprefix(self._prefix).removesuffix(SUFFIX).lower().split("__")
                if _is_secret(self.settings_cls, path):
                    yield variable, path, file


class WithoutFiles(PydanticBaseSettingsSource):
    """The environment less the variables that name secret files: "api_token_file" is no setting of its own."""

    def __init__(
        self, settings_cls: type[BaseSettings], environment: PydanticBaseSettingsSource, files: SecretFiles
    ) -> None:
        super().__init__(settings_cls)
        self._environment = environment
        self._files = files

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False  # the whole tree is given by __call__

    def __call__(self) -> dict[str, Any]:
        found = self._environment()
        for _, path, _ in self._files.named():
            inner: Any = found
            for part in path[:-1]:
                inner = inner.get(part, {})
            inner.pop(path[-1] + SUFFIX.lower(), None)
        return found


def _is_secret(model: type[BaseModel], path: list[str]) -> bool:
    """Does `path` lead to a secret, to an address that may hold one, or to an entry of a mapping of secrets?"""
    field = model.model_fields.get(path[0])
    if field is None:
        return False
    inner = field.annotation
    if inner is SecretStr or field.json_schema_extra == MAY_HOLD_SECRET:
        return len(path) == 1
    if isinstance(inner, type) and issubclass(inner, BaseModel):
        return len(path) > 1 and _is_secret(inner, path[1:])
    return len(path) == 2 and inner == dict[str, SecretStr]


def _put(tree: dict[str, Any], path: list[str], value: str) -> None:
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
    tree[path[-1]] = value


def read_secret(variable: str, file: Path) -> str:
    """What the file holds, without its line end. Raises UnreadableSecret, which names the variable."""
    try:
        with file.open("rb") as stream:
            text = stream.read(LARGEST + 1).decode().strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableSecret(f"{variable}: the file {file} cannot be read ({type(error).__name__})") from None
    if not text or len(text) > LARGEST:
        raise UnreadableSecret(f"{variable}: the file {file} is empty or larger than {LARGEST} bytes")
    return text


def generated_secret(file: Path) -> bytes:
    """The secret in `file`; made once (32 random bytes as hex, mode 0600) when there is none.

    Two processes that start together agree: the first link wins, the other reads it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        handle, draft = tempfile.mkstemp(dir=file.parent, prefix=".key-")  # mkstemp makes it 0600
        try:
            with os.fdopen(handle, "w") as stream:
                stream.write(secrets.token_hex(32))
                stream.flush()
                os.fsync(stream.fileno())
            _link(Path(draft), file)
        finally:
            Path(draft).unlink(missing_ok=True)
    return file.read_bytes().strip()


def _link(draft: Path, file: Path) -> None:
    try:
        os.link(draft, file)
    except FileExistsError:
        return
