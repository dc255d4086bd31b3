"""Credentials: where they come from, and types that cannot print themselves."""

from __future__ import annotations

import os
from typing import Any, NoReturn

from metastore._data import Data
from metastore.errors import StoresFileError

__all__ = ["Credential", "FromEnv", "FromFile", "Hidden", "Secret"]

LONGEST = 65_536


class Secret:
    """A text that shows itself to nobody: not in a repr, not in a pickle. ``reveal`` returns it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise StoresFileError(f"expected a secret as text, got {type(text).__name__}")
        if any(ord(sign) < 32 or ord(sign) == 127 for sign in text):
            raise StoresFileError("a secret holds a control character, such as a newline")
        self._text = text

    def reveal(self) -> Secret:
        """Return itself: other credentials are read where they lie."""
        return self

    @property
    def text(self) -> str:
        """The secret itself, for the one who hands it to the store."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is never pickled; give it by FromEnv or FromFile")


class FromEnv(Data):
    """A credential that stands in a variable of the environment, read when the store is opened."""

    name: str

    def reveal(self) -> Secret:
        """Return the secret. Raises StoresFileError where the variable is not set."""
        text = os.environ.get(self.name)
        if text is None:
            raise StoresFileError(f"the environment has no {self.name}, in which a credential was to be")
        return Secret(text)


class FromFile(Data):
    """A credential that stands in a file, without its last newline, read when the store is opened."""

    path: str

    def reveal(self) -> Secret:
        """Return the secret. Raises StoresFileError where the file cannot be read."""
        try:
            with open(self.path, encoding="utf-8") as file:
                return Secret(file.read(LONGEST).rstrip("\r\n"))
        except (OSError, UnicodeDecodeError) as broken:
            why = broken.strerror if isinstance(broken, OSError) else "it is no UTF-8"
        raise StoresFileError(f"the file {self.path} with a credential cannot be read: {why}")


Credential = Secret | FromEnv | FromFile


class Hidden(dict[str, Any]):
    """Options that hold secrets, on their way to a driver: a dict that shows nothing of itself in a traceback."""

    def __repr__(self) -> str:
        return "{…}"

    __str__ = __repr__
