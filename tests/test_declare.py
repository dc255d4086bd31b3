"""Declaring types: what every annotation means, and how each wrong declaration is named."""

from __future__ import annotations

import copy
import enum
import math
import pickle  # noqa: TID251 - instances must survive it, the catalogue never uses it
import sys
import types
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

import attrs
import pytest
from attrs import frozen

from metastore import Artifact, Blob, Catalog, Field, Link, Record, Version, field, make_type, spec_of
from metastore.errors import DeclarationError, NotStoredError, UnknownFieldError, ValidationError, VersionError


class Arch(enum.Enum):
    X86 = "x86_64"
    ARM = "aarch64"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@frozen
class Hardware:
    cores: int
    note: str | None = None
    ports: list[int] = attrs.field(factory=list)


class Image(Artifact, type_name="declared_images"):
    """An image."""

    size: Field[int] = field(default=0, ge=0)
    disk: Field[Blob | None] = field(default=None)
    parent: Field[Link[Image] | None] = field(default=None)
    next: Field[Link[Later] | None] = field(default=None)


class Later(Artifact, type_name="declared_laters"):
    """Declared after what links to it."""

    images: Field[list[Link[Image]]] = field(factory=list)


def declared(hint, *, type_name="declared", given=None, cls_name="Wrong", bases=(Artifact,), **keywords):
    """Declare a class with one field ``thing`` of that hint."""
    body = {"thing": field() if given is None else given, "__annotations__": {"thing": hint}, "__module__": __name__}
    return types.new_class(
        cls_name, bases, {"type_name": type_name, **keywords}, lambda namespace: namespace.update(body)
    )


def with_spec(cls):
    return spec_of(cls).by_name["thing"]


# --- what annotations mean ---


@pytest.mark.parametrize(
    ("hint", "kind"),
    [
        (bool, "bool"),
        (int, "int"),
        (float, "float"),
        (str, "str"),
        (datetime, "datetime"),
        (Version, "version"),
        (UUID, "id"),
        (Blob, "blob"),
        (dict[str, Blob], "folder"),
        (Link[Image], "link"),
        (list[Link[Image]], "list"),
        (list[str], "list"),
        (dict[str, list[int]], "dict"),
        (dict[str, Any], "dict"),
        (Arch, "str"),
        (Level, "int"),
        (Literal["a", "b"], "str"),
        (Literal[1, 2], "int"),
        (Hardware, "object"),
        (list[Hardware], "list"),
    ],
)
def test_every_kind_can_be_declared_with_and_without_none(hint, kind):
    plain, optional = with_spec(declared(Field[hint])), with_spec(declared(Field[hint | None]))
    assert (plain.kind, plain.optional) == (kind, False)
    assert (optional.kind, optional.optional) == (kind, True)


def test_a_spec_keeps_the_values_of_enums_and_the_parts_of_nested_classes():
    assert with_spec(declared(Field[Arch])).choices == ("x86_64", "aarch64")
    parts = with_spec(declared(Field[Hardware])).fields
    assert [(each.name, each.kind, each.optional, each.required) for each in parts] == [
        ("cores", "int", False, True),
        ("note", "str", True, False),
        ("ports", "list", False, False),
    ]


def test_a_name_may_be_missing_where_the_type_derives_from_record():
    class Bare(Record, type_name="declared_bare"):
        pass

    assert "name" not in spec_of(Bare).by_name
    assert spec_of(Bare).unique == ()
    assert Bare().revision == 0


def test_a_class_variable_is_no_field():
    class Counted(Artifact, type_name="declared_counted"):
        made: ClassVar[int] = 3
        limit = 5

        def double(self):
            return self.made * 2

    assert (Counted.made, Counted.limit, Counted(name="a").double()) == (3, 5, 6)
    assert not {"made", "limit", "double"} & set(spec_of(Counted).by_name)


# --- links, scopes and postponed annotations ---


def test_links_lead_to_itself_and_to_what_is_declared_later():
    assert spec_of(Image).by_name["parent"].target == "declared_images"
    assert spec_of(Image).by_name["next"].target == "declared_laters"
    assert spec_of(Later).by_name["images"].item.target == "declared_images"


