"""Link: one artifact pointing to another by id."""

import copy
import pickle  # noqa: TID251 - links must survive it, the catalogue never uses it
from uuid import UUID, uuid4

import pytest

from metastore import Artifact, Link
from metastore.errors import ValidationError


class Thing(Artifact, type_name="things"):
    """Anything."""


def test_a_link_is_made_of_an_artifact_a_uuid_or_its_text():
    artifact = Thing(name="a")
    assert Link(artifact).id == Link(artifact.id).id == Link(str(artifact.id)).id == artifact.id


@pytest.mark.parametrize("target", [None, 5, "", "no id", b"x" * 16, object(), Link, 0.5])
def test_what_has_no_id_is_refused(target):
    with pytest.raises(ValidationError):
        Link(target)


def test_links_are_equal_by_id():
    ident = uuid4()
    assert Link(ident) == Link(str(ident))
    assert len({Link(ident), Link(ident), Link(uuid4())}) == 2
    assert Link(ident) != ident


def test_a_link_cannot_be_changed():
    with pytest.raises(AttributeError):
        Link(uuid4()).id = uuid4()


def test_a_link_survives_copies_and_pickles():
    link = Link(uuid4())
    assert [copy.copy(link), copy.deepcopy(link), pickle.loads(pickle.dumps(link)), Link(link)] == [link] * 4


def test_its_repr_can_be_typed_in_again():
    link = Link(UUID(int=7))
    assert repr(link) == "Link('00000000-0000-0000-0000-000000000007')"
