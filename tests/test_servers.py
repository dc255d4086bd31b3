"""The servers of the tests: shared by all workers, a new empty place for each test, gone with the last process."""

import fcntl
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from metastore_sql.trial import Home

PROGRAM = """
import sys
from metastore_sql.trial import Home
home = Home()
asleep = home.process("asleep", ["sleep", "1000"]).start()
print(home.root, asleep.pid, flush=True)
sys.stdin.read()
"""


def finished(root, pid):
    """Return once a process of somebody else has ended, and who ended it has cleaned up."""
    with suppress(ProcessLookupError, FileNotFoundError):
        process = os.pidfd_open(pid)
        assert select.select([process], [], [], 30)[0], "it still runs"
        os.close(process)
        with (root / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)


def test_each_place_on_postgresql_is_empty_and_goes_away(postgres_server):
    with postgres_server.place() as address:
        name = address.split("schema=")[1]
        postgres_server.execute(f"CREATE TABLE {name}.a (n int)")
    with pytest.raises(psycopg.errors.UndefinedTable):
        postgres_server.execute(f"SELECT * FROM {name}.a")


def test_each_place_on_mariadb_is_empty_and_goes_away(mysql_server):
    with mysql_server.place() as address:
        name = address.split("/")[3].split("?")[0]
        mysql_server.execute(f"CREATE TABLE {name}.a (n int)")
    assert (name,) not in mysql_server.execute("SHOW DATABASES")


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM])
def test_servers_end_with_the_process_that_started_them_even_if_it_is_killed(death):
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        root, pid = parent.stdout.readline().decode().split()
        os.kill(int(pid), 0)
        parent.send_signal(death)
    finished(Path(root), int(pid))
    assert not Path(root).exists()


def test_a_home_that_two_share_ends_with_the_second(tmp_path):
    first = Home(tmp_path / "h", user="nobody")
    asleep = first.process("asleep", ["sleep", "1000"]).start()
    second = Home(tmp_path / "h")
    first.close()
    assert asleep.running
    second.close()
    assert not asleep.running
