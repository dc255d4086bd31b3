"""Catalog: every write lands whole or not at all, and every refusal leaves all as it was."""

import enum
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest

from metastore import Artifact, Blob, Catalog, Field, Link, Record, Version, field, spec_of
from metastore.errors import (
    CatalogUrlError,
    ClosedError,
    ConflictError,
    DamagedError,
    DeclarationError,
    DuplicateError,
    IdTakenError,
    MetastoreError,
    NotFoundError,
    QueryError,
    QuerySyntaxError,
    QuotaError,
    SchemaConflictError,
    StaleRevisionError,
    UnknownFieldError,
    UnknownTypeError,
    ValidationError,
    VersionError,
)

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class Firmware(enum.Enum):
    BIOS = "bios"


class Image(Artifact, type_name="kept_images"):
    size: Field[int] = field(default=0, ge=0)
    ratio: Field[float | None] = field(default=None)
    built: Field[datetime | None] = field(default=None)
    firmware: Field[Firmware | None] = field(default=None)
    disk: Field[Blob | None] = field(default=None)
    parent: Field[Link["Image"] | None] = field(default=None)
    parents: Field[list[Link["Image"]]] = field(factory=list)


class Note(Record, type_name="kept_notes"):
    text: Field[str] = field(default="")


class Named(Artifact, type_name="kept_named"):
    """A type whose field names are those of parameters."""

    artifact: Field[int] = field(default=0)
    predicates: Field[int] = field(default=0)
    message: Field[int] = field(default=0)
    progress: Field[int] = field(default=0)


@pytest.fixture(params=["memory", "sqlite"])
def url(request, tmp_path):
    return f"memory:{uuid4()}" if request.param == "memory" else str(tmp_path / "catalog.db")


@pytest.fixture
def catalog(url):
    with Catalog.open(url, types=[Image, Note]) as opened:
        yield opened
        assert opened.check() == []


def names(found):
    return sorted(each.name for each in found)


def figures(catalog):
    found = catalog.stats()
    return {
        "artifacts": {name: count for name, count in found["artifacts"].items() if count},
        "changes": found["changes"],
    }


# --- bad input: one error of ours each, and nothing written ---

BAD_VALUES = [
    ({"size": "1"}, r"expected int at \$\.size, got str"),
    ({"size": True}, r"expected int at \$\.size, got bool"),
    ({"size": 1.0}, r"expected int at \$\.size, got float"),
    ({"size": None}, r"expected int at \$\.size, got None"),
    ({"size": -1}, r"expected at least 0 at \$\.size, got -1"),
    ({"size": 2**63}, r"64 bits at \$\.size"),
    ({"size": 10**5000}, r"64 bits at \$\.size"),
    ({"ratio": float("nan")}, r"finite float at \$\.ratio, got nan"),
    ({"ratio": float("-inf")}, r"finite float at \$\.ratio, got -inf"),
    ({"built": datetime(2024, 1, 1)}, r"time zone .*\$\.built"),
    ({"firmware": "efi"}, r"one of 'bios' at \$\.firmware"),
    ({"disk": "s3://a/b"}, r"expected Blob at \$\.disk, got str"),
    ({"parent": uuid4()}, r"expected Link at \$\.parent, got UUID"),
    ({"name": ""}, r"at least 1 characters at \$\.name, got 0"),
    ({"name": "n" * 256}, r"at most 255 characters at \$\.name, got 256"),
    ({"name": "a\0b"}, r"NUL at \$\.name"),
    ({"name": "\ud800"}, r"surrogates at \$\.name"),
    ({"description": "x\udfff"}, r"surrogates at \$\.description"),
    ({"tags": ["a", "a"]}, r"\$\.tags"),
    ({"tags": ["a\0"]}, r"NUL at \$\.tags\[0\]"),
    ({"tags": ("a",)}, r"expected list at \$\.tags, got tuple"),
    ({"properties": {"a": float("inf")}}, r"finite float at \$\.properties\['a'\]"),
    ({"properties": {"a": 2**64}}, r"64 bits at \$\.properties\['a'\]"),
    ({"properties": {"\0": 1}}, "NUL"),
    ({"properties": {1: 1}}, "expected str"),
    ({"properties": {"a": object()}}, "JSON value"),
    ({"owner": ""}, r"\$\.owner"),
    ({"owner": "o" * 256}, r"\$\.owner"),
    ({"status": "Active!"}, r"\$\.status"),
    ({"visibility": "secret"}, r"\$\.visibility"),
]


@pytest.mark.parametrize(("wrong", "words"), BAD_VALUES)
def test_a_wrong_value_is_refused_by_every_write_and_nothing_changes(catalog, wrong, words):
    stored = catalog.add(Image(name="good"))
    before = figures(catalog)
    bad = Image(**{"name": "bad", **wrong})
    for write in (
        lambda: catalog.add(bad),
        lambda: catalog.upsert(bad),
        lambda: catalog.add_many([Image(name="fine"), bad]),
        lambda: catalog.update(stored, **wrong),
        lambda: catalog.update_many(Image, **wrong),
        lambda: catalog.update_many(Image, Image.name == "nobody", **wrong),
    ):
        with pytest.raises(ValidationError, match=words):
            write()
    assert figures(catalog) == before
    assert catalog.find(Image).all() == [stored]


@pytest.mark.parametrize(
    "name", ["sise", "Size", "size ", "", "size; DROP TABLE x", "__class__", "name__folded", "unique_key", "digest"]
)
def test_an_unknown_field_is_refused_before_the_database_is_touched(catalog, name):
    stored = catalog.add(Image(name="good"))
    for write in (
        lambda: catalog.update(stored, **{name: 1}),
        lambda: catalog.update_many(Image, **{name: 1}),
        lambda: catalog.update_many(Image, Image.name == "nobody", **{name: 1}),
        lambda: catalog.load(Image, [{"name": "x", name: 1}]),
    ):
        with pytest.raises(UnknownFieldError):
            write()
    assert figures(catalog)["changes"] == 1


def test_an_unknown_field_gets_the_nearest_spelling(catalog):
    with pytest.raises(UnknownFieldError, match="Image has no field 'sise': did you mean 'size'"):
        catalog.update(catalog.add(Image(name="a")), sise=1)


