"""Principals are plain frozen data."""

import copy

import pytest

from metastore import Principal
from metastore.errors import ValidationError


def test_roles_may_be_any_iterable():
    assert Principal("bob", "p", ["a", "b"]) == Principal("bob", "p", iter({"b", "a"}))


def test_equal_principals_hash_alike():
    assert len({Principal("bob", "p", ["a"]), Principal("bob", "p", ("a",)), Principal("bob")}) == 2


def test_a_principal_cannot_be_changed():
    with pytest.raises(AttributeError, match="cannot be changed"):
        Principal("bob").project = "q"


def test_a_copy_is_equal():
    bob = Principal("bob", "p", ["a"])
    assert copy.deepcopy(bob) == bob


def test_credentials_leave_out_what_the_caller_has_not():
    assert Principal().credentials() == {"roles": []}


def test_credentials_have_every_spelling_of_the_project():
    told = Principal(project="p", roles=["b", "a"]).credentials()
    assert told == {"project": "p", "project_id": "p", "tenant": "p", "tenant_id": "p", "roles": ["a", "b"]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"user": 5},
        {"project": b"p"},
        {"user": ""},
        {"roles": "admin"},
        {"roles": 5},
        {"roles": [""]},
        {"project": "\udce9"},
        {"user": "a\0b"},
        {"roles": ["\ud800"]},
    ],
)
def test_what_is_no_text_is_refused(wrong):
    with pytest.raises(ValidationError, match=f"{next(iter(wrong))} of a principal: expected"):
        Principal(**wrong)