def test_classes_of_a_function_may_link_to_each_other():
    class Left(Artifact, type_name="declared_left"):
        other: Field[Link[Right] | None] = field(default=None)

    class Right(Artifact, type_name="declared_right"):
        others: Field[list[Link[Left]]] = field(factory=list)

    assert spec_of(Left).by_name["other"].target == "declared_right"
    assert spec_of(Right).by_name["others"].item.target == "declared_left"


def test_two_functions_may_use_one_name_for_two_classes():
    def one():
        class Owner(Artifact, type_name="declared_one_owner"):
            pet: Field[Link[Pet] | None] = field(default=None)

        class Pet(Artifact, type_name="declared_one_pet"):
            pass

        return Owner

    def other():
        class Pet(Artifact, type_name="declared_other_pet"):
            pass

        return Pet

    owner = one()
    other()
    assert spec_of(owner).by_name["pet"].target == "declared_one_pet"


def test_local_enums_and_nested_classes_are_found_in_text_annotations():
    class Colour(enum.Enum):
        RED = "red"

    @frozen
    class Part:
        colour: str

    class Thing(Artifact, type_name="declared_local"):
        colour: Field[Colour] = field(default=Colour.RED)
        parts: Field[list[Part]] = field(factory=list)
        either: Field[Literal["a", "b"]] = field(default="a")

    with Catalog.open("memory:") as catalog:
        stored = catalog.add(Thing(name="a", parts=[Part("blue")]))
    assert (stored.colour, stored.parts) == (Colour.RED, [Part("blue")])


def test_a_class_inside_the_class_body_is_found_in_text_annotations():
    class Thing(Artifact, type_name="declared_inner"):
        class Colour(enum.Enum):
            RED = "red"

        colour: Field[Colour] = field(default=Colour.RED)

    assert spec_of(Thing).by_name["colour"].choices == ("red",)


def test_a_mix_in_from_another_module_may_have_a_subclass_hook():
    module = types.ModuleType("declared_elsewhere")
    sys.modules[module.__name__] = module
    source = """
from metastore import Artifact
class Hooked(Artifact):
    def __init_subclass__(cls, **keywords):
        super().__init_subclass__(**keywords)
        cls.hooked = True
"""
    exec(source, module.__dict__)

    class Thing(module.Hooked, type_name="declared_hooked"):
        arch: Field[Arch] = field(default=Arch.ARM)

    assert Thing.hooked
    assert spec_of(Thing).by_name["arch"].choices == ("x86_64", "aarch64")


def test_a_link_to_a_class_that_is_not_declared_is_refused_at_first_use():
    class Lost(Artifact, type_name="declared_lost"):
        other: Field[Link[Nowhere] | None] = field(default=None)  # noqa: F821 - that is what is refused

    with pytest.raises(DeclarationError, match=r"Lost\.other.*'Nowhere'"):
        spec_of(Lost)


@pytest.mark.parametrize("target", [int, Hardware, Arch])
def test_a_link_to_what_is_no_artifact_is_refused(target):
    with pytest.raises(DeclarationError, match=r"Wrong\.thing"):
        spec_of(declared(Field[Link[target]]))


def test_a_class_declared_again_takes_the_place_of_the_first():
    def cell():
        class Note(Artifact, type_name="declared_notes"):
            text: Field[str] = field(default="")
            parent: Field[Link[Note] | None] = field(default=None)

        return Note

    first, second = cell(), cell()
    with Catalog.open("memory:") as catalog:
        old = catalog.add(first(name="a"))
        new = catalog.add(second(name="b", parent=Link(old)))
        assert [type(each) for each in catalog.find(second)] == [second, second]
        assert catalog.find(second, second.parent.name == "a").one() == new
        assert catalog.get(first, old.id) == catalog.get(second, old.id)


# --- inheritance ---


