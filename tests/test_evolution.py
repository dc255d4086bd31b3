"""A declaration grows while programs run: what widens online, what is refused, what a migration does.

Two programs are two catalogues on one file, each with its own declaration of the same type name.
"""

import subprocess
import sys
import types
from contextlib import nullcontext
from datetime import UTC, datetime
from enum import Enum
from typing import Literal, get_origin

import attrs
import pytest

from metastore import (
    Artifact,
    Blob,
    Catalog,
    Field,
    Lifecycle,
    Link,
    Record,
    State,
    Transition,
    Version,
    field,
    matches,
)
from metastore._data import evolve
from metastore.errors import MetastoreError, SchemaConflictError, UnknownTypeError, ValidationError


def declared(**fields):
    """Return a class of the type ``parts`` with these fields: name=(annotation, field(...))."""
    body = {name: made for name, (_, made) in fields.items()}
    body["__annotations__"] = {name: Field[hint] for name, (hint, _) in fields.items()}
    body["__module__"] = __name__
    return type(Artifact)("Part", (Artifact,), body, type_name="parts")


SIZE = {"size": (int, field())}
Old = declared(**SIZE)
New = declared(
    **SIZE,
    note=(str | None, field(default=None)),
    level=(int, field(default=7, index=True)),
    labels=(list[str], field(factory=list, index=True)),
    title=(str, field(default="Über", folded=True, search=2)),
    facts=(dict[str, int], field(factory=dict)),
)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/c.db"


@pytest.fixture
def program(url):
    """A function that opens the file as one more program with its own declaration."""
    opened = []

    def start(cls=None, **options):
        opened.append(Catalog.open(url, types=[] if cls is None else [cls], **options))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def faults(program):
    """What a third program, that knows no class, finds wrong."""
    return program().check()


# widening


def test_new_defaulted_fields_fill_what_is_stored(program):
    program(Old).add(Old(name="a", size=1))
    got = program(New).get(New, name="a")
    assert (got.size, got.note, got.level, got.labels, got.title, got.facts) == (1, None, 7, [], "Über", {})
    assert faults(program) == []


def test_new_fields_are_found_by_their_defaults(program):
    program(Old).add(Old(name="a", size=1))
    new = program(New)
    asked = [
        New.level == 7,
        ~New.labels.contains("a"),
        New.title.folded == "über",
        matches("über"),
        ~New.facts.has_key("k"),
        ~(New.note == "x"),
    ]
    assert [new.count(New, each) for each in asked] == [1] * len(asked)


def test_an_older_program_that_opens_later_goes_on(program):
    program(New).add(New(name="a", size=1, level=9))
    old = program(Old)
    assert old.update(old.get(Old, name="a"), size=2).size == 2
    old.add(Old(name="b", size=3))
    new = program(New)
    assert [(each.name, each.size, each.level) for each in new.find(New, order_by=[New.name])] == [
        ("a", 2, 9),
        ("b", 3, 7),
    ]
    assert faults(program) == []


def test_an_older_program_that_runs_already_adds_what_the_newer_one_reads(program):
    old, new = program(Old), program(New)
    old.add(Old(name="a", size=1))
    new.add(New(name="b", size=2, level=9))
    old.add(Old(name="c", size=3))
    old.add_many([Old(name="d", size=4)])
    assert [each.level for each in new.find(New, order_by=[New.name])] == [7, 9, 7, 7]
    assert new.count(New, ~New.labels.contains("a")) == 4
    assert new.count(New, matches("über")) == 4
    assert new.count(New, New.title.folded == "über") == 4
    assert faults(program) == []


def test_what_an_older_program_adds_in_bulk_is_found_by_what_only_the_newer_one_searches(program):
    old, new = program(Old), program(New)
    old.add(Old(name="a", size=1))
    new.add(New(name="b", size=2, level=9))
    old.add_many([Old(name=f"c{n}", size=n) for n in range(40)])
    assert new.count(New, matches("über")) == 42
    assert faults(program) == []


