"""Whole statements: a page of rows, groups and measures, a closure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from attrs import frozen

from metastore._json import encode
from metastore.backend import TypeSpec
from metastore.query import And, Contains, Matches, Measure, Order, Path, Position, Predicate, Query, Rank
from metastore_sqlite._compile import (
    Conditions,
    Fragment,
    Known,
    bound_value,
    column,
    nullable,
    one_value,
    side,
    sought,
)
from metastore_sqlite._layout import TAILED, quoted, text_table
from metastore_sqlite._tail import pending, worded
from metastore_sqlite._words import searched

__all__ = ["DELETED", "aggregate", "closure", "neighbours", "select"]

DELETED = (
    "SELECT x.id, x.time, x.actor, x.message,"
    " c.kind, c.artifact, c.revision, c.spec, c.digest, c.parents, c.before, c.after, c.checkpoint"
    " FROM _changes AS c JOIN _transactions AS x ON x.seq = c.tx"
    " WHERE c.artifact = ? AND c.kind = 'delete' ORDER BY c.revision DESC LIMIT 1"
)
"""A delete is an artifact's last revision, so the index finds it at once."""

FEW = 150
"""Up to so many hits of a search are ranked from their rows."""


@frozen
class _Term:
    """One ORDER BY term; its bindings come each time it is written."""

    sql: str
    bound: list[Any]
    descending: bool
    nullable: bool


def select(spec: TypeSpec, query: Query, columns: str, known: Known) -> Fragment:
    """Return the statement of a query's rows: ``columns`` of alias ``t``."""
    conditions = Conditions(known)
    if (page := _one_element(spec, query)) is not None:
        return _page_of(spec, page, query.limit, columns)
    source, bound, where = _source(spec, query, known.revision)
    if query.latest:
        text, values = _latest(spec, *conditions.of(query.where, spec, "t"))
    else:
        text, values = conditions.of(where, spec, "t")
    bound += values
    terms = _terms(spec, query)
    if query.after is not None:
        after, values = _beyond(terms, _flat(query.order, query.after))
        text, bound = f"{text} AND {after}", bound + values
    if query.limit is None or len(terms) == 1:
        return _direct(columns, f"{source} WHERE {text}", bound, terms, query.limit)
    return _late(spec, columns, f"{source} WHERE {text}", bound, terms, query.limit)


def _one_element(spec: TypeSpec, query: Query) -> Contains | None:
    """A page in id order of what has one element: a range of the look-up, which is keyed so."""
    where = query.where
    if (
        isinstance(where, Contains)
        and len(where.values) == 1
        and not (where.path.keys or query.order or query.after or query.latest)
    ):
        return where if spec.by_name[where.path.field].index else None
    return None


def _page_of(spec: TypeSpec, where: Contains, limit: int | None, columns: str) -> Fragment:
    table, ending = side(spec, where.path), "" if limit is None else " LIMIT ?"
    sql = f"SELECT {columns} FROM {table} AS k CROSS JOIN {quoted(spec.name)} AS t ON t.id = k.id WHERE k.value = ? ORDER BY k.id{ending}"
    return sql, [bound_value(where.values[0]), *([] if limit is None else [limit])]


def _order(terms: list[_Term], form: str = "") -> str:
    names = [f"{form}{at}" if form else term.sql for at, term in enumerate(terms)]
    return ", ".join(f"{name}{' DESC' if term.descending else ''}" for name, term in zip(names, terms, strict=True))


def _direct(columns: str, asked: str, bound: list[Any], terms: list[_Term], limit: int | None) -> Fragment:
    bound = [*bound, *(value for term in terms for value in term.bound), *([] if limit is None else [limit])]
    return f"SELECT {columns} FROM {asked} ORDER BY {_order(terms)}{'' if limit is None else ' LIMIT ?'}", bound