def test_mix_ins_bring_their_fields():
    class Sized(Record):
        size: Field[int] = field(default=1, ge=1)

    class Located(Record):
        place: Field[str] = field(default="here")

    class Crate(Sized, Located, Artifact, type_name="declared_crates"):
        weight: Field[int] = field(default=0)

    crate = Crate(name="a", size=5)
    assert (crate.size, crate.place, crate.weight) == (5, "here", 0)
    assert {"size", "place", "weight", "name"} <= set(spec_of(Crate).by_name)


def test_a_subclass_is_a_type_of_its_own():
    class Special(Image, type_name="declared_special"):
        extra: Field[int] = field(default=1)

    with Catalog.open("memory:") as catalog:
        catalog.add(Special(name="a", size=3))
        assert (catalog.count(Image), catalog.count(Special), catalog.count(Special, Special.size == 3)) == (0, 1, 1)


def test_a_subclass_without_a_type_name_is_abstract():
    class Abstract(Image):
        extra: Field[int] = field(default=1)

    with pytest.raises(DeclarationError, match="Abstract is abstract"):
        spec_of(Abstract)


def test_choices_given_as_a_set_have_one_order_in_every_process():
    letters = "zyxwvutsrqponmlkjihgfedcba"  # in how many orders a set has them depends on the process
    assert with_spec(declared(Field[str], given=field(choices={*letters}))).choices == tuple(sorted(letters))


def test_a_constructor_of_its_own_is_told_how_to_call_that_of_the_fields():
    class Own(Artifact, type_name="declared_own"):
        def __init__(self, name, made):
            made(self)(name=name)

    with pytest.raises(DeclarationError, match=r"Own has an __init__ of its own .* __attrs_init__"):
        Own("a", lambda own: super(Own, own).__init__)
    assert Own("a", lambda own: own.__attrs_init__).name == "a"


class Bay(Artifact, type_name="declared_bays"):
    arch: Field[Literal["a", "b"]] = field(default="a")
    grade: Field[str] = field(default="a", choices=("a", "b"))
    image: Field[Link[Image] | None] = field(default=None)
    images: Field[list[Link[Image]]] = field(factory=list)
    beside: Field[Link[Bay] | None] = field(default=None)
    anything: Field[Link[Record] | None] = field(default=None)


def redeclared(name, hint, given):
    return types.new_class(
        "Wrong", (Bay,), {}, lambda body: body.update({name: given, "__annotations__": {name: hint}})
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("arch", Literal["a", "b", "c"]),
        ("arch", str),
        ("image", Link[Record] | None),
        ("image", Link[Bay] | None),
        ("images", list[Link[Record]]),
    ],
    ids=str,
)
def test_a_subclass_does_not_loosen_choices_or_where_a_link_leads(name, hint):
    with pytest.raises(DeclarationError, match=rf"Wrong\.{name}: a subclass cannot loosen"):
        redeclared(name, Field[hint], field())


@pytest.mark.parametrize(
    ("name", "hint"),
    [("arch", Literal["b"]), ("grade", str), ("beside", Link[Bay] | None), ("anything", Link[Image] | None)],
    ids=str,
)
def test_a_subclass_narrows_a_type_and_sets_its_constraints_anew(name, hint):
    assert redeclared(name, Field[hint], field()).__fields_by_name__[name].hint == hint


def test_a_subclass_may_narrow_an_inherited_field_but_not_loosen_it():
    class Narrow(Image, type_name="declared_narrow"):
        size: Field[int] = field(default=5, ge=5)

    assert spec_of(Narrow).by_name["size"].ge == 5
    for wrong in (int | None, float, str):
        with pytest.raises(DeclarationError, match=r"Wrong\.size"):
            types.new_class(
                "Wrong",
                (Image,),
                {},
                lambda body, hint=wrong: body.update(size=field(), __annotations__={"size": Field[hint]}),
            )


def test_unique_scope_and_scheme_are_inherited():
    class Base(Artifact, unique=("name",), scheme="pep440"):
        pass

    class Child(Base, type_name="declared_child"):
        pass

    assert (spec_of(Child).unique, str(Child(name="a", version="1.0.DEV1").version)) == (("name",), "1.0.dev1")


