"""Find: a query as an object. It runs nothing until it is used, and its repr never queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from metastore._cursor import read_cursor, write_cursor
from metastore._data import Data, evolve
from metastore._expr import Expr, Linked
from metastore._order import position_of, sort_key
from metastore._schema import FieldSpec
from metastore._values import instant, to_column
from metastore.backend import Explains, Explanation
from metastore.errors import CursorError, NotFoundError, QueryError
from metastore.query import And, Matches, Measure, Order, Path, Position, Predicate, Query, Rank

if TYPE_CHECKING:
    from metastore._artifact import Record
    from metastore._bind import Binder
    from metastore._reading import Reading
    from metastore._types import Shelf

__all__ = ["Find", "Page"]

A = TypeVar("A", bound="Record")
CHUNK = 1000
"""Artifacts fetched by one statement when all are iterated."""

_MEASURED = {"int", "float"}
_GROUPS = _MEASURED | {"id", "bool", "str", "datetime", "version", "link", "json"}
_ID = FieldSpec(kind="id")
_BY_ID = Order(Path("id", kind="id"))


class Page(Data, Generic[A]):
    """One page: its artifacts, and the cursor of the next one (``None`` when this was the last)."""

    items: list[A]
    next: str | None


class Find(Generic[A]):
    """What `Catalog.find` gives: iterate it, or ask for a page, a count, facets.

    Each use asks the catalogue anew. Iterating reads on in statements of a thousand artifacts, so that any number
    passes through little memory; it is no snapshot: what others commit meanwhile shows where it is not passed yet.
    """

    def __init__(self, catalog: Reading, asked: Sequence[Asked], after: Any, limit: int | None) -> None:
        self._catalog, self._asked, self._after, self._limit = catalog, asked, after, limit

    def __iter__(self) -> Iterator[A]:
        start = None if self._after is None else self._start()
        if len(self._asked) == 1 and self._limit is not None and self._limit <= CHUNK:
            one = self._asked[0]
            return map(one.decode, one.rows(start, self._limit))
        return islice((each.decode(row) for each, row in self._rows(start)), self._limit)

    def _rows(self, start: Position | None) -> Iterator[tuple[Asked, Any]]:
        if len(self._asked) == 1:
            return ((self._asked[0], row) for row in self._asked[0].stream(start, self._limit))
        from heapq import merge  # one type is read without

        streams = [each.keyed(start, self._limit) for each in self._asked]
        return ((each, row) for _, _, each, row in merge(*streams, key=lambda entry: entry[:2]))

    def _start(self) -> Position | None:
        after = self._after
        if after is None or isinstance(after, Position):
            return after
        if isinstance(after, str) and not _is_id(after):
            return read_cursor(after, self._about(), self._catalog._cursor_key)
        return self._from_id(after)

    def _from_id(self, ident: Any) -> Position:
        raw = to_column(_ID, getattr(ident, "id", ident), "after")
        for each in self._asked:
            rows = self._catalog._visible(each.shelf, each.shelf.fetch([raw]))
            if rows:
                return position_of(each.shelf.spec, rows[0], each.query.order)
        raise CursorError(f"after names an artifact that is not there: {getattr(ident, 'id', ident)}")

    def _about(self) -> str:
        return repr([(each.query, self._catalog.id) for each in self._asked])

    def page(self) -> Page[A]:
        """Return one page of ``limit`` artifacts (100 unless given) and the cursor of the next.

        Pages never overlap: what is added before the cursor's place is not seen, what is after it is.
        Raises CursorError for an ``after`` that is forged, damaged or of another query.
        """
        size = 100 if self._limit is None else self._limit
        found = list(islice(_again(self, size + 1)._rows(self._start()), size + 1))
        items = [each.decode(row) for each, row in found[:size]]
        return Page(items, self._cursor(*found[size - 1]) if len(found) > size and size else None)

    def _cursor(self, one: Asked, row: Any) -> str:
        return write_cursor(position_of(one.shelf.spec, row, one.query.order), self._about(), self._catalog._cursor_key)

    def first(self) -> A | None:
        """Return the first artifact, or ``None``."""
        return next(iter(_limited(self, 1)), None)

    def one(self) -> A:
        """Return the only artifact. Raises NotFoundError for none, QueryError for several."""
        found = list(_limited(self, 2))
        if not found:
            raise NotFoundError(f"no artifact fits {self!r:.400}")
        if len(found) > 1:
            raise QueryError(f"more than one artifact fits {self!r:.400}; ask for first(), or more closely")
        return found[0]

    def all(self) -> list[A]:
        """Return every artifact as a list."""
        return list(self)

    def count(self) -> int:
        """Return how many artifacts fit; limit and cursor do not count."""
        return sum(each.aggregate((), (Measure("count"),))[0][0] for each in self._asked)

    def select(self, *fields: Any) -> Iterator[tuple[Any, ...]]:
        """Return only some fields of each artifact, as tuples in the order of ``fields``.

        Raises QueryError, UnknownFieldError at once.
        """
        paths = [_path(each) for each in fields]
        for path in paths:
            if path.keys or path.folded:
                raise QueryError(f"select() takes whole fields like Image.name, not parts of them ({path.field})")
            for one in self._asked:
                one.binder.path(path)
        return self._selected(paths)

    def _selected(self, paths: Sequence[Path]) -> Iterator[tuple[Any, ...]]:
        for one, row in islice(self._rows(self._start()), self._limit):
            yield tuple(one.read(path.field, row[one.shelf.spec.position[path.field]]) for path in paths)

    def facets(self, *fields: Any) -> dict[str, dict[Any, int]]:
        """Return, per field, how many artifacts have each value; elements of lists count one by one.

        Raises QueryError for a field by which nothing can be grouped, and where the same number of a free JSON
        value and a truth value would be one key.
        """
        if not fields:
            raise QueryError("facets() needs at least one field like Image.arch")
        found: dict[str, dict[Any, int]] = {}
        for given in fields:
            if repr(given) in found:
                continue
            found[repr(given)] = dict(sorted(self._counted(given).items(), key=lambda item: -item[1]))
        return found

    def _counted(self, given: Any) -> dict[Any, int]:
        """Return how many artifacts have each value of a field."""
        counts: Counter[tuple[bool, Any]] = Counter()
        for each in self._asked:
            path, spec = _grouped(each, given)
            for value, count in each.aggregate((path,), (Measure("count"),)):
                key = each.group(path, spec, value)
                counts[isinstance(key, bool), key] += count
        values = {key: count for (_, key), count in counts.items()}
        if len(values) < len(counts):
            raise QueryError(
                f"{given!r} has truth values and the numbers 0 or 1, which one dict cannot tell apart: "
                f"ask aggregate(by=[{given!r}], n='count') of each type"
            )
        return values

    def aggregate(self, *, by: Sequence[Any] = (), **measures: Any) -> list[dict[str, Any]]:
        """Return a dict per group: its values by field name, its measures by the names given.

        A measure is ``"count"`` or a pair like ``("sum", Image.size)`` with min, max, sum or avg.
        Groups come in ascending order of their values. Raises QueryError for a clash of names or a field without sums.
        """
        if len(self._asked) != 1:
            raise QueryError("aggregate() asks one type; ask each of the types")
        if isinstance(by, Expr):
            raise QueryError(f"expected groups in a list, like by=[{by!r}], got one without")
        if not by and not measures:
            raise QueryError("aggregate() needs at least one group or figure, like by=[Image.arch] or n='count'")
        one = self._asked[0]
        paths = [_grouped(one, each) for each in by]
        wanted = tuple(_measure(one, name, each) for name, each in measures.items())
        names = [repr(each) for each in by]
        if len({*names, *measures}) < len(names) + len(measures):
            raise QueryError(
                f"aggregate() gives one name to two values among {', '.join([*names, *measures])}; name the measures otherwise"
            )
        rows = one.aggregate(tuple(path for path, _ in paths), wanted)
        return [_group(one, paths, names, [*measures], wanted, row) for row in rows]

    def explain(self) -> Explanation:
        """Return the statement, its bindings and its plan, without running it. Raises QueryError where a backend cannot say.

        For the owner of the process: plans follow figures of everybody's artifacts. Raises ForbiddenError for a principal.
        """
        self._catalog._check_ours("explain")
        backend = self._catalog._backend
        if not self._asked or not isinstance(backend, Explains):
            raise QueryError("this backend cannot explain its queries")
        one = self._asked[0]
        return backend.explain(one.shelf.spec, evolve(one.query, after=self._start(), limit=self._limit))

    def __repr__(self) -> str:
        if not self._asked:
            return "Find(no type)"
        asked = self._asked[0]
        return f"Find({', '.join(each.query.type for each in self._asked)}: {asked.query.where!r}, order={asked.query.order!r}, limit={self._limit})"


class Asked:
    """One type's part of a find: its shelf and its bound query."""

    __slots__ = ("binder", "decode", "query", "read", "shelf")

    def __init__(self, shelf: Shelf, binder: Binder, query: Query) -> None:
        self.shelf, self.binder, self.query = shelf, binder, query
        self.decode: Callable[[Sequence[Any]], Any] = shelf.codec.decode
        self.read: Callable[[str, Any], Any] = shelf.codec.read

    def rows(self, after: Position | None, limit: int | None) -> list[Any]:
        return self.shelf.select(
            Query(self.query.type, self.query.where, self.query.order, limit, after, self.query.latest)
        )

    def stream(self, after: Position | None, limit: int | None) -> Iterator[Any]:
        while limit is None or limit > 0:
            rows = self.rows(after, CHUNK if limit is None else min(CHUNK, limit))
            yield from rows
            if len(rows) < CHUNK:
                return
            limit = None if limit is None else limit - len(rows)
            after = position_of(self.shelf.spec, rows[-1], self.query.order)

    def keyed(self, after: Position | None, limit: int | None) -> Iterator[tuple[Any, str, Asked, Any]]:
        order = self.query.order
        for row in self.stream(after, limit):
            yield sort_key(position_of(self.shelf.spec, row, order), order), self.query.type, self, row

    def aggregate(self, by: tuple[Path, ...], measures: tuple[Measure, ...]) -> list[tuple[Any, ...]]:
        return self.shelf.aggregate(self.query, by, measures)

    def group(self, path: Path, spec: FieldSpec, value: Any) -> Any:
        """Return the Python value by which a group goes."""
        if path.keys or path.folded or spec.kind == "list":
            return bool(value) if spec.kind == "bool" and value is not None else value
        return self.read(path.field, value)


