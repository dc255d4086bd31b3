"""Copying a catalogue to another store, and comparing the two, whatever happens meanwhile."""

import sqlite3
import threading
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import count
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore import Artifact, Blob, Catalog, Field, Link, Principal, Record, _copying, field, matches, moving
from metastore._copying import copied
from metastore.errors import (
    ConflictError,
    DamagedError,
    DuplicateError,
    ForbiddenError,
    LinkedError,
    QuotaError,
    ReadOnlyError,
    RetryError,
    UnknownTypeError,
)
from metastore.moving import Copied
from metastore.testing._exam import few
from metastore_memory import open_backend as open_memory
from metastore_sql import open_backend as open_server
from metastore_sqlite import open_backend as open_sqlite


def declared(**fields):
    """Return a class of the type ``parts`` with these fields: name=(annotation, field(...))."""
    body = {name: made for name, (_, made) in fields.items()}
    body["__annotations__"] = {name: Field[hint] for name, (hint, _) in fields.items()}
    return type(Artifact)("Part", (Artifact,), {**body, "__module__": __name__}, type_name="parts")


COMMON = {"disk": (Blob | None, field(default=None)), "parent": (Link[Record] | None, field(default=None))}
SHAPES = [
    declared(**COMMON, size=(int, field(default=0, index=True))),
    declared(**COMMON, size=(int, field(default=0, index=True)), labels=(list[str], field(factory=list, index=True))),
    declared(**COMMON, size=(str, field(default="0", search=1)), ratio=(float, field(default=0.1))),
]
Part = SHAPES[0]


class Note(Artifact, type_name="notes", unique=()):
    about: Field[list[Link[Record]]] = field(factory=list, on_delete="detach")


@pytest.fixture
def source():
    with Catalog.open("memory:", types=[Part, Note]) as catalog:
        yield catalog


@pytest.fixture
def destination(tmp_path):
    with Catalog.open(f"{tmp_path}/copy.db", durability="normal") as catalog:
        yield catalog


def narrowed(record):
    """Return a record of any shape as one of the last."""
    return {**{name: value for name, value in record.items() if name != "labels"}, "size": "x"}


def history(backend):
    """Return commits and changes in order, without their numbers."""
    return [(each.commit, each.changes) for each in backend.history(0, 10**6)]


def held(backend):
    """Return all that two catalogues should have in common, read without the comparison."""
    specs = {each.spec.name: each.spec for each in backend.specs()}
    every = dict(backend.identities(b"", 10**6))
    rows = {
        name: backend.fetch(spec, [ident for ident in every if every[ident].type == name])
        for name, spec in specs.items()
    }
    return backend.specs(), every, repr(rows), history(backend)


def same(source, destination):
    """Assert that a copy is exact, and sound in itself."""
    one, other = source._backend, destination._backend
    assert held(other) == held(one)
    assert Catalog(other).check() == []
    assert moving.compare(source, destination).equal


# --- what is copied ---


def test_everything_comes_along(source, destination):
    part = source.add(Part(name="a", disk=Blob("s3://a/b", size=9), parent=Link(uuid4())))
    note = source.add(Note(name="n", about=[Link(part)], tags=["x"], properties={"a.b": [None, 1.5]}))
    source.update(note, description="words to find")
    gone = source.add(Part(name="gone"))
    source.delete(gone)
    assert moving.copy(source, destination) == Copied(transactions=5, changes=5)
    same(source, destination)
    assert destination.get(Record, note.id).description == "words to find"
    assert destination.find(Note, Note.tags.contains("x"), matches("find")).count() == 1
    assert destination.tombstone(gone.id) == source.tombstone(gone.id)


def test_what_is_new_is_brought_later(source, destination):
    part = source.add(Part(name="a"))
    assert moving.copy(source, destination) == Copied(1, 1)
    assert moving.copy(source, destination) == Copied(0, 0)
    source.update(part, size=5)
    source.add(Note(name="n"))
    assert moving.copy(source, destination) == Copied(2, 2)
    same(source, destination)


def test_an_empty_catalogue_is_copied(source, destination):
    assert moving.copy(source, destination) == Copied(0, 0)
    same(source, destination)


def test_a_copy_goes_there_and_back(source, destination, tmp_path):
    source.add(Part(name="a"))
    moving.copy(source, destination)
    destination.add(Part(name="b"))
    assert moving.copy(destination, source) == Copied(1, 1)
    same(source, destination)


