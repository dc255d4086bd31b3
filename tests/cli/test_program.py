"""The program as processes see it: exit codes, pipes, signals, completion, missing packages."""

import os
import signal
import subprocess
import sys

import click
import pytest

from metastore import errors
from metastore.cli import main
from metastore.cli._app import program
from metastore.cli._session import EXIT_CODES, exit_code


def process(*arguments, **options):
    command = [sys.executable, "-m", "metastore", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_python_m_metastore_works(images, path):
    found = process("count", "images", cwd=path.parent)
    assert (found.returncode, found.stdout, found.stderr) == (0, "3\n", "")


def test_a_pipe_that_closes_ends_quietly(images, metastore, path):
    for number in range(40):
        metastore("add", "images", f"name=many{number}", f"description={'x' * 8000}")
    command = f"{sys.executable} -m metastore find images --json | head -c 10; echo ${{PIPESTATUS[0]}}"
    found = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=path.parent)
    assert (found.stdout.splitlines()[-1].rpartition('"')[2][-3:], found.stderr) == ("141", "")


def shell(command, path):
    """Run a line of bash in which ``$M`` is the program, whose streams are buffered as they are for most."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    env["M"] = f"{sys.executable} -m metastore"
    found = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, cwd=path.parent, env=env
    )
    return found.returncode, found.stdout, found.stderr


@pytest.mark.parametrize("words", ["find images", "export", "export all.jsonl", "add images name=x", "scan ."])
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_are_no_mistake(images, path, words, closed):
    code, _out, err = shell(f"$M {words} {closed}", path)
    assert (code, "mistake" in err) == (0, False), err


def test_an_import_without_standard_input_says_that_nothing_came(path):
    code, _out, err = shell("$M import <&-", path)
    assert (code, err.startswith("metastore: nothing came")) == (1, True), err


@pytest.mark.parametrize("words", ["--help", "--version"])
def test_help_into_a_pipe_that_closed_ends_quietly(path, words):
    assert shell(f"mkfifo pipe; (: < pipe) & exec 3> pipe; wait; $M {words} >&3", path) == (141, "", "")


@pytest.mark.parametrize("words", ["--help", "types"])
def test_an_output_that_is_full_is_one_sentence(images, path, words):
    told = "metastore: input or output: No space left on device\n"
    assert shell(f"$M {words} > /dev/full", path) == (1, "", told)


@pytest.mark.parametrize(
    ("words", "code"), [("find nonsense", 2), ("nonsense", 2), ("show images none", 1), ("export all", 0)]
)
def test_an_exit_code_stays_where_nobody_reads_the_sentence(images, path, words, code):
    assert shell(f"$M {words} 2> /dev/full", path)[0] == code


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_json_is_json_in_an_encoding_that_lacks_a_sign(metastore, images, path, encoding):
    metastore("add", "images", "name=é\U0001f600א")
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    found = process(
        "find", "images", "name LIKE 'é%'", "--select", "name", "--json", cwd=path.parent, env=env, encoding=encoding
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, '{"name": "é\\ud83d\\ude00\\u05d0"}\n', "")


def test_a_folder_that_is_gone_is_told(path):
    code, _out, err = shell("mkdir gone; cd gone; rmdir ../gone; $M types", path)
    assert (code, "the folder that this was started in is gone" in err) == (1, True), err


def test_an_interrupt_ends_in_130(metastore, images, monkeypatch):
    def interrupted(*_told):
        raise KeyboardInterrupt

    monkeypatch.setattr("metastore.Find.count", interrupted)
    found = metastore("count", "images")
    assert (found.code, found.err) == (130, "metastore: interrupted\n")


def test_a_signal_ends_a_running_program_in_130(path):
    os.mkfifo(path.parent / "pipe")
    command = [sys.executable, "-m", "metastore", "import", "pipe"]
    running = subprocess.Popen(command, cwd=path.parent, stderr=subprocess.PIPE, text=True)
    with running, (path.parent / "pipe").open("w"):  # opens only once the program reads
        running.send_signal(signal.SIGINT)
        _out, err = running.communicate()
    assert (running.returncode, "Traceback" in err) == (130, False)


ENDED = """
import os, signal
from metastore import Catalog
from metastore.cli import main

