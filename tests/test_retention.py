"""Retention: a plan names what would go and why, and goes exactly so."""

import json
from datetime import UTC, datetime, timedelta
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore import (
    Artifact,
    Catalog,
    Field,
    HookCall,
    Link,
    Plan,
    Planned,
    Policy,
    Principal,
    Protection,
    Protections,
    Record,
    before,
    errors,
    field,
)

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
PAST = NOON - timedelta(days=1)
ANN, BOB = Principal("ann", "a", ["member"]), Principal("bob", "b", ["member"])


class Build(Artifact, type_name="builds"):
    kind: Field[str] = field(default="")
    base: Field[Link["Build"] | None] = field(default=None)
    of: Field[Link["Build"] | None] = field(default=None, on_delete="cascade")
    like: Field[Link["Build"] | None] = field(default=None, on_delete="detach")


class Memo(Record, type_name="memos"):
    pass


class Log(Artifact, type_name="logs"):
    of: Field[Link["Log"] | None] = field(default=None)

    @before("delete")
    @staticmethod
    def kept(call: HookCall) -> None:
        if "kept" in call.before.tags:
            raise errors.VetoError("the hook keeps it")


@pytest.fixture(params=["memory:", "sqlite:///{}/c.db"])
def catalog(request, tmp_path):
    url = request.param.format(tmp_path)
    with Catalog.open(url, types=[Build, Memo, Log], durability="normal", actor="ops") as catalog:
        yield catalog
        assert catalog.check() == []


def build(catalog, name, version="1.0.0", **values):
    return catalog.add(Build(name=name, version=version, **values))


def old(catalog, name, **values):
    """Return a build that has expired at noon."""
    return build(catalog, name, expires_at=PAST, **values)


def names(items):
    return [each.name for each in items]


def left(catalog, kind=Build):
    return sorted(each.name for each in catalog.find(kind))


def stays(plan):
    """Return why the only one that stays does."""
    (one,) = plan.staying
    return one.stays


# what is due


def test_what_has_expired_is_due(catalog):
    build(catalog, "for ever")
    build(catalog, "later", expires_at=NOON + timedelta(microseconds=1))
    gone = old(catalog, "gone"), build(catalog, "just now", expires_at=NOON)
    assert {each.id for each in catalog.plan(Build, at=NOON).going} == {each.id for each in gone}


def test_a_plan_deletes_nothing(catalog):
    stored = old(catalog, "gone")
    catalog.plan(Build, at=NOON, keep=1)
    assert catalog.get(Build, stored.id).revision == 1


def test_versions_beyond_the_newest_are_due_by_the_order_of_their_scheme(catalog):
    for version in ("1.2.0", "1.10.0", "1.9.0", "2.0.0-rc.1", "2.0.0"):
        build(catalog, "app", version)
    assert [each.version for each in catalog.plan(Build, keep=2).going] == ["1.10.0", "1.9.0", "1.2.0"]


def test_each_owner_and_name_counts_for_itself(catalog):
    for owner in ("a", "b", None):
        for name in ("x", "X"):
            build(catalog, name, owner=owner)
    assert catalog.plan(Build, keep=1).items == ()


def test_of_equal_versions_the_one_added_last_is_the_newest(catalog):
    catalog.load(
        Run, [{"name": "r", "created_at": f"2020-01-0{day}T00:00:00Z", "tags": [str(day)]} for day in (2, 3, 1)]
    )
    assert [catalog.get(Run, each.id).tags for each in catalog.plan(Run, keep=1).going] == [["2"], ["1"]]


class Run(Artifact, type_name="runs", unique=()):
    pass


@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["a", "b", None]),
            st.sampled_from(["x", "y"]),
            st.sampled_from(["1.0.0", "1.0.0-rc.1", "1.10.0", "1.9.0"]),
            st.integers(1, 3),
        ),
        max_size=12,
    ),
    keep=st.integers(1, 3),
    url=st.sampled_from(["memory:", "sqlite"]),
)
def test_the_newest_are_kept_whatever_there_is(rows, keep, url, tmp_path_factory):
    order = ["1.0.0-rc.1", "1.0.0", "1.9.0", "1.10.0"]
    url = url if url == "memory:" else f"{tmp_path_factory.mktemp('keep')}/c.db"
    with Catalog.open(url, types=[Run], durability="normal") as catalog:
        catalog.load(
            Run,
            [{"owner": o, "name": n, "version": v, "created_at": f"2020-01-0{d}T00:00:00Z"} for o, n, v, d in rows],
        )
        stored = sorted(catalog.find(Run), key=lambda each: (str(each.owner), each.name))
        due = set()
        for _, group in groupby(stored, key=lambda each: (str(each.owner), each.name)):
            newest = sorted(group, key=lambda each: (order.index(str(each.version)), each.created_at, each.id.bytes))
            due |= {each.id for each in newest[::-1][keep:]}
        assert {each.id for each in catalog.plan(Run, keep=keep, expired=False).going} == due