@pytest.mark.parametrize("name", ["id", "revision", "created_at", "updated_at"])
def test_what_the_catalogue_sets_is_not_updated(catalog, name):
    stored = catalog.add(Image(name="a"))
    for write in (
        lambda: catalog.update(stored, **{name: getattr(stored, name)}),
        lambda: catalog.update_many(Image, **{name: 1}),
    ):
        with pytest.raises(ValidationError, match=f"{name}.*set by the catalogue"):
            write()


WRONG_CALLS = {
    "add of nothing": lambda c: c.add(None),
    "add of a class": lambda c: c.add(Image),
    "add of a mapping": lambda c: c.add({"name": "a"}),
    "add of an abstract artifact": lambda c: c.add(Artifact(name="a")),
    "add_many of texts": lambda c: c.add_many("abc"),
    "update of nothing": lambda c: c.update(None, size=1),
    "delete of an id": lambda c: c.delete(uuid4()),
    "upsert of nothing": lambda c: c.upsert(None),
    "upsert without a scope": lambda c: c.upsert(Note()),
    "get by nothing": lambda c: c.get(Image),
    "get by version alone": lambda c: c.get(Image, version="1.0.0"),
    "get by no id": lambda c: c.get(Image, "no id"),
    "get by a number": lambda c: c.get(Image, 5),
    "get of a text": lambda c: c.get("kept_images", uuid4()),
    "get of another class": lambda c: c.get(int, uuid4()),
    "get by a name that is a number": lambda c: c.get(Image, name=5),
    "get by a name with NUL": lambda c: c.get(Image, name="\0"),
    "get by a name of a type without": lambda c: c.get(Note, name="a"),
    "get by no version": lambda c: c.get(Image, name="a", version="no version"),
    "get by an owner that is a number": lambda c: c.get(Image, name="a", owner=5),
    "get_many of a text": lambda c: c.get_many("kept_images", []),
    "get_many by no id": lambda c: c.get_many(Image, ["no id"]),
    "latest of a text": lambda c: c.latest("kept_images", "a"),
    "closure of no id": lambda c: c.closure("no id"),
    "closure at no depth": lambda c: c.closure(uuid4(), "all"),
    "closure at a depth below 0": lambda c: c.closure(uuid4(), -1),
    "back_links of nothing": lambda c: c.back_links(None),
    "dump of nothing": lambda c: c.dump(None),
    "dump of what is not stored": lambda c: c.dump(Image(name="a")),
    "load of a text": lambda c: c.load(Image, ["x"]),
    "load of another type's name": lambda c: c.load(Image, [{"type": "kept_notes"}]),
    "load without the name": lambda c: c.load(Image, [{}]),
    "load into a text": lambda c: c.load("kept_images", []),
    "register of an int": lambda c: c.register(int),
    "an unknown type": lambda c: c.artifact_type("kept_imags"),
    "a type that is no text": lambda c: c.artifact_type(5),
    "a message with a surrogate": lambda c: c.transaction(message="\ud800").__enter__(),
    "a message with NUL": lambda c: c.transaction(message="\0").__enter__(),
    "a message that is a number": lambda c: c.transaction(message=5).__enter__(),
    "an actor that is a number": lambda c: c.transaction(actor=5).__enter__(),
    "CQL2 with a mistake": lambda c: c.parse(Image, "size >"),
    "CQL2 of a field that is not there": lambda c: c.parse(Image, "sise = 1"),
    "CQL2 of a type that is not there": lambda c: c.parse("kept_imags", "size = 1"),
}


@pytest.mark.parametrize("call", WRONG_CALLS)
def test_a_wrong_call_raises_an_error_of_ours_and_writes_nothing(catalog, call):
    catalog.add(Image(name="good"))
    before = figures(catalog)
    with pytest.raises(MetastoreError):
        WRONG_CALLS[call](catalog)
    assert figures(catalog) == before
    catalog.add(Image(name="after"))


def test_the_nearest_type_is_offered(catalog):
    catalog.add(Image(name="a"))
    with pytest.raises(UnknownTypeError, match="did you mean 'kept_images'"):
        catalog.artifact_type("kept_imags")


@pytest.mark.parametrize(
    ("text", "least"),
    [("size >", 5), ("size >= 1 AND", 12), ("size = = 1", 6), ("(size = 1", 8), ("", 0), ("size = 'x", 6)],
)
def test_a_mistake_in_cql2_is_placed(catalog, text, least):
    with pytest.raises(QuerySyntaxError) as caught:
        catalog.parse(Image, text)
    assert least <= caught.value.position <= len(text)


@pytest.mark.parametrize(
    "address",
    [
        "",
        " :memory:"[1:],
        "nosuch://x",
        "http://x/y",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite://host/x.db",
        "a\0b",
        5,
        None,
        b"x.db",
        "/nowhere/at/all/catalog.db",
    ],
)
def test_a_bad_address_is_refused(address):
    with pytest.raises(CatalogUrlError):
        Catalog.open(address)


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "w"},
        {"mode": None},
        {"durability": "none"},
        {"cursor_key": "text"},
        {"actor": 5},
        {"actor": "\ud800"},
        {"types": [int]},
        {"types": ["Image"]},
    ],
    ids=str,
)
def test_a_wrong_option_is_refused_and_nothing_stays_open(url, options):
    with pytest.raises((ValidationError, DeclarationError)):
        Catalog.open(url, **options)


# --- conflicts ---


def test_an_older_revision_loses(catalog):
    old = catalog.add(Image(name="a"))
    new = catalog.update(old, size=1)
    before = figures(catalog)
    for write in (lambda: catalog.update(old, size=2), lambda: catalog.delete(old), lambda: catalog.dump(old)):
        with pytest.raises(StaleRevisionError, match="revision 2, not 1"):
            write()
    assert figures(catalog) == before
    assert catalog.get(Image, old.id) == new


def test_an_artifact_made_here_with_a_stored_id_is_stale(catalog):
    stored = catalog.add(Image(name="a"))
    with pytest.raises(StaleRevisionError, match="get it first"):
        catalog.update(Image(name="a", id=stored.id), size=1)
    with pytest.raises(IdTakenError):
        catalog.add(Image(name="b", id=stored.id))
    with pytest.raises(IdTakenError):
        catalog.add(stored)


