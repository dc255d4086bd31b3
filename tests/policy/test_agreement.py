"""Random rules, callers and artifacts: we decide as oslo.policy does, and a query selects what we allow."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastore import Policy, Principal
from metastore._bind import Binder
from metastore._schema import FieldSpec
from metastore.policy._read import parse_rule
from metastore.policy._rules import print_rule
from metastore.testing import _oracle as oracle
from metastore.testing._exam import few
from metastore.testing._model import World, thing, type_spec

KIN = UUID("0190a6e0-0000-7000-8000-000000000001")
ELSEWHERE = timezone(timedelta(hours=2))
MOMENT = datetime(2024, 1, 2, 3, 4, 5, 600, tzinfo=UTC)
SPEC = type_spec(
    "samples",
    FieldSpec(name="flag", kind="bool", optional=True),
    FieldSpec(name="size", kind="int", optional=True),
    FieldSpec(name="ratio", kind="float", optional=True),
    FieldSpec(name="label", kind="str", optional=True),
    FieldSpec(name="seen", kind="datetime", optional=True),
    FieldSpec(name="kin", kind="link", optional=True),
    FieldSpec(name="extra", kind="json"),
    FieldSpec(name="parts", kind="list", item=FieldSpec(kind="str"), optional=True),
)

names = st.sampled_from(
    [
        "p",
        "q",
        "admin",
        "Member",
        "é",
        "5",
        "05",
        "2.0",
        "True",
        "1.0.0",
        "public",
        "a%b",
        str(MOMENT),
        str(MOMENT.astimezone(ELSEWHERE)),
        str(KIN),
    ]
)
spoken = names.filter(lambda name: " " not in name).map(lambda name: name.replace("%", "%%"))
fields = st.sampled_from(
    [
        "owner",
        "project_id",
        "tenant",
        "visibility",
        "status",
        "version",
        "flag",
        "size",
        "ratio",
        "label",
        "seen",
        "kin",
        "nothing",
        "change.visibility",
        "change.owner",
    ]
)
attributes = st.sampled_from(
    ["user", "user_id", "project", "project_id", "tenant_id", "roles", "is_admin", "token.user"]
)
quoted = spoken.filter(lambda name: "%" not in name).map(lambda name: f"'{name}'")
literals = st.one_of(quoted, st.sampled_from(["True", "False", "None", "5", "-3", '"p"']))
around = st.sampled_from([("", "")] * 4 + [("p", ""), ("", "0"), ("%%", "x")])
checks = st.one_of(
    st.sampled_from(["@", "!", "rule:is_a", "rule:is_b"]),
    spoken.map(lambda name: f"role:{name}"),
    st.tuples(st.one_of(attributes, literals), fields, around).map(
        lambda it: f"{it[0]}:{it[2][0]}%({it[1]})s{it[2][1]}"
    ),
    st.tuples(st.one_of(attributes, literals), spoken).map(":".join),
)


def grown(inner):
    joined = st.lists(inner, min_size=2, max_size=3)
    words = st.sampled_from([" and ", " or ", " AND ", "  Or "])
    return st.one_of(
        st.tuples(words, joined).map(lambda it: it[0].join(it[1])),
        inner.map("( {} )".format),
        inner.map(lambda text: f"not ({text})"),
    )


rules = st.recursive(checks, grown, max_leaves=6)
helpers = checks.filter(lambda text: "rule:" not in text)
policies = st.builds(
    lambda a, b, main: Policy.default().with_rules(
        {"is_a": a, "is_b": f"{b} or rule:is_a", "artifact:list": "rule:is_b", "artifact:get": main}
    ),
    helpers,
    helpers,
    rules,
)
callers = st.builds(Principal, st.none() | names, st.none() | names, st.lists(names, max_size=2))
values = st.fixed_dictionaries(
    {
        "owner": st.none() | names,
        "visibility": st.sampled_from(["private", "public"]),
        "status": st.sampled_from(["drafted", "active"]),
        "version": st.sampled_from(["1.0.0", "1.0.0-rc.1"]),
        "flag": st.sampled_from([True, False, None]),
        "size": st.sampled_from([5, -3, 0, 2**62, None]),
        "ratio": st.sampled_from([2.0, 0.5, 5.0, None]),
        "label": st.none() | names,
        "seen": st.sampled_from([MOMENT, None]),
        "kin": st.sampled_from([KIN.bytes, None]),
        "extra": st.sampled_from([None, "p", 5]),
        "parts": st.sampled_from([None, [], ["p"]]),
    }
)
changes = st.dictionaries(st.sampled_from(["visibility", "owner"]), st.sampled_from(["public", "p", "private"]))


def as_target(each):
    """Return the values of a thing as an artifact shows them."""
    plain = {name: UUID(bytes=value) if isinstance(value, bytes) else value for name, value in each.values.items()}
    return {name: value for name, value in plain.items() if name not in ("extra", "parts")}


def as_oslo(target, change):
    """Return what oslo.policy is given: no aliases, no nested change, no attribute that has no text."""
    owner = dict.fromkeys(("project", "project_id", "tenant", "tenant_id"), target["owner"])
    new = {f"change.{name}": value for name, value in change.items()}
    return {**target, **owner, **new}


@given(text=rules)
def test_a_rule_printed_and_read_again_is_the_same(text):
    rule = parse_rule(text)
    assert parse_rule(print_rule(rule)) == rule


@given(policy=policies, caller=callers, found=values, change=changes)
@few(150)
def test_a_rule_is_decided_as_oslo_policy_decides_it(policy, caller, found, change):
    oslo = pytest.importorskip("oslo_policy.policy", reason="oslo.policy, of the group dev, is not installed")
    config = pytest.importorskip("oslo_config.cfg")
    target = as_target(thing(SPEC, **found))
    judge = oslo.Enforcer(config.ConfigOpts(), use_conf=False)
    judge.set_rules(oslo.Rules.from_dict({name: str(rule) for name, rule in policy.rules.items()}), use_conf=False)
    for rule in ("artifact:get", "artifact:list", "artifact:delete", "get_image"):
        expected = bool(judge.enforce(rule, as_oslo(target, change), caller.credentials()))
        assert policy.allows(rule, caller, target, change) is expected, str(policy.rules[rule])


@given(policy=policies, caller=callers, several=st.lists(values, min_size=1, max_size=6))
@few(150)
def test_a_query_selects_exactly_what_the_rule_allows(policy, caller, several):
    things = [thing(SPEC, **found) for found in several]
    world = World({"samples": SPEC}, {each.id: each for each in things})
    for rule in ("artifact:get", "artifact:list", "artifact:delete", "get_image"):
        where = Binder(SPEC, world.specs.get).where([policy.where(rule, caller, SPEC)])
        selected = [oracle.holds(world, each, where) for each in things]
        assert selected == [policy.allows(rule, caller, each.values | as_target(each)) for each in things], str(
            policy.rules[rule]
        )


@given(policy=policies, caller=callers, found=values, change=changes)
@few(200)
def test_the_reason_is_of_the_same_opinion_as_the_rule(policy, caller, found, change):
    target = as_target(thing(SPEC, **found))
    decision = policy.why("artifact:get", caller, target, change)
    assert decision.allowed is policy.allows("artifact:get", caller, target, change)
    assert decision.reason.startswith(
        "artifact:get is allowed " if decision.allowed else ("artifact:get needs ", "artifact:get is allowed to nobody")
    )
