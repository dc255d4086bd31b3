"""Finding: predicates, orders, pages, figures, and the queries that are refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore._artifact import Artifact, Record
from metastore._blob import Blob
from metastore._catalog import Catalog
from metastore._expr import absent, linked_from, matches, references
from metastore._link import Link
from metastore.errors import (
    CursorError,
    DuplicateError,
    QueryError,
    QuerySyntaxError,
    UnknownFieldError,
    ValidationError,
)
from metastore.query import Predicate
from metastore.testing._artifacts import artifacts, classes, questions
from metastore.testing._catalog_exam import CatalogExam
from metastore.testing._catalog_types import (
    NAN,
    SHA,
    Disk,
    Firmware,
    Hardware,
    Image,
    a_disk,
    a_note,
    image,
)
from metastore.testing._exam import few

__all__ = ["CatalogFinds"]


class CatalogFinds(CatalogExam):
    """What is found."""

    @given(data=st.data())
    @few(20)
    def test_any_question_is_answered_as_plain_python_answers(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        cls = data.draw(classes())
        given_ = data.draw(st.lists(artifacts(cls), min_size=1, max_size=5))
        with Catalog.open(self.url(tmp_path_factory.mktemp("asked")), types=[cls]) as catalog:
            stored = [each for each in given_ if _added(catalog, each)]
            for _ in range(4):
                question = data.draw(questions(cls, stored))
                expected = {each.id for each in stored if question.holds(each)}
                assert {each.id for each in catalog.find(cls, question.predicate)} == expected, question
                assert catalog.count(cls, ~question.predicate) == len(stored) - len(expected), question

    def test_predicates_of_every_kind(self, catalog: Catalog) -> None:
        disk = catalog.add(a_disk("d1"))
        base = catalog.add(
            image(
                name="Base", size=1, tags=["lts", "a b"], properties={"a.b": 1, "k": None}, description="Debian rescue"
            )
        )
        child = catalog.add(
            image(
                name="child",
                size=5,
                version="1.2.3",
                firmware=Firmware.BIOS,
                parent=Link(base),
                disks=[Link(disk)],
                hardware=Hardware(2),
            )
        )
        blob = catalog.add(
            image(
                name="blob",
                disk=Blob("s3://a/b", size=7, sha256=SHA),
                layers={"x.y": Blob("s3://c/d", size=9)},
                ratio=0.5,
            )
        )
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
            (matches("debian", Image.description), [base]),
            (matches("debian base", Image.name, Image.tags), []),
            (linked_from(Image.parent), [base]),
            (linked_from(Image.parent, Image.disks.any(Disk.name == "d1"), Image.size > 7), []),
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
        assert [(each.source, each.target, each.depth) for each in catalog.closure(top)] == [
            (top.id, middle.id, 1),
            (middle.id, base.id, 2),
        ]
        assert [each.source for each in catalog.back_links(base)] == [middle.id]
        assert len(catalog.closure(top, 1)) == 1

    def test_several_sort_keys_and_the_best_match_first(self, catalog: Catalog) -> None:
        catalog.add_many(
            image(name=name, size=size, description="word")
            for name, size in (("a", 1), ("b", 1), ("c", 2), ("word", 0))
        )
        assert [each.name for each in catalog.find(Image, order_by=[-Image.size, Image.name])] == [
            "c",
            "a",
            "b",
            "word",
        ]
        assert catalog.find(Image, matches("word")).all()[0].name == "word"
        by_text = catalog.find(
            Image, matches("word", Image.description), matches("word", Image.tags, Image.description)
        )
        assert [each.name for each in by_text] == ["a", "b", "c", "word"]
        assert [each.name for each in catalog.find(Image, order_by=[Image.name], limit=2)] == ["a", "b"]

    def test_pages_go_on_where_the_last_one_ended(self, catalog: Catalog) -> None:
        catalog.add_many(
            image(name=f"n{at:02}", size=at // 4, properties={"k": (None, True, 1, "x")[at % 4]}) for at in range(23)
        )
        orders: tuple[list[Any], ...] = (
            [Image.size],
            [-Image.size, Image.name],
            [],
            [Image.properties["k"]],
            [-Image.version],
            [Image.name.folded],
        )
        for order in orders:
            expected = [each.id for each in catalog.find(Image, order_by=order)]
            assert self._walked(catalog, order) == expected, order

    def test_pages_of_a_search_in_some_fields_go_on_by_the_rank_in_these(self, catalog: Catalog) -> None:
        catalog.add_many(
            image(name=f"{'ab'[at % 2]} {at}", description="a" if at % 3 else None, tags=["a"] if at % 4 else [])
            for at in range(24)
        )
        asked = matches("a", Image.description, Image.tags)
        every = catalog.find(Image, asked).all()
        assert [2 * bool(each.tags) + (each.description == "a") for each in every] == [3] * 12 + [2] * 6 + [1] * 4
        assert self._walked(catalog, [], asked) == [each.id for each in every]

    def _walked(self, catalog: Catalog, order: list[Any], *predicates: Predicate) -> list[UUID]:
        seen, cursor = list[UUID](), None
        for _ in range(30):
            page = catalog.find(Image, *predicates, order_by=order, limit=5, after=cursor).page()
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
        assert [str(each.version) for each in catalog.find(Image, Image.version < "1.10.0", latest=True)] == [
            "1.9.0"
        ] * 2

    def test_figures_facets_and_projections(self, catalog: Catalog) -> None:
        arches = ("x86_64", "aarch64", "x86_64")
        catalog.add_many(
            image(name=f"n{at}", size=at, arch=arch, tags=["t"] * (at > 0)) for at, arch in enumerate(arches)
        )
        found = catalog.find(Image, order_by=[Image.name])
        assert (found.count(), len(found.all()), found.first()) == (3, 3, found.all()[0])
        assert found.facets(Image.arch, Image.tags) == {"arch": {"x86_64": 2, "aarch64": 1}, "tags": {"t": 2}}
        assert found.aggregate(by=[Image.arch], n="count", total=("sum", Image.size)) == [
            {"arch": "aarch64", "n": 1, "total": 1},
            {"arch": "x86_64", "n": 2, "total": 2},
        ]
        assert list(found.select(Image.name, Image.size)) == [("n0", 0), ("n1", 1), ("n2", 2)]

    def test_a_sum_that_no_float_holds_is_refused(self, catalog: Catalog) -> None:
        catalog.add_many(image(name=f"n{at}", ratio=1.7e308, size=at) for at in range(2))
        found = catalog.find(Image)
        with pytest.raises(QueryError):
            found.aggregate(total=("sum", Image.ratio))
        assert found.aggregate(by=[Image.size], total=("sum", Image.ratio)) == [
            {"size": at, "total": 1.7e308} for at in range(2)
        ]

    def test_a_query_runs_when_it_is_used_and_its_repr_does_not(self, catalog: Catalog) -> None:
        found = catalog.find(Image)
        assert "exam_images" in repr(found)
        catalog.add(image())
        assert len(found.all()) == len(list(found)) == 1

    def test_a_predicate_has_no_truth_value(self) -> None:
        one: Any = Image.size > 1  # a checker would refuse some of these
        for use in (
            lambda: bool(one),
            lambda: one and (Image.size < 2),
            lambda: not one,
            lambda: 1 if one else 2,
            lambda: bool(Image.size),
        ):
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


def _added(catalog: Catalog, each: Record) -> bool:
    try:
        catalog.add(each)
    except DuplicateError:
        return False
    return True