def test_the_destination_keeps_its_own_identity_and_goes_on_in_time(source, destination):
    part = source.add(Part(name="a"))
    moving.copy(source, destination)
    assert source.id != destination.id
    assert destination.add(Part(name="b")).created_at >= part.created_at


def test_a_big_transaction_comes_in_parts(source, destination, monkeypatch):
    monkeypatch.setattr(_copying, "CHUNK", 10)
    source.add_many(Part(name=f"{at}") for at in range(35))
    told = []
    assert moving.copy(source, destination, progress=lambda done, total: told.append((done, total))) == Copied(1, 35)
    assert told == [(10, 35), (20, 35), (30, 35), (35, 35)]
    same(source, destination)


def test_a_transaction_without_changes_is_copied_too(source, destination):
    with source.transaction(message="nothing") as commit:
        commit.time()
    assert moving.copy(source, destination) == Copied(1, 0)
    same(source, destination)


def test_names_that_change_hands_in_the_source_do_not_stand_against_it(source, destination, monkeypatch):
    monkeypatch.setattr(_copying, "CHUNK", 1)
    one, two, three = (source.add(Part(name=name)) for name in "abc")
    moving.copy(source, destination)
    source.update(source.get(Part, two.id), description="touched first")
    one, two, three = (source.update(source.get(Part, each.id), name=f"{each.name}'") for each in (one, two, three))
    for each, name in ((one, "b"), (two, "c"), (three, "a")):
        source.update(each, name=name)
    moving.copy(source, destination)
    same(source, destination)


def test_ids_that_something_once_linked_to_stay_known(source, destination):
    source.add(Part(name="a", parent=Link(stranger := uuid4())))
    source.migrate(SHAPES[2], lambda record: {**record, "size": "0", "parent": None})
    moving.copy(source, destination)
    same(source, destination)
    assert destination._backend.identify([stranger.bytes])[stranger.bytes].state == "foreign"


def test_types_widen_and_migrate_between_two_copies(source, destination, monkeypatch):
    monkeypatch.setattr(_copying, "CHUNK", 2)
    parts = [source.add(Part(name=f"{at}", size=at)) for at in range(5)]
    moving.copy(source, destination)
    source.add(SHAPES[1](name="wide", labels=["x"]))
    moving.copy(source, destination)
    same(source, destination)
    replaced = str(parts[0].id)
    source.migrate(
        SHAPES[2],
        lambda record: {
            **narrowed(record),
            "id": str(uuid4()) if record["id"] == replaced else record["id"],
        },
    )
    source.add(SHAPES[2](name="later"))
    moving.copy(source, destination)
    same(source, destination)
    assert [each.breaking for each in destination._backend.specs("parts")] == [False, False, True]
    assert destination._backend.identify([parts[0].id.bytes])[parts[0].id.bytes].state == "deleted"


def test_shares_and_quotas_hold_in_the_copy(source, destination):
    mine = source.as_(Principal(project="p1", roles=["member"]))
    part = mine.add(Part(name="a"))
    source.share(source.get(Part, part.id), "p2")
    source.set_quota("p1", "parts", count=1)
    moving.copy(source, destination)
    same(source, destination)
    destination.register(Part)
    with pytest.raises(QuotaError):
        destination.as_(Principal(project="p1", roles=["member"])).add(Part(name="b"))
    assert [each.member for each in destination.members(destination.get(Part, part.id))] == ["p2"]
    assert destination._backend._read("SELECT count(*) FROM _usage", ()) != [(0,)]


def test_a_catalogue_that_is_open_knows_the_types_that_came(source, destination):
    source.add(Part(name="a"))
    moving.copy(source, destination)
    assert [each.name for each in destination.types()] == ["parts"]
    assert destination.find(Record).count() == 1


# --- what is refused, before anything is written ---


def other(catalog):
    catalog.add(Part(name="own"))


def written_since(catalog):
    catalog.add(Note(name="since"))


def other_type(catalog):
    catalog.register(declared(strange=(int, field(default=0))))
    catalog.find(Record).count()
    catalog._types.shelf(catalog.artifact_type("parts"))


