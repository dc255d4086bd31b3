"""Frozen data: a constructor by its annotations, and no way to change what was made."""

import copy
import pickle  # noqa: TID251 - instances must survive it, the catalogue never uses it

import pytest

from metastore._data import EMPTY, Data, as_dict, evolve, said


class Point(Data):
    x: int
    y: int = 0
    words: tuple[str, ...] = ()


class Named(Point):
    name: str = ""


class Told(Data, kw_only=True):
    text: str = ""
    kind: str


def test_fields_are_the_annotations_in_order_those_of_a_base_first():
    assert Named.__fields__ == ("x", "y", "words", "name")
    assert as_dict(Named(1, name="n")) == {"x": 1, "y": 0, "words": (), "name": "n"}


def test_values_come_by_place_or_by_name():
    assert Point(1, 2, ("a",)) == Point(1, y=2, words=("a",)) == Point(x=1, y=2, words=("a",))


@pytest.mark.parametrize(
    ("values", "named", "told"),
    [
        ((), {}, "needs x"),
        ((1, 2, (), 4), {}, "at most 3"),
        ((1,), {"x": 2}, "'x' twice"),
        ((1,), {"z": 2}, "'z' but has no such field"),
        ((), {"y": 2}, "needs x"),
    ],
)
def test_what_the_fields_do_not_take_is_refused(values, named, told):
    with pytest.raises(TypeError, match=told):
        Point(*values, **named)


def test_names_alone_are_taken_where_the_class_says_so():
    assert Told(kind="a").text == ""
    with pytest.raises(TypeError, match="at most 0"):
        Told("a", "b")
    with pytest.raises(TypeError, match="needs kind"):
        Told(text="a")


def test_nothing_made_can_be_changed():
    point = Point(1)
    for act in (lambda: setattr(point, "x", 2), lambda: setattr(point, "z", 2), lambda: delattr(point, "x")):
        with pytest.raises(AttributeError, match="a Point cannot be changed"):
            act()
    assert point == Point(1)


def test_only_the_same_class_with_the_same_values_is_equal():
    assert Point(1) != Point(2)
    assert Point(1) != Named(1)
    assert len({Point(1), Point(1, 0), Named(1)}) == 2


def test_a_copy_and_a_pickle_are_equal():
    point = Point(1, words=("a",))
    assert copy.deepcopy(point) == copy.copy(point) == pickle.loads(pickle.dumps(point)) == point


def test_another_is_made_with_some_fields_changed():
    assert evolve(Point(1, 2), y=3) == Point(1, 3)
    with pytest.raises(TypeError, match="'z'"):
        evolve(Point(1), z=3)


def test_a_default_that_could_change_is_refused():
    with pytest.raises(TypeError, match=r"Wrong\.items: all would share"):

        class Wrong(Data):
            items: list[int] = []  # noqa: RUF012 - refused


def test_what_stands_at_its_default_is_not_said():
    assert [name for name in Point.__fields__ if said(Point(0, 0), name)] == ["x"]
    assert said(Point(1, y=False), "y")
    assert EMPTY == {}


def test_a_pattern_takes_it_apart():
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)
