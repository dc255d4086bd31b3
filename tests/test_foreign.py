"""A link says whether it leads anywhere, to the one who reads it; one that dangles harms nothing."""

import copy
import pickle  # noqa: TID251 - links must survive it, the catalogue never uses it
from uuid import uuid4

import pytest

from metastore import Artifact, Catalog, Field, Link, Principal, Record, field
from metastore.errors import ClosedError, NotStoredError

ANN, BOB = Principal("ann", "a", ["member"]), Principal("bob", "b", ["member"])


class Part(Artifact, type_name="parts"):
    of: Field[Link["Part"] | None] = field(default=None, index=True)
    uses: Field[list[Link["Part"]]] = field(factory=list)
    about: Field[Link[Record] | None] = field(default=None)


class Note(Artifact, type_name="notes"):
    pass


@pytest.fixture(params=["memory:", "sqlite:///{}/c.db"])
def catalog(request, tmp_path):
    with Catalog.open(request.param.format(tmp_path), types=[Part, Note], durability="normal") as catalog:
        yield catalog
        assert catalog.check() == []


def dangling(catalog):
    """Return a part whose links lead nowhere, imported from elsewhere."""
    elsewhere = str(uuid4())
    catalog.load(Part, [{"name": "wheel", "owner": "a", "of": elsewhere, "uses": [elsewhere], "about": elsewhere}])
    return catalog.latest(Part, "wheel")


def test_a_link_to_what_is_there_is_not_foreign(catalog):
    frame = catalog.add(Part(name="frame"))
    wheel = catalog.get(Part, catalog.add(Part(name="wheel", of=Link(frame), uses=[Link(frame)])).id)
    assert [wheel.of.foreign, wheel.uses[0].foreign] == [False, False]


def test_a_link_to_what_never_was_is_foreign_until_it_comes(catalog):
    ident = uuid4()
    wheel = catalog.add(Part(name="wheel", of=Link(ident)))
    assert wheel.of.foreign
    catalog.add(Part(name="frame", id=ident))
    assert not wheel.of.foreign


def test_a_link_of_another_owner_becomes_foreign_when_its_target_goes(catalog):
    frame = catalog.add(Part(name="frame", owner="b"))
    wheel = catalog.add(Part(name="wheel", owner="a", of=Link(frame)))
    catalog.delete(frame)
    assert wheel.of.foreign


def test_a_link_to_another_type_than_its_field_says_is_foreign(catalog):
    note = catalog.add(Note(name="n"))
    wheel = catalog.add(Part(name="wheel", of=Link(note), about=Link(note)))
    assert (wheel.of.foreign, wheel.about.foreign) == (True, False)


def test_a_link_is_foreign_to_whom_its_target_is_not_visible(catalog):
    frame = catalog.add(Part(name="frame", owner="b"))
    wheel = catalog.add(Part(name="wheel", owner="a", visibility="public", of=Link(frame), uses=[Link(frame)]))
    seen = [catalog.as_(who).get(Part, wheel.id) for who in (ANN, BOB)]
    assert [(each.of.foreign, each.uses[0].foreign) for each in seen] == [(True, True), (False, False)]
    assert not wheel.of.foreign


def test_every_way_of_reading_gives_links_of_the_reader(catalog):
    frame = catalog.add(Part(name="frame", owner="b", version="1.0.0"))
    hers = catalog.as_(ANN)
    wheel = hers.add(Part(name="wheel", of=Link(frame)))
    links = [
        wheel.of,
        hers.get(Part, wheel.id).of,
        hers.get(Record, wheel.id).of,
        hers.latest(Part, "wheel").of,
        *[each.of for each in hers.get_many(Part, [wheel.id])],
        *[each.of for each in hers.get_many(Record, [wheel.id])],
        *[each.of for each in hers.find(Part)],
        *[each.of for each in hers.find(Part, limit=1).page().items],
        *[link for (link,) in hers.find(Part).select(Part.of)],
        *hers.find(Part).facets(Part.of)["of"],
        *[group["of"] for group in hers.find(Part).aggregate(by=[Part.of])],
        hers.update(wheel, tags=["x"]).of,
    ]
    assert [link.foreign for link in links] == [True] * len(links)


def test_the_link_of_a_membership_is_read_by_the_member(catalog):
    frame = catalog.share(catalog.add(Part(name="frame", owner="a")), "b")
    his = catalog.as_(BOB)
    links = [his.members(frame)[0].artifact, his.answer(frame, "accepted").artifact]
    assert [link.foreign for link in links] == [False, False]
    catalog.unshare(frame)
    assert [link.foreign for link in links] == [True, True]


def test_a_link_made_by_hand_does_not_know(catalog):
    frame = catalog.add(Part(name="frame"))
    read = catalog.add(Part(name="wheel", of=Link(frame))).of
    for made in (Link(frame), pickle.loads(pickle.dumps(read)), copy.copy(read)):
        with pytest.raises(NotStoredError):
            made.foreign


def test_links_are_equal_whether_read_or_made(catalog):
    frame = catalog.add(Part(name="frame"))
    read = catalog.add(Part(name="wheel", of=Link(frame))).of
    assert (read, hash(read), repr(read)) == (Link(frame), hash(Link(frame)), repr(Link(frame)))
    with pytest.raises(AttributeError, match="cannot be changed"):
        read._leads = None


@pytest.mark.parametrize("who", [None, ANN])
def test_a_closed_catalogue_tells_nothing(tmp_path, who):
    for url in ("memory:", f"{tmp_path}/closed.db"):
        with Catalog.open(url, types=[Part]) as catalog:
            seen = catalog if who is None else catalog.as_(who)
            wheel = seen.add(Part(name="wheel", of=Link(uuid4())))
        with pytest.raises(ClosedError):
            wheel.of.foreign


@pytest.mark.parametrize("who", [None, ANN])
def test_an_artifact_whose_links_dangle_is_read_listed_changed_and_deleted(catalog, who):
    ident = dangling(catalog).id
    seen = catalog if who is None else catalog.as_(who)
    wheel = seen.get(Part, ident)
    assert seen.find(Part).all() == [wheel]
    assert [wheel.of.foreign, wheel.uses[0].foreign, wheel.about.foreign] == [True, True, True]
    changed = seen.update(wheel, tags=["kept"], of=wheel.uses[0])
    assert (changed.of.foreign, changed.tags) == (True, ["kept"])
    seen.delete(changed)
    assert seen.count(Part) == 0


def test_reading_asks_nothing_of_where_links_lead(catalog, monkeypatch):
    wheel = dangling(catalog)
    asked = []
    identify = catalog._backend.identify
    monkeypatch.setattr(catalog._backend, "identify", lambda ids: asked.append(ids) or identify(ids))
    again = catalog.get(Part, wheel.id)
    assert asked == []
    assert again.of.foreign
    assert asked == [[again.of.id.bytes]]
