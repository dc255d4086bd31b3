"""Quotas: what applies to whom, what is refused, what is reported; and what Glare's mean here."""

from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metastore import Artifact, Blob, Catalog, Field, Principal, field
from metastore._quotas import (
    QUOTAS,
    Allowance,
    Limit,
    Quota,
    check,
    drop,
    from_glare,
    limits_for,
    put,
    quotas,
    report,
)
from metastore.errors import ConflictError, ForbiddenError, QuotaError, ValidationError


class Image(Artifact, type_name="images"):
    disk: Field[Blob | None] = field(default=None, mutable=True)


class Note(Artifact, type_name="notes"):
    pass


@pytest.fixture(params=["memory:", "sqlite:///{}/c.db"])
def catalog(request, tmp_path):
    with Catalog.open(request.param.format(tmp_path), types=[Image, Note], durability="normal") as catalog:
        yield catalog
        assert catalog.check() == []


def add(catalog, owner, kind=Image, size=0):
    """Add an artifact if the quotas let it, as the write path does."""
    disk = {"disk": Blob("s3://a/b", size=size)} if kind is Image else {}
    with catalog.transaction():
        check(catalog, kind.__type_name__, {owner: (1, size)})
        return catalog.add(kind(name=uuid4().hex, owner=owner, **disk))


def refusal(catalog, *what, **how):
    """Return the error of an add that must be refused, and which adds nothing."""
    before = catalog.count(Image), catalog.count(Note)
    with pytest.raises(QuotaError) as caught:
        add(catalog, *what, **how)
    assert (catalog.count(Image), catalog.count(Note)) == before
    return caught.value


# what applies


def test_without_quotas_nothing_is_asked_of_the_store(catalog, monkeypatch):
    for name in ("usage", "select", "specs", "tally"):
        monkeypatch.setattr(catalog._backend, name, None)
    check(catalog, "images", {"p1": (10**6, 10**18)})
    assert (limits_for(catalog, "p1", "images"), report(catalog, "p1"), quotas(catalog)) == ([], [], [])
    monkeypatch.undo()
    assert QUOTAS not in {each.spec.name for each in catalog._backend.specs()}


def test_a_default_is_for_each_project_and_everybodys_for_all_together(catalog):
    put(catalog, Quota(count=2))
    put(catalog, Quota(everybody=True, count=3))
    add(catalog, "p1")
    add(catalog, "p1")
    assert refusal(catalog, "p1").project == "p1"
    add(catalog, "p2")
    assert refusal(catalog, "p2").project is None


def test_a_projects_own_quota_takes_the_place_of_the_default_of_the_same_kind(catalog):
    for each in (Quota(count=1, bytes=5), Quota(kind="images", count=2), Quota(project="p1", count=9)):
        put(catalog, each)
    assert limits_for(catalog, "p1", "images") == [
        Limit("project", None, 9, None),
        Limit("default", "images", 2, None),
    ]
    assert limits_for(catalog, "p2", "notes") == [Limit("default", None, 1, 5)]


def test_what_has_no_owner_is_of_no_project(catalog):
    put(catalog, Quota(count=0))
    add(catalog, None)
    put(catalog, Quota(everybody=True, count=1))
    assert str(refusal(catalog, None)) == "the catalogue may hold 1 artifacts and holds 1; delete one, or ask for more"