def test_an_older_program_that_runs_already_changes_only_what_it_knows(program):
    old, new = program(Old), program(New)
    mine = old.add(Old(name="a", size=1))
    new.update(new.get(New, mine.id), level=9, note="kept")
    changed = old.update(old.get(Old, mine.id), size=5)
    got = new.get(New, mine.id)
    assert (got.size, got.level, got.note, got.revision) == (5, 9, "kept", changed.revision)
    assert faults(program) == []


def test_an_older_program_deletes_and_updates_many_of_the_newer_one_s(program):
    old, new = program(Old), program(New)
    old.add(Old(name="a", size=1))
    new.add_many([New(name=name, size=2, note="n", facts={"z": 26}) for name in "bcd"])
    assert old.update_many(Old, Old.size == 2, size=3) == 3
    assert old.delete_many(Old, Old.name == "c") == 1
    assert {each.name: each.facts for each in new.find(New)} == {"a": {}, "b": {"z": 26}, "d": {"z": 26}}
    assert faults(program) == []


def test_a_search_added_to_a_known_field_holds_for_an_older_program_too(program):
    plain, searched = declared(text=(str, field())), declared(text=(str, field(search=1, folded=True)))
    old = program(plain)
    kept = old.add(plain(name="a", text="Debian rescue"))
    new = program(searched)
    assert new.count(searched, matches("rescue")) == 1
    assert new.count(searched, searched.text.folded == "debian rescue") == 1
    old.add(plain(name="b", text="Rescue disk"))
    old.update(old.get(plain, kept.id), text="gone")
    assert [each.name for each in new.find(searched, matches("rescue"))] == ["b"]
    assert [each.name for each in new.find(searched, searched.text.folded.startswith("rescue"))] == ["b"]
    assert faults(program) == []


def test_an_index_added_to_a_list_holds_for_an_older_program_too(program):
    plain, indexed = (
        declared(labels=(list[str], field(factory=list))),
        declared(labels=(list[str], field(factory=list, index=True))),
    )
    old = program(plain)
    old.add(plain(name="a", labels=["x"]))
    new = program(indexed)
    assert new.count(indexed, indexed.labels.contains("x")) == 1
    old.add(plain(name="b", labels=["x"]))
    old.update(old.get(plain, name="a"), labels=["y"])
    assert [each.name for each in new.find(indexed, indexed.labels.contains("x"))] == ["b"]
    assert faults(program) == []


def test_an_index_that_is_no_longer_declared_stays_right(program):
    new = program(New)
    new.add(New(name="a", size=1, labels=["x"]))
    plain = declared(**SIZE, labels=(list[str], field(factory=list)))
    other = program(plain)
    other.update(other.get(plain, name="a"), labels=["y"])
    assert new.count(New, New.labels.contains("y")) == 1
    assert faults(program) == []


def test_the_newer_default_makes_no_new_revision_and_no_new_digest(program):
    old = program(Old).add(Old(name="a", size=1))
    new = program(New)
    assert new.get(New, old.id).revision == old.revision
    assert new.upsert(New(name="a", size=1)).revision == old.revision


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (field(ge=0, le=10), field(ge=-5, le=20)),
        (field(ge=0), field()),
        (field(gt=0, lt=5), field(ge=0, le=5)),
        (field(ge=1, le=4), field(gt=0, lt=5)),
        (field(), field(index=True)),
        (field(description="x"), field(description="y", unit="MiB")),
        (field(choices=(1, 2)), field(choices=(1, 2, 3))),
    ],
)
def test_loosening_widens(program, before, after):
    tight, loose = declared(size=(int, before)), declared(size=(int, after))
    program(tight).add(tight(name="a", size=1))
    assert program(loose).get(loose, name="a").size == 1
    assert faults(program) == []