def test_what_fits_the_predicates_only_is_looked_at(catalog):
    for at, kind in enumerate(["nightly", "release", "nightly", "release"]):
        build(catalog, "app", f"1.{at}.0", kind=kind, expires_at=PAST if at == 1 else None)
    plan = catalog.plan(Build, Build.kind == "nightly", keep=1, at=NOON)
    assert [each.version for each in plan.going] == ["1.0.0"]


def test_one_due_twice_is_named_once_with_both_reasons(catalog):
    build(catalog, "app", "2.0.0")
    old(catalog, "app")
    assert [each.due for each in catalog.plan(Build, keep=1, at=NOON).items] == [
        "expired at 2029-12-31T12:00:00Z; beyond the newest 1"
    ]


def test_every_type_under_a_base_is_asked(catalog):
    old(catalog, "b")
    catalog.add(Log(name="l", expires_at=PAST))
    catalog.add(Memo(expires_at=PAST))
    assert [each.type for each in catalog.plan(Record, at=NOON).going] == ["builds", "logs", "memos"]


def test_hidden_ones_are_due_as_well(catalog):
    old(catalog, "gone", hidden=True)
    assert names(catalog.plan(Build, at=NOON).going) == ["gone"]


# what stays


def test_what_is_protected_or_on_hold_stays_and_the_plan_says_why(catalog):
    old(catalog, "safe", protected=True)
    assert "is protected" in stays(catalog.plan(Build, at=NOON))
    catalog.update(catalog.latest(Build, "safe"), protected=False, hold="case 7")
    assert "on hold (case 7)" in stays(catalog.plan(Build, at=NOON))


def test_what_is_linked_to_by_what_stays_stays(catalog):
    base = old(catalog, "base")
    user = build(catalog, "user", base=Link(base))
    assert f"linked to by builds {user.id} by base" in stays(catalog.plan(Build, at=NOON))


def test_links_among_what_goes_keep_nothing(catalog):
    base = old(catalog, "base")
    old(catalog, "user", base=Link(base))
    assert names(catalog.carry_out(catalog.plan(Build, at=NOON)).going) == ["base", "user"]
    assert left(catalog) == []


def test_what_stays_keeps_the_whole_chain_below_it(catalog):
    first = old(catalog, "1")
    second = old(catalog, "2", base=Link(first))
    old(catalog, "3", base=Link(second), protected=True)
    plan = catalog.plan(Build, at=NOON)
    assert (names(plan.staying), plan.going) == (["1", "2", "3"], ())


def test_links_of_other_owners_keep_nothing(catalog):
    base = old(catalog, "base", owner="a")
    build(catalog, "user", owner="b", base=Link(base))
    catalog.carry_out(catalog.plan(Build, at=NOON))
    assert left(catalog) == ["user"]
    assert catalog.latest(Build, "user").base.foreign


def test_what_would_go_along_is_named(catalog):
    base = old(catalog, "base")
    part = build(catalog, "part", of=Link(base))
    plan = catalog.plan(Build, at=NOON)
    assert [(each.name, each.along, each.due) for each in plan.going] == [
        ("base", None, "expired at 2029-12-31T12:00:00Z"),
        ("part", base.id, f"goes with builds {base.id}"),
    ]
    assert names(catalog.carry_out(plan).going) == ["base", "part"]
    assert catalog.tombstone(part).message == f"retention: {plan.rule}"


def test_what_would_take_along_something_protected_stays(catalog):
    base = old(catalog, "base")
    build(catalog, "part", of=Link(base), protected=True)
    plan = catalog.plan(Build, at=NOON)
    assert "is protected" in stays(plan)
    assert plan.going == ()


def test_a_link_that_lets_go_keeps_nothing_and_is_let_go(catalog):
    base = old(catalog, "base")
    build(catalog, "like", like=Link(base))
    catalog.carry_out(catalog.plan(Build, at=NOON))
    assert catalog.latest(Build, "like").like is None


def test_a_circle_of_what_is_due_goes(catalog):
    one = old(catalog, "one")
    old(catalog, "two", base=Link(one))
    catalog.update(one, base=Link(catalog.latest(Build, "two")))
    assert len(catalog.carry_out(catalog.plan(Build, at=NOON)).going) == 2


# by a principal


def test_a_principal_plans_for_what_it_sees_and_may_delete(catalog):
    old(catalog, "hers", owner="a")
    old(catalog, "his", owner="b")
    old(catalog, "everyones", owner="b", visibility="public")
    plan = catalog.as_(ANN).plan(Build, at=NOON)
    assert names(plan.going) == ["hers"]
    assert (names(plan.staying), "artifact:delete" in stays(plan)) == (["everyones"], True)