def test_a_check_reads_limits_and_tally_by_key_and_looks_at_no_artifact(tmp_path):
    with Catalog.open(f"{tmp_path}/c.db", types=[Image], durability="normal") as catalog:
        put(catalog, Quota(count=1))
        catalog.add_many(Quota(project=f"p{at}", count=at) for at in range(200))
        seen = []
        connection = catalog._backend._connections.local().conn
        connection.set_trace_callback(seen.append)
        check(catalog, "images", {"p7": (1, 0)})
        connection.set_trace_callback(None)
        limits, *tally = seen
        plans = [step[3] for sql in (limits, tally[-1]) for step in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
    assert "_usage" in tally[-1]
    assert len(tally) == 2
    assert not [step for step in plans if step.startswith("SCAN")], plans


# what is refused


def test_the_error_says_who_may_hold_what_and_holds_what(catalog):
    put(catalog, Quota(project="p1", kind="images", count=3))
    for _ in range(3):
        add(catalog, "p1")
    error = refusal(catalog, "p1")
    assert str(error) == "project p1 may hold 3 images and holds 3; delete one, or ask for more"
    assert (error.limit, error.used, error.project, error.kind, error.measure) == (3, 3, "p1", "images", "count")
    assert isinstance(error, ConflictError)
    add(catalog, "p1", Note)
    add(catalog, "p2")


def test_bytes_are_counted_to_the_last_one(catalog):
    put(catalog, Quota(project="p1", bytes=100))
    add(catalog, "p1", size=60)
    error = refusal(catalog, "p1", size=41)
    assert str(error) == (
        "project p1 may hold 100 bytes of blobs and holds 60, and 41 bytes more do not fit; delete some, or ask for more"
    )
    add(catalog, "p1", size=40)
    add(catalog, "p1", size=0)
    assert refusal(catalog, "p1", size=1).measure == "bytes"


def test_both_the_limit_of_all_types_and_the_types_own_must_hold(catalog):
    put(catalog, Quota(project="p1", count=2))
    put(catalog, Quota(project="p1", kind="images", count=1))
    add(catalog, "p1")
    assert refusal(catalog, "p1").kind == "images"
    add(catalog, "p1", Note)
    assert refusal(catalog, "p1", Note).kind is None


def test_a_quota_of_one_type_is_not_used_up_by_another(catalog):
    put(catalog, Quota(kind="images", count=1))
    put(catalog, Quota(kind="notes", count=2))
    for kind in (Note, Note, Image):
        add(catalog, "p1", kind)
    assert [refusal(catalog, "p1", kind).used for kind in (Image, Note)] == [1, 2]


@pytest.mark.parametrize("measure", ["count", "bytes"])
def test_a_quota_of_nothing_lets_nothing_in_and_none_is_unlimited(catalog, measure):
    put(catalog, Quota(**{measure: 0}))
    put(catalog, Quota(project="p1"))
    add(catalog, "p1", size=10**12)
    refusal(catalog, "p2", size=1)


def test_who_holds_more_than_a_lowered_limit_may_still_take_nothing_more(catalog):
    add(catalog, "p1", size=50)
    put(catalog, Quota(project="p1", count=0, bytes=10))
    check(catalog, "images", {"p1": (0, 0)})
    check(catalog, "images", {"p1": (-1, -50)})
    assert refusal(catalog, "p1").used == 1


def test_what_only_changes_hands_does_not_count_against_the_catalogue_again(catalog):
    put(catalog, Quota(everybody=True, count=1))
    put(catalog, Quota(project="p3", count=0))
    add(catalog, "p1")
    check(catalog, "images", {"p2": (1, 0)}, moved=True)
    with pytest.raises(QuotaError, match="project p3"):
        check(catalog, "images", {"p3": (1, 0)}, moved=True)


@pytest.mark.parametrize(("quota", "fits"), [(Quota(everybody=True, count=2), 2), (Quota(everybody=True, bytes=2), 2)])
def test_what_several_projects_get_at_once_counts_together(catalog, quota, fits):
    put(catalog, quota)
    some = [Image(name=uuid4().hex, owner=f"p{at}", disk=Blob("s3://a/b", size=1)) for at in range(fits + 1)]
    with pytest.raises(QuotaError, match=f"and {fits + 1}"):
        catalog.add_many(some)
    assert catalog.add_many(some[:fits]) == fits


def test_what_many_get_by_one_change_counts_together(catalog):
    put(catalog, Quota(everybody=True, bytes=5))
    catalog.add_many(Image(name=uuid4().hex, owner=f"p{at}") for at in range(3))
    with pytest.raises(QuotaError, match="and 6 bytes more do not fit"):
        catalog.update_many(Image, disk=Blob("s3://a/b", size=2))
    assert catalog.update_many(Image, disk=Blob("s3://a/b", size=1)) == 3
    assert {each.disk.size for each in catalog.find(Image)} == {1}


def test_a_quota_counts_what_was_there_before_it_and_not_what_is_deleted(catalog):
    made = [add(catalog, "p1") for _ in range(3)]
    put(catalog, Quota(project="p1", count=3))
    refusal(catalog, "p1")
    catalog.delete(made[0])
    add(catalog, "p1")
    refusal(catalog, "p1")


def test_a_check_sees_what_its_transaction_wrote(catalog):
    put(catalog, Quota(count=2))
    with pytest.raises(QuotaError), catalog.transaction():
        for _ in range(3):
            add(catalog, "p1")
    assert catalog.count(Image) == 0
    add(catalog, "p1")


def test_quotas_themselves_count_in_no_quota(catalog):
    put(catalog, Quota(everybody=True, count=1))
    put(catalog, Quota(count=1))
    assert [each.used for each in report(catalog, "p1")] == [0, 0, 0, 0]
    add(catalog, "p1")


def test_another_opening_heeds_a_quota_set_meanwhile(tmp_path):
    with Catalog.open(f"{tmp_path}/c.db", types=[Image]) as one, Catalog.open(f"{tmp_path}/c.db") as other:
        add(one, "p1")
        put(other, Quota(kind="images", count=1))
        refusal(one, "p1")


operations = st.lists(
    st.tuples(
        st.sampled_from(("add", "delete", "quota")),
        st.sampled_from((None, "p1", "p2")),
        st.sampled_from((Image, Note)),
        st.integers(0, 4),
        st.booleans(),
    ),
    max_size=14,
)


def allowed(limits, held, owner, kind, size):
    """Whether one more fits, by plain counting: ``limits`` by (everybody, project, kind), ``held`` (owner, kind, size)."""
    for everybody in (True, False):
        for name in (None, kind):
            key = (True, None, name) if everybody else (False, owner, name)
            if not everybody and owner is None:
                continue
            count, total = limits.get(key) or limits.get((everybody, None, name), (None, None))
            mine = [s for o, k, s in held if (everybody or o == owner) and name in (None, k)]
            if count is not None and len(mine) + 1 > count:
                return False
            if total is not None and size and sum(mine) + size > total:
                return False
    return True


@settings(max_examples=40, deadline=None)
@given(operations)
def test_whatever_is_done_a_plain_count_agrees(steps):
    with Catalog.open("memory:", types=[Image, Note]) as catalog:
        limits, held, made = {}, [], []
        for what, owner, kind, number, flag in steps:
            if what == "quota":
                name, everybody = kind.__type_name__ if number % 2 else None, flag and owner is None
                numbers = (number, None) if flag else (None, number)
                put(catalog, Quota(everybody=everybody, project=owner, kind=name, count=numbers[0], bytes=numbers[1]))
                limits[everybody, owner, name] = numbers
            elif what == "delete" and made:
                catalog.delete(made.pop())
                held.pop()
            elif what == "add":
                size = number if kind is Image else 0
                if allowed(limits, held, owner, kind.__type_name__, size):
                    made.append(add(catalog, owner, kind, size))
                    held.append((owner, kind.__type_name__, size))
                else:
                    with pytest.raises(QuotaError):
                        add(catalog, owner, kind, size)


# setting and reporting


def test_setting_a_quota_again_takes_the_place_of_the_former(catalog):
    put(catalog, Quota(project="p1", kind="images", count=3))
    put(catalog, Quota(project="p1", kind="images", bytes=5))
    (found,) = quotas(catalog)
    assert (found.count, found.bytes, found.revision) == (None, 5, 2)


def test_a_dropped_quota_leaves_the_default_in_its_place(catalog):
    put(catalog, Quota(count=1))
    put(catalog, Quota(project="p1", count=5))
    assert drop(catalog, "p1")
    assert not drop(catalog, "p1")
    assert limits_for(catalog, "p1", "images") == [Limit("default", None, 1, None)]
    assert drop(catalog)
    assert quotas(catalog) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"count": -1}, "count"),
        ({"bytes": -5}, "bytes"),
        ({"count": 1.5}, "count"),
        ({"count": 2**63}, "count"),
        ({"project": "", "count": 1}, "project"),
        ({"project": "p1", "everybody": True}, "everybody"),
        ({"kind": "image", "count": 1}, "did you mean 'images'"),
        ({"kind": "metastore_quotas", "count": 1}, "knows no type"),
        ({"kind": "x'; --", "count": 1}, "knows no type"),
    ],
)
def test_a_quota_that_cannot_be_is_refused_and_nothing_changes(catalog, wrong, words):
    with pytest.raises(ValidationError, match=words):
        put(catalog, Quota(**wrong))
    assert quotas(catalog) == []