def test_a_loosened_bound_lets_the_older_program_read_what_it_would_not_write(program):
    tight, loose = declared(size=(int, field(le=10))), declared(size=(int, field(le=20)))
    old = program(tight)
    old.add(tight(name="a", size=1))
    program(loose).add(loose(name="b", size=15))
    assert old.get(tight, name="b").size == 15


def test_two_new_programs_widen_at_once(program):
    one, other = (
        program(declared(**SIZE, a=(int, field(default=1)))),
        program(declared(**SIZE, b=(int, field(default=2)))),
    )
    one.add(one.artifact_type("parts")(name="x", size=1, a=5))
    other.add(other.artifact_type("parts")(name="y", size=2, b=6))
    parts = program()
    got = {each.name: (each.a, each.b) for each in parts.find(parts.artifact_type("parts"))}
    assert got == {"x": (5, 2), "y": (1, 6)}
    assert parts.check() == []


OLD_PROGRAM = """
import sys
import types
from metastore import Artifact, Catalog, Field, field
class Old(Artifact, type_name="parts"):
    size: Field[int] = field()
with Catalog.open(sys.argv[1], types=[Old]) as catalog:
    mine = catalog.add(Old(name="old", size=1))
    print("ready", flush=True)
    sys.stdin.readline()
    catalog.add(Old(name="later", size=2))
    catalog.update(catalog.get(Old, mine.id), size=3)
    print(sorted(each.name for each in catalog.find(Old)), flush=True)
"""