# --- wrong declarations ---

WRONG_HINTS = {
    "no field": int,
    "a tuple": Field[tuple[int, ...]],
    "a set": Field[set[int]],
    "bytes": Field[bytes],
    "a bare list": Field[list],
    "a bare dict": Field[dict],
    "two kinds": Field[int | str],
    "two kinds or none": Field[int | str | None],
    "keys that are no text": Field[dict[int, str]],
    "a mixed literal": Field[Literal["a", 1]],
    "a literal of bools": Field[Literal[True, False]],
    "a literal with none": Field[Literal["a", None]],  # noqa: PYI061 - that is what is refused
    "blobs in a list": Field[list[Blob]],
    "links in a dict": Field[dict[str, Link[Image]]],
    "absent links in a list": Field[list[Link[Image] | None]],
    "a list of lists of links": Field[list[list[Link[Image]]]],
    "an unknown name": "Field[Nowhere]",
    "no annotation to read": "Field[",
    "a plain class": Field[object],
    "a complex": Field[complex],
    "none alone": Field[None],
    "an artifact": Field[Image],
    "anything": Field[Any],
    "a literal that is no text to keep": Field[Literal["\ud800"]],
    "a literal beyond 64 bits": Field[Literal[2**63]],  # type: ignore[valid-type]
}


@pytest.mark.parametrize("wrong", WRONG_HINTS)
def test_a_wrong_annotation_fails_at_class_creation_and_names_the_field(wrong):
    with pytest.raises(DeclarationError, match="Wrong" if wrong == "no annotation to read" else r"Wrong\.thing"):
        declared(WRONG_HINTS[wrong])


WRONG_OPTIONS = [
    (str, {"ge": 1}),
    (bool, {"le": 1}),
    (int, {"pattern": "a"}),
    (int, {"max_length": 3}),
    (int, {"unique_items": True}),
    (str, {"min_items": 1}),
    (str, {"allowed_keys": ("a",)}),
    (list[int], {"required_keys": ("a",)}),
    (int, {"max_size": 1}),
    (Blob, {"max_total_size": 1}),
    (int, {"folded": True}),
    (int, {"search": 1}),
    (str, {"scheme": "semver"}),
    (float, {"choices": (1.0,)}),
    (Version, {"scheme": "roman"}),
    (str, {"search": -1}),
    (str, {"search": 101}),
    (str, {"search": True}),
    (list[int], {"search": 1}),
    (str, {"index": True}),
    (str, {"index": True, "max_length": 513}),
    (list[Hardware], {"index": True}),
    (dict[str, int], {"index": True}),
    (Blob, {"index": True}),
    (str, {"pattern": "("}),
    (str, {"pattern": 3}),
    (int, {"ge": 2, "le": 1}),
    (int, {"ge": 2, "lt": 2}),
    (int, {"gt": 2, "lt": 2}),
    (int, {"ge": "2"}),
    (int, {"ge": True}),
    (int, {"le": 2**70}),
    (float, {"ge": math.nan}),
    (float, {"le": math.inf}),
    (datetime, {"ge": datetime(2024, 1, 1)}),
    (datetime, {"ge": "2024"}),
    (str, {"min_length": 3, "max_length": 2}),
    (str, {"min_length": -1}),
    (str, {"max_length": 1.5}),
    (str, {"max_length": True}),
    (list[int], {"min_items": 3, "max_items": 2}),
    (int, {"choices": ("a",)}),
    (str, {"choices": (1,)}),
    (str, {"choices": "abc"}),
    (Arch, {"choices": ("riscv",)}),
    (dict[str, int], {"allowed_keys": "cpu"}),
    (dict[str, int], {"required_keys": ("a",), "allowed_keys": ("b",)}),
    (int, {"mutable": 1}),
    (int, {"index": "yes"}),
    (str, {"folded": 1}),
    (list[int], {"unique_items": 1}),
    (int, {"unit": 5}),
    (int, {"description": b"a"}),
    (int, {"description": "\ud800"}),
    (str, {"pattern": "\ud800"}),
    (Version, {"scheme": 5}),
    (str, {"choices": 5}),
    (str, {"required_for": 5}),
    (str, {"required_for": (5,)}),
    (dict[str, int], {"allowed_keys": 5}),
    (dict[str, int], {"required_keys": ("\0",)}),
]