@pytest.mark.parametrize("spoil", [other, written_since, other_type])
def test_a_destination_that_is_no_copy_is_refused(source, destination, spoil):
    source.add(Note(name="n"))
    if spoil is written_since:
        moving.copy(source, destination)
    spoil(destination)
    source.add(Part(name="a"))
    before = held(destination._backend)
    with pytest.raises(ConflictError, match="no copy of the source"):
        moving.copy(source, destination)
    assert held(destination._backend) == before


def test_a_source_that_lost_what_the_copy_has_is_refused(tmp_path, destination):
    with Catalog.open("memory:", types=[Part]) as first:
        first.add(Part(name="a"))
        moving.copy(first, destination)
    with Catalog.open("memory:", types=[Part]) as second, pytest.raises(ConflictError):
        moving.copy(second, destination)


def test_a_catalogue_is_not_copied_into_itself(tmp_path):
    path = f"{tmp_path}/c.db"
    with Catalog.open(path) as one, Catalog.open(path) as two, pytest.raises(ConflictError, match="same catalogue"):
        moving.copy(one, two)


def test_a_destination_open_for_reading_is_refused(source, destination, tmp_path):
    source.add(Part(name="a"))
    with Catalog.open(f"{tmp_path}/copy.db", mode="ro") as reading, pytest.raises(ReadOnlyError):
        moving.copy(source, reading)


def test_principals_and_open_transactions_are_refused(source, destination):
    ann = source.as_(Principal(user="ann"))
    for work in (
        lambda: moving.copy(ann, destination),
        lambda: moving.compare(source, destination.as_(Principal(user="ann"))),
    ):
        with pytest.raises(ForbiddenError):
            work()
    with destination.transaction(), pytest.raises(ConflictError, match="outside"):
        moving.copy(source, destination)


def test_a_source_whose_history_tells_of_nothing_known_is_damaged(destination, tmp_path):
    with Catalog.open(f"{tmp_path}/one.db", types=[Part]) as source:
        source.delete(source.add(Part(name="a")))
        with closing(sqlite3.connect(f"{tmp_path}/one.db")) as connection, connection:
            connection.execute("DELETE FROM _identity")
        with pytest.raises(DamagedError, match="check it"):
            moving.copy(source, destination)


# --- interruptions, and others who write ---


class Cut(BaseException):
    """The process dies here."""


class Watched:
    """A backend that calls ``at`` before each call of a method and after each commit."""

    def __init__(self, inner, at):
        self.inner, self.at, self.busy = inner, at, False

    def __getattr__(self, name):
        found = getattr(self.inner, name)
        if not callable(found):
            return found

        def called(*args, **options):
            self.at()
            if name == "adopt":
                self.check(*args)
            return found(*args, **options)

        return called

    def check(self, told, known, rows):
        """Assert what the contract says of the arguments of adopt."""
        live = {row[0] for _, some in rows for row in some}
        assert {ident for ident, each in known.items() if each.state == "live"} == live
        assert {each.id for one in told for each in one.changes} <= set(known)

    @contextmanager
    def transaction(self):
        self.at()
        with self.inner.transaction():
            self.busy = True
            yield
            self.at()
        self.busy = False
        self.at()


def after(calls, work):
    """Return a function that does the work at that call of it, once."""
    left = iter(range(calls, -1, -1))
    return lambda: work() if next(left, None) == 0 else None


def die():
    raise Cut


@pytest.mark.parametrize("calls", range(40))
def test_a_copy_that_dies_at_any_step_goes_on(source, destination, monkeypatch, calls):
    monkeypatch.setattr(_copying, "CHUNK", 2)
    source.add_many(Part(name=f"{at}") for at in range(5))
    source.delete(source.add(Note(name="n")))
    source.set_quota("p", count=1)
    try:
        copied(source._backend, Watched(destination._backend, after(calls, die)))
    except Cut:
        moving.copy(source, destination)
    destination._types.refresh()
    same(source, destination)


@pytest.mark.parametrize("migrates", [False, True])
@pytest.mark.parametrize("calls", range(24))
def test_a_source_that_is_written_to_meanwhile_is_followed(source, destination, monkeypatch, calls, migrates):
    monkeypatch.setattr(_copying, "CHUNK", 2)
    parts = [source.add(Part(name=f"{at}")) for at in range(5)]

    def write():
        source.update(source.get(Part, parts[0].id), name="moved")
        source.add(Part(name="0", parent=Link(parts[1])))
        for each in parts[2:]:
            source.delete(source.get(Part, each.id))
        if migrates:
            source.migrate(SHAPES[2], narrowed)

    copied(Watched(source._backend, after(calls, write)), Watched(destination._backend, lambda: None))
    moving.copy(source, destination)
    same(source, destination)