def ask(
    shelf: Shelf, binder: Binder, predicates: Iterable[Predicate], order_by: Iterable[Any], *, latest: bool
) -> Asked:
    """Return the bound query of one type; a search without another order comes best first."""
    where = binder.where(predicates)
    order = binder.order(order_by) or _best_first(where)
    return Asked(shelf, binder, Query(shelf.spec.name, where, order, latest=latest))


def _best_first(where: Predicate) -> tuple[Order, ...]:
    parts = where.items if isinstance(where, And) else (where,)
    searches = [part for part in parts if isinstance(part, Matches)]
    words = dict.fromkeys(word for each in searches for word in each.words)
    if not words:
        return ()
    everywhere = not all(each.fields for each in searches)
    fields = () if everywhere else dict.fromkeys(name for each in searches for name in each.fields)
    return (Order(Rank(tuple(words), tuple(fields)), descending=True), _BY_ID)


def _again(find: Find[A], limit: int) -> Find[A]:
    return Find(find._catalog, find._asked, find._after, limit)


def _limited(find: Find[A], most: int) -> Find[A]:
    return _again(find, most if find._limit is None else min(most, find._limit))


def _path(given: Any) -> Path:
    if isinstance(given, Linked):
        return given._path
    if not isinstance(given, Expr) or given._via:
        raise QueryError(f"expected a field like Image.name, got {given!r:.60}")
    return given._path