def ended(catalog, kind, dump=Catalog.dump_many):
    for record in dump(catalog, kind):
        os.kill(os.getpid(), signal.SIGTERM)
        yield record

Catalog.dump_many = ended
main()
"""


def test_what_is_asked_to_end_leaves_nothing_half_written(images, path):
    (path.parent / "whole").write_text("of before")
    command = [sys.executable, "-c", ENDED, "export", "whole"]
    found = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (143, "")
    assert (path.parent / "whole").read_text() == "of before"
    assert [*path.parent.glob("*.part")] == []


def test_a_program_that_sees_to_the_signal_itself_keeps_it(metastore, images):
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert metastore("count", "images").code == 0
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


INTERRUPTED = """
import os, runpy, signal, sys

class Early:
    def find_spec(self, name, *_):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Early())
{start}
"""
STARTS = {
    "metastore": "from metastore.cli import main; main()",
    "python -m": "runpy.run_module('metastore', run_name='__main__')",
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("module", ["click", "metastore.cli._write"])
def test_an_interrupt_while_the_command_line_is_imported_ends_in_130(start, module):
    command = [sys.executable, "-c", INTERRUPTED.format(start=STARTS[start]), module]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (130, "metastore: interrupted\n")


@pytest.mark.parametrize("where", ["click.Context.close", "click.Group.make_context"])
def test_an_interrupt_before_a_command_begins_or_at_its_end_ends_in_130(metastore, images, monkeypatch, where):
    def interrupted(*_told, **_said):
        raise KeyboardInterrupt

    monkeypatch.setattr(where, interrupted)
    found = metastore("count", "images")
    assert (found.code, found.err.splitlines()[-1]) == (130, "metastore: interrupted")


def test_the_catalogue_comes_from_option_then_environment_then_default(metastore, images, monkeypatch):
    assert metastore("count", "images").out == "3\n"
    monkeypatch.setenv("METASTORE_CATALOG", "none.db")
    assert metastore("count", "images").code == 4
    assert metastore("-c", "catalog.db", "count", "images").out == "3\n"
    assert metastore("count", "images", "--catalog", "catalog.db").out == "3\n"


def test_debug_adds_the_traceback(metastore, images):
    found = metastore("find", "imagse", "--debug")
    assert found.err.startswith("Traceback")
    assert found.err.splitlines()[-1].startswith("metastore: ")


def test_no_option_of_a_command_takes_the_place_of_another():
    """``gc plan --store NAME`` once was taken for ``--stores FILE``."""
    groups, seen = [program], []
    while groups:
        for command in groups.pop().commands.values():
            groups += [command] if isinstance(command, click.Group) else []
            seen.append([option.name for option in command.params])
    assert len(seen) > 40
    assert [names for names in seen if len(set(names)) < len(names)] == []


def test_no_error_moves_a_terminal(metastore, images):
    found = metastore("types", "--stores", "\x1b[31mred")
    assert (found.code, "the file of stores \\x1b[31mred cannot be read" in found.err) == (2, True)


@pytest.mark.parametrize("words", [("count", "images", "x"), ("import",), ("gc", "quarantine")])
def test_no_mistake_in_a_call_moves_a_terminal(on_terminal, images, path, words):
    code, shown = on_terminal(*words, "\x1b]0;owned\x07\x1b[31m", cwd=path.parent)
    assert (code, "\x1b" in shown, r"\x1b]0;owned\x07" in shown) == (2, False, True), shown


@pytest.mark.parametrize("option", ["--as-user", "--as-project", "--as-role"])
def test_a_caller_whose_name_is_no_utf8_is_refused(metastore, images, option):
    found = metastore("find", "images", option, "\udce9")
    assert (found.code, "mistake" in found.err) == (1, False), found.err


def test_a_mistake_of_our_own_is_told_as_one(metastore, images, monkeypatch):
    monkeypatch.setattr("metastore.Find.count", lambda *_told: 1 / 0)
    found = metastore("count", "images")
    assert (found.code, "mistake in metastore itself" in found.err, "Traceback" in found.err) == (70, True, False)


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_has_a_documented_code(name):
    error = getattr(errors, name)
    if isinstance(error, type):
        assert exit_code(error("x")) in EXIT_CODES


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.NotFoundError, 1),
        (errors.ValidationError, 1),
        (errors.UnknownFieldError, 2),
        (errors.QuerySyntaxError, 2),
        (errors.StaleRevisionError, 3),
        (errors.DamagedError, 4),
    ],
)
def test_errors_end_in_their_code(kind, code):
    assert exit_code(kind("x")) == code


def test_a_file_that_is_no_catalogue_is_told(metastore, path):
    path.write_bytes(b"no database at all" * 500)
    found = metastore("types")
    assert (found.code, found.err.count("\n")) == (4, 1)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(metastore, shell):
    assert "_METASTORE_COMPLETE" in metastore("completion", shell).out


def completed(words, path):
    env = {
        **os.environ,
        "_METASTORE_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split())),
    }
    return process(cwd=path.parent, env=env).stdout.split()


def test_commands_types_and_scanners_are_completed(images, path):
    assert "plain,find" in completed("metastore ", path)
    assert completed("metastore find", path) == ["plain,images"]
    assert "plain,python" in completed("metastore scan", path)
    assert completed("metastore deactivate", path) == ["plain,images"]
    assert "plain,reactivate" in completed("metastore act", path)
    assert "plain,show" in completed("metastore quota", path)


@pytest.mark.parametrize(
    "command",
    ["show", "set", "tag", "rm", "closure", "signatures", "attach", "put", "get", "verify", "url", "policy check"],
)
def test_a_type_is_completed_wherever_an_artifact_is_named(images, path, command):
    assert completed(f"metastore {command}", path) == ["plain,images"]


@pytest.mark.parametrize("option", ["-c", "--catalog", "--stores", "--trust", "--policy", "--protections"])
def test_a_file_is_completed_where_an_option_takes_one(path, option):
    assert completed(f"metastore {option}", path) == ["file,"]
    assert completed(f"metastore find {option}", path) == ["file,"]


@pytest.mark.parametrize("command", ["copy", "compare"])
def test_a_file_is_completed_where_a_catalogue_is_named(path, command):
    assert completed(f"metastore {command}", path) == completed(f"metastore {command} a.db", path) == ["file,"]


def test_types_of_no_catalogue_complete_to_nothing(path):
    assert completed("metastore find", path) == []


def test_in_a_folder_that_is_gone_types_complete_to_nothing(path):
    asked = "_METASTORE_COMPLETE=bash_complete COMP_WORDS='metastore find' COMP_CWORD=2"
    assert shell(f"mkdir gone; cd gone; rmdir ../gone; {asked} $M", path) == (0, "\n", "")


def test_help_shows_every_command_and_every_exit_code(metastore):
    text = metastore("--help").out
    assert all(f"\n  {name} " in text for name in program.commands)
    assert all(f"\n  {code} " in text for code in EXIT_CODES)


@pytest.mark.parametrize("name", sorted(program.commands))
def test_every_command_explains_itself(metastore, name):
    found = metastore(name, "--help")
    assert (found.code, found.out.startswith(f"Usage: metastore {name}")) == (0, True)


def test_a_missing_package_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "click", None)
    for name in [each for each in sys.modules if each.startswith("metastore.cli.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(SystemExit) as ended:
        main(["types"])
    assert ended.value.code == 2
    assert (
        capsys.readouterr().err
        == "metastore: the command line needs the package 'click': pip install 'metastore-engine[cli]'\n"
    )


def test_importing_the_command_line_needs_no_extra():
    code = "import sys, metastore.cli; sys.exit(any(name in sys.modules for name in ('click', 'rich')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
