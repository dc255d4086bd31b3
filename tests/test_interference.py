"""Non-interference: what a caller may not see changes no byte of what it is told.

Two worlds share what B may see, and differ in all the rest: artifacts of others, their deletion, members, quotas, and what
protections hide of the artifacts that B sees (but for links between those, which restrict deletion, readable or not). A random program of B's, reads and writes that pass or are refused, is told the
same in both. The exceptions are two: that an id is taken, and a quota of everybody; neither is in the programs.
"""

import itertools
from contextlib import suppress
from datetime import UTC, datetime
from unittest import mock
from uuid import UUID

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from metastore import (
    Artifact,
    Blob,
    Catalog,
    Field,
    Link,
    Policy,
    Principal,
    Protection,
    Protections,
    Record,
    absent,
    field,
    linked_from,
    matches,
    references,
)
from metastore._members import Membership
from metastore._quotas import Quota, put
from metastore._reading import Reading
from metastore._steps import SIGHT
from metastore.errors import ConflictError, LinkedError, MetastoreError, NotFoundError
from metastore.query import Compare, In, Order, Path

CLOCK, MOMENT = 1_700_000_000_000_000_000, datetime(2024, 1, 9, tzinfo=UTC)
B = Principal(user="bea", project="b", roles=["member", "reader"])
A = Principal(user="abe", project="a", roles=["member", "reader"])
PROTECTED = Protections(
    [
        Protection("sealed", create="role:admin", read="role:admin"),
        Protection("drop", read="role:admin"),
        Protection(".*"),
        Protection("cost", of="fields", read="role:admin"),
        Protection("secret_parent", of="fields", read="role:admin", update="@"),
    ]
)
LOOSE = Policy.default().with_rules(dict.fromkeys(["artifact:publish", "artifact:hold"], "rule:admin_or_owner"))


class Thing(Artifact, type_name="seen_things", unique=("name", "version")):
    size: Field[int] = field(default=0)
    arch: Field[str | None] = field(default=None, index=True, max_length=9)
    cost: Field[str | None] = field(default=None, search=5, mutable=True)
    disk: Field[Blob | None] = field(default=None)
    parent: Field[Link["Thing"] | None] = field(default=None)
    secret_parent: Field[Link["Thing"] | None] = field(default=None)
    parts: Field[list[Link["Thing"]]] = field(factory=list, on_delete="detach")
    whole: Field[Link["Thing"] | None] = field(default=None, on_delete="cascade")


class Note(Record, type_name="seen_notes"):
    about: Field[Link[Record] | None] = field(default=None)
    text: Field[str] = field(default="", search=1)


TYPES = {"seen_things": Thing, "seen_notes": Note}


def ids(kind, count):
    return [str(UUID(int=(kind << 64) | number | 0x7000 << 64 + 8)) for number in range(1, count + 1)]


SEEN, SECRET, GHOSTS, NEW = ids(1, 5), ids(2, 5), ids(3, 2), ids(4, 12)
ANY = st.sampled_from(SEEN + SECRET + GHOSTS)
NAMES, VERSIONS, WORDS = st.sampled_from(["x", "y", "z"]), st.sampled_from(["1.0.0", "2.0.0"]), ["red", "blue"]
TEXT = st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join)
URLS = st.sampled_from(["s3://u", "s3://v"])


# --- worlds


def record(id, kind, owner, visibility, draw, links):
    made = {
        "id": id, "type": kind, "owner": owner, "visibility": visibility,
        "created_at": "2024-01-01T00:00:00Z", "updated_at": f"2024-01-0{draw(st.integers(1, 4))}T00:00:00Z",
        "revision": draw(st.integers(1, 2)), "hidden": draw(st.booleans()), "description": draw(TEXT),
        "status": draw(st.sampled_from(["drafted", "active"])), "tags": draw(st.sampled_from([[], ["red"]])),
        "properties": draw(st.sampled_from([{}, {"k": 1}, {"k": "red"}])),
    }  # fmt: skip
    if kind == "seen_notes":
        return {**made, "about": draw(st.none() | ANY), "text": draw(TEXT)}
    made |= {"name": draw(NAMES), "version": draw(VERSIONS), "size": draw(st.integers(0, 3))}
    made |= {"arch": draw(st.sampled_from([None, "arm"])), "parent": draw(st.none() | ANY)}
    made["disk"] = {"locations": [{"url": draw(URLS)}], "size": 3} if draw(st.booleans()) else None
    if links:
        made |= {"parts": draw(st.lists(ANY, max_size=2, unique=True)), "whole": draw(st.none() | ANY)}
    return made