def test_every_error_of_a_conflict_says_so(catalog):
    assert issubclass(StaleRevisionError, ConflictError)
    assert issubclass(DuplicateError, ConflictError)
    assert issubclass(IdTakenError, ConflictError)


def test_name_and_version_are_unique_while_private_per_owner(catalog):
    catalog.add(Image(name="a", owner="ann"))
    for other in ("bob", None):
        catalog.add(Image(name="a", owner=other))
    for owner in ("ann", "bob", None):
        with pytest.raises(DuplicateError, match="name"):
            catalog.add(Image(name="a", owner=owner))
    assert figures(catalog)["changes"] == 3


def test_once_public_a_name_and_version_is_unique_across_owners(catalog):
    catalog.add(Image(name="a", owner="ann", visibility="public"))
    private = catalog.activate(catalog.add(Image(name="a", owner="bob")))
    with pytest.raises(DuplicateError):
        catalog.add(Image(name="a", owner="bob", visibility="public"))
    with pytest.raises(DuplicateError):
        catalog.publish(private)
    assert catalog.get(Image, private.id).visibility == "private"
    for visibility in ("shared", "community"):
        catalog.add(Image(name=visibility, owner="ann", visibility=visibility))
        catalog.add(Image(name=visibility, owner="bob", visibility=visibility))


def test_long_names_that_differ_at_the_end_are_two(catalog):
    catalog.add_many(Image(name="n" * 254 + end) for end in "ab")
    with pytest.raises(DuplicateError):
        catalog.add(Image(name="n" * 254 + "a"))
    assert catalog.get(Image, name="n" * 254 + "b").name[-1] == "b"


def test_a_type_without_scope_takes_the_same_twice(catalog):
    catalog.add_many([Note(text="a"), Note(text="a")])
    assert catalog.count(Note, Note.text == "a") == 2


def test_a_declared_scope_is_kept(catalog):
    class Keyed(Record, type_name="kept_keyed", unique=("key", "firmware")):
        key: Field[str] = field(max_length=9)
        firmware: Field[Firmware | None] = field(default=None)

    catalog.add_many([Keyed(key="a"), Keyed(key="a", firmware=Firmware.BIOS), Keyed(key="b")])
    with pytest.raises(DuplicateError, match="key"):
        catalog.add(Keyed(key="a"))


def test_an_id_is_never_used_again(catalog):
    gone = catalog.add(Image(name="a"))
    catalog.delete(gone)
    for write in (
        lambda: catalog.add(Image(name="b", id=gone.id)),
        lambda: catalog.add(Note(id=gone.id)),
        lambda: catalog.add(gone),
        lambda: catalog.load(Image, [{"name": "b", "id": str(gone.id)}]),
        lambda: catalog.add_many([Image(name="b"), Image(name="c", id=gone.id)]),
    ):
        with pytest.raises(IdTakenError):
            write()
    for read in (
        lambda: catalog.get(Image, gone.id),
        lambda: catalog.get(Record, gone.id),
        lambda: catalog.update(gone, size=1),
        lambda: catalog.delete(gone),
    ):
        with pytest.raises(NotFoundError, match="deleted"):
            read()
    assert catalog.count(Record) == 0
    assert catalog.add(Image(name="a")).name == "a"


def test_ids_are_shared_by_all_types(catalog):
    stored = catalog.add(Image(name="a"))
    with pytest.raises(IdTakenError):
        catalog.add(Note(id=stored.id))
    with pytest.raises(NotFoundError, match="kept_images"):
        catalog.get(Note, stored.id)
    assert catalog.get(Record, stored.id) == stored


# --- transactions ---


def test_an_inner_transaction_that_fails_undoes_itself_only(catalog):
    with catalog.transaction():
        catalog.add(Image(name="before"))
        with pytest.raises(KeyError), catalog.transaction():
            catalog.add(Image(name="inner"))
            with catalog.transaction():
                catalog.add(Image(name="innermost"))
            raise KeyError("x")
        catalog.add(Image(name="after"))
    assert names(catalog.find(Image)) == ["after", "before"]
    assert figures(catalog)["changes"] == 2


def test_an_inner_transaction_that_fails_first_leaves_a_good_commit(catalog):
    catalog.add(Image(name="a"))
    with catalog.transaction(message="kept", actor="ann"):
        for wrong in (
            lambda: catalog.add(Image(name="a")),
            lambda: catalog.add(Image(name="x", size=-1)),
            lambda: catalog.add_many([Image(name="y"), Image(name="y")]),
        ):
            with pytest.raises(MetastoreError):
                wrong()
        catalog.add(Image(name="b"))
    assert names(catalog.find(Image)) == ["a", "b"]
    assert figures(catalog)["changes"] == 2


def test_an_outer_transaction_that_fails_undoes_all(catalog):
    kept = catalog.add(Image(name="a"))
    before = figures(catalog)
    with pytest.raises(KeyError), catalog.transaction():
        catalog.update(kept, size=5)
        catalog.add_many([Image(name="b"), Note()])
        catalog.delete_many(Image)
        with catalog.transaction():
            catalog.upsert(Image(name="c"))
        raise KeyError("x")
    assert figures(catalog) == before
    assert catalog.find(Record).all() == [kept]
    assert catalog.get(Image, kept.id).size == 0


def adding(catalog, *artifacts):
    """Hold a transaction open while somebody else has the turn, as a task of asyncio does over an ``await``."""
    with catalog.transaction():
        for each in artifacts:
            yield catalog.add(each)


def told(catalog):
    """Return whether every change stands in the history."""
    return sum(len(each.changes) for each in catalog._backend.history(0, 1000)) == figures(catalog)["changes"]


@pytest.mark.parametrize("ending", [list, lambda outer: outer.close()])
def test_a_transaction_that_ends_before_one_inside_it_undoes_both(catalog, ending):
    outer, inner = adding(catalog, Image(name="a")), adding(catalog, Image(name="b"))
    next(outer), next(inner)
    with ExitStack() as stack:
        if ending is list:
            stack.enter_context(pytest.raises(ConflictError, match="let none wait"))
        ending(outer)
    with pytest.raises(ConflictError, match="let none wait"):
        next(inner)
    assert names(catalog.find(Image)) == []
    catalog.add(Image(name="after"))
    assert told(catalog)
    assert ThreadPoolExecutor(1).submit(catalog.add, Image(name="elsewhere")).result().revision == 1


