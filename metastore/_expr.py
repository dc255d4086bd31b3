"""The class side of a field: ``Image.size`` is an expression, ``Image.size > 10`` a predicate.

Expressions only build nodes of `metastore.query`; whether the type can answer them is
checked when a query is made. What a checker may know of them is declared here, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, TypeVar, overload

from metastore._text import words
from metastore._version import caret, tilde
from metastore.errors import QueryError
from metastore.query import (
    Absent,
    And,
    Compare,
    Contains,
    Follow,
    Followed,
    HasKey,
    In,
    Matches,
    Order,
    Path,
    Predicate,
    References,
    Text,
    Within,
)

if TYPE_CHECKING:
    from metastore._artifact import Record
    from metastore._blob import Blob  # noqa: F401 - named in the text of a base class
    from metastore._field import LinksExpr
    from metastore._version import Version  # noqa: F401 - named in the text of a base class

__all__ = ["BlobExpr", "Expr", "FolderExpr", "Linked", "VersionExpr", "absent", "linked_from", "matches", "references"]

T = TypeVar("T")
X = TypeVar("X")

Via = tuple[tuple[Path, str], ...]


class Expr(Generic[T]):
    """A value of an artifact, named: compare it, order by it, project it.

    ``-expr`` orders descending. It has no truth value; ``==`` with ``None`` is refused, ask `absent`.
    """

    __slots__ = ("_path", "_via")

    def __init__(self, path: Path, via: Via = ()) -> None:
        self._path = path
        self._via = via

    def _make(self, predicate: Predicate) -> Predicate:
        for path, target in reversed(self._via):
            predicate = Follow(path, target, predicate)
        return predicate

    def _compare(self, op: Any, other: Any) -> Predicate:
        if other is None and not self._path.keys:
            raise QueryError(f"{self!r} is compared with None: ask absent({self!r}), or ~absent(…)")
        return self._make(Compare(self._path, op, other))

    def __eq__(self, other: T | None) -> Predicate:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._compare("eq", other)

    def __ne__(self, other: T | None) -> Predicate:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._compare("ne", other)

    def __lt__(self, other: T) -> Predicate:
        return self._compare("lt", other)

    def __le__(self, other: T) -> Predicate:
        return self._compare("le", other)

    def __gt__(self, other: T) -> Predicate:
        return self._compare("gt", other)

    def __ge__(self, other: T) -> Predicate:
        return self._compare("ge", other)

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> NoReturn:
        raise TypeError(f"{self!r} has no truth value: compare it, or ask absent(…)")

    def __iter__(self) -> NoReturn:
        raise TypeError(f"{self!r} cannot be iterated: where several are taken, give a list of it")

    def __neg__(self) -> Order:
        return -self._order()

    def _order(self) -> Order:
        if self._via:
            raise QueryError(f"an order cannot follow a link: {self!r}")
        return Order(self._path)

    def in_(self, values: Iterable[T]) -> Predicate:
        """Hold where the value is one of ``values``; for nothing when there are none."""
        return self._make(In(self._path, _several(values, "in_")))

    def between(self, low: T, high: T) -> Predicate:
        """Hold where low <= value <= high."""
        return self._make(And((Compare(self._path, "ge", low), Compare(self._path, "le", high))))

    def startswith(self: Expr[str] | Expr[str | None], text: str) -> Predicate:
        """Hold where the text starts so, case and all."""
        return self._make(Text(self._path, "starts", text))

    def endswith(self: Expr[str] | Expr[str | None], text: str) -> Predicate:
        """Hold where the text ends so, case and all."""
        return self._make(Text(self._path, "ends", text))

    @overload
    def contains(self: Expr[str] | Expr[str | None], item: str) -> Predicate: ...
    @overload
    def contains(self: Expr[list[X]], item: X) -> Predicate: ...
    @overload
    def contains(self: Expr[list[X] | None], item: X) -> Predicate: ...
    def contains(self: Expr[Any], item: Any) -> Predicate:
        """Hold where the text has this part, or the list this element."""
        return self._make(Contains(self._path, (item,)))

    @overload
    def contains_all(self: Expr[list[X]], items: Iterable[X]) -> Predicate: ...
    @overload
    def contains_all(self: Expr[list[X] | None], items: Iterable[X]) -> Predicate: ...
    def contains_all(self: Expr[Any], items: Iterable[Any]) -> Predicate:
        """Hold where the list has every one of the elements."""
        return self._make(Contains(self._path, _several(items, "contains_all")))

    @overload
    def contains_any(self: Expr[list[X]], items: Iterable[X]) -> Predicate: ...
    @overload
    def contains_any(self: Expr[list[X] | None], items: Iterable[X]) -> Predicate: ...
    def contains_any(self: Expr[Any], items: Iterable[Any]) -> Predicate:
        """Hold where the list has at least one of the elements."""
        return self._make(Contains(self._path, _several(items, "contains_any"), every=False))

    def has_key(self: Expr[dict[str, X]] | Expr[dict[str, X] | None], key: str) -> Predicate:
        """Hold where the dict has this key, whatever its value and whatever characters the key has."""
        return self._make(HasKey(self._path, key))

    @overload
    def __getitem__(self: Expr[dict[str, X]], key: str) -> Expr[X]: ...
    @overload
    def __getitem__(self: Expr[dict[str, X] | None], key: str) -> Expr[X]: ...
    @overload
    def __getitem__(self, key: str) -> Expr[Any]: ...
    def __getitem__(self, key: str) -> Expr[Any]:
        """The value under a key of a dict (one key, whatever characters it has), or an attribute of a nested class."""
        if not isinstance(key, str):
            raise QueryError(f"expected a key as text in {self!r}[…], got {type(key).__name__}")
        return Expr(Path(self._path.field, (*self._path.keys, key)), self._via)

    @property
    def folded(self) -> Expr[T]:
        """The case-folded form (NFKC); the field must declare ``folded=True``."""
        return Expr(Path(self._path.field, self._path.keys, folded=True), self._via)

    def __repr__(self) -> str:
        hops = "".join(f"{path.field}." for path, _ in self._via)
        keys = "".join(f"[{key!r}]" for key in self._path.keys)
        return f"{hops}{self._path.field}{keys}{'.folded' if self._path.folded else ''}"


def _several(values: Iterable[Any], what: str) -> tuple[Any, ...]:
    if isinstance(values, str):
        raise QueryError(f"{what}() takes several values like [{values!r}], not one text")
    return tuple(values)


class VersionExpr(Expr["Version | str"]):
    """A version: compares and orders by its scheme's precedence."""

    __slots__ = ("_scheme",)

    def __init__(self, path: Path, via: Via = (), scheme: str = "semver") -> None:
        super().__init__(path, via)
        self._scheme = scheme

    def caret(self, text: str) -> Predicate:
        """Hold in the range ``^text``: compatible by the scheme's rules. Raises VersionError."""
        return self._within("caret", text)

    def tilde(self, text: str) -> Predicate:
        """Hold in the range ``~text``: the same minor version. Raises VersionError."""
        return self._within("tilde", text)

    def _within(self, how: Literal["caret", "tilde"], text: str) -> Predicate:
        (caret if how == "caret" else tilde)(text, self._scheme)
        return self._make(Within(self._path, how, text))


