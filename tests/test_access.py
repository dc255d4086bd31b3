"""Access: what one caller sees, and may do; what is not visible tells nothing by any door."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from metastore import (
    Artifact,
    Blob,
    Catalog,
    Field,
    Link,
    Location,
    Policy,
    Principal,
    Protection,
    Protections,
    Record,
    before,
    field,
    linked_from,
    matches,
    references,
)
from metastore._access import both
from metastore._ids import make_id
from metastore._members import Membership
from metastore.errors import (
    CursorError,
    DuplicateError,
    ForbiddenError,
    FrozenFieldError,
    LinkedError,
    NotFoundError,
    ProtectedError,
    QueryError,
    TransitionError,
    UnknownFieldError,
    UnknownTypeError,
    ValidationError,
    VetoError,
)
from metastore.query import And, Compare, Followed, HasKey, Path

A, B, C = (Principal(user=f"u{name}", project=name, roles=["member", "reader"]) for name in "abc")
NOBODY, ADMIN = Principal(user="nobody"), Principal(user="root", project="ops", roles=["admin"])


class Doc(Artifact, type_name="seen_docs", unique=("name", "version")):
    pages: Field[int] = field(default=0)
    cost: Field[str | None] = field(default=None, search=3, mutable=True)
    disk: Field[Blob | None] = field(default=None)
    parent: Field[Link["Doc"] | None] = field(default=None)


class Page(Artifact, type_name="seen_pages"):
    of: Field[Link[Doc] | None] = field(default=None, on_delete="cascade")


class Vetoed(Artifact, type_name="seen_vetoed"):
    @before("update", "delete")
    @staticmethod
    def only_drafts(call):
        if call.before.status != "drafted" or call.before.description == "final":
            raise VetoError(f"it is {call.before.description}")


GUARD = Protections(
    [
        Protection("sealed", create="role:admin", read="role:admin"),
        Protection("frozen", update="!", delete="!"),
        Protection("drop", read="role:admin"),
        Protection(".*"),
        *(Protection(name, of="fields", read="role:admin") for name in ("cost", "parent", "disk", "hold")),
        Protection("pages", of="fields", update="!"),
    ]
)


@pytest.fixture(params=["memory", "sqlite"])
def catalog(request, tmp_path):
    url = "memory:" if request.param == "memory" else str(tmp_path / "catalog.db")
    with Catalog.open(url, types=[Doc, Vetoed]) as opened:
        yield opened


@pytest.fixture
def guarded():
    with Catalog.open("memory:", types=[Doc, Vetoed], protections=GUARD) as opened:
        yield opened


def doc(catalog, owner, visibility="private", **fields):
    return catalog.add(Doc(**{"name": "d", **fields}, owner=owner, visibility=visibility))


def by_hand(kind, id, revision=1, **fields):
    """An object that a caller made, of an id and a revision that it guessed."""
    made = kind(id=id, **{"name": "d", **fields})
    made.__dict__["revision"] = revision
    return made


def refusal(act, *given, **options):
    with pytest.raises(Exception) as refused:
        act(*given, **options)
    return type(refused.value), str(refused.value)


def same_as_unknown(ask, hidden):
    """What is said of an artifact out of sight is what is said of an id that never was."""
    unknown = make_id()
    kind, words = refusal(ask, hidden)
    other, spoken = refusal(ask, unknown)
    assert (kind, words) == (other, spoken.replace(str(unknown), str(hidden)))
    return kind


# --- who sees what


@pytest.mark.parametrize(
    ("caller", "seen"),
    [(A, "private shared community public"), (B, "community public"), (NOBODY, "community public")],
)
def test_by_id_the_owner_gets_all_and_others_what_is_open(catalog, caller, seen):
    made = [doc(catalog, "a", each, name=each) for each in ("private", "shared", "community", "public")]
    view = catalog.as_(caller)
    assert [each.name for each in view.get_many(Doc, [one.id for one in made])] == seen.split()
    assert {each.name for each in view.find(Doc, unlisted=True)} == {*seen.split()}


def test_lists_show_ones_own_and_what_is_public(catalog):
    for sight in ("private", "shared", "community", "public"):
        doc(catalog, "a", sight, name=sight)
    assert {each.name for each in catalog.as_(A).find(Doc)} == {"private", "shared", "community", "public"}
    assert {each.name for each in catalog.as_(B).find(Doc)} == {"public"}


def test_hidden_ones_are_listed_when_asked_for_only(catalog):
    doc(catalog, "a", hidden=True)
    view = catalog.as_(A)
    assert view.count(Doc) == 0
    assert len(view.find(Doc, unlisted=True).all()) == 1


@pytest.mark.parametrize(("answer", "listed"), [("pending", 0), ("accepted", 1), ("rejected", 0)])
def test_a_share_is_seen_at_once_and_listed_once_accepted(catalog, answer, listed):
    made = doc(catalog, "a")
    catalog.as_(A).share(made, "b")
    view = catalog.as_(B)
    view.answer(view.get(Doc, made.id), answer)
    assert view.get(Doc, made.id).id == made.id
    assert view.count(Doc) == listed


def test_what_has_no_owner_is_not_the_one_s_who_has_no_project(catalog):
    made = doc(catalog, None)
    assert same_as_unknown(lambda ident: catalog.as_(NOBODY).get(Doc, ident), made.id) is NotFoundError


def test_a_caller_without_project_adds_nothing_or_its_names_would_tell_of_unowned_ones(catalog):
    doc(catalog, None)
    assert refusal(catalog.as_(NOBODY).add, Doc(name="d")) == refusal(catalog.as_(NOBODY).add, Doc(name="free"))
    with pytest.raises(ForbiddenError, match="belongs to a project"):
        catalog.as_(NOBODY).upsert(Doc(name="d"))


def test_an_admin_sees_everything(catalog):
    doc(catalog, "a")
    doc(catalog, None, name="e")
    assert catalog.as_(ADMIN).count(Doc) == 2


def test_a_type_whose_lists_are_forbidden_is_left_out_of_lists_of_all_types(tmp_path):
    policy = Policy.default().with_rules({"seen_docs:list": "role:admin"})
    with Catalog.open("memory:", types=[Doc, Vetoed], policy=policy) as catalog:
        doc(catalog, "b")
        catalog.add(Vetoed(name="v", owner="b"))
        view = catalog.as_(B)
        assert [type(each) for each in view.find(Record)] == [Vetoed]
        assert view.stats()["artifacts"] == {"seen_vetoed": 1}
        for unlisted in (False, True):
            with pytest.raises(ForbiddenError, match="seen_docs:list"):
                view.find(Doc, unlisted=unlisted)


def test_names_are_the_caller_s_own_and_those_of_others_do_not_count(catalog):
    doc(catalog, "a")
    mine = catalog.as_(B).add(Doc(name="d"))
    assert catalog.as_(B).get(Doc, name="d").id == mine.id
    assert catalog.as_(B).upsert(Doc(name="d", pages=2)).id == mine.id


def test_stats_count_what_is_seen(catalog):
    doc(catalog, "a")
    doc(catalog, "b", name="e")
    assert catalog.as_(B).stats() == {"artifacts": {"seen_docs": 1}}


# --- out of sight is as if it were not there


ASKED = [
    lambda view, ident: view.get(Doc, ident),
    lambda view, ident: view.get(Record, ident),
    lambda view, ident: view.get(Vetoed, ident),
    lambda view, ident: view.get(Membership, ident),
    lambda view, ident: view.dump(by_hand(Doc, ident)),
    lambda view, ident: view.update(by_hand(Doc, ident), pages=2),
    lambda view, ident: view.change(by_hand(Doc, ident, 7), "publish"),
    lambda view, ident: view.delete(by_hand(Doc, ident)),
    lambda view, ident: view.update(by_hand(Vetoed, ident), description="x"),
    lambda view, ident: view.delete(by_hand(Vetoed, ident, description="final")),
    lambda view, ident: view.share(by_hand(Doc, ident, owner="b", visibility="shared"), "c"),
    lambda view, ident: view.unshare(by_hand(Doc, ident, owner="b", visibility="shared"), "c"),
    lambda view, ident: view.unshare(by_hand(Doc, ident, owner="b", visibility="shared")),
    lambda view, ident: view.members(by_hand(Doc, ident, owner="b", visibility="shared")),
    lambda view, ident: view.answer(by_hand(Doc, ident, owner="b", visibility="shared"), "accepted"),
    lambda view, ident: view.transfer(by_hand(Doc, ident), "b"),
    lambda view, ident: view.hold(by_hand(Doc, ident), "why"),
    lambda view, ident: view.find(Doc, after=ident).all(),
    lambda view, ident: view.find(Doc, after=str(ident)).page(),
    lambda view, ident: view.find(Record, after=by_hand(Doc, ident)).all(),
]


@pytest.mark.parametrize("ask", ASKED)
def test_asking_for_what_is_out_of_sight_says_what_an_unknown_id_says(catalog, ask):
    made = doc(catalog, "a")
    catalog.as_(A).share(made, "c")
    kind = same_as_unknown(lambda ident: ask(catalog.as_(B), ident), made.id)
    assert kind in (NotFoundError, CursorError)
    assert [each.member for each in catalog.members(catalog.get(Doc, made.id))] == ["c"]


def test_what_is_deleted_out_of_sight_was_never_there(catalog):
    made = doc(catalog, "a")
    catalog.delete(made)
    assert same_as_unknown(lambda ident: catalog.as_(B).get(Doc, ident), made.id) is NotFoundError


def test_closures_go_through_what_is_seen_only(catalog):
    end = doc(catalog, "b", name="end")
    middle = doc(catalog, "a", name="middle", parent=Link(end))
    start = doc(catalog, "b", name="start", parent=Link(middle))
    view = catalog.as_(B)
    assert [edge.target for edge in view.closure(start)] == [middle.id]
    assert view.back_links(end) == view.closure(middle) == view.back_links(middle.id)[:0] == []


def test_conditions_do_not_look_through_links_at_what_is_out_of_sight(catalog):
    hidden = doc(catalog, "a", name="hidden", pages=3)
    mine = doc(catalog, "b", parent=Link(hidden))
    doc(catalog, "a", name="other", parent=Link(mine))
    view = catalog.as_(B)
    assert view.count(Doc, Doc.parent.pages == 3) == 0
    assert view.count(Doc, ~(Doc.parent.pages == 3)) == 1
    assert view.count(Doc, linked_from(Doc.parent)) == 0


def test_a_restricting_link_is_named_to_who_sees_it_only(catalog):
    made = doc(catalog, None)
    doc(catalog, None, name="holder", parent=Link(made))
    with pytest.raises(LinkedError, match=r"seen_docs .* by parent"):
        catalog.as_(ADMIN).delete(made)


# --- members


def test_a_member_sees_its_own_membership_only(catalog):
    made = catalog.as_(A).share(doc(catalog, "a"), "b", "c")
    assert [each.member for each in catalog.as_(B).members(made)] == ["b"]
    assert [each.member for each in catalog.as_(A).members(made)] == ["b", "c"]


def test_answering_for_another_does_not_tell_whether_it_is_a_member(catalog):
    made = catalog.as_(A).share(doc(catalog, "a"), "b", "c")
    view = catalog.as_(B)
    kind, words = refusal(view.answer, made, "accepted", project="c")
    assert kind is ForbiddenError
    assert words == refusal(view.answer, made, "accepted", project="d")[1].replace("'d'", "'c'")


def test_a_member_that_makes_itself_the_owner_by_hand_takes_nobody_off(catalog):
    made = catalog.as_(A).share(doc(catalog, "a"), "b", "c")
    forged = by_hand(Doc, made.id, made.revision, owner="b", visibility="shared")
    with pytest.raises(ForbiddenError):
        catalog.as_(B).unshare(forged, "c")
    with pytest.raises(ForbiddenError):
        catalog.as_(B).unshare(forged)
    assert len(catalog.members(made)) == 2


def test_members_of_a_private_artifact_are_refused(catalog):
    made = doc(catalog, "a")
    for ask in (catalog.as_(A).members, lambda each: catalog.as_(A).answer(each, "accepted", project="b")):
        with pytest.raises(TransitionError, match="only a shared artifact"):
            ask(made)


def test_a_first_share_that_is_undone_disturbs_no_query(catalog):
    made, view = doc(catalog, "a"), catalog.as_(B)
    with suppress(KeyError), catalog.transaction():
        catalog.as_(A).share(made, "b")
        assert view.find(Doc, unlisted=True).count() == 1
        raise KeyError
    assert view.find(Doc, unlisted=True).count() == 0
    catalog.as_(A).share(made, "b")
    assert view.find(Doc, unlisted=True).count() == 1


def test_a_first_share_that_is_not_committed_disturbs_no_query_of_another_thread(tmp_path):
    with Catalog.open(str(tmp_path / "catalog.db"), types=[Doc]) as catalog, ThreadPoolExecutor(1) as elsewhere:
        made, view = doc(catalog, "a"), catalog.as_(B)
        with catalog.transaction():
            catalog.as_(A).share(made, "c")
            assert catalog.as_(C).find(Doc, unlisted=True).count() == 1
            assert elsewhere.submit(view.count, Doc).result() == 0


# --- the engine's own types


def test_the_engine_s_own_types_hold_nothing_for_a_caller(catalog):
    before_any = catalog.as_(B).artifact_type("metastore_members")
    catalog.as_(A).share(doc(catalog, "a"), "b")
    view = catalog.as_(B)
    assert view.artifact_type("metastore_members") is before_any is Membership
    assert view.find(Membership).all() == view.find(Membership, unlisted=True).all() == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda view: view.types(unlisted=True),
        lambda view: view.artifact_type("metastore_quotas"),
        lambda view: view.parse("metastore_quotas", "count = 1"),
    ],
)
def test_types_do_not_tell_a_caller_that_something_is_shared_or_limited(catalog, ask):
    made, view = doc(catalog, "a"), catalog.as_(B)
    before_any = ask(view)
    catalog.as_(A).share(made, "c")
    catalog.set_quota("a", count=5)
    assert ask(view) == before_any


def test_a_condition_cannot_ask_who_is_a_member(catalog):
    asks = [Followed("metastore_members", "artifact", And(())), linked_from(Membership.artifact)]
    words = [refusal(catalog.as_(B).find, Doc, each) for each in asks]
    catalog.as_(A).share(doc(catalog, "a"), "b")
    assert [refusal(catalog.as_(B).find, Doc, each) for each in asks] == words
    assert words[0][0] is QueryError


@pytest.mark.parametrize(
    "write",
    [
        lambda view: view.add(Membership(artifact=Link(make_id()), member="b")),
        lambda view: view.update_many(Membership, answer="accepted"),
        lambda view: view.delete_many(Membership),
    ],
)
def test_not_even_an_admin_writes_the_engine_s_own_types(catalog, write):
    catalog.as_(A).share(doc(catalog, "a"), "b")
    with pytest.raises(UnknownTypeError, match="does not write metastore_members"):
        write(catalog.as_(ADMIN))


# --- what is for the owner of the process


@pytest.mark.parametrize(
    "ask",
    [
        lambda view: view.load(Doc, []),
        lambda view: view.migrate(Doc, dict),
        lambda view: view.check(),
        lambda view: view.register(Doc),
        lambda view: view.as_(ADMIN),
        lambda view: view.find(Doc).explain(),
        lambda view: view.transaction(actor="somebody else"),
    ],
)
def test_what_is_for_the_owner_of_the_process_is_refused(catalog, ask):
    with pytest.raises(ForbiddenError, match="owner of the process"):
        ask(catalog.as_(ADMIN))


def test_a_caller_may_bundle_its_writes_under_its_own_name(catalog):
    view = catalog.as_(B)
    with view.transaction(message="both", actor="ub"):
        view.add(Doc(name="one"))
    assert view.count(Doc) == 1


def test_hooks_get_the_caller_s_catalogue_and_what_is_stored(catalog):
    made = catalog.add(Vetoed(name="v", owner="b", description="final"))
    forged = by_hand(Vetoed, made.id, description="a draft")
    for act in (lambda: catalog.as_(B).update(forged, description="x"), lambda: catalog.as_(B).delete(forged)):
        with pytest.raises(VetoError, match="it is final"):
            act()


def test_a_step_that_is_none_is_refused(catalog):
    with pytest.raises(ValidationError, match="a mapping of fields or the name of an action"):
        catalog.change(doc(catalog, "a"), 42)


@pytest.mark.parametrize("fields", [{"hidden": True}, {"protected": True}, {"hold": "mine"}])
def test_what_has_a_rule_of_its_own_has_it_from_the_beginning(fields):
    rules = dict.fromkeys(["artifact:hide", "artifact:protect"], "role:admin")
    with Catalog.open("memory:", types=[Doc], policy=Policy.default().with_rules(rules)) as catalog:
        with pytest.raises(ForbiddenError):
            catalog.as_(B).add(Doc(name="d", **fields))
        assert catalog.as_(ADMIN).add(Doc(name="d", **fields)).revision == 1


# --- protections


@pytest.mark.parametrize(
    "ask",
    [
        lambda view: view.find(Doc, Doc.cost == "gold"),
        lambda view: view.find(Doc, matches("gold", Doc.cost)),
        lambda view: view.find(Doc, order_by=[Doc.cost]),
        lambda view: view.find(Doc).facets(Doc.cost),
        lambda view: view.find(Doc).aggregate(most=("max", Doc.cost)),
        lambda view: view.find(Doc).aggregate(by=[Doc.cost], n="count"),
        lambda view: view.find(Doc).select(Doc.cost),
        lambda view: view.find(Doc, Doc.parent.pages == 1),
        lambda view: view.find(Doc, linked_from(Doc.parent)),
        lambda view: view.find(Doc, view.parse("seen_docs", "cost = 'gold'")),
    ],
)
def test_a_field_that_may_not_be_read_cannot_be_asked(guarded, ask):
    doc(guarded, "b", cost="gold")
    with pytest.raises(UnknownFieldError, match="has no field"):
        ask(guarded.as_(B))


@pytest.mark.parametrize(
    "ask",
    [
        lambda view: view.find(Doc, Doc.properties["sealed"] == 1),
        lambda view: view.find(Doc, Doc.properties.has_key("sealed")),
        lambda view: view.find(Doc, ~HasKey(Path("properties"), "sealed")),
        lambda view: view.find(Doc, order_by=[Doc.properties["sealed"]]),
        lambda view: view.find(Doc).facets(Doc.properties["sealed"]),
        lambda view: view.find(Doc, references("s3://b/k")),
    ],
)
def test_a_property_or_blob_that_may_not_be_read_cannot_be_asked(guarded, ask):
    doc(guarded, "b", properties={"sealed": 1}, disk=Blob(locations=[Location("s3://b/k")]))
    with pytest.raises(QueryError, match="this caller"):
        ask(guarded.as_(B))


def test_what_may_not_be_read_is_nowhere_in_what_is_read(guarded):
    made = doc(guarded, "b", cost="gold", properties={"sealed": "gold", "k": 1})
    view = guarded.as_(B)
    got = view.get(Doc, made.id)
    told = [
        got,
        vars(got),
        view.dump(got),
        [*view.dump_many(Doc)],
        view.find(Doc).page(),
        [*view.find(Doc).select(Doc.properties)],
    ]
    assert "gold" not in repr(told)
    assert got.properties == {"k": 1}
    assert not hasattr(got, "cost")
    assert view.dump(got)["type"] == "seen_docs"
    assert view.count(Doc, matches("gold")) == 0


def test_the_type_is_dumped_whatever_the_patterns_of_fields(guarded):
    guard = Protections([Protection("(type|name)", of="fields", read="!")])
    with Catalog.open("memory:", types=[Doc], protections=guard) as catalog:
        made = doc(catalog, "b")
        assert catalog.as_(B).dump(made)["type"] == "seen_docs"
        with pytest.raises(UnknownFieldError):
            catalog.as_(B).find(Doc, latest=True)


@pytest.mark.parametrize("guess", ["gold", "lead", None])
def test_a_field_that_may_not_be_read_is_not_guessed_by_updates(guarded, guess):
    made = doc(guarded, "b", cost="gold")
    with pytest.raises(ForbiddenError, match="'cost' is protected"):
        guarded.as_(B).update(made, cost=guess)


@pytest.mark.parametrize("stored", [{}, {"sealed": 1}, {"sealed": 2}])
def test_a_property_that_may_not_be_read_is_not_guessed_by_updates(guarded, stored):
    made = doc(guarded, "b", properties=stored)
    with pytest.raises(ForbiddenError, match="'sealed' is protected: you may not set it"):
        guarded.as_(B).update(made, properties={"sealed": 1})
    assert guarded.as_(B).update(made, properties={"k": 1}).properties == {"k": 1}
    assert guarded.get(Doc, made.id).properties == {"k": 1, **stored}


@pytest.mark.parametrize("stored", [{}, {"drop": 1}, {"drop": 2}])
def test_who_sets_what_it_cannot_read_always_makes_a_revision(guarded, stored):
    made = doc(guarded, "b", properties=stored)
    assert guarded.as_(B).update(made, properties={"drop": 1}).revision == 2
    held = guarded.deactivate(guarded.activate(guarded.get(Doc, made.id)))
    with pytest.raises(FrozenFieldError):
        guarded.as_(B).update(held, properties={"drop": 1})
    assert guarded.get(Doc, made.id).properties == {"drop": 1}


def test_an_upsert_leaves_alone_what_the_caller_cannot_see(guarded):
    doc(guarded, "b", cost="gold")
    assert guarded.as_(B).upsert(Doc(name="d", description="new")).revision == 2
    assert guarded.get(Doc, name="d").cost == "gold"
    with pytest.raises(ForbiddenError, match="'cost'"):
        guarded.as_(B).upsert(Doc(name="d", cost="lead"))


@pytest.mark.parametrize("properties", [{"frozen": 2}, {}])
def test_a_protected_property_is_neither_changed_nor_removed(guarded, properties):
    made = doc(guarded, "b", properties={"frozen": 1})
    with pytest.raises(ForbiddenError, match="'frozen' is protected"):
        guarded.as_(B).update(made, properties=properties)


def test_a_protected_field_that_is_read_may_be_said_again(guarded):
    made = doc(guarded, "b", pages=3)
    assert guarded.as_(B).update(made, pages=3).revision == 1
    with pytest.raises(ForbiddenError, match="'pages' is protected: you may not update it"):
        guarded.as_(B).update(made, pages=4)


def test_links_by_a_field_that_may_not_be_read_are_in_no_closure(guarded):
    end = doc(guarded, "b", name="end")
    start = doc(guarded, "b", name="start", parent=Link(end))
    view = guarded.as_(B)
    assert view.closure(start) == view.back_links(end) == []
    with pytest.raises(LinkedError, match="by another artifact of its owner"):
        view.delete(end)


def test_a_refusal_quotes_nothing_that_may_not_be_read():
    rules = {"artifact:update": "not 'gold':%(cost)s", "artifact:delete": "'lead':%(cost)s"}
    with Catalog.open("memory:", types=[Doc], policy=Policy.default().with_rules(rules), protections=GUARD) as catalog:
        made = doc(catalog, "b", cost="gold")
        for act in (lambda: catalog.as_(B).update(made, name="e"), lambda: catalog.as_(B).delete(made)):
            kind, words = refusal(act)
            assert kind is ForbiddenError
            assert "cost is 'gold'" not in words


def test_a_hold_whose_reason_may_not_be_read_holds_in_silence(guarded):
    made = doc(guarded, "b", hold="the case of gold")
    with pytest.raises(ProtectedError, match=r"is on hold: release"):
        guarded.as_(B).delete(made)
    with pytest.raises(ProtectedError, match="the case of gold"):
        guarded.delete(made)


# --- parts


def test_both_is_flat_and_leaves_a_single_part_alone():
    one, two, three = (Compare(Path("owner"), "eq", each) for each in "abc")
    assert both(And((one, two)), three) == And((one, two, three))
    assert both(And(()), one) == one


def test_a_view_costs_no_statement_and_is_not_closed_by_itself(catalog):
    view = catalog.as_(B)
    view.close()
    assert view.count(Doc) == 0
    assert "project='b'" in repr(view)


@pytest.mark.parametrize("secret", [{}, {"hold": "case 7"}, {"protected": True}])
def test_what_would_go_along_unseen_is_neither_deleted_nor_told_of(secret):
    policy = Policy.default().with_rules({"artifact:delete": "@"})
    with Catalog.open("memory:", types=[Doc, Page], policy=policy) as catalog:
        top = doc(catalog, "a", "public")
        page = catalog.add(Page(name="p", of=Link(top), owner="a", **secret))
        with pytest.raises(LinkedError, match="by another artifact of its owner") as refused:
            catalog.as_(B).delete(top)
        assert str(page.id) not in str(refused.value)
        assert catalog.get(Page, page.id) == page


def test_memberships_go_along_unseen(catalog):
    made = catalog.as_(A).share(doc(catalog, "a"), "b")
    catalog.as_(A).delete(made)
    assert catalog.find(Membership).all() == []


@pytest.mark.parametrize("url", ["memory:", "sqlite:///{}/catalog.db"])
def test_a_taken_name_that_may_not_be_read_is_not_told(url, tmp_path):
    guard = Protections([Protection("name", of="fields", read="role:admin")])
    policy = Policy.default().with_rules({"artifact:publish": "@"})
    with Catalog.open(url.format(tmp_path), types=[Doc], protections=guard, policy=policy) as catalog:
        catalog.publish(catalog.activate(doc(catalog, "a", name="treasure")))
        own = catalog.activate(doc(catalog, "b", name="treasure"))
        with pytest.raises(DuplicateError, match="already has the same name, version") as refused:
            catalog.as_(B).publish(own)
        assert "treasure" not in str(refused.value)