def test_a_transaction_that_another_thread_ends_is_undone_and_the_next_one_is_its_own(catalog):
    class Fresh(Artifact, type_name="kept_fresh"):
        pass

    held = [adding(catalog, Fresh(name="a"))]
    next(held[0])
    with ThreadPoolExecutor(1) as pool:
        pool.submit(held.clear).result()  # collects the generator, and so leaves its block
        assert pool.submit(catalog.add, Image(name="b")).result().revision == 1
        catalog.add(Fresh(name="c"))
        assert pool.submit(catalog.add, Fresh(name="d")).result().revision == 1
    assert (names(catalog.find(Record)), told(catalog)) == (["b", "c", "d"], True)


def test_a_transaction_that_another_thread_keeps_is_refused(catalog):
    begun = catalog.transaction()
    begun.__enter__()
    catalog.add(Image(name="a"))
    with ThreadPoolExecutor(1) as pool, pytest.raises(ConflictError, match="another thread"):
        pool.submit(begun.__exit__, None, None, None).result()
    assert (catalog.add(Image(name="b")).revision, names(catalog.find(Image)), told(catalog)) == (1, ["b"], True)


def test_a_transaction_sees_its_own_writes(catalog):
    with catalog.transaction():
        stored = catalog.add(Image(name="a"))
        stored = catalog.update(stored, size=5)
        assert catalog.find(Image, Image.size == 5).one() == stored
        catalog.delete(stored)
        assert catalog.count(Image) == 0
        assert catalog.add(Image(name="a")).revision == 1


def test_a_name_that_was_rolled_back_is_free(catalog):
    with pytest.raises(KeyError), catalog.transaction():
        made = catalog.add(Image(name="a"))
        raise KeyError("x")
    assert catalog.add(made).id == made.id


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_type_first_used_in_a_transaction_that_failed_works_afterwards(catalog, depth):
    class Fresh(Artifact, type_name="kept_fresh"):
        link: Field[Link[Image] | None] = field(default=None)

    def nested(levels):
        with catalog.transaction():
            catalog.add(Fresh(name=f"n{levels}"))
            if levels > 1:
                nested(levels - 1)
            raise KeyError("x")

    with pytest.raises(KeyError):
        nested(depth)
    assert catalog.count(Fresh) == 0
    assert catalog.add(Fresh(name="a")).revision == 1
    assert names(catalog.find(Fresh)) == ["a"]


def test_a_type_first_used_in_an_inner_transaction_that_failed_works_in_the_outer(catalog):
    class Fresh(Artifact, type_name="kept_fresh"):
        pass

    with catalog.transaction():
        with pytest.raises(KeyError), catalog.transaction():
            catalog.add(Fresh(name="a"))
            raise KeyError("x")
        assert catalog.count(Fresh) == 0
        catalog.add(Fresh(name="b"))
    assert names(catalog.find(Fresh)) == ["b"]
    assert "kept_fresh" in {each.name for each in catalog.types()}


def test_what_was_stored_before_an_inner_transaction_that_failed_binds_the_outer(catalog):
    with catalog.transaction():
        catalog.set_quota("p1", count=0)
        with pytest.raises(KeyError), catalog.transaction():
            catalog.set_quota(count=1)
            raise KeyError("x")
        with pytest.raises(QuotaError):
            catalog.add(Image(name="a", owner="p1"))
    with pytest.raises(QuotaError):
        catalog.add(Image(name="b", owner="p1"))


def test_a_type_widened_in_a_transaction_that_failed_is_widened_afterwards(catalog):
    def declare(**fields):
        hints = dict.fromkeys(fields, Field[int])
        return type(Artifact)(
            "Widening",
            (Artifact,),
            {**fields, "__annotations__": hints, "__module__": __name__},
            type_name="kept_widening",
        )

    narrow, wide = declare(one=field(default=1)), declare(one=field(default=1), two=field(default=2))
    catalog.add(narrow(name="a"))
    with pytest.raises(KeyError), catalog.transaction():
        catalog.add(wide(name="b", two=5))
        raise KeyError("x")
    assert names(catalog.find(narrow)) == ["a"]
    catalog.add(wide(name="c", two=7))
    assert sorted(each.two for each in catalog.find(wide)) == [2, 7]


# --- update, upsert, many ---


def test_an_update_gives_the_next_revision_and_keeps_the_rest(catalog):
    old = catalog.add(Image(name="a", tags=["x"], size=1))
    new = catalog.update(old, size=2, description="words")
    assert (new.revision, new.size, new.description, new.tags, new.id) == (2, 2, "words", ["x"], old.id)
    assert (new.created_at, new.updated_at >= old.updated_at) == (old.created_at, True)
    assert (old.size, old.revision) == (1, 1)


def test_an_update_that_changes_nothing_writes_nothing(catalog):
    stored = catalog.add(Image(name="a", size=1, tags=["x"]))
    for fields in ({}, {"size": 1}, {"tags": ["x"], "name": "a"}, {"version": "0.0.0"}, {"version": Version("0.0.0")}):
        assert catalog.update(stored, **fields) == stored
    assert figures(catalog)["changes"] == 1


def test_fields_may_be_called_like_parameters(catalog):
    stored = catalog.add(Named(name="a"))
    stored = catalog.update(stored, artifact=1, predicates=2, message=3, progress=4)
    assert (stored.artifact, stored.predicates, stored.message, stored.progress) == (1, 2, 3, 4)
    assert catalog.update_many(Named, artifact=5, predicates=6) == 1


def test_upsert_adds_then_updates_what_differs_then_leaves_alone(catalog):
    first = catalog.upsert(Image(name="a", size=1, protected=True))
    first = catalog.hold(first, "a lawsuit")
    same = catalog.upsert(Image(name="a", size=1))
    third = catalog.upsert(Image(name="a", size=2, tags=["x"]))
    assert [each.revision for each in (first, same, third)] == [2, 2, 3]
    assert (third.id, third.size, third.tags) == (first.id, 2, ["x"])
    assert (third.protected, third.hold) == (True, "a lawsuit")
    assert figures(catalog)["changes"] == 3