def _late(spec: TypeSpec, columns: str, asked: str, bound: list[Any], terms: list[_Term], limit: int) -> Fragment:
    """Sort narrow rows, then fetch the whole ones of the page: sorting whole ones cost two thirds of a filtered page (measured)."""
    keys = ", ".join(f"{term.sql} AS o{at}" for at, term in enumerate(terms))
    page = f"SELECT t.row__n AS n, {keys} FROM {asked} ORDER BY {_order(terms, 'o')} LIMIT ?"
    bound = [*(value for term in terms for value in term.bound), *bound, limit]
    return (
        f"SELECT {columns} FROM ({page}) AS k CROSS JOIN {quoted(spec.name)} AS t ON t.row__n = k.n ORDER BY {_order(terms, 'k.o')}",
        bound,
    )


def _source(spec: TypeSpec, query: Query, revision: int) -> tuple[str, list[Any], Predicate]:
    """The FROM clause; a search that is ranked by its own words joins its hits instead of testing for them."""
    table = f"{quoted(spec.name)} AS t"
    ranks = [order.key for order in query.order if isinstance(order.key, Rank)]
    if not ranks or not _ranks(spec, ranks[0]):
        return table, [], query.where
    rest = _without(query.where, Matches(ranks[0].words, ranks[0].fields))
    if rest is None or query.latest:
        hits, bound = _and_pending(spec, ranks[0], revision, *_hits(spec, ranks[0], revision), every=False)
        return f"{table} LEFT JOIN ({hits}) AS r ON r.n = t.row__n", bound, query.where
    hits, bound = _and_pending(spec, ranks[0], revision, *_matched(spec, ranks[0], revision), every=True)
    return f"({hits}) AS r JOIN {table} ON t.row__n = r.n", bound, rest


def _without(where: Predicate, part: Matches) -> Predicate | None:
    if where == part:
        return And(())
    if isinstance(where, And) and part in where.items:
        return And(tuple(item for item in where.items if item != part))
    return None


def _ranks(spec: TypeSpec, rank: Rank) -> bool:
    return bool(rank.words and searched(spec, rank.fields))


def _and_pending(spec: TypeSpec, rank: Rank, revision: int, sql: str, bound: list[Any], *, every: bool) -> Fragment:
    """Go on with the rows that full text has not yet, where the file has such."""
    if revision < TAILED:
        return sql, bound
    hits, own = worded(rank.words, searched(spec, rank.fields), every=every)
    return f"{sql} UNION ALL SELECT p.row__n, {hits} AS hits FROM {pending(spec)} AND hits > 0", [*bound, *own]


def _hits(spec: TypeSpec, rank: Rank, revision: int, also: str = "", guard: str = "") -> Fragment:
    """Documents with their rank: one indexed search per word and field, bound as one JSON object, then a sum."""
    table, fields = text_table(spec.name, revision), searched(spec, rank.fields)
    weights = {f'({{"_{each.name}"}} : "{word}")': each.search for each in fields for word in rank.words}
    sql = f"SELECT f.rowid AS n, sum(j.value) AS hits FROM {guard}json_each(?) AS j CROSS JOIN {table} AS f WHERE f.{table} MATCH j.key{also} GROUP BY f.rowid"
    return sql, [json.dumps(weights, ensure_ascii=False)]  # in this order, whatever the words: see `_shapes`


def _matched(spec: TypeSpec, rank: Rank, revision: int) -> Fragment:
    """Documents that have every word, with their rank.

    A few are ranked one by one from their rows; for many a search per word and field costs less.
    """
    table, fields = text_table(spec.name, revision), searched(spec, rank.fields)
    asked, every = sought(spec, rank.words, fields, rank.fields)
    hits, ranked = worded(rank.words, fields, every=False, alias="s")
    searches, bound = _hits(spec, rank, revision, f" || ' AND (' || {asked} || ')'", "many CROSS JOIN ")
    sql = (
        f"WITH few AS MATERIALIZED (SELECT rowid AS n FROM {table} WHERE {table} MATCH {asked} LIMIT {FEW + 1}),"
        f" many AS MATERIALIZED (SELECT 1 FROM few LIMIT 1 OFFSET {FEW})"
        f" SELECT s.row__n AS n, {hits} AS hits FROM few CROSS JOIN {quoted(spec.name)} AS s ON s.row__n = few.n"
        f" WHERE NOT EXISTS (SELECT 1 FROM many) UNION ALL SELECT n, hits FROM ({searches})"
    )
    return sql, [*every, *ranked, *bound, *every]


