"""Real processes for the fault tests: started by a fork server, so that they inherit nothing of pytest's."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pymysql
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from places import Place

_numbers = count()


@pytest.fixture(scope="session")
def processes():
    """The context that makes processes; the engine is imported once, in the server."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["metastore.testing", "metastore._catalog", "metastore_sqlite", "cattrs", "importlib.metadata"]
    )
    return context


def _answer(pipe, function, args):
    try:
        pipe.send((function(*args), None))
    except BaseException as error:
        pipe.send((None, f"{type(error).__name__}: {error}"))
        raise


class Child:
    """One process that runs one function."""

    def __init__(self, processes, function, *args):
        self._here, there = processes.Pipe()
        self.process = processes.Process(target=_answer, args=(there, function, args), daemon=True)
        self.process.start()
        there.close()

    def result(self):
        answer, error = self._here.recv()
        self.process.join()
        assert error is None, error
        return answer

    def kill_after(self, seconds):
        self.process.join(seconds)
        self.process.kill()
        self.process.join()


@pytest.fixture(scope="session")
def start(processes):
    """A function that starts a function in a process of its own."""
    return lambda function, *args: Child(processes, function, *args)


@pytest.fixture
def run(start):
    """A function that runs a function in a process of its own and returns what it returned."""
    return lambda function, *args: start(function, *args).result()


@pytest.fixture(scope="session")
def galera_nodes():
    """Three Galera nodes; where they are not installed their tests are skipped, with the command that would bring them."""
    from metastore_sql.trial import Home, ServerMissingError, galera, system_user

    with Home(user=system_user()) as home:
        try:
            cluster = galera(home)
        except ServerMissingError as missing:
            pytest.skip(str(missing))
        yield cluster.nodes


def _on_galera(nodes):
    name = f"t{os.getpid()}_{next(_numbers)}"
    with pymysql.connect(unix_socket=nodes[0].socket, user="root") as root, root.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        cursor.execute(f"GRANT ALL ON {name}.* TO metastore@'%'")
    hosts = [f"{each.host}:{each.port}" for each in nodes]
    turned = [",".join(hosts[at:] + hosts[:at]) for at in range(len(hosts))]
    return Place(tuple(f"mysql://metastore@{each}/{name}" for each in turned))


@pytest.fixture(params=["sqlite", "postgres", "mysql", pytest.param("galera", marks=pytest.mark.cluster)])
def place(request, tmp_path):
    """An empty catalogue where many processes meet, on each store that many can share."""
    if request.param == "sqlite":
        return Place((str(tmp_path / "c.db"),))
    if request.param == "galera":
        return _on_galera(request.getfixturevalue("galera_nodes"))
    return Place((request.getfixturevalue(request.param)(),))


@contextmanager
def _mounted(*options, place):
    if os.geteuid() or subprocess.run(["mount", *options, place], capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    try:
        yield Path(place)
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    with _mounted("-t", "tmpfs", "-o", "size=1m", "none", place=str(place)) as disk:
        yield disk


@pytest.fixture
def read_only_media(tmp_path):
    """A function that shows a directory again, on media that cannot be written."""
    place = tmp_path / "media"
    place.mkdir()

    @contextmanager
    def shown(folder):
        with _mounted("--bind", str(folder), place=str(place)) as media:
            subprocess.run(["mount", "-o", "remount,bind,ro", str(place)], check=True)
            yield media

    return shown


@pytest.fixture
def open_folder():
    """A directory that other users can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)