def scope(made):
    """What the unique key is made of; another oracle than the engine's hash."""
    owner = None if made["visibility"] == "public" else made["owner"]
    named = (made.get("name"), made.get("version")) if made["type"] == "seen_things" else made["id"]
    return made["type"], named, made["visibility"] == "public", owner


def distinct(records):
    return list({scope(each): each for each in records}.values())


@st.composite
def visible(draw):
    """What B sees: its own, and what is open or shared with it. And the members of that, by artifact."""
    records, members = [], {}
    for id in SEEN:
        owner = draw(st.sampled_from(["b", "a"]))
        sights = ["private", "shared", "community", "public"] if owner == "b" else ["shared", "community", "public"]
        made = record(id, draw(st.sampled_from([*TYPES])), owner, draw(st.sampled_from(sights)), draw, owner == "b")
        records.append(made)
    records = distinct(records)
    for made in records:
        if made["visibility"] == "shared":
            told = draw(st.sampled_from(["pending", "accepted", "rejected"]))
            members[made["id"], "c" if made["owner"] == "b" else "b"] = told
    return records, members


@st.composite
def secrets(draw, world):
    """What B does not see: records, members, what is deleted, what protections hide, quotas of others."""
    records, _ = world
    open_names = {scope(each) for each in records}
    made = [
        record(id, draw(st.sampled_from([*TYPES])), draw(st.sampled_from(["a", "c", None])), sight, draw, True)
        for id, sight in zip(SECRET, draw(st.lists(st.sampled_from(["private", "shared"]), max_size=5)), strict=False)
    ]
    made = [each for each in distinct(made) if scope(each) not in open_names]
    foreign = [each["id"] for each in records if each["owner"] != "b" and each["visibility"] == "shared"]
    shared = [each["id"] for each in made if each["visibility"] == "shared"] + foreign
    hidden = {
        each["id"]: (
            draw(st.sampled_from([{}, {"sealed": 1}, {"sealed": "red"}, {"drop": 1}, {"drop": 2}])),
            {
                "cost": draw(st.sampled_from([None, "gold", "red", "red blue"])),
                "secret_parent": draw(st.none() | st.sampled_from(SECRET + GHOSTS)),
            },
        )
        for each in records
    }
    return {
        "records": made,
        "members": {(id, "c"): draw(st.sampled_from(["pending", "accepted"])) for id in shared if draw(st.booleans())},
        "gone": [each["id"] for each in made if draw(st.booleans())],
        "hidden": hidden,
        "quotas": draw(st.lists(st.integers(0, 1), max_size=1)),
        "before": draw(st.booleans()),
    }


def sealed(made, secret):
    properties, fields = secret["hidden"].get(made["id"], ({}, {}))
    known = fields if made["type"] == "seen_things" else {}
    return {**made, "properties": {**made["properties"], **properties}, **known}


def load(catalog, records):
    for made in records:
        catalog.load(TYPES[made["type"]], [made])


def memberships(members):
    for (id, project), told in members.items():
        ident = UUID(bytes=bytes(a ^ b for a, b in zip(UUID(id).bytes, project.encode() * 16, strict=True)))
        yield {"id": str(ident), "artifact": id, "member": project, "answer": told}


def hide(catalog, secret):
    """Make what B does not see."""
    loads = [(TYPES[each["type"]], each) for each in secret["records"]]
    for kind, each in [*loads, *((Membership, each) for each in memberships(secret["members"]))]:
        with suppress(ConflictError):  # hidden a second time: ids of the deleted stay taken, names of the first too
            catalog.load(kind, [each])
    for count in secret["quotas"]:
        put(catalog, Quota(project="a", count=count))
    for id in secret["gone"]:
        with suppress(LinkedError, NotFoundError):
            catalog.delete(catalog.get(Record, id))


