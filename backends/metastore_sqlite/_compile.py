"""Bound predicates to SQL: the text depends on the shape alone, every value and key is bound.

Names in the text come from specs. What can be unknown is made two-valued at its leaf, so that indexes stay
usable; a list of values is one bound JSON array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from metastore._data import Data
from metastore._json import encode
from metastore._lookups import entry_value
from metastore.backend import FieldSpec, TypeSpec, json_kind, pointer, text_mark
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
    Not,
    Or,
    Path,
    Predicate,
    References,
    Text,
    negations_down,
)
from metastore_sqlite._layout import MARKED, REVISION, TAILED, beside, quoted, text_table
from metastore_sqlite._tail import pending, referring, worded
from metastore_sqlite._words import blobs, mark, searched

__all__ = [
    "Conditions",
    "Fragment",
    "Known",
    "bound_value",
    "column",
    "match",
    "nullable",
    "one_value",
    "side",
    "sought",
]

Fragment = tuple[str, list[Any]]
"""SQL text and what is bound to it, in order."""

_OPERATORS = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_COMPLEMENT: dict[str, Any] = {"eq": "ne", "ne": "eq", "lt": "ge", "le": "gt", "gt": "le", "ge": "lt"}
_SIGHTS = {each: f"'{each}'" for each in ("private", "shared", "community", "public")}
"""Written out, not bound: only then SQLite takes the index of what is not private."""
_NAME = Path("name", kind="str")
"""Its index goes on with the version, and SQLite 3.40 loses rows of an index that it follows from a list of values to a range of what comes next."""
_FALSE: Fragment = ("0", [])
_TRUE: Fragment = ("1", [])


def column(path: Path, alias: str) -> str:
    """Return the column of a path without keys."""
    return f"{alias}.{quoted(f'{path.field}__folded' if path.folded else path.field)}"


def side(spec: TypeSpec, path: Path) -> str:
    """Return the look-up table of an indexed list or a dict."""
    return quoted(beside(spec.name, path.field))


def nullable(spec: TypeSpec, path: Path) -> bool:
    """Return whether a path may lead to nothing."""
    return bool(path.keys) or path.field not in spec.by_name or spec.by_name[path.field].optional


def match(words: Iterable[str], fields: Iterable[FieldSpec] = ()) -> str:
    """Return the FTS5 expression of words that must all occur, in these fields (none: any).

    Words and columns are quoted, so nothing in them is syntax.
    """
    every = " ".join(f'"{word}"' for word in words)
    columns = " ".join(f'"_{field.name}"' for field in fields)
    return f"{{{columns}}} : ({every})" if columns else every


def sought(spec: TypeSpec, words: Iterable[str], fields: Sequence[FieldSpec], given: Sequence[Any]) -> Fragment:
    """Return what full text is asked for words in fields, which were ``given``, or else are all that the spec knows of the kind.

    All need no naming, which would cost a look at each place, unless another program widened the type since the spec was read: full text then
    has more, and which rows it has must not show.
    """
    words = [*words]
    within = match(words, fields)
    if given:
        return "?", [within]
    latest = f"(SELECT digest FROM _specs WHERE type = '{spec.name}' ORDER BY number DESC LIMIT 1)"
    return f"CASE WHEN {latest} = ? THEN ? ELSE ? END", [spec.digest, match(words), within]


def _joined(parts: list[Fragment], word: str) -> Fragment:
    """Join in a balanced tree: SQLite refuses expressions deeper than a thousand."""
    while len(parts) > 1:
        pairs = [parts[at : at + 2] for at in range(0, len(parts), 2)]
        parts = [
            (f"({pair[0][0]} {word} {pair[1][0]})", pair[0][1] + pair[1][1]) if len(pair) == 2 else pair[0]
            for pair in pairs
        ]
    return parts[0]


def _listed(values: Iterable[Any]) -> Fragment:
    """A list of values of one storage class as a sub-select over one bound JSON array."""
    values = list(values)
    if values and isinstance(values[0], bytes):
        return "SELECT metastore_bytes(value) FROM json_each(?)", [encode(values)]
    if values and isinstance(values[0], float):
        return "SELECT metastore_float(value) FROM json_each(?)", [encode([repr(value) for value in values])]
    return "SELECT value FROM json_each(?)", [
        encode([int(value) if isinstance(value, bool) else value for value in values])
    ]


def _grouped(values: Iterable[Any]) -> dict[tuple[str, bool], list[Any]]:
    groups: dict[tuple[str, bool], list[Any]] = {}
    for value in values:
        groups.setdefault((json_kind(value), isinstance(value, float)), []).append(value)
    return groups


def _above(text: str) -> Any:
    """The least text greater than all that start with ``text``; a blob, which is above any text, where there is none."""
    for at in range(len(text) - 1, -1, -1):
        code = ord(text[at]) + 1
        if code <= 0x10FFFF:
            return text[:at] + chr(0xE000 if code == 0xD800 else code)
    return b""


def one_value(spec: TypeSpec, path: Path, alias: str) -> Fragment:
    """Return the expression of the one value at a path, NULL where there is none. Not for urls and dict entries."""
    if not path.keys:
        return column(path, alias), []
    top, whole = spec.by_name[path.field].kind, f"{alias}.{quoted(path.field)}"
    if top == "blob":
        return f"json_extract({whole}, ?)", ["$." + ".".join(path.keys)]
    if top == "folder" and len(path.keys) > 1:
        return f"json_extract(metastore_pick({whole}, ?), ?)", [encode(path.keys[:1]), "$." + ".".join(path.keys[1:])]
    return f"metastore_pick({whole}, ?)", [encode(path.keys)]


class Known(Data):
    """What statements are compiled by: the spec of a type by its name, and the revision of the file."""

    spec: Callable[[str], TypeSpec | None]
    revision: int = REVISION

    @property
    def marked(self) -> bool:
        """Whether full text has the marks of blobs."""
        return self.revision >= MARKED

    def and_pending(self, spec: TypeSpec, column: str, test: Fragment) -> Fragment:
        """Return what goes on with a search by the pending rows that pass a test, where a file has such."""
        if self.revision < TAILED:
            return "", []
        return f" UNION ALL SELECT p.{column} FROM {pending(spec)} AND {test[0]}", test[1]


class Conditions:
    """Compiles the predicates of one statement."""

    def __init__(self, known: Known) -> None:
        self._known, self._aliases = known, 0

    def of(self, predicate: Predicate, spec: TypeSpec, alias: str) -> Fragment:
        """Return the condition that a predicate holds for ``alias``, a row of the spec's table."""
        if isinstance(predicate, And | Or):
            parts = [self.of(item, spec, alias) for item in predicate.items]
            conjunction = isinstance(predicate, And)
            return _joined(parts, "AND" if conjunction else "OR") if parts else _TRUE if conjunction else _FALSE
        if isinstance(predicate, Not):
            return self._negated(predicate.item, spec, alias)
        return _LEAVES[type(predicate)](self, predicate, spec, alias)

    def _negated(self, leaf: Predicate, spec: TypeSpec, alias: str) -> Fragment:
        if isinstance(leaf, And | Or | Not):
            return self.of(negations_down(Not(leaf)), spec, alias)
        if isinstance(leaf, Compare) and not leaf.path.keys:
            text, bound = self._compare(Compare(leaf.path, _COMPLEMENT[leaf.op], leaf.value), spec, alias)
            return (f"({text} OR {column(leaf.path, alias)} IS NULL)" if nullable(spec, leaf.path) else text), bound
        text, bound = self.of(leaf, spec, alias)
        return f"({text}) IS NOT TRUE", bound

    def _compare(self, leaf: Compare, spec: TypeSpec, alias: str) -> Fragment:
        operator = _OPERATORS[leaf.op]
        if leaf.path.field == "visibility" and leaf.value in _SIGHTS and not leaf.path.keys:
            return f"{alias}.visibility {operator} {_SIGHTS[leaf.value]}", []
        if isinstance(leaf.value, tuple):
            name = leaf.path.field
            return f"({alias}.{quoted(f'{name}__key')}, {alias}.{quoted(name)}) {operator} (?, ?)", list(leaf.value)
        if leaf.op == "eq" and leaf.path.keys and (found := self._referenced(leaf, spec, alias)):
            return found
        if leaf.op == "ne" and leaf.path.kind == "json":
            return self._other(leaf, spec, alias)
        if not leaf.path.keys:
            return f"{column(leaf.path, alias)} {operator} ?", [leaf.value]
        return self._tested(
            leaf.path, spec, alias, [leaf.value], lambda value: (f"{value} {operator} ?", [bound_value(leaf.value)])
        )

    def _referenced(self, leaf: Compare, spec: TypeSpec, alias: str) -> Fragment | None:
        """A url or digest of a blob is found by its look-up."""
        keys = leaf.path.keys
        if spec.by_name[leaf.path.field].kind != "blob" or keys[0] not in ("url", "digests"):
            return None
        value = leaf.value if keys[0] == "url" else f"{keys[1]}:{leaf.value}"
        if keys[0] == "url" and "://" not in value:
            return _FALSE  # or it might be the text of a digest
        if not self._known.marked:
            listed = "SELECT id FROM _references WHERE mark = ? AND field = ?"
            return f"{alias}.id IN ({listed})", [text_mark(value), leaf.path.field]
        return self._having(spec, alias, value, (spec.by_name[leaf.path.field],))

    def _other(self, leaf: Compare, spec: TypeSpec, alias: str) -> Fragment:
        """Present, and of another JSON type or value."""
        found = f"{alias}.id IN (SELECT id FROM {side(spec, leaf.path)} WHERE key = ? AND NOT (kind = ? AND value = ?))"
        return found, [pointer(leaf.path.keys), json_kind(leaf.value), bound_value(leaf.value)]

    def _tested(
        self, path: Path, spec: TypeSpec, alias: str, values: list[Any], test: Callable[[str], Fragment]
    ) -> Fragment:
        """A test of the value at a path, or of any where there are several."""
        top = spec.by_name[path.field].kind if path.keys else ""
        if top == "dict":
            text, bound = test("value")
            where = f"key = ? AND kind = ? AND {text}"
            return f"{alias}.id IN (SELECT id FROM {side(spec, path)} WHERE {where})", [
                pointer(path.keys),
                json_kind(values[0]),
                *bound,
            ]
        if top in ("blob", "folder") and path.keys[-1] == "url":
            return self._any_url(path, spec, alias, test)
        value, inside = one_value(spec, path, alias)
        text, bound = test(value)
        return text, inside + bound

    def _any_url(self, path: Path, spec: TypeSpec, alias: str, test: Callable[[str], Fragment]) -> Fragment:
        source, inside = one_value(spec, Path(path.field, path.keys[:-1]), alias)
        text, bound = test("json_extract(u.value, '$.url')")
        return f"EXISTS (SELECT 1 FROM json_each({source}, '$.locations') AS u WHERE {text})", inside + bound

    def _in(self, leaf: In, spec: TypeSpec, alias: str) -> Fragment:
        if leaf.path.kind != "json":
            return self._among(leaf.path, spec, alias, list(leaf.values))
        parts = [self._among(leaf.path, spec, alias, group) for group in _grouped(leaf.values).values()]
        return _joined(parts, "OR") if parts else _FALSE

    def _among(self, path: Path, spec: TypeSpec, alias: str, values: list[Any]) -> Fragment:
        listed, bound = _listed([bound_value(value) for value in values])
        if path == _NAME:
            return f"{alias}.row__n IN (SELECT row__n FROM {quoted(spec.name)} WHERE name IN ({listed}))", bound
        return self._tested(path, spec, alias, values or [None], lambda value: (f"{value} IN ({listed})", bound))

    def _absent(self, leaf: Absent, spec: TypeSpec, alias: str) -> Fragment:
        path = leaf.path
        top = spec.by_name[path.field].kind
        if path.keys and top == "dict":
            return self._negated(HasKey(Path(path.field, path.keys[:-1]), path.keys[-1]), spec, alias)
        if path.keys and path.keys[-1] == "url" and path.kind == "str" and top in ("blob", "folder"):
            path = Path(path.field, (*path.keys[:-1], "locations"))
        value, bound = one_value(spec, path, alias)
        return f"{value} IS NULL", bound

    def _has_key(self, leaf: HasKey, spec: TypeSpec, alias: str) -> Fragment:
        keys = (*leaf.path.keys, leaf.key)
        if spec.by_name[leaf.path.field].kind == "dict":
            return f"{alias}.id IN (SELECT id FROM {side(spec, leaf.path)} WHERE key = ?)", [pointer(keys)]
        return f"metastore_pick({alias}.{quoted(leaf.path.field)}, ?) IS NOT NULL", [encode(keys)]

    def _text(self, leaf: Text, spec: TypeSpec, alias: str) -> Fragment:
        if leaf.how == "starts" and not leaf.path.keys:
            name = column(leaf.path, alias)
            return f"({name} >= ? AND {name} < ?)", [leaf.value, _above(leaf.value)]
        form = {"starts": "instr({}, ?) = 1", "contains": "instr({}, ?) > 0", "ends": "metastore_ends({}, ?)"}[leaf.how]
        return self._tested(leaf.path, spec, alias, [leaf.value], lambda value: (form.format(value), [leaf.value]))

    def _contains(self, leaf: Contains, spec: TypeSpec, alias: str) -> Fragment:
        field = spec.by_name[leaf.path.field]
        distinct = list({encode(value): value for value in leaf.values}.values())
        if leaf.path.keys or not field.index or (leaf.every and not distinct):
            whole = f"{alias}.{quoted(field.name)}"
            return f"metastore_contains({whole}, ?, ?, ?)", [encode(leaf.path.keys), encode(distinct), int(leaf.every)]
        return self._contains_indexed(
            leaf, field, side(spec, leaf.path), alias, [bound_value(value) for value in distinct]
        )

    def _contains_indexed(
        self, leaf: Contains, field: FieldSpec, table: str, alias: str, values: list[Any]
    ) -> Fragment:
        if len(values) == 1:
            return f"{alias}.id IN (SELECT id FROM {table} WHERE value = ?)", values
        listed, bound = _listed(values)
        if not leaf.every:
            return f"{alias}.id IN (SELECT id FROM {table} WHERE value IN ({listed}))", bound
        return f"{alias}.id IN (SELECT id FROM {table} WHERE value IN ({listed}) GROUP BY id HAVING count(*) = ?)", [
            *bound,
            len(values),
        ]

    def _follow(self, leaf: Follow, spec: TypeSpec, alias: str) -> Fragment:
        target = self._known.spec(leaf.target)
        if target is None:
            return _FALSE
        self._aliases += 1
        inner = f"t{self._aliases}"
        text, bound = self.of(leaf.where, target, inner)
        links = f"SELECT l.source FROM {quoted(target.name)} AS {inner} JOIN _links AS l ON l.target = {inner}.id AND l.field = ?"
        return f"{alias}.id IN ({links} WHERE {text})", [leaf.path.field, *bound]

    def _followed(self, leaf: Followed, spec: TypeSpec, alias: str) -> Fragment:
        source = self._known.spec(leaf.source)
        if source is None:
            return _FALSE
        self._aliases += 1
        inner = f"t{self._aliases}"
        text, bound = self.of(leaf.where, source, inner)
        if source.by_name[leaf.field].kind == "link":
            links = f"SELECT {inner}.{quoted(leaf.field)} FROM {quoted(source.name)} AS {inner}"
            return f"{alias}.id IN ({links} WHERE {text})", bound
        # CROSS JOIN keeps the order: no index of _links begins with the field
        links = f"SELECT l.target FROM {quoted(source.name)} AS {inner} CROSS JOIN _links AS l ON l.source = {inner}.id AND l.field = ?"
        return f"{alias}.id IN ({links} WHERE {text})", [leaf.field, *bound]

    def _matches(self, leaf: Matches, spec: TypeSpec, alias: str) -> Fragment:
        fields = searched(spec, leaf.fields)
        if not leaf.words or not fields:
            return _FALSE
        table = text_table(spec.name, self._known.revision)
        asked, words = sought(spec, leaf.words, fields, leaf.fields)
        more, bound = self._known.and_pending(spec, "row__n", worded(leaf.words, fields, every=True))
        return f"{alias}.row__n IN (SELECT rowid FROM {table} WHERE {table} MATCH {asked}{more})", [*words, *bound]

    def _having(self, spec: TypeSpec, alias: str, reference: str, fields: Sequence[FieldSpec] = ()) -> Fragment:
        """A test for a url or digest, which few have. By id, as the indexes end in it: by number, a filter beside it was a scan of all that fit the filter."""
        table = text_table(spec.name, self._known.revision)
        asked, marks = sought(spec, (mark(reference),), fields or blobs(spec), fields)
        few = f"SELECT m.id FROM {table} CROSS JOIN {quoted(spec.name)} AS m ON m.row__n = {table}.rowid"
        more, bound = self._known.and_pending(spec, "id", referring(reference, fields or blobs(spec)))
        return f"{alias}.id IN ({few} WHERE {table} MATCH {asked}{more})", [*marks, *bound]

    def _references(self, leaf: References, spec: TypeSpec, alias: str) -> Fragment:
        if not self._known.marked:
            return f"{alias}.id IN (SELECT id FROM _references WHERE mark = ?)", [text_mark(leaf.value)]
        return self._having(spec, alias, leaf.value) if blobs(spec) else _FALSE


def bound_value(value: Any) -> Any:
    """Return what SQL holds for a plain or JSON value."""
    held = entry_value(value)
    return "" if held is None else held


_LEAVES: dict[type[Predicate], Callable[[Conditions, Any, TypeSpec, str], Fragment]] = {
    Compare: Conditions._compare,
    In: Conditions._in,
    Absent: Conditions._absent,
    Text: Conditions._text,
    Contains: Conditions._contains,
    HasKey: Conditions._has_key,
    Follow: Conditions._follow,
    Followed: Conditions._followed,
    Matches: Conditions._matches,
    References: Conditions._references,
}