def test_a_report_says_every_limit_and_what_is_used(catalog):
    assert report(catalog, "p1") == []
    put(catalog, Quota(everybody=True, count=10))
    put(catalog, Quota(kind="images", bytes=100))
    put(catalog, Quota(project="p1", count=5))
    add(catalog, "p1", size=30)
    add(catalog, "p2", Note)
    every = [
        Allowance("catalogue", None, "count", 10, 2),
        Allowance("catalogue", None, "bytes", None, 30),
    ]
    assert report(catalog, None) == every
    assert report(catalog, "p1") == [
        *every,
        Allowance("project", None, "count", 5, 1),
        Allowance("project", None, "bytes", None, 30),
        Allowance("default", "images", "count", None, 1),
        Allowance("default", "images", "bytes", 100, 30),
    ]


# Glare's

GLARE = {
    "quotas": [
        {
            "project_id": "p1",
            "project_quotas": [
                {"quota_name": "max_artifact_number", "quota_value": 7},
                {"quota_name": "max_uploaded_data:images", "quota_value": -1},
            ],
        }
    ],
    "global_quotas": {"max_artifact_number": 100, "max_uploaded_data": 1000, "max_uploaded_data:images": 500},
}


def test_quotas_of_glare_mean_here_what_they_mean_there(catalog):
    for each in from_glare(GLARE):
        put(catalog, each)
    assert limits_for(catalog, "p1", "images") == [
        Limit("project", None, 7, 1000),
        Limit("project", "images", None, None),
    ]
    assert limits_for(catalog, "p2", "images") == [
        Limit("default", None, 100, 1000),
        Limit("default", "images", None, 500),
    ]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"global_quotas": {"max_artifact_numbre": 1}}, "did you mean 'max_artifact_number'"),
        ({"global_quotas": {"max_artifact_number": -2}}, "or -1 for unlimited, got -2"),
        ({"global_quotas": {"max_artifact_number": True}}, "got True"),
        ({"global_quotas": {"max_artifact_number": "5"}}, "got '5'"),
        ({"global_quotas": {"max_artifact_number:a:b": 1}}, "no quota is named"),
        ({"global_quotas": {"max_artifact_number:": 1}}, "no quota is named"),
        ({"global_quotas": [1]}, "as a mapping"),
        ({"quotas": {"p1": 1}}, "as a list"),
        ({"quotas": [{"project_quotas": []}]}, "project_id"),
        ({"quotas": [{"project_id": "p1", "project_quotas": ["x"]}]}, "as a mapping"),
        ({"quotas": [{"project_id": "p1", "project_quotas": [{}]}]}, "no quota is named"),
        ([], "as a mapping"),
    ],
)
def test_what_is_no_answer_of_glare_is_refused(answer, words):
    with pytest.raises(ValidationError, match=words):
        from_glare(answer)