def build(catalog, world, secret):
    records, members = world
    catalog.load(Thing, [])
    catalog.load(Note, [])
    if secret["before"]:
        hide(catalog, secret)
    load(catalog, [sealed(each, secret) for each in records])
    if members:
        catalog.load(Membership, memberships(members))
    if not secret["before"]:
        hide(catalog, secret)


# --- what B asks


def compare(kind):
    """Conditions on what every type has."""
    return st.one_of(
        st.builds(lambda value: Compare(Path("owner"), "eq", value), st.sampled_from(["a", "b", "c"])),
        st.builds(lambda value: Compare(Path("visibility"), "ne", value), st.sampled_from(["private", "public"])),
        st.builds(lambda values: In(Path("id"), tuple(map(UUID, values))), st.lists(ANY, max_size=3)),
        st.builds(lambda value: Compare(Path("properties", ("k",)), "eq", value), st.sampled_from([1, "red"])),
        st.just(Compare(Path("properties", ("sealed",)), "eq", 1)),
        st.just(kind.properties.has_key("sealed")),
        st.builds(matches, st.sampled_from([*WORDS, "red blue", "gold"])),
        st.builds(references, URLS),
        st.builds(lambda value: linked_from(Note.about, Compare(Path("owner"), "eq", value)), st.sampled_from("abc")),
        st.builds(lambda value: linked_from(Membership.artifact, Membership.member == value), st.sampled_from("bc")),
    )


def logic(leaves):
    return st.recursive(
        leaves,
        lambda each: st.one_of(each.map(lambda one: ~one), st.builds(lambda a, b: a & b, each, each), st.builds(lambda a, b: a | b, each, each)),
        max_leaves=4,
    )  # fmt: skip


NOTES = logic(compare(Note) | st.builds(Note.text.contains, st.sampled_from(WORDS)))
THINGS = logic(
    st.deferred(
        lambda: st.one_of(
            compare(Thing),
            st.builds(lambda value: Thing.size >= value, st.integers(0, 3)),
            st.builds(lambda value: Thing.name == value, NAMES),
            st.just(Thing.cost == "gold"),
            st.just(matches("red", Thing.cost)),
            st.sampled_from([absent(Thing.parent), absent(Thing.whole), absent(Thing.secret_parent)]),
            st.builds(lambda value: Thing.parent.size >= value, st.integers(0, 3)),
            st.builds(lambda value: ~(Thing.parent.parent.owner == value), st.sampled_from("abc")),
            st.builds(lambda value: Thing.parent.cost == value, st.sampled_from(["gold", "red"])),
            st.builds(Thing.parts.any, THINGS),
            st.builds(lambda each: linked_from(Thing.parent, each), THINGS),
            st.builds(lambda each: linked_from(Thing.secret_parent, each), THINGS),
        )
    )
)
WHERE = {Thing: THINGS, Note: NOTES, Record: compare(Record), Artifact: compare(Artifact)}
ORDERS = st.lists(
    st.builds(
        lambda name, down: Order(Path(name), down),
        st.sampled_from(["owner", "id", "updated_at", "description", "created_at"]),
        st.booleans(),
    ),
    max_size=2,
)
THING_ORDERS = st.sampled_from(
    [[], [Thing.name], [-Thing.version], [Thing.size, Thing.name], [Thing.cost], [Thing.arch]]
)


@st.composite
def finds(draw):
    kind = draw(st.sampled_from([Thing, Thing, Note, Record, Artifact]))
    options = {
        "latest": draw(st.booleans()) and kind is Thing,
        "unlisted": draw(st.booleans()),
        "order_by": draw(THING_ORDERS if kind is Thing else ORDERS),
        "limit": draw(st.none() | st.integers(0, 3)),
        "after": draw(st.none() | ANY),
    }
    return kind, draw(st.lists(WHERE[kind], max_size=2)), options


def asked(use):
    """An operation on a find."""
    return st.builds(lambda find: lambda view: use(view.find(find[0], *find[1], **find[2])), finds())


def pages(find):
    """Every page, by its cursor; the query is the same but for where it begins."""
    after, found = find._after, []
    for _ in range(12):
        page = type(find)(find._catalog, find._asked, after, 2).page()
        found.append(page)
        if page.next is None:
            return found
        after = page.next
    raise AssertionError("pages without end")


