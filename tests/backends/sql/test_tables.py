"""What the tables of a type are called and what they take, on the servers themselves."""

from contextlib import closing, suppress

import pytest

from metastore._data import evolve
from metastore.backend import FieldSpec
from metastore.errors import MetastoreError, SchemaConflictError
from metastore.query import Compare, Path, Query
from metastore.testing._hostile import FIELD_NAMES
from metastore.testing._model import change, commit, delete, insert, replace, row, thing, type_spec
from metastore_sql import open_backend
from metastore_sql._dialect import dialect_of
from metastore_sql._parts import NAME_LENGTH, fitted
from metastore_sql._tables import Relation, creation, own_tables

LONGEST = "x" * 63
KEPT = ("ctid", "xmin", "tableoid", "db_row_id", "fts_doc_id")


@pytest.fixture(params=["postgres", "mysql"])
def address(request):
    return request.getfixturevalue(request.param)()


@pytest.fixture
def store(address):
    with closing(opened(address)) as made:
        yield made


def opened(address, **words):
    return open_backend(address, **{"mode": "rw", "durability": "normal", "timeout": 20.0, **words})


def tables(store):
    """The names of the tables that there are."""
    place = "current_schema()" if store.address.startswith("postgresql") else "database()"
    asked = f"SELECT table_name FROM information_schema.tables WHERE table_schema = {place}"
    return {name for (name,) in store._connections.read(asked)}


@pytest.mark.parametrize("family", ["postgresql", "mysql"])
def test_no_two_names_of_a_type_are_the_same_and_none_is_too_long(family):
    fields = [
        FieldSpec(name=f"{LONGEST[:-1]}{end}", kind="str", index=True, folded=True, max_length=9) for end in "abc"
    ]
    spec = type_spec("t" * 48, *fields, *[FieldSpec(name=f"{LONGEST[:-1]}{end}", kind="dict") for end in "de"])
    dialect = dialect_of(family)
    relation = Relation(spec, dialect, own_tables(dialect))
    names = [[each.name for each in relation.table.c], [each.name for each in (*relation.tables, *relation.indexes)]]
    assert all(len(some) == len(set(some)) for some in names)
    assert max(len(name) for some in names for name in some) <= NAME_LENGTH


def test_a_short_name_stays_and_a_name_of_the_servers_own_does_not():
    assert fitted("images:tags") == "images:tags"
    assert [name for name in KEPT if fitted(name) == name] == []


def test_fields_may_be_called_as_the_servers_call_things(store):
    names = [*FIELD_NAMES, *KEPT, "user", "desc", "limit", "rows", "window", "lateral"]
    spec = type_spec("user", *[FieldSpec(name=name, kind="str", index=True, max_length=9) for name in names])
    store.ensure(spec, 1)
    made = thing(spec, **dict.fromkeys(names, "a"))
    insert(store, made)
    assert store.select(spec, Query("user", Compare(Path("xmin", kind="str"), "eq", "a"))) == [row(made)]
    assert replace(store, made, made.but(ctid="b", values="c"))
    assert list(store.check()) == []


def test_an_indexed_text_may_fold_to_more_than_an_index_holds(store):
    spec = type_spec("images", FieldSpec(name="label", kind="str", index=True, folded=True, max_length=512))
    store.ensure(spec, 1)
    texts = ["\ufdfa" * 511 + end for end in "ab"]  # NFKC makes 18 of it
    made = [thing(spec, label=text) for text in texts]
    insert(store, *made)
    (_, folded) = [row(each)[spec.position["label__folded"]] for each in made]
    wanted = Compare(Path("label", folded=True, kind="str"), "eq", folded)
    assert store.select(spec, Query("images", wanted)) == [row(made[1])]


def test_many_indexed_texts_fit_one_type(store):
    names = [f"f{at}" for at in range(50)]
    spec = type_spec("wide", *[FieldSpec(name=name, kind="str", index=True, max_length=512) for name in names])
    store.ensure(spec, 1)
    made = thing(spec, **dict.fromkeys(names, "\U0001f9ea" * 512))
    insert(store, made)
    assert store.fetch(spec, [made.id]) == [row(made)]


def test_more_indexes_than_mariadb_has_are_refused_in_our_words(mysql):
    with closing(opened(mysql())) as store:
        fields = [FieldSpec(name=f"f{at}", kind="int", index=True) for at in range(70)]
        with pytest.raises(MetastoreError, match="fewer"):
            store.ensure(type_spec("wide", *fields), 1)
        assert store.specs() == []


@pytest.mark.parametrize("address", ["postgres"], indirect=True)
def test_a_type_is_refused_the_name_of_somebody_else_s_table(store):
    with store._connections.apart() as apart:
        apart.execute("CREATE TABLE images (theirs int)")
    with pytest.raises(SchemaConflictError, match="not the catalogue's"):
        store.ensure(type_spec("images"), 1)
    assert store.specs() == []
    store.ensure(type_spec("others"), 1)