def test_what_would_go_along_unseen_is_not_named(tmp_path):
    policy = Policy.default().with_rules({"artifact:delete": "@"})
    with Catalog.open("memory:", types=[Build], policy=policy) as catalog:
        base = old(catalog, "base", owner="b", visibility="public")
        build(catalog, "secret", owner="b", of=Link(base))
        plan = catalog.as_(ANN).plan(Build, at=NOON)
        assert (plan.going, stays(plan)) == ((), "another artifact of its owner would go with it")


def test_a_plan_shows_no_field_that_the_caller_may_not_read():
    guard = Protections([Protection("name", of="fields", read="role:admin")])
    with Catalog.open("memory:", types=[Build], protections=guard) as catalog:
        old(catalog, "secret", owner="a")
        assert names(catalog.as_(ANN).plan(Build, at=NOON).going) == [None]


def test_a_principal_carries_out_no_plan_of_what_it_may_not_delete(catalog):
    old(catalog, "his", owner="b")
    done = catalog.as_(ANN).carry_out(catalog.plan(Build, at=NOON))
    assert (done.going, stays(done)) == ((), "it is not there any more")
    assert left(catalog) == ["his"]


# carrying out


def test_what_changed_since_the_plan_is_left_and_reported(catalog):
    kept, gone, lost = old(catalog, "kept"), old(catalog, "gone"), old(catalog, "lost")
    plan = catalog.plan(Build, at=NOON)
    catalog.update(kept, expires_at=None)
    catalog.delete(lost)
    done = catalog.carry_out(plan)
    assert [each.id for each in done.going] == [gone.id]
    assert {each.name: each.stays for each in done.staying} == {
        "kept": "it changed since: it is at revision 2, not 1",
        "lost": "it is not there any more",
    }


def test_what_stays_since_the_plan_keeps_what_it_links_to(catalog):
    base = old(catalog, "base")
    user = old(catalog, "user", base=Link(base))
    plan = catalog.plan(Build, at=NOON)
    catalog.update(user, tags=["mine"])
    done = catalog.carry_out(plan)
    assert (names(done.staying), done.going, left(catalog)) == (["base", "user"], (), ["base", "user"])


def test_what_is_new_to_go_along_keeps_it(catalog):
    base = old(catalog, "base")
    plan = catalog.plan(Build, at=NOON)
    build(catalog, "part", of=Link(base))
    assert "which the plan does not name" in stays(catalog.carry_out(plan))


def test_what_was_to_go_along_stays_with_what_stays(catalog):
    base = old(catalog, "base")
    build(catalog, "part", of=Link(base))
    plan = catalog.plan(Build, at=NOON)
    catalog.update(base, expires_at=None)
    assert names(catalog.carry_out(plan).staying) == ["base", "part"]


def test_carrying_out_is_one_transaction_with_the_rule_as_its_message(catalog):
    gone = [old(catalog, "x"), old(catalog, "y")]
    plan = catalog.plan(Build, at=NOON, keep=3)
    catalog.carry_out(plan)
    told = [catalog.tombstone(each) for each in gone]
    assert {(each.time, each.actor, each.message) for each in told} == {
        (told[0].time, "ops", f"retention: {plan.rule}")
    }
    assert plan.rule == "expired by 2030-01-01T12:00:00Z, or beyond the newest 3 of an owner's name"


def test_what_a_hook_refuses_is_left_with_what_is_tied_to_it_and_the_rest_goes(catalog):
    base = catalog.add(Log(name="base", expires_at=PAST))
    catalog.add(Log(name="user", expires_at=PAST, of=Link(base), tags=["kept"]))
    catalog.add(Log(name="other", expires_at=PAST))
    done = catalog.carry_out(catalog.plan(Log, at=NOON))
    assert (names(done.going), left(catalog, Log)) == (["other"], ["base", "user"])
    assert {each.stays for each in done.staying} == {"the hook keeps it"}


def test_links_among_what_goes_keep_nothing_where_there_are_hooks(catalog):
    base = catalog.add(Log(name="base", expires_at=PAST))
    catalog.add(Log(name="user", expires_at=PAST, of=Link(base)))
    assert catalog.delete_many(Log) == 2


def test_a_transaction_around_it_undoes_it(catalog):
    old(catalog, "x")
    plan = catalog.plan(Build, at=NOON)
    with pytest.raises(RuntimeError), catalog.transaction():
        assert len(catalog.carry_out(plan).going) == 1
        raise RuntimeError
    assert left(catalog) == ["x"]


def test_a_plan_of_nothing_does_nothing(catalog):
    changes = catalog.stats()["changes"]
    assert catalog.carry_out(catalog.plan(Build, at=NOON)).items == ()
    assert catalog.stats()["changes"] == changes