def _terms(spec: TypeSpec, query: Query) -> list[_Term]:
    terms = [term for order in query.order for term in _term(spec, order)]
    if not any(term.sql == "t.`id`" for term in terms):
        terms.append(_Term("t.`id`", [], bool(query.order) and query.order[-1].descending, False))
    return terms


def _term(spec: TypeSpec, order: Order) -> list[_Term]:
    down = order.descending
    if isinstance(order.key, Rank):
        return [_Term("coalesce(r.hits, 0)" if _ranks(spec, order.key) else "abs(0)", [], down, False)]
    path: Path = order.key
    empty = nullable(spec, path)
    if path.kind == "version":
        return [_Term(f"t.{quoted(f'{path.field}__key')}", [], down, empty), _Term(column(path, "t"), [], down, empty)]
    if path.keys and spec.by_name[path.field].kind == "dict":
        whole, keys = f"t.{quoted(path.field)}", encode(path.keys)
        return [
            _Term(f"metastore_kind({whole}, ?)", [keys], down, True),
            _Term(f"metastore_scalar({whole}, ?)", [keys], down, True),
        ]
    sql, bound = one_value(spec, path, "t") if path.keys else (column(path, "t"), [])
    return [_Term(sql, bound, down, empty)]


def _flat(order: Sequence[Order], after: Position) -> list[Any]:
    """The position's values, one per ORDER BY term."""
    flat: list[Any] = []
    for each, value in zip(order, after.values, strict=True):
        if isinstance(each.key, Path) and each.key.kind == "version":
            flat += value if value is not None else (None, None)
        elif isinstance(each.key, Path) and each.key.kind == "json":
            flat += _kind_and_scalar(value)
        else:
            flat.append(value)
    return [*flat, after.id]


