"""Specs from outside: what no declaration makes is refused before a class is made of it."""

import json
import sqlite3
from typing import Any

import attrs
import pytest

from metastore import Artifact, Catalog, Field, Version, field, make_type, spec_from_json, spec_of, spec_to_json
from metastore.errors import DeclarationError


@attrs.define
class Port:
    number: int
    _hidden: str = ""


class Box(Artifact, type_name="boxes", unique=("name",)):
    size: Field[int] = field(default=0, ge=0, unit="MiB")
    label: Field[str] = field(default="", max_length=9, index=True)
    ports: Field[list[Port]] = field(factory=list)
    extra: Field[dict[str, Any]] = field(factory=dict)
    other: Field[Version | None] = field(default=None)


def changed(where, value):
    """Return the spec of a box as JSON with one value changed; a number leads to the field of the box itself."""
    whole = spec_to_json(spec_of(Box))
    system = len(whole["fields"]) - 5
    inner: Any = whole
    for step in where[:-1]:
        inner = inner[step + system if isinstance(step, int) and inner is whole["fields"] else step]
    last = where[-1]
    inner[last + system if isinstance(last, int) and inner is whole["fields"] else last] = value
    return whole


def test_a_sound_spec_is_taken():
    made = make_type(spec_from_json(spec_to_json(spec_of(Box))), lambda _name: made)
    assert spec_of(made) == spec_of(Box)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (["name"], "no such"),
        (["name"], 5),
        (["unique"], [1.5]),
        (["rules"], {"create": 5}),
        (["fields"], []),
        (["fields", -2, "kind"], "str"),
        (["fields", 0, "name"], "class"),
        (["fields", 0, "name"], "name"),
        (["fields", 0, "name"], "self"),
        (["fields", 0, "name"], ["a"]),
        (["fields", 0, "name"], "a=print(1)"),
        (["fields", 0, "kind"], "of tomorrow"),
        (["fields", 0, "kind"], "list"),
        (["fields", 0, "item"], {"kind": "int"}),
        (["fields", 0, "ge"], "0"),
        (["fields", 0, "ge"], True),
        (["fields", 0, "required"], "no"),
        (["fields", 0, "unit"], 5),
        (["fields", 0, "choices"], [[1]]),
        (["fields", 1, "max_length"], "9"),
        (["fields", 1, "max_length"], 10_000),
        (["fields", 1, "pattern"], "("),
        (["fields", 1, "search"], "1"),
        (["fields", 1, "required_for"], "active"),
        (["fields", 2, "item", "fields", 0, "name"], "a=print(1)"),
        (["fields", 2, "item", "fields", 0, "name"], "_"),
        (["fields", 2, "item", "name"], "a=print(1)"),
        (["fields", 2, "item", "fields", 1, "name"], "_class"),
        (["fields", 2, "item", "fields", 0, "kind"], None),
        (["fields", 4, "scheme"], "none"),
        (["fields", 4], {"name": "other", "kind": "version", "scheme": "semver", "required": False, "default": 5}),
    ],
)
def test_what_no_declaration_makes_is_refused(where, value):
    with pytest.raises(DeclarationError):
        make_type(spec_from_json(changed(where, value)), lambda _name: Box)


def test_the_code_of_a_stranger_in_a_catalogue_is_not_run(tmp_path):
    with Catalog.open(str(tmp_path / "a.db"), types=[Box]) as catalog:
        catalog.add(Box(name="a"))
    ran = tmp_path / "ran"
    code = f'x=__import__("pathlib").Path("{ran}").touch()'
    whole = changed(["fields", 0], {"name": code, "kind": "int"})
    opened = sqlite3.connect(tmp_path / "a.db")
    opened.execute("UPDATE _specs SET spec = ?", [json.dumps(whole)])
    opened.commit()
    opened.close()
    with Catalog.open(str(tmp_path / "a.db")) as catalog, pytest.raises(DeclarationError):
        catalog.artifact_type("boxes")
    assert not ran.exists()