def test_upsert_recognises_by_the_whole_scope(catalog):
    mine = catalog.upsert(Image(name="a", owner="ann"))
    assert catalog.upsert(Image(name="a", owner="bob")).id != mine.id
    assert catalog.upsert(Image(name="a", owner="ann", version="1.0.0")).id != mine.id
    public = catalog.upsert(Image(name="a", owner="ann", visibility="public"))
    assert public.id != mine.id
    assert catalog.upsert(Image(name="a", owner="bob", visibility="public")).id == public.id


def test_upsert_after_a_deletion_adds_anew(catalog):
    first = catalog.upsert(Image(name="a"))
    catalog.delete(first)
    assert catalog.upsert(Image(name="a")).id != first.id


def test_update_many_changes_what_fits_and_counts_what_changed(catalog):
    catalog.add_many(Image(name=f"n{at}", size=at % 2) for at in range(10))
    assert catalog.update_many(Image, Image.size == 1, description="odd") == 5
    assert catalog.update_many(Image, description="odd") == 5
    assert catalog.update_many(Image, Image.size == 9, description="none") == 0
    assert catalog.count(Image, Image.description == "odd") == 10


def test_update_many_is_one_transaction(catalog):
    catalog.add_many(Image(name=f"n{at}") for at in range(3))
    before = figures(catalog)
    with pytest.raises(DuplicateError):
        catalog.update_many(Image, name="same")
    assert (figures(catalog), names(catalog.find(Image))) == (before, ["n0", "n1", "n2"])


def test_update_many_may_change_what_it_asks_for(catalog):
    catalog.add_many(Image(name=f"n{at:04}", size=0) for at in range(2100))
    assert catalog.update_many(Image, Image.size == 0, size=1) == 2100
    assert catalog.delete_many(Image, Image.size == 1) == 2100
    assert catalog.count(Image) == 0


def test_update_and_delete_many_reach_every_type_under_a_base(catalog):
    catalog.add_many([Image(name="a"), Note()])
    assert catalog.update_many(Record, tags=["x"]) == 2
    assert catalog.delete_many(Record, Record.tags.contains("x")) == 2


def test_add_many_streams_and_tells_its_progress(catalog):
    most, told = 0, []

    def made():
        nonlocal most
        for at in range(1700):
            most = max(most, at - (told[-1] if told else 0))
            yield Image(name=f"n{at}")

    assert catalog.add_many(made(), progress=told.append) == 1700
    assert told == sorted(told)
    assert told[-1] == 1700
    assert most <= 1000


@pytest.mark.parametrize("at", [0, 1, 499, 500, 501, 1199])
def test_add_many_adds_all_or_none(catalog, at):
    def made():
        for each in range(1200):
            yield Image(name=f"n{each}", size=-1 if each == at else 0)

    with pytest.raises(ValidationError):
        catalog.add_many(made())
    assert figures(catalog) == {"artifacts": {}, "changes": 0}


def test_an_iterable_or_a_callback_that_raises_leaves_nothing(catalog):
    def made():
        yield Image(name="a")
        raise KeyError("x")

    def progress(count):
        raise KeyError("x")

    for write in (lambda: catalog.add_many(made()), lambda: catalog.add_many([Image(name="a")], progress=progress)):
        with pytest.raises(KeyError):
            write()
    assert catalog.count(Image) == 0
    assert catalog.add_many([]) == catalog.add_many(iter(())) == 0


def test_an_iterable_may_read_the_catalogue_it_is_added_to(catalog):
    catalog.add(Image(name="a"))
    assert catalog.add_many(Image(name=f"{each.name}+") for each in catalog.find(Image).all()) == 1


# --- reading ---


def test_get_finds_by_id_by_name_and_by_version(catalog):
    old, new = (catalog.add(Image(name="a", version=text)) for text in ("1.9.0", "1.10.0"))
    assert catalog.get(Image, old.id) == catalog.get(Image, str(old.id)) == catalog.get(Record, old.id) == old
    assert catalog.get(Image, name="a") == catalog.latest(Image, "a") == catalog.get(Artifact, name="a") == new
    assert (
        catalog.get(Image, name="a", version="1.9.0") == catalog.get(Image, name="a", version=Version("1.9.0")) == old
    )


@pytest.mark.parametrize("wrong", [[], {}, 5, None, "kept_images"])
def test_what_is_no_class_is_refused_by_the_error_for_it(catalog, wrong):
    for ask in (
        lambda: catalog.get(wrong, uuid4()),
        lambda: catalog.get(wrong, name="a"),
        lambda: catalog.count(wrong),
    ):
        with pytest.raises(QueryError, match="expected an artifact class"):
            ask()
    with pytest.raises(DeclarationError, match="expected an artifact class"):
        catalog.load(wrong, [])


@pytest.mark.parametrize("wrong", [[], {}, 5, None, "never"])
def test_what_names_no_type_is_refused_by_the_error_for_it(catalog, wrong):
    with pytest.raises(UnknownTypeError, match="holds no type"):
        catalog.artifact_type(wrong)


def test_get_asks_for_the_owner_where_several_hold_the_name(catalog):
    ann, bob, nobody = (catalog.add(Image(name="a", owner=owner)) for owner in ("ann", "bob", None))
    with pytest.raises(QueryError, match="owner"):
        catalog.get(Image, name="a", version="0.0.0")
    assert (
        catalog.get(Image, name="a", version="0.0.0", owner="ann") == catalog.get(Image, name="a", owner="ann") == ann
    )
    assert catalog.get(Image, name="a", owner="bob") == bob
    assert catalog.get(Image, name="a", owner=None) == nobody
    with pytest.raises(NotFoundError):
        catalog.get(Image, name="a", owner="eve")


def test_latest_follows_the_precedence_of_the_scheme(catalog):
    for text in ("1.0.0-rc.1", "1.0.0-rc.2", "0.9.9"):
        catalog.add(Image(name="a", version=text))
    assert str(catalog.latest(Image, "a").version) == "1.0.0-rc.2"
    catalog.add(Image(name="a", version="1.0.0"))
    assert str(catalog.latest(Image, "a").version) == "1.0.0"
    assert str(catalog.latest(Image, "a", Image.version < "1.0.0").version) == "1.0.0-rc.2"
    with pytest.raises(NotFoundError):
        catalog.latest(Image, "a", Image.version > "1.0.0")


