"""Settings of hypothesis for every test (no deadline, machines are shared; the same examples again in CI), and servers."""

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile(
    "house",
    deadline=None,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # as in the background of a shell; the programs that tests start would inherit it, and never hear Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Let each test have its own number of rows pending before full text: few tests write as many as there may be."""
    from metastore_sqlite import _full_text

    usual, _full_text.PENDING = _full_text.PENDING, (0, 1, _full_text.PENDING)[crc32(item.nodeid.encode()) % 3]
    try:
        return (yield)
    finally:
        _full_text.PENDING = usual


def _opened(kind, tmp_path_factory, worker_id):
    import servers

    from metastore_sql.trial import ServerMissingError

    try:
        return getattr(servers, kind)(servers.common_folder(tmp_path_factory, worker_id))
    except ServerMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory, worker_id):
    """The run's PostgreSQL, started by the first test of any worker that wants it."""
    server = _opened("Postgres", tmp_path_factory, worker_id)
    yield server
    server.close()


@pytest.fixture(scope="session")
def mysql_server(tmp_path_factory, worker_id):
    """The run's MariaDB; where there is none its tests are skipped, with the command that would bring it."""
    server = _opened("Mysql", tmp_path_factory, worker_id)
    yield server
    server.close()


@pytest.fixture
def postgres(postgres_server):
    """A function that gives the address of a new empty schema on PostgreSQL; options of the address by keyword."""
    with ExitStack() as places:
        yield lambda **options: places.enter_context(postgres_server.place(**options))


@pytest.fixture
def mysql(mysql_server):
    """A function that gives the address of a new empty database on MariaDB; options of the address by keyword."""
    with ExitStack() as places:
        yield lambda **options: places.enter_context(mysql_server.place(**options))


@pytest.fixture(scope="session")
def swift_server():
    """The run's Swift, one for each worker; its listings and manifests are short, so that paging and nesting happen."""
    from servers.swift import Swift, SwiftMissingError

    try:
        server = Swift(listing_limit=100, max_segments=10)
    except SwiftMissingError as missing:
        pytest.skip(str(missing))
    yield server
    server.close()