def by_hand(kind, id, revision):
    """What a caller may make itself: an object with an id and a revision that it guessed."""
    made = kind(id=UUID(id), owner="b", visibility="shared", **({"name": "x"} if kind is Thing else {}))
    made.__dict__["revision"] = revision
    return made


KINDS = st.sampled_from([Thing, Note])
HANDS = st.builds(by_hand, KINDS, ANY, st.integers(0, 3))
READS = st.one_of(
    asked(list),
    asked(pages),
    asked(lambda find: find.count()),
    asked(lambda find: find.facets(Thing.arch, Thing.tags, Thing.owner, Thing.size)),
    asked(lambda find: find.facets(Record.visibility, Record.tags)),
    asked(lambda find: find.facets(Thing.cost)),
    asked(lambda find: find.aggregate(by=[Record.owner], n="count", last=("max", Record.updated_at))),
    asked(lambda find: find.aggregate(n="count", size=("sum", Thing.size))),
    asked(lambda find: find.aggregate(most=("max", Thing.cost))),
    asked(lambda find: list(find.select(Record.id, Record.properties, Record.description))),
    asked(lambda find: list(find.select(Thing.secret_parent))),
    asked(repr),
    asked(lambda find: find.first()),
    asked(lambda find: find.one()),
    st.builds(lambda kind, ident: lambda view: view.get(kind, ident), st.sampled_from([Thing, Note, Record, Artifact]), ANY),
    st.builds(lambda kind: lambda view: view.get_many(kind, SEEN + SECRET + GHOSTS), st.sampled_from([Thing, Record])),
    st.builds(lambda name, version: lambda view: view.get(Thing, name=name, version=version), NAMES, st.none() | VERSIONS),
    st.builds(lambda name, owner: lambda view: view.get(Thing, name=name, owner=owner), NAMES, st.sampled_from([None, "a"])),
    st.builds(lambda name, where: lambda view: view.latest(Thing, name, where), NAMES, THINGS),
    st.builds(
        lambda ident, depth, back: lambda view: view.closure(ident, depth, backwards=back),
        ANY, st.none() | st.integers(0, 3), st.booleans(),
    ),
    st.builds(lambda ident: lambda view: view.back_links(ident), ANY),
    st.builds(lambda hand: lambda view: seen_members(view.members(hand)), HANDS),
    st.builds(lambda hand: lambda view: view.dump(hand), HANDS),
    st.builds(lambda kind: lambda view: list(view.dump_many(kind)), st.sampled_from([Thing, Note, Record])),
    st.just(lambda view: view.stats()),
    st.just(lambda view: view.artifact_type("metastore_members")),
    st.just(lambda view: view.find(Membership).all()),
    st.builds(lambda text: lambda view: view.find(Thing, view.parse("seen_things", text)).all(), st.sampled_from([
        "parent.size > 1", "cost = 'gold'", "not (linked_from('seen_notes', about, owner = 'c'))", "linked_from('metastore_members', artifact)",
    ])),
)  # fmt: skip


def seen_members(members):
    return [(each.member, each.answer, each.revision) for each in members]


FIELDS = st.sampled_from(
    [
        {"name": "x"}, {"size": 1}, {"hidden": True}, {"cost": "gold"}, {"cost": None}, {"owner": "a"}, {"tags": ["red"]},
        {"properties": {"k": 2}}, {"properties": {"sealed": 1}}, {"properties": {}}, {"secret_parent": None}, {"hold": "h"},
    ]
)  # fmt: skip
ACTIONS = st.sampled_from(["activate", "deactivate", "reactivate", *SIGHT])
STEPS = st.lists(FIELDS | ACTIONS, min_size=1, max_size=2)
VALUES = st.fixed_dictionaries(
    {"name": NAMES, "version": VERSIONS},
    optional={
        "owner": st.sampled_from(["a", "b"]), "visibility": st.sampled_from(["public", "shared"]), "parent": ANY.map(Link),
        "whole": ANY.map(Link), "cost": st.just("gold"), "properties": st.sampled_from([{"k": 1}, {"sealed": 1}]), "description": TEXT,
    },
)  # fmt: skip


