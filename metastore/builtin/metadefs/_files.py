"""Definition files: Glance's JSON files read as they are, all or none, and written back equal."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn
from urllib.parse import quote

from metastore._data import Data
from metastore._json import distinct
from metastore.builtin.metadefs._definition import Document
from metastore.builtin.metadefs._namespace import LISTS, Namespace, document_of, fields_of
from metastore.errors import DefinitionError, NotFoundError, ValidationError

if TYPE_CHECKING:
    from metastore._catalog import Catalog
    from metastore.query import Predicate

__all__ = ["Loaded", "Mode", "load_definitions", "write_definitions"]

Mode = Literal["skip", "merge", "prefer_new", "overwrite"]
MODES = ("skip", "merge", "prefer_new", "overwrite")
LONGEST_FILE_NAME = 200
_DECIDED = ("visibility", "protected")
"""What stands at its default unless said, and so is never lacking."""

_SIGHT = {
    "public": ("publish",),
    "community": ("communitize",),
    "private": ("unpublish",),
    "shared": ("unpublish", "share"),
}
"""Actions that lead to a visibility."""


class Loaded(Data):
    """What `load_definitions` did: names of namespaces, in the order read."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    kept: tuple[str, ...]


def load_definitions(
    catalog: Catalog,
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    mode: Mode = "skip",
    owner: str | None = None,
) -> Loaded:
    """Load definition files, or every ``*.json`` of a folder, in one transaction.

    A namespace is recognised by its name and ``owner``. One that is there is left alone (``skip``), gets what it lacks
    (``merge``), gets that and what the file says otherwise (``prefer_new``), or becomes what the file says
    (``overwrite``). Raises DefinitionError naming file and place, OSError; then nothing is changed.
    """
    if mode not in MODES:
        raise ValidationError(f"expected mode as one of {', '.join(MODES)}, got {mode!r:.60}")
    documents = dict(_read_all(_files(paths)))
    done: dict[str, list[str]] = {"added": [], "changed": [], "kept": []}
    with catalog.transaction(message="load metadata definitions"):
        for file, document in documents.items():
            try:
                done[_load_one(catalog, document, mode, owner)].append(document["namespace"])
            except ValidationError as refused:
                raise DefinitionError(f"{file}: {refused}") from None
    return Loaded(*map(tuple, done.values()))


def _files(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    for each in [paths] if isinstance(paths, str | os.PathLike) else paths:
        path = Path(each)
        yield from sorted(path.glob("*.json")) if path.is_dir() else [path]


def _read_all(files: Iterable[Path]) -> Iterator[tuple[Path, Document]]:
    seen: dict[str, Path] = {}
    for file in files:
        document = _read(file)
        first = seen.setdefault(document["namespace"], file)
        if first is not file:
            raise DefinitionError(f"{file}: {document['namespace']} is defined in {first} already")
        yield file, document


def _read(file: Path) -> Document:
    try:
        text = file.read_bytes().decode("utf-8-sig")
        document: Document = json.loads(text, parse_constant=_no_constant, object_pairs_hook=distinct)
        fields_of(document)
    except json.JSONDecodeError as broken:
        raise DefinitionError(
            f"{file}: expected JSON at line {broken.lineno}, column {broken.colno}: {broken.msg}"
        ) from None
    except (UnicodeDecodeError, RecursionError, ValueError) as refused:
        raise DefinitionError(f"{file}: {refused}") from None
    return document


def _no_constant(name: str) -> NoReturn:
    raise DefinitionError(f"expected a JSON value, got {name}")


def _load_one(catalog: Catalog, document: Document, mode: Mode, owner: str | None) -> str:
    stored = _stored(catalog, document["namespace"], owner)
    if stored is None:
        catalog.add(Namespace(owner=owner, **fields_of(document)))
        return "added"
    if mode == "skip":
        return "kept"
    wanted = (
        document if mode == "overwrite" else _merged(document_of(stored), document, prefer_new=mode == "prefer_new")
    )
    fields = fields_of(wanted)
    visibility = fields.pop("visibility")
    after = catalog.change(stored, fields, *(() if visibility == stored.visibility else _SIGHT[visibility]))
    return "kept" if after.revision == stored.revision else "changed"


def _stored(catalog: Catalog, name: str, owner: str | None) -> Namespace | None:
    try:
        return catalog.get(Namespace, name=name, owner=owner)
    except NotFoundError:
        return None


def _merged(old: Document, new: Document, *, prefer_new: bool) -> Document:
    weak, strong = (old, new) if prefer_new else ({key: new[key] for key in new if key not in _DECIDED}, old)
    made = {**weak, **{key: value for key, value in strong.items() if value is not None or key not in weak}}
    if made.get("properties") is not None:
        made["properties"] = {**(weak.get("properties") or {}), **(strong.get("properties") or {})}
    for key in LISTS:
        if made.get(key) is not None:
            made[key] = _united(weak.get(key) or [], strong.get(key) or [], old.get(key) or [])
    return made


def _united(weak: list[Any], strong: list[Any], old: list[Any]) -> list[Any]:
    """Both, one per name; what was there keeps its place."""
    by_name = {each["name"]: each for each in [*weak, *strong]}
    first = [each["name"] for each in old]
    return [by_name[name] for name in [*first, *(name for name in by_name if name not in first)]]


def write_definitions(catalog: Catalog, folder: str | os.PathLike[str], *predicates: Predicate) -> list[Path]:
    """Write a file per namespace that fits into a folder, which is made if need be, and return their paths by name.

    Each is equal, as a JSON value, to the file it was loaded from. Raises ValidationError where two namespaces have one
    name (of two owners), OSError.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    documents = [document_of(each) for each in catalog.find(Namespace, *predicates, order_by=[Namespace.name])]
    names = [each["namespace"] for each in documents]
    twice = [name for at, name in enumerate(names) if name in names[:at]]
    if twice:
        raise ValidationError(f"several owners have a namespace {twice[0]}: say whose to write by a predicate on owner")
    return [_write(place / _file_name(each["namespace"]), each) for each in documents]


def _write(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _file_name(namespace: str) -> str:
    """Return a name that no other namespace has and every file system takes.

    >>> _file_name("OS::Compute::Hypervisor"), _file_name("../x.y")
    ('OS.Compute.Hypervisor.json', '%2E%2E%2Fx%2Ey.json')
    """
    stem = ".".join(quote(part, safe="").replace(".", "%2E") for part in namespace.split("::"))
    if len(stem) > LONGEST_FILE_NAME:
        from hashlib import sha256

        stem = f"{stem[:100]}~{sha256(stem.encode()).hexdigest()}"
    return f"{stem}.json"