class BlobExpr(Expr["Blob"]):
    """A blob: ask for what lies inside it. Its urls and digests may be several: one that fits is enough."""

    __slots__ = ()

    def _inside(self, *keys: str) -> Expr[Any]:
        return Expr(Path(self._path.field, (*self._path.keys, *keys)), self._via)

    @property
    def size(self) -> Expr[int]:
        """Size in bytes."""
        return self._inside("size")

    @property
    def media_type(self) -> Expr[str]:
        """Media type."""
        return self._inside("media_type")

    @property
    def url(self) -> Expr[str]:
        """Any of its urls."""
        return self._inside("url")

    @property
    def sha256(self) -> Expr[str]:
        """Its SHA-256 digest, lower-case hex."""
        return self._inside("digests", "sha256")

    def digest(self, algorithm: str) -> Expr[str]:
        """Its digest by another algorithm, lower-case hex."""
        return self._inside("digests", algorithm)


class FolderExpr(Expr["dict[str, Blob]"]):
    """A folder of blobs by name."""

    __slots__ = ()

    def __getitem__(self, key: str) -> BlobExpr:
        """The blob of that name."""
        return BlobExpr(Path(self._path.field, (*self._path.keys, key)), self._via)

    def has_key(self, key: str) -> Predicate:
        """Hold where the folder has a blob of that name."""
        return self._make(HasKey(self._path, key))