@pytest.mark.parametrize("calls", range(12, 40))
def test_another_copy_that_dies_once_it_brought_the_types_does_no_harm(source, destination, monkeypatch, calls):
    monkeypatch.setattr(_copying, "CHUNK", 2)
    source.add_many(SHAPES[1](name=f"{at}") for at in range(5))

    def migrated():
        source.migrate(SHAPES[2], narrowed)
        if not watched.busy:
            _copying._Run(source._backend, destination._backend, None)._types()

    watched = Watched(destination._backend, after(calls, migrated))
    copied(source._backend, watched)
    moving.copy(source, destination)
    same(source, destination)


def at_once(source, destination):
    """Return what three copies at once brought, and what they failed at."""
    done, failed = [], []

    def work():
        try:
            done.append(copied(source._backend, destination._backend))
        except BaseException as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return done, failed


def test_two_copies_at_once_do_nothing_twice(source, destination, monkeypatch):
    monkeypatch.setattr(_copying, "CHUNK", 3)
    for at in range(40):
        source.add_many([Part(name=f"{at}"), Note(name="n")])
    done, failed = at_once(source, destination)
    assert failed == []
    assert sum(each.changes for each in done) == 80
    destination._types.refresh()
    same(source, destination)


def test_who_writes_into_the_destination_meanwhile_is_noticed(source, destination, monkeypatch):
    monkeypatch.setattr(_copying, "CHUNK", 1)
    source.add_many(Part(name=f"{at}") for at in range(5))
    write = after(9, lambda: destination.add(Note(name="mine")))
    with pytest.raises(ConflictError, match="no copy of the source"):
        copied(Watched(source._backend, write), destination._backend)


def test_what_the_database_undid_is_done_again(source, destination, monkeypatch):
    monkeypatch.setattr(_copying, "CHUNK", 2)
    source.add_many(Part(name=f"{at}") for at in range(9))
    calls = count()

    def lose():
        if next(calls) % 23 == 22:
            raise RetryError("the node died; do it again")

    assert copied(source._backend, Watched(destination._backend, lose), patience=5).changes == 9
    destination._types.refresh()
    same(source, destination)


def test_what_the_database_undoes_for_ever_is_told(source, destination):
    source.add(Part(name="a"))

    def lose():
        raise RetryError("the node died; do it again")

    with pytest.raises(RetryError):
        copied(source._backend, Watched(destination._backend, lose), patience=0)


# --- any program of operations, copied in pieces ---

NAMES = "abcd"
STRANGERS = [UUID(int=at) for at in range(1, 4)]


class Program:
    """Operations on a source, each given by its name and two numbers; what is refused is nothing."""

    def __init__(self, catalog):
        self.catalog, self.shape = catalog, 0

    def do(self, what, one, two):
        try:
            getattr(self, what)(one, two)
        except (DuplicateError, LinkedError, QuotaError, UnknownTypeError):
            return

    def parts(self):
        return list(self.catalog.find(SHAPES[self.shape]))

    def chosen(self, at):
        parts = self.parts()
        return parts[at % len(parts)] if parts else None

    def target(self, at):
        parts = [Link(each) for each in self.parts()] + [Link(each) for each in STRANGERS] + [None]
        return parts[at % len(parts)]

    def add(self, one, two):
        self.catalog.add(SHAPES[self.shape](name=NAMES[one % 4], parent=self.target(two), tags=["x"] * (two % 2)))

    def note(self, one, two):
        about = [each for each in (self.target(one), self.target(two)) if each is not None]
        self.catalog.add(Note(name="n", about=about))

    def update(self, one, two):
        part = self.chosen(one)
        if part is not None:
            self.catalog.update(part, name=NAMES[two % 4], parent=self.target(two), description=f"{one} {two}")

    def delete(self, one, two):
        part = self.chosen(one)
        if part is not None:
            self.catalog.delete(part)

    def together(self, one, two):
        with self.catalog.transaction(message=f"{one}"):
            for what in ("add", "update", "delete", "note")[: one % 5]:
                with self.catalog.transaction():
                    getattr(self, what)(one + two, two)

    def nothing(self, one, two):
        with self.catalog.transaction(message="nothing") as commit:
            commit.time()

    def share(self, one, two):
        part = self.chosen(one)
        if part is not None and part.visibility == "private":
            self.catalog.share(part, f"p{two}")

    def quota(self, one, two):
        self.catalog.set_quota(f"p{one % 2}", count=two)

    def widen(self, one, two):
        if self.shape == 0:
            self.shape = 1
            self.add(one, two)

    def migrate(self, one, two):
        if self.shape < 2:
            self.catalog.migrate(SHAPES[2], narrowed)
            self.shape = 2


