"""The tally: what everybody holds, kept by triggers, so that every program that writes keeps it, whatever it knows.

Table ``_usage`` is made when a quota is first set; a catalogue without quotas has neither table nor triggers. Its key is
(owner, type): the owner's text, ``''`` for what has no owner (no owner is empty), the integer 0 for everybody together.
Bytes are kept as two sums, of ``size >> 32`` (``high``) and of ``size & 0xFFFFFFFF`` (``low``): one sum of sizes of 63 bits
would overflow, and refuse the write that made it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from metastore.backend import TypeSpec, Usage, known_bytes
from metastore_sqlite._layout import quoted

__all__ = ["audited", "begin", "counted", "recount", "usage"]

NOBODY, EVERYBODY = "", 0

_TABLE = """
CREATE TABLE _usage (
    owner ANY, type TEXT, count INTEGER NOT NULL, high INTEGER NOT NULL, low INTEGER NOT NULL, PRIMARY KEY (owner, type)
) STRICT, WITHOUT ROWID"""


def begin(conn: Any, specs: Iterable[TypeSpec]) -> None:
    """Begin to count: make the table, fill it, and make the triggers of every type; once."""
    if counted(conn):
        return
    conn.execute(_TABLE)
    for spec in specs:
        recount(conn, spec)


def counted(conn: Any) -> bool:
    """Return whether this catalogue keeps a tally."""
    return conn.execute("SELECT 1 FROM sqlite_master WHERE name = '_usage'").fetchone() is not None


def recount(conn: Any, spec: TypeSpec) -> None:
    """Count a type anew, whose tables were made or changed, and have triggers follow it; nothing where no tally is kept."""
    if spec.engine_owned or not counted(conn):
        return
    conn.execute("DELETE FROM _usage WHERE type = ?", (spec.name,))
    for whose, ending in ((_owner("t"), "GROUP BY t.owner"), (str(EVERYBODY), "HAVING count(*)")):
        conn.execute(f"INSERT INTO _usage SELECT {whose}, {_text(spec.name)}, {_sums(spec)} {ending}")
    for name, sql in _triggers(spec).items():
        conn.execute(f"DROP TRIGGER IF EXISTS {quoted(name)}")
        conn.execute(sql)


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _owner(row: str) -> str:
    return f"coalesce({row}.owner, '{NOBODY}')"


def _sums(spec: TypeSpec) -> str:
    high, low = _halves(spec, "t")
    return f"count(*), coalesce(sum({high}), 0), coalesce(sum({low}), 0) FROM {quoted(spec.name)} AS t"


def _halves(spec: TypeSpec, row: str) -> tuple[str, str]:
    """The SQL of a row's bytes: of the upper halves of its sizes, and of the lower ones."""
    high, low = (" + ".join(_parts(spec, row, half)) or "0" for half in (">> 32", "& 4294967295"))
    return high, low


def _parts(spec: TypeSpec, row: str, half: str) -> Iterator[str]:
    # by json_each: in triggers, with trusted_schema off, SQLite 3.40 takes its own json_extract for unsafe
    for each in spec.fields:
        blob = f"json_each({row}.{quoted(each.name)})"
        if each.kind in ("blob", "folder"):
            known = f"{blob} AS e, json_each(e.value) AS s" if each.kind == "folder" else f"{blob} AS s"
            yield f"coalesce((SELECT sum(s.value {half}) FROM {known} WHERE s.key = 'size'), 0)"


def _triggers(spec: TypeSpec) -> dict[str, str]:
    """The triggers of a type by name; a change of what is not counted fires none."""
    table, watched = quoted(spec.name), [each.name for each in spec.fields if each.kind in ("blob", "folder")]
    names = ", ".join(quoted(name) for name in ("owner", *watched))
    gone, come = _less(spec), _more(spec)
    bodies = {"add": ("INSERT", come), "drop": ("DELETE", gone), "move": (f"UPDATE OF {names}", f"{gone} {come}")}
    return {
        f"{spec.name}:usage:{name}": f"CREATE TRIGGER {quoted(f'{spec.name}:usage:{name}')} AFTER {event} ON {table} BEGIN {body} END"
        for name, (event, body) in bodies.items()
    }


def _more(spec: TypeSpec) -> str:
    kind, (high, low) = _text(spec.name), _halves(spec, "new")
    values = ", ".join(f"({whose}, {kind}, 1, {high}, {low})" for whose in (_owner("new"), EVERYBODY))
    return (
        f"INSERT INTO _usage VALUES {values} ON CONFLICT (owner, type) DO UPDATE SET"
        " count = count + 1, high = high + excluded.high, low = low + excluded.low;"
    )


def _less(spec: TypeSpec) -> str:
    high, low = _halves(spec, "old")
    held = f"type = {_text(spec.name)} AND owner IN ({_owner('old')}, {EVERYBODY})"
    return (
        f"UPDATE _usage SET count = count - 1, high = high - ({high}), low = low - ({low}) WHERE {held};"
        f" DELETE FROM _usage WHERE {held} AND count = 0;"
    )


def usage(
    conn: Any, specs: Callable[[], Iterable[TypeSpec]], owner: str | None, *, everybody: bool
) -> dict[str, Usage]:
    """Return what an owner, or everybody, holds by type name: read where a tally is kept, else summed up from the rows."""
    if counted(conn):
        whose = EVERYBODY if everybody else NOBODY if owner is None else owner
        rows = conn.execute("SELECT type, count, high, low FROM _usage WHERE owner = ?", (whose,)).fetchall()
    else:
        where, bound = ("", ()) if everybody else ("WHERE t.owner IS ?", (owner,))
        rows = [
            (spec.name, *conn.execute(f"SELECT {_sums(spec)} {where}", bound).fetchone())
            for spec in specs()
            if not spec.engine_owned
        ]
    return {name: Usage(count, (high << 32) + low) for name, count, high, low in rows if count}


def audited(conn: Any, specs: Iterable[TypeSpec]) -> Iterator[str]:
    """Yield a sentence per disagreement of the tally with the rows, and per trigger that is not as it should be."""
    if not counted(conn):
        return
    expected: dict[str, str] = {}
    held: dict[tuple[Any, str], tuple[int, int]] = {}
    for spec in specs:
        if not spec.engine_owned:
            expected.update(_triggers(spec))
            _add_up(conn, spec, held)
    found = {
        (owner, name): (count, (high << 32) + low)
        for owner, name, count, high, low in conn.execute("SELECT owner, type, count, high, low FROM _usage")
    }
    for key in sorted(held.keys() | found.keys(), key=repr):
        if held.get(key) != found.get(key):
            yield f"the tally of {key[1]} says {found.get(key)} for owner {key[0]!r}, its rows say {held.get(key)}"
    triggers = dict(conn.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
    for name, sql in expected.items():
        if triggers.get(name) != sql:
            yield f"trigger {name} is not as it should be, so what is held is no longer counted"


def _add_up(conn: Any, spec: TypeSpec, held: dict[tuple[Any, str], tuple[int, int]]) -> None:
    fields = [each for each in spec.fields if each.kind in ("blob", "folder")]
    columns = "".join(f", {quoted(each.name)}" for each in fields)
    for owner, *values in conn.execute(f"SELECT owner{columns} FROM {quoted(spec.name)}"):
        size = sum(known_bytes(each, value) for each, value in zip(fields, values, strict=True))
        for whose in (NOBODY if owner is None else owner, EVERYBODY):
            count, total = held.get((whose, spec.name), (0, 0))
            held[whose, spec.name] = (count + 1, total + size)