def test_get_many_keeps_the_order_asked_and_repeats(catalog):
    one, two = catalog.add(Image(name="1")), catalog.add(Note())
    assert catalog.get_many(Record, [two.id, uuid4(), one.id, str(two.id)]) == [two, one, two]
    assert catalog.get_many(Image, [two.id, one.id]) == [one]
    assert catalog.get_many(Image, (each for each in ())) == []


def test_a_version_of_another_scheme_is_refused(catalog):
    with pytest.raises((VersionError, ValidationError)):
        catalog.get(Image, name="a", version=Version("1.0", "pep440"))


# --- links ---


def edges(found):
    return [(each.source, each.field, each.target, each.depth) for each in found]


@pytest.mark.parametrize("depth", [101, 10**9, 10**30])
def test_a_closure_of_many_hops_ends_at_cycles_and_at_its_depth(catalog, depth):
    ring = [catalog.add(Image(name=str(number))) for number in range(110)]
    for one, other in zip(ring, [*ring[1:], ring[0]], strict=True):
        catalog.update(one, parent=Link(other))
    assert len(catalog.closure(ring[0], depth)) == min(depth, 110)


def test_a_closure_has_each_link_once_and_ends_at_cycles(catalog):
    a, b, c = (Image(name=name) for name in "abc")
    a, b, c = (
        catalog.add(a),
        catalog.add(Image(name="b", id=b.id, parent=Link(a))),
        catalog.add(Image(name="c", parents=[Link(b), Link(a), Link(b)])),
    )
    a = catalog.update(a, parent=Link(c))
    assert edges(catalog.closure(c, 1)) == sorted(
        [(c.id, "parents", a.id, 1), (c.id, "parents", b.id, 1)], key=lambda each: each[2]
    )
    assert {*edges(catalog.closure(c))} == {
        (c.id, "parents", a.id, 1),
        (c.id, "parents", b.id, 1),
        (a.id, "parent", c.id, 2),
        (b.id, "parent", a.id, 2),
    }
    assert catalog.closure(c, 0) == []
    assert {each.depth for each in catalog.closure(c)} == {1, 2}


def test_a_link_to_itself_is_a_cycle_of_one(catalog):
    ident = uuid4()
    stored = catalog.add(Image(name="a", id=ident, parent=Link(ident)))
    assert edges(catalog.closure(stored)) == edges(catalog.back_links(stored)) == [(ident, "parent", ident, 1)]
    assert catalog.find(Image, Image.parent.parent.parent.name == "a").one() == stored


def test_back_links_say_who_points_here_and_by_which_field(catalog):
    base = catalog.add(Image(name="base"))
    child = catalog.add(Image(name="child", parent=Link(base), parents=[Link(base)]))
    assert edges(catalog.back_links(base)) == [(child.id, "parent", base.id, 1), (child.id, "parents", base.id, 1)]
    assert edges(catalog.closure(base, backwards=True)) == edges(catalog.back_links(str(base.id)))
    catalog.delete(child)
    assert catalog.back_links(base.id) == []


def test_a_link_may_lead_to_what_is_not_there_yet(catalog):
    ident = uuid4()
    child = catalog.add(Image(name="child", parent=Link(ident)))
    assert edges(catalog.closure(child)) == [(child.id, "parent", ident, 1)]
    with pytest.raises(NotFoundError):
        catalog.get(Record, ident)
    catalog.add(Image(name="base", id=ident))
    assert catalog.find(Image, Image.parent.name == "base").one() == child


# --- load and dump ---


def full():
    return Image(
        name="full",
        version="1.0.0-rc.1+b",
        owner="ann",
        visibility="shared",
        description="\U0001f9ea",
        tags=["b", "a"],
        properties={"a.b": [None, 1.5, {"": True}]},
        size=2**63 - 1,
        ratio=0.1,
        built=datetime(1, 1, 1, tzinfo=UTC),
        firmware=Firmware.BIOS,
        disk=Blob("s3://a/b", size=0, sha256=SHA),
        parent=Link(UUID(int=1)),
        parents=[Link(UUID(int=2))],
    )


def test_what_is_dumped_loads_to_exactly_the_same(catalog, tmp_path):
    stored = catalog.activate(catalog.add(full()), ratio=0.2)
    record = catalog.dump(stored)
    with Catalog.open(str(tmp_path / "other.db")) as other:
        assert other.load(Image, [record]) == 1
        again = other.get(Image, stored.id)
        assert vars(again) == vars(stored)
        assert other.dump(again) == record
        assert other.load(Image, [record]) == 0
        assert other.stats()["changes"] == 1
        assert other.check() == []


def test_load_sets_what_is_otherwise_the_catalogue_s(catalog):
    ident = uuid4()
    given = {
        "id": str(ident),
        "status": "active",
        "owner": "eve",
        "revision": 7,
        "created_at": "2001-02-03T04:05:06.000007Z",
        "updated_at": "2002-01-01T01:00:00+01:00",
    }
    assert catalog.load(Image, [{"name": "a", **given}]) == 1
    found = catalog.get(Image, ident)
    assert (found.status, found.owner, found.revision) == ("active", "eve", 7)
    assert (found.created_at, found.updated_at) == (
        datetime(2001, 2, 3, 4, 5, 6, 7, UTC),
        datetime(2002, 1, 1, tzinfo=UTC),
    )
    assert catalog.update(found, description="loaded").revision == 8


def test_load_is_all_or_none(catalog):
    for wrong in (
        {"name": ""},
        {"name": "a"},
        {"nmae": "b"},
        {"name": "b", "created_at": "2024-01-01"},
        {"name": "b", "revision": 0},
        {"name": "b", "disk": {"locations": [{"url": "s3://u:p@a/b"}]}},
    ):
        with pytest.raises(MetastoreError):
            catalog.load(Image, [{"name": "a"}, wrong])
    assert figures(catalog) == {"artifacts": {}, "changes": 0}


