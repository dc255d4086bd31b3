"""The tail of a type in SQLite: rows that its full text has not yet are found like all others."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore import Artifact, Blob, Catalog, Field, field, matches, references
from metastore_sqlite import _full_text


class Paper(Artifact, type_name="papers"):
    title: Field[str] = field(default="", search=3)
    topics: Field[list[str]] = field(factory=list, search=2)
    scan: Field[Blob | None] = field(default=None)
    pages: Field[dict[str, Blob]] = field(factory=dict)


def later():
    """Return the type as a newer program declares it."""

    class Later(Artifact, type_name="papers"):
        title: Field[str] = field(default="", search=3)
        topics: Field[list[str]] = field(factory=list, search=2)
        scan: Field[Blob | None] = field(default=None)
        pages: Field[dict[str, Blob]] = field(factory=dict)
        summary: Field[str] = field(default="", search=1)
        cover: Field[Blob | None] = field(default=None)

    return Later


WORDS = (
    "rescue",
    "Straße",
    "ﬁn",
    "x",
    "x_1",
    "größe",
    "7",
    "大きさ",
    'a"b',
    "back\\slash",
    "line\nbreak",
    "e\u0301",
    "\u0301",
    "w" * 300,
)
TEXT = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join) | st.text(max_size=6).filter(
    lambda each: "\0" not in each
)
PLACES = ("s3://b/1", "s3://b/12", 's3://b/"q"', "s3://b/ü", "file:///a%20b")
DIGESTS = ("ab" * 32, "cd" * 32)
BLOBS = st.builds(Blob, st.sampled_from(PLACES), sha256=st.sampled_from(DIGESTS))
PAPERS = st.builds(
    Paper,
    name=st.text("ab", min_size=1, max_size=8),
    title=TEXT,
    topics=st.lists(TEXT, max_size=2),
    scan=st.none() | BLOBS,
    pages=st.dictionaries(st.sampled_from(["p", "s3://b/1"]), BLOBS, max_size=2),
)
ASKED = TEXT.map(matches) | st.builds(lambda text: matches(text, Paper.title, Paper.name), TEXT)
REFERRED = [
    *(references(each) for each in (*PLACES, *(f"sha256:{each}" for each in DIGESTS), "s3://b", "sha256:ab")),
    *(Paper.scan.url == each for each in PLACES),
    *(Paper.scan.sha256 == each for each in DIGESTS),
]


def told(path):
    """Return the number of the last row that full text has."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT last FROM _indexed WHERE type = 'papers'").fetchone()[0]


@pytest.fixture
def three(monkeypatch):
    """Three rows may be pending."""
    monkeypatch.setattr(_full_text, "PENDING", 3)


@pytest.fixture
def catalog(tmp_path, three):
    with Catalog.open(f"{tmp_path}/c.db", types=[Paper]) as catalog:
        yield catalog


def test_full_text_follows_a_few_rows_at_a_time(catalog, tmp_path):
    seen = []
    for number in range(9):
        catalog.add(Paper(name=f"p{number}", title="rescue"))
        seen.append(told(f"{tmp_path}/c.db"))
        assert catalog.count(Paper, matches("rescue")) == number + 1
    assert seen == [0, 0, 0, 4, 4, 4, 4, 8, 8]


def test_what_comes_in_bulk_is_taken_in_at_once_with_what_was_pending(catalog, tmp_path):
    catalog.add(Paper(name="before", title="rescue"))
    catalog.add_many(Paper(name=f"p{number}", title="rescue") for number in range(20))
    assert told(f"{tmp_path}/c.db") == 21
    assert catalog.count(Paper, matches("rescue")) == 21
    assert catalog.check() == []


@given(
    papers=st.lists(PAPERS, max_size=5, unique_by=lambda each: each.name), asked=st.lists(ASKED, min_size=1, max_size=4)
)
def test_pending_rows_are_found_as_those_that_full_text_has(tmp_path_factory, papers, asked):
    usual = _full_text.PENDING
    answers = []
    try:
        for _full_text.PENDING in (0, 100):
            with Catalog.open(str(tmp_path_factory.mktemp("pending") / "c.db"), types=[Paper]) as catalog:
                for each in papers:
                    catalog.add(each)
                ranked = [[each.id for each in catalog.find(Paper, one, limit=3)] for one in asked]
                among = [{each.id for each in catalog.find(Paper, one | (Paper.name == "a"))} for one in asked]
                refused = [catalog.count(Paper, ~one) for one in asked]
                bearing = [[each.id for each in catalog.find(Paper, one)] for one in REFERRED]
                answers.append((ranked, among, refused, bearing))
                assert catalog.check() == []
    finally:
        _full_text.PENDING = usual
    assert answers[0] == answers[1]