@pytest.mark.parametrize(("hint", "options"), WRONG_OPTIONS, ids=str)
def test_a_wrong_option_fails_at_class_creation_and_names_the_field(hint, options):
    with pytest.raises(DeclarationError, match=r"Wrong\.thing"):
        declared(Field[hint], given=field(**options))


WRONG_DEFAULTS = [
    (int, "a", {}),
    (int, -1, {"ge": 0}),
    (int, None, {}),
    (int, True, {}),
    (int, 2**63, {}),
    (float, math.nan, {}),
    (str, "abc", {"max_length": 2}),
    (str, "A", {"pattern": "[a-z]"}),
    (str, "\ud800", {}),
    (Arch, "z80", {}),
    (Literal["a"], "b", {}),
    (datetime, datetime(2024, 1, 1), {}),
    (datetime, "2024", {}),
    (Version, "no version", {}),
    (list[int], [1], {}),
    (dict[str, int], {}, {}),
    (Hardware, Hardware(1), {}),
    (bool, 1, {}),
]


@pytest.mark.parametrize(("hint", "default", "options"), WRONG_DEFAULTS, ids=str)
def test_a_default_that_its_field_refuses_fails_at_class_creation(hint, default, options):
    with pytest.raises(DeclarationError, match=r"Wrong\.thing"):
        declared(Field[hint], given=field(default=default, **options))


WRONG_FACTORIES = [
    (list[str], list, {"min_items": 1}),
    (dict[str, int], dict, {"required_keys": ("a",)}),
    (dict[str, Blob], dict, {"min_items": 1}),
    (list[int], dict, {}),
    (int, list, {}),
]


@pytest.mark.parametrize(("hint", "factory", "options"), WRONG_FACTORIES, ids=str)
def test_an_empty_default_that_its_field_refuses_fails_at_class_creation(hint, factory, options):
    with pytest.raises(DeclarationError, match=r"Wrong\.thing: the default does not fit"):
        declared(Field[hint], given=field(factory=factory, **options))


def test_a_default_and_a_factory_are_one_too_many():
    with pytest.raises(DeclarationError, match="default or a factory"):
        field(default=1, factory=int)


@pytest.mark.parametrize("name", ["Size", "_size", "si__ze", "größe", "x" * 64, "self", "1a"])
def test_a_field_name_that_no_store_can_keep_is_refused(name):
    with pytest.raises(DeclarationError, match=name):
        types.new_class(
            "Wrong", (Artifact,), {}, lambda body: body.update({name: field(), "__annotations__": {name: Field[int]}})
        )


@pytest.mark.parametrize("name", sorted(set(Artifact.__fields_by_name__) - {"name"}))
def test_the_names_of_system_fields_are_reserved(name):
    with pytest.raises(DeclarationError, match=f"Wrong.{name}.*system field"):
        types.new_class(
            "Wrong", (Artifact,), {}, lambda body: body.update({name: field(), "__annotations__": {name: Field[str]}})
        )


@pytest.mark.parametrize(
    "value", [3, None, lambda self: 1, property(lambda self: 1)], ids=["int", "none", "method", "property"]
)
@pytest.mark.parametrize("name", ["tags", "size"])
def test_an_attribute_that_hides_an_inherited_field_is_refused(name, value):
    with pytest.raises(DeclarationError, match=f"Wrong.{name}"):
        types.new_class("Wrong", (Image,), {}, lambda body: body.update({name: value}))