@pytest.mark.parametrize(
    "wrong",
    [
        {"tags": "abc"},
        {"tags": {"a": 1}},
        {"tags": [1]},
        {"size": "1"},
        {"size": 1.0},
        {"ratio": "0.5"},
        {"firmware": "BIOS"},
        {"disk": "s3://a/b"},
        {"disk": {"size": "1"}},
        {"disk": {"digests": []}},
        {"disk": {"locations": {}}},
        {"disk": {"locations": [5]}},
        {"parent": 5},
        {"parents": "x"},
        {"parents": [None]},
        {"built": "2024-01-01"},
        {"built": 5},
        {"created_at": "0001-01-01T00:00:00+14:00"},
        {"created_at": 5},
        {"updated_at": "soon"},
        {"revision": True},
        {"revision": 2**63},
        {"id": 5},
        {"id": None},
        {"version": 5},
        {"version": "1"},
        {"properties": []},
        {"properties": None},
        {"type": "kept_notes"},
        {5: 5},
    ],
    ids=str,
)
def test_load_coerces_nothing(catalog, wrong):
    with pytest.raises(MetastoreError):
        catalog.load(Image, [{"name": "a", **wrong}])
    assert catalog.count(Image) == figures(catalog)["changes"] == 0


def test_load_fills_in_what_is_not_given(catalog):
    assert catalog.load(Image, [{"name": "a"}]) == 1
    found = catalog.get(Image, name="a")
    assert (found.size, found.tags, found.revision, str(found.version)) == (0, [], 1, "0.0.0")
    assert found.created_at == found.updated_at


# --- types ---


def test_types_are_there_once_declared_and_their_specs_once_stored(catalog):
    assert {each.name for each in catalog.types()} >= {"kept_images", "kept_notes"}
    stored = catalog.add(Image(name="a"))
    assert spec_of(Image) in catalog.types()
    assert catalog.artifact_type("kept_images") is Image
    assert isinstance(catalog.get(Record, stored.id), Image)


def test_another_opening_gives_dynamic_types_that_behave_the_same(url, catalog):
    stored = catalog.add(full())
    with Catalog.open(url) as other:
        cls = other.artifact_type("kept_images")
        found = other.find(cls, cls.size > 5).one()
        assert (cls.__name__, spec_of(cls)) == ("KeptImages", spec_of(Image))
        assert other.dump(found) == catalog.dump(stored)
        assert (found.firmware, found.tags, found.disk, found.parent, found.built) == (
            "bios",
            stored.tags,
            stored.disk,
            stored.parent,
            stored.built,
        )
        changed = other.update(found, size=1, firmware=None)
        with pytest.raises(ValidationError):
            other.add(cls(name="x", size=-1))
        with pytest.raises(DuplicateError):
            other.add(cls(name="full", version="1.0.0-rc.1+b", owner="ann"))
    assert catalog.get(Image, stored.id).size == changed.size == 1


def test_a_dynamic_type_whose_defaults_are_code_is_read_only(url, catalog):
    class Hooked(Artifact, type_name="kept_hooked"):
        made: Field[str] = field(factory=lambda: "by code")

    stored = catalog.add(Hooked(name="a"))
    with Catalog.open(url) as other:
        cls = other.artifact_type("kept_hooked")
        found = other.find(cls).one()
        assert (found.made, found) == ("by code", stored)
        for write in (
            lambda: other.add(cls(name="b", made="x")),
            lambda: other.update(found, made="x"),
            lambda: other.update_many(cls, made="x"),
            lambda: other.upsert(cls(name="a", made="x")),
            lambda: other.load(cls, [{"name": "b", "made": "x"}]),
        ):
            with pytest.raises(ValidationError, match="made"):
                write()
    assert figures(catalog)["changes"] == 1


def test_a_type_that_cannot_live_with_the_stored_one_is_refused(catalog):
    catalog.add(Image(name="a"))

    class Other(Artifact, type_name="kept_images"):
        size: Field[str] = field(default="")
        must: Field[int] = field()

    with pytest.raises(SchemaConflictError, match=r"size.*must"):
        catalog.add(Other(name="b", must=1))
    catalog.register(Image)
    assert names(catalog.find(Image)) == ["a"]


def test_types_that_link_to_each_other_are_used_together(catalog):
    class Left(Artifact, type_name="kept_left"):
        other: Field[Link["Right"] | None] = field(default=None)

    class Right(Artifact, type_name="kept_right"):
        other: Field[Link[Left] | None] = field(default=None)

    left = catalog.add(Left(name="l"))
    right = catalog.add(Right(name="r", other=Link(left)))
    left = catalog.update(left, other=Link(right))
    assert catalog.find(Left, Left.other.other.name == "l").one() == left


def test_asking_all_types_stores_none(url, catalog):
    assert catalog.count(Record) == 0
    with Catalog.open(url) as other:
        assert other.types() == []
        assert (other.find(Record).all(), other.find(Record).page().items, other.count(Artifact)) == ([], [], 0)
        assert repr(other.find(Record)).startswith("Find(")


# --- threads ---


def test_threads_share_a_catalogue(catalog):
    def work(who):
        for at in range(20):
            catalog.add(Image(name=f"{who}-{at}"))
            catalog.count(Image)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert catalog.count(Image) == figures(catalog)["changes"] == 80


def test_of_many_threads_that_update_one_revision_one_wins(catalog):
    stored = catalog.add(Image(name="a"))

    def work(size):
        try:
            return catalog.update(stored, size=size).revision
        except StaleRevisionError:
            return None

    with ThreadPoolExecutor(4) as pool:
        assert sorted(filter(None, pool.map(work, range(1, 9)))) == [2]
    assert catalog.get(Image, stored.id).revision == 2


