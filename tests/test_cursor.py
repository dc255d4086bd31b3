"""Cursors: opaque, tamper-evident, bound to query, catalogue and key."""

import base64
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore import Artifact, Catalog, Field, field, matches
from metastore._cursor import read_cursor, write_cursor
from metastore.errors import CursorError, MetastoreError
from metastore.query import Position

KEY = b"k" * 32
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
IDS = st.binary(min_size=16, max_size=16)
POSITIONS = st.builds(Position, st.lists(SCALARS | IDS | st.tuples(TEXTS, TEXTS), max_size=3).map(tuple), IDS)


class Image(Artifact, type_name="cursor_images"):
    size: Field[int] = field(default=0)


class Disk(Artifact, type_name="cursor_disks"):
    size: Field[int] = field(default=0)


@pytest.fixture(params=["memory", "sqlite"])
def opened(request, tmp_path):
    """A function that opens a catalogue, the same one each time."""
    url = f"memory:{uuid4()}" if request.param == "memory" else str(tmp_path / "catalog.db")
    made = []

    def again(**options):
        made.append(Catalog.open(url, **options))
        return made[-1]

    yield again
    for each in made:
        each.close()


@pytest.fixture
def catalog(opened):
    found = opened()
    found.add_many(Image(name=f"n{at}", size=at % 3) for at in range(9))
    found.add_many(Disk(name=f"n{at}", size=at % 3) for at in range(9))
    return found


def page(catalog, after=None, cls=Image, where=(), order=(Image.size,), limit=2, **options):
    return catalog.find(cls, *where, order_by=order, limit=limit, after=after, **options).page()


@given(POSITIONS, TEXTS)
def test_a_position_comes_back(position, about):
    assert read_cursor(write_cursor(position, about, KEY), about, KEY) == position


@given(POSITIONS, st.data())
def test_a_change_of_any_byte_is_noticed(position, data):
    text = write_cursor(position, "about", KEY)
    raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CursorError):
        read_cursor(base64.urlsafe_b64encode(raw).decode().rstrip("="), "about", KEY)


@given(st.text())
def test_any_text_is_a_cursor_of_ours_or_refused(text):
    with pytest.raises(CursorError):
        read_cursor(text, "about", KEY)


@pytest.mark.parametrize(
    "forged", ["", "x", "%%%", "AAAA", "é", "\ud800", "\0", "A" * 10_000, "{}", "../../etc", "=" * 8]
)
def test_a_forged_cursor_is_refused(catalog, forged):
    with pytest.raises(CursorError):
        page(catalog, forged)


@pytest.mark.parametrize("wrong", [5, b"x", 1.5, [], object, True])
def test_what_is_no_cursor_at_all_is_refused(catalog, wrong):
    with pytest.raises(MetastoreError):
        page(catalog, wrong)


def test_a_cursor_goes_on_in_its_own_query(catalog):
    first = page(catalog)
    second = page(catalog, first.next)
    assert [each.size for each in (*first.items, *second.items)] == [0, 0, 0, 1]
    assert len({*first.items, *second.items}) == 4


@pytest.mark.parametrize("order", [(Image.id,), (-Image.id,), (Image.size, -Image.id), ()])
def test_a_cursor_goes_on_in_an_order_by_id_and_in_a_search(catalog, order):
    asked = {"where": (matches("searched"),), "order": order}
    catalog.add_many(Image(name=f"searched {at}", size=at % 2, tags=["searched"] * (at % 3 == 1)) for at in range(7))
    first = page(catalog, limit=4, **asked)
    assert [*first.items, *page(catalog, first.next, limit=4, **asked).items] == page(catalog, limit=7, **asked).items


def test_the_size_of_a_page_may_change_on_the_way(catalog):
    first = page(catalog)
    assert len(page(catalog, first.next, limit=100).items) == 7


@pytest.mark.parametrize(
    "other",
    [
        {"order": (Image.name,)},
        {"order": (-Image.size,)},
        {"order": (Image.size, Image.name)},
        {"order": ()},
        {"where": (Image.size > 0,)},
        {"cls": Disk},
        {"cls": Artifact, "order": (Artifact.name,)},
        {"latest": True},
    ],
    ids=str,
)
def test_a_cursor_of_another_query_is_refused(catalog, other):
    with pytest.raises(CursorError):
        page(catalog, page(catalog).next, **other)


def test_a_cursor_of_another_value_in_the_same_query_is_refused(catalog):
    with pytest.raises(CursorError):
        page(catalog, page(catalog, where=(Image.size >= 0,)).next, where=(Image.size >= -1,))


def test_a_cursor_of_another_catalogue_is_refused(catalog):
    with Catalog.open("memory:", cursor_key=KEY) as one, Catalog.open("memory:", cursor_key=KEY) as other:
        for each in (one, other):
            each.add_many(Image(name=f"n{at}", id=UUID(int=at)) for at in range(5))
        with pytest.raises(CursorError):
            page(other, page(one).next)


def test_a_cursor_is_good_only_under_its_key(opened, catalog):
    cursor = page(catalog).next
    with pytest.raises(CursorError, match="cursor_key"):
        page(opened(), cursor)
    with pytest.raises(CursorError):
        page(opened(cursor_key=KEY), cursor)


def test_a_key_that_is_shared_keeps_cursors_good(opened, catalog):
    cursor = page(opened(cursor_key=KEY)).next
    assert page(opened(cursor_key=KEY), cursor).items == page(catalog, page(catalog).next).items


@pytest.mark.parametrize("key", ["text", 5, ["k"]])
def test_a_key_is_bytes(key):
    with pytest.raises(MetastoreError):
        Catalog.open("memory:", cursor_key=key)


def test_the_last_page_has_no_cursor(catalog):
    assert page(catalog, limit=9).next is None
    assert page(catalog, limit=100).next is None
    assert page(catalog, limit=8).next is not None


def test_a_page_of_nothing_is_empty_and_the_last(catalog):
    found = page(catalog, limit=0)
    assert (found.items, found.next) == ([], None)


def test_a_page_goes_on_where_its_last_artifact_was_though_that_is_deleted(catalog):
    first = page(catalog)
    catalog.delete(first.items[-1])
    assert not {*page(catalog, first.next).items} & {*first.items}


def test_a_page_after_an_artifact_that_is_not_there_is_refused(catalog):
    with pytest.raises(CursorError):
        page(catalog, uuid4())
    with pytest.raises(CursorError):
        page(catalog, str(uuid4()))


def test_a_cursor_says_no_more_than_where_it_is(catalog):
    assert len(page(catalog).next) < 120