def own(view, kind, id, steps):
    """A change of what was read first, as honest callers do."""
    return view.change(view.get(kind, id), *steps)


WRITES = st.one_of(
    st.builds(lambda ident, values: lambda view: view.add(Thing(id=UUID(ident), **values)), st.sampled_from(NEW), VALUES),
    st.builds(lambda ident, values: lambda view: view.upsert(Thing(id=UUID(ident), **values)), st.sampled_from(NEW), VALUES),
    st.builds(lambda hand, steps: lambda view: view.change(hand, *steps), HANDS, STEPS),
    st.builds(lambda kind, ident, steps: lambda view: own(view, kind, ident, steps), KINDS, st.sampled_from(SEEN), STEPS),
    st.builds(lambda ident: lambda view: view.delete(view.get(Record, ident)), st.sampled_from(SEEN)),
    st.builds(lambda hand: lambda view: view.delete(hand), HANDS),
    st.builds(lambda where, fields: lambda view: view.update_many(Thing, where, Thing.owner == "b", **fields), THINGS, FIELDS),
    st.builds(lambda where: lambda view: view.update_many(Thing, where, tags=["blue"]), THINGS),
    st.builds(lambda where: lambda view: view.delete_many(Thing, where, Thing.owner == "b"), THINGS),
    st.builds(lambda hand, project: lambda view: view.share(hand, project), HANDS, st.sampled_from("bcd")),
    st.builds(lambda ident: lambda view: view.share(view.get(Record, ident), "c"), st.sampled_from(SEEN)),
    st.builds(lambda hand, projects: lambda view: view.unshare(hand, *projects), HANDS, st.sampled_from(["", "b", "c"])),
    st.builds(
        lambda hand, told, project: lambda view: seen_members([view.answer(hand, told, project=project)]),
        HANDS, st.sampled_from(["accepted", "rejected"]), st.sampled_from([None, "b", "c"]),
    ),
    st.builds(lambda hand, owner: lambda view: view.transfer(hand, owner), HANDS, st.sampled_from(["a", "b"])),
    st.builds(lambda hand: lambda view: view.hold(hand, "because"), HANDS),
    st.builds(lambda ident: lambda view: view.hold(view.get(Record, ident), "because"), st.sampled_from(SEEN)),
    st.builds(lambda records: lambda view: view.load(Thing, [{"id": records, "name": "x"}]), st.sampled_from(SECRET)),
)  # fmt: skip
BATTERY = [
    *(lambda view, each=each: view.find(Thing, each, unlisted=True).all() for each in [
        Thing.parent.size >= 1, ~(Thing.parent.size >= 1), Thing.parent.parent.owner == "c", Thing.parts.any(Thing.size >= 0),
        Thing.whole.name == "x", linked_from(Thing.parent), ~linked_from(Thing.whole, Thing.size >= 1), linked_from(Note.about),
        linked_from(Thing.parts, linked_from(Thing.parent)), linked_from(Thing.secret_parent), linked_from(Membership.artifact),
        matches("red"), matches("gold"), ~matches("red"), Thing.properties.has_key("sealed"), Thing.properties["sealed"] == 1,
        Thing.cost == "gold", references("s3://u"), absent(Thing.secret_parent),
    ]),
    *(lambda view, each=each, back=back: view.closure(each, backwards=back) for each in SEEN + SECRET for back in (False, True)),
    *(lambda view, each=each: view.update(by_hand(Thing, each, 1), properties={"sealed": 1}) for each in SEEN),
    *(lambda view, each=each: view.update(by_hand(Thing, each, 1), cost="gold") for each in SEEN),
    *(lambda view, each=each: view.update(by_hand(Thing, each, 2), properties={"drop": 1}) for each in SEEN),
    *(lambda view, each=each: view.tombstone(each) for each in SECRET),
    *(lambda view, each=each: view.plan(each, keep=1, at=MOMENT) for each in (Thing, Artifact)),
    lambda view: view.quota_report(),
    *(lambda view, each=each: view.unshare(by_hand(Thing, each, 1), "c") for each in SEEN + SECRET),
    *(lambda view, each=each: view.answer(by_hand(Thing, each, 1), "accepted", project="c") for each in SEEN + SECRET),
    *(lambda view, each=each: view.find(Thing, after=each).page() for each in SEEN + SECRET),
    *(lambda view, each=each: view.find(each).page() for each in (Thing, Note, Record, Artifact, Membership)),
]  # fmt: skip
"""Asked of every world, before the random part."""
PROGRAMS = st.lists(READS | WRITES, min_size=1, max_size=8).map(lambda drawn: [*BATTERY, *drawn])