class Linked:
    """What ``Image.parent`` is at run time: the fields of the artifact that the link leads to.

    ``start`` is the class that the expression begins with, however many links it follows.
    """

    __slots__ = ("_path", "_resolve", "_start", "_via")

    def __init__(self, path: Path, resolve: Callable[[], Any], start: Any, via: Via = ()) -> None:
        self._path, self._resolve, self._start, self._via = path, resolve, start, via

    def _hop(self) -> tuple[Any, Via]:
        target = self._resolve()
        name = getattr(target, "__type_name__", None)
        if name is None:
            raise QueryError(f"{self!r} may lead to any type, so its fields cannot be asked for")
        return target, (*self._via, (self._path, name))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        target, via = self._hop()
        found = getattr(target, name)
        if isinstance(found, Linked):
            return Linked(found._path, found._resolve, self._start, via)
        if isinstance(found, VersionExpr):
            return VersionExpr(found._path, via, found._scheme)
        return type(found)(found._path, via)

    def any(self, predicate: Predicate) -> Predicate:
        """Hold where at least one link leads to an artifact for which ``predicate`` holds."""
        _, via = self._hop()
        for path, target in reversed(via):
            predicate = Follow(path, target, predicate)
        return predicate

    def _make(self, predicate: Predicate) -> Predicate:
        for path, target in reversed(self._via):
            predicate = Follow(path, target, predicate)
        return predicate

    def _back(self, predicate: Predicate) -> Predicate:
        """Return that where the link leads from an artifact of the start for which ``predicate`` holds."""
        source = getattr(self._start, "__type_name__", None)
        if source is None:
            raise QueryError(f"{self._start.__name__} is no type of its own: name the class whose {self!r} links here")
        for path, target in self._via:
            predicate, source = Followed(source, path.field, predicate), target
        return Followed(source, self._path.field, predicate)

    def __eq__(self, other: object) -> NoReturn:
        raise QueryError(f"a link cannot be compared: ask absent({self!r}), or {self!r}.id == …")

    __ne__ = __eq__
    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> NoReturn:
        raise TypeError(f"{self!r} has no truth value: ask absent(…)")

    def __repr__(self) -> str:
        return f"{''.join(f'{path.field}.' for path, _ in self._via)}{self._path.field}"


def absent(value: Any) -> Predicate:
    """Hold where there is no value: a field that is ``None``, a link to nothing, a key that is not there.

    Behind a link it holds as well where the link leads nowhere.

    >>> from metastore import Artifact, Field, absent, field
    >>> class Disk(Artifact):
    ...     size: Field[int | None] = field(default=None)
    >>> absent(Disk.size)
    Absent(path=Path(field='size'))
    """
    if not isinstance(value, Expr | Linked):
        raise QueryError(f"expected a field like Image.parent in absent(…), got {type(value).__name__}")
    if value._via:
        return ~value._make(~Absent(value._path))
    return value._make(Absent(value._path))


def linked_from(link: type[Record] | LinksExpr[Any], *predicates: Predicate) -> Predicate:
    """Hold where some artifact, for which all ``predicates`` hold, links here by ``link``, a link or a list of links.

    It is the way back of ``Image.parent.name == "x"``: asked of images, ``linked_from(Image.parent)`` finds every parent.
    Raises QueryError for what is no link.

    >>> from metastore import Artifact, Field, Link, field, linked_from
    >>> class Disk(Artifact, type_name="disks"):
    ...     base: Field[Link["Disk"] | None] = field(default=None)
    >>> linked_from(Disk.base, Disk.name == "x")
    Followed(source='disks', field='base', where=Compare(path=Path(field='name'), op='eq', value='x'))
    """
    if not isinstance(link, Linked):
        raise QueryError(f"expected a link like Image.parent in linked_from(…), got {link!r:.60}")
    return link._back(predicates[0] if len(predicates) == 1 else And(predicates))


def matches(text: str, *fields: Expr[Any]) -> Predicate:
    """Hold where every word of ``text`` occurs in a searched field; any text is fine, no syntax in it.

    Only ``fields`` are searched, where some are given. Alone or in a conjunction, and without another order, the best
    rank comes first. A find raises QueryError for more than 200 different words.

    >>> from metastore import Artifact, matches
    >>> matches("Debian, debian rescue!", Artifact.name)
    Matches(words=('debian', 'rescue'), fields=('name',))
    """
    if not isinstance(text, str):
        raise QueryError(f"expected text in matches(…), got {type(text).__name__}")
    return Matches(tuple(dict.fromkeys(words(text))), tuple(map(_searched, fields)))


def _searched(given: Any) -> str:
    if not isinstance(given, Expr) or given._via or given._path.keys or given._path.folded:
        raise QueryError(f"expected a searched field like Image.name in matches(…), got {given!r:.60}")
    return given._path.field


def references(value: str) -> Predicate:
    """Hold where some blob has this url, or this digest written like ``sha256:9f86…``: who refers to these bytes?"""
    if not isinstance(value, str):
        raise QueryError(f"expected a url or algorithm:digest in references(…), got {type(value).__name__}")
    return References(value)
