"""Migrations on real servers, with a revision of the tests' own; what an old and a new program do in between."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from metastore import Artifact, Catalog
from metastore.errors import BusyError, MigrationError, NewerRevisionError, NotACatalogError
from metastore_sql._dialect import dialect_of
from metastore_sql._revisions import check_revision
from metastore_sql._tables import creation, own_tables
from metastore_sql.migrations import Schema


class Note(Artifact, type_name="migrations_notes"):
    """What a program writes."""


SCRIPTS = Path(__file__).parent / "revisions"
STEPS = ("expand", "backfill", "contract")


class Place:
    """An empty catalogue of revision 1, and SQL on it."""

    def __init__(self, url):
        self.url, self.schema = url, Schema(url, timeout=5.0, scripts=[SCRIPTS])
        settings, self.dialect = self.schema._settings, dialect_of(self.schema._settings.dialect)
        driver = {"postgresql": "postgresql+psycopg://", "mysql": "mysql+pymysql://"}[self.dialect.name]
        self.engine = create_engine(driver, creator=self.schema._driver, isolation_level="AUTOCOMMIT")
        self.own = own_tables(self.dialect, settings.schema)

    def make(self):
        with self.engine.connect() as connection:
            for statement in creation(self.own.every, self.dialect.sa):
                connection.exec_driver_sql(statement.replace("%", "%%"))
            row = {"only": 1, "seq": 0, "time": 0, "generation": 0, "tallied": False, "revision": 1, "least": 1}
            connection.execute(self.own.turn.insert().values(row))
        return self

    def sql(self, statement, **bound):
        with self.engine.connect() as connection:
            found = connection.execute(text(statement), bound)
            return found.all() if found.returns_rows else []

    def written(self, seq):
        """What a program of revision 1 writes."""
        with self.engine.connect() as connection:
            connection.execute(self.own.transactions.insert().values(seq=seq, id=uuid4().bytes, time=seq))


@pytest.fixture(params=["postgres", "mysql"])
def place(request):
    made = Place(request.getfixturevalue(request.param)()).make()
    yield made
    made.engine.dispose()


def test_a_catalogue_says_where_it_is_and_what_is_next(place):
    state = place.schema.state()
    assert (state.revision, state.least) == (1, 1)
    assert state.pending == ("2_expand", "2_backfill", "2_contract")


def test_the_steps_are_taken_one_at_a_time(place):
    for seq in range(1, 26):
        place.written(seq)
    seen = []
    for step in STEPS:
        assert place.schema.take(step) == (f"2_{step}",)
        seen.append((place.schema.state().revision, place.schema.state().least))
    assert seen == [(2, 1), (2, 1), (2, 2)]
    assert place.sql("SELECT count(*) FROM _transactions WHERE changes = 0") == [(25,)]
    assert place.schema.state().pending == ()


def test_in_between_old_and_new_programs_work_on_one_database(place):
    place.schema.take("expand")
    place.written(1)  # by an old one, which leaves the new column empty
    place.sql(
        "INSERT INTO _transactions (seq, id, time, changes) SELECT 2, :id, time, 3 FROM _transactions", id=uuid4().bytes
    )
    revision, least = place.schema.state().revision, place.schema.state().least
    for program in (1, 2):
        check_revision(revision, least, place.url, program=program)
    place.schema.take("backfill")
    assert place.sql("SELECT changes FROM _transactions ORDER BY seq") == [(0,), (3,)]
    place.schema.take("contract")
    with pytest.raises(NewerRevisionError, match="newer metastore"):
        check_revision(2, place.schema.state().least, place.url, program=1)


@pytest.fixture(params=["postgres", "mysql"])
def at_work(request):
    """The address of a catalogue, and a program that has it open."""
    address = request.getfixturevalue(request.param)()
    with Catalog.open(address, types=[Note]) as catalog:
        catalog.add(Note(name="before"))
        yield address, catalog


def test_a_program_at_work_is_told_with_its_next_write_that_it_is_too_old(at_work):
    address, catalog = at_work
    schema = Schema(address, timeout=5.0, scripts=[SCRIPTS])
    schema.take("expand")
    catalog.add(Note(name="in between"))
    schema.take("backfill")
    schema.take("contract")
    with pytest.raises(NewerRevisionError, match="newer metastore"):
        catalog.add(Note(name="after"))
    with pytest.raises(NewerRevisionError), catalog.transaction():
        catalog.add(Note(name="after"))
    assert [each.name for each in catalog.find(Note, order_by=[Note.created_at])] == ["before", "in between"]
    for _ in STEPS:
        schema.down()
    assert catalog.add(Note(name="back")).name == "back"
    assert catalog.check() == []


def test_a_new_program_asks_for_what_it_needs(place):
    with pytest.raises(MigrationError, match=r"metastore migrate expand -c postgresql://db/cat"):
        check_revision(place.schema.state().revision, 1, "postgresql://db/cat", program=2)


def test_a_step_out_of_turn_is_refused_and_changes_nothing(place):
    with pytest.raises(MigrationError, match="the next step is 2_expand, not contract"):
        place.schema.take("contract")
    assert place.schema.state().revision == 1


def test_one_step_down_undoes_one_step_up(place):
    for step in STEPS:
        place.schema.take(step)
    states = []
    for step in reversed(STEPS):
        assert place.schema.down() == (f"2_{step}",)
        states.append((place.schema.state().revision, place.schema.state().least))
    assert states == [(2, 1), (2, 1), (1, 1)]
    assert place.schema.down() == ()
    place.written(1)
    assert place.schema.take("expand") == ("2_expand",)


def test_two_who_migrate_at_once_do_it_once(place):
    others = [Schema(place.url, timeout=20.0, scripts=[SCRIPTS]) for _ in range(4)]
    place.schema.state()
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda each: each.take("expand"), others))
    assert sorted(done) == [(), (), (), ("2_expand",)]
    assert place.schema.state().revision == 2


def test_who_waits_too_long_for_another_one_is_told(place):
    impatient = Schema(place.url, timeout=1.0, scripts=[SCRIPTS])
    busy = pytest.raises(BusyError, match="somebody else is migrating")
    with place.schema._connected() as connection, place.schema._alone(connection), busy:
        impatient.take("expand")
    assert impatient.take("expand") == ("2_expand",)


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_where_no_catalogue_is_there_is_nothing_to_migrate(kind, request):
    with pytest.raises(NotACatalogError, match="holds no catalogue"):
        Schema(request.getfixturevalue(kind)()).state()
