"""Comparing two catalogues: nothing that differs is overlooked, nothing that is the same is told."""

import shutil
import sqlite3
from contextlib import closing
from uuid import UUID

import pytest

from metastore import Artifact, Blob, Catalog, Field, Link, field, moving
from metastore.errors import ConflictError, SchemaConflictError, ValidationError
from metastore.moving import Comparison, Difference


class Image(Artifact, type_name="images"):
    size: Field[int] = field(default=0)
    ratio: Field[float] = field(default=0.0)
    disk: Field[Blob | None] = field(default=None)
    parent: Field[Link["Image"] | None] = field(default=None)


STRANGER, BASE, CHILD = UUID(int=1), UUID(int=16), UUID(int=17)


@pytest.fixture
def path(tmp_path):
    """The file of a catalogue with a bit of everything; beside it lies a copy, to be damaged."""
    with Catalog.open(f"{tmp_path}/one.db", types=[Image], actor="ann") as catalog:
        base = catalog.add(Image(id=BASE, name="base", size=5, disk=Blob("s3://a/b", size=5)))
        catalog.add(Image(id=CHILD, name="child", parent=Link(base)))
        catalog.add(Image(name="lost", parent=Link(STRANGER)))
        catalog.delete(catalog.add(Image(name="gone")))
        with catalog.transaction(message="why"):
            catalog.update(base, size=7)
    shutil.copy(f"{tmp_path}/one.db", f"{tmp_path}/other.db")
    return tmp_path


def damaged(path, *statements):
    with closing(sqlite3.connect(f"{path}/other.db")) as connection, connection:
        for each in statements:
            assert connection.execute(each).rowcount


def compared(path, **options):
    with Catalog.open(f"{path}/one.db", mode="ro") as one, Catalog.open(f"{path}/other.db", mode="ro") as other:
        found, back = moving.compare(one, other, **options), moving.compare(other, one, **options)
    mirrored = sorted(repr((each.destination, each.source)) for each in back.differences)
    assert sorted(repr((each.source, each.destination)) for each in found.differences) == mirrored
    return found


def only(path):
    """Return the one difference."""
    found = compared(path)
    assert found.count == 1
    assert not found.equal
    return found.differences[0]


def test_what_is_the_same_is_equal(path):
    assert compared(path) == Comparison(types=1, artifacts=3, transactions=6, changes=6)
    assert compared(path).equal


@pytest.mark.parametrize(
    ("statement", "field", "source", "destination"),
    [
        ("UPDATE images SET size = 8 WHERE name = 'base'", "size", 7, 8),
        ("UPDATE images SET ratio = 0.1 WHERE name = 'base'", "ratio", 0.0, 0.1),
        ("UPDATE images SET hidden = 1 WHERE name = 'base'", "hidden", False, True),
        ("UPDATE images SET tags = '[\"x\"]' WHERE name = 'base'", "tags", [], ["x"]),
        ("UPDATE images SET owner = '' WHERE name = 'base'", "owner", None, ""),
        (
            "UPDATE images SET parent = x'00000000000000000000000000000001' WHERE name = 'base'",
            "parent",
            None,
            str(STRANGER),
        ),
        ("UPDATE images SET digest = x'00ff' WHERE name = 'base'", "digest", ..., "00ff"),
        ("UPDATE images SET version__key = 'x' WHERE name = 'base'", "version__key", ..., "x"),
        ("UPDATE images SET created_at = 0 WHERE name = 'base'", "created_at", ..., "1970-01-01T00:00:00.000000Z"),
        ("DELETE FROM images WHERE name = 'base'", "", "stored", None),
    ],
)
def test_a_field_that_differs_is_told_with_both_values(path, statement, field, source, destination):
    damaged(path, statement)
    found = only(path)
    assert (found.what, found.type, found.id, found.field) == ("artifact", "images", BASE, field)
    assert (repr(found.destination), source in (found.source, ...)) == (repr(destination), True)


@pytest.mark.parametrize(
    ("statement", "field", "source", "destination"),
    [
        (
            "UPDATE _identity SET state = 'deleted' WHERE id = x'00000000000000000000000000000010'",
            "state",
            "live",
            "deleted",
        ),
        (
            "UPDATE _identity SET type = 'disks' WHERE id = x'00000000000000000000000000000010'",
            "type",
            "images",
            "disks",
        ),
        ("DELETE FROM _identity WHERE id = x'00000000000000000000000000000001'", "state", "foreign", None),
    ],
)
def test_an_identity_that_differs_is_told_and_its_row_is_not(path, statement, field, source, destination):
    damaged(path, statement)
    found = only(path)
    assert (found.what, found.field, found.source, found.destination) == ("identity", field, source, destination)


@pytest.mark.parametrize(
    ("statement", "field", "values"),
    [
        ("UPDATE _transactions SET time = 0 WHERE seq = 6", "time", (..., "1970-01-01T00:00:00.000000Z")),
        ("UPDATE _transactions SET actor = NULL WHERE seq = 6", "actor", ("ann", None)),
        ("UPDATE _transactions SET message = 'because' WHERE seq = 6", "message", ("why", "because")),
    ],
)
def test_a_commit_that_differs_is_told(path, statement, field, values):
    damaged(path, statement)
    found = only(path)
    assert (found.what, found.field, found.destination) == ("transaction", field, values[1])
    assert values[0] in (found.source, ...)
    assert found.id is not None