@pytest.mark.parametrize("pending", [0, 100])
def test_a_word_is_found_whole_beside_others_that_it_is_a_part_of(tmp_path, monkeypatch, pending):
    monkeypatch.setattr(_full_text, "PENDING", pending)
    with Catalog.open(f"{tmp_path}/c.db", types=[Paper]) as catalog:
        for number, (title, topics) in enumerate(
            [("x_1 rescue", []), ("", ["x", "rescue w" + "w" * 400]), ("RESCUED X", ["größe"])]
        ):
            catalog.add(Paper(name=f"p{number}", title=title, topics=topics))
        asked = ["x rescue", "x", "rescue", "x_1", "GRÖSSE x", "größe X", "w" * 401, "w" * 300, "resc", "p2 rescued"]
        found = [[each.name for each in catalog.find(Paper, matches(each), limit=9)] for each in asked]
    assert found == [["p1"], ["p2", "p1"], ["p0", "p1"], ["p0"], ["p2"], ["p2"], ["p1"], ["p1"], [], ["p2"]]


def test_a_pending_row_that_changes_or_goes_leaves_nothing_behind(catalog):
    first, second = (catalog.add(Paper(name=each, title="rescue", scan=Blob("s3://b/1"))) for each in "ab")
    catalog.update(first, title="other", scan=Blob("s3://b/2"))
    catalog.delete(second)
    assert [catalog.count(Paper, matches(each)) for each in ("rescue", "other")] == [0, 1]
    catalog.add_many(Paper(name=f"p{number}") for number in range(9))
    assert [catalog.count(Paper, matches(each)) for each in ("rescue", "other")] == [0, 1]
    assert [catalog.count(Paper, references(each)) for each in ("s3://b/1", "s3://b/2")] == [0, 1]
    assert catalog.check() == []


def test_the_number_of_a_row_that_is_gone_is_taken_by_no_other_that_is_pending(catalog):
    stored = [catalog.add(Paper(name=f"p{number}", title="rescue")) for number in range(4)]
    for each in stored:
        catalog.delete(each)
    catalog.add(Paper(name="new", title="rescue"))
    assert [each.name for each in catalog.find(Paper, matches("rescue"))] == ["new"]
    assert catalog.check() == []


def test_what_is_undone_is_pending_again(catalog, tmp_path):
    catalog.add(Paper(name="kept", title="rescue"))
    with pytest.raises(ZeroDivisionError), catalog.transaction():
        catalog.add_many(Paper(name=f"p{number}", title="rescue") for number in range(9))
        raise ZeroDivisionError
    assert told(f"{tmp_path}/c.db") == 0
    assert catalog.count(Paper, matches("rescue")) == 1
    assert catalog.check() == []


def test_who_knows_an_older_declaration_takes_rows_in_by_the_newer(catalog, tmp_path):
    newer = later()
    with Catalog.open(f"{tmp_path}/c.db", types=[newer]) as other:
        other.add(newer(name="new", summary="rescue"))
        for number in range(5):
            catalog.add(Paper(name=f"p{number}", title="old"))
        assert told(f"{tmp_path}/c.db") == 4
        assert [each.name for each in other.find(newer, matches("rescue"))] == ["new"]
        assert other.check() == []


def test_many_that_fit_are_ranked_with_those_that_are_pending(catalog, tmp_path):
    catalog.add_many(Paper(name=f"p{number:03}", title="rescue") for number in range(200))
    catalog.add(Paper(name="rescue", title="rescue"))
    assert told(f"{tmp_path}/c.db") == 200
    found = [each.name for each in catalog.find(Paper, matches("rescue"), limit=3)]
    assert found == ["rescue", "p000", "p001"]


class Plain(Artifact, type_name="plain"):
    pass


@pytest.mark.parametrize("count", range(2, 9))
def test_rows_that_are_pending_change_together_where_sqlite_knows_how_many_there_are(tmp_path, count):
    path = f"{tmp_path}/catalog.db"
    with Catalog.open(path, types=[Plain]) as catalog:
        catalog.add_many(Plain(name=f"{n}") for n in range(count))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ANALYZE")
    with Catalog.open(path, types=[Plain]) as catalog:
        assert catalog.update_many(Plain, description="new words") == count
        assert catalog.count(Plain, matches("new")) == count
        assert catalog.check() == []


@pytest.mark.parametrize("many", [1, 300])
@pytest.mark.parametrize("url", ["{}/c.db", "memory:{}"])
def test_who_read_a_type_before_it_was_widened_finds_by_what_it_knows(tmp_path, three, url, many):
    newer, asked = later(), [matches("rescue"), matches("fresh"), matches("rescue fresh")]
    asked += [references("s3://b/1"), references("s3://b/2")]
    with Catalog.open(url.format(tmp_path)) as catalog, Catalog.open(url.format(tmp_path)) as other:
        catalog.add(Paper(name="first"))
        told = {"title": "rescue", "summary": "fresh", "scan": Blob("s3://b/1"), "cover": Blob("s3://b/2")}
        other.add_many(newer(name=f"{n}", **told) for n in range(many))
        for more in (0, 9):  # after which none of those is pending
            other.add_many(newer(name=f"none {n}") for n in range(more))
            assert [catalog.find(Paper, each).count() for each in asked] == [many, 0, 0, many, 0]
            assert [len(catalog.find(Paper, each).all()) for each in asked] == [many, 0, 0, many, 0]
            assert [other.find(newer, each).count() for each in asked] == [many] * 5