# --- what B is told


def told(answer):
    """Return an answer whole, as text."""
    if isinstance(answer, Record):
        return type(answer).__type_name__, sorted((name, repr(value)) for name, value in vars(answer).items())
    if isinstance(answer, dict):
        return [(told(key), told(value)) for key, value in answer.items()]
    if isinstance(answer, list | tuple):
        return [told(each) for each in answer]
    return (told(answer.items), answer.next) if hasattr(answer, "next") else repr(answer)


def tell(view, ask):
    try:
        return told(ask(view))
    except MetastoreError as error:
        return type(error).__name__, str(error), sorted(vars(error).items(), key=repr)


class Undo(Exception):
    pass


def answers(catalog, program, caller=B):
    """What a caller is told by a program, which is undone at its end."""
    view, found = catalog.as_(caller), []
    try:
        with view.transaction():
            found = [tell(view, ask) for ask in program]
            raise Undo
    except Undo:
        return found


class Frozen:
    """Time stands still and catalogues are one another's, so that nothing but secrets can make answers differ."""

    def __enter__(self):
        self._patches = [mock.patch("time.time_ns", return_value=CLOCK), mock.patch.object(Reading, "id", "one")]
        for each in self._patches:
            each.start()

    def __exit__(self, *_):
        for each in self._patches:
            each.stop()


NUMBERS = itertools.count()


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def opened(request, tmp_path_factory):
    """Open a catalogue of one's own."""
    place = tmp_path_factory.mktemp("worlds")

    def make(*, protected=True):
        url = "memory:" if request.param == "memory" else str(place / f"{next(NUMBERS)}.db")
        guard = PROTECTED if protected else None
        return Catalog.open(
            url, types=[Thing, Note], durability="normal", cursor_key=b"k", policy=LOOSE, protections=guard
        )

    return make


@st.composite
def two_worlds(draw):
    world = draw(visible())
    return world, draw(secrets(world)), draw(secrets(world)), draw(PROGRAMS)


def hold_equal(opened, given):
    world, one, other, program = given
    found = []
    for secret in (one, other):
        with Frozen(), opened() as catalog:
            build(catalog, world, secret)
            found.append(answers(catalog, program))
    for ask, first, second in zip(program, *found, strict=True):
        assert first == second, shown(ask)


def shown(ask):
    """An operation for people: what it closes over."""
    return [each.cell_contents for each in ask.__closure__ or ()], ask.__defaults__, ask.__code__.co_names


def undisturbed(opened, given):
    """Ask, let what B does not see change, ask again; here no protections stand in the way of the members."""
    world, one, other, program = given
    other = {**other, "hidden": one["hidden"]}
    with Frozen(), opened() as catalog:
        build(catalog, world, one)
        first = answers(catalog, program)
        hide(catalog, other)
        for ask, before, after in zip(program, first, answers(catalog, program), strict=True):
            assert before == after, shown(ask)


FEW, MANY = settings(max_examples=40, phases=[Phase.explicit, Phase.generate]), settings(max_examples=500)
CASES = two_worlds()


@FEW
@given(given=CASES)
def test_what_differs_out_of_sight_changes_no_answer(opened, given):
    hold_equal(opened, given)


@FEW
@given(given=CASES)
def test_what_changes_out_of_sight_changes_no_answer(opened, given):
    undisturbed(opened, given)


@pytest.mark.slow
@MANY
@given(given=CASES)
def test_what_differs_out_of_sight_changes_no_answer_of_many(opened, given):
    hold_equal(opened, given)


@pytest.mark.slow
@MANY
@given(given=CASES)
def test_what_changes_out_of_sight_changes_no_answer_of_many(opened, given):
    undisturbed(opened, given)
