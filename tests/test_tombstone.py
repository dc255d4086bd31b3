"""Tombstones stay: who deleted what, and when; and an id never returns."""

from uuid import uuid4

import pytest

from metastore import (
    Artifact,
    Catalog,
    Field,
    Link,
    Policy,
    Principal,
    Protection,
    Protections,
    Record,
    Tombstone,
    Version,
    errors,
    field,
)
from metastore.errors import IdTakenError, NotFoundError

ANN, BOB = Principal("ann", "a", ["member"]), Principal("bob", "b", ["member"])
ROOT, NOBODY = Principal("root", roles=["admin"]), Principal()


class Part(Artifact, type_name="parts"):
    of: Field[Link["Part"] | None] = field(default=None)
    rough: Field[bool] = field(default=False)


class Memo(Record, type_name="memos"):
    pass


@pytest.fixture(params=["memory:", "sqlite:///{}/c.db"])
def catalog(request, tmp_path):
    url = request.param.format(tmp_path)
    with Catalog.open(url, types=[Part, Memo], durability="normal", actor="ops") as catalog:
        yield catalog
        assert catalog.check() == []


def gone(catalog, **values):
    """Return a part that was deleted."""
    made = catalog.add(Part(**{"name": "wheel", "version": "1.2.0", **values}))
    catalog.delete(made)
    return made


def words(catalog, ident):
    """Return how a tombstone is refused, the id left out."""
    with pytest.raises(NotFoundError) as caught:
        catalog.tombstone(ident)
    return str(caught.value).replace(str(ident), "ID")


def test_a_tombstone_says_what_went_when_by_whom_and_why(catalog):
    made = catalog.add(Part(name="draft", owner="a"))
    made = catalog.transfer(made, "b")
    with catalog.transaction(message="tidying"):
        catalog.delete(made)
    told = catalog.tombstone(made.id)
    assert told == Tombstone(made.id, "parts", "draft", made.version, "b", told.time, "ops", "tidying")
    assert told.time >= made.updated_at


def test_a_tombstone_is_found_by_id_text_or_artifact(catalog):
    made = gone(catalog)
    assert catalog.tombstone(made) == catalog.tombstone(str(made.id)) == catalog.tombstone(made.id)


def test_what_had_no_name_has_none_on_its_tombstone(catalog):
    memo = catalog.add(Memo())
    catalog.delete(memo)
    assert (catalog.tombstone(memo).name, catalog.tombstone(memo).type) == (None, "memos")


def test_a_tombstone_outlives_the_shape_of_its_type(catalog):
    made = gone(catalog, of=Link(uuid4()), rough=True)

    class Piece(Artifact, type_name="parts", scheme="pep440"):
        of: Field[str] = field(default="")

    catalog.migrate(Piece, lambda record: record)
    assert (catalog.tombstone(made).name, catalog.tombstone(made).version) == ("wheel", Version("1.2.0"))


def test_what_is_live_or_never_was_has_no_tombstone(catalog):
    live = catalog.add(Part(name="live", of=Link(foreign := uuid4())))
    assert {words(catalog, each) for each in (live.id, uuid4(), foreign)} == {"no artifact ID was deleted"}


def test_a_deletion_that_was_undone_leaves_no_tombstone(catalog):
    made = catalog.add(Part(name="wheel"))
    with pytest.raises(RuntimeError), catalog.transaction():
        catalog.delete(made)
        raise RuntimeError
    assert words(catalog, made.id) == "no artifact ID was deleted"


@pytest.mark.parametrize(
    ("visibility", "who"),
    [("private", BOB), ("private", NOBODY), ("shared", BOB), ("shared", NOBODY)],
)
def test_who_could_not_see_it_is_told_as_of_an_unknown_id(catalog, visibility, who):
    made = gone(catalog, owner="a", visibility=visibility)
    assert words(catalog.as_(who), made.id) == words(catalog.as_(who), uuid4())


@pytest.mark.parametrize(("visibility", "who"), [("private", ANN), ("shared", ANN), ("private", ROOT)])
def test_its_project_and_an_admin_are_told_all(catalog, visibility, who):
    made = gone(catalog, owner="a", visibility=visibility)
    assert catalog.as_(who).tombstone(made) == catalog.tombstone(made)


@pytest.mark.parametrize("visibility", ["public", "community"])
def test_others_who_could_see_it_are_told_what_went_and_when_but_not_by_whom(catalog, visibility):
    made = gone(catalog, owner="a", visibility=visibility)
    told, all_ = catalog.as_(BOB).tombstone(made), catalog.tombstone(made)
    assert (told.actor, told.message, told.owner) == (None, None, "a")
    assert (told.name, told.version, told.time) == (all_.name, all_.version, all_.time)


def test_without_project_one_is_not_the_owner_of_what_had_none(catalog):
    assert words(catalog.as_(NOBODY), gone(catalog).id) == "no artifact ID was deleted"


def test_the_last_visibility_counts(catalog):
    made = catalog.add(Part(name="wheel", owner="a", visibility="public"))
    catalog.delete(catalog.unpublish(made))
    assert words(catalog.as_(BOB), made.id) == "no artifact ID was deleted"


def test_the_rule_of_get_counts():
    policy = Policy.default().with_rules({"parts:get": "True:%(rough)s"})
    with Catalog.open("memory:", types=[Part], policy=policy) as catalog:
        fine, rough = gone(catalog, owner="a"), gone(catalog, owner="a", rough=True)
        assert catalog.as_(ANN).tombstone(rough).owner == "a"
        assert words(catalog.as_(ANN), fine.id) == "no artifact ID was deleted"


def test_what_the_caller_may_not_read_is_not_on_the_tombstone():
    guard = Protections([Protection("name", of="fields", read="role:admin")])
    with Catalog.open("memory:", types=[Part], protections=guard) as catalog:
        made = gone(catalog, owner="a")
        assert (catalog.as_(ANN).tombstone(made).name, catalog.as_(ANN).tombstone(made).owner) == (None, "a")


def test_memberships_go_with_the_artifact_and_leave_tombstones_of_their_own(catalog):
    made = catalog.share(catalog.add(Part(name="wheel", owner="a")), "b")
    member = catalog.members(made)[0]
    catalog.delete(made)
    assert catalog.tombstone(member).type == "metastore_members"
    assert words(catalog.as_(BOB), member.id) == "no artifact ID was deleted"


def test_what_is_no_id_is_refused(catalog):
    with pytest.raises(errors.ValidationError):
        catalog.tombstone("no id")


def test_an_id_never_returns(catalog):
    made = gone(catalog)
    for again in (
        lambda: catalog.add(Part(name="other", id=made.id)),
        lambda: catalog.add_many([Part(name="other", id=made.id)]),
        lambda: catalog.add(Memo(id=made.id)),
        lambda: catalog.load(Part, [{"name": "other", "id": str(made.id)}]),
    ):
        with pytest.raises(IdTakenError):
            again()
    assert catalog.tombstone(made).name == "wheel"