@pytest.mark.parametrize(
    "type_name", ["", "Images", "1a", "a-b", "a b", "a" * 49, "é", "_a", 5, "a\n", "a;drop", "sqlite_a"]
)
def test_a_wrong_type_name_is_refused(type_name):
    with pytest.raises(DeclarationError, match="type_name"):
        declared(Field[int], type_name=type_name)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"scheme": "roman"}, "roman"),
        ({"unique": ("nmae",)}, "did you mean 'name'"),
        ({"unique": "name"}, "unique"),
        ({"unique": ("name", "name")}, "name"),
        ({"unique": ("revision",)}, "revision"),
        ({"unique": ("created_at",)}, "created_at"),
        ({"typ_name": "x"}, "type_name"),
    ],
    ids=str,
)
def test_a_wrong_class_keyword_is_refused(keywords, words):
    with pytest.raises(DeclarationError, match=words):
        declared(Field[int], **keywords)


def test_a_field_without_an_annotation_is_refused():
    with pytest.raises(DeclarationError, match=r"Wrong\.size"):
        types.new_class("Wrong", (Artifact,), {}, lambda body: body.update(size=field()))


def test_an_annotation_without_a_field_is_refused():
    with pytest.raises(DeclarationError, match=r"Wrong\.size"):
        types.new_class("Wrong", (Artifact,), {}, lambda body: body.update(__annotations__={"size": Field[int]}))


def test_a_mix_in_that_is_no_record_is_refused():
    class Plain:
        size: Field[int] = field(default=1)

    with pytest.raises(DeclarationError, match="size"):
        types.new_class("Wrong", (Plain, Artifact), {"type_name": "declared_plain"})


@frozen
class Endless:
    inside: Endless | None = None


@frozen
class Computed:
    one: int
    two: int = attrs.field(init=False, default=2)


@pytest.mark.parametrize("nested", [Endless, Computed])
def test_a_nested_class_that_cannot_be_read_back_is_refused(nested):
    with pytest.raises(DeclarationError, match=r"Wrong\.thing"):
        declared(Field[nested])


# --- instances ---


def test_instances_are_frozen():
    image = Image(name="a")
    for change in (
        lambda: setattr(image, "size", 1),
        lambda: delattr(image, "size"),
        lambda: setattr(image, "colour", 1),
        lambda: setattr(image, "revision", 5),
    ):
        with pytest.raises(AttributeError):
            change()


def test_instances_are_equal_and_hashed_by_id_and_revision():
    image = Image(name="a")
    same = attrs.evolve(image, name="b")
    assert (image == same, hash(image) == hash(same), len({image, same})) == (True, True, 1)
    assert image != Image(name="a")
    assert image != image.id
    with Catalog.open("memory:") as catalog:
        assert catalog.add(image) != image


def test_instances_survive_copies_and_pickles():
    with Catalog.open("memory:") as catalog:
        stored = catalog.add(Image(name="a", disk=Blob("s3://a/b", size=1), tags=["x"], properties={"a": [1]}))
    for again in (copy.copy(stored), copy.deepcopy(stored), pickle.loads(pickle.dumps(stored))):
        assert (again, vars(again)) == (stored, vars(stored))


def test_a_deep_copy_shares_nothing_that_can_change():
    image = Image(name="a", tags=["x"])
    copy.deepcopy(image).tags.append("y")
    assert image.tags == ["x"]


def test_each_instance_has_lists_and_ids_of_its_own():
    one, two = Image(name="a"), Image(name="a")
    assert one.tags is not two.tags
    assert one.id < two.id


def test_the_constructor_takes_names_only_and_only_known_ones():
    for wrong in (
        lambda: Image("a"),
        Image,
        lambda: Image(name="a", sise=1),
        lambda: Image(name="a", revision=5),
        lambda: Image(name="a", created_at=None),
    ):
        with pytest.raises(TypeError):
            wrong()


def test_the_constructor_takes_a_version_and_an_id_as_text():
    image = Image(name="a", version="1.2.3-rc.1", id="0190a6e0-0000-7000-8000-000000000001")
    assert (image.version, image.id) == (Version("1.2.3-rc.1"), UUID("0190a6e0-0000-7000-8000-000000000001"))


