"""The exam at the level of the face: every method of `Catalog` and its errors, on the store of any URL."""



from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from metastore._artifact import Artifact, Field, Record, field
from metastore._blob import Blob
from metastore._catalog import Catalog
from metastore._expr import absent, matches, references
from metastore._link import Link
from metastore._version import Version
from metastore.errors import (
    ClosedError,
    CursorError,
    DuplicateError,
    IdTakenError,
    MetastoreError,
    NotFoundError,
    NotStoredError,
    QueryError,
    QuerySyntaxError,
    ReadOnlyError,
    StaleRevisionError,
    UnknownFieldError,
    UnknownTypeError,
    ValidationError,
)
from metastore.testing._artifacts import artifacts, classes, questions
from metastore.testing._exam import few
from metastore.testing._hostile import KEYS, TEXTS

__all__ = ["CatalogSuite"]

NAN = float("nan")
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class Firmware(enum.Enum):
    """Of a machine."""

    BIOS = "bios"
    UEFI = "uefi"


@frozen
class Hardware:
    """What an image needs."""

    cores: int
    note: str | None = None


class Disk(Artifact, type_name="exam_disks"):
    """Something to link to."""


class Image(Artifact, type_name="exam_images"):
    """A field of every kind."""

    size: Field[int] = field(default=0, ge=0, index=True)
    arch: Field[Literal["x86_64", "aarch64"]] = field(default="x86_64", index=True)
    firmware: Field[Firmware | None] = field(default=None)
    ratio: Field[float | None] = field(default=None)
    ready: Field[bool] = field(default=False)
    built: Field[datetime | None] = field(default=None)
    label: Field[str | None] = field(default=None, max_length=32, pattern="[a-z]*")
    hardware: Field[Hardware | None] = field(default=None)
    disk: Field[Blob | None] = field(default=None, max_size=10**9)
    layers: Field[dict[str, Blob]] = field(factory=dict)
    parent: Field[Link[Image] | None] = field(default=None)
    disks: Field[list[Link[Disk]]] = field(factory=list)
    limits: Field[dict[str, int]] = field(factory=dict, allowed_keys=("cpu", "ram"))


class Note(Record, type_name="exam_notes"):
    """A record without a name, and without a unique scope."""

    text: Field[str] = field(default="", search=1)


def image(**values: Any) -> Image:
    """Return an image that is not stored; its name is ``base`` unless given."""
    return Image(**{"name": "base", **values})


def a_disk(name: str) -> Disk:
    """Return a disk that is not stored."""
    return Disk(name=name, version="0.0.0")


def a_note(text: str = "") -> Note:
    """Return a note that is not stored."""
    return Note(text=text, version="0.0.0")


WRONG: dict[str, dict[str, Any]] = {
    "a text for an int": {"size": "1"},
    "a bool for an int": {"size": True},
    "an int for a bool": {"ready": 1},
    "a number below its bound": {"size": -1},
    "an int beyond 64 bits": {"size": 2**63},
    "a huge int": {"size": 10**400},
    "not a number": {"ratio": float("nan")},
    "infinity": {"ratio": float("inf")},
    "no choice": {"arch": "z80"},
    "a text that its pattern refuses": {"label": "A"},
    "a text too long": {"label": "a" * 33},
    "a name too long": {"name": "n" * 256},
    "an empty name": {"name": ""},
    "a naive moment": {"built": datetime(2024, 1, 1)},  # noqa: DTZ001 - that is what is refused
    "a text for a moment": {"built": "2024-01-01T00:00:00Z"},
    "a lone surrogate": {"description": "\ud800"},
    "a NUL": {"description": "a\0b"},
    "a NUL in a key": {"properties": {"a\0": 1}},
    "a surrogate in a tag": {"tags": ["\udfff"]},
    "a tag twice": {"tags": ["a", "a"]},
    "a set among properties": {"properties": {"a": {1}}},
    "a key that is no text": {"properties": {1: 1}},
    "infinity among properties": {"properties": {"a": [float("inf")]}},
    "an int beyond 64 bits among properties": {"properties": {"a": 2**64}},
    "a key that is not allowed": {"limits": {"gpu": 1}},
    "a blob too large": {"disk": Blob(size=10**9 + 1)},
    "a text for a blob": {"disk": "s3://a/b"},
    "an id for a link": {"parent": uuid4()},
    "an unknown visibility": {"visibility": "secret"},
    "an empty owner": {"owner": ""},
}


