"""Stores of every kind for the tests: a folder, a real S3, a real Swift where it is there, and a small web."""

import contextlib
import sys
from uuid import uuid4

import pytest
from servers.seaweedfs import Seaweed, SeaweedMissingError
from servers.web import Web

from metastore import Artifact, Blob, Catalog, Field, field
from metastore.stores import Store, Stores

BUCKET = "metastore-tests"
KINDS = ("file", "s3", "swift")
"""Stores that can be written."""


class Disk(Artifact, type_name="disks"):
    data: Field[Blob | None] = field(default=None, max_size=64 * 2**20)
    files: Field[dict[str, Blob]] = field(factory=dict, max_total_size=1000)
    note: Field[str | None] = field(default=None)


@pytest.fixture(scope="session")
def seaweed():
    """The run's S3."""
    try:
        server = Seaweed()
    except SeaweedMissingError as missing:
        pytest.skip(str(missing))
    Stores([server.store("first", BUCKET)]).drive("first")._fs.mkdir(BUCKET)
    yield server
    server.close()


@pytest.fixture(scope="session")
def swift():
    """The run's Swift, by our own file system."""
    pytest.importorskip("metastore_swift")
    import fsspec

    servers = pytest.importorskip("servers.swift")
    fsspec.register_implementation("swift", "metastore_swift.SwiftFileSystem", clobber=True)
    try:
        server = servers.Swift()
    except servers.SwiftMissingError as missing:
        pytest.skip(str(missing))
    system = Stores([swift_store(server, "first", BUCKET)]).drive("first")._fs
    system.mkdir(BUCKET)
    system.objects.account.ask("POST", headers={"X-Account-Meta-Temp-URL-Key": "signing"})
    yield server
    server.close()


@pytest.fixture
def web():
    """A small web server."""
    server = Web()
    yield server
    server.close()


@pytest.fixture
def made(request, tmp_path):
    """A function that makes a new empty store of a kind."""

    def make(kind, name="one", **said):
        return _MAKE[kind](request, tmp_path, name, said)

    return make


def _folder(_, tmp_path, name, said):
    root = tmp_path / name
    root.mkdir(exist_ok=True)
    return Store(name, f"file://{root}", **said)


def _s3(request, _, name, said):
    return request.getfixturevalue("seaweed").store(name, BUCKET, **said)


def swift_store(server, name, container, **said):
    """Return a store in a container of the Swift."""
    module = sys.modules["servers.swift"]
    credentials = {"key": module.KEY, "temp_url_key": "signing", **said.pop("credentials", {})}
    options = {"auth_url": server.auth_url, "user": module.USER}
    return Store(name, f"swift://{container}/{uuid4().hex}", credentials=credentials, options=options, **said)


def _swift(request, _, name, said):
    return swift_store(request.getfixturevalue("swift"), name, BUCKET, **said)


def _web(request, _, name, said):
    return Store(name, request.getfixturevalue("web").url, private=True, **said)


_MAKE = {"file": _folder, "s3": _s3, "swift": _swift, "web": _web}


@pytest.fixture(params=KINDS)
def store(request, made):
    """A new empty store of every kind that can be written."""
    return made(request.param)


@pytest.fixture
def opened():
    """A function that opens a catalogue over stores, closed at the end of the test."""
    with contextlib.ExitStack() as open_ones:
        yield lambda *stores, **said: open_ones.enter_context(
            Catalog.open("memory:", types=[Disk], stores=Stores(stores), **said)
        )


@pytest.fixture
def catalog(store, opened):
    """A catalogue over that one store."""
    return opened(store)


@pytest.fixture
def local(made, opened):
    """A catalogue over a folder, for what no store is asked about."""
    return opened(made("file"))


@pytest.fixture
def disk(catalog):
    """An artifact without bytes."""
    return catalog.add(Disk(name="root"))


@pytest.fixture
def add():
    """A function that adds an artifact without bytes to a catalogue."""
    return lambda catalog, name="another", **values: catalog.add(Disk(name=name, **values))
