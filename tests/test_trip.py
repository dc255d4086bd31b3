"""The trip of one record: functions of ours and SQL statements per operation, counted.

`WANTED` is the budget of docs/architecture.md, `TODAY` what it costs now; neither may grow.
"""

import gc
import subprocess
import sys
from collections import Counter

import pytest

from metastore import Artifact, Catalog, Field, field
from metastore._data import Data

HEAVY = (
    "attr",
    "sqlite3",
    "sqlite_utils",
    "cattrs",
    "fsspec",
    "importlib.metadata",
    "difflib",
    "urllib.parse",
    "sqlalchemy",
    "pandas",
    "asyncio",
)

WANTED = {"put": 10, "get": 7, "update": 8, "find": 15, "row": 4}
TODAY = {"put": 58, "get": 7, "update": 67, "find": 39, "row": 4}
STATEMENTS = {"put": 8, "get": 1, "update": 7, "find": 1, "count": 1, "delete": 10}


class Part(Artifact, type_name="parts"):
    size: Field[int] = field(default=0, index=True)
    kind: Field[str] = field(default="x", max_length=9)
    weight: Field[float] = field(default=1.0)


@pytest.fixture
def catalog(tmp_path, monkeypatch):
    monkeypatch.setattr("metastore_sqlite._turns.QUANTUM", 0)  # every write queues, however fast the one before was
    monkeypatch.setattr("metastore_sqlite._full_text.PENDING", 8)  # no write here comes to more
    monkeypatch.setattr(
        "metastore._ids._tails", list(range(999))
    )  # drawn beforehand: at one id of 128 it takes a step more
    with Catalog.open(f"{tmp_path}/c.db", types=[Part]) as catalog:
        catalog.add_many(Part(name=f"p{at}", size=at) for at in range(20))
        used_once(catalog)
        yield catalog


def used_once(catalog):
    """Compile what is compiled at first use."""
    made = catalog.update(catalog.get(Part, catalog.add(Part(name="warm")).id), size=3)
    for limit in (1, 2, 11):
        assert catalog.find(Part, Part.size <= 2, order_by=[Part.name], limit=limit).all()
    catalog.count(Part, Part.size <= 2)
    catalog.delete(made)


def ours(frame):
    """Whether a frame is a function that someone of us wrote; constructors of frozen data count as little as those that attrs writes."""
    code, package = frame.f_code, frame.f_globals.get("__name__", "").partition(".")[0]
    return (
        package in ("metastore", "metastore_sqlite")
        and not (code.co_name == "__init__" and isinstance(frame.f_locals["self"], Data))
        and not code.co_name.startswith("<")
        and not code.co_filename.startswith("<")
    )


def trip(act):
    """Return how often each function of ours was called by an action, in order of first call."""
    calls = Counter()

    def see(frame, event, _):
        if event == "call" and ours(frame):
            calls[f"{frame.f_globals['__name__']}.{frame.f_code.co_qualname}"] += 1

    gc.collect()
    gc.disable()  # else a connection that an earlier test left behind is closed in the middle, and counted
    sys.setprofile(see)
    try:
        act()
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls


def statements(catalog, act):
    """Return the SQL that an action runs, one text per statement, without what triggers and full text do inside."""
    seen = []
    connection = catalog._backend._connections.local().conn
    connection.set_trace_callback(lambda sql: seen.append(sql) if not sql.startswith("--") else None)
    try:
        act()
    finally:
        connection.set_trace_callback(None)
    return seen


def actions(catalog):
    """The operations, each on what it needs, made beforehand."""
    stored = catalog.get(Part, name="p1")
    new, few, by_name = Part(name="new", size=1), Part.size <= 2, [Part.name]
    return {
        "put": lambda: catalog.add(new),
        "get": lambda: catalog.get(Part, stored.id),
        "update": lambda: catalog.update(stored, size=7),
        "find": lambda: catalog.find(Part, few, order_by=by_name, limit=1).all(),
        "count": lambda: catalog.count(Part, few),
        "delete": lambda: catalog.delete(stored),
    }


@pytest.mark.parametrize("name", ["put", "get", "update", "find"])
def test_an_operation_takes_no_more_functions_of_ours_than_today(catalog, name):
    calls = trip(actions(catalog)[name])
    assert calls.total() <= TODAY[name], dict(calls)


def test_a_further_row_takes_no_more_functions_of_ours_than_today(catalog):
    few, by_name = Part.size <= 15, [Part.name]

    def find(limit):
        return trip(lambda: catalog.find(Part, few, order_by=by_name, limit=limit).all())

    further = find(11) - find(1)
    assert further.total() <= TODAY["row"] * 10, dict(further)


@pytest.mark.xfail(
    reason="the layers of the first engine are deeper than the spike's; to be shortened trip by trip", strict=True
)
def test_the_budget_of_the_architecture_is_kept():
    assert {name: count for name, count in TODAY.items() if count > WANTED[name]} == {}


@pytest.mark.parametrize("name", STATEMENTS)
def test_an_operation_runs_exactly_these_statements(catalog, name):
    seen = statements(catalog, actions(catalog)[name])
    assert len(seen) == STATEMENTS[name], "\n".join(seen)


@pytest.mark.parametrize("count", [1, 10, 300])
def test_adding_many_runs_statements_per_batch_and_row_not_more(catalog, count):
    parts = [Part(name=f"new{at}") for at in range(count)]
    seen = Counter(" ".join(sql.split()[:3]) for sql in statements(catalog, lambda: catalog.add_many(parts)))
    assert seen["BEGIN IMMEDIATE"] == seen["COMMIT"] == seen["INSERT INTO _transactions"] == 1
    assert max(seen.values()) == count


def test_importing_the_engine_loads_nothing_heavy():
    code = f"import sys; before = set(sys.modules); import metastore; print([name for name in {HEAVY!r} if name in sys.modules and name not in before])"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