def test_an_older_program_in_its_own_process_goes_on_while_a_newer_one_widens(url, program):
    with subprocess.Popen(
        [sys.executable, "-c", OLD_PROGRAM, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as old:
        assert old.stdout.readline() == "ready\n"
        new = program(New)
        new.update(new.get(New, name="old"), level=9, note="kept")
        assert old.communicate("go\n")[0] == "['later', 'old']\n"
    assert {each.name: (each.size, each.level, each.note) for each in new.find(New)} == {
        "old": (3, 9, "kept"),
        "later": (2, 7, None),
    }
    assert faults(program) == []


# refusing

CONFLICTS = {
    "kind": (SIZE, {"size": (str, field())}),
    "optional to required": ({"size": (int | None, field(default=None))}, SIZE),
    "tighter bound": (SIZE, {"size": (int, field(le=5))}),
    "a bound that leaves its own value out": ({"size": (int, field(ge=0))}, {"size": (int, field(gt=0))}),
    "an upper bound that leaves its own value out": ({"size": (int, field(le=9))}, {"size": (int, field(lt=9))}),
    "a bound beyond the other one": ({"size": (int, field(gt=0))}, {"size": (int, field(ge=2))}),
    "a lower bound where there was an upper one": ({"size": (int, field(lt=9))}, {"size": (int, field(ge=0))}),
    "tighter length": ({"size": (str, field(max_length=9))}, {"size": (str, field(max_length=5))}),
    "pattern": ({"size": (str, field())}, {"size": (str, field(pattern="a+"))}),
    "fewer choices": ({"size": (Literal["a", "b"], field())}, {"size": (Literal["a"], field())}),
    "new and required": ({}, SIZE),
    "new and made by code": ({}, {"size": (list[int], field(factory=lambda: [1]))}),
    "required and gone": (SIZE, {}),
    "element": ({"size": (list[int], field(factory=list))}, {"size": (list[str], field(factory=list))}),
    "one to many": ({"size": (int, field())}, {"size": (list[int], field(factory=list))}),
    "an indexed text without a length": (
        {"size": (str, field(index=True, max_length=9))},
        {"size": (str, field())},
    ),
    "an indexed text too long": (
        {"size": (str, field(index=True, max_length=9))},
        {"size": (str, field(max_length=513))},
    ),
    "an indexed text without choices": ({"size": (Literal["a", "b"], field(index=True))}, {"size": (str, field())}),
    "unique items": (
        {"size": (list[int], field(factory=list))},
        {"size": (list[int], field(factory=list, unique_items=True))},
    ),
}


@pytest.mark.parametrize("what", CONFLICTS)
def test_what_stored_artifacts_may_not_fit_is_refused_and_changes_nothing(program, what):
    before, after = (declared(**fields) for fields in CONFLICTS[what])
    old, new = program(before), program(after)
    old.add(
        before(
            name="a",
            **({"size": {"int": 3, "str": "a", "list": []}[_kind(before)]} if "size" in CONFLICTS[what][0] else {}),
        )
    )
    specs = old.types()
    for use in (lambda: new.count(after), lambda: new.find(after).all(), lambda: new.update_many(after, name="b")):
        with pytest.raises(SchemaConflictError, match="size"):
            use()
    assert program().types() == specs
    assert old.get(before, name="a").revision == 1
    assert faults(program) == []


def _kind(cls):
    with Catalog.open("memory:", types=[cls]) as catalog:
        return catalog.types()[0].by_name["size"].kind


def test_a_text_that_was_indexed_may_grow_as_far_as_an_index_goes(program):
    old, new = (declared(size=(str, field(max_length=most, index=most == 9))) for most in (9, 512))
    program(old).add(old(name="a", size="b"))
    program(new).add(new(name="b", size="c" * 512))
    last = program()
    assert [each.size for each in last.find(last.artifact_type("parts"))] == ["b", "c" * 512]


def test_every_conflicting_field_is_named(program):
    before = declared(a=(int, field()), b=(str, field()), c=(int, field()))
    after = declared(a=(str, field()), b=(str, field(max_length=1)), c=(int, field()))
    program(before).add(before(name="x", a=1, b="b", c=2))
    with pytest.raises(SchemaConflictError) as caught:
        program(after).count(after)
    assert "a:" in str(caught.value)
    assert "b:" in str(caught.value)
    assert "c:" not in str(caught.value)


def test_a_changed_unique_scope_is_refused(program):
    class Before(Artifact, type_name="parts"):
        pass

    class After(Artifact, type_name="parts", unique=("name",)):
        pass

    program(Before).add(Before(name="a"))
    with pytest.raises(SchemaConflictError, match="unique"):
        program(After).count(After)


# migrating


def renamed(record):
    return {**{name: value for name, value in record.items() if name != "size"}, "bytes": record["size"] * 1024}


Migrated = declared(bytes=(int, field(ge=0, index=True)), text=(str, field(default="word", search=1)))


@pytest.fixture
def migrated(program):
    """A catalogue of three parts after its migration, and the program that had been running with the old class."""
    old = program(Old)
    old.add_many([Old(name=name, size=at, tags=[name], description="said") for at, name in enumerate("abc")])
    new = program(Migrated)
    assert new.migrate(Migrated, renamed) == 3
    return new, old


def test_a_migration_gives_every_artifact_its_new_shape(migrated, program):
    new, _ = migrated
    got = [
        (each.name, each.bytes, each.text, each.revision, each.tags)
        for each in new.find(Migrated, order_by=[Migrated.name])
    ]
    assert got == [("a", 0, "word", 2, ["a"]), ("b", 1024, "word", 2, ["b"]), ("c", 2048, "word", 2, ["c"])]
    assert faults(program) == []


def test_after_a_migration_indexes_text_and_uniqueness_hold(migrated):
    new, _ = migrated
    asked = [Migrated.bytes > 0, matches("word"), Migrated.tags.contains("b")]
    assert [new.count(Migrated, each) for each in asked] == [2, 3, 1]
    with pytest.raises(MetastoreError, match="already has"):
        new.add(Migrated(name="a", bytes=1))


def test_after_a_migration_the_old_declaration_is_refused(migrated, program):
    with pytest.raises(SchemaConflictError, match="migrated"):
        program(Old).count(Old)


def test_after_a_migration_the_program_that_did_it_writes_by_the_old_class_no_more(program):
    catalog, new = program(Old), declared(size=(str, field()))
    catalog.add(Old(name="a", size=1))
    with catalog.transaction():
        catalog.migrate(new, lambda record: {**record, "size": str(record["size"])})
        with pytest.raises(SchemaConflictError, match="migrated"):
            catalog.add(Old(name="b", size=2))
    with pytest.raises(SchemaConflictError, match="migrated"):
        catalog.add(Old(name="c", size=3))
    assert [(type(each), each.size) for each in catalog.find(Record)] == [(new, "1")]
    assert catalog.check() == []


@pytest.mark.parametrize("around", [False, True])
def test_after_a_migration_that_is_undone_the_old_class_is_the_types_again(program, around):
    catalog = program(Old)
    catalog.add(Old(name="a", size=1))
    with catalog.transaction() if around else nullcontext():
        with pytest.raises(KeyError), catalog.transaction():
            catalog.migrate(Migrated, renamed)
            raise KeyError("x")
        catalog.add(Old(name="b", size=2))
    assert [type(each) for each in catalog.find(Record)] == [Old, Old]
    assert catalog.check() == []


@pytest.mark.parametrize(
    "use",
    [
        lambda old: old.add(Old(name="z", size=1)),
        lambda old: old.add_many([Old(name="z", size=1)]),
        lambda old: old.get(Old, name="a"),
        lambda old: old.find(Old).all(),
        lambda old: old.count(Old, Old.size > 1),
        lambda old: old.delete_many(Old),
        lambda old: old.update_many(Old, size=9),
    ],
)
def test_after_a_migration_a_running_old_program_is_refused(migrated, program, use):
    new, old = migrated
    with pytest.raises(SchemaConflictError, match="migrated"):
        use(old)
    assert new.count(Migrated) == 3
    assert faults(program) == []


def test_a_migration_that_raises_changes_nothing(program):
    old, new = program(Old), program(Migrated)
    old.add_many([Old(name=name, size=at) for at, name in enumerate("abc")])
    with pytest.raises(ZeroDivisionError):
        new.migrate(Migrated, lambda record: {**renamed(record), "bytes": 1 // (2 - record["size"])})
    assert sorted(each.size for each in old.find(Old)) == [0, 1, 2]
    assert faults(program) == []


def test_a_migration_to_what_does_not_fit_changes_nothing(program):
    old, new = program(Old), program(Migrated)
    old.add(Old(name="a", size=1))
    with pytest.raises(ValidationError, match="bytes"):
        new.migrate(Migrated, lambda record: {**renamed(record), "bytes": -1})
    assert old.get(Old, name="a").size == 1
    assert faults(program) == []


def test_links_and_blobs_survive_a_migration(program):
    before = declared(
        parent=(Link | None, field(default=None)), file=(Blob | None, field(default=None)), size=(int, field())
    )
    after = declared(
        parent=(Link | None, field(default=None)), file=(Blob | None, field(default=None)), size=(str, field())
    )
    old, new = program(before), program(after)
    base = old.add(before(name="base", size=1, file=Blob("s3://b/1", sha256="ab" * 32)))
    old.add(before(name="child", size=2, parent=Link(base)))
    new.migrate(after, lambda record: {**record, "size": str(record["size"])})
    assert [edge.target for edge in new.closure(new.get(after, name="child"))] == [base.id]
    assert new.count(after, after.file.url == "s3://b/1") == 1
    assert faults(program) == []


@attrs.frozen
class Slot:
    number: int
    note: str = ""


@attrs.frozen
class Slots:
    number: int | None
    side: str = ""


INSIDE = {
    "item choices is 'a', not 'a', 'b'": (list[Literal["a"]], list[Literal["a", "b"]]),
    "item kind is int, not str": (list[int], list[str]),
    "item item kind is int, not str": (dict[str, list[int]], dict[str, list[str]]),
    "item optional is False, not True": (dict[str, int], dict[str, int | None]),
    "item number optional is False, not True; inside: item note is no longer inside; inside: item side is new inside": (
        list[Slot],
        list[Slots],
    ),
}


@pytest.mark.parametrize("words", INSIDE)
def test_what_differs_inside_is_named(program, words):
    before, after = (declared(**SIZE, inside=(hint, field(factory=get_origin(hint)))) for hint in INSIDE[words])
    program(before).add(before(name="first", size=1))
    with pytest.raises(SchemaConflictError) as refused:
        program(after).count(after)
    assert f"one: inside: {words}. Give" in str(refused.value)


class Narrow(Enum):
    RED = "red"


class Wide(Enum):
    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize("kinds", [(Narrow, Wide), (Literal["red"], Literal["red", "blue"])], ids=["enum", "literal"])
@pytest.mark.parametrize("many", [False, True])
def test_an_older_program_goes_on_with_a_choice_that_it_does_not_know(program, kinds, many):
    before, after = (declared(**SIZE, colour=(kind | None, field(default=None, index=True))) for kind in kinds)
    old = program(before)
    old.add(before(name="first", size=1))
    new = program(after)
    stored = new.add(after(name="blue", size=2, colour=Wide.BLUE if kinds[0] is Narrow else "blue"))
    seen = old.get(before, stored.id)
    assert seen.colour == "blue"
    assert old.find(before).facets(before.colour) == {"colour": {None: 1, "blue": 1}}
    assert list(old.find(before, order_by=[before.name]).select(before.colour)) == [("blue",), (None,)]
    old.update_many(before, before.name == "blue", size=5) if many else old.update(seen, size=5)
    again = new.get(after, stored.id)
    assert (again.size, again.colour) == (5, stored.colour)
    assert faults(program) == []


# without the classes


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@attrs.frozen
class Place:
    room: str
    shelf: int = 0


class Box(Artifact, type_name="boxes"):
    colour: Field[Colour] = field(default=Colour.RED, index=True)
    arch: Field[Literal["a", "b"]] = field(default="a")
    place: Field[Place | None] = field(default=None)
    places: Field[list[Place]] = field(factory=list)
    parent: Field[Link["Box"] | None] = field(default=None)
    parents: Field[list[Link["Box"]]] = field(factory=list)
    file: Field[Blob | None] = field(default=None)
    files: Field[dict[str, Blob]] = field(factory=dict)
    at: Field[datetime | None] = field(default=None)
    size: Field[int] = field(default=1, ge=0, le=9, mutable=True)
    text: Field[str] = field(default="", search=1, folded=True)


@pytest.fixture
def dynamic(program):
    """A catalogue of two boxes, opened without the class, and its class of them."""
    with_class = program(Box)
    base = with_class.add(
        Box(
            name="base",
            colour=Colour.BLUE,
            place=Place("r", 3),
            places=[Place("x")],
            at=datetime(2024, 2, 29, tzinfo=UTC),
        )
    )
    with_class.add(
        Box(
            name="child",
            parent=Link(base),
            parents=[Link(base)],
            file=Blob("s3://b/1", size=5),
            files={"f": Blob("s3://b/2")},
            text="Some Words",
        )
    )
    without = program()
    return without, without.artifact_type("boxes")


def test_a_dynamic_type_reads_what_the_class_wrote(dynamic, program):
    catalog, cls = dynamic
    known = program(Box)
    for box in known.find(Box):
        assert catalog.dump(catalog.get(cls, box.id)) == known.dump(box)


def test_a_dynamic_type_answers_the_same_questions(dynamic):
    catalog, box = dynamic
    asked = [
        box.parent.name == "base",
        box.parents.any(box.name == "base"),
        box.colour == "blue",
        box.arch == "a",
        box.place["room"] == "r",
        box.file.size == 5,
        box.files["f"].url == "s3://b/2",
        box.at >= datetime(2024, 1, 1, tzinfo=UTC),
        box.text.folded.contains("words"),
        matches("words"),
        box.version >= "0.0.0",
    ]
    assert [catalog.count(box, each) for each in asked] == [1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2]


def test_a_dynamic_type_writes_and_the_class_reads(dynamic, program):
    catalog, box = dynamic
    base = catalog.get(box, name="base")
    made = catalog.add(
        box(name="new", colour="red", parent=Link(base), size=4, places=base.places, files={"g": Blob("s3://b/3")})
    )
    catalog.update(base, size=5, colour="red")
    known = program(Box)
    got = known.get(Box, made.id)
    assert (got.colour, got.parent.id, got.places, got.files["g"].url, got.size) == (
        Colour.RED,
        base.id,
        [Place("x")],
        "s3://b/3",
        4,
    )
    assert (known.get(Box, base.id).size, known.get(Box, base.id).colour) == (5, Colour.RED)
    assert faults(program) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": -1},
        {"size": "4"},
        {"colour": "green"},
        {"arch": "c"},
        {"place": {"room": 1}},
        {"sise": 1},
        {"at": datetime(2024, 1, 1)},
    ],
)
def test_a_dynamic_type_refuses_what_the_class_refuses(dynamic, wrong):
    catalog, box = dynamic
    with pytest.raises((ValidationError, TypeError)):
        catalog.add(box(name="new", **wrong))
    assert catalog.count(box) == 2


Hooked = declared(stamp=(str, field(factory=lambda: "made")), size=(int, field(default=0)))


@pytest.fixture
def hooked(program):
    """A catalogue opened without the class of a type whose default is made by code, and its class of them."""
    program(Hooked).add(Hooked(name="a"))
    catalog = program()
    return catalog, catalog.artifact_type("parts")


def test_a_dynamic_type_whose_spec_names_hooks_is_read(hooked):
    catalog, cls = hooked
    assert [each.stamp for each in catalog.find(cls)] == ["made"]


@pytest.mark.parametrize("read_before", [False, True])
@pytest.mark.parametrize(
    "write",
    [
        lambda catalog, cls: catalog.add(cls(name="b", stamp="x")),
        lambda catalog, cls: catalog.add_many([cls(name="b", stamp="x")]),
        lambda catalog, cls: catalog.update(catalog.get(cls, name="a"), size=2),
        lambda catalog, cls: catalog.update_many(cls, size=2),
        lambda catalog, cls: catalog.upsert(cls(name="b", stamp="x")),
    ],
)
def test_a_write_through_a_dynamic_type_whose_spec_names_hooks_is_refused(hooked, write, read_before):
    catalog, cls = hooked
    if read_before:
        catalog.find(cls).all()
    with pytest.raises(ValidationError, match="stamp"):
        write(catalog, cls)
    assert catalog.count(cls, cls.size == 0) == 1


# --- life cycles ---

SHORT = Lifecycle("a", {"a": State(), "b": State()}, [Transition("go", "a", "b")])
LONG = Lifecycle(
    "a",
    {"a": State(), "b": State("mutable"), "c": State()},
    [Transition("go", ["a", "c"], "b"), Transition("on", "b", "c")],
)


def lived(lifecycle, **rules):
    return types.new_class("Lived", (Artifact,), {"type_name": "lived", "lifecycle": lifecycle, "rules": rules})


def test_further_states_and_actions_widen(url):
    with Catalog.open(url, types=[lived(SHORT)]) as older:
        older.add(lived(SHORT)(name="a"))
    with Catalog.open(url, types=[wide := lived(LONG, go="may_go")]) as newer:
        assert newer.change(newer.add(wide(name="b")), "go", "on").status == "c"
    with Catalog.open(url) as dynamic:
        (spec,) = dynamic.types()
        assert (spec.lifecycle, spec.rules, spec.by_name["status"].choices) == (LONG, {"go": "may_go"}, ("a", "b", "c"))


@pytest.mark.parametrize(
    ("lifecycle", "words"),
    [
        (SHORT, r"no state 'c' any more; the action 'go' leads no more from c to b; the action 'on'"),
        (
            evolve(LONG, transitions=(*LONG.transitions[:1], Transition("off", "b", "c"))),
            "the action 'on' leads no more from b to c",
        ),
        (
            evolve(LONG, initial="b", transitions=(*LONG.transitions, Transition("back", "c", "a"))),
            "the life cycle begins in 'a', not in 'b'",
        ),
    ],
)
def test_a_life_cycle_that_lost_something_is_refused(url, lifecycle, words):
    with Catalog.open(url, types=[lived(LONG)]) as older:
        older.add(lived(LONG)(name="a", status="a"))
    with Catalog.open(url) as newer, pytest.raises(SchemaConflictError, match=words):
        newer.add(lived(lifecycle)(name="b"))


def test_a_link_to_any_type_leads_there_without_the_class_too(url):
    class Pointing(Artifact, type_name="pointing"):
        at: Field[Link[Record] | None] = field(default=None)
        all: Field[list[Link[Record]]] = field(factory=list)

    with Catalog.open(url, types=[Pointing]) as declared:
        first = declared.add(Pointing(name="a"))
        declared.add(Pointing(name="b", at=Link(first), all=[Link(first)]))
    with Catalog.open(url) as other:
        found = other.get(other.artifact_type("pointing"), name="b")
        assert (found.at, found.all) == (Link(first.id), [Link(first.id)])


@pytest.mark.parametrize("kind", ["memory:", "sqlite"])
def test_an_older_class_writes_what_a_newer_one_widened_in_the_same_transaction(url, kind):
    with Catalog.open(url if kind == "sqlite" else kind) as catalog:
        first = catalog.add(Old(name="a", size=1))
        catalog.types()  # which forgets how the class stands to what is stored, as a restart does
        with catalog.transaction():
            catalog.update(first, description="x")
            catalog.add(New(name="b", size=2, title="Straße"))
            assert catalog.update_many(Old, size=3) == 2
            catalog.add(Old(name="c", size=4))
        assert catalog.check() == []
        assert [each.title for each in catalog.find(New, New.title.folded == "über")] == ["Über", "Über"]


def test_who_only_reads_learns_of_a_type_that_another_program_stores_or_widens(url):
    with Catalog.open(url) as writer, Catalog.open(url, mode="ro") as reader, Catalog.open(url, mode="ro") as later:
        with pytest.raises(UnknownTypeError, match="read-only"):
            reader.count(Old)
        writer.add(Old(name="a", size=1))
        assert reader.count(Old) == 1
        assert later.get(Old, name="a").size == 1
        writer.add(New(name="b", size=1, note="seen"))
        assert later.get(New, name="b").note == "seen"


def test_a_newer_class_reads_an_older_file_that_it_may_not_widen(url, program):
    stored = program(Old).add(Old(name="first", size=1))
    newer = declared(
        **SIZE,
        colour=(Wide, field(default=Wide.BLUE)),
        since=(datetime, field(default=datetime(2024, 2, 29, tzinfo=UTC))),
        release=(Version, field(default="1.2", scheme="pep440")),
        note=(str | None, field(default=None)),
        labels=(list[str], field(factory=list)),
        files=(dict[str, Blob], field(factory=dict)),
    )
    with Catalog.open(url, types=[newer], mode="ro") as reader:
        part, again = reader.get(newer, stored.id), reader.find(newer).one()
        assert (part.size, part.colour, part.note, part.labels, part.files) == (1, Wide.BLUE, None, [], {})
        assert (part.since, part.release) == (datetime(2024, 2, 29, tzinfo=UTC), Version("1.2", "pep440"))
        part.labels.append("mine")
        assert again.labels == []
