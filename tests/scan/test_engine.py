"""The incremental engine, with a scanner that finds what a test says."""

import pytest

from metastore import Artifact, Catalog, Field, Link, field
from metastore.scan import Found, Problem, Scanned, run


class Part(Scanned, type_name="parts", unique=("scan_source", "scan_key")):
    size: Field[int] = field(default=1, ge=1)
    needs: Field[list[Link["Part"]]] = field(factory=list)


class Listed:
    types = (Part,)

    def __init__(self, *items, source="shelf"):
        self.items, self.source = items, source

    def scan(self, known):
        yield from self.items


def part(name, size=1, needs=()):
    return Found(Part, name, {"name": name, "size": size}, {"needs": list(needs)})


@pytest.fixture(params=["memory:", "catalog.db"])
def catalog(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Catalog.open(request.param) as catalog:
        yield catalog


def test_everything_is_added_at_first(catalog):
    report = run(catalog, Listed(part("a"), part("b")))
    assert (report.found, report.added, report.unchanged, report.gone) == (2, 2, 0, 0)
    assert catalog.count(Part) == 2


def test_a_second_scan_writes_nothing(catalog):
    scanner = Listed(part("a", needs=["b"]), part("b", needs=["a"]))
    run(catalog, scanner)
    before = catalog.stats()["changes"], catalog.get(Part, name="a")
    report = run(catalog, scanner)
    assert (report.unchanged, report.added, report.changed) == (2, 0, 0)
    assert (catalog.stats()["changes"], catalog.get(Part, name="a")) == before


def test_only_what_changed_is_updated(catalog):
    run(catalog, Listed(part("a"), part("b")))
    report = run(catalog, Listed(part("a"), part("b", size=2)))
    assert (report.changed, report.unchanged) == (1, 1)
    assert (catalog.get(Part, name="b").size, catalog.get(Part, name="b").revision) == (2, 2)


def test_a_value_that_went_away_is_a_change(catalog):
    run(catalog, Listed(Found(Part, "a", {"name": "a", "description": "old"})))
    run(catalog, Listed(Found(Part, "a", {"name": "a", "description": None})))
    assert catalog.get(Part, name="a").description is None


def test_what_people_added_survives_a_scan(catalog):
    run(catalog, Listed(part("a")))
    catalog.update(catalog.get(Part, name="a"), tags=["mine"], properties={"k": 1})
    assert run(catalog, Listed(part("a", size=9))).changed == 1
    assert (catalog.get(Part, name="a").tags, catalog.get(Part, name="a").properties) == (["mine"], {"k": 1})


def test_gone_is_reported_and_kept(catalog):
    run(catalog, Listed(part("a"), part("b")))
    report = run(catalog, Listed(part("a")))
    assert (report.gone, report.pruned, report.gone_keys) == (1, 0, ("b",))
    assert catalog.count(Part) == 2


def test_gone_is_deleted_with_prune(catalog):
    run(catalog, Listed(part("a"), part("b")))
    assert run(catalog, Listed(part("a")), prune=True).pruned == 1
    assert [each.name for each in catalog.find(Part)] == ["a"]


def test_what_came_back_after_a_prune_is_added_with_a_new_id(catalog):
    run(catalog, Listed(part("a")))
    before = catalog.get(Part, name="a").id
    run(catalog, Listed(), prune=True)
    assert run(catalog, Listed(part("a"))).added == 1
    assert catalog.get(Part, name="a").id != before


def test_another_source_is_not_gone(catalog):
    run(catalog, Listed(part("a"), source="one"))
    report = run(catalog, Listed(part("a"), source="two"), prune=True)
    assert (report.added, report.gone, catalog.count(Part)) == (1, 0, 2)


def test_links_lead_forwards_and_backwards(catalog):
    run(catalog, Listed(part("a", needs=["b"]), part("b", needs=["a"])))
    a, b = catalog.get(Part, name="a"), catalog.get(Part, name="b")
    assert (a.needs, b.needs) == ([Link(b)], [Link(a)])


def test_links_lead_to_what_an_earlier_scan_found(catalog):
    run(catalog, Listed(part("a")))
    run(catalog, Listed(part("a"), part("b", needs=["a"])))
    assert catalog.get(Part, name="b").needs == [Link(catalog.get(Part, name="a"))]


def test_links_reach_over_batches(catalog, monkeypatch):
    monkeypatch.setattr("metastore.scan._engine.BATCH", 2)
    names = [f"p{number}" for number in range(9)]
    ring = [part(name, needs=[names[(at + 5) % 9]]) for at, name in enumerate(names)]
    assert run(catalog, Listed(*ring)).added == 9
    assert catalog.count(Part, Part.needs.any(Part.name == "p0")) == 1
    assert run(catalog, Listed(*ring)).unchanged == 9


def test_links_stay_within_their_source(catalog, monkeypatch):
    monkeypatch.setattr("metastore.scan._engine.BATCH", 1)
    shelves = [Listed(part("a"), part("b", needs=["a"]), source=source) for source in ("one", "two")]
    for shelf in (*shelves, *shelves):
        run(catalog, shelf)
    for b in catalog.find(Part, Part.name == "b"):
        assert catalog.get(Part, b.needs[0].id).scan_source == b.scan_source


def test_a_batch_is_one_transaction(catalog, monkeypatch):
    messages = []
    whole = catalog.transaction
    monkeypatch.setattr(catalog, "transaction", lambda **told: messages.append(told) or whole(**told))
    run(catalog, Listed(*(part(f"p{number}") for number in range(100))))
    assert len([told for told in messages if told]) == 1


def test_one_that_does_not_fit_leaves_the_others(catalog):
    report = run(catalog, Listed(part("a"), part("b", size=-1), part("c")))
    assert (report.added, report.refused) == (2, 1)
    assert "b: " in report.problems[0].examples[0]


def test_a_key_that_is_no_text_is_refused(catalog):
    report = run(catalog, Listed(part("a"), Found(Part, "b\udcff", {"name": "b"})))
    assert (report.added, report.refused) == (1, 1)


def test_a_change_that_does_not_fit_leaves_what_was_there(catalog):
    run(catalog, Listed(part("a")))
    report = run(catalog, Listed(part("a", size=-1)), prune=True)
    assert (report.refused, report.gone, catalog.get(Part, name="a").size) == (1, 0, 1)


def test_a_change_of_what_is_active_is_told_and_the_others_are_written(catalog):
    run(catalog, Listed(part("a"), part("b")))
    catalog.activate(catalog.get(Part, name="a"))
    report = run(catalog, Listed(part("a", size=2), part("b", size=2), part("c")), prune=True)
    assert (report.refused, report.changed, report.added, report.gone) == (1, 1, 1, 0)
    assert report.problems[0].examples[0].startswith("a: size of parts is frozen")


def test_a_prune_keeps_what_is_protected_and_deletes_the_others(catalog):
    run(catalog, Listed(*(part(name) for name in "abcde")))
    catalog.update(catalog.get(Part, name="c"), protected=True)
    report = run(catalog, Listed(part("a")), prune=True)
    assert (report.gone, report.pruned) == (4, 3)
    assert [group.count for group in report.problems] == [1]
    assert {each.name for each in catalog.find(Part)} == {"a", "c"}


def test_a_key_found_twice_is_reported(catalog):
    report = run(catalog, Listed(part("a", size=1), part("a", size=2)))
    assert (report.found, catalog.get(Part, name="a").size) == (1, 1)
    assert report.problems[0].examples == ("a",)


def test_problems_are_grouped_with_a_few_examples(catalog):
    report = run(catalog, Listed(*(Problem("too odd", f"n{number}") for number in range(9)), Problem("other")))
    assert [(group.what, group.count, len(group.examples)) for group in report.problems] == [
        ("too odd", 9, 5),
        ("other", 1, 0),
    ]


def test_what_a_problem_hides_is_not_gone(catalog):
    run(catalog, Listed(part("dir/a"), part("b")))
    report = run(catalog, Listed(Problem("unreadable", "dir", keep=("dir/",))), prune=True)
    assert (report.gone_keys, catalog.count(Part)) == (("b",), 1)


@pytest.mark.parametrize("length", [440, 446, 447, 448, 511, 600])
def test_what_a_problem_hides_is_not_gone_under_a_long_prefix(catalog, length):
    prefix = "d" * length
    run(catalog, Listed(Found(Part, f"{prefix}/{'f' * 100}", {"name": "a"}), Found(Part, f"{prefix}/f", {"name": "b"})))
    assert run(catalog, Listed(Problem("unreadable", keep=(f"{prefix}/",))), prune=True).gone == 0


def test_keys_of_any_length_are_recognised_again(catalog):
    scanner = Listed(Found(Part, "k" * 5000, {"name": "a"}), Found(Part, "k" * 5001, {"name": "b"}), source="s" * 5000)
    run(catalog, scanner)
    assert run(catalog, scanner).unchanged == 2


def test_known_answers_by_the_key_that_was_asked(catalog):
    asked = {}

    class Asking(Listed):
        def scan(self, known):
            asked.update(known(Part, ["a", "k" * 5000, "none"]))
            yield from self.items

    run(catalog, Listed(part("a"), Found(Part, "k" * 5000, {"name": "long"})))
    run(catalog, Asking(part("a")))
    assert {key[:1]: each.name for key, each in asked.items()} == {"a": "a", "k": "long"}


def test_a_scan_that_breaks_keeps_whole_batches_and_takes_nothing_for_gone(catalog, monkeypatch):
    monkeypatch.setattr("metastore.scan._engine.BATCH", 2)
    run(catalog, Listed(part("old")))

    class Breaking(Listed):
        def scan(self, known):
            yield from self.items
            raise OSError("the disk went away")

    with pytest.raises(OSError, match="went away"):
        run(catalog, Breaking(part("a"), part("b"), part("c")), prune=True)
    assert {each.name for each in catalog.find(Part)} == {"old", "a", "b"}


def test_progress_counts_what_was_found(catalog):
    counts = []
    run(catalog, Listed(part("a"), part("b")), progress=counts.append)
    assert counts == [1, 2]


def test_other_types_are_left_alone(catalog):
    class Other(Artifact, type_name="others"):
        pass

    catalog.add(Other(name="mine"))
    run(catalog, Listed(part("a")), prune=True)
    assert catalog.count(Other) == 1
