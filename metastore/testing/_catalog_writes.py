"""Adding, getting, changing, deleting: what a write through the face does, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore._artifact import Record
from metastore._blob import Blob
from metastore._catalog import Catalog
from metastore._expr import matches
from metastore._link import Link
from metastore._version import Version
from metastore.backend import Recorded
from metastore.errors import (
    DuplicateError,
    IdTakenError,
    NotFoundError,
    NotStoredError,
    QueryError,
    StaleRevisionError,
    UnknownFieldError,
    ValidationError,
)
from metastore.testing._artifacts import artifacts, classes
from metastore.testing._catalog_exam import CatalogExam
from metastore.testing._catalog_types import (
    SHA,
    WRONG,
    Disk,
    Firmware,
    Hardware,
    Image,
    Note,
    a_disk,
    a_note,
    deep,
    image,
)
from metastore.testing._exam import few
from metastore.testing._hostile import KEYS, TEXTS

__all__ = ["CatalogWrites"]


class CatalogWrites(CatalogExam):
    """What is written."""

    # --- adding and getting ---

    def test_what_is_added_comes_back_with_times_and_a_revision(self, catalog: Catalog) -> None:
        given_, stored = (
            image(tags=["lts"], properties={"a.b": [None, 1.5]}),
            catalog.add(made := image(name="x", tags=["lts"])),
        )
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
    def test_any_artifact_of_any_class_comes_back(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
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
            catalog.add(image(properties={"a": deep(depth)}))
        assert catalog.add(image(properties={"a": deep(60)})).properties["a"] == deep(60)

    def test_an_error_says_where_what_was_expected_and_what_was_found(self, catalog: Catalog) -> None:
        with pytest.raises(ValidationError, match=r"expected int at \$\.size, got str"):
            catalog.add(image(size="x"))

    def test_get_finds_by_id_by_name_and_by_version(self, catalog: Catalog) -> None:
        old, new = (catalog.add(image(version=text)) for text in ("1.9.0", "1.10.0"))
        assert catalog.get(Image, str(old.id)) == catalog.get(Record, old.id) == old
        assert catalog.get(Image, name="base") == catalog.latest(Image, "base") == new
        assert (
            catalog.get(Image, name="base", version="1.9.0")
            == catalog.latest(Image, "base", Image.version < "1.10.0")
            == old
        )

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

    def test_update_many_leaves_what_an_update_of_each_leaves(self, catalog: Catalog) -> None:
        catalog.add_many(
            image(name=f"{how}-{at}", size=at % 3, tags=["old"]) for how in ("many", "each") for at in range(7)
        )
        blob, parent = Blob("s3://a/b", size=3, sha256=SHA), Link(catalog.get(Image, name="each-0"))
        fields = {
            "tags": ["new"],
            "description": "words",
            "size": 3,
            "disk": blob,
            "parent": parent,
            "properties": {"a": 1},
        }
        assert catalog.update_many(Image, Image.name.startswith("many"), **fields) == 7
        with catalog.transaction():
            for each in catalog.find(Image, Image.name.startswith("each")):
                catalog.update(each, **fields)
        for fits in (Image.tags.contains("new"), matches("words"), Image.disk.url == "s3://a/b", Image.size >= 3, Image.parent.name == "each-0"):  # fmt: skip
            assert catalog.count(Image, fits) == 14
        many, single = (_changes(told) for told in catalog._backend.history(0, 99)[-2:])
        assert len(many) == 7
        assert many == single

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


def _changes(told: Recorded) -> list[tuple[Any, ...]]:
    """Return what the changes of a transaction say that does not depend on which artifacts they are of."""
    return [(each.kind, each.revision, each.spec, each.before, each.after, each.checkpoint) for each in told.changes]


def _told(value: Any) -> Any:
    """Return what two nested objects of different made classes can be compared by."""
    return vars(value) if type(value).__name__ == "Part" or hasattr(type(value), "__attrs_attrs__") else value