def _grouped(one: Asked, given: Any) -> tuple[Path, FieldSpec]:
    path, spec = one.binder.path(_path(given))
    item = spec.item if spec.kind == "list" else spec
    if item is None or item.kind not in _GROUPS or (item.kind == "json" and not path.keys):
        raise QueryError(
            f"{given!r} is {spec.kind}{f' of {item.kind}' if item not in (None, spec) else ''}, by which nothing can be grouped"
        )
    if one.binder.blob_part(path) == "url":
        raise QueryError(
            f"a blob may have several urls, so nothing can be grouped by {given!r}: group by a digest, or count the artifacts of one url"
        )
    return path, spec


def _measure(one: Asked, name: str, given: Any) -> Measure:
    if isinstance(given, str) and given == "count":
        return Measure("count")
    if not isinstance(given, tuple) or len(given) != 2 or given[0] not in ("min", "max", "sum", "avg"):
        raise QueryError(f"expected {name}='count' or {name}=('sum', Image.size) with min, max, sum or avg")
    path, spec = one.binder.path(_path(given[1]))
    fits = _MEASURED if given[0] in ("sum", "avg") else _MEASURED | {"str", "datetime"}
    if spec.kind not in fits or one.binder.blob_part(path) in ("url", "digests"):
        raise QueryError(f"{given[0]} cannot be asked of {given[1]!r}, which is {spec.kind}")
    return Measure(given[0], path)


def _group(one: Asked, paths: Any, names: Any, asked: Any, wanted: Any, row: Any) -> dict[str, Any]:
    values = [one.group(path, spec, value) for (path, spec), value in zip(paths, row, strict=False)]
    figures = [_figure(measure, value) for measure, value in zip(wanted, row[len(paths) :], strict=True)]
    return dict(zip([*names, *asked], [*values, *figures], strict=True))


def _figure(measure: Measure, value: Any) -> Any:
    if value is not None and measure.path is not None and measure.path.kind == "datetime" and not measure.path.keys:
        return instant(value)
    if isinstance(value, float) and not isfinite(value):
        raise QueryError(f"the {measure.what} is beyond what a float can hold: narrow the query")
    return value


def _is_id(text: str) -> bool:
    return len(text) == 36 and text.count("-") == 4