def test_threads_may_use_a_new_type_at_once(catalog):
    class Fresh(Artifact, type_name="kept_fresh"):
        pass

    ready = threading.Barrier(4)

    def work(at):
        ready.wait(30)
        catalog.add(Fresh(name=f"n{at}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert catalog.count(Fresh) == 4
    assert len([each for each in catalog.types() if each.name == "kept_fresh"]) == 1


def test_first_uses_of_types_do_not_wait_for_each_other(url, monkeypatch):
    class One(Artifact, type_name="kept_one"):
        pass

    class Two(Artifact, type_name="kept_two"):
        pass

    with Catalog.open(url, timeout=20) as catalog, ThreadPoolExecutor(1) as pool:
        at_the_lock, begin = threading.Event(), catalog._backend.transaction

        def transaction():
            if threading.current_thread() is not threading.main_thread():
                at_the_lock.set()
            return begin()

        monkeypatch.setattr(catalog._backend, "transaction", transaction)
        with catalog.transaction():
            waiting = pool.submit(catalog.add, Two(name="b"))
            assert at_the_lock.wait(20)
            catalog.add(One(name="a"))
        assert waiting.result(30).name == "b"


def test_what_a_transaction_has_not_committed_is_not_seen_by_other_threads(tmp_path):
    class Fresh(Artifact, type_name="kept_fresh"):
        pass

    with Catalog.open(str(tmp_path / "catalog.db")) as catalog, ThreadPoolExecutor(1) as pool:
        catalog.add(Image(name="a"))
        with catalog.transaction():
            catalog.add(Image(name="b"))
            catalog.add(Fresh(name="c"))
            assert pool.submit(catalog.count, Image).result(30) == 1
            assert pool.submit(catalog.count, Record).result(30) == 1
        assert pool.submit(catalog.count, Image).result(30) == 2
        assert pool.submit(catalog.count, Fresh).result(30) == 1


# --- the whole ---


def test_stats_count_artifacts_and_changes(catalog):
    stored = catalog.add(Image(name="a"))
    catalog.delete(catalog.update(stored, size=1))
    catalog.add(Note())
    found = catalog.stats()
    assert (found["changes"], found["artifacts"]["kept_notes"], found["artifacts"].get("kept_images", 0)) == (4, 1, 0)


def test_a_revision_that_leaves_no_room_for_changes_is_not_loaded(catalog):
    one = catalog.dump(catalog.add(Image(name="a")))
    with pytest.raises(ValidationError, match=r"\$.revision"):
        catalog.load(Image, [one | {"revision": 2**63 - 1}])
    catalog.load(Image, [one | {"revision": 2**62 - 1}])
    assert catalog.update(catalog.get(Image, name="a"), size=1).revision == 2**62


@pytest.mark.parametrize(
    "damage", ["unique_key = zeroblob(32)", "unique_key = NULL", "revision = 7", "size = 7", "digest = zeroblob(32)"]
)
def test_the_audit_finds_a_row_that_was_changed_behind_its_back(tmp_path, damage):
    with Catalog.open(str(tmp_path / "a.db"), types=[Image]) as opened:
        opened.add(Image(name="a"))
        table = Image.__type_name__
        assert opened.check() == []
    raw = sqlite3.connect(tmp_path / "a.db")
    raw.execute(f"UPDATE {table} SET {damage}")
    raw.commit()
    raw.close()
    with Catalog.open(str(tmp_path / "a.db"), types=[Image]) as again:
        assert again.check() != []


@pytest.mark.parametrize(
    ("damage", "fields"), [("created_at = 9223372036854775807", "created_at"), ("tags = '[1'", "tags")]
)
def test_a_row_that_was_changed_from_outside_so_that_it_cannot_be_read_is_told_as_damaged(tmp_path, damage, fields):
    with Catalog.open(str(tmp_path / "a.db"), types=[Image]) as opened:
        kept = opened.add(Image(name="a", tags=["one"]))
    with closing(sqlite3.connect(tmp_path / "a.db")) as raw:
        raw.execute(f"UPDATE {Image.__type_name__} SET {damage}")
        raw.commit()
    with Catalog.open(str(tmp_path / "a.db"), types=[Image]) as again:
        found = again.find(Image)
        for read in (
            lambda: again.get(Image, name="a"),
            lambda: list(found),
            lambda: list(again.dump_many(Image)),
            lambda: list(found.select(getattr(Image, fields))),
            lambda: again.update(kept, size=7),
        ):
            with pytest.raises(DamagedError, match="changed from outside"):
                read()


@pytest.mark.parametrize("depth", [1, 2])
def test_closing_within_a_transaction_undoes_it_and_says_so(tmp_path, depth):
    opened, transactions = Catalog.open(str(tmp_path / "a.db"), types=[Image]), ExitStack()
    with pytest.raises(ClosedError), transactions:
        for _ in range(depth):
            transactions.enter_context(opened.transaction())
        opened.add(Image(name="lost"))
        opened.close()
    with Catalog.open(str(tmp_path / "a.db"), types=[Image]) as again:
        assert again.count(Image) == 0
        again.add(Image(name="kept"))


def test_a_closed_catalogue_refuses_everything():
    catalog = Catalog.open("memory:", types=[Image])
    stored = catalog.add(Image(name="a"))
    found = catalog.find(Image)
    catalog.close()
    catalog.close()
    for use in (
        lambda: catalog.add(Image(name="b")),
        lambda: catalog.add_many([Image(name="b")]),
        lambda: catalog.add_many([]),
        lambda: catalog.get(Image, stored.id),
        lambda: catalog.get(Record, stored.id),
        lambda: catalog.get(Image, name="a"),
        lambda: catalog.get_many(Image, [stored.id]),
        lambda: catalog.latest(Image, "a"),
        lambda: catalog.find(Image),
        found.all,
        found.count,
        found.page,
        lambda: catalog.count(Image),
        lambda: catalog.update(stored, size=1),
        lambda: catalog.update_many(Image, size=1),
        lambda: catalog.upsert(stored),
        lambda: catalog.delete(stored),
        lambda: catalog.delete_many(Image),
        lambda: catalog.closure(stored),
        lambda: catalog.back_links(stored),
        lambda: catalog.dump(stored),
        lambda: catalog.load(Image, []),
        catalog.stats,
        catalog.check,
        catalog.types,
        lambda: catalog.transaction().__enter__(),
    ):
        with pytest.raises(ClosedError):
            use()
    assert "closed" in repr(catalog)


def test_a_catalogue_says_who_it_is():
    with Catalog.open("memory:") as one, Catalog.open("memory:") as other:
        assert UUID(one.id) != UUID(other.id)
        assert one.id in repr(one)


def test_a_literal_field_takes_its_values_only(catalog):
    class Chosen(Artifact, type_name="kept_chosen"):
        arch: Field[Literal["x86_64", "aarch64"]] = field(default="x86_64")
        any_of: Field[list[Any]] = field(factory=list)

    wrong: Any = "x86-64"
    with pytest.raises(ValidationError, match="did you mean 'x86_64'"):
        catalog.add(Chosen(name="a", arch=wrong))
    assert catalog.add(Chosen(name="a", arch="aarch64", any_of=[1, "1", None])).any_of == [1, "1", None]
