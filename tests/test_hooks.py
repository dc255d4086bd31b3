"""Hooks: which functions are called at which action, in which order."""

import sys

import pytest

from metastore import Artifact, Lifecycle, Record, State, Transition, after, before, make_type, spec_of
from metastore._hooks import GROUP, hooks_of
from metastore._plugins import installed
from metastore.errors import DeclarationError


def plain(call):
    return "first"


class Watched(Record):
    first = before("create", "update")(plain)

    @after("delete", locked=True)
    @staticmethod
    def gone(call):
        return "gone"


class Job(Watched, Artifact, type_name="hooked_jobs"):
    @before("create")
    @after("activate")
    @staticmethod
    def second(call):
        return "second"

    @before("create", locked=True)
    @staticmethod
    def held(call):
        return "held"


class Plain(Artifact, type_name="hooked_plains"):
    pass


def said(hooks):
    return tuple([hook(None) for hook in part] for part in hooks)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Install a distribution whose entry points and module are given as text."""

    def install(entries, body):
        (tmp_path / "extra-1.dist-info").mkdir()
        (tmp_path / "extra-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: extra\nVersion: 1\n")
        (tmp_path / "extra-1.dist-info" / "entry_points.txt").write_text(f"[{GROUP}]\n{entries}\n")
        (tmp_path / "extra_hooks.py").write_text(body)
        monkeypatch.syspath_prepend(tmp_path)
        installed.cache_clear()

    yield install
    installed.cache_clear()
    sys.modules.pop("extra_hooks", None)


def test_hooks_of_a_base_come_first():
    assert said(hooks_of(Job, "create")) == (["first", "second"], ["held"], [], [])


def test_one_function_may_hook_several_actions():
    assert said(hooks_of(Job, "update")) == (["first"], [], [], [])
    assert said(hooks_of(Job, "activate")) == ([], [], [], ["second"])
    assert said(hooks_of(Job, "delete")) == ([], [], ["gone"], [])


def test_a_class_without_hooks_has_none():
    assert hooks_of(Plain, "create") == ((), (), (), ())


def test_a_subclass_replaces_a_hook_by_its_name_or_takes_it_out():
    class Louder(Job, type_name="hooked_louder"):
        @before("create")
        @staticmethod
        def first(call):
            return "louder"

        second = None

    assert said(hooks_of(Louder, "create")) == (["louder"], ["held"], [], [])
    assert said(hooks_of(Job, "create"))[0] == ["first", "second"]


@pytest.mark.parametrize("action", ["activat", "download", "reactivate"])
def test_a_hook_on_an_unknown_action_is_refused(action):
    lived = Lifecycle("a", {"a": State(), "b": State()}, [Transition("activate", "a", "b")])
    with pytest.raises(DeclarationError, match=rf"Wrong\.hook: there is no action '{action}' to be @before") as refused:

        class Wrong(Artifact, type_name="hooked_wrongs", lifecycle=lived):
            @before(action)
            @staticmethod
            def hook(call):
                pass

    assert "create, update, delete" in str(refused.value)


def test_a_mix_in_is_judged_by_the_type_that_it_is_mixed_into():
    class Released(Record):
        @before("release")
        @staticmethod
        def hook(call):
            pass

    with pytest.raises(DeclarationError, match="no action 'release'"):

        class Wrong(Released, type_name="hooked_wrongs"):
            pass


@pytest.mark.parametrize("actions", [(), (len,)])
def test_a_hook_names_its_actions(actions):
    with pytest.raises(DeclarationError, match="names the actions"):
        before(*actions)


def test_only_a_function_is_a_hook():
    with pytest.raises(DeclarationError, match="marks a function, got int"):
        after("create")(7)


BODY = """
from metastore import after, before

@before("create")
def plugged(call):
    return "plugged"

class Others:
    @after("delete")
    @staticmethod
    def other(call):
        return "other"
"""


def test_an_installed_package_adds_hooks_by_type_after_its_own(site):
    site("hooked_late = extra_hooks\nhooked_later = extra_hooks:Others", BODY)

    class Late(Watched, type_name="hooked_late"):
        pass

    class Later(Watched, type_name="hooked_later"):
        pass

    assert said(hooks_of(Late, "create"))[0] == ["first", "plugged"]
    assert said(hooks_of(Later, "delete")) == ([], [], ["gone"], ["other"])
    assert said(hooks_of(Later, "create"))[0] == ["first"]


def test_a_dynamic_type_has_the_hooks_of_installed_packages(site):
    site("hooked_plains = extra_hooks", BODY)
    made = make_type(spec_of(Plain), lambda name: Record)
    assert said(hooks_of(made, "create"))[0] == ["plugged"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import nothing_of_that_name", "cannot be loaded: No module named"),
        ("x = 1", "expected functions marked"),
        (
            "from metastore import before\n@before('activat')\ndef hook(call): pass",
            "hook: there is no action 'activat'",
        ),
    ],
)
def test_a_broken_package_is_refused_every_time(site, body, words):
    site("hooked_broken = extra_hooks", body)

    class Broken(Artifact, type_name="hooked_broken"):
        pass

    for _ in range(2):
        with pytest.raises(DeclarationError, match=words) as refused:
            hooks_of(Broken, "create")
        assert "the hooks of hooked_broken in extra_hooks" in str(refused.value)