# the catalogue's methods, and who may


ANN = Principal("ann", "p1", ["member"])
ROOT = Principal("root", "ops", ["admin"])


def test_a_quota_is_set_listed_reported_and_dropped(catalog):
    made = catalog.set_quota("p1", "images", count=2)
    assert catalog.quotas() == [made]
    assert catalog.quota_report("p1")[0] == Allowance("project", "images", "count", 2, 0)
    assert (catalog.drop_quota("p1", "images"), catalog.drop_quota("p1", "images"), catalog.quotas()) == (
        True,
        False,
        [],
    )


@pytest.mark.parametrize(
    ("rule", "ask"),
    [
        ("artifact:set_quotas", lambda catalog: catalog.set_quota("p1", count=9)),
        ("artifact:set_quotas", lambda catalog: catalog.drop_quota("p1")),
        ("artifact:list_all_quotas", lambda catalog: catalog.quotas()),
        ("artifact:list_project_quotas", lambda catalog: catalog.quota_report("p2")),
    ],
)
def test_the_policy_decides_over_quotas(catalog, rule, ask):
    catalog.set_quota("p1", count=1)
    before = catalog.quotas()
    with pytest.raises(ForbiddenError) as refused:
        ask(catalog.as_(ANN))
    assert (refused.value.rule, catalog.quotas()) == (rule, before)
    ask(catalog.as_(ROOT))


def test_a_principal_reads_its_own_report_without_what_others_hold(catalog):
    catalog.set_quota(everybody=True, count=9)
    catalog.set_quota(count=3)
    catalog.add(Image(name="theirs", owner="p2"))
    assert catalog.as_(ANN).quota_report() == [
        Allowance("default", None, "count", 3, 0),
        Allowance("default", None, "bytes", None, 0),
    ]
    assert [each.used for each in catalog.as_(ROOT).quota_report("p1") if each.scope == "catalogue"] == [1, 0]


@pytest.mark.parametrize("wrong", [{"count": -1}, {"bytes": True}, {"kind": "imagse"}, {"project": ""}, {"project": 3}])
def test_a_quota_that_is_none_changes_nothing(catalog, wrong):
    with pytest.raises(ValidationError):
        catalog.set_quota(**wrong)
    assert catalog.quotas() == []
