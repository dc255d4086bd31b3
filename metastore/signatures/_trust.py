"""Trust: which keys are believed, and what each type demands before its bytes are handed out. Configuration, that opens nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from metastore._building import TYPE_NAME
from metastore._data import Data
from metastore.errors import TrustFileError, nearest
from metastore.signatures._key import Key

__all__ = ["Demand", "Trust"]

ANY = "*"
_WORDS = {
    "keys": ("public", "not_before", "not_after", "revoked"),
    "types": ("threshold", "fields", "every_blob", "keys", "predicates"),
}


class Demand(Data):
    """What a type asks of its artifacts: signatures by so many different keys, each of which covers all these fields.

    Each covers every blob, too; not ``every_blob``: the one that is handed out. Only ``keys`` of these names count, all of the trust's
    unless said. Statements of others count only if they are of these ``predicates``, their types, since what they say of the bytes need be
    nothing good.
    """

    threshold: int
    fields: tuple[str, ...]
    every_blob: bool
    keys: tuple[str, ...] | None
    predicates: tuple[str, ...]

    def __init__(
        self,
        threshold: int = 1,
        fields: Iterable[str] = (),
        *,
        every_blob: bool = True,
        keys: Iterable[str] | None = None,
        predicates: Iterable[str] = (),
    ) -> None:
        if type(threshold) is not int or threshold < 1:
            raise TrustFileError(f"expected threshold as a whole number, 1 or more, got {threshold!r:.40}")
        if type(every_blob) is not bool:
            raise TrustFileError(f"expected every_blob as true or false, got {every_blob!r:.40}")
        names = None if keys is None else _names("keys", keys)
        super().__init__(threshold, _names("fields", fields), every_blob, names, _names("predicates", predicates))

    def counts(self, key: Key) -> bool:
        """Return whether a key counts for it."""
        return self.keys is None or key.name in self.keys


class Trust:
    """The trusted keys by name, and what types demand, by their names; ``*`` stands for every type that is not named. Not to be changed.

    A type that demands nothing hands out its bytes as ever, and its signatures are told all the same. Raises TrustFileError.
    """

    def __init__(self, keys: Iterable[Key] = (), types: Mapping[str, Demand] | None = None) -> None:
        self.keys: dict[str, Key] = {}
        for each in keys:
            if not isinstance(each, Key):
                raise TrustFileError(f"expected a Key, got {type(each).__name__}")
            same = [known.name for known in self.keys.values() if known.name == each.name or known.keyid == each.keyid]
            if same:
                raise TrustFileError(f"the key {each.name} is the key {same[0]}, or has its name: one name for one key")
            self.keys[each.name] = each
        self.types = dict(types or {})
        for name, demand in self.types.items():
            self._check(name, demand)

    def _check(self, name: Any, demand: Any) -> None:
        if not isinstance(name, str) or not (name == ANY or TYPE_NAME.fullmatch(name)):
            raise TrustFileError(f"expected the name of a type, or *, got {name!r:.60}")
        if not isinstance(demand, Demand):
            raise TrustFileError(f"the type {name}: expected a Demand, got {type(demand).__name__}")
        for each in demand.keys or ():
            if each not in self.keys:
                raise TrustFileError(f"the type {name}: no key is named {each!r:.60}: {nearest(each, self.keys)}")
        able = len(self.keys) if demand.keys is None else len(demand.keys)
        if demand.threshold > able:
            many = "1 key" if demand.threshold == 1 else f"{demand.threshold} keys"
            raise TrustFileError(f"the type {name} demands {many}, and there are {able}")

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Trust:
        """Return what stands in a TOML file under ``trust``; the stores may stand in the same file. Raises TrustFileError naming the file.

        ``[trust.keys.NAME]`` has ``public`` (PEM, or ``{ file = "/path" }``), ``not_before``, ``not_after`` and ``revoked``;
        a path is relative to the folder of the TOML file. ``[trust.types.NAME]`` has ``threshold``, ``fields``, ``every_blob``, ``keys`` and ``predicates``.
        """
        try:
            return _of_tables(_read(path), Path(path).absolute().parent)
        except TrustFileError as refused:
            why = str(refused)
        raise TrustFileError(f"the file of trust {os.fspath(path)}: {why}")

    def demand(self, type_name: str) -> Demand | None:
        """Return what a type demands; ``None`` for nothing."""
        return self.types.get(type_name, self.types.get(ANY))

    def __repr__(self) -> str:
        return f"Trust({list(self.keys)}, {self.types!r})"


def _names(what: str, given: Any) -> tuple[str, ...]:
    names = None if isinstance(given, str | bytes) or not isinstance(given, Iterable) else tuple(given)
    if names is None or not all(isinstance(each, str) and each for each in names):
        raise TrustFileError(f"expected {what} as a list of names, got {given!r:.60}")
    return tuple(dict.fromkeys(names))


# --- files --------------------------------------------------------------------------------------------------------


def _read(path: str | os.PathLike[str]) -> dict[str, Any]:
    import tomllib

    try:
        with open(path, "rb") as file:
            found = tomllib.load(file).get("trust")
    except OSError as broken:
        raise TrustFileError(f"it cannot be read: {broken.strerror or broken}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as broken:
        raise TrustFileError(f"it is no TOML: {broken}") from None
    if not isinstance(found, dict) or not found:  # a misspelt table must not mean that nothing is demanded
        raise TrustFileError("expected tables like [trust.keys.release] and [trust.types.images]")
    return found


def _of_tables(found: dict[str, Any], folder: Path) -> Trust:
    _known(found, tuple(_WORDS), "trust")
    keys = [_key(name, table, folder) for name, table in _tables(found, "keys")]
    return Trust(keys, {name: _demand(name, table) for name, table in _tables(found, "types")})


def _tables(found: dict[str, Any], kind: str) -> Iterable[tuple[str, dict[str, Any]]]:
    tables = found.get(kind, {})
    if not isinstance(tables, dict) or not all(isinstance(each, dict) for each in tables.values()):
        raise TrustFileError(f"expected tables like [trust.{kind}.NAME]")
    for name, table in tables.items():
        _known(table, _WORDS[kind], f"trust.{kind}.{name}")
        yield name, table


def _known(table: dict[str, Any], words: tuple[str, ...], where: str) -> None:
    for word in table:
        if word not in words:
            raise TrustFileError(f"{where} has no {word!r:.60}: {nearest(word, words)}")


def _key(name: str, table: dict[str, Any], folder: Path) -> Key:
    public, rest = table.get("public"), {word: value for word, value in table.items() if word != "public"}
    if isinstance(public, dict) and public.keys() == {"file"} and isinstance(public["file"], str):
        return Key(name, folder / public["file"], **rest)
    if not isinstance(public, str):
        raise TrustFileError(f'the key {name}: expected public as PEM, or as {{ file = "/path" }}')
    return Key(name, public, **rest)


def _demand(name: str, table: dict[str, Any]) -> Demand:
    try:
        return Demand(**table)
    except TrustFileError as refused:
        why = str(refused)
    raise TrustFileError(f"the type {name}: {why}")
