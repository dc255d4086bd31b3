"""Writing where the shipped suite leaves gaps: programs of an older spec, migrations beside other programs, the tally."""

from contextlib import closing, suppress
from uuid import UUID

import pytest

from metastore.backend import FieldSpec, Identity
from metastore.errors import ConflictError, SchemaConflictError
from metastore.query import Matches, Query
from metastore.testing._model import change, commit, delete, insert, new_id, replace, row, thing, type_spec
from metastore.testing._suite_usage import IMAGES, begun, image
from metastore_sql import open_backend

WIDER = (
    FieldSpec(name="words", kind="str", optional=True, required=False, search=3),
    FieldSpec(name="extra", kind="dict", required=False, default={}),
    FieldSpec(name="labels", kind="list", index=True, required=False, default=[], item=FieldSpec(kind="str")),
    FieldSpec(name="disk", kind="blob", optional=True, required=False),
    FieldSpec(name="parent", kind="link", optional=True, required=False),
)
BLOB = '{"digests":{},"locations":[{"url":"s3://a/b"}],"size":7}'


@pytest.fixture(params=["postgres", "mysql"])
def address(request):
    return request.getfixturevalue(request.param)()


def opened(address):
    return open_backend(address, mode="rw", durability="normal", timeout=20.0)


@pytest.fixture
def store(address):
    with closing(opened(address)) as made:
        yield made


@pytest.fixture
def widened(store):
    """A store, an older and a newer spec of one type, and an artifact of the newer one."""
    old, new = type_spec("images"), type_spec("images", *WIDER)
    store.ensure(old, 1)
    store.ensure(new, 2)
    begun(store)
    made = thing(
        new,
        words="zebra",
        extra={"a": 1},
        labels=["x"],
        disk={"digests": {}, "locations": [{"url": "s3://a/b"}], "size": 7},
        parent=new_id(),
    )
    insert(store, made)
    return store, old, new, made


def as_old(old, made):
    return thing(old, **{name: value for name, value in made.values.items() if name in old.by_name})


def matching(store, spec, word):
    return [each[0] for each in store.select(spec, Query("images", Matches((word,))))]


def test_an_older_program_leaves_the_look_ups_of_what_it_does_not_know(widened):
    store, old, new, made = widened
    before = as_old(old, made)
    assert replace(store, before, before.but(description="horse"))
    assert matching(store, new, "zebra") == matching(store, new, "horse") == [made.id]
    assert list(store.check()) == []


def test_an_older_program_deletes_all_of_it(widened):
    store, old, _, made = widened
    assert delete(store, as_old(old, made))
    assert list(store.check()) == []
    assert store.usage(None, everybody=True) == {}


def test_an_older_program_adds_without_what_it_does_not_know(widened):
    store, old, new, _ = widened
    made = thing(old, name="plain", description="horse")
    insert(store, made)
    (stored,) = store.fetch(new, [made.id])
    assert (stored[new.position["words"]], stored[new.position["name"]]) == (None, "plain")
    assert matching(store, new, "horse") == [made.id]
    assert list(store.check()) == []


def test_an_older_revision_of_an_older_program_loses(widened):
    store, old, _, made = widened
    before = as_old(old, made)
    assert replace(store, before, before.but(description="first"))
    assert replace(store, before, before.but(description="second")) is False
    assert delete(store, before) is False


def migrate(store, spec, number, rows):
    with store.transaction():
        store.stamp(commit())
        store.rebuild(spec, number, rows)


def test_another_program_goes_on_after_a_migration_or_is_told_so(store, address):
    old, new = type_spec("images", FieldSpec(name="size", kind="int")), type_spec("images")
    store.ensure(old, 1)
    insert(store, made := thing(old, size=5))
    with closing(opened(address)) as other:
        assert other.fetch(old, [made.id]) == [row(made)]
        migrate(store, new, 2, [row(kept := as_old(new, made))])
        assert other.fetch(new, [made.id]) == [row(kept)]
        assert replace(other, kept, kept.but(name="changed"))
        for use in (lambda: other.fetch(old, [made.id]), lambda: insert(other, thing(old, size=1))):
            with pytest.raises(SchemaConflictError, match="migrated"):
                use()
        assert list(other.check()) == []


def test_a_migration_keeps_links_and_references_of_what_stays_only(store):
    old = type_spec("images", *WIDER)
    store.ensure(old, 1)
    rich = {"disk": {"digests": {}, "locations": [{"url": "s3://a/b"}]}, "parent": new_id()}
    stays, goes = thing(old, **rich), thing(old, **rich)
    insert(store, stays, goes)
    new = type_spec("images", *WIDER, FieldSpec(name="size", kind="int"))
    migrate(store, new, 2, [row(kept := thing(new, **stays.values, size=1))])
    assert store.fetch(new, [stays.id, goes.id]) == [row(kept)]
    assert store.identify([goes.id]) == {goes.id: Identity("images", "deleted")}
    assert [edge.source for edge in store.closure([rich["parent"]], 1, backwards=True)] == [stays.id]
    assert list(store.check()) == []