def _kind_and_scalar(value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [1, int(value)]
    return [None, None] if value is None else [3 if isinstance(value, str) else 2, value]


def _beyond(terms: list[_Term], values: list[Any]) -> Fragment:
    """The rows after a position: row values where all terms go one way and none is empty, else term by term."""
    values = values[: len(terms)]
    if not any(term.nullable or term.bound for term in terms) and len({term.descending for term in terms}) == 1:
        names, marks = ", ".join(term.sql for term in terms), ", ".join("?" * len(terms))
        return f"({names}) {'<' if terms[0].descending else '>'} ({marks})", values
    text, bound = _past(terms[-1], values[-1])
    for term, value in zip(terms[-2::-1], values[-2::-1], strict=True):
        past, now = _past(term, value)
        text, bound = f"({past} OR ({term.sql} IS ? AND {text}))", [*now, *term.bound, value, *bound]
    return text, bound


def _past(term: _Term, value: Any) -> Fragment:
    if term.descending:
        if value is None:
            return "0", []
        return (
            (f"({term.sql} < ? OR {term.sql} IS NULL)", [*term.bound, value, *term.bound])
            if term.nullable
            else (f"{term.sql} < ?", [*term.bound, value])
        )
    return (f"{term.sql} IS NOT NULL", term.bound) if value is None else (f"{term.sql} > ?", [*term.bound, value])


def _latest(spec: TypeSpec, text: str, bound: list[Any]) -> Fragment:
    source = f"{quoted(spec.name)} AS t"
    named = "t.name, " if "name" in spec.by_name else ""
    places = f"row_number() OVER (PARTITION BY {named}t.owner ORDER BY t.version__key DESC, t.version DESC, t.id DESC)"
    return (
        f"t.id IN (SELECT i FROM (SELECT t.id AS i, {places} AS place FROM {source} WHERE {text}) WHERE place = 1)",
        bound,
    )


def aggregate(spec: TypeSpec, query: Query, by: Sequence[Path], measures: Sequence[Measure], known: Known) -> Fragment:
    """Return the statement of groups and their measures; a free JSON path gives its kind and its value."""
    conditions = Conditions(known)
    source = f"{quoted(spec.name)} AS t"
    groups: list[Fragment] = []
    order: list[str] = []
    for number, path in enumerate(by):
        if path.kind == "list" and not path.keys:
            source += f" JOIN ({_elements(spec, path)}) AS g{number} ON g{number}.id = t.id"
            groups.append((f"g{number}.value", []))
        elif path.kind == "json":
            groups += [(term.sql, term.bound) for term in _term(spec, Order(path))]
        else:
            groups.append(one_value(spec, path, "t"))
        place = len(groups)
        keyed = path.kind == "version" and not path.keys
        order += (
            [f"max(t.{quoted(f'{path.field}__key')})", str(place)]
            if keyed
            else [str(place - 1), str(place)]
            if path.kind == "json"
            else [str(place)]
        )
    figures = [_figure(spec, measure) for measure in measures]
    text, values = conditions.of(query.where, spec, "t")
    if query.latest:
        text, values = _latest(spec, text, values)
    shown = [*groups, *figures]
    sql = f"SELECT {', '.join(part for part, _ in shown)} FROM {source} WHERE {text}"
    bound = [value for _, each in shown for value in each] + values
    if not groups:
        return sql, bound
    places = ", ".join(str(at) for at in range(1, len(groups) + 1))
    return f"{sql} GROUP BY {places} ORDER BY {', '.join(order)}", bound


def _elements(spec: TypeSpec, path: Path) -> str:
    if spec.by_name[path.field].index:
        return f"SELECT value, id FROM {side(spec, path)}"
    return f"SELECT DISTINCT e.value AS value, o.id AS id FROM {quoted(spec.name)} AS o, json_each(o.{quoted(path.field)}) AS e"


def _figure(spec: TypeSpec, measure: Measure) -> Fragment:
    if measure.path is None:
        return "count(*)", []
    sql, bound = one_value(spec, measure.path, "t")
    return f"{measure.what}({sql})", bound


@cache
def closure(*, one: bool, bounded: bool, backwards: bool, field: bool) -> str:
    """Return the statement of every link within reach; bound are the ids (see `_ids`), the depth, the field twice."""
    here, there = ("target", "source") if backwards else ("source", "target")
    only = " AND l.field = ?" if field else ""
    seed, deeper = _ids(", 0" if bounded else "", one=one), ", n.depth + 1" if bounded else ""
    within = "n.depth < ? - 1" if bounded else "1"
    step = f"SELECT l.{there}{deeper} FROM near AS n JOIN _links AS l ON l.{here} = n.id WHERE {within}{only}"
    near = f"near(id{', depth' if bounded else ''}) AS ({seed} UNION {step})"
    return f"WITH RECURSIVE {near} SELECT l.source, l.field, l.target FROM _links AS l WHERE l.{here} IN (SELECT id FROM near){only}"


@cache
def neighbours(*, one: bool, backwards: bool, field: bool) -> str:
    """Return the statement of a closure of one hop; bound are the ids (see `_ids`), the field."""
    here, only = "target" if backwards else "source", " AND field = ?" if field else ""
    ids = "= ?" if one else f"IN ({_ids(one=False)})"
    return f"SELECT source, field, target FROM _links WHERE {here} {ids}{only}"


def _ids(beside: str = "", *, one: bool) -> str:
    """Return the rows of the ids that a closure starts from: the one that is bound, or each of a JSON list of hex."""
    return f"SELECT ?{beside}" if one else f"SELECT metastore_bytes(value){beside} FROM json_each(?)"