def _deep(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value} if depth % 2 else [value]
    return value


class CatalogSuite:
    """What a user of `Catalog` may rely on, whatever store is behind it.

    Subclass it and say at which URL a new store lies::

        class TestMyCatalog(CatalogSuite):
            def url(self, tmp_path):
                return f"my:{tmp_path}/catalog"
    """

    def url(self, tmp_path: FilePath) -> str:
        """Return the address of a new and empty store in ``tmp_path``."""
        raise NotImplementedError(f"{type(self).__name__} needs a method url(self, tmp_path)")

    def lasts(self) -> bool:
        """Return whether the store outlives its opening, so that the same URL finds it again."""
        return False

    @pytest.fixture
    def catalog(self, tmp_path: FilePath) -> Iterator[Catalog]:
        """A new catalogue, audited at the end of each test."""
        with Catalog.open(self.url(tmp_path), types=[Image, Disk, Note]) as opened:
            yield opened
            assert opened.check() == []

    @pytest.fixture
    def another(self, tmp_path: FilePath) -> Iterator[Callable[[], Catalog]]:
        """A function that opens another new catalogue."""
        opened: list[Catalog] = []

        def open_another() -> Catalog:
            place = tmp_path / f"another{len(opened)}"
            place.mkdir()
            opened.append(Catalog.open(self.url(place)))
            return opened[-1]

        yield open_another
        for each in opened:
            each.close()

    # --- adding and getting ---

    def test_what_is_added_comes_back_with_times_and_a_revision(self, catalog: Catalog) -> None:
        given_, stored = image(tags=["lts"], properties={"a.b": [None, 1.5]}), catalog.add(made := image(name="x", tags=["lts"]))
        assert (stored.id, stored.name, stored.tags, stored.revision) == (made.id, "x", ["lts"], 1)
        assert stored.created_at == stored.updated_at
        assert stored.created_at.tzinfo is UTC
        assert catalog.get(Image, stored.id) == stored
        with pytest.raises(NotStoredError):
            _ = given_.created_at

    def test_every_kind_of_value_comes_back(self, catalog: Catalog) -> None:
        disk = catalog.add(a_disk("d"))
        values: dict[str, Any] = {
            "size": 2**63 - 1,
            "arch": "aarch64",
            "firmware": Firmware.UEFI,
            "ratio": 0.1,
            "ready": True,
            "built": datetime(1, 1, 1, tzinfo=UTC),
            "label": "it",
            "hardware": Hardware(4, "\U0001f9ea"),
            "disk": Blob("s3://a/b", size=5, sha256=SHA, media_type="a/b"),
            "layers": {"": Blob(size=1), "a.b": Blob("file:///x")},
            "disks": [Link(disk), Link(uuid4())],
            "limits": {"cpu": 1},
            "properties": dict(zip(KEYS, TEXTS, strict=False)),
            "description": "'; DROP TABLE exam_images; --",
            "version": Version("1.0.0-rc.1+b"),
        }
        stored = catalog.get(Image, catalog.add(image(**values)).id)
        assert {name: getattr(stored, name) for name in values} == values

    @given(data=st.data())
    @few(20)
    def test_any_artifact_of_any_class_comes_back(self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
        cls = data.draw(classes())
        made = data.draw(artifacts(cls, [uuid4()]))
        with Catalog.open(self.url(tmp_path_factory.mktemp("drawn")), types=[cls]) as catalog:
            catalog.add(made)
            stored = catalog.get(cls, made.id)
            for each in cls.__fields_by_name__:
                if each not in ("created_at", "updated_at", "revision"):
                    assert _told(getattr(stored, each)) == _told(getattr(made, each)), each
            assert catalog.dump(stored) == catalog.dump(catalog.get(Record, made.id))
            assert catalog.check() == []

    @given(data=st.data())
    @few(20)
    def test_any_question_is_answered_as_plain_python_answers(self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
        cls = data.draw(classes())
        given_ = data.draw(st.lists(artifacts(cls), min_size=1, max_size=5))
        with Catalog.open(self.url(tmp_path_factory.mktemp("asked")), types=[cls]) as catalog:
            stored = [each for each in given_ if _added(catalog, each)]
            for _ in range(4):
                question = data.draw(questions(cls, stored))
                expected = {each.id for each in stored if question.holds(each)}
                assert {each.id for each in catalog.find(cls, question.predicate)} == expected, question
                assert catalog.count(cls, ~question.predicate) == len(stored) - len(expected), question

    @pytest.mark.parametrize("wrong", WRONG)
    def test_a_wrong_value_is_refused_and_nothing_is_written(self, catalog: Catalog, wrong: str) -> None:
        stored = catalog.add(image())
        with pytest.raises(ValidationError):
            catalog.add(image(**{"name": "other", **WRONG[wrong]}))
        with pytest.raises(ValidationError):
            catalog.update(stored, **WRONG[wrong])
        assert catalog.find(Image).all() == [stored]
        assert catalog.stats()["changes"] == 1

    @pytest.mark.parametrize("depth", [65, 5_000, 50_001])
    def test_deep_values_are_refused(self, catalog: Catalog, depth: int) -> None:
        with pytest.raises(ValidationError):
            catalog.add(image(properties={"a": _deep(depth)}))
        assert catalog.add(image(properties={"a": _deep(60)})).properties["a"] == _deep(60)

    def test_an_error_says_where_what_was_expected_and_what_was_found(self, catalog: Catalog) -> None:
        with pytest.raises(ValidationError, match=r"expected int at \$\.size, got str"):
            catalog.add(image(size="x"))

    def test_get_finds_by_id_by_name_and_by_version(self, catalog: Catalog) -> None:
        old, new = (catalog.add(image(version=text)) for text in ("1.9.0", "1.10.0"))
        assert catalog.get(Image, str(old.id)) == catalog.get(Record, old.id) == old
        assert catalog.get(Image, name="base") == catalog.latest(Image, "base") == new
        assert catalog.get(Image, name="base", version="1.9.0") == catalog.latest(Image, "base", Image.version < "1.10.0") == old

    def test_what_is_not_there_is_not_found(self, catalog: Catalog) -> None:
        disk = catalog.add(a_disk("d"))
        for ask in (
            lambda: catalog.get(Image, uuid4()),
            lambda: catalog.get(Record, uuid4()),
            lambda: catalog.get(Image, disk.id),
            lambda: catalog.get(Image, name="nobody"),
            lambda: catalog.get(Image, name="nobody", version="1.0.0"),
            lambda: catalog.latest(Image, "nobody"),
            lambda: catalog.find(Image).one(),
            lambda: catalog.update(image(), size=1),
            lambda: catalog.delete(image()),
        ):
            with pytest.raises(NotFoundError):
                ask()

    def test_get_many_keeps_the_order_and_leaves_out_what_is_missing(self, catalog: Catalog) -> None:
        one, two = catalog.add(image(name="1")), catalog.add(image(name="2"))
        disk = catalog.add(a_disk("d"))
        assert catalog.get_many(Image, [two.id, uuid4(), str(one.id), disk.id]) == [two, one]
        assert catalog.get_many(Record, [disk.id, one.id]) == [disk, one]

    def test_add_many_streams_any_types_and_tells_its_progress(self, catalog: Catalog) -> None:
        told: list[int] = []
        some = (image(name=f"n{at}") if at % 3 else a_disk(f"n{at}") for at in range(1200))
        assert catalog.add_many(some, progress=told.append) == 1200
        assert told == sorted(told)
        assert told[-1] == 1200
        assert (catalog.count(Image), catalog.count(Disk), catalog.count(Record)) == (800, 400, 1200)

    def test_add_many_adds_all_or_none(self, catalog: Catalog) -> None:
        with pytest.raises(ValidationError):
            catalog.add_many([*(image(name=f"n{at}") for at in range(700)), image(size=-1)])
        with pytest.raises(DuplicateError):
            catalog.add_many([image(), image()])
        assert catalog.count(Image) == catalog.stats()["changes"] == 0

    # --- uniqueness and identity ---

    def test_name_and_version_are_taken_once(self, catalog: Catalog) -> None:
        catalog.add(image(version="1.0.0"))
        with pytest.raises(DuplicateError):
            catalog.add(image(version="1.0.0"))
        catalog.add(image(version="1.0.0+other"))

    def test_while_private_the_owner_belongs_to_the_scope(self, catalog: Catalog) -> None:
        catalog.add(image())
        catalog.add(image(owner="ann"))
        first = catalog.add(image(owner="bob", visibility="public"))
        with pytest.raises(DuplicateError):
            catalog.add(image(owner="eve", visibility="public"))
        with pytest.raises(QueryError):
            catalog.get(Image, name="base", version="0.0.0")
        assert catalog.get(Image, name="base", version="0.0.0", owner="bob") == first
        assert catalog.get(Image, name="base", version="0.0.0", owner=None).owner is None

    def test_an_update_cannot_take_the_name_of_another(self, catalog: Catalog) -> None:
        catalog.add(image(name="a"))
        other = catalog.add(image(name="b"))
        with pytest.raises(DuplicateError):
            catalog.update(other, name="a")
        assert catalog.get(Image, other.id) == other

    def test_records_without_a_scope_are_never_duplicates(self, catalog: Catalog) -> None:
        catalog.add_many([a_note("same"), a_note("same")])
        assert catalog.count(Note) == 2

    def test_after_a_delete_the_name_is_free_and_the_id_is_not(self, catalog: Catalog) -> None:
        gone = catalog.add(image())
        catalog.delete(gone)
        with pytest.raises(IdTakenError):
            catalog.add(image(id=gone.id))
        with pytest.raises(NotFoundError):
            catalog.get(Image, gone.id)
        assert catalog.add(image()).id != gone.id

    # --- changing ---

    def test_an_update_returns_the_new_one_and_leaves_the_old_one(self, catalog: Catalog) -> None:
        before = catalog.add(image(size=1))
        after = catalog.update(before, size=2, tags=["a"], disk=None)
        assert (before.size, after.size, after.tags, after.revision) == (1, 2, ["a"], 2)
        assert after.created_at == before.created_at
        assert after.updated_at >= before.updated_at
        assert catalog.get(Image, before.id) == after

    def test_an_update_of_an_older_revision_is_stale(self, catalog: Catalog) -> None:
        before = catalog.add(image())
        after = catalog.update(before, size=2)
        for late in (lambda: catalog.update(before, size=3), lambda: catalog.delete(before)):
            with pytest.raises(StaleRevisionError):
                late()
        assert catalog.get(Image, before.id).size == after.size

    def test_an_update_that_changes_nothing_writes_nothing(self, catalog: Catalog) -> None:
        stored = catalog.add(image(size=1))
        assert catalog.update(stored, size=1).revision == 1
        assert catalog.stats()["changes"] == 1

    def test_a_misspelt_field_is_named_with_its_nearest_spelling(self, catalog: Catalog) -> None:
        stored = catalog.add(image())
        with pytest.raises(UnknownFieldError, match="size"):
            catalog.update(stored, sise=1)
        with pytest.raises(UnknownFieldError, match="size"):
            getattr(Image, "sise")  # noqa: B009 - a checker would refuse the attribute

    @pytest.mark.parametrize("name", ["id", "revision", "created_at", "updated_at"])
    def test_what_the_catalogue_sets_cannot_be_updated(self, catalog: Catalog, name: str) -> None:
        stored = catalog.add(image())
        with pytest.raises(ValidationError):
            catalog.update(stored, **{name: getattr(stored, name)})

    def test_upsert_adds_updates_and_leaves_alone(self, catalog: Catalog) -> None:
        first = catalog.upsert(image(size=1))
        same = catalog.upsert(image(size=1))
        third = catalog.upsert(image(size=3))
        assert (first.revision, same.revision, third.revision, third.size) == (1, 1, 2, 3)
        assert first.id == same.id == third.id
        assert catalog.stats()["changes"] == 2
        with pytest.raises(ValidationError):
            catalog.upsert(a_note())

    def test_update_many_and_delete_many_change_what_fits(self, catalog: Catalog) -> None:
        catalog.add_many(image(name=f"n{at}", size=at) for at in range(10))
        assert catalog.update_many(Image, Image.size >= 5, ready=True, tags=["t"]) == 5
        assert catalog.count(Image, Image.ready == True) == 5  # noqa: E712 - a predicate
        assert catalog.delete_many(Image, Image.tags.contains("t")) == 5
        assert catalog.count(Image) == 5

    def test_writes_in_a_transaction_land_together_or_not_at_all(self, catalog: Catalog) -> None:
        with pytest.raises(KeyError), catalog.transaction(message="never", actor="ann"):
            catalog.add(image())
            with catalog.transaction():
                catalog.add(a_disk("d"))
            raise KeyError("x")
        assert catalog.count(Record) == 0
        with catalog.transaction():
            kept = catalog.add(image())
            with pytest.raises(DuplicateError), catalog.transaction():
                catalog.add(a_disk("d"))
                catalog.add(image())
        assert catalog.find(Record).all() == [kept]

    # --- finding ---

    def test_predicates_of_every_kind(self, catalog: Catalog) -> None:
        disk = catalog.add(a_disk("d1"))
        base = catalog.add(image(name="Base", size=1, tags=["lts", "a b"], properties={"a.b": 1, "k": None}, description="Debian rescue"))
        child = catalog.add(
            image(name="child", size=5, version="1.2.3", firmware=Firmware.BIOS, parent=Link(base), disks=[Link(disk)], hardware=Hardware(2))
        )
        blob = catalog.add(image(name="blob", disk=Blob("s3://a/b", size=7, sha256=SHA), layers={"x.y": Blob("s3://c/d", size=9)}, ratio=0.5))
        asked: list[tuple[Any, list[Image]]] = [
            (Image.size > 1, [child]),
            (Image.size.between(1, 5) & ~(Image.name == "child"), [base]),
            (Image.size.in_([0, 5]), [child, blob]),
            (Image.name.startswith("B"), [base]),
            (Image.name.folded.startswith("B"), [base, blob]),
            (Image.name.folded == "BASE", [base]),
            (Image.name.contains("hil") | Image.name.endswith("ob"), [child, blob]),
            (Image.firmware == Firmware.BIOS, [child]),
            (absent(Image.firmware), [base, blob]),
            (Image.version >= "1.2.3", [child]),
            (Image.version.caret("1.1.0"), [child]),
            (Image.version.tilde("1.1.0"), []),
            (Image.tags.contains("a b"), [base]),
            (Image.tags.contains_any(["x", "lts"]), [base]),
            (Image.properties["a.b"] == 1, [base]),
            (Image.properties["a.b"] == True, []),  # noqa: E712 - a predicate
            (Image.properties.has_key("k"), [base]),
            (absent(Image.properties["k"]["x"]), [base, child, blob]),
            (Image.hardware["cores"] == 2, [child]),
            (Image.disk.size == 7, [blob]),
            (Image.disk.sha256 == SHA, [blob]),
            (Image.disk.url == "s3://a/b", [blob]),
            (Image.layers["x.y"].size > 8, [blob]),
            (references("s3://c/d") | references(f"sha256:{SHA}"), [blob]),
            (Image.parent.name == "Base", [child]),
            (absent(Image.parent), [base, blob]),
            (Image.disks.any(Disk.name == "d1"), [child]),
            (matches("RESCUE debian"), [base]),
            (matches("debian zebra"), []),
            (Image.ratio < 1.0, [blob]),
        ]
        for predicate, expected in asked:
            assert set(catalog.find(Image, predicate)) == set(expected), predicate
            assert catalog.count(Image, ~predicate) == 3 - len(expected), predicate

    def test_links_are_followed_two_deep(self, catalog: Catalog) -> None:
        base = catalog.add(image(name="base"))
        middle = catalog.add(image(name="middle", parent=Link(base)))
        top = catalog.add(image(name="top", parent=Link(middle)))
        assert catalog.find(Image, Image.parent.parent.name == "base").all() == [top]
        assert [(each.source, each.target, each.depth) for each in catalog.closure(top)] == [(top.id, middle.id, 1), (middle.id, base.id, 2)]
        assert [each.source for each in catalog.back_links(base)] == [middle.id]
        assert len(catalog.closure(top, 1)) == 1

    def test_several_sort_keys_and_the_best_match_first(self, catalog: Catalog) -> None:
        catalog.add_many(image(name=name, size=size, description="word") for name, size in (("a", 1), ("b", 1), ("c", 2), ("word", 0)))
        assert [each.name for each in catalog.find(Image, order_by=[-Image.size, Image.name])] == ["c", "a", "b", "word"]
        assert catalog.find(Image, matches("word")).all()[0].name == "word"
        assert [each.name for each in catalog.find(Image, order_by=[Image.name], limit=2)] == ["a", "b"]

    def test_pages_go_on_where_the_last_one_ended(self, catalog: Catalog) -> None:
        catalog.add_many(image(name=f"n{at:02}", size=at // 4, properties={"k": (None, True, 1, "x")[at % 4]}) for at in range(23))
        orders: tuple[list[Any], ...] = ([Image.size], [-Image.size, Image.name], [], [Image.properties["k"]], [-Image.version], [Image.name.folded])
        for order in orders:
            expected = [each.id for each in catalog.find(Image, order_by=order)]
            assert self._walked(catalog, order) == expected, order

    def _walked(self, catalog: Catalog, order: list[Any]) -> list[UUID]:
        seen, cursor = list[UUID](), None
        for _ in range(30):
            page = catalog.find(Image, order_by=order, limit=5, after=cursor).page()
            seen += [each.id for each in page.items]
            cursor = page.next
            if cursor is None:
                break
        return seen

    def test_a_page_goes_on_after_an_artifact(self, catalog: Catalog) -> None:
        made = [catalog.add(image(name=name)) for name in "abc"]
        assert catalog.find(Image, order_by=[Image.name], after=made[0]).all() == made[1:]
        assert catalog.find(Image, order_by=[-Image.name], after=made[1].id).all() == [made[0]]

    def test_a_cursor_that_was_changed_or_is_of_another_query_is_refused(self, catalog: Catalog) -> None:
        catalog.add_many(image(name=f"n{at}") for at in range(5))
        cursor = catalog.find(Image, order_by=[Image.name], limit=2).page().next
        assert cursor is not None
        turned = cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB")
        for forged in (turned, "", "x", "%%%", "AAAA", "é", cursor + "A" * 8, cursor[5:]):
            with pytest.raises(CursorError):
                catalog.find(Image, order_by=[Image.name], limit=2, after=forged).page()
        others: tuple[list[Any], ...] = ([Image.size], [-Image.name], [])
        for other in others:
            with pytest.raises(CursorError):
                catalog.find(Image, order_by=other, limit=2, after=cursor).page()
        with pytest.raises(CursorError):
            catalog.find(Disk, order_by=[Disk.name], limit=2, after=cursor).page()

    def test_one_query_over_all_types(self, catalog: Catalog) -> None:
        made = [catalog.add(each) for each in (image(name="b"), a_disk("a"), a_disk("c"), a_note("words"))]
        assert {each.id for each in catalog.find(Record)} == {each.id for each in made}
        assert [each.name for each in catalog.find(Artifact, order_by=[Artifact.name])] == ["a", "b", "c"]
        assert catalog.count(Record, matches("words")) == 1

    def test_latest_keeps_the_highest_version_per_owner_and_name(self, catalog: Catalog) -> None:
        for version in ("1.0.0", "1.10.0", "1.9.0"):
            catalog.add(image(version=version))
            catalog.add(image(version=version, owner="ann", name="x"))
        assert [str(each.version) for each in catalog.find(Image, latest=True)] == ["1.10.0"] * 2
        assert [str(each.version) for each in catalog.find(Image, Image.version < "1.10.0", latest=True)] == ["1.9.0"] * 2

    def test_figures_facets_and_projections(self, catalog: Catalog) -> None:
        arches = ("x86_64", "aarch64", "x86_64")
        catalog.add_many(image(name=f"n{at}", size=at, arch=arch, tags=["t"] * (at > 0)) for at, arch in enumerate(arches))
        found = catalog.find(Image, order_by=[Image.name])
        assert (found.count(), len(found.all()), found.first()) == (3, 3, found.all()[0])
        assert found.facets(Image.arch, Image.tags) == {"arch": {"x86_64": 2, "aarch64": 1}, "tags": {"t": 2}}
        assert found.aggregate(by=[Image.arch], n="count", total=("sum", Image.size)) == [
            {"arch": "aarch64", "n": 1, "total": 1},
            {"arch": "x86_64", "n": 2, "total": 2},
        ]
        assert list(found.select(Image.name, Image.size)) == [("n0", 0), ("n1", 1), ("n2", 2)]

    def test_a_query_runs_when_it_is_used_and_its_repr_does_not(self, catalog: Catalog) -> None:
        found = catalog.find(Image)
        assert "exam_images" in repr(found)
        catalog.add(image())
        assert len(found.all()) == len(list(found)) == 1

    def test_a_predicate_has_no_truth_value(self) -> None:
        one: Any = Image.size > 1  # a checker would refuse some of these
        for use in (lambda: bool(one), lambda: one and (Image.size < 2), lambda: not one, lambda: 1 if one else 2, lambda: bool(Image.size)):
            with pytest.raises(TypeError):
                use()

    def test_a_query_that_the_type_cannot_answer_is_refused_at_once(self, catalog: Catalog) -> None:
        anything: Any = Image  # a checker would refuse some of these
        find: Callable[..., Any] = catalog.find
        calls: tuple[Callable[[], Any], ...] = (
            lambda: find(Image, anything.size > "x"),
            lambda: find(Image, anything.size == NAN),
            lambda: find(Image, Image.size < 2**70),
            lambda: find(Image, anything.built > datetime(2024, 1, 1)),  # noqa: DTZ001 - that is what is refused
            lambda: find(Image, Image.name == "\ud800"),
            lambda: find(Image, Image.name == "a\0"),
            lambda: find(Image, anything.size.startswith("x")),
            lambda: find(Image, Image.properties["\ud800"] == 1),
            lambda: find(Image, Image.label.folded == "x"),
            lambda: find(Image, Image.version > "no version"),
            lambda: find(Image, "size > 1"),
            lambda: find(Image, order_by=[Image.tags]),
            lambda: find(Image, order_by=["name"]),
            lambda: find(Image, limit=-1),
            lambda: find(Image, limit="1"),
            lambda: find("exam_images"),
            lambda: find(Disk, Image.size > 1),
        )
        for ask in calls:
            with pytest.raises((QueryError, ValidationError)):
                ask()

    def test_a_deep_predicate_is_refused_and_a_wide_one_answered(self, catalog: Catalog) -> None:
        stored = catalog.add(image(name="n7"))
        deep = Image.size == 0
        for at in range(3_000):
            deep = ~deep if at % 2 else (deep & (Image.size == 0)) | absent(Image.label)
        with pytest.raises(QueryError):
            catalog.find(Image, deep)
        wide = Image.name == "n0"
        for at in range(500):
            wide = wide | (Image.name == f"n{at}")
        assert catalog.find(Image, wide).all() == [stored]
        assert catalog.find(Image, Image.name.in_(f"n{at}" for at in range(100_000))).all() == [stored]

    def test_cql2_text_means_what_the_predicate_means(self, catalog: Catalog) -> None:
        stored = catalog.add(image(size=5, tags=["lts"]))
        assert catalog.find(Image, catalog.parse(Image, "size >= 5 AND tags_contain('lts')")).all() == [stored]
        with pytest.raises(QuerySyntaxError) as caught:
            catalog.parse(Image, "size >= AND")
        assert caught.value.position is not None
        with pytest.raises(UnknownFieldError):
            catalog.parse(Image, "sise = 1")

    # --- the whole ---

    def test_what_is_dumped_can_be_loaded_elsewhere(self, catalog: Catalog, another: Callable[[], Catalog]) -> None:
        base = catalog.add(image(disk=Blob("s3://a/b", size=1), firmware=Firmware.BIOS, built=datetime(2024, 2, 29, tzinfo=UTC), hardware=Hardware(1)))
        stored = catalog.update(catalog.add(image(name="c", parent=Link(base), properties={"a": [1, {"b": None}]}, owner="ann")), size=3)
        records = list(catalog.dump_many(Image))
        other = another()
        assert other.load(Image, records) == 2
        assert list(other.dump_many(Image)) == records
        assert other.load(Image, records) == 0
        assert (other.get(Image, stored.id).revision, other.get(Image, stored.id).owner) == (2, "ann")
        assert other.check() == []

    def test_a_class_need_not_be_there_to_read_and_write(self, catalog: Catalog) -> None:
        stored = catalog.add(image(size=3, hardware=Hardware(1), tags=["a"]))
        dynamic: Any = Catalog(catalog._backend).artifact_type("exam_images")
        other = Catalog(catalog._backend)
        dynamic = other.artifact_type("exam_images")
        found = other.find(dynamic, dynamic.size == 3).one()
        assert (found.id, found.name, found.tags, found.hardware.cores) == (stored.id, "base", ["a"], 1)
        assert other.update(found, size=4).revision == 2
        with pytest.raises(UnknownTypeError, match="exam_images"):
            other.artifact_type("exam_imags")

    def test_the_catalogue_describes_its_types(self, catalog: Catalog) -> None:
        catalog.add(image())
        assert {"exam_images", "exam_disks", "exam_notes"} <= {each.name for each in catalog.types()}
        assert catalog.stats()["artifacts"]["exam_images"] == 1

    def test_all_is_refused_after_closing(self, tmp_path: FilePath) -> None:
        catalog = Catalog.open(self.url(tmp_path), types=[Image])
        stored = catalog.add(image())
        catalog.close()
        catalog.close()
        for use in (
            lambda: catalog.add(image(name="x")),
            lambda: catalog.get(Image, stored.id),
            lambda: catalog.find(Image).all(),
            lambda: catalog.update(stored, size=1),
            catalog.stats,
            catalog.check,
            lambda: catalog.closure(stored),
        ):
            with pytest.raises(ClosedError):
                use()

    def test_a_catalogue_that_lasts_is_there_again(self, tmp_path: FilePath) -> None:
        if not self.lasts():
            pytest.skip("the store does not outlive its opening: see lasts()")
        with Catalog.open(self.url(tmp_path), cursor_key=b"k" * 32) as catalog:
            catalog.add_many(image(name=f"n{at}") for at in range(5))
            cursor, ident = catalog.find(Image, limit=2).page().next, catalog.id
        with Catalog.open(self.url(tmp_path), mode="ro", cursor_key=b"k" * 32) as again:
            assert again.id == ident
            assert len(again.find(Image, limit=10, after=cursor).all()) == 3
            with pytest.raises(ReadOnlyError):
                again.add(image(name="x"))
            assert again.check() == []

    def test_nothing_but_errors_of_ours_leaves_a_wrong_call(self, catalog: Catalog) -> None:
        stored = catalog.add(image())
        for call in (
            lambda: catalog.add("x"),  # type: ignore[type-var]
            lambda: catalog.add(Artifact(name="abstract", version="0.0.0")),
            lambda: catalog.get(Image, "no id"),
            lambda: catalog.get(Image),
            lambda: catalog.get_many(Image, ["no id"]),
            lambda: catalog.closure("no id"),
            lambda: catalog.closure(stored, -1),
            lambda: catalog.load(Image, [{"name": "x", "nonsense": 1}]),
            lambda: catalog.load(Image, [{"name": 1}]),
            lambda: catalog.load(Image, [{"name": "x", "id": "no id"}]),
            lambda: catalog.load(Image, [{"name": "x", "created_at": "yesterday"}]),
            lambda: catalog.load(Image, [{"name": "x", "revision": 0}]),
            lambda: catalog.load(Image, [{"name": "x", "disk": {"locations": [{"url": "s3://u:p@a/b"}]}}]),
            lambda: catalog.find(Image).facets(),
            lambda: catalog.find(Image).aggregate(total=("sum", Image.name)),
            lambda: catalog.find(Image).aggregate(total="median"),
            lambda: list(catalog.find(Image).select(Image.parent.name)),
        ):
            with pytest.raises(MetastoreError):
                call()


def _added(catalog: Catalog, each: Record) -> bool:
    try:
        catalog.add(each)
    except DuplicateError:
        return False
    return True


def _told(value: Any) -> Any:
    """Return what two nested objects of different made classes can be compared by."""
    return vars(value) if type(value).__name__ == "Part" or hasattr(type(value), "__attrs_attrs__") else value