@pytest.mark.parametrize("address", ["mysql"], indirect=True)
def test_somebody_else_s_table_stays_beside_those_of_a_type_and_its_migrations(store):
    with store._connections.apart() as apart:
        apart.execute("CREATE TABLE images (theirs int)")
    store.ensure(type_spec("images"), 1)
    with store.transaction():
        store.rebuild(type_spec("images", FieldSpec(name="size", kind="int")), 2, [])
    assert store._connections.read("SELECT count(theirs) FROM images") == [(0,)]
    assert {name for name in tables(store) if name.startswith("images") and ":" not in name} == {"images", "images~3"}


def test_a_spec_grows_in_a_transaction_that_used_it(store):
    spec, wide = (
        type_spec("images"),
        type_spec("images", FieldSpec(name="size", kind="dict", required=False, default={"a": 1})),
    )
    store.ensure(spec, 1)
    insert(store, one := thing(spec, tags=["a"], description="words"))
    with store.transaction():
        store.stamp(commit())
        store.insert(spec, [(row(two := thing(spec)), change("add", None, two))])
        store.ensure(wide, 2)
        three = thing(wide, size={"b": 2})
        store.insert(wide, [(row(three), change("add", None, three))])
    asked = Query("images", Compare(Path("size", ("a",), kind="json"), "eq", 1))
    assert {each[0] for each in store.select(wide, asked)} == {one.id, two.id}
    assert list(store.check()) == []
    assert delete(store, thing(wide, **{**one.values, "size": {"a": 1}}))
    assert list(store.check()) == []


def test_a_type_is_made_again_after_a_part_of_a_transaction_was_undone(store):
    spec = type_spec("images")
    with store.transaction():
        store.stamp(commit())
        for undone in (True, False):
            with suppress(KeyError), store.transaction():
                store.ensure(spec, 1)
                store.insert(spec, [(row(made := thing(spec)), change("add", None, made))])
                if undone:
                    raise KeyError
    assert store.select(spec, Query("images")) == [row(made)]
    assert list(store.check()) == []


def test_a_text_may_grow_beyond_what_its_column_was_made_for(store):
    spec = type_spec("images", FieldSpec(name="label", kind="str", index=True, max_length=20))
    store.ensure(spec, 1)
    wide = evolve(
        spec, fields=tuple([evolve(each, max_length=5000) if each.name == "label" else each for each in spec.fields])
    )
    store.ensure(wide, 2)
    made = thing(wide, label="x" * 5000)
    insert(store, made)
    wanted = Compare(Path("label", kind="str"), "eq", "x" * 5000)
    assert store.select(wide, Query("images", wanted)) == [row(made)]


def test_an_index_comes_with_a_wider_spec(store):
    spec = type_spec(
        "images",
        FieldSpec(name="label", kind="str", max_length=20),
        FieldSpec(name="items", kind="list", item=FieldSpec(kind="int"), required=False, default=[]),
    )
    store.ensure(spec, 1)
    insert(store, made := thing(spec, label="a", items=[1, 2]))
    wide = evolve(
        spec,
        fields=tuple([evolve(each, index=True) if each.name in ("label", "items") else each for each in spec.fields]),
    )
    store.ensure(wide, 2)
    relation = store._types.relation(wide)
    assert {each.name for each in relation.indexes if "label" in each.name} == {"images#label"}
    assert list(store.check()) == []
    assert store.fetch(wide, [made.id]) == [row(made)]
    assert "images:items" in tables(store)


def test_a_transaction_that_is_undone_leaves_no_tables(store):
    before = tables(store)
    with pytest.raises(KeyError), store.transaction():
        store.ensure(type_spec("images"), 1)
        raise KeyError
    assert tables(store) == before


def test_tables_that_a_program_left_when_it_died_are_nobody_s(mysql):
    spec = type_spec("images", FieldSpec(name="size", kind="dict", optional=True))
    with closing(opened(mysql())) as store:
        for statement in creation(store._types.made(type_spec("images"), "images").tables, store._dialect.sa):
            with store._connections.apart() as apart:
                apart.execute(statement)
        store.ensure(spec, 1)
        insert(store, made := thing(spec, size={"a": 1}))
        assert store.fetch(spec, [made.id]) == [row(made)]
        assert list(store.check()) == []


def test_leftovers_of_a_wider_spec_that_was_rolled_back_are_replaced(mysql):
    spec = type_spec("images")
    wider = {
        kind: type_spec("images", FieldSpec(name="size", kind=kind, index=kind == "int", optional=True, required=False))
        for kind in ("int", "dict")
    }
    with closing(opened(mysql())) as store:
        store.ensure(spec, 1)
        with pytest.raises(KeyError), store.transaction():
            store.ensure(wider["int"], 2)
            raise KeyError
        store.ensure(wider["dict"], 2)
        insert(store, made := thing(wider["dict"], size={"a": 1}))
        assert store.fetch(wider["dict"], [made.id]) == [row(made)]
        assert list(store.check()) == []


def test_two_programs_that_find_an_empty_database_make_one_catalogue(address):
    first, second = opened(address), opened(address)
    assert first.catalogue == second.catalogue
    first.close()
    second.close()


def test_a_database_without_a_catalogue_is_not_opened_for_reading(address):
    with pytest.raises(MetastoreError, match="no catalogue"):
        opened(address, mode="ro")