def test_a_plan_carried_out_again_finds_nothing_more(catalog):
    old(catalog, "x")
    plan = catalog.plan(Build, at=NOON)
    catalog.carry_out(plan)
    assert stays(catalog.carry_out(plan)) == "it is not there any more"


# what it looks like


def test_a_plan_reads_as_a_table(catalog):
    old(catalog, "app", owner="a")
    old(catalog, "x", protected=True)
    first, goes, kept = str(catalog.plan(Build, at=NOON)).splitlines()
    assert first == "expired by 2030-01-01T12:00:00Z: 1 go, 1 stay"
    assert goes.split()[:5] == ["goes", "builds", "app", "1.0.0", "a"]
    assert kept.split()[:5] == ["stays", "builds", "x", "1.0.0", "-"]


def test_a_plan_of_nothing_reads_as_one_line(catalog):
    assert str(catalog.plan(Build, at=NOON)) == "expired by 2030-01-01T12:00:00Z: 0 go, 0 stay"


def test_a_plan_is_plain_json(catalog):
    base = old(catalog, "base", owner="a")
    build(catalog, "part", owner="a", of=Link(base))
    plain = json.loads(json.dumps(catalog.plan(Build, at=NOON).to_plain()))
    assert (plain["catalogue"], plain["at"]) == (catalog.id, "2030-01-01T12:00:00+00:00")
    assert [(each["id"] == str(base.id), each["along"] == str(base.id)) for each in plain["items"]] == [
        (True, False),
        (False, True),
    ]


def test_a_plan_is_frozen_data(catalog):
    old(catalog, "x")
    plan = catalog.plan(Build, at=NOON)
    assert (plan, hash(plan)) == (catalog.plan(Build, at=NOON), hash(catalog.plan(Build, at=NOON)))
    with pytest.raises(AttributeError):
        plan.items[0].stays = "no"


# bad input


@pytest.mark.parametrize("keep", [0, -1, True, 1.5, "2"])
def test_a_count_below_one_is_refused(catalog, keep):
    with pytest.raises(errors.ValidationError, match="keep"):
        catalog.plan(Build, keep=keep)


@pytest.mark.parametrize("at", [datetime(2030, 1, 1), "2030-01-01", 5])
def test_a_time_without_zone_is_refused(catalog, at):
    with pytest.raises(errors.ValidationError, match="time zone"):
        catalog.plan(Build, at=at)


def test_a_plan_that_goes_by_nothing_is_refused(catalog):
    with pytest.raises(errors.QueryError, match="something to go by"):
        catalog.plan(Build, expired=False)


def test_versions_of_what_has_no_name_cannot_be_kept(catalog):
    with pytest.raises(errors.QueryError, match="memos has no name"):
        catalog.plan(Memo, keep=1)


def test_a_plan_of_another_catalogue_is_refused(catalog):
    for wrong in (Plan("other", "x", NOON, ()), None, ()):
        with pytest.raises(errors.ValidationError, match="plan of this catalogue"):
            catalog.carry_out(wrong)


def test_a_plan_made_up_deletes_no_more_than_a_delete_would(catalog):
    safe = build(catalog, "safe", protected=True)
    item = Planned(safe.id, "builds", None, None, None, safe.revision, "because")
    done = catalog.carry_out(Plan(catalog.id, "mine", NOON, (item,)))
    assert (done.going, "is protected" in stays(done)) == ((), True)


def test_a_plan_made_up_by_a_principal_names_nothing_that_the_engine_keeps(tmp_path):
    policy = Policy.default().with_rules({"artifact:set_quotas": "!"})
    with Catalog.open(f"{tmp_path}/c.db", types=[Build], policy=policy) as catalog:
        quota = catalog.set_quota("a", count=5)
        item = Planned(quota.id, "metastore_quotas", None, None, None, quota.revision, "because")
        made_up = Plan(catalog.id, "mine", NOON, (item,))
        with pytest.raises(errors.UnknownTypeError, match="a principal does not write metastore_quotas"):
            catalog.as_(Principal("root", "z", ["admin"])).carry_out(made_up)
        assert catalog.quotas() == [quota]


def test_due_ones_are_found_by_the_database(tmp_path, monkeypatch):
    with Catalog.open(f"{tmp_path}/c.db", types=[Run]) as catalog:
        catalog.add_many(Run(name=f"n{at % 40}", version=f"1.{at}.0") for at in range(200))
        rows = []
        select = catalog._backend.select
        monkeypatch.setattr(catalog._backend, "select", lambda *asked: rows.append(select(*asked)) or rows[-1])
        assert len(catalog.plan(Run, Run.name == "n3", keep=2).going) == 3
        assert sum(map(len, rows)) == 5