OPERATIONS = (
    ["add"] * 4 + ["update"] * 3 + ["delete", "note", "together", "nothing", "share", "quota", "widen", "migrate"]
)
STEPS = st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 9), st.integers(0, 9))
RUNS = st.lists(
    st.tuples(st.lists(STEPS, max_size=6), st.integers(0, 60), st.integers(0, 40), STEPS), min_size=1, max_size=4
)


@given(program=st.lists(STEPS, max_size=8), runs=RUNS, chunk=st.integers(1, 6), way=st.sampled_from(["ms", "sm", "ss"]))
@few(60)
def test_any_program_copied_in_pieces_with_interruptions_is_exact(tmp_path_factory, program, runs, chunk, way):
    folder, known = tmp_path_factory.mktemp("any"), _copying.CHUNK
    stores = [
        open_memory("memory:")
        if kind == "m"
        else open_sqlite(f"{folder}/{at}.db", mode="rw", durability="normal", timeout=9.0)
        for at, kind in enumerate(way)
    ]
    with Catalog(stores[0]) as source, Catalog(stores[1]) as destination:
        source.register(Part, Note)
        doing = Program(source)
        try:
            _copying.CHUNK = chunk
            for step in program:
                doing.do(*step)
            for steps, dies, writes, step in runs:
                for each in steps:
                    doing.do(*each)
                watched = Watched(source._backend, after(writes, lambda step=step: doing.do(*step)))
                try:
                    copied(watched, Watched(destination._backend, after(dies, die)))
                except Cut:
                    continue
            moving.copy(source, destination)
        finally:
            _copying.CHUNK = known
        same(source, destination)


# --- to a server and back ---


@pytest.fixture(params=["postgres", "mysql"])
def server(request):
    """A function that opens a new and empty catalogue on a server."""
    place = request.getfixturevalue(request.param)
    with ExitStack() as stack:

        def opened():
            store = open_server(place(), mode="rw", durability="normal", timeout=20.0)
            return stack.enter_context(Catalog(store, timeout=20.0))

        yield opened


@given(program=st.lists(STEPS, min_size=4, max_size=12), dies=st.integers(0, 60), chunk=st.integers(2, 8))
@few(4)
def test_any_program_goes_to_a_server_and_back(server, tmp_path_factory, program, dies, chunk):
    folder, there = tmp_path_factory.mktemp("any"), server()
    with (
        Catalog.open(f"{folder}/one.db") as source,
        Catalog.open(f"{folder}/back.db") as back,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(_copying, "CHUNK", chunk)
        source.register(Part, Note)
        doing = Program(source)
        for step in program:
            doing.do(*step)
        with suppress(Cut):
            copied(source._backend, Watched(there._backend, after(dies, die)))
        moving.copy(source, there)
        same(source, there)
        doing.do("migrate", 0, 0)
        doing.do("add", 1, 5)
        moving.copy(source, there)
        with suppress(Cut):
            copied(Watched(there._backend, after(dies, die)), back._backend)
        moving.copy(there, back)
        same(there, back)
        same(source, back)


def test_copies_to_a_server_at_once_do_nothing_twice(server, source, monkeypatch):
    monkeypatch.setattr(_copying, "CHUNK", 3)
    for at in range(20):
        source.add_many([Part(name=f"{at}"), Note(name="n")])
    there = server()
    done, failed = at_once(source, there)
    assert failed == []
    assert sum(each.changes for each in done) == 40
    same(source, there)


def test_a_quota_holds_on_a_server(server, source):
    source.set_quota("p1", "parts", count=1)
    source.as_(Principal(project="p1", roles=["member"])).add(Part(name="a"))
    there = server()
    moving.copy(source, there)
    there.register(Part)
    with pytest.raises(QuotaError):
        there.as_(Principal(project="p1", roles=["member"])).add(Part(name="b"))
    assert there.check() == []