def test_migrating_again_and_again_leaves_one_set_of_tables(mysql):
    with closing(opened(mysql())) as store:
        store.ensure(type_spec("images"), 1)
        for number in range(2, 5):
            migrate(store, type_spec("images", FieldSpec(name=f"f{number}", kind="int", optional=True)), number, [])
        names = {name for (name,) in store._connections.read("SHOW TABLES LIKE 'images%%'")}
        assert {name.partition(":")[0] for name in names} == {"images~4"}


def test_a_migration_that_is_undone_leaves_the_old_rows(store):
    old, new = type_spec("images"), type_spec("images", FieldSpec(name="size", kind="int", optional=True))
    store.ensure(old, 1)
    insert(store, made := thing(old, tags=["a"]))
    with pytest.raises(KeyError), store.transaction():
        store.stamp(commit())
        store.rebuild(new, 2, [])
        raise KeyError
    assert store.fetch(old, [made.id]) == [row(made)]
    assert [each.number for each in store.specs()] == [1]
    assert list(store.check()) == []


def test_a_migration_that_was_undone_does_not_stand_against_the_next(store):
    old, new = type_spec("images"), type_spec("images", FieldSpec(name="size", kind="int", optional=True))
    store.ensure(old, 1)
    insert(store, thing(old))
    for ends in (False, True):
        with suppress(KeyError), store.transaction():
            store.stamp(commit())
            insert_here(store, thing(old))
            store.rebuild(new, 2, [])
            if not ends:
                raise KeyError
    assert [each.breaking for each in store.specs()] == [False, True]
    assert store.select(new, Query("images")) == []


def test_a_type_that_was_undone_does_not_stand_against_the_next(store):
    one, other = type_spec("images"), type_spec("disks")
    store.ensure(one, 1)
    for ends in (False, True):
        with suppress(KeyError), store.transaction():
            store.stamp(commit())
            insert_here(store, thing(one))
            store.ensure(other, 1)
            if not ends:
                raise KeyError
    insert(store, made := thing(other))
    assert store.fetch(other, [made.id]) == [row(made)]


def insert_here(store, made):
    """Insert in the transaction that is open."""
    store.insert(made.spec, [(row(made), change("add", None, made))])


def test_a_transaction_is_stamped_once(store):
    with store.transaction():
        store.stamp(commit())
        with pytest.raises(ConflictError):
            store.stamp(commit())


def test_a_write_without_a_stamp_is_refused(store):
    store.ensure(spec := type_spec("images"), 1)
    with pytest.raises(ConflictError, match="stamp"), store.transaction():
        store.insert(spec, [(row(thing(spec)), None)])


def test_a_hundred_rows_with_one_key_twice_are_refused_before_anything_is_written(store):
    store.ensure(spec := type_spec("images"), 1)
    things = [thing(spec, unique_key=bytes([at]) * 32) for at in range(100)]
    insert(store, *things)
    with pytest.raises(ConflictError):
        insert(store, *[thing(spec) for _ in range(600)], thing(spec, unique_key=things[50].unique_key))
    assert store.stats()["artifacts"] == {"images": 100}


DAMAGES = (
    "UPDATE _usage SET count = count + 1 WHERE owner = '=ann'",
    "UPDATE _usage SET bytes = bytes - 1 WHERE owner = '*'",
    "DELETE FROM _usage",
    "INSERT INTO _usage VALUES ('=bob', 'images', 1, 0)",
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_audit_finds_a_tally_that_is_wrong(store, damage):
    store.ensure(IMAGES, 1)
    insert(begun(store), image("ann", 5), image(None, 6))
    assert list(store.check()) == []
    with store._connections.apart() as apart:
        apart.execute(damage)
    assert list(store.check())


@pytest.mark.parametrize("damage", ["tags = '5'", "properties = '[1]'"])
def test_the_audit_goes_on_where_a_row_cannot_be_read(store, damage):
    store.ensure(spec := type_spec("images"), 1)
    begun(store)
    insert(store, one := thing(spec, name="one"), two := thing(spec, name="two"))
    assert list(store.check()) == []
    with store._connections.apart() as apart:
        apart.execute(f"UPDATE images SET {damage} WHERE name = 'one'")
        apart.execute("DELETE FROM _changes WHERE revision = 1")
    told = list(store.check())
    assert f"images {UUID(bytes=one.id)}: what is stored cannot be read" in told
    assert f"images {UUID(bytes=two.id)}: the history does not end in what is stored" in told


def test_what_is_held_may_be_more_than_64_bits(store):
    store.ensure(IMAGES, 1)
    insert(begun(store), *[image("ann", 2**62) for _ in range(5)])
    assert store.usage("ann")["images"].bytes == 5 * 2**62
    assert list(store.check()) == []