@pytest.mark.parametrize(
    ("statement", "field", "values"),
    [
        ("UPDATE _changes SET kind = 'load' WHERE seq = 6", "1.kind", ("update", "load")),
        ("UPDATE _changes SET after = '{}' WHERE seq = 6", "1.after", ('{"size":7}', "{}")),
        ("UPDATE _changes SET parents = x'' WHERE seq = 6", "1.parents", (..., "")),
        ("DELETE FROM _changes WHERE seq = 6", "1", ("update", None)),
    ],
)
def test_a_change_that_differs_is_told(path, statement, field, values):
    damaged(path, statement)
    found = only(path)
    assert (found.what, found.field, found.destination) == ("change", field, values[1])
    assert values[0] in (found.source, ...)
    assert found.id == BASE
    assert found.transaction is not None


def test_transactions_that_one_side_lacks_are_told_and_the_rest_compared(path):
    damaged(
        path,
        "DELETE FROM _changes WHERE tx IN (2, 4)",
        "DELETE FROM _transactions WHERE seq IN (2, 4)",
        "UPDATE _transactions SET message = 'x' WHERE seq = 5",
    )
    found = compared(path)
    assert [(each.what, each.field, each.destination) for each in found.differences] == [
        ("transaction", "", None),
        ("transaction", "", None),
        ("transaction", "message", "x"),
    ]


def swapped(path):
    """Swap the first two transactions."""
    damaged(
        path,
        "UPDATE _changes SET tx = tx + 100 WHERE tx < 3",
        "UPDATE _transactions SET seq = seq + 100 WHERE seq < 3",
        "UPDATE _changes SET tx = 103 - tx WHERE tx > 100",
        "UPDATE _transactions SET seq = 103 - seq WHERE seq > 100",
        "UPDATE _changes SET seq = seq + 100 WHERE seq < 3",
        "UPDATE _changes SET seq = 103 - seq WHERE seq > 100",
    )


def test_transactions_in_another_order_are_told(path):
    swapped(path)
    found = compared(path)
    assert {each.field for each in found.differences} == {"order"}
    assert found.transactions == 6


def test_a_type_by_another_spec_is_told_and_its_artifacts_compared(path):
    class Wider(Artifact, type_name="images"):
        more: Field[int] = field(default=3)

    with Catalog.open(f"{path}/other.db", types=[Wider]) as other:
        other._types.shelf(Wider)
    found = compared(path)
    assert [(each.what, each.type, each.field, each.source) for each in found.differences[:1]] == [
        ("type", "images", "spec 2", None)
    ]
    assert [(each.field, each.source, each.destination) for each in found.differences[1:]] == [("more", None, 3)] * 3


def test_a_type_of_one_side_is_told(path):
    class Disk(Artifact, type_name="disks"):
        pass

    with Catalog.open(f"{path}/other.db", types=[Disk]) as other:
        disk = other.add(Disk(name="d"))
    assert [(each.what, each.type, each.id) for each in compared(path).differences[:2]] == [
        ("type", "disks", None),
        ("identity", "disks", disk.id),
    ]


def test_a_migration_is_not_a_widening(path):
    damaged(path, "UPDATE _specs SET breaking = 1")
    found = only(path)
    assert (found.what, found.destination) == ("type", f"{found.source} breaking")


def test_all_differences_count_and_the_first_are_told(path):
    damaged(path, "UPDATE images SET size = 99, description = 'x'")
    assert [(found.count, len(found.differences)) for found in (compared(path, limit=limit) for limit in (0, 2, 6, 99))] == [
        (6, 0), (6, 2), (6, 6), (6, 6),
    ]  # fmt: skip


def test_many_pages_are_compared(tmp_path):
    for name in ("one", "other"):
        with Catalog.open(f"{tmp_path}/{name}.db", types=[Image], durability="normal") as catalog:
            catalog.add_many(
                Image(id=UUID(int=at), name=f"{at}", size=int(at == 1200 and name == "one")) for at in range(1, 1300)
            )
    found = compared(tmp_path, limit=10**5)
    assert [each.id for each in found.differences if each.field == "size"] == [UUID(int=1200)]
    assert found.artifacts == 1299


def test_progress_is_told_to_the_end(path):
    told = []
    with Catalog.open(f"{path}/one.db") as one, Catalog.open(f"{path}/other.db") as other:
        moving.compare(one, other, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (9, 9)
    assert told == sorted(told)


@pytest.mark.parametrize("limit", [-1, 1.0, None, True])
def test_a_limit_is_a_whole_number(limit):
    with Catalog.open("memory:") as one, pytest.raises(ValidationError):
        moving.compare(one, one, limit=limit)


def test_a_type_that_is_migrated_meanwhile_is_a_conflict(path, monkeypatch):
    with Catalog.open(f"{path}/one.db") as one, Catalog.open(f"{path}/other.db") as other:

        def migrated(*_):
            raise SchemaConflictError("another program migrated the type meanwhile")

        monkeypatch.setattr(other._backend, "select", migrated)
        with pytest.raises(ConflictError, match="compare while nobody writes"):
            moving.compare(one, other)


def test_a_difference_says_what_it_is():
    told = Difference("artifact", "size", 1, 2, "images", BASE)
    assert repr(told).startswith("Difference(what='artifact', field='size', source=1, destination=2, type='images'")