@pytest.mark.parametrize(
    ("name", "wrong", "error"),
    [
        ("version", "1.0", VersionError),
        ("version", "", VersionError),
        ("id", "no id", ValidationError),
        ("id", "", ValidationError),
    ],
)
def test_the_constructor_refuses_a_version_or_id_that_is_none(name, wrong, error):
    with pytest.raises(error):
        Image(**{"name": "a", name: wrong})


@pytest.mark.parametrize("name", ["created_at", "updated_at"])
def test_times_are_there_once_the_artifact_is_stored(name):
    image = Image(name="a")
    with pytest.raises(NotStoredError, match=f"{name}.*Image"):
        getattr(image, name)
    assert not hasattr(image, name)
    with Catalog.open("memory:") as catalog:
        assert getattr(catalog.add(image), name).tzinfo is UTC


def test_its_repr_shows_what_was_given():
    image = Image(name="a", size=5)
    assert "name='a'" in repr(image)
    assert "size=5" in repr(image)
    assert "tags" not in repr(image)


def test_a_misspelt_attribute_of_the_class_gets_the_nearest_field():
    with pytest.raises(UnknownFieldError, match="did you mean 'size'"):
        Image.sise
    assert not hasattr(Image, "sise")


def test_an_abstract_base_has_no_such_words_for_dunders():
    with pytest.raises(AttributeError):
        Image.__nothing__


# --- dynamic types ---


def test_a_dynamic_type_has_the_same_spec_and_behaves_the_same():
    class Full(Artifact, type_name="declared_full", scheme="pep440", unique=("name",)):
        """Words."""

        arch: Field[Arch] = field(default=Arch.ARM)
        level: Field[Level | None] = field(default=None)
        hardware: Field[Hardware | None] = field(default=None)
        built: Field[datetime] = field(default=datetime(2024, 2, 29, tzinfo=UTC))
        ports: Field[list[int]] = field(factory=list, max_items=2)
        tested: Field[Version | None] = field(default=None, scheme="debian")
        parent: Field[Link[Full] | None] = field(default=None)

    made = make_type(spec_of(Full), lambda name: {"declared_full": made}[name])
    assert spec_of(made) == spec_of(Full)
    one = made(name="a", version="1.0.dev1")
    assert (one.arch, one.built, one.ports) == ("aarch64", datetime(2024, 2, 29, tzinfo=UTC), [])
    assert repr(made.parent.name == "x") == repr(Full.parent.name == "x")


# --- what the deletion of a link's target does ---


def test_on_delete_is_kept_and_restrict_is_the_rule():
    class Kept(Artifact, type_name="declared_kept"):
        plain: Field[Link[Kept] | None] = field(default=None)
        one: Field[Link[Kept] | None] = field(default=None, on_delete="detach")
        all: Field[list[Link[Kept]]] = field(factory=list, on_delete="cascade")
        no: Field[Link[Kept]] = field(on_delete="restrict")

    named = spec_of(Kept).by_name
    assert [named[name].on_delete for name in ("plain", "one", "all", "no")] == ["", "detach", "cascade", ""]
    made = make_type(spec_of(Kept), lambda name: {"declared_kept": made}[name])
    assert spec_of(made).by_name["all"].on_delete == "cascade"


@pytest.mark.parametrize(
    ("hint", "options", "words"),
    [
        (int, {"on_delete": "restrict"}, "on_delete does not apply to int"),
        (list[str], {"on_delete": "cascade"}, "a list of something else"),
        (Link[Record], {"on_delete": "detach"}, "nothing can be detached from a link that must have a value"),
        (list[Link[Record]], {"on_delete": "detach", "min_items": 1}, "from a list that must have items"),
        (Link[Record], {"on_delete": "detatch"}, "unknown on_delete 'detatch': did you mean 'detach'"),
    ],
)
def test_a_wrong_on_delete_is_refused(hint, options, words):
    with pytest.raises(DeclarationError, match=words):
        types.new_class(
            "Wrong",
            (Artifact,),
            {"type_name": "declared_wrong"},
            lambda body: body.update(__annotations__={"it": Field[hint]}, it=field(**options)),
        )
